//! One call of a processor: what is borrowed from rule set and state while records are judged, and given back after.

use crate::compile::RuleSet;
use crate::compile::rule::Lookup;
use crate::compile::set::BaseCells;
use crate::engine::agenda::Agenda;
use crate::engine::cells::{Cache, RecordCells};
use crate::engine::key_edits::Spliced;
use crate::engine::notice::NoticeKind;
use crate::engine::observe::Observer;
use crate::engine::outcome::Emissions;
use crate::engine::overlay::Overlay;
use crate::engine::scan::{Pipes, Remembered};
use crate::engine::spend::Spending;
use crate::engine::state::State;
use crate::engine::tables::{Content, Tables};
use crate::engine::trace::EditLog;
use crate::engine::wrap::HeadMaker;
use crate::native::NativeSet;
use crate::state::scan::EndedPartition;
use crate::state::table::KeyedTable;
use dtq_exec::{Feed, Grouping};
use dtq_interp::{Cells, Evaluator, Interpreter, Members, Subqueries};
use dtq_ir::{ExprId, RelKind};
use dtq_record::otlp::Signal;
use dtq_record::otlp::assemble::Changes;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::metrics::Kind;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::stream::Row;
use dtq_record::tables::Base;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// How deep requests that rules make may make others.
pub(crate) const NESTING_MAX: u32 = 16;
/// Log records that rules may make in one call.
pub(crate) const MADE_MAX: u64 = 100_000;

/// Holds what rules work with during one call.
pub(crate) struct Frame<'s> {
    pub(crate) set: &'s RuleSet,
    /// The native code of the set, when there is some.
    pub(crate) native: Option<&'s NativeSet>,
    pub(crate) tables: &'s Tables,
    pub(crate) state: &'s mut State,
    pub(crate) emissions: Emissions,
    /// When the request arrived, in ticks.
    pub(crate) arrival_ticks: i64,
    /// The pipelines behind the flat parts of rules, with the version of the tables that they have read.
    pub(crate) feeds: FxHashMap<usize, (Feed<'s>, u64)>,
    pub(crate) groupings: FxHashMap<usize, Grouping<'s>>,
    /// The pipelines before and behind scans of rules.
    pub(crate) scans: FxHashMap<usize, Pipes<'s>>,
    /// Partitions that the record being judged has pushed out, to end when the rule has acted on it.
    pub(crate) pushed_out: Vec<EndedPartition<Remembered>>,
    /// The rules over a standard table from a position on, where no resource or scope decides about any.
    pub(crate) shared: Option<(Base, usize, Rc<Agenda<'s>>)>,
    /// Whether a rule takes part in this call.
    pub(crate) is_active: Vec<bool>,
    /// What records of the request are sent with, where they are sent apart.
    pub(crate) heads: RefCell<HeadMaker>,
    pub(crate) depth: u32,
    /// How many log records rules have made.
    pub(crate) made_count: u64,
    /// Gives nanoseconds, when costs are to be measured.
    pub(crate) clock: Option<&'s dyn Fn() -> u64>,
    /// What is left of the request's budget, where it has one.
    pub(crate) spending: Option<Spending<'s>>,
    /// Is told what happens to each record.
    pub(crate) observer: Option<&'s mut dyn Observer>,
    /// Collects what rules write, where somebody wants to know.
    pub(crate) edits: Option<EditLog>,
}

/// Holds what is needed to judge records one after the other; reused from request to request.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) index: RequestIndex,
    pub(crate) changes: Changes,
    pub(crate) slots: Vec<Slot>,
    pub(crate) cache: Cache,
    pub(crate) overlay: Overlay,
    pub(crate) marked: FixedBitSet,
    pub(crate) spliced: Spliced,
    /// Memory for the next request that leaves.
    pub(crate) spare: Vec<u8>,
}

