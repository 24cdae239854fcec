//! What a compiled rule is: which records it judges, by which conditions, and what it does with those that match.
//!
//! Plain data that a rule set owns and an engine reads; nothing here runs. Next: `action.rs`.

use crate::compile::flatten::Flat;
use crate::file::rule::{Above, MetricsOutput, Mode, OnShutdown, Tier};
use crate::state::recorder::RecorderSpec;
use dtq_ir::{ExprId, Program, RelId, RelKind};
use dtq_record::otlp::fill::Level;
use dtq_record::stream::{Column, Row};
use dtq_record::tables::{Base, Table};
use dtq_value::{Str, Type};

/// Holds one rule of a rule set.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    /// Its name.
    pub name: Str,
    /// Where it stands: file and position in the file.
    pub place: (usize, usize),
    /// Whether it acts; a rule that is off is not here.
    pub mode: Mode,
    /// Where it may run.
    pub tiers: Vec<Tier>,
    /// When it stops acting, in ticks.
    pub expires_ticks: Option<i64>,
    /// What happens to a record that it cannot judge.
    pub on_error: Failure,
    /// The standard table whose records it judges.
    pub base: Base,
    /// The table that its query names.
    pub table: &'static Table,
    /// The query, which ends with the column of the key when there is one.
    pub program: Program,
    /// The end of the query.
    pub top: RelId,
    /// Columns of the query's rows, without that of the key.
    pub columns: Vec<Column>,
    /// Whether the rows have one column more: the key's.
    pub has_key: bool,
    /// The query as it is written.
    pub query_text: Str,
    /// The key as it is written, or `""`.
    pub key_text: Str,
    /// The part of the query that is conditions and columns over the record.
    pub flat: Flat,
    /// The conditions of the flat part, in order.
    pub conditions: Vec<Condition>,
    /// Cells of the columns that decide whether a record is a row of an alias, by position.
    pub membership: Vec<(usize, u32)>,
    /// For each column of the flat part's end, how it is computed where something reads it.
    pub values: Vec<Option<ExprId>>,
    /// Whether operators follow the flat part.
    pub has_pipeline: bool,
    /// How rows behind the flat part are followed from record to record, where the query has a `scan`.
    pub scan: Option<ScanRule>,
    /// What it does.
    pub action: Action,
    /// Makes it act only on what passes a rate.
    pub above: Option<Above>,
    /// What its conditions look up.
    pub lookups: Vec<Lookup>,
    /// The keyed tables that its query reads in other ways, so that a change of them begins its pipeline anew.
    pub tables_read: Vec<usize>,
    /// Nanoseconds for each record that it may cost.
    pub ns_per_record_max: Option<u64>,
    /// Bytes of what it remembers.
    pub state_bytes_max: Option<u64>,
    /// Series of each of its metrics.
    pub series_max: Option<u64>,
}

impl CompiledRule {
    /// Returns the end of the operators that records are pushed through: that of the query, or what is in front of its
    /// summarize.
    pub fn pipeline_top(&self) -> RelId {
        match &self.action {
            Action::Window(window) => match &self.program.rel(window.aggregate).kind {
                RelKind::Aggregate { input, .. } => *input,
                _ => unreachable!("the relation of a window is a summarize"),
            },
            _ => self.top,
        }
    }

    /// Returns the position of the windows that the rule fills.
    pub fn window_state(&self) -> Option<usize> {
        match &self.action {
            Action::Window(window) => Some(window.measure.state),
            _ => None,
        }
    }

    /// Says whether it has to see the time of every record, also of those that do not match.
    pub fn watches_time(&self) -> bool {
        self.window_state().is_some() || self.scan.is_some()
    }

    /// Says whether records that do not match have to be shown to it too.
    pub fn acts_on_others(&self) -> bool {
        self.watches_time() || matches!(self.action, Action::Replace { .. }) && self.mode == Mode::Enforce
    }

    /// Returns by how many keys the summarize of a window groups.
    pub fn key_count(&self, window: &WindowRule) -> usize {
        match &self.program.rel(window.aggregate).kind {
            RelKind::Aggregate { keys, .. } => keys.len(),
            _ => unreachable!("the relation of a window is a summarize"),
        }
    }

    /// Says whether it remembers something by the time of records.
    pub fn has_state(&self) -> bool {
        let is_stateful = matches!(
            self.action,
            Action::Window(_)
                | Action::Measure(_)
                | Action::Table { .. }
                | Action::Recorder { .. }
                | Action::Flush { .. }
                | Action::Logs { .. }
        );
        is_stateful
            || self.scan.is_some()
            || self.above.is_some()
            || !self.lookups.is_empty()
            || !self.tables_read.is_empty()
    }
}

/// Says what happens to a record that a rule cannot judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It goes on as it is.
    Pass,
    /// It is dropped.
    Drop,
    /// It goes on with these columns of the standard table emptied.
    Strip(Vec<usize>),
}

