//! One request through the rules: levels are decided once, records one after the other, and what changed is spliced.

use crate::compile::rule::Action;
use crate::compile::set::{RuleSet, base_position};
use crate::engine::act::Fate;
use crate::engine::agenda::Agenda;
use crate::engine::cells::{Cache, malformed};
use crate::engine::frame::{Frame, NESTING_MAX, Scratch, Unit};
use crate::engine::judge::Active;
use crate::engine::key_edits::Spliced;
use crate::engine::observe::Seen;
use crate::engine::outcome::Output;
use crate::engine::overlay::Overlay;
use crate::engine::resource::{ResourceFate, enter_version};
use crate::engine::trace::Subject;
use crate::file::rule::Mode;
use crate::state::clock::latest_ticks;
use dtq_jit::BufferTable;
use dtq_record::WireError;
use dtq_record::otlp::Signal;
use dtq_record::otlp::assemble::{Assembled, Changes, assemble_into};
use dtq_record::otlp::edit::{ColumnEdit, edit_metric_head, edit_point, edit_record};
use dtq_record::otlp::fill::Level;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::metrics::column as metric_column;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use fixedbitset::FixedBitSet;
use smallvec::SmallVec;
use std::ops::Range;

/// Holds what changes while one record is judged.
pub(crate) struct Work<'w> {
    pub(crate) slots: &'w mut [Slot],
    pub(crate) cache: &'w mut Cache,
    pub(crate) overlay: &'w mut Overlay,
    /// The rules that edited the record.
    pub(crate) editors: SmallVec<[usize; 4]>,
}

/// Edits by column.
type Edits = Vec<(usize, ColumnEdit)>;

/// Holds an edited record.
pub(crate) struct Edited {
    pub(crate) record: Vec<u8>,
    /// For a data point that needs a metric of its own: the metric without data.
    pub(crate) head: Option<Vec<u8>>,
}

impl<'s> Frame<'s> {
    /// Runs a request that came from outside or was made by rules, from the rule at a position on.
    ///
    /// # Errors
    /// When the framing is malformed; then nothing was judged.
    pub(crate) fn run_request(
        &mut self,
        signal: Signal,
        request: &[u8],
        from: usize,
        scratch: &mut Scratch,
    ) -> Result<Output, WireError> {
        let Scratch { index, changes, slots, cache, overlay, marked, spliced, spare } = scratch;
        let base = self.set.base(RuleSet::base_of(signal));
        index.set_reads_along(base.reads_every_record);
        index.read(signal, request)?;
        changes.clear();
        slots.clear();
        slots.resize(base.plan.slot_count(), Slot::MISSING);
        let entered = &mut self.state.flows[base_position(base.cells.base())].entered[from];
        entered.0 += index.records().len() as u64;
        entered.1 += index.records().iter().map(|record| u64::from(record.place.end - record.place.start)).sum::<u64>();
        let mut left = 0;
        for resource in 0..index.resources().len() {
            let mut pass = Pass {
                signal,
                request,
                index,
                changes,
                slots,
                cache,
                overlay,
                marked,
                spliced,
                from,
                resource,
                wanted: u64::MAX,
                unreadable: Unreadable::default(),
            };
            left += self.run_resource(&mut pass);
        }
        self.state.totals.records_out += left;
        Ok(match assemble_into(request, index, changes, spare) {
            Assembled::Unchanged => Output::Unchanged,
            Assembled::Empty => Output::Empty,
            Assembled::Bytes(bytes) => Output::Bytes(bytes),
        })
    }

    /// Refuses to make requests from requests that rules made without end; to be asked before anything is counted.
    pub(crate) fn check_depth(&self) -> Result<(), Fault> {
        if self.depth < NESTING_MAX {
            return Ok(());
        }
        let message = format!("rules make records from records that rules made, more than {NESTING_MAX} deep");
        Err(Fault::new(Code::E3010, message))
    }

    /// Runs a request that rules made through the rules from a position on, and sends on what is left of it.
    pub(crate) fn run_made(&mut self, signal: Signal, request: &[u8], from: usize) -> Result<(), Fault> {
        self.check_depth()?;
        self.depth += 1;
        let heads = std::mem::take(&mut self.heads);
        let output = self.run_request(signal, request, from, &mut Scratch::default());
        self.heads = heads;
        self.depth -= 1;
        match output.map_err(|error| malformed(&error))? {
            Output::Unchanged => self.emissions.add(None, signal, request),
            Output::Bytes(bytes) => self.emissions.add(None, signal, &bytes),
            Output::Empty => {}
        }
        Ok(())
    }

