//! A rule that matches and what it does to the record: edits, new records, state, and whether the record goes on.

use crate::compile::rule::{Action, ColumnWrite, Failure};
use crate::engine::cells::RecordCells;
use crate::engine::frame::{Frame, MADE_MAX, Unit};
use crate::engine::judge::{Active, Judged};
use crate::engine::overlay::Overlay;
use crate::engine::request::{Work, edited_record};
use crate::engine::tables::Content;
use crate::engine::wrap;
use crate::engine::written::Written;
use crate::file::rule::Mode;
use dtq_interp::RowIdentity;
use dtq_record::otlp::edit;
use dtq_record::otlp::encode::append_log_record;
use dtq_record::otlp::{Signal, any, logs};
use dtq_record::stream::Row;
use dtq_record::tables;
use dtq_record::tables::Base;
use dtq_record::tables::derive::Write;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::borrow::Cow;

/// Says what became of a record that does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was removed.
    Dropped,
    /// It was removed because a metric counts it.
    Consumed,
    /// It went to a named output instead.
    Rerouted,
    /// A recorder holds it.
    Held,
}

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;
/// Records of a rule in mode observe that are kept as samples.
const SAMPLES_MAX: usize = 5;
/// Bytes of one sample at most.
const SAMPLE_BYTES_MAX: usize = 64 << 10;