/// Holds one record while rules judge it.
#[derive(Clone, Copy)]
pub(crate) struct Unit<'r> {
    pub(crate) signal: Signal,
    pub(crate) base: &'r BaseCells,
    pub(crate) request: &'r [u8],
    pub(crate) index: &'r RequestIndex,
    /// Its position in the index.
    pub(crate) position: usize,
    /// Positions of its scope and resource.
    pub(crate) scope: usize,
    pub(crate) resource: usize,
    pub(crate) buffers: Buffers<'r>,
    /// Of a data point.
    pub(crate) kind: Option<Kind>,
    /// Its time as state sees it, in ticks.
    pub(crate) time_ticks: i64,
    /// Its time as what is made of it says, in ticks: its own, at most a minute after it arrived, or when it arrived.
    pub(crate) said_ticks: i64,
}

/// Says of each rule whether it takes part at a time.
pub(crate) fn active_rules(set: &RuleSet, is_disabled: &[bool], arrival_ticks: i64) -> Vec<bool> {
    let is_active =
        set.rules.iter().zip(is_disabled).map(|(rule, is_disabled)| {
            !is_disabled && rule.expires_ticks.is_none_or(|expires| expires > arrival_ticks)
        });
    is_active.collect()
}

impl<'s> Frame<'s> {
    /// Returns a frame.
    pub(crate) fn new(
        set: &'s RuleSet,
        tables: &'s Tables,
        state: &'s mut State,
        arrival_ticks: i64,
        clock: Option<&'s dyn Fn() -> u64>,
    ) -> Self {
        state.native.scalar.now_ticks = arrival_ticks;
        Self {
            is_active: active_rules(set, &state.is_disabled, arrival_ticks),
            feeds: FxHashMap::default(),
            groupings: FxHashMap::default(),
            scans: FxHashMap::default(),
            pushed_out: Vec::new(),
            set,
            native: None,
            shared: None,
            tables,
            state,
            emissions: Emissions::default(),
            arrival_ticks,
            heads: RefCell::default(),
            depth: 0,
            made_count: 0,
            clock,
            spending: None,
            observer: None,
            edits: None,
        }
    }

    /// Returns what leaves.
    pub(crate) fn finish(self) -> Emissions {
        self.emissions
    }

    /// Returns the value of an expression of a rule's flat part.
    pub(crate) fn eval<R: Cells + ?Sized>(&mut self, rule: usize, expr: ExprId, row: &R) -> Result<Value, Fault> {
        let evaluator = Evaluator::new(&self.set.rules[rule].flat.program, &self.state.subqueries[rule]);
        evaluator.eval(expr, row, &mut self.state.native.scalar)
    }

    /// Says whether a condition of a rule's flat part is true.
    pub(crate) fn holds<R: Cells + ?Sized>(&mut self, rule: usize, expr: ExprId, row: &R) -> Result<bool, Fault> {
        let evaluator = Evaluator::new(&self.set.rules[rule].flat.program, &self.state.subqueries[rule]);
        evaluator.holds(expr, row, &mut self.state.native.scalar)
    }

