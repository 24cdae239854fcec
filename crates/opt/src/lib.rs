//! IR to smaller IR that means the same.
//!
//! [`optimize`] runs the passes of [`PASSES`] in order until none finds anything, and verifies the program after each.
//! A pass never changes a value, a null or an error; what it may assume and change is on one page, `docs/optimizer.md`.
//! Nothing here runs a program or sees a record. Read in order: [`options`], [`driver`], `info`, `build`, `walk`, then
//! the passes, each a file.

pub mod options;

pub mod driver;

mod plain;

mod info;

mod build;

mod walk;

mod fold;

mod negate;

mod simplify;

mod pattern;

mod strings;

mod chains;

mod facts;

mod cost;

pub mod order;

mod prune;

pub use driver::{PASSES, Report, Root, optimize, optimize_roots};
pub use options::Options;
pub use order::{Feedback, fingerprint};
pub use plain::are_plain;
