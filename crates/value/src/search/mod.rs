//! Searching bytes: substrings, terms, many needles at once. What every string operator is made of.
//!
//! Nothing here knows a query or a value. Case, where it is ignored, is that of ASCII letters only.
//!
//! # Source
//! Kusto documentation, "String operators", "Understanding string terms"; what it leaves open is measured: conformance
//! `trap/435` to `trap/464`.

pub mod substring;

pub mod folded;

pub mod term;

pub mod many;

pub mod substrings;

pub use folded::FoldedFinder;
pub use many::{Needles, WordSet};
pub use substring::{contains, contains_ignore_case, ends_with_ignore_case, find_ignore_case, starts_with_ignore_case};
pub use substrings::Substrings;
pub use term::{TermEdges, has, has_ignore_case};
