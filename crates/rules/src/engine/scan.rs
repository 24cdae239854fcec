//! Records of a rule with `scan` to rows: through what stands before it, the state of their partition, and what follows.
//!
//! A partition that ends may owe rows whose records have passed long ago; they act as rows made then. Rows are taken in
//! the order of records, and record time alone ends partitions while records come, so batching changes nothing. What a
//! partition is and when one ends: `state/scan.rs`; how a row meets the steps: `dtq_exec::scanning`. Next: `written.rs`.

use crate::compile::rule::{Action, CompiledRule, ScanRule};
use crate::engine::cells::malformed;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Judged;
use crate::engine::state::scan_spec;
use crate::engine::wrap::Heads;
use crate::file::rule::Mode;
use crate::state::scan::EndedPartition;
use dtq_exec::{Feed, ScanState, Scanning};
use dtq_interp::{RowIdentity, Subqueries};
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::scalar::Fault;

/// Holds what a rule remembers of a partition.
#[derive(Default)]
pub(crate) struct Remembered {
    steps: ScanState,
    /// Where the last row came from, when log records may be made of what the partition owes.
    source: Option<Source>,
}

struct Source {
    heads: Heads,
    said_ticks: i64,
}

impl Remembered {
    /// Returns about how many bytes it takes; 0 when it need not be kept.
    pub(crate) fn bytes(&self) -> usize {
        const ALLOCATIONS_BYTES: usize = 64;
        let of_source = |source: &Source| source.heads.resource.len() + source.heads.scope.len() + ALLOCATIONS_BYTES;
        match self.steps.bytes() {
            0 => 0,
            steps => steps + size_of::<Self>() + self.source.as_ref().map_or(0, of_source),
        }
    }
}

/// Holds what rows of one rule pass, with the version of the tables that it has read.
pub(crate) struct Pipes<'s> {
    version: u64,
    before: Vec<Feed<'s>>,
    scanning: Scanning<'s>,
    after: Option<Feed<'s>>,
}

