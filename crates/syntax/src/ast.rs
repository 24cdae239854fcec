//! The syntax tree of a query: what was written, with spans, nothing resolved.
//!
//! Scalar and tabular expressions share [`Expr`], as in the language itself: whether a name means a column, a table or a
//! `let` is decided by sema. What the parser could not understand becomes [`ExprKind::Missing`] with a diagnostic.

mod operators;

mod spelling;

pub use operators::*;

use dtq_source::Span;

/// Holds a whole query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The statements in order, separated by `;`.
    pub statements: Vec<Statement>,
    /// The whole text.
    pub span: Span,
}

/// Holds one statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `let name = expression` (also a function literal).
    Let(Let),
    /// `set option = value`: accepted; unknown options are a warning.
    Set {
        /// The option.
        name: Name,
        /// Its value, `true` when absent.
        value: Option<Expr>,
        /// The whole statement.
        span: Span,
    },
    /// `declare query_parameters(a:long = 1, ...)`.
    QueryParameters {
        /// The parameters.
        params: Vec<Param>,
        /// The whole statement.
        span: Span,
    },
    /// A tabular (or, for the last one of a test expression, scalar) expression.
    Expr(Expr),
    /// A statement that is refused by name: `alias`, `pattern`, `restrict`.
    Unsupported {
        /// Its keyword.
        keyword: Name,
        /// The whole statement.
        span: Span,
    },
}

/// Holds a `let` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    /// The name it declares.
    pub name: Name,
    /// What it stands for.
    pub value: Expr,
    /// The whole statement.
    pub span: Span,
}

/// Holds an identifier as it is meant, without brackets and quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Where it stands, brackets included.
    pub span: Span,
    /// Whether it was written as `['name']` or `["name"]`.
    pub is_bracketed: bool,
}

/// Holds an expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// Says what an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// Nothing that could be understood stood here; a diagnostic says so.
    Missing,
    /// A column, table, variable or parameter.
    Name(Name),
    /// A literal.
    Literal(Literal),
    /// `*`, where an operator allows it (`count(*)`, `arg_max(x, *)`, `search`).
    Star,
    /// `name*`, `*name`, `a*b*`: a pattern over column or table names.
    Wildcard(String),
    /// `-x` or `+x`.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// Its operand.
        operand: Box<Expr>,
    },
    /// `left op right`.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator stands.
        op_span: Span,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `left in (a, b)`, `left has_any (a, b)` and their relatives; `items` may be one tabular expression.
    List {
        /// The operator.
        op: ListOp,
        /// Where the operator stands.
        op_span: Span,
        /// Left operand.
        left: Box<Expr>,
        /// What is in the parentheses.
        items: Vec<Expr>,
    },
    /// `operand between (low .. high)`.
    Between {
        /// Whether it is `!between`.
        is_negated: bool,
        /// Where the operator stands.
        op_span: Span,
        /// The value tested.
        operand: Box<Expr>,
        /// Inclusive lower bound.
        low: Box<Expr>,
        /// Inclusive upper bound.
        high: Box<Expr>,
    },
    /// `base.name`.
    Path {
        /// What is looked into.
        base: Box<Expr>,
        /// The property.
        name: Name,
    },
    /// `base[index]`.
    Index {
        /// What is looked into.
        base: Box<Expr>,
        /// A number or a string.
        index: Box<Expr>,
    },
    /// `base.name(arguments)`, as in `cluster("c").database("d")`.
    Method {
        /// What it is called on.
        base: Box<Expr>,
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// `name(arguments)`.
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Arg>,
    },
    /// `(inner)`, kept for the formatter.
    Paren(Box<Expr>),
    /// `source | operator | operator`.
    Pipeline(Box<Pipeline>),
    /// An operator that stands first in a pipeline: `print`, `range`, `datatable`, `union`, `search`, `find`, `evaluate`...
    Source(Box<Source>),
    /// `(params) { statements; expression }`, only as the value of `let` or of an argument.
    Function(Box<Function>),
    /// `typeof(columns or type)`, only as an argument of some operators.
    TypeOf(Vec<Column>),
    /// `(a, b) = f(x)` or `a = f(x)` where a name is allowed before a value: see [`Assignment`]; elsewhere a diagnostic.
    Assign(Box<Assignment>),
}

