//! IR expressions and a row of values to one value: the definition of the language.
//!
//! Everything else that evaluates expressions is compared with this crate, so it is written to be read and shares no
//! optimizer and no code generator. It never changes a program and never reads a table: what a subquery yields is given
//! to it. Read in order: [`eval`], [`subquery`], [`identity`].

pub mod eval;

pub mod subquery;

pub mod identity;

pub use eval::{Cells, Evaluator, Interpreter};
pub use identity::{Identity, RowIdentity};
pub use subquery::{Members, Subqueries};
