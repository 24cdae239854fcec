//! Scalar expressions over one row.

use crate::function::FunctionRef;
use crate::rel::RelId;
use dtq_source::Span;
use dtq_value::{Str, Type, Value};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Names an expression of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExprId(pub u32);

/// Names an entry of a program's constant pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolId(pub u32);

/// Holds an expression, its type and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it was written.
    pub span: Span,
}

/// Says what an expression is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExprKind {
    /// A constant.
    Const(Value),
    /// The value at this position of the operator's input row.
    Column(u32),
    /// A call of a function or operator of the table; arguments already have the types of the signature.
    Call {
        /// The entry.
        function: FunctionRef,
        /// Which of its signatures.
        signature: u8,
        /// Arguments.
        args: SmallVec<[ExprId; 3]>,
        /// What was built from constant arguments.
        pooled: Option<PoolId>,
    },
    /// `and` of two bools, three-valued; the right one is evaluated unless the left one is false.
    And(ExprId, ExprId),
    /// `or` of two bools, three-valued; the right one is evaluated unless the left one is true.
    Or(ExprId, ExprId),
    /// The value after the first condition that is true, or `otherwise`: `iff` and `case`.
    Case {
        /// Conditions (bool) and values, all of the type of the node.
        arms: Vec<(ExprId, ExprId)>,
        /// The value when no condition is true.
        otherwise: ExprId,
    },
    /// The first that is not null (for a string: not empty); all of the type of the node.
    Coalesce(Vec<ExprId>),
    /// A property of a dynamic, null when missing.
    Property {
        /// The dynamic.
        base: ExprId,
        /// The key.
        key: Str,
    },
    /// An element (long index, negative from the end) or a property (string) of a dynamic, null when missing.
    Element {
        /// The dynamic.
        base: ExprId,
        /// A long or a string.
        index: ExprId,
    },
    /// The first column of the first row of a relation (or all rows and columns as a dynamic, for `is_table`), null when
    /// it has no row; evaluated once a run: `toscalar`.
    Scalar(RelId),
    /// Whether the value is in the first column of a relation, which is evaluated once a run: `in (T)`.
    InRel {
        /// The value, of the type of that column.
        value: ExprId,
        /// The relation.
        rel: RelId,
        /// Whether it is `!in` or `!in~`.
        is_negated: bool,
        /// Whether ASCII case is ignored.
        is_case_ignored: bool,
    },
}
