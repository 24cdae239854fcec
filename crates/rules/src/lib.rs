//! Rule files, records, state and time to decisions, edits, new records and metrics, with an account of each rule.
//!
//! Touches no file, clock or thread and keeps nothing global: the host hands in bytes and ticks. Read in order: [`mod@file`]
//! (what a rule file says), [`compile`] (rule files to a rule set), [`native`] (a rule set to machine code), [`state`]
//! (what rules remember), [`engine`] (requests through rules), [`mod@test`] (the tests of rule files).
//!
//! # Threads and processes
//! A [`compile::RuleSet`] and its [`native::NativeSet`] are shared by any number of threads; each thread that judges has
//! an [`engine::Processor`] of its own, which may move from thread to thread. Another set takes the place of the running
//! one between two requests, with what is remembered ([`engine::Processor::swap`]). After a fork, parent and child go on
//! alike, native code included.
//!
//! # Bounds
//! Whatever the bytes of a request, nothing panics, and what cannot be judged passes. A [`Budget`] caps what compiling a
//! set may take and what its rules may remember ([`compile::compile_within`]), and what a request may take
//! ([`engine::Processor::apply_within`]).
//!
//! # Features
//! `jit` (on unless left out) is native code. Without it [`native::NativeSet::compile`] refuses, and rules are interpreted.
//!
//! # Example
//! ```
//! use dtq_record::otlp::Signal;
//! use dtq_rules::compile::{Options, compile};
//! use dtq_rules::engine::{Output, Processor};
//! use dtq_rules::file::{self, NoFiles};
//! use dtq_rules::native::NativeSet;
//! use std::sync::Arc;
//!
//! let yaml = "apiVersion: dtq/v1
//! rules:
//!   - name: no-debug
//!     to: drop
//!     kql: logs | where SeverityNumber between (1 .. 8)
//! ";
//! let (rules, diagnostics) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
//! assert!(diagnostics.is_empty() && rules.is_complete);
//! let set = Arc::new(compile(&[rules], &Options::default()).set.expect("nothing is wrong with it"));
//!
//! // One for each thread; it runs on the interpreter until it is handed the native code of its set.
//! let mut processor = Processor::new(Arc::clone(&set), &Default::default());
//! match NativeSet::compile(&set) {
//!     Ok(native) => assert!(processor.use_native(Arc::new(native))),
//!     Err(refusal) => println!("interpreted: {refusal}"),
//! }
//!
//! // An ExportLogsServiceRequest with one resource, one scope, and a record of severity 5.
//! let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
//! let outcome = processor.apply(Signal::Logs, &request, 0, None);
//! assert_eq!(outcome.output, Output::Empty);
//! assert_eq!(processor.accounts()[0].dropped, 1);
//! ```

pub mod file;

pub mod compile;

pub mod native;

pub mod state;

pub mod engine;

pub mod test;

pub use dtq_source::Budget;

/// What threads share, and what they send each other: asked when the crate is compiled.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    const fn is_sent<T: Send>() {}
    is_shared::<compile::RuleSet>();
    is_shared::<native::NativeSet>();
    is_shared::<file::RuleFile>();
    is_shared::<engine::Outcome>();
    is_shared::<engine::Account>();
    is_sent::<engine::Processor>();
};
