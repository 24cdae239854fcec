//! Relations: what each tabular operator is once names and types are decided.
//!
//! `extend`, `project` and their relatives are all [`RelKind::Project`]; `print` is a project over one empty row;
//! `count` is an aggregate; generated names are decided by sema. An expression of a relation sees the columns of its
//! input, unless stated otherwise.

use crate::aggregate::Aggregate;
use crate::expr::ExprId;
use dtq_record::stream::Column;
use dtq_source::Span;
use dtq_value::{Type, Value};
use serde::{Deserialize, Serialize};

/// Names a relation of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelId(pub u32);

/// Holds a relation, its columns and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Rel {
    /// What it does.
    pub kind: RelKind,
    /// Its output columns.
    pub columns: Vec<Column>,
    /// Whether the order of its rows means something (after `sort`, `top`, `serialize`, `range`...).
    pub is_ordered: bool,
    /// Where it was written.
    pub span: Span,
}

/// Says what a relation does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RelKind {
    /// Reads a table of the catalog.
    Scan {
        /// Its name in the catalog.
        table: String,
    },
    /// The rows given by the enclosing operator: leaf of the body of [`RelKind::MvApply`] and [`RelKind::Partition`].
    Input,
    /// Constant rows.
    Values {
        /// Rows, each as wide as the columns.
        rows: Vec<Vec<Value>>,
    },
    /// `range`: one column from constants; all three expressions have the column's type (step: timespan for datetime).
    Range {
        /// First value.
        from: ExprId,
        /// Last value, inclusive.
        to: ExprId,
        /// Distance.
        step: ExprId,
    },
    /// Keeps the rows for which a bool is true.
    Filter {
        /// Input.
        input: RelId,
        /// Bool.
        predicate: ExprId,
    },
    /// Computes each output column from the input row.
    Project {
        /// Input.
        input: RelId,
        /// One a column.
        exprs: Vec<ExprId>,
    },
    /// The first rows; the count is a constant expression, evaluated once.
    Take {
        /// Input.
        input: RelId,
        /// Long.
        count: ExprId,
    },
    /// Each different row once.
    Distinct {
        /// Input.
        input: RelId,
    },
    /// Groups by keys and aggregates: columns are the keys, then the outputs of each aggregate.
    Aggregate {
        /// Input.
        input: RelId,
        /// Keys.
        keys: Vec<ExprId>,
        /// Aggregates.
        aggregates: Vec<AggregateCall>,
    },
    /// Orders all rows (stable).
    Sort {
        /// Input.
        input: RelId,
        /// Keys.
        keys: Vec<SortKey>,
    },
    /// The first `count` rows in an order.
    Top {
        /// Input.
        input: RelId,
        /// Long constant expression.
        count: ExprId,
        /// Keys.
        keys: Vec<SortKey>,
    },
    /// Joins two relations on equal keys. Columns: left, then right (only one side for semi and anti kinds).
    Join {
        /// Left.
        left: RelId,
        /// Right.
        right: RelId,
        /// Kind.
        kind: JoinKind,
        /// Pairs of expressions over the left and the right row.
        keys: Vec<(ExprId, ExprId)>,
    },
    /// The rows of all inputs, one input after the other; all have these columns.
    Union {
        /// Inputs.
        inputs: Vec<RelId>,
    },
    /// `mv-expand`: for each row one row an element; columns: input columns (items replaced or appended), item index.
    MvExpand {
        /// Input.
        input: RelId,
        /// What is expanded.
        items: Vec<MvItem>,
        /// Whether a column with the element's index is appended last.
        has_index: bool,
        /// At most this many rows an input row (long constant).
        limit: Option<ExprId>,
        /// Whether each property of a bag becomes `[key, value]` instead of a bag of one property.
        is_bag_to_array: bool,
        /// Whether a row whose items are all empty gives no row instead of one (`mv-apply`).
        drops_empty: bool,
    },
    /// Runs `body` once an input row (`mv-apply`): its leaf [`RelKind::Input`] gives that one row, usually to an
    /// [`RelKind::MvExpand`] with `drops_empty`. Columns: input columns, then body columns.
    MvApply {
        /// Input.
        input: RelId,
        /// The body.
        body: RelId,
    },
    /// Runs `body` over the rows of each key.
    Partition {
        /// Input.
        input: RelId,
        /// Key.
        key: ExprId,
        /// The body; its leaf is [`RelKind::Input`].
        body: RelId,
    },
    /// `parse`: appends or replaces string (or converted) columns taken from a text.
    Parse(Box<Parse>),
    /// `parse-kv`.
    ParseKv(Box<ParseKv>),
    /// Appends columns that look at neighbouring rows: `prev`, `next`, `row_number`...
    Window {
        /// Input, ordered.
        input: RelId,
        /// One output column each, after the input columns.
        calls: Vec<WindowCall>,
    },
    /// Keeps rows and evaluates the input only once although it is used several times: `materialize`, `as`.
    Materialize {
        /// Input.
        input: RelId,
    },
    /// A random choice of `count` rows.
    Sample {
        /// Input.
        input: RelId,
        /// Long constant expression.
        count: ExprId,
    },
    /// `make-series`.
    MakeSeries(Box<MakeSeries>),
    /// `top-nested`.
    TopNested {
        /// Input.
        input: RelId,
        /// Levels.
        levels: Vec<TopNestedLevel>,
    },
    /// `scan`.
    ScanSteps(Box<ScanSteps>),
    /// `evaluate bag_unpack(...)` with its columns already known.
    BagUnpack {
        /// Input.
        input: RelId,
        /// Position of the dynamic in the input.
        bag: u32,
        /// For each output column: where it comes from.
        sources: Vec<BagUnpackSource>,
    },
    /// `evaluate pivot(...)` with its columns already known: keys, then one column a pivot value.
    Pivot {
        /// Input.
        input: RelId,
        /// Keys.
        keys: Vec<ExprId>,
        /// The expression whose values became columns, as a string.
        pivot: ExprId,
        /// The texts, one an output column after the keys.
        values: Vec<String>,
        /// What is aggregated in each cell.
        aggregate: AggregateCall,
    },
}

