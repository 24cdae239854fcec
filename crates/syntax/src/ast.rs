//! The syntax tree of a query: what was written, with spans, nothing resolved.
//!
//! Scalar and tabular expressions share [`Expr`], as in the language itself: whether a name means a column, a table or a
//! `let` is decided by sema. What the parser could not understand becomes [`ExprKind::Missing`] with a diagnostic.

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

/// Holds an operator that needs no input.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// `print a = 1, b`.
    Print(Vec<Assignment>),
    /// `range x from a to b step c`.
    Range {
        /// The column.
        column: Name,
        /// First value.
        from: Expr,
        /// Last value, inclusive.
        to: Expr,
        /// Distance; 1 (or 1h) when absent.
        step: Option<Expr>,
    },
    /// `datatable(a:long) [1, 2]`.
    DataTable {
        /// Columns.
        columns: Vec<Column>,
        /// Values, row by row.
        values: Vec<Expr>,
    },
    /// `union a, b` without input.
    Union(Union),
    /// `search "x"` without input.
    Search(Search),
    /// `find in (a, b) where x project c`.
    Find(Find),
    /// `evaluate plugin(...)` without input.
    Evaluate(Evaluate),
    /// `externaldata(...) [...]`: parsed; refused by name.
    ExternalData {
        /// Columns.
        columns: Vec<Column>,
        /// Addresses and properties.
        args: Vec<Expr>,
    },
}

/// Holds an operator of a pipeline and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    /// What it does.
    pub kind: OperatorKind,
    /// From its keyword to its end.
    pub span: Span,
    /// Its keyword.
    pub keyword_span: Span,
}

/// Holds `name = value`, `(a, b) = value` or a bare value.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Names before `=`; empty when there are none, several in `(a, b) = ...`.
    pub names: Vec<Name>,
    /// The value.
    pub value: Expr,
    /// The whole.
    pub span: Span,
}

/// Holds an operator parameter `name = value`, as in `kind=inner`, `hint.strategy=shuffle`, `withsource=T`.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its dotted name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// Holds a sort key.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What to order by (may be an assignment in `top`, `partition`...).
    pub value: Expr,
    /// `asc` (true) or `desc` (false), when written.
    pub is_ascending: Option<bool>,
    /// `nulls first` (true) or `nulls last` (false), when written.
    pub is_nulls_first: Option<bool>,
}