impl Frame<'_> {
    /// Judges a record by one rule and acts; `None` when it goes on.
    pub(crate) fn settle(&mut self, active: &Active, unit: &Unit<'_>, work: &mut Work<'_>) -> Option<Fate> {
        self.pass_time(active.rule, unit);
        let judged = {
            let cells = self.cells(unit, work.slots, work.cache, work.overlay);
            self.judge(active, unit, &cells)
        };
        let pushed_out = std::mem::take(&mut self.pushed_out);
        let fate = self.settle_judged(active, judged, unit, work);
        self.end_partitions(active.rule, pushed_out, unit.time_ticks);
        fate
    }

    /// Lets what a rule remembers end by the time of a record.
    fn pass_time(&mut self, position: usize, unit: &Unit<'_>) {
        let rule = &self.set.rules[position];
        if let Some(state) = rule.window_state() {
            self.advance_window(state, unit.time_ticks);
        }
        if rule.scan.is_some() {
            self.advance_scan(position, unit.time_ticks);
        }
    }

    fn settle_judged(
        &mut self,
        active: &Active,
        judged: Result<Judged, Fault>,
        unit: &Unit<'_>,
        work: &mut Work<'_>,
    ) -> Option<Fate> {
        let rule = &self.set.rules[active.rule];
        let is_enforced = rule.mode == Mode::Enforce;
        let acted = match judged {
            Ok(Judged::Foreign) => return None,
            Ok(Judged::No) => {
                let removes = is_enforced && matches!(rule.action, Action::Replace { .. });
                return removes.then_some(Fate::Dropped);
            }
            Ok(judged) => {
                self.state.accounts[active.rule].matched += 1;
                let acted = match is_enforced {
                    true => self.act_above(active.rule, judged, unit, work),
                    false => self.sample(active.rule, unit, work).map(|()| None),
                };
                self.state.failed_matches[active.rule] += u64::from(acted.is_err());
                acted
            }
            Err(fault) => Err(fault),
        };
        match acted {
            Ok(fate) => fate,
            Err(fault) => self.fail(active.rule, &fault, work),
        }
    }

    /// Does what a rule does with a record that does not match, of which that is known; `None` when it goes on.
    pub(crate) fn settle_unmatched(&mut self, active: &Active, unit: &Unit<'_>) -> Option<Fate> {
        let rule = &self.set.rules[active.rule];
        if !self.is_active[active.rule] {
            return None;
        }
        self.pass_time(active.rule, unit);
        let removes = rule.mode == Mode::Enforce && matches!(rule.action, Action::Replace { .. });
        removes.then_some(Fate::Dropped)
    }

    /// Does what a rule says of records that it cannot judge.
    pub(crate) fn fail(&mut self, position: usize, fault: &Fault, work: &mut Work<'_>) -> Option<Fate> {
        self.note_error(position, &fault.to_string());
        let rule = &self.set.rules[position];
        match &rule.on_error {
            _ if rule.mode != Mode::Enforce => None,
            Failure::Pass => None,
            Failure::Drop => Some(Fate::Dropped),
            Failure::Strip(columns) => {
                let table = tables::standard(rule.base.name()).expect("every base is a standard table");
                for column in columns {
                    let empty = Value::missing(table.columns[*column].ty);
                    work.overlay.set(*column, edit::read_back(rule.base, *column, empty));
                    self.log_edit(position, *column, None);
                }
                work.editors.push(position);
                None
            }
        }
    }

    /// Keeps the first records that a rule in mode observe matches.
    fn sample(&mut self, position: usize, unit: &Unit<'_>, work: &Work<'_>) -> Result<(), Fault> {
        // A resource has no record to show.
        let has_record = self.set.rules[position].base != Base::Resources;
        if has_record
            && self.state.samples[position].len() < SAMPLES_MAX
            && unit.buffers.record.len() <= SAMPLE_BYTES_MAX
        {
            let request = self.alone(unit, work.overlay)?;
            self.state.samples[position].push(request);
        }
        Ok(())
    }

    /// Acts, unless the record is within the rate that the rule lets pass.
    fn act_above(
        &mut self,
        position: usize,
        judged: Judged,
        unit: &Unit<'_>,
        work: &mut Work<'_>,
    ) -> Result<Option<Fate>, Fault> {
        match self.is_within_rate(position, &judged, unit.time_ticks) {
            true => Ok(None),
            false => self.act(position, judged, unit, work),
        }
    }

    /// Counts what a rule gives for a record against its rate; says whether the rule lets it be.
    pub(crate) fn is_within_rate(&mut self, position: usize, judged: &Judged, time_ticks: i64) -> bool {
        let Some(limiter) = &mut self.state.limiters[position] else { return false };
        let is_within = limiter.admit(&key_of(&self.set.rules[position], judged), time_ticks);
        self.state.accounts[position].within_rate += u64::from(is_within);
        is_within
    }

    fn act(
        &mut self,
        position: usize,
        judged: Judged,
        unit: &Unit<'_>,
        work: &mut Work<'_>,
    ) -> Result<Option<Fate>, Fault> {
        let rule = &self.set.rules[position];
        match &rule.action {
            Action::Drop => Ok(Some(Fate::Dropped)),
            Action::Replace { writes } => self.replace(position, writes, &judged, unit, work).map(|()| None),
            Action::Logs { columns } => {
                let heads = self.heads_of(unit)?;
                self.make_logs(position, columns, rows(judged), &heads, unit.said_ticks).map(|()| None)
            }
            Action::Measure(measure) => {
                self.measure(position, measure, rows(judged), unit.said_ticks)?;
                Ok(measure.output.is_consumed.then_some(Fate::Consumed))
            }
            Action::Window(window) => {
                self.add_to_window(position, window, rows(judged), unit.time_ticks)?;
                Ok(window.measure.output.is_consumed.then_some(Fate::Consumed))
            }
            Action::Table { table, for_ticks } => {
                self.fill_table(position, *table, *for_ticks, rows(judged), unit.time_ticks);
                Ok(None)
            }
            Action::Recorder { recorder } => self.hold(position, *recorder, &judged, unit, work),
            Action::Flush { recorder, after_ticks, cooldown_ticks } => {
                let key = key_of(rule, &judged);
                self.flush(*recorder, &key, (*after_ticks, *cooldown_ticks), unit)?;
                Ok(None)
            }
            Action::Route { name, is_copy } => {
                let request = self.alone(unit, work.overlay)?;
                self.emissions.add(Some(name.clone()), unit.signal, &request);
                if *is_copy {
                    self.state.accounts[position].copied += 1;
                }
                Ok((!is_copy).then_some(Fate::Rerouted))
            }
        }
    }

    /// Returns a request with this record alone, as rules have left it.
    pub(crate) fn alone(&self, unit: &Unit<'_>, overlay: &Overlay) -> Result<Vec<u8>, Fault> {
        let record = self.current(unit, overlay)?;
        let heads = self.heads_of(unit)?;
        wrap::request(&heads.resource, &heads.scope, heads.metric.as_deref(), &record)
            .map_err(|error| crate::engine::cells::malformed(&error))
    }

    fn heads_of(&self, unit: &Unit<'_>) -> Result<wrap::Heads, Fault> {
        self.heads.borrow_mut().heads(unit).map_err(|error| crate::engine::cells::malformed(&error))
    }

    pub(crate) fn current<'r>(&self, unit: &Unit<'r>, overlay: &Overlay) -> Result<Cow<'r, [u8]>, Fault> {
        if overlay.is_empty() {
            return Ok(Cow::Borrowed(unit.buffers.record));
        }
        edited_record(unit, overlay, self.set.limits.value_nesting_max).map(|edited| Cow::Owned(edited.record))
    }

    fn replace(
        &mut self,
        position: usize,
        writes: &[ColumnWrite],
        judged: &Judged,
        unit: &Unit<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Fault> {
        let rule = &self.set.rules[position];
        if matches!(judged, Judged::Rows(rows) if rows.len() > 1) {
            let message = "`to: replace` got several rows for one record; leave out `mv-expand`, or steps of `scan` that match the same record";
            return Err(Fault::new(Code::E3009, message));
        }
        let (found, held) = {
            let cells = self.cells(unit, work.slots, work.cache, work.overlay);
            let mut found = Vec::new();
            for write in writes {
                let written = match (judged, write.row_column) {
                    (_, None) => Written::Value(Value::missing(rule.table.columns[write.column].ty)),
                    (Judged::Rows(rows), Some(at)) => Written::Value(rows[0][at].clone()),
                    (_, Some(at)) => {
                        let expr = rule.values[at].expect("a written column is computed");
                        self.written(position, expr, write, &cells)?
                    }
                };
                match written {
                    Written::Same => {}
                    Written::Keys(keys) => found.extend(keys),
                    Written::Value(new) => writes_of(rule.table, write, &new, &cells, &mut found)?,
                }
            }
            let held = match self.edits {
                Some(_) => {
                    let reads: Vec<(usize, u32)> =
                        writes.iter().flat_map(|write| write.reads.iter().copied()).collect();
                    cells.record_row(&reads)?
                }
                None => Row::new(),
            };
            (found, held)
        };
        check_writes(unit, &found, self.set.limits.value_nesting_max)?;
        if !found.is_empty() {
            work.editors.push(position);
        }
        for write in found {
            self.log_write(position, &write, &held);
            match write {
                Write::Column(column, value) => work.overlay.set(column, value),
                Write::Key(column, key, value) => work.overlay.set_key(column, key, value),
            }
        }
        Ok(())
    }

    /// Makes log records with the heads of their source, and lets the rules after this one judge them.
    pub(crate) fn make_logs(
        &mut self,
        position: usize,
        columns: &[usize],
        rows: Vec<Row>,
        heads: &wrap::Heads,
        time_ticks: i64,
    ) -> Result<(), Fault> {
        self.check_depth()?;
        for row in rows {
            self.made_count += 1;
            if self.made_count > MADE_MAX {
                let message = format!("rules make more than {MADE_MAX} records from one request");
                return Err(Fault::new(Code::E3010, message));
            }
            let mut record = Vec::new();
            let made = log_row(columns, row, time_ticks, self.arrival_ticks);
            append_log_record(&mut record, &made).map_err(|error| Fault::new(Code::E3009, error.to_string()))?;
            let request = wrap::request(&heads.resource, &heads.scope, None, &record)
                .map_err(|error| crate::engine::cells::malformed(&error))?;
            self.state.accounts[position].created += 1;
            self.state.totals.created += 1;
            self.run_made(Signal::Logs, &request, position + 1)?;
        }
        Ok(())
    }

    /// Puts rows into a keyed table.
    pub(crate) fn fill_table(
        &mut self,
        position: usize,
        table: usize,
        for_ticks: i64,
        rows: Vec<Row>,
        time_ticks: i64,
    ) {
        let rule = &self.set.rules[position];
        let time_ticks = self.state.clock.reached(time_ticks, self.arrival_ticks);
        for mut row in rows {
            let key = match rule.has_key {
                true => RowIdentity(row.split_off(rule.columns.len())),
                false => RowIdentity(row.clone()),
            };
            let Content::Keyed(keyed) = &self.tables.0[table].content else {
                unreachable!("a table that a rule fills is keyed");
            };
            let inserted = keyed.borrow_mut().insert(key, row.clone(), time_ticks, for_ticks);
            if !inserted.is_late {
                self.row_changed(table, &row, true);
            }
            let gone = inserted.replaced.iter().chain(&inserted.expired).chain(&inserted.evicted);
            gone.for_each(|row| self.row_changed(table, row, false));
            let account = &mut self.state.accounts[position];
            account.late += u64::from(inserted.is_late);
            account.evicted += inserted.evicted.len() as u64;
        }
    }

    fn hold(
        &mut self,
        position: usize,
        recorder: usize,
        judged: &Judged,
        unit: &Unit<'_>,
        work: &Work<'_>,
    ) -> Result<Option<Fate>, Fault> {
        let key = key_of(&self.set.rules[position], judged);
        let time_ticks = self.state.clock.reached(unit.time_ticks, self.arrival_ticks);
        if self.state.recorders[recorder].is_open(&key, time_ticks) {
            return Ok(None);
        }
        let record = self.current(unit, work.overlay)?;
        let held = wrap::held(unit, self.heads_of(unit)?, &record);
        self.state.recorders[recorder].hold(key, held, time_ticks);
        Ok(Some(Fate::Held))
    }

    fn flush(
        &mut self,
        recorder: usize,
        key: &RowIdentity,
        (after_ticks, cooldown_ticks): (i64, i64),
        unit: &Unit<'_>,
    ) -> Result<(), Fault> {
        self.check_depth()?;
        let time_ticks = self.state.clock.reached(unit.time_ticks, self.arrival_ticks);
        let flushed = self.state.recorders[recorder].flush(key, time_ticks, after_ticks, cooldown_ticks);
        let from = self.set.recorders[recorder].filled_by + 1;
        for held in &flushed.records {
            let (signal, request) = wrap::released(held).map_err(|error| crate::engine::cells::malformed(&error))?;
            self.run_made(signal, &request, from)?;
        }
        Ok(())
    }
}