    /// Returns the cells of a record.
    pub(crate) fn cells<'r>(
        &self,
        unit: &Unit<'r>,
        slots: &'r [Slot],
        cache: &'r Cache,
        overlay: &'r Overlay,
    ) -> RecordCells<'r> {
        let nesting_max = self.set.limits.value_nesting_max;
        RecordCells { base: unit.base, slots, buffers: unit.buffers, overlay, cache, nesting_max }
    }

    /// Fills what conditions look up from the tables as they are; for a state that is new.
    pub(crate) fn fill_lookups(&mut self) -> Result<(), Fault> {
        for position in 0..self.set.rules.len() {
            for at in 0..self.set.rules[position].lookups.len() {
                let lookup = &self.set.rules[position].lookups[at];
                let members = Members::new(lookup.is_case_ignored);
                self.state.subqueries[position].set_members(lookup.rel, lookup.is_case_ignored, members);
                for row in self.tables.rows(lookup.table) {
                    self.change_member(position, at, &row, true)?;
                }
            }
        }
        Ok(())
    }

    /// Takes note of a record that came and returns its time; what is over by then leaves tables and recorders.
    pub(crate) fn note_time(&mut self, own_ticks: Option<i64>) -> i64 {
        if self.depth > 0 {
            return self.state.clock.of_made(own_ticks, self.arrival_ticks);
        }
        let before = self.state.clock.watermark();
        let time_ticks = self.state.clock.note(own_ticks, self.arrival_ticks);
        if self.state.clock.watermark() != before {
            self.end_tables(|table| table.expire(time_ticks));
            self.state.recorders.iter_mut().for_each(|recorder| drop(recorder.expire(time_ticks)));
        }
        time_ticks
    }

    /// Removes from tables and recorders what would be over had the time of records not stood still until now, and keys of
    /// rates that nobody asks for.
    pub(crate) fn idle_out(&mut self, now: i64) {
        for limiter in self.state.limiters.iter_mut().flatten() {
            limiter.tick(now);
        }
        let Some(passed) = self.state.clock.passed(now) else { return };
        self.end_tables(|table| table.idle_out(passed));
        self.state.recorders.iter_mut().for_each(|recorder| drop(recorder.idle_out(passed)));
    }

    fn end_tables(&mut self, mut end: impl FnMut(&mut KeyedTable) -> Vec<Row>) {
        for table in 0..self.tables.0.len() {
            let removed = match &self.tables.0[table].content {
                Content::Keyed(keyed) => end(&mut keyed.borrow_mut()),
                Content::Fixed(_) => continue,
            };
            removed.iter().for_each(|row| self.row_changed(table, row, false));
        }
    }

    /// Keeps what conditions look up current with a row that came into a table or left it.
    pub(crate) fn row_changed(&mut self, table: usize, row: &Row, is_added: bool) {
        for position in 0..self.set.rules.len() {
            for at in 0..self.set.rules[position].lookups.len() {
                if self.set.rules[position].lookups[at].table != table {
                    continue;
                }
                if let Err(fault) = self.change_member(position, at, row, is_added) {
                    self.note_error(position, &format!("a row of a table cannot be looked up: {fault}"));
                }
            }
        }
    }

    fn change_member(&mut self, position: usize, at: usize, row: &Row, is_added: bool) -> Result<(), Fault> {
        let rule = &self.set.rules[position];
        let lookup = &rule.lookups[at];
        let Some(value) = self.looked_up_value(position, lookup, row)? else {
            return Ok(());
        };
        let subqueries = &mut self.state.subqueries[position];
        let members = subqueries.members_mut(lookup.rel, lookup.is_case_ignored).expect("fill_lookups has made it");
        if is_added {
            members.add(&value)
        } else {
            members.remove(&value)
        };
        Ok(())
    }

    /// Returns what a row of a table is to an `in`, or `None` when it is filtered out.
    fn looked_up_value(&mut self, position: usize, lookup: &Lookup, row: &Row) -> Result<Option<Value>, Fault> {
        let program = &self.set.rules[position].program;
        let interpreter = Interpreter::resume(program, Subqueries::default());
        let mut row = row.clone();
        for id in &lookup.chain[1..] {
            match &program.rel(*id).kind {
                RelKind::Filter { predicate, .. }
                    if !interpreter.holds(*predicate, &row, &mut self.state.native.scalar)? =>
                {
                    return Ok(None);
                }
                RelKind::Project { exprs, .. } => {
                    let values = exprs.iter().map(|expr| interpreter.eval(*expr, &row, &mut self.state.native.scalar));
                    row = values.collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        Ok(row.into_iter().next())
    }

    /// Counts a record that a rule could not judge, and tells about the first.
    pub(crate) fn note_error(&mut self, position: usize, message: &str) {
        let account = &mut self.state.accounts[position];
        account.errors += 1;
        if account.first_error.is_none() {
            account.first_error = Some(message.to_owned());
            self.state.failing_since_ticks[position] = Some(self.arrival_ticks);
            let name = &self.set.rules[position].name;
            let message = format!("cannot judge a record: {message}");
            self.state.notice(Some(name), NoticeKind::FirstError, self.arrival_ticks, message);
        }
    }
}