/// Says what an operator does.
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorKind {
    /// Could not be understood; a diagnostic says so.
    Missing,
    /// `where p` (also `filter p`).
    Where(Vec<Property>, Expr),
    /// `extend a = x`.
    Extend(Vec<Assignment>),
    /// `project a, b = x`.
    Project(Vec<Assignment>),
    /// `project-away a, b*`.
    ProjectAway(Vec<Expr>),
    /// `project-keep a, b*`.
    ProjectKeep(Vec<Expr>),
    /// `project-rename new = old`.
    ProjectRename(Vec<Assignment>),
    /// `project-reorder a, b* asc`.
    ProjectReorder(Vec<ReorderItem>),
    /// `project-by-names dynamic(['a'])`.
    ProjectByNames(Vec<Expr>),
    /// `take n`, `limit n`.
    Take(Vec<Property>, Expr),
    /// `count` (also `count as Name`).
    Count(Option<Name>),
    /// `distinct a, b` or `distinct *`.
    Distinct(Vec<Property>, Vec<Expr>),
    /// `summarize a = x by k`.
    Summarize(Summarize),
    /// `sort by a asc nulls last`.
    Sort(Vec<Property>, Vec<SortKey>),
    /// `top n by a`.
    Top {
        /// Properties.
        properties: Vec<Property>,
        /// How many rows.
        count: Expr,
        /// Key.
        by: SortKey,
        /// Further keys, which Kusto accepts after a comma.
        more: Vec<SortKey>,
    },
    /// `as Name`.
    As(Vec<Property>, Name),
    /// `render kind with (...)`.
    Render {
        /// Kind of chart.
        kind: Name,
        /// Properties.
        properties: Vec<Property>,
    },
    /// `parse kind=regex x with ...` and `parse-where`.
    Parse(Parse),
    /// `parse-kv x as (a:long, ...) with (...)`.
    ParseKv {
        /// What to parse.
        value: Expr,
        /// Columns.
        columns: Vec<Column>,
        /// Options.
        properties: Vec<Property>,
    },
    /// `mv-expand a, b to typeof(long) limit n`.
    MvExpand(MvExpand),
    /// `mv-apply a on (subquery)`.
    MvApply {
        /// Properties.
        properties: Vec<Property>,
        /// What to expand.
        items: Vec<MvItem>,
        /// `with_itemindex=i`.
        item_index: Option<Name>,
        /// `limit n`.
        limit: Option<Expr>,
        /// `id x`
        id: Option<Expr>,
        /// The operators applied to each expansion; a pipeline over the implicit input.
        body: SubPipeline,
    },
    /// `join kind=inner (right) on a, $left.b == $right.c`.
    Join(Join),
    /// `lookup kind=leftouter (right) on a`.
    Lookup(Join),
    /// `union kind=outer withsource=T a, b`.
    Union(Union),
    /// `getschema`.
    GetSchema,
    /// `serialize a = x`.
    Serialize(Vec<Assignment>),
    /// `make-series ...`.
    MakeSeries(MakeSeries),
    /// `top-nested n of a by b, ...`.
    TopNested(Vec<TopNested>),
    /// `top-hitters n of a by b`.
    TopHitters {
        /// How many.
        count: Expr,
        /// Of what.
        of: Expr,
        /// Weight.
        by: Option<Expr>,
    },
    /// `search in (t) kind=... "x"`.
    Search(Search),
    /// `scan with (...)`.
    Scan(Scan),
    /// `reduce by x with (...)`.
    Reduce {
        /// Properties before `by`.
        properties: Vec<Property>,
        /// What to group.
        by: Expr,
        /// `with threshold = ..`.
        with: Vec<Property>,
    },
    /// `sample n`.
    Sample(Expr),
    /// `sample-distinct n of x`.
    SampleDistinct {
        /// How many.
        count: Expr,
        /// Of what.
        of: Expr,
    },
    /// `fork (a) (b)`.
    Fork(Vec<ForkBranch>),
    /// `facet by a, b with (...)`.
    Facet {
        /// Columns.
        by: Vec<Expr>,
        /// The operators of `with`.
        with: Option<SubPipeline>,
    },
    /// `partition by x (subquery)`.
    Partition {
        /// Properties.
        properties: Vec<Property>,
        /// Key.
        by: Expr,
        /// The operators applied to each partition (`( ... )`) or a source pipeline (`{ ... }`).
        body: SubPipeline,
    },
    /// `invoke f(x)`.
    Invoke(Expr),
    /// `evaluate plugin(...)`.
    Evaluate(Evaluate),
    /// `consume`.
    Consume(Vec<Property>),
    /// An operator that is part of the language and refused by name, with its text skipped.
    Unsupported(Name),
}

/// Holds operators over an implicit input, in parentheses: of `mv-apply`, `partition`, `fork`, `facet`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubPipeline {
    /// The operators; the first may be a source when `source` is set.
    pub operators: Vec<Operator>,
    /// A source of its own, as `{ T | ... }` in `partition` has.
    pub source: Option<Expr>,
    /// The parentheses included.
    pub span: Span,
}

/// Holds an item of `project-reorder`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReorderItem {
    /// Column or wildcard.
    pub column: Expr,
    /// Order among the columns that a wildcard matches.
    pub order: Option<ReorderOrder>,
}

