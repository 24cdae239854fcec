//! Expressions of IR to machine code behind safe calls.
//!
//! The interpreter defines what an expression means; here it is only said faster. What cannot be compiled is refused
//! with a reason, never approximated. Generated code has no instruction that can trap and no reference to anything: it
//! reads what `call` hands in, and calls the functions of one fixed table, which it is handed too. Read in order:
//! `refusal`, `entry`, `context` (what callers and code hand each other), `target`, `layout`, `operand`, `pools`, `lower`
//! (expressions to the code generator's language), `module` (functions to bytes), `helpers`, `records`, `search`, `function`,
//! `frame`, `call` (bytes to calls), `unit`, `many`, `edit`, `scan`, `batch`.
//!
//! # Features
//! Without `cranelift` (on unless left out) the items are the same and compiling is refused, [`Refusal::Build`]: see
//! `absent`. With `all-targets` [`Target::named`] knows both architectures on either one; without, that of the machine.

mod refusal;

#[cfg_attr(not(feature = "cranelift"), allow(dead_code, reason = "code and its generator use the rest of it"))]
mod entry;

#[cfg_attr(not(feature = "cranelift"), allow(dead_code, reason = "code and its generator use the rest of it"))]
mod context;

#[cfg(feature = "cranelift")]
mod target;

#[cfg_attr(not(feature = "cranelift"), allow(dead_code, reason = "code and its generator use the rest of it"))]
mod layout;

#[cfg(feature = "cranelift")]
mod operand;

#[cfg(feature = "cranelift")]
mod pools;

#[cfg(feature = "cranelift")]
mod lower;

#[cfg(feature = "cranelift")]
mod module;

#[cfg(feature = "cranelift")]
mod helpers;

#[cfg(feature = "cranelift")]
mod records;

#[cfg(feature = "cranelift")]
mod search;

#[cfg(feature = "cranelift")]
mod function;

#[cfg(feature = "cranelift")]
mod frame;

#[cfg(feature = "cranelift")]
mod call;

#[cfg(feature = "cranelift")]
mod unit;

#[cfg(feature = "cranelift")]
mod many;

#[cfg(feature = "cranelift")]
mod edit;

#[cfg(feature = "cranelift")]
mod scan;

mod batch;

#[cfg(not(feature = "cranelift"))]
mod absent;

#[cfg(not(feature = "cranelift"))]
pub use absent::{Code, Compiler, Condition, RecordScan, ScanLayout, Target, ValueFn};
pub use batch::{ASKS_MAX, Ask, Batch};
pub use context::{NativeContext, NoSubqueries, Records, Subqueries, Verdict};
#[cfg(feature = "cranelift")]
pub use edit::{CheckedChooser, SlotChoice, SlotChooser, SlotSource};
pub use entry::{Entry, EntryKind, Filled, Guard, GuardTest, Input, Listing, Report};
pub use layout::BufferTable;
pub use refusal::Refusal;
#[cfg(feature = "cranelift")]
pub use scan::{RecordScan, ScanLayout};
#[cfg(feature = "cranelift")]
pub use target::Target;
#[cfg(feature = "cranelift")]
pub use unit::{Code, Compiler, Condition, ValueFn};
