//! One place where a thread judges: a processor with its buffers, behind a lock that nobody waits for.
//!
//! A record is decided from the fields that rules read, where that is enough, and otherwise from all of it, encoded as a
//! request. Both ways count in the accounts. Next: `places.rs`.

use crate::host::{Host, Notice};
use crate::load::{Bounds, Loaded};
use crate::subject::{Subject, Wants};
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::SlotPlan;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::wire::{append_bytes_field, append_message_field};
use dtq_rules::Budget;
use dtq_rules::compile::RuleSet;
use dtq_rules::engine::{Account, Emission, Options, Output, Processor, SlotBuffers, SlotVerdict};
use dtq_value::Str;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records in a row that had to be encoded, after which fields alone are no longer tried for each record.
const UNDECIDED_RUN_MAX: u32 = 32;
/// After that, of how many records one is tried.
const RETRY_EVERY: u32 = 64;
/// Ticks between two calls of `tick`.
const TICK_TICKS: i64 = 10_000_000;
/// Of how many records one is measured.
const SAMPLE_EVERY: u32 = 64;
/// Samples whose median is the cost.
const SAMPLES: usize = 16;

/// Says what becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on as it is.
    Pass,
    /// It is removed, held or sent elsewhere.
    Drop,
    /// This request stands in its place.
    Changed(Vec<u8>),
}

/// Holds what came of a record.
#[derive(Debug)]
pub(crate) struct Judged {
    pub fate: Fate,
    pub emissions: Vec<Emission>,
    pub notices: Vec<Notice>,
    pub is_from_fields: bool,
    pub is_too_large: bool,
    /// The median cost, where enough samples stand above the bound.
    pub excess_ns: Option<u64>,
}

impl Judged {
    pub fn plain(fate: Fate) -> Self {
        Self {
            fate,
            emissions: Vec::new(),
            notices: Vec::new(),
            is_from_fields: false,
            is_too_large: false,
            excess_ns: None,
        }
    }
}

/// Holds what is needed to decide records of a signal from their fields.
struct Lane {
    wants: Wants,
    plan: SlotPlan,
    rules: Vec<usize>,
    slots: Vec<Slot>,
    undecided_run: u32,
}

/// Counts what a rule did to records that were decided from their fields.
#[derive(Clone, Copy, Debug, Default)]
struct Fast {
    seen: u64,
    matched: u64,
    dropped: u64,
}

pub(crate) struct Seat {
    pub generation: u64,
    processor: Processor,
    /// For logs and for spans.
    lanes: [Lane; 2],
    fast: Vec<Fast>,
    /// What was counted of rules of the file before they were last turned off.
    past: BTreeMap<Str, Account>,
    record: Vec<u8>,
    scope: Vec<u8>,
    request: Vec<u8>,
    next_tick_ticks: i64,
    until_sample: u32,
    samples: Vec<u64>,
}

impl Seat {
    pub fn new(loaded: &Loaded, is_protective_only: bool, generation: u64, now_ticks: i64) -> Self {
        let set = Arc::clone(if is_protective_only { &loaded.protective } else { &loaded.set });
        let options = Options { start_ticks: now_ticks, random_seed: now_ticks as u64 };
        let mut processor = Processor::new(set, &options);
        use_native(&mut processor, loaded);
        let lanes = lanes(processor.rules());
        let fast = vec![Fast::default(); processor.rules().rules.len()];
        Self {
            generation,
            processor,
            lanes,
            fast,
            past: BTreeMap::new(),
            record: Vec::new(),
            scope: Vec::new(),
            request: Vec::new(),
            next_tick_ticks: now_ticks.saturating_add(TICK_TICKS),
            until_sample: SAMPLE_EVERY,
            samples: Vec::new(),
        }
    }

    /// Goes over to other rules, with what is remembered.
    pub fn swap(&mut self, loaded: &Loaded, is_protective_only: bool, generation: u64, now_ticks: i64) -> Judged {
        let set = Arc::clone(if is_protective_only { &loaded.protective } else { &loaded.set });
        let names = |set: &RuleSet| -> Vec<Str> { set.rules.iter().map(|rule| rule.name.clone()).collect() };
        let (kept, in_file) = (names(&set), names(&loaded.set));
        for (name, account) in self.accounts().into_iter().filter(|(name, _)| !kept.contains(name)) {
            // It holds nothing any more.
            self.past.insert(name, Account { held: 0, state_bytes: 0, partitions: 0, ..account });
        }
        self.past.retain(|name, _| in_file.contains(name));
        let mut counted: BTreeMap<Str, Fast> =
            names(self.processor.rules()).into_iter().zip(self.fast.drain(..)).collect();
        let outcome = self.processor.swap(set, now_ticks);
        use_native(&mut self.processor, loaded);
        self.fast = names(self.processor.rules()).iter().map(|name| counted.remove(name).unwrap_or_default()).collect();
        self.lanes = lanes(self.processor.rules());
        self.samples.clear();
        self.generation = generation;
        let notices = outcome.notices.into_iter().map(of_rules).collect();
        Judged { emissions: outcome.emissions, notices, ..Judged::plain(Fate::Pass) }
    }