/// Says how the columns of a wildcard are ordered among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReorderOrder {
    /// Alphabetically.
    Ascending,
    /// Alphabetically, backwards.
    Descending,
    /// Alphabetically with numbers as numbers.
    GrannyAscending,
    /// The same backwards.
    GrannyDescending,
}

/// Holds `summarize`.
#[derive(Clone, Debug, PartialEq)]
pub struct Summarize {
    /// Properties (`hint.*`).
    pub properties: Vec<Property>,
    /// Aggregates.
    pub aggregates: Vec<Assignment>,
    /// Keys.
    pub by: Vec<Assignment>,
    /// Whether `by` was written.
    pub has_by: bool,
    /// `bin = x` after the keys.
    pub bin: Option<Box<Expr>>,
}

/// Holds `parse` or `parse-where`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parse {
    /// Whether it is `parse-where`.
    pub is_where: bool,
    /// `kind=`: simple when absent.
    pub kind: Option<Name>,
    /// `flags=`.
    pub flags: Option<Name>,
    /// What to parse.
    pub value: Expr,
    /// Pieces after `with`.
    pub pattern: Vec<ParsePiece>,
}

/// Holds a piece of a `parse` pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsePiece {
    /// `*`: skip.
    Star(Span),
    /// Text (or a regex) to find.
    Text(Expr),
    /// A column to fill; a string when no type is written.
    Column(Column),
}

/// Holds `mv-expand`.
#[derive(Clone, Debug, PartialEq)]
pub struct MvExpand {
    /// `bagexpansion=`, `kind=`, hints.
    pub properties: Vec<Property>,
    /// What to expand.
    pub items: Vec<MvItem>,
    /// `with_itemindex=i`.
    pub item_index: Option<Name>,
    /// `limit n`.
    pub limit: Option<Expr>,
}

/// Holds an item of `mv-expand` or `mv-apply`.
#[derive(Clone, Debug, PartialEq)]
pub struct MvItem {
    /// `name = value` or a value.
    pub value: Assignment,
    /// `to typeof(type)`.
    pub ty: Option<TypeName>,
}

/// Holds `join` or `lookup`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// `kind=`, hints.
    pub properties: Vec<Property>,
    /// The right table.
    pub right: Expr,
    /// Conditions after `on`.
    pub on: Vec<Expr>,
}

/// Holds `union`.
#[derive(Clone, Debug, PartialEq)]
pub struct Union {
    /// `kind=`, `withsource=`, `isfuzzy=`, hints.
    pub properties: Vec<Property>,
    /// Tables, wildcards, pipelines in parentheses.
    pub tables: Vec<Expr>,
}

/// Holds `search`.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// `kind=`.
    pub properties: Vec<Property>,
    /// `in (tables)`.
    pub tables: Vec<Expr>,
    /// The predicate: terms joined by `and`, `or`, `not(...)`, comparisons.
    pub predicate: Expr,
}

/// Holds `find`.
#[derive(Clone, Debug, PartialEq)]
pub struct Find {
    /// `withsource=`, hints.
    pub properties: Vec<Property>,
    /// `in (tables)`.
    pub tables: Vec<Expr>,
    /// Predicate.
    pub predicate: Expr,
    /// `project` columns, `project-smart`.
    pub project: Vec<Column>,
    /// Whether the projection is `project-smart` or absent.
    pub is_smart: bool,
}

/// Holds `evaluate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    /// Hints.
    pub properties: Vec<Property>,
    /// The plugin call, an [`ExprKind::Call`].
    pub call: Expr,
    /// `: (a:long, *)` after it.
    pub schema: Option<Vec<Column>>,
}

/// Holds `make-series`.
#[derive(Clone, Debug, PartialEq)]
pub struct MakeSeries {
    /// `kind=`, hints.
    pub properties: Vec<Property>,
    /// Aggregates with their `default = x`.
    pub aggregates: Vec<(Assignment, Option<Expr>)>,
    /// Axis.
    pub on: Assignment,
    /// First value.
    pub from: Option<Expr>,
    /// End, exclusive.
    pub to: Option<Expr>,
    /// Step.
    pub step: Expr,
    /// Keys.
    pub by: Vec<Assignment>,
}