/// Returns the rows that a rule has to look at.
fn rows(judged: Judged) -> Vec<Row> {
    match judged {
        Judged::Foreign | Judged::No => Vec::new(),
        Judged::Yes => vec![Row::new()],
        Judged::Rows(rows) => rows,
    }
}

/// Returns the key of a rule's rows: the last column of the first one, where the rule has a key.
fn key_of(rule: &crate::compile::rule::CompiledRule, judged: &Judged) -> RowIdentity {
    match judged {
        Judged::Rows(rows) if rule.has_key => {
            RowIdentity(rows.first().and_then(|row| row.last()).cloned().into_iter().collect())
        }
        _ => RowIdentity::default(),
    }
}

/// Adds what a new value of a column means for the record; nothing when it is what is there.
fn writes_of(
    table: &'static tables::Table,
    write: &ColumnWrite,
    new: &Value,
    cells: &RecordCells<'_>,
    found: &mut Vec<Write>,
) -> Result<(), Fault> {
    let record = cells.record_row(&write.reads)?;
    if table.value_of(write.column, &record) == *new {
        return Ok(());
    }
    let Some(writes) = table.write(write.column, new, &record) else {
        let message = format!("`{}` cannot take this value", table.columns[write.column].name);
        return Err(Fault::new(Code::E3009, message));
    };
    let base = cells.base.cells.base();
    for write in writes {
        // Later rules read what the record will hold, and what it holds already is no change.
        let (write, is_change) = match write {
            Write::Column(column, value) => {
                let value = edit::read_back(base, column, value);
                let is_change = record[column] != value;
                (Write::Column(column, value), is_change)
            }
            Write::Key(column, key, value) => {
                let value = value.map(any::read_back);
                let held = if let Value::Bag(bag) = &record[column] { bag.get(key.as_bytes()) } else { None };
                let is_change = held != value.as_ref();
                (Write::Key(column, key, value), is_change)
            }
        };
        if is_change {
            found.push(write);
        }
    }
    Ok(())
}

