//! One rule and one record to whether it matches, and to the rows of the rule's query.

use crate::compile::rule::{Action, CompiledRule};
use crate::engine::cells::RecordCells;
use crate::engine::frame::{Frame, Unit};
use dtq_exec::{Feed, Options as ExecOptions};
use dtq_interp::Subqueries;
use dtq_record::stream::Row;
use dtq_source::Limits;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use smallvec::SmallVec;

/// Bytes that the operators of one rule may hold: a table that is looked up, and the rows that follow from one record.
const PIPELINE_BYTES_MAX: usize = 256 << 20;

/// Says what a rule's query gives for a record.
#[derive(Debug)]
pub(crate) enum Judged {
    /// The record is no row of the rule's table.
    Foreign,
    /// No row.
    No,
    /// A row that nobody has to look at, or whose columns are computed one by one.
    Yes,
    /// These rows.
    Rows(Vec<Row>),
}

/// Holds what is left to decide of a rule for the records of one resource and scope.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    /// Position of the rule.
    pub(crate) rule: usize,
    /// Positions of the conditions that are not decided yet.
    pub(crate) conditions: SmallVec<[u16; 6]>,
    /// Whether a condition is false already.
    pub(crate) is_never: bool,
    /// Whether what is left are all conditions on records and no others.
    pub(crate) is_of_record: bool,
}

impl Frame<'_> {
    /// Returns what a rule gives for a record.
    pub(crate) fn judge(&mut self, active: &Active, unit: &Unit<'_>, cells: &RecordCells<'_>) -> Result<Judged, Fault> {
        let set = self.set;
        let rule = &set.rules[active.rule];
        if !self.is_row(rule, cells)? {
            return Ok(Judged::Foreign);
        }
        if self.observer.is_some() {
            self.observe_conditions(active.rule, cells);
        }
        if active.is_never {
            return Ok(Judged::No);
        }
        if !self.matches(active, cells)? {
            return Ok(Judged::No);
        }
        let is_lazy = matches!(rule.action, Action::Replace { .. }) && !rule.has_pipeline && !rule.has_key;
        if is_lazy || (!rule.has_pipeline && rule.values.iter().all(Option::is_none)) {
            return Ok(Judged::Yes);
        }
        let row = self.flat_row(active.rule, cells)?;
        if !rule.has_pipeline {
            return Ok(Judged::Rows(vec![row]));
        }
        let rows = match &rule.scan {
            Some(scan) => self.push_scan(active.rule, scan, row, unit)?,
            None => self.push(active.rule, row)?,
        };
        Ok(if rows.is_empty() { Judged::No } else { Judged::Rows(rows) })
    }

    /// Says whether a record is a row of the rule's table.
    fn is_row(&self, rule: &CompiledRule, cells: &RecordCells<'_>) -> Result<bool, Fault> {
        if rule.membership.is_empty() {
            return Ok(true);
        }
        Ok(rule.table.holds_record(&cells.record_row(&rule.membership)?))
    }

    /// Returns the row at the end of the flat part, with the columns that are looked at.
    fn flat_row(&mut self, position: usize, cells: &RecordCells<'_>) -> Result<Row, Fault> {
        let values = &self.set.rules[position].values;
        let mut row = Vec::with_capacity(values.len());
        for value in values {
            row.push(match value {
                Some(expr) => self.eval(position, *expr, cells)?,
                None => Value::Null,
            });
        }
        Ok(row)
    }

    /// Pushes a row through the operators behind the flat part.
    fn push(&mut self, position: usize, row: Row) -> Result<Vec<Row>, Fault> {
        let rule = &self.set.rules[position];
        let version = self.tables.version(&rule.tables_read);
        if self.feeds.get(&position).is_none_or(|(_, read)| *read != version) {
            let top = rule.pipeline_top();
            let options = self.exec_options();
            let feed = Feed::new(&rule.program, (rule.flat.end, top), self.tables, Subqueries::default(), options)?;
            self.feeds.insert(position, (feed, version));
        }
        let (feed, _) = self.feeds.get_mut(&position).expect("just made");
        feed.swap_subqueries(&mut self.state.subqueries[position]);
        let rows = feed.push(row);
        feed.swap_subqueries(&mut self.state.subqueries[position]);
        if rows.is_err() {
            self.feeds.remove(&position);
        }
        rows
    }

    /// Returns the options of pipelines and groupings.
    pub(crate) fn exec_options(&mut self) -> ExecOptions<'static> {
        let held_bytes_max = self.set.limits.held_bytes_max.min(PIPELINE_BYTES_MAX);
        ExecOptions {
            limits: Limits { held_bytes_max, ..self.set.limits.clone() },
            now_ticks: self.arrival_ticks,
            random_seed: self.state.native.scalar.next_random(),
            ..ExecOptions::default()
        }
    }
}
