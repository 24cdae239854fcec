//! Rule files: YAML text to rules with positions, and every mistake at once.
//!
//! [`read()`] takes one file, [`check_together`] the names in several, [`order()`] says when each rule runs. Nothing here
//! compiles a query, and files beside a rule file are read by the host, through [`Files`]. Read in order: [`rule`] (what
//! a file says), [`query`], [`place`], [`keys`], then `yaml`, `fields`, `scalar`, `beside`, [`mod@read`],
//! `destination`, `examples`, `checks`, [`mod@order`], [`together`],
//! [`schema`]. The format for operators: `docs/rules.md`.

pub mod rule;

pub mod query;

pub mod place;

pub mod keys;

mod yaml;

mod fields;

mod scalar;

pub mod beside;

pub mod read;

mod destination;

mod examples;

mod checks;

pub mod order;

pub mod together;

pub mod schema;

pub use beside::{Files, NoFiles};
pub use order::{RuleRef, order};
pub use query::QueryText;
pub use read::{Options, read};
pub use rule::{Destination, Rule, RuleFile, Spanned};
pub use together::{Located, check_together};
