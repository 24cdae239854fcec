//! A rule set to native code: conditions of its rules, and the scan of its records, specialised to what it reads.
//!
//! Native code gives what the interpreter gives, faster; a rule, or a part of one, that it cannot say stays with the
//! interpreter, and [`NativeSet::report`] names it. Compiling takes milliseconds for large sets and belongs on a thread of
//! the host: a processor runs on the interpreter until it is handed the code. Conditions are ready first, with
//! [`NativeSet::begin`], over slots that the filler of `record` fills, and without what few records need, which stays with
//! the interpreter; [`NativeSet::complete`] makes better ones of them and adds the scan. What a set has in common with one
//! that was compiled before it takes over ([`NativeSet::begin`]). Read in order: `unit`, `content`, `reads`, `edits`, [`set`].

mod unit;

mod content;

pub(crate) mod reads;

pub(crate) mod edits;

pub mod set;

pub use dtq_jit::{NativeContext, Refusal};
pub(crate) use set::is_repeatable;
pub use set::{NativeReport, NativeSet, RuleReport};
