//! Rule files, records, state and time to decisions, edits, new records and metrics, with an account of each rule.
//!
//! Touches no file, clock or thread: the host hands in bytes and ticks. Read in order: `file` (what a rule file says),
//! `state` (what rules remember).

pub mod file;

pub mod compile;

pub mod state;

pub mod engine;