/// Holds a call of an aggregate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AggregateCall {
    /// The entry of the table.
    #[serde(with = "crate::aggregate::by_name_serde")]
    pub aggregate: &'static Aggregate,
    /// Arguments, over the input row, condition excluded. For `arg_max` and `take_any`: one output column an argument
    /// (for `arg_max` the first is the one maximised).
    pub args: Vec<ExprId>,
    /// Bool: rows for which it is not true are left out (`countif`, `sumif`...).
    pub condition: Option<ExprId>,
    /// Types of the output columns.
    pub outputs: Vec<Type>,
}

impl PartialEq for AggregateCall {
    fn eq(&self, other: &Self) -> bool {
        self.aggregate.name == other.aggregate.name
            && (&self.args, &self.condition, &self.outputs) == (&other.args, &other.condition, &other.outputs)
    }
}

/// Holds a key to order by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SortKey {
    /// What to order by.
    pub expr: ExprId,
    /// Whether small comes first.
    pub is_ascending: bool,
    /// Whether null comes first.
    pub is_nulls_first: bool,
}

/// Names a kind of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JoinKind {
    /// One left row a key, then inner.
    InnerUnique,
    /// All pairs.
    Inner,
    /// All pairs, and left rows without a partner.
    LeftOuter,
    /// All pairs, and right rows without a partner.
    RightOuter,
    /// All pairs, and rows of either side without a partner.
    FullOuter,
    /// Left rows with a partner.
    LeftSemi,
    /// Right rows with a partner.
    RightSemi,
    /// Left rows without a partner.
    LeftAnti,
    /// Right rows without a partner.
    RightAnti,
}

/// Holds an item of `mv-expand`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MvItem {
    /// The dynamic to expand.
    pub expr: ExprId,
    /// Position of the output column that receives the elements.
    pub column: u32,
    /// The type of that column; elements are converted to it.
    pub ty: Type,
}

/// Holds `parse`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parse {
    /// Input.
    pub input: RelId,
    /// String to parse.
    pub value: ExprId,
    /// Kind.
    pub kind: ParseKind,
    /// Regex flags as written (`U`, `m`, `s`, `i`).
    pub flags: String,
    /// Pieces in order.
    pub pieces: Vec<ParsePiece>,
    /// Whether rows that do not match are dropped (`parse-where`).
    pub is_where: bool,
}