    /// Decides about a record.
    pub fn judge(&mut self, subject: &dyn Subject, now_ticks: i64, bounds: &Bounds, host: &dyn Host) -> Judged {
        if !self.is_sampled() {
            return self.decide(subject, now_ticks, bounds, host);
        }
        let begin_ns = host.ns();
        let mut judged = self.decide(subject, now_ticks, bounds, host);
        judged.excess_ns = self.sample(host.ns().saturating_sub(begin_ns), bounds);
        judged
    }

    /// Runs the rules over a request of the host.
    pub fn apply_measured(
        &mut self,
        signal: Signal,
        request: &[u8],
        now_ticks: i64,
        bounds: &Bounds,
        host: &dyn Host,
    ) -> Judged {
        let bytes_max = bounds.request_bytes_max;
        if !self.is_sampled() {
            return self.apply(signal, request, now_ticks, bytes_max, host);
        }
        let (begin_ns, before) = (host.ns(), self.processor.totals().records_in);
        let mut judged = self.apply(signal, request, now_ticks, bytes_max, host);
        let records = self.processor.totals().records_in.saturating_sub(before).max(1);
        judged.excess_ns = self.sample(host.ns().saturating_sub(begin_ns) / records, bounds);
        judged
    }

    fn is_sampled(&mut self) -> bool {
        self.until_sample -= 1;
        let is_sampled = self.until_sample == 0;
        if is_sampled {
            self.until_sample = SAMPLE_EVERY;
        }
        is_sampled
    }

    /// Takes a sample; returns the median when it is above the bound.
    fn sample(&mut self, ns: u64, bounds: &Bounds) -> Option<u64> {
        self.samples.push(ns);
        if self.samples.len() < SAMPLES {
            return None;
        }
        self.samples.sort_unstable();
        let median = self.samples[SAMPLES / 2];
        self.samples.clear();
        (median > bounds.ns_per_record_max).then_some(median)
    }

    fn decide(&mut self, subject: &dyn Subject, now_ticks: i64, bounds: &Bounds, host: &dyn Host) -> Judged {
        let lane = usize::from(subject.signal() == Signal::Spans);
        let mut judged = match self.decide_from_fields(lane, subject, now_ticks, bounds) {
            Some(judged) => judged,
            None => self.decide_whole(subject, now_ticks, bounds, host),
        };
        self.tick_into(&mut judged, now_ticks);
        judged
    }

    fn decide_from_fields(
        &mut self,
        lane: usize,
        subject: &dyn Subject,
        now_ticks: i64,
        bounds: &Bounds,
    ) -> Option<Judged> {
        let lane = &mut self.lanes[lane];
        if lane.undecided_run > UNDECIDED_RUN_MAX {
            lane.undecided_run += 1;
            if lane.undecided_run < UNDECIDED_RUN_MAX + RETRY_EVERY {
                return None;
            }
            lane.undecided_run = UNDECIDED_RUN_MAX;
        }
        self.record.clear();
        subject.append_record(&mut self.record, &lane.wants);
        if self.record.len() > bounds.record_bytes_max {
            // The room that it took is not kept.
            self.record = Vec::new();
            return None;
        }
        let (plan, slots) = (&lane.plan, &mut lane.slots);
        plan.fill_record(&self.record, slots).ok()?;
        let resource = subject.resource();
        self.scope.clear();
        if plan.has_level(dtq_record::otlp::fill::Level::Resource) {
            plan.fill_resource(resource, slots).ok()?;
        }
        if plan.has_level(dtq_record::otlp::fill::Level::Scope) {
            subject.append_scope(&mut self.scope);
            if self.scope.len() > bounds.record_bytes_max {
                self.scope = Vec::new();
                return None;
            }
            plan.fill_scope(&self.scope, slots).ok()?;
        }
        let buffers = Buffers { record: &self.record, resource, scope: &self.scope, ..Buffers::default() };
        let buffers = SlotBuffers::new(buffers);
        let mut judge = self.processor.slot_judge(subject.signal(), now_ticks);
        judge.enter(slots, &buffers);
        let (fate, last) = match judge.judge(slots, &buffers) {
            SlotVerdict::Pass => (Fate::Pass, usize::MAX),
            SlotVerdict::Removed(rule) => (Fate::Drop, rule),
            SlotVerdict::Undecided => {
                lane.undecided_run = lane.undecided_run.saturating_add(1);
                return None;
            }
        };
        lane.undecided_run = 0;
        lane.rules.iter().take_while(|rule| **rule <= last).for_each(|rule| self.fast[*rule].seen += 1);
        judge.matched().iter().for_each(|rule| self.fast[*rule].matched += 1);
        if let Some(fast) = self.fast.get_mut(last) {
            fast.dropped += 1;
        }
        Some(Judged { is_from_fields: true, ..Judged::plain(fate) })
    }

