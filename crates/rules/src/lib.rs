//! Rule files, records, state and time to decisions, edits, new records and metrics, with an account of each rule.
//!
//! Touches no file, clock or thread: the host hands in bytes and ticks. Read in order: `file` (what a rule file says),
//! `compile` (rule files to a rule set), `native` (a rule set
//! to machine code), `state` (what rules remember), `engine` (requests through rules), `test` (the
//! tests of rule files).

pub mod file;

pub mod compile;

pub mod native;

pub mod state;

pub mod engine;

pub mod test;