/// Holds a level of `top-nested`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopNested {
    /// How many; all when absent.
    pub count: Option<Expr>,
    /// Of what.
    pub of: Assignment,
    /// `with others = "x"`.
    pub others: Option<Expr>,
    /// Aggregate to order by.
    pub by: Assignment,
    /// `asc` (true) or `desc`, when written.
    pub is_ascending: Option<bool>,
}

/// Holds `scan`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// `with_match_id = name`.
    pub properties: Vec<Property>,
    /// `declare (a:long = 0)`.
    pub declare: Vec<Param>,
    /// `order by`.
    pub order_by: Vec<SortKey>,
    /// `partition by`.
    pub partition_by: Vec<Expr>,
    /// Steps.
    pub steps: Vec<ScanStep>,
}

/// Holds a step of `scan`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanStep {
    /// Its name.
    pub name: Name,
    /// Whether it is `optional`.
    pub is_optional: bool,
    /// `output = all|last|none`.
    pub output: Option<Name>,
    /// Condition after `:`.
    pub condition: Expr,
    /// Assignments after `=>`.
    pub assignments: Vec<Assignment>,
}

/// Holds a branch of `fork`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForkBranch {
    /// `name =`.
    pub name: Option<Name>,
    /// Operators over the input.
    pub body: SubPipeline,
}

impl BinaryOp {
    /// Returns the operator as it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::EqualIgnoreCase => "=~",
            BinaryOp::NotEqualIgnoreCase => "!~",
            BinaryOp::Less => "<",
            BinaryOp::LessOrEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterOrEqual => ">=",
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::Modulo => "%",
            BinaryOp::Contains => "contains",
            BinaryOp::NotContains => "!contains",
            BinaryOp::ContainsCs => "contains_cs",
            BinaryOp::NotContainsCs => "!contains_cs",
            BinaryOp::StartsWith => "startswith",
            BinaryOp::NotStartsWith => "!startswith",
            BinaryOp::StartsWithCs => "startswith_cs",
            BinaryOp::NotStartsWithCs => "!startswith_cs",
            BinaryOp::EndsWith => "endswith",
            BinaryOp::NotEndsWith => "!endswith",
            BinaryOp::EndsWithCs => "endswith_cs",
            BinaryOp::NotEndsWithCs => "!endswith_cs",
            BinaryOp::Has => "has",
            BinaryOp::NotHas => "!has",
            BinaryOp::HasCs => "has_cs",
            BinaryOp::NotHasCs => "!has_cs",
            BinaryOp::HasPrefix => "hasprefix",
            BinaryOp::NotHasPrefix => "!hasprefix",
            BinaryOp::HasPrefixCs => "hasprefix_cs",
            BinaryOp::NotHasPrefixCs => "!hasprefix_cs",
            BinaryOp::HasSuffix => "hassuffix",
            BinaryOp::NotHasSuffix => "!hassuffix",
            BinaryOp::HasSuffixCs => "hassuffix_cs",
            BinaryOp::NotHasSuffixCs => "!hassuffix_cs",
            BinaryOp::Like => "like",
            BinaryOp::NotLike => "notlike",
            BinaryOp::LikeCs => "likecs",
            BinaryOp::NotLikeCs => "notlikecs",
            BinaryOp::MatchesRegex => "matches regex",
            BinaryOp::Search => ":",
        }
    }
}

impl ListOp {
    /// Returns the operator as it is written.
    pub fn text(self) -> &'static str {
        match self {
            ListOp::In => "in",
            ListOp::NotIn => "!in",
            ListOp::InIgnoreCase => "in~",
            ListOp::NotInIgnoreCase => "!in~",
            ListOp::HasAny => "has_any",
            ListOp::HasAll => "has_all",
        }
    }
}
