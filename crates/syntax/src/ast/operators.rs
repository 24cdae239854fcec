//! Operators of a pipeline and sources of rows, as written. Part of [`super`], which has expressions and statements.

use super::{Column, Expr, Name, Param, TypeName};
use dtq_source::Span;

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
    /// The plugin call, a call expression.
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