/// Names a mode of `parse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParseKind {
    /// Text constants; a value that does not convert fails the row.
    Simple,
    /// Text constants; a value that does not convert is null.
    Relaxed,
    /// Constants are regular expressions.
    Regex,
}

/// Holds a piece of a `parse` pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ParsePiece {
    /// Skip anything.
    Star,
    /// Text or regex to find.
    Text(String),
    /// Fill the output column at this position, of this type.
    Column(u32, Type),
}

/// Holds `parse-kv`. Columns: input columns, replaced or appended at the stated positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParseKv {
    /// Input.
    pub input: RelId,
    /// String to parse.
    pub value: ExprId,
    /// Key, output position, type.
    pub keys: Vec<(String, u32, Type)>,
    /// `pair_delimiter`: the whole text is one delimiter.
    pub pair_delimiter: String,
    /// `kv_delimiter`.
    pub kv_delimiter: String,
    /// `quote`: one character (open and close), or two.
    pub quotes: Vec<(char, char)>,
    /// `escape`.
    pub escape: Option<char>,
    /// `greedy`.
    pub is_greedy: bool,
    /// `regex`.
    pub regex: Option<String>,
}

/// Holds a call that looks at neighbouring rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowCall {
    /// Which.
    pub function: WindowFunction,
    /// Arguments over the current row (for `prev`/`next`: value, offset, default).
    pub args: Vec<ExprId>,
    /// The type of the result.
    pub ty: Type,
}

/// Names a function over neighbouring rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the function of the same name in KQL")]
pub enum WindowFunction {
    Prev,
    Next,
    RowNumber,
    RowCumsum,
    RowRankDense,
    RowRankMin,
    RowWindowSession,
}

/// Holds `make-series`. Columns: keys, one dynamic an aggregate, the axis (dynamic).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MakeSeries {
    /// Input.
    pub input: RelId,
    /// Keys.
    pub keys: Vec<ExprId>,
    /// Aggregates with the constant for empty bins.
    pub aggregates: Vec<(AggregateCall, ExprId)>,
    /// Axis over the input row.
    pub axis: ExprId,
    /// First bin (constant); the least value when absent.
    pub from: Option<ExprId>,
    /// End, exclusive (constant); just past the greatest value when absent.
    pub to: Option<ExprId>,
    /// Width (constant).
    pub step: ExprId,
    /// Whether an empty input gives one row of defaults.
    pub is_nonempty: bool,
}

/// Holds a level of `top-nested`. Columns a level: the value, its aggregate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopNestedLevel {
    /// How many; all when absent.
    pub count: Option<ExprId>,
    /// Of what.
    pub of: ExprId,
    /// The text that stands for the rest, when asked for.
    pub others: Option<ExprId>,
    /// Ordered by.
    pub by: AggregateCall,
    /// Whether small comes first.
    pub is_ascending: bool,
}

/// Holds `scan`. Expressions see: input columns, then for each step the input columns and declared columns of its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanSteps {
    /// Input, ordered.
    pub input: RelId,
    /// Declared columns with their defaults (constants).
    pub declared: Vec<(Column, ExprId)>,
    /// Whether a column with the match id is appended.
    pub has_match_id: bool,
    /// Partition keys over the input row.
    pub partition: Vec<ExprId>,
    /// Order within a partition.
    pub order: Vec<SortKey>,
    /// Steps.
    pub steps: Vec<ScanStep>,
}

/// Holds a step of `scan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanStep {
    /// Its name.
    pub name: String,
    /// Condition.
    pub condition: ExprId,
    /// Declared column and its new value.
    pub assignments: Vec<(u32, ExprId)>,
    /// What is output.
    pub output: ScanOutput,
    /// Whether the step can be skipped.
    pub is_optional: bool,
}

/// Says which rows of a step are output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScanOutput {
    /// Each.
    All,
    /// The last one.
    Last,
    /// None.
    None,
}

/// Says where a column of `bag_unpack` comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BagUnpackSource {
    /// The input column at this position.
    Column(u32),
    /// The property with this key, converted to this type.
    Property(String, Type),
}
