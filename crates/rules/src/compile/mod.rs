//! Rule files to a rule set: every query compiled, checked against its destination, and put in effective order.
//!
//! All mistakes of all files come at once; with an error there is no set, and whoever runs one keeps it. Runs no rule.
//! Read in order: [`entry`], [`cells`], [`flatten`], [`rule`], [`catalog`], [`query`], [`scan`], [`settings`], [`lookup`],
//! [`action`], [`metric`], [`warnings`], [`guard`], `budget`, [`set`]. Next: `state/mod.rs`.

pub mod entry;

pub mod cells;

pub mod flatten;

pub mod rule;

pub mod catalog;

pub mod query;

pub mod scan;

pub mod settings;

pub mod lookup;

pub mod action;

pub mod metric;

pub mod warnings;

mod optimize;

pub mod guard;

mod budget;

pub mod set;

pub use entry::{compile, compile_within};
pub use set::{Compiled, Options, RuleSet};
