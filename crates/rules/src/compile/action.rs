//! A rule's destination and the columns of its rows to what the rule does with them.
//!
//! Says what does not fit: a column that cannot be written, a value without a metric, a row that is no log record.
//! Next: `metric.rs`, `mod.rs`.

use crate::compile::metric::{MeasureColumns, measure};
use crate::compile::query::RuleQuery;
use crate::compile::rule::{Action, ColumnWrite, Failure};
use crate::file::Rule;
use crate::file::rule::{Destination, OnError};
use dtq_ir::rel::ParsePiece;
use dtq_ir::{ExprKind, Program, RelId, RelKind};
use dtq_record::otlp::edit;
use dtq_record::stream::Column;
use dtq_record::tables::derive::Derivation;
use dtq_record::tables::{self, Base};
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::Type;

/// Says where a column of a relation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The column of the rule's table at this position, as it is.
    Table(usize),
    /// The key of the summarize at this position, as it is.
    Key(usize),
    /// An aggregate of the summarize.
    Aggregate,
    /// Something that was computed.
    Computed,
}

/// Returns where the columns at the end of a chain of relations come from, which begins with a table.
pub fn origins(program: &Program, chain: &[RelId]) -> Vec<Origin> {
    let mut columns: Vec<Origin> = (0..program.rel(chain[0]).columns.len()).map(Origin::Table).collect();
    for id in &chain[1..] {
        let rel = program.rel(*id);
        match &rel.kind {
            RelKind::Project { exprs, .. } => {
                let of = |expr: &dtq_ir::ExprId| match program.expr(*expr).kind {
                    ExprKind::Column(index) => columns[index as usize],
                    _ => Origin::Computed,
                };
                columns = exprs.iter().map(of).collect();
            }
            RelKind::Aggregate { keys, .. } => {
                let width = rel.columns.len();
                columns =
                    (0..width).map(|at| if at < keys.len() { Origin::Key(at) } else { Origin::Aggregate }).collect();
            }
            RelKind::Parse(parse) => {
                for piece in &parse.pieces {
                    if let ParsePiece::Column(at, _) = piece {
                        mark(&mut columns, *at);
                    }
                }
            }
            RelKind::ParseKv(parse) => parse.keys.iter().for_each(|(_, at, _)| mark(&mut columns, *at)),
            RelKind::MvExpand { items, .. } => items.iter().for_each(|item| mark(&mut columns, item.column)),
            RelKind::BagUnpack { .. } => columns.iter_mut().for_each(|column| *column = Origin::Computed),
            _ => {}
        }
        columns.resize(rel.columns.len(), Origin::Computed);
    }
    columns
}

fn mark(columns: &mut [Origin], at: u32) {
    if let Some(column) = columns.get_mut(at as usize) {
        *column = Origin::Computed;
    }
}

/// Holds what is known of a rule's rows when its action is decided.
pub struct Rows<'q> {
    /// The query.
    pub query: &'q RuleQuery,
    /// The columns, without the key's.
    pub columns: &'q [Column],
    /// Where each comes from.
    pub origins: Vec<Origin>,
}

impl Rows<'_> {
    /// Returns the place of the end of the query, where its columns are decided.
    pub fn span(&self) -> Span {
        self.query.program.rel(self.query.top).span
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Names the positions that stateful actions have in the rule set, besides what the rule itself says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    /// Of the table that the rule fills.
    pub table: Option<usize>,
    /// Of the recorder that it fills or empties.
    pub recorder: Option<usize>,
    /// Of its aggregators or windows.
    pub state: usize,
}

/// Returns what a rule does; mistakes go to `found`, placed in the query.
pub fn action(rule: &Rule, rows: &Rows<'_>, places: Places, found: &mut Vec<Diagnostic>) -> Option<Action> {
    Some(match &rule.to.value {
        Destination::Drop => Action::Drop,
        Destination::Replace { is_identity_preserved } => {
            let writes = writes(rows, found)?;
            check_identity(rows, &writes, *is_identity_preserved, found);
            Action::Replace { writes }
        }
        Destination::Logs => Action::Logs { columns: log_columns(rows, found)? },
        Destination::Metrics(output) => {
            let columns = MeasureColumns { rows, output, state: places.state };
            measure(&columns, found)?
        }
        Destination::Table { for_ticks, .. } => Action::Table { table: places.table?, for_ticks: *for_ticks },
        Destination::Recorder { .. } => Action::Recorder { recorder: places.recorder? },
        Destination::Flush { after_ticks, cooldown_ticks, .. } => {
            Action::Flush { recorder: places.recorder?, after_ticks: *after_ticks, cooldown_ticks: *cooldown_ticks }
        }
        Destination::Route { name, is_copy } => Action::Route { name: name.value.as_str().into(), is_copy: *is_copy },
    })
}