    /// Runs the records of a resource; returns how many go on.
    fn run_resource(&mut self, pass: &mut Pass<'_>) -> u64 {
        let entry = pass.index.resources()[pass.resource];
        let message = entry.resource.map_or(&[][..], |place| place.content(pass.request));
        let fate = self.judge_resource(pass, message);
        let base = self.set.base(RuleSet::base_of(pass.signal));
        let first = fate.versions.first().map_or(message, |version| &version.message);
        let buffers = Buffers { resource: first, ..Buffers::default() };
        let agenda = self.agenda(pass, buffers, &fate);
        let scopes = entry.scopes.range();
        let records: u64 = scopes.clone().map(|scope| pass.index.scopes()[scope].records.range().len() as u64).sum();
        if let Some(last) = fate.versions.last().filter(|last| last.message != message) {
            pass.changes.replace_resource(pass.resource, &last.message);
        }
        if records == 0 && fate.dropped_by.is_none() {
            // Rules over records saw none, so what is empty stays.
            return 0;
        }
        // An observer is told of each record by itself.
        let is_observed = self.observer.is_some();
        if let Some(rule) = self.drops_all(agenda.active(), fate.dropped_by).filter(|_| !is_observed) {
            self.drop_resource(pass, rule, records);
            return 0;
        }
        if agenda.active().is_empty() && fate.dropped_by.is_none() && !is_observed {
            return self.passing(records);
        }
        let mut left = 0;
        for scope in scopes {
            let scope_message = pass.index.scopes()[scope].scope.map_or(&[][..], |place| place.content(pass.request));
            let buffers = Buffers { scope: scope_message, ..buffers };
            self.fill_level(pass, buffers, Level::Scope);
            let narrowed = base.has_conditions_on[1].then(|| {
                let active = self.decide(pass, buffers, &fate, Level::Scope, agenda.active().to_vec());
                Agenda::new(self, base, active, &fate)
            });
            left += self.run_scope(pass, scope, scope_message, narrowed.as_ref().unwrap_or(&agenda), &fate);
        }
        if fate.dropped_by.is_some() {
            // Its records went one by one; scopes without records go with it.
            pass.changes.drop_resource(pass.resource);
        }
        left
    }

    /// Returns the rule that drops every record of the resource before any other rule acts on one.
    fn drops_all(&self, active: &[Active], dropped_by: Option<usize>) -> Option<usize> {
        let first = active.first();
        match (first, dropped_by) {
            (None, Some(rule)) => Some(rule),
            (Some(first), Some(rule)) if rule < first.rule => Some(rule),
            (Some(first), _) => {
                let rule = &self.set.rules[first.rule];
                let takes_all = rule.membership.is_empty();
                let is_settled = first.conditions.is_empty() && !rule.has_pipeline;
                let is_drop = matches!(rule.action, Action::Drop) && rule.above.is_none();
                let is_never_kept =
                    first.is_never && matches!(rule.action, Action::Replace { .. }) && rule.scan.is_none();
                let is_enforced = rule.mode == Mode::Enforce;
                let takes = is_drop && is_settled && !first.is_never || is_never_kept;
                (is_enforced && takes_all && takes).then_some(first.rule)
            }
            (None, None) => None,
        }
    }

    fn drop_resource(&mut self, pass: &mut Pass<'_>, rule: usize, records: u64) {
        let entry = pass.index.resources()[pass.resource];
        let places = entry.scopes.range().flat_map(|scope| pass.index.scopes()[scope].records.range());
        let places = places.map(|record| pass.index.records()[record].place);
        let bytes: u64 = places.map(|place| u64::from(place.end - place.start)).sum();
        pass.changes.drop_resource(pass.resource);
        let base = RuleSet::base_of(pass.signal);
        let is_over_records = self.set.rules[rule].base == base;
        let account = &mut self.state.accounts[rule];
        account.dropped += records;
        account.dropped_bytes += bytes;
        if is_over_records && matches!(self.set.rules[rule].action, Action::Drop) {
            account.matched += records;
        }
        self.state.totals.dropped += records;
        let taken = &mut self.state.flows[base_position(base)].taken[rule];
        taken.0 += records;
        taken.1 += bytes;
    }