    fn decide_whole(&mut self, subject: &dyn Subject, now_ticks: i64, bounds: &Bounds, host: &dyn Host) -> Judged {
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        append_request(&mut request, subject);
        let judged = self.apply(subject.signal(), &request, now_ticks, bounds.record_bytes_max, host);
        if request.capacity() <= bounds.record_bytes_max {
            self.request = request;
        }
        judged
    }

    fn apply(&mut self, signal: Signal, request: &[u8], now_ticks: i64, bytes_max: usize, host: &dyn Host) -> Judged {
        let is_too_large = request.len() > bytes_max;
        let outcome = if is_too_large {
            let error = dtq_record::WireError { offset: 0, reason: "it is larger than the bound of the process" };
            self.processor.apply_unreadable(signal, request.len(), now_ticks, &error)
        } else {
            let clock = || host.ns();
            let budget = Budget { bytes_max: bytes_max.saturating_mul(2), time_ns_max: u64::MAX, clock: Some(&clock) };
            self.processor.apply_within(signal, request, now_ticks, &budget)
        };
        let fate = match outcome.output {
            Output::Unchanged => Fate::Pass,
            Output::Empty => Fate::Drop,
            Output::Bytes(bytes) => Fate::Changed(bytes),
        };
        let notices = outcome.notices.into_iter().map(of_rules).collect();
        Judged { emissions: outcome.emissions, notices, is_too_large, ..Judged::plain(fate) }
    }

    /// Adds what is due by the time, once a second.
    pub fn tick_into(&mut self, judged: &mut Judged, now_ticks: i64) {
        let until_tick = self.next_tick_ticks.saturating_sub(now_ticks);
        // Where the clock was set back, the time that was meant is further away than it ever was.
        if (1..=TICK_TICKS).contains(&until_tick) {
            return;
        }
        self.next_tick_ticks = now_ticks.saturating_add(TICK_TICKS);
        let outcome = self.processor.tick(now_ticks);
        judged.emissions.extend(outcome.emissions);
        judged.notices.extend(outcome.notices.into_iter().map(of_rules));
    }

    /// Returns all that rules still owe.
    pub fn shutdown(&mut self, now_ticks: i64) -> Judged {
        let outcome = self.processor.shutdown(now_ticks);
        let notices = outcome.notices.into_iter().map(of_rules).collect();
        Judged { emissions: outcome.emissions, notices, ..Judged::plain(Fate::Pass) }
    }

    /// Returns the account of each rule that runs here, and of those that were turned off.
    pub fn accounts(&self) -> Vec<(Str, Account)> {
        let mut past = self.past.clone();
        let mut accounts = self.processor.accounts();
        for ((account, fast), rule) in accounts.iter_mut().zip(&self.fast).zip(&self.processor.rules().rules) {
            account.seen += fast.seen;
            account.matched += fast.matched;
            account.dropped += fast.dropped;
            past.remove(&rule.name).into_iter().for_each(|past| add(account, past));
        }
        self.processor.rules().rules.iter().map(|rule| rule.name.clone()).zip(accounts).chain(past).collect()
    }
}

fn use_native(processor: &mut Processor, loaded: &Loaded) {
    if let Some(native) = &loaded.native {
        // That of another set is not taken; the interpreter then gives the same.
        processor.use_native(Arc::clone(native));
    }
}

fn lanes(set: &RuleSet) -> [Lane; 2] {
    [Signal::Logs, Signal::Spans].map(|signal| {
        let base = set.base(RuleSet::base_of(signal));
        Lane {
            wants: Wants::of(base.cells.paths()),
            slots: vec![Slot::MISSING; base.plan.slot_count()],
            plan: base.plan.clone(),
            rules: base.rules.clone(),
            undecided_run: 0,
        }
    })
}

/// Appends the request with a record alone.
pub(crate) fn append_request(out: &mut Vec<u8>, subject: &dyn Subject) {
    append_message_field(out, 1, |out| {
        append_bytes_field(out, 1, subject.resource());
        append_message_field(out, 2, |out| {
            append_message_field(out, 1, |out| subject.append_scope(out));
            append_message_field(out, 2, |out| subject.append_record(out, &Wants::all()));
        });
    });
}

fn of_rules(notice: dtq_rules::engine::Notice) -> Notice {
    Notice { event_name: notice.kind.event_name(), message: notice.message }
}

/// Adds what another seat counted of the same rule, or this one before.
pub(crate) fn add(to: &mut Account, other: Account) {
    to.seen += other.seen;
    to.seen_bytes += other.seen_bytes;
    to.matched += other.matched;
    to.dropped += other.dropped;
    to.dropped_bytes += other.dropped_bytes;
    to.edited += other.edited;
    to.created += other.created;
    to.consumed += other.consumed;
    to.rerouted += other.rerouted;
    to.copied += other.copied;
    to.recorded += other.recorded;
    to.released += other.released;
    to.held += other.held;
    to.evicted += other.evicted;
    to.late += other.late;
    to.within_rate += other.within_rate;
    to.errors += other.errors;
    to.ns += other.ns;
    to.state_bytes += other.state_bytes;
    to.partitions += other.partitions;
    to.disabled = to.disabled.take().or(other.disabled);
    to.first_error = to.first_error.take().or(other.first_error);
}