impl Frame<'_> {
    /// Pushes the row of a record through the operators of a rule with a scan.
    ///
    /// Partitions that this pushes out wait in `pushed_out`, also when it fails.
    pub(crate) fn push_scan(
        &mut self,
        position: usize,
        scan: &ScanRule,
        row: Row,
        unit: &Unit<'_>,
    ) -> Result<Vec<Row>, Fault> {
        self.begin_pipes(position, scan)?;
        let rows = self.push_through(position, scan, row, unit);
        if rows.is_err() {
            self.scans.remove(&position);
        }
        rows
    }

    fn push_through(&mut self, position: usize, scan: &ScanRule, row: Row, unit: &Unit<'_>) -> Result<Vec<Row>, Fault> {
        let pipes = self.scans.get_mut(&position).expect("begin_pipes has made it");
        let subqueries = &mut self.state.subqueries[position];
        let mut rows = vec![row];
        for feed in &mut pipes.before {
            rows = push_all(feed, rows, subqueries)?;
        }
        let states = self.state.scans[position].as_mut().expect("a rule with a scan has partitions");
        let scanning = &mut pipes.scanning;
        let mut given = Vec::new();
        scanning.swap_subqueries(subqueries);
        let result = rows.into_iter().try_for_each(|row| {
            let key = RowIdentity(scanning.partition_of(&row)?);
            let step = |remembered: &mut Remembered, next_match_id: &mut i64| {
                let rows = scanning.push(&mut remembered.steps, &row, next_match_id);
                // Also of a row that failed, which some steps may have taken.
                if scan.keeps_source && remembered.steps.bytes() > 0 {
                    let heads = self.heads.borrow_mut().heads(unit).map_err(|error| malformed(&error))?;
                    remembered.source = Some(Source { heads, said_ticks: unit.said_ticks });
                }
                rows
            };
            let pushed = states.push(key, unit.time_ticks, Remembered::default, step);
            self.state.accounts[position].evicted += pushed.evicted.len() as u64;
            self.pushed_out.extend(pushed.ended.into_iter().chain(pushed.evicted));
            given.extend(pushed.given?);
            Ok(())
        });
        scanning.swap_subqueries(subqueries);
        result?;
        match &mut pipes.after {
            Some(feed) => push_all(feed, given, subqueries),
            None => Ok(given),
        }
    }

    /// Makes the operators of a rule anew when they are not there, or when a table that they read has changed.
    fn begin_pipes(&mut self, position: usize, scan: &ScanRule) -> Result<(), Fault> {
        let rule = &self.set.rules[position];
        let version = self.tables.version(&rule.tables_read);
        if self.scans.get(&position).is_some_and(|pipes| pipes.version == version) {
            return Ok(());
        }
        let tables = self.tables;
        let feed = |frame: &mut Self, ends| {
            Feed::new(&rule.program, ends, tables, Subqueries::default(), frame.exec_options())
        };
        let before = scan.before.iter().map(|ends| feed(self, *ends)).collect::<Result<_, _>>()?;
        let after = scan.after.map(|ends| feed(self, ends)).transpose()?;
        let options = self.exec_options();
        let scanning = Scanning::new(&rule.program, scan.rel, tables, Subqueries::default(), options)?;
        self.scans.insert(position, Pipes { version, before, scanning, after });
        Ok(())
    }

    /// Tells the partitions of a rule about a record's time; those whose time is over end.
    pub(crate) fn advance_scan(&mut self, position: usize, time_ticks: i64) {
        if let Some(states) = &mut self.state.scans[position] {
            let ended = states.advance(time_ticks);
            self.end_partitions(position, ended, time_ticks);
        }
    }

    /// Ends the partitions of a rule that have waited too long by wall time, or all of them.
    pub(crate) fn end_due_partitions(&mut self, position: usize, now_ticks: i64, is_last: bool) {
        if let Some(states) = &mut self.state.scans[position] {
            let ended = if is_last { states.shutdown() } else { states.tick(now_ticks) };
            let time_ticks = self.state.clock.of_made(None, now_ticks);
            self.end_partitions(position, ended, time_ticks);
        }
    }

    /// Gives the partitions of a rule the bounds of the rule that takes them over; those without room end.
    pub(crate) fn fit_partitions(&mut self, position: usize, new: &CompiledRule, now_ticks: i64) {
        if let (Some(states), Some(scan)) = (&mut self.state.scans[position], &new.scan) {
            let evicted = states.set_spec(scan_spec(new, scan)).expect("only compatible partitions move");
            self.state.accounts[position].evicted += evicted.len() as u64;
            let time_ticks = self.state.clock.of_made(None, now_ticks);
            self.end_partitions(position, evicted, time_ticks);
        }
    }

    /// Gives what partitions owe that are over.
    pub(crate) fn end_partitions(&mut self, position: usize, ended: Vec<EndedPartition<Remembered>>, time_ticks: i64) {
        for partition in ended {
            let Remembered { steps, source } = partition.state;
            let rows = steps.finish();
            if rows.is_empty() {
                continue;
            }
            let made_count = self.made_count;
            if self.depth == 0 {
                // What follows from one partition is bounded as what follows from one request is.
                self.made_count = 0;
            }
            if let Err(fault) = self.give_owed_rows(position, rows, source, time_ticks) {
                self.note_error(position, &format!("a sequence that is over cannot give its rows: {fault}"));
            }
            if self.depth == 0 {
                self.made_count = made_count;
            }
        }
    }

    /// Lets the rows act that a partition owed: at the time at which it ended, for no record.
    fn give_owed_rows(
        &mut self,
        position: usize,
        rows: Vec<Row>,
        source: Option<Source>,
        time_ticks: i64,
    ) -> Result<(), Fault> {
        let rule = &self.set.rules[position];
        let scan = rule.scan.as_ref().expect("only a scan has partitions");
        self.begin_pipes(position, scan)?;
        let pipes = self.scans.get_mut(&position).expect("begin_pipes has made it");
        let rows = match &mut pipes.after {
            Some(feed) => push_all(feed, rows, &mut self.state.subqueries[position]),
            None => Ok(rows),
        };
        if rows.is_err() {
            self.scans.remove(&position);
        }
        let rows = rows?;
        if rows.is_empty() {
            return Ok(());
        }
        self.state.accounts[position].matched += 1;
        let judged = Judged::Rows(rows);
        if rule.mode != Mode::Enforce || self.is_within_rate(position, &judged, time_ticks) {
            return Ok(());
        }
        let Judged::Rows(rows) = judged else { unreachable!("it was just made") };
        match (&rule.action, source) {
            (Action::Logs { columns }, Some(source)) => {
                self.make_logs(position, columns, rows, &source.heads, source.said_ticks)
            }
            (Action::Logs { .. }, None) => Err(Fault::new(Code::E3009, "where its rows came from could not be read")),
            (Action::Measure(measure), _) => self.measure(position, measure, rows, time_ticks),
            (Action::Window(window), _) => self.add_to_window(position, window, rows, time_ticks),
            (Action::Table { table, for_ticks }, _) => {
                self.fill_table(position, *table, *for_ticks, rows, time_ticks);
                Ok(())
            }
            _ => unreachable!("a scan that owes rows is refused with what acts on records"),
        }
    }
}

/// Returns what an operator makes of rows.
fn push_all(feed: &mut Feed<'_>, rows: Vec<Row>, subqueries: &mut Subqueries) -> Result<Vec<Row>, Fault> {
    feed.swap_subqueries(subqueries);
    let made: Result<Vec<Vec<Row>>, Fault> = rows.into_iter().map(|row| feed.push(row)).collect();
    feed.swap_subqueries(subqueries);
    Ok(made?.into_iter().flatten().collect())
}