    /// Runs the records of a scope; returns how many go on.
    fn run_scope(
        &mut self,
        pass: &mut Pass<'_>,
        scope: usize,
        scope_message: &[u8],
        agenda: &Agenda<'s>,
        fate: &ResourceFate,
    ) -> u64 {
        let entry = pass.index.scopes()[scope];
        let resource = pass.index.resources()[pass.resource].resource;
        let resource = resource.map_or(&[][..], |place| place.content(pass.request));
        let resource = fate.versions.first().map_or(resource, |version| &version.message);
        let mut metric = u32::MAX;
        let mut left = 0;
        let mut unit = Unit {
            signal: pass.signal,
            base: self.set.base(RuleSet::base_of(pass.signal)),
            request: pass.request,
            index: pass.index,
            position: 0,
            scope,
            resource: pass.resource,
            buffers: Buffers { resource, scope: scope_message, ..Buffers::default() },
            kind: None,
            time_ticks: self.arrival_ticks,
            said_ticks: self.arrival_ticks,
        };
        let lane = agenda.lane().filter(|_| pass.unreadable.first().is_none());
        if let Some(lane) = lane {
            let cells = self.cells(&unit, pass.slots, pass.cache, pass.overlay);
            pass.wanted = self.wanted(lane, &cells);
        }
        let scan_of = |unit: &Unit<'_>| lane?.native?.scan(unit.base.cells.base(), unit.kind);
        let mut scan = scan_of(&unit);
        let mut table = BufferTable::new(&unit.buffers);
        let mut batches = lane.and_then(|lane| self.batches(lane, &unit, (entry.records, pass.wanted)));
        let Range { start: mut position, end } = entry.records.range();
        while position < end {
            if let Some(rest) = self.unjudged(pass.changes, fate, end - position) {
                return left + rest;
            }
            if let Some(batches) = &mut batches {
                let decided = self.run_batch(batches, pass, &unit, position..end);
                left += decided.left;
                position += decided.count;
                if decided.count > 0 {
                    continue;
                }
            }
            let record = pass.index.records()[position];
            if pass.signal == Signal::Metrics && record.parent != metric {
                metric = record.parent;
                enter_metric(pass, &mut unit, metric);
                table = BufferTable::new(&unit.buffers);
                scan = scan_of(&unit);
            }
            unit.position = position;
            unit.buffers.record = record.place.content(pass.request);
            position += 1;
            if let (Some(lane), Some(scan), None, None) = (lane, scan, &batches, pass.unreadable.metric) {
                table.set_record(unit.buffers.record);
                if let Some(goes_on) = self.run_in_lane(lane, agenda, pass, &unit, (scan, &table)) {
                    left += u64::from(goes_on);
                    continue;
                }
            }
            left += u64::from(self.run_record(pass, &mut unit, agenda, fate));
        }
        left
    }