/// Holds a condition and what it is decided from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// A bool over cells.
    pub expr: ExprId,
    /// The innermost part of a request that it reads; a condition on the resource is decided once for its records.
    pub level: Level,
}

/// Says what a rule does with the records that match.
#[derive(Clone, Debug)]
pub enum Action {
    /// They are removed.
    Drop,
    /// They are edited; those that do not match are removed.
    Replace {
        /// What each written column of the table becomes.
        writes: Vec<ColumnWrite>,
    },
    /// Their rows become log records.
    Logs {
        /// Position of each row column in `logs`.
        columns: Vec<usize>,
    },
    /// Their rows become measurements.
    Measure(Measure),
    /// Their rows are grouped in windows, whose groups become points.
    Window(WindowRule),
    /// Their rows go into a keyed table.
    Table {
        /// Position of the table.
        table: usize,
        /// How long a row stays.
        for_ticks: i64,
    },
    /// They are held.
    Recorder {
        /// Position of the recorder.
        recorder: usize,
    },
    /// Those held for the same key go on.
    Flush {
        /// Position of the recorder.
        recorder: usize,
        /// How long later ones pass.
        after_ticks: i64,
        /// How long further flushes do nothing.
        cooldown_ticks: i64,
    },
    /// They go to a named output.
    Route {
        /// Its name.
        name: Str,
        /// Whether they also go on.
        is_copy: bool,
    },
}

/// Holds what a column of the table becomes in `replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnWrite {
    /// Position in the rule's table.
    pub column: usize,
    /// Position in the rows of the query; `None` empties the column.
    pub row_column: Option<usize>,
    /// The cell of the column itself.
    pub own_cell: Option<u32>,
    /// Position and slot of the standard table's columns that it follows from.
    pub reads: Vec<(usize, u32)>,
    /// The column of the standard table that holds its keys, when it is a bag of attributes.
    pub bag: Option<usize>,
}

/// Holds how rows become measurements.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The metrics.
    pub output: MetricsOutput,
    /// Position in the rows of each metric's value.
    pub values: Vec<usize>,
    /// Columns that become attributes.
    pub attributes: Vec<usize>,
    /// Columns that become attributes of the Resource.
    pub resource: Vec<usize>,
    /// Whether each metric's value is an integer.
    pub is_integer: Vec<bool>,
    /// Position of the rule's aggregators among those of the set.
    pub state: usize,
}

/// Holds how rows become points of windows.
#[derive(Clone, Debug)]
pub struct WindowRule {
    /// How the rows behind the summarize become points: positions are those of the query's rows.
    pub measure: Measure,
    /// The summarize.
    pub aggregate: RelId,
    /// Which of its keys is the window.
    pub window_key: usize,
    /// Position in the query's rows of the window, when it is still there.
    pub window_column: Option<usize>,
    /// How long a window is.
    pub width_ticks: i64,
    /// Position of the rule's windows among those of the set.
    pub state: usize,
}

/// Holds how the rows of a rule's records become those of its `scan`.
#[derive(Clone, Debug)]
pub struct ScanRule {
    /// The scan.
    pub rel: RelId,
    /// Operators between the flat part and the scan, each from behind the first relation to the second; sorts lie between.
    pub before: Vec<(RelId, RelId)>,
    /// Operators behind the scan, to the end of the query or to its summarize.
    pub after: Option<(RelId, RelId)>,
    /// The query from its beginning to the end of the scan, as it is written.
    pub text: Str,
    /// What names a partition, as it is written.
    pub partition_text: Str,
    /// How long a partition waits for its next row, in ticks.
    pub idle_ticks: i64,
    /// Whether a partition that ends may give rows.
    pub is_owing: bool,
    /// Whether partitions remember where their last row came from, for log records made when they end.
    pub keeps_source: bool,
    /// Names and types of the scan's columns in order, with `""` for the name of one that nothing looks at.
    pub columns: Vec<(Str, Type)>,
}

/// Holds what `in (table | ...)` of a rule looks in, kept up as the table changes.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The relation inside the expression.
    pub rel: RelId,
    /// `in~`.
    pub is_case_ignored: bool,
    /// Position of the table.
    pub table: usize,
    /// Relations from the table to `rel`, each a filter, a projection or a distinct.
    pub chain: Vec<RelId>,
}

/// Holds a table that rules look up.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// Its name.
    pub name: Str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The rows of a table that stands in a file; a table that a rule fills begins empty.
    pub rows: Vec<Row>,
    /// The rule that fills it.
    pub filled_by: Option<usize>,
}

/// Holds a recorder that a rule fills.
#[derive(Clone, Debug)]
pub struct RecorderDef {
    /// Its name.
    pub name: Str,
    /// What it holds.
    pub spec: RecorderSpec,
    /// The rule that fills it.
    pub filled_by: usize,
    /// What happens with held records when the process ends.
    pub on_shutdown: OnShutdown,
}
