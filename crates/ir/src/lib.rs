//! The typed program: nodes, function signatures, verifier, printer.
//!
//! A program is two arenas, scalar expressions and relations, each in topological order: a node refers only to nodes
//! before it, so it cannot contain a cycle, and a node used twice is stored once. Types are decided and conversions are
//! explicit calls. Read in order: [`function`] (the one table of functions and operators), [`functions`] (its entries),
//! [`aggregate`], [`expr`], [`rel`], [`program`], [`mod@verify`], [`text`]; then what can be asked of a
//! program: [`reads`], [`needed`], [`writes`], [`effects`], [`condition`].

pub mod function;

pub mod functions;

pub mod aggregate;

pub mod expr;

pub mod rel;

pub mod program;

pub mod children;

pub mod verify;

pub mod text;

pub mod reads;

pub mod needed;

pub mod writes;

pub mod effects;

pub mod condition;

pub use children::Sees;
pub use condition::Condition;
pub use expr::{Expr, ExprId, ExprKind, PoolId};
pub use function::{Effect, Failure, Function, FunctionRef, Nulls, Param, ParamKind, Returns, Signature};
pub use program::{Output, Program};
pub use rel::{Rel, RelId, RelKind};
pub use verify::{verify, verify_expr};