/// Holds a literal as written; sema gives it a value and says when it is out of range.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `true`, `false`.
    Bool(bool),
    /// `null` inside a `dynamic(...)` literal or a `datatable`.
    Null,
    /// A bare integer, decimal or `0x` hexadecimal, without its sign.
    Integer(String),
    /// A bare number with a point or an exponent.
    Real(String),
    /// A bare timespan such as `5m` or `1.5h`.
    TimeSpan(String),
    /// A string in any of its forms, decoded; adjacent literals are joined.
    String {
        /// The text meant.
        value: String,
        /// Whether it is an `h"..."` literal, to be kept out of logs.
        is_hidden: bool,
    },
    /// `type(text)` such as `datetime(2024-01-01)`, `int(null)`, `real(nan)`, `guid(...)`, `timespan(1.00:00:00)`.
    Typed {
        /// The type's name as written.
        ty: Name,
        /// The text between the parentheses, trimmed, a string literal there decoded.
        text: String,
    },
    /// `dynamic(...)`.
    Dynamic(Box<DynamicLiteral>),
}

/// Holds the content of a `dynamic(...)` literal: JSON in which literals of KQL may stand too.
#[derive(Clone, Debug, PartialEq)]
pub enum DynamicLiteral {
    /// A literal of KQL or JSON; a negative number has its sign in the text.
    Scalar(Literal, Span),
    /// `[...]`
    Array(Vec<DynamicLiteral>),
    /// `{...}`; a key can occur more than once.
    Bag(Vec<(String, DynamicLiteral)>),
}

/// Names a unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `+`
    Plus,
}

/// Names a binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the operator of the same name in KQL; its text is in `BinaryOp::text`")]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    EqualIgnoreCase,
    NotEqualIgnoreCase,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Contains,
    NotContains,
    ContainsCs,
    NotContainsCs,
    StartsWith,
    NotStartsWith,
    StartsWithCs,
    NotStartsWithCs,
    EndsWith,
    NotEndsWith,
    EndsWithCs,
    NotEndsWithCs,
    Has,
    NotHas,
    HasCs,
    NotHasCs,
    HasPrefix,
    NotHasPrefix,
    HasPrefixCs,
    NotHasPrefixCs,
    HasSuffix,
    NotHasSuffix,
    HasSuffixCs,
    NotHasSuffixCs,
    Like,
    NotLike,
    LikeCs,
    NotLikeCs,
    MatchesRegex,
    /// `column : "term"` of `search`.
    Search,
}

/// Names an operator whose right side is a list in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the operator of the same name in KQL; its text is in `ListOp::text`")]
pub enum ListOp {
    In,
    NotIn,
    InIgnoreCase,
    NotInIgnoreCase,
    HasAny,
    HasAll,
}

/// Holds an argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The name before `=`, as in `f(x = 1)`.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// Holds a column declaration `name:type`, or a bare `name` or bare type where allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name; absent in `typeof(long)`.
    pub name: Option<Name>,
    /// Its type; absent in bare lists of names.
    pub ty: Option<TypeName>,
}

/// Holds a type as written: `long`, `double`, or a name that sema refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Holds a parameter of a function literal or of `declare query_parameters`.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: ParamType,
    /// Its default.
    pub default: Option<Expr>,
}

/// Says what a parameter takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ParamType {
    /// A scalar.
    Scalar(TypeName),
    /// A table that has at least these columns.
    Table {
        /// The columns.
        columns: Vec<Column>,
        /// Whether it is `(*)`.
        is_open: bool,
        /// Where it stands.
        span: Span,
    },
}

/// Holds a function literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Whether `view` stands before it.
    pub is_view: bool,
    /// Parameters.
    pub params: Vec<Param>,
    /// Statements of the body; the last one is its value.
    pub body: Vec<Statement>,
}

/// Holds a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// What feeds it.
    pub source: Expr,
    /// Its operators, at least one.
    pub operators: Vec<Operator>,
}