    /// Runs one record; says whether it goes on.
    fn run_record<'f>(
        &mut self,
        pass: &mut Pass<'_>,
        unit: &mut Unit<'f>,
        agenda: &Agenda<'_>,
        fate: &'f ResourceFate,
    ) -> bool {
        pass.cache.reset(unit.base.plan.slot_count());
        pass.overlay.clear();
        self.log_subject(Subject::Record(unit.position));
        if fate.versions.len() > 1 {
            // The record before has left a later version, and its slots.
            unit.buffers.resource = &fate.versions[0].message;
            let _ = unit.base.plan.fill_resource(unit.buffers.resource, pass.slots);
        }
        let filled = match pass.unreadable.first() {
            Some(error) => Err(error),
            None => self.fill(unit, pass.slots),
        };
        if let Some(slot) = unit.base.time_slot {
            let own_ticks = self.own_time(unit, slot, pass);
            unit.time_ticks = self.note_time(own_ticks);
            unit.said_ticks = own_ticks.map_or(self.arrival_ticks, |own| own.min(latest_ticks(self.arrival_ticks)));
        }
        let mut work = Work { slots: pass.slots, cache: pass.cache, overlay: pass.overlay, editors: SmallVec::new() };
        let mut turns = agenda.turns(unit.base, filled.is_ok(), work.slots, &unit.buffers, pass.marked);
        let mut taken = None;
        while let Some((one, may_match)) = turns.next(&work) {
            if fate.dropped_by.is_some_and(|dropped_by| dropped_by < one.rule) {
                break;
            }
            enter_version(fate, one.rule, unit, &mut work);
            let outcome = match &filled {
                Ok(()) if may_match => self.settle_measured(one, unit, &mut work),
                Ok(()) => self.settle_unmatched(one, unit),
                Err(error) => self.fail(one.rule, &malformed(error), &mut work),
            };
            if let Some(fate) = outcome {
                taken = Some((one.rule, fate));
                break;
            }
        }
        let taken = taken.or(fate.dropped_by.map(|rule| (rule, Fate::Dropped)));
        let editors = if self.observer.is_some() { work.editors.clone() } else { SmallVec::new() };
        let goes_on = match taken {
            Some((rule, fate)) => {
                self.take(rule, fate, unit, pass.changes);
                false
            }
            None => self.finish_edits(unit, &mut work, pass.changes),
        };
        if self.observer.is_some() {
            // A record that does not go on and that no rule took had an edit that failed.
            let failed = editors.first().filter(|_| !goes_on).map(|rule| (*rule, Fate::Dropped));
            self.observe_end(pass, unit, fate, &editors, taken.or(failed));
        }
        goes_on
    }

    /// Tells the observer what happened to a record.
    fn observe_end(
        &mut self,
        pass: &Pass<'_>,
        unit: &Unit<'_>,
        fate: &ResourceFate,
        editors: &[usize],
        taken: Option<(usize, Fate)>,
    ) {
        let entry = pass.index.resources()[pass.resource];
        let came = entry.resource.map_or(&[][..], |place| place.content(pass.request));
        let left = fate.versions.last().map_or(came, |version| &version.message);
        let of_resource = fate.versions.iter().filter_map(|version| version.from.checked_sub(1));
        let mut editors: Vec<usize> = of_resource.chain(editors.iter().copied()).collect();
        editors.sort_unstable();
        editors.dedup();
        let (overlay, slots) = (&*pass.overlay, pass.slots.as_slice());
        self.observe_record(&Seen { unit, came, left, overlay, slots, editors: &editors, taken, from: pass.from });
    }

    /// Returns the time that a record itself gives.
    fn own_time(&mut self, unit: &Unit<'_>, slot: u32, pass: &Pass<'_>) -> Option<i64> {
        let cells = self.cells(unit, pass.slots, pass.cache, pass.overlay);
        match cells.slot(slot) {
            Ok(Value::DateTime(ticks)) => Some(ticks),
            _ => None,
        }
    }

    /// Counts a record that a rule took, and removes it.
    pub(crate) fn take(&mut self, rule: usize, fate: Fate, unit: &Unit<'_>, changes: &mut Changes) {
        changes.drop_record(unit.position);
        self.count_taken(rule, fate, unit.base.cells.base(), (1, unit.buffers.record.len() as u64));
    }

    /// Counts records of a table that a rule took, and their bytes.
    pub(crate) fn count_taken(&mut self, rule: usize, fate: Fate, base: Base, (records, bytes): (u64, u64)) {
        let account = &mut self.state.accounts[rule];
        let totals = &mut self.state.totals;
        match fate {
            Fate::Dropped => {
                account.dropped += records;
                account.dropped_bytes += bytes;
                totals.dropped += records;
            }
            Fate::Consumed => {
                account.consumed += records;
                totals.consumed += records;
            }
            Fate::Rerouted => {
                account.rerouted += records;
                totals.rerouted += records;
            }
            Fate::Held => {}
        }
        let taken = &mut self.state.flows[base_position(base)].taken[rule];
        taken.0 += records;
        taken.1 += bytes;
    }

    /// Writes what rules have changed; says whether the record goes on.
    fn finish_edits(&mut self, unit: &Unit<'_>, work: &mut Work<'_>, changes: &mut Changes) -> bool {
        if work.overlay.is_empty() {
            return true;
        }
        match edited_record(unit, work.overlay, self.set.limits.value_nesting_max) {
            Ok(edited) => {
                if edited.record != unit.buffers.record {
                    changes.replace_record(unit.position, &edited.record);
                }
                if let Some(head) = &edited.head {
                    changes.move_point(unit.position, head);
                }
                let mut editors = std::mem::take(&mut work.editors);
                editors.sort_unstable();
                editors.dedup();
                editors.iter().for_each(|rule| self.state.accounts[*rule].edited += 1);
                true
            }
            Err(fault) => {
                let editors = std::mem::take(&mut work.editors);
                self.log_undone(Subject::Record(unit.position));
                for rule in editors {
                    work.overlay.clear();
                    self.state.failed_matches[rule] += 1;
                    if let Some(fate) = self.fail(rule, &fault, work) {
                        self.take(rule, fate, unit, changes);
                        return false;
                    }
                }
                let stripped = edited_record(unit, work.overlay, self.set.limits.value_nesting_max);
                if let Ok(stripped) = stripped.as_ref()
                    && !work.overlay.is_empty()
                {
                    changes.replace_record(unit.position, &stripped.record);
                }
                true
            }
        }
    }
}

