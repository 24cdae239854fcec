//! The tests of rule files to what was expected and what came.
//!
//! [`run()`] compiles the rules and runs each test with a processor and a clock of its own: only the rule of the test acts,
//! and those it names. Time passes as its steps say, so that windows close and tables forget. Rules in mode `off` or
//! `observe` act in their tests, since a test says what a rule does when it acts. Never prints; the host does.
//! Read in order: [`report`], `given`, `compare`, `coverage`, [`mod@run`].

pub mod report;

mod given;

mod compare;

mod coverage;

pub mod run;

pub use report::{Mismatch, NeverVaried, Outcome, RuleReport, TestReport};
pub use run::{Options, run};