/// Returns what `replace` writes.
fn writes(rows: &Rows<'_>, found: &mut Vec<Diagnostic>) -> Option<Vec<ColumnWrite>> {
    let table = rows.query.table;
    let before = found.len();
    for column in rows.columns {
        if !table.columns.iter().any(|own| own.name == column.name) {
            let message = format!(
                "`{}` is no column of `{}`, so `to: replace` cannot put it into a record",
                column.name, table.name
            );
            let label =
                "end the query with `| project-away` of it, or set it as an attribute: `bag_set_key(Attributes, ...)`";
            found.push(Diagnostic::error(Code::E5103, rows.span(), message).label(label));
        }
    }
    let mut writes = Vec::new();
    for (column, own) in table.columns.iter().enumerate() {
        let row_column = rows.position(&own.name);
        let is_same = row_column.is_some_and(|at| rows.origins[at] == Origin::Table(column));
        if is_same || (row_column.is_none() && !can_be_written(rows, column)) {
            continue;
        }
        if !can_be_written(rows, column) {
            let message = format!("`{}` of `{}` is read-only", own.name, table.name);
            found.push(Diagnostic::error(Code::E5103, rows.span(), message).label(read_only_remedy(rows, column)));
        } else if let Some(at) = row_column
            && rows.columns[at].ty != own.ty
            && own.ty != Type::Dynamic
        {
            let message = format!(
                "`{}` is a {} in `{}`, and the query gives a {}",
                own.name, own.ty, table.name, rows.columns[at].ty
            );
            found.push(
                Diagnostic::error(Code::E5103, rows.span(), message).label(format!("convert it: `to{}(...)`", own.ty)),
            );
        }
        writes.push(ColumnWrite { column, row_column, own_cell: None, reads: Vec::new(), bag: None });
    }
    (found.len() == before).then_some(writes)
}

/// Says whether a column can be written: its mapping has an inverse, and the fields behind it can be edited.
fn can_be_written(rows: &Rows<'_>, column: usize) -> bool {
    let (table, base) = (rows.query.table, rows.query.base);
    let is_editable = |column: &usize| edit::is_editable(base, *column);
    table.is_writable[column]
        && match table.derivation(column) {
            Derivation::Same(column) => is_editable(&column),
            Derivation::BagWith { bag, properties } => {
                is_editable(&bag) && properties.iter().all(|(_, column)| is_editable(column))
            }
            Derivation::Computed(columns) => columns.iter().all(is_editable),
        }
}

fn read_only_remedy(rows: &Rows<'_>, column: usize) -> &'static str {
    match rows.query.table.columns[column].name.as_str() {
        "Resource" | "Scope" => "edit a Resource in a rule on `resources`",
        "Timestamp" | "StartTimestamp" => "the time of a record cannot be changed; leave the column as it is",
        _ => "leave the column as it is, or change what it is computed from",
    }
}

/// Refuses to make two series of a metric one, or one two, without the rule saying so.
fn check_identity(rows: &Rows<'_>, writes: &[ColumnWrite], is_preserved: bool, found: &mut Vec<Diagnostic>) {
    if rows.query.base != Base::Metrics || is_preserved {
        return;
    }
    let writes_identity = writes.iter().any(|write| {
        matches!(
            rows.query.table.columns[write.column].name.as_str(),
            "Attributes" | "customDimensions" | "MetricAttributes"
        )
    });
    if writes_identity {
        let message = "attributes are what tells a metric's series apart: a change can make two series one";
        let label = "write `identity: preserved` beside `to: replace` if yours stay apart, or aggregate anew with `to: metrics`";
        found.push(Diagnostic::error(Code::E5108, rows.span(), message).label(label));
    }
}

/// Returns the column of `logs` that each column of a row becomes; those of the source are not written.
fn log_columns(rows: &Rows<'_>, found: &mut Vec<Diagnostic>) -> Option<Vec<usize>> {
    let logs = tables::standard("logs").expect("logs is a standard table");
    let before = found.len();
    let mut columns = Vec::new();
    for (at, column) in rows.columns.iter().enumerate() {
        let position = logs.columns.iter().position(|own| own.name == column.name);
        let is_source = matches!(column.name.as_str(), "Resource" | "Scope");
        match position {
            None => {
                let message = format!("`{}` is no column of `logs`", column.name);
                let label = "end the query with `| project` of columns of `logs`; put others into `Attributes` with `bag_pack(...)`";
                found.push(Diagnostic::error(Code::E5104, rows.span(), message).label(label));
            }
            Some(_) if is_source && !matches!(rows.origins[at], Origin::Table(_)) => {
                let message = format!("a new record has the {} of its source", column.name);
                found.push(Diagnostic::error(Code::E5104, rows.span(), message).label("leave the column out"));
            }
            Some(position) if logs.columns[position].ty != column.ty && logs.columns[position].ty != Type::Dynamic => {
                let own = logs.columns[position].ty;
                let message = format!("`{}` of `logs` is a {own}, and the query gives a {}", column.name, column.ty);
                found.push(
                    Diagnostic::error(Code::E5104, rows.span(), message).label(format!("convert it: `to{own}(...)`")),
                );
            }
            Some(position) => columns.push(position),
        }
    }
    (found.len() == before).then_some(columns)
}

/// Returns what happens to records that a rule cannot judge.
pub fn failure(rule: &Rule, rows: &Rows<'_>, found: &mut Vec<Diagnostic>) -> Failure {
    let columns = match &rule.on_error.value {
        OnError::Pass => return Failure::Pass,
        OnError::Drop => return Failure::Drop,
        OnError::Strip(columns) => columns,
    };
    let base = tables::standard(rows.query.base.name()).expect("every base is a standard table");
    let mut positions = Vec::new();
    for column in columns {
        let position = base.columns.iter().position(|own| own.name == column.value);
        match position.filter(|position| edit::is_editable(rows.query.base, *position)) {
            Some(position) => positions.push(position),
            None => {
                let message = format!("`{}` of `{}` cannot be emptied", column.value, base.name);
                let label = "name columns that records have and that can be written, such as Body or Attributes";
                found.push(Diagnostic::error(Code::E5109, column.span, message).label(label));
            }
        }
    }
    Failure::Strip(positions)
}
