//! Expressions of IR to machine code behind safe calls.
//!
//! The interpreter defines what an expression means; here it is only said faster. What cannot be compiled is refused
//! with a reason, never approximated. Generated code has no instruction that can trap and no reference to anything: it
//! reads what `call` hands in, and calls the functions of one fixed table, which it is handed too. Read in order:
//! `target`, `layout`, `helpers`, `call`,
//! `module`.

mod target;

mod layout;

mod helpers;

mod call;

mod module;

pub use call::{Code, NativeContext, Verdict};
pub use layout::BufferTable;
pub use module::Listing;
pub use target::{Refusal, Target};