/// Begins with the points of another metric.
fn enter_metric<'r: 'u, 'u>(pass: &mut Pass<'r>, unit: &mut Unit<'u>, metric: u32) {
    let entry = pass.index.metrics()[metric as usize];
    unit.buffers.metric = entry.place.content(pass.request);
    unit.kind = entry.data.map(|(kind, _)| kind);
    pass.unreadable.metric = unit.base.plan.fill_metric(unit.buffers.metric, pass.slots).err();
}

/// Holds what one pass over a resource of a request works on.
pub(crate) struct Pass<'p> {
    pub(super) signal: Signal,
    pub(super) request: &'p [u8],
    pub(super) index: &'p RequestIndex,
    pub(super) changes: &'p mut Changes,
    pub(super) slots: &'p mut Vec<Slot>,
    pub(super) cache: &'p mut Cache,
    pub(super) overlay: &'p mut Overlay,
    /// The rules over the table that may match the record.
    pub(super) marked: &'p mut FixedBitSet,
    /// What becomes of a record some of whose keys are edited.
    pub(super) spliced: &'p mut Spliced,
    /// Position of the first rule that takes part.
    pub(super) from: usize,
    pub(super) resource: usize,
    /// What the lane reads of records, by the bits of their scan.
    pub(super) wanted: u64,
    pub(super) unreadable: Unreadable,
}

/// What stands around a record and cannot be read; rules cannot judge the records below it then.
#[derive(Clone, Copy, Default)]
pub(super) struct Unreadable {
    pub(super) resource: Option<WireError>,
    pub(super) scope: Option<WireError>,
    metric: Option<WireError>,
}

impl Unreadable {
    fn first(&self) -> Option<WireError> {
        self.resource.or(self.scope).or(self.metric)
    }
}

/// Returns a record with its edits.
///
/// # Errors
/// When a value does not fit its field, such as a word that is no SpanKind.
pub(crate) fn edited_record(unit: &Unit<'_>, overlay: &Overlay, nesting_max: usize) -> Result<Edited, Fault> {
    let refuse = |error: WireError| Fault::new(Code::E3009, error.reason);
    let Some(kind) = unit.kind else {
        let base = unit.base.cells.base();
        let record = edit_record(base, unit.buffers.record, overlay.edits(), nesting_max).map_err(refuse)?;
        return Ok(Edited { record, head: None });
    };
    let is_of_head = |column: usize| {
        matches!(column, metric_column::METRIC_NAME | metric_column::METRIC_UNIT | metric_column::METRIC_DESCRIPTION)
    };
    let (of_head, of_point): (Edits, Edits) =
        overlay.edits().iter().cloned().partition(|(column, _)| is_of_head(*column));
    let record = edit_point(kind, unit.buffers.record, &of_point, nesting_max).map_err(refuse)?;
    let head = match of_head.is_empty() {
        true => None,
        false => {
            let head = edit_metric_head(unit.buffers.metric, &of_head, nesting_max).map_err(refuse)?;
            let own = edit_metric_head(unit.buffers.metric, &[], nesting_max).map_err(refuse)?;
            // Rules may have set it back to what it was.
            (head != own).then_some(head)
        }
    };
    Ok(Edited { record, head })
}