/// Refuses values that cannot be written, before other rules read them.
fn check_writes(unit: &Unit<'_>, found: &[Write], nesting_max: usize) -> Result<(), Fault> {
    for write in found {
        if let Write::Column(column, value) = write
            && edit::can_refuse(unit.base.cells.base(), *column, value)
        {
            let mut alone = Overlay::default();
            alone.set(*column, value.clone());
            edited_record(unit, &alone, nesting_max).map_err(|fault| {
                let table = tables::standard(unit.base.cells.base().name()).expect("every base is a standard table");
                let shown = String::from_utf8_lossy(&dtq_value::scalar::format::dynamic_text(value)).into_owned();
                let shown: String = shown.chars().take(SHOWN_CHARS_MAX).collect();
                let message = format!("`{}` cannot be `{shown}`: {}", table.columns[*column].name, fault.message);
                Fault::new(fault.code, message)
            })?;
        }
    }
    Ok(())
}

/// Returns a row of `logs` from the columns that a rule gives; a time that it does not give is that of the source.
fn log_row(columns: &[usize], row: Row, time_ticks: i64, arrival_ticks: i64) -> Row {
    let table = tables::standard("logs").expect("logs is a standard table");
    let mut made: Row = table.columns.iter().map(|column| Value::missing(column.ty)).collect();
    made[logs::column::TIMESTAMP] = Value::DateTime(time_ticks);
    made[logs::column::OBSERVED_TIMESTAMP] = Value::DateTime(arrival_ticks);
    for (column, value) in columns.iter().zip(row) {
        made[*column] = value;
    }
    made[logs::column::RESOURCE] = Value::Null;
    made[logs::column::SCOPE] = Value::Null;
    made
}
