//! Expressions of IR to machine code behind safe calls.
//!
//! The interpreter defines what an expression means; here it is only said faster. What cannot be compiled is refused
//! with a reason, never approximated. Generated code has no instruction that can trap and no reference to anything: it
//! reads what `call` hands in, and calls the functions of one fixed table, which it is handed too. Read in order:
//! `target`, `layout`, `operand`, `pools`, `lower` (expressions to the code generator's language), `module` (functions
//! to bytes), `helpers`, `call` (bytes to calls), [`mod@unit`].

mod target;

mod layout;

mod operand;

mod pools;

mod lower;

mod module;

mod helpers;

mod call;

mod scan;

pub mod unit;

pub use call::{NativeContext, NoSubqueries, Records, Subqueries, Verdict};
pub use layout::BufferTable;
pub use module::Listing;
pub use scan::{Filled, Guard, GuardTest, RecordScan, ScanLayout};
pub use target::{Refusal, Target};
pub use unit::{Code, Compiler, Condition, Entry, EntryKind, Input, Report, ValueFn};
