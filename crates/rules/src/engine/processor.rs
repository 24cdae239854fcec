//! What hosts drive: requests in, what leaves out, and the counts of it all.

use crate::compile::RuleSet;
use crate::engine::account::{Account, Totals};
use crate::engine::frame::{Frame, Scratch};
use crate::engine::kept::Kept;
use crate::engine::notice::NoticeKind;
use crate::engine::observe::Observer;
use crate::engine::outcome::{Outcome, Output};
use crate::engine::spend::Spending;
use crate::engine::state::{self, State};
use crate::engine::tables::Tables;
use crate::engine::trace::EditLog;
use crate::native::NativeSet;
use crate::state::recorder::OnShutdown;
use dtq_record::otlp::Signal;
use dtq_record::tables::Base;
use dtq_source::Budget;
use std::sync::Arc;

/// Holds what a host decides besides the rules.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The time, in ticks, at which the processor starts.
    pub start_ticks: i64,
    /// Seed of `rand()` and its like.
    pub random_seed: u64,
}

/// Gives nanoseconds of the thread's time, for measuring what rules cost.
pub type Clock<'c> = Option<&'c dyn Fn() -> u64>;

/// Says what rules are to give besides what comes of requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Points whose time has come, and what partitions of scans owe that have waited too long.
    ByNow,
    /// All points, and what all partitions of scans owe.
    Points,
    /// The same, and what recorders hold.
    Everything,
}

/// Runs a rule set on requests, one after the other, and remembers what its rules remember.
///
/// One for each thread, over the same set; it may move from thread to thread. What its rules remember is its own.
///
/// # Example
/// ```
/// # use dtq_record::otlp::Signal;
/// # use dtq_rules::compile::{Options, compile};
/// # use dtq_rules::engine::Processor;
/// # use dtq_rules::file::{self, NoFiles};
/// # use std::sync::Arc;
/// let yaml = "apiVersion: dtq/v1\nrules: [{name: low, to: drop, kql: logs | where SeverityNumber < 9}]\n";
/// let (read, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// let set = Arc::new(compile(&[read], &Options::default()).set.expect("nothing is wrong with it"));
/// let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
/// let dropped: u64 = std::thread::scope(|scope| {
///     let judge = || {
///         let mut processor = Processor::new(Arc::clone(&set), &Default::default());
///         (0..10).for_each(|_| drop(processor.apply(Signal::Logs, &request, 0, None)));
///         processor.totals().dropped
///     };
///     let threads = [scope.spawn(judge), scope.spawn(judge)];
///     threads.into_iter().map(|thread| thread.join().expect("a processor does not panic")).sum()
/// });
/// assert_eq!(dropped, 20);
/// ```
pub struct Processor {
    pub(super) set: Arc<RuleSet>,
    pub(super) tables: Tables,
    pub(super) state: State,
    pub(super) native: Option<Arc<NativeSet>>,
    pub(super) scratch: Scratch,
    /// What rules wrote of the last request, where that is kept.
    pub(super) edits: Option<EditLog>,
    /// By signal, what was decided about resources and scopes of records in slots.
    pub(super) kept: [Kept; 3],
}

impl Processor {
    /// Returns a processor whose rules remember nothing yet.
    pub fn new(set: Arc<RuleSet>, options: &Options) -> Self {
        let state = State::new(&set, options.start_ticks, options.random_seed);
        let (tables, scratch) = (state::tables(&set), Scratch::default());
        let mut processor = Self { tables, state, native: None, scratch, edits: None, kept: Default::default(), set };
        processor.fill_lookups(options.start_ticks);
        processor
    }

    /// Fills what conditions look up from the tables as they are.
    pub(super) fn fill_lookups(&mut self, now_ticks: i64) {
        let set = Arc::clone(&self.set);
        let mut frame = Frame::new(&set, &self.tables, &mut self.state, now_ticks, None);
        if let Err(fault) = frame.fill_lookups() {
            let message = format!("a table cannot be looked up: {fault}");
            frame.state.notice(None, NoticeKind::LookupFailed, now_ticks, message);
        }
        frame.finish();
    }

    /// Returns what becomes of a request that arrived at `arrival_ticks`; with a clock, costs are measured.
    ///
    /// Ticks are 100 ns since 0001-01-01T00:00Z, and `now()` of the rules. A request that cannot be read passes as it came,
    /// unless a protective rule says otherwise; it is counted, and the first is reported. Nothing fails and nothing
    /// panics, whatever the bytes. Bytes of the output are new memory; [`Processor::recycle`] gives it back.
    ///
    /// # Cost
    /// Some tens to hundreds of nanoseconds a record, and one allocation a request that changes: `docs/performance.md`.
    ///
    /// # Example
    /// The crate's own, and [`Processor::apply_within`], which caps time and bytes.
    pub fn apply(&mut self, signal: Signal, request: &[u8], arrival_ticks: i64, clock: Clock<'_>) -> Outcome {
        self.apply_with(signal, request, arrival_ticks, (clock, None), None)
    }

    /// Does what [`Processor::apply`] does, within a budget, by whose clock costs are measured too.
    ///
    /// The bytes are those that rules make of the request: edited records, new ones, and requests for named outputs. Once
    /// bytes or time are spent, the rest of the request passes all rules but protective ones; what was decided before
    /// stays. It is counted in [`Totals::over_budget`], and the first such request is reported as
    /// [`NoticeKind::OverBudget`]. The clock is asked every 32 records; one record is never left half judged.
    ///
    /// # Example
    /// ```
    /// use dtq_record::otlp::Signal;
    /// use dtq_rules::Budget;
    /// use dtq_rules::compile::{Options, compile};
    /// use dtq_rules::engine::{Output, Processor};
    /// use dtq_rules::file::{self, NoFiles};
    /// use std::sync::Arc;
    ///
    /// let yaml = "apiVersion: dtq/v1\nrules: [{name: all, to: drop, kql: logs | where SeverityNumber >= 0}]\n";
    /// let (rules, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
    /// let set = compile(&[rules], &Options::default()).set.expect("nothing is wrong with it");
    /// let mut processor = Processor::new(Arc::new(set), &Default::default());
    ///
    /// let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
    /// let ns = std::cell::Cell::new(0);
    /// let clock = || ns.replace(ns.get() + 1_000);
    /// let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_time(500, &clock));
    /// assert_eq!(outcome.output, Output::Unchanged);
    /// assert_eq!((processor.totals().over_budget, outcome.notices.len()), (1, 1));
    /// let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_time(5_000, &clock));
    /// assert_eq!(outcome.output, Output::Empty);
    /// ```
    pub fn apply_within(&mut self, signal: Signal, request: &[u8], arrival_ticks: i64, budget: &Budget<'_>) -> Outcome {
        self.apply_with(signal, request, arrival_ticks, (budget.clock, Some(Spending::new(budget))), None)
    }

    /// Does what [`Processor::apply`] does, and tells an observer what happens to each record.
    pub fn apply_observed(
        &mut self,
        signal: Signal,
        request: &[u8],
        arrival_ticks: i64,
        observer: &mut dyn Observer,
    ) -> Outcome {
        self.apply_with(signal, request, arrival_ticks, (None, None), Some(observer))
    }

    fn apply_with(
        &mut self,
        signal: Signal,
        request: &[u8],
        arrival_ticks: i64,
        (clock, spending): (Clock<'_>, Option<Spending<'_>>),
        observer: Option<&mut dyn Observer>,
    ) -> Outcome {
        let set = Arc::clone(&self.set);
        self.state.totals.requests += 1;
        self.state.totals.bytes_in += request.len() as u64;
        self.clear_trace();
        let mut frame = Frame::new(&set, &self.tables, &mut self.state, arrival_ticks, clock);
        frame.native = self.native.as_deref();
        frame.spending = spending;
        if let Some(observer) = observer {
            frame.observer = Some(observer);
        }
        frame.edits = self.edits.take();
        frame.note_expired_rules();
        let result = frame.run_request(signal, request, 0, &mut self.scratch);
        if result.is_ok() {
            frame.state.totals.records_in += self.scratch.index.records().len() as u64;
            frame.make_points();
        }
        self.edits = frame.edits.take();
        let emissions = frame.finish().into_vec();
        let output = match result {
            Ok(output) => output,
            Err(error) => self.pass_malformed(signal, request.len(), arrival_ticks, &error),
        };
        self.state.totals.bytes_out += match &output {
            Output::Unchanged => request.len() as u64,
            Output::Empty => 0,
            Output::Bytes(bytes) => bytes.len() as u64,
        };
        let made = emissions.iter().filter(|emission| emission.destination.is_none());
        self.state.totals.bytes_out += made.map(|emission| emission.request.len() as u64).sum::<u64>();
        Outcome { output, emissions, notices: std::mem::take(&mut self.state.notices) }
    }

    /// Takes back the bytes of an output that has been sent, so that their memory serves the next one.
    pub fn recycle(&mut self, sent: Vec<u8>) {
        if sent.capacity() > self.scratch.spare.capacity() {
            self.scratch.spare = sent;
        }
    }

    /// Returns what becomes of a request that its host could not read, as [`Processor::apply`] does for those it cannot.
    pub fn apply_unreadable(
        &mut self,
        signal: Signal,
        size: usize,
        arrival_ticks: i64,
        error: &dtq_record::WireError,
    ) -> Outcome {
        self.state.totals.requests += 1;
        self.state.totals.bytes_in += size as u64;
        let output = self.pass_malformed(signal, size, arrival_ticks, error);
        self.state.totals.bytes_out += if output == Output::Unchanged { size as u64 } else { 0 };
        Outcome { output, emissions: Vec::new(), notices: std::mem::take(&mut self.state.notices) }
    }

    /// Counts and reports a request that cannot be read; says what leaves in its place.
    fn pass_malformed(
        &mut self,
        signal: Signal,
        size: usize,
        arrival_ticks: i64,
        error: &dtq_record::WireError,
    ) -> Output {
        self.state.totals.malformed += 1;
        let base = RuleSet::base_of(signal);
        let rules = self.set.base(base).rules.iter().chain(&self.set.base(Base::Resources).rules);
        let is_dropped = rules.copied().any(|rule| {
            let rule = &self.set.rules[rule];
            rule.on_error != crate::compile::rule::Failure::Pass && rule.mode == crate::file::rule::Mode::Enforce
        });
        if !std::mem::replace(&mut self.state.has_reported_malformed, true) {
            let what = if is_dropped { "is dropped, as protective rules say" } else { "passes as it came" };
            let message = format!(
                "a request of {size} bytes cannot be read at byte {}: {}; it {what}, and further ones are only counted",
                error.offset, error.reason
            );
            self.state.notice(None, NoticeKind::MalformedRequest, arrival_ticks, message);
        }
        if is_dropped { Output::Empty } else { Output::Unchanged }
    }

    /// Returns what is due at a time: points of windows and intervals that are over, and rows of sequences that are.
    ///
    /// To be called every second or so, also when no telemetry comes. The output is empty; what is due is in
    /// [`Outcome::emissions`].
    ///
    /// # Example
    /// ```
    /// # use dtq_record::otlp::Signal;
    /// # use dtq_rules::compile::{Options, compile};
    /// # use dtq_rules::engine::Processor;
    /// # use dtq_rules::file::{self, NoFiles};
    /// # use std::sync::Arc;
    /// let yaml = "apiVersion: dtq/v1
    /// rules:
    ///   - name: count
    ///     tiers: [collector]
    ///     to: metrics
    ///     metrics: {seen: {name: logs.seen, type: sum, unit: '1', temporality: delta}}
    ///     kql: logs | summarize seen = count() by bin(Timestamp, 1m)
    /// ";
    /// let (read, found) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
    /// assert!(found.iter().all(|one| !one.is_error()), "{found:?}");
    /// let compiled = compile(&[read], &Options::default());
    /// let set = Arc::new(compiled.set.expect("nothing is wrong with it"));
    /// let mut processor = Processor::new(set, &Default::default());
    /// // A record of the beginning of 1970. No more come, and a minute of ticks later its window is over.
    /// let request = [0x0A, 13, 0x12, 11, 0x12, 9, 0x09, 1, 0, 0, 0, 0, 0, 0, 0];
    /// let began_ticks = 621_355_968_000_000_000;
    /// assert!(processor.apply(Signal::Logs, &request, began_ticks, None).emissions.is_empty());
    /// let mut made = (1..100).flat_map(|second| processor.tick(began_ticks + second * 10_000_000).emissions);
    /// assert_eq!(made.next().map(|one| one.signal), Some(Signal::Metrics));
    /// ```
    pub fn tick(&mut self, now_ticks: i64) -> Outcome {
        self.make_points(now_ticks, Due::ByNow, None)
    }

    /// Returns everything that rules still owe: open windows, measurements, rows of sequences, and held records where a
    /// rule says so.
    ///
    /// The last call before a processor is dropped; what it does not return is lost, and counted in [`Totals::evicted`].
    pub fn shutdown(&mut self, now_ticks: i64) -> Outcome {
        self.make_points(now_ticks, Due::Everything, None)
    }

    /// Does what [`Processor::shutdown`] does, and tells an observer what happens to each record.
    pub fn shutdown_observed(&mut self, now_ticks: i64, observer: &mut dyn Observer) -> Outcome {
        self.make_points(now_ticks, Due::Everything, Some(observer))
    }

    /// Returns the points of open windows and of measurements, and the rows of sequences; what recorders hold stays held.
    pub(crate) fn finish_points(&mut self, now_ticks: i64) -> Outcome {
        self.make_points(now_ticks, Due::Points, None)
    }

    fn make_points(&mut self, now_ticks: i64, due: Due, observer: Option<&mut dyn Observer>) -> Outcome {
        let set = Arc::clone(&self.set);
        let mut frame = Frame::new(&set, &self.tables, &mut self.state, now_ticks, None);
        frame.native = self.native.as_deref();
        if let Some(observer) = observer {
            frame.observer = Some(observer);
        }
        frame.note_expired_rules();
        frame.idle_out(now_ticks);
        // In order: what a rule gives goes to the rules after it.
        for position in 0..set.rules.len() {
            frame.end_due_partitions(position, now_ticks, due != Due::ByNow);
            if due == Due::Everything {
                frame.release_held_by(position);
            }
            frame.make_points_of(position, Some(now_ticks), due != Due::ByNow);
        }
        let emissions = frame.finish().into_vec();
        let made = emissions.iter().filter(|emission| emission.destination.is_none());
        self.state.totals.bytes_out += made.map(|emission| emission.request.len() as u64).sum::<u64>();
        Outcome { output: Output::Empty, emissions, notices: std::mem::take(&mut self.state.notices) }
    }

    /// Returns the rule set.
    pub fn rules(&self) -> &RuleSet {
        &self.set
    }

    /// Runs on native code from now on. Results are the same.
    ///
    /// Code of another rule set than the one that runs now is not taken: that comes of a swap while it was compiled. Says
    /// whether it was taken.
    pub fn use_native(&mut self, native: Arc<NativeSet>) -> bool {
        let is_own = Arc::ptr_eq(native.rules(), &self.set);
        if is_own {
            self.native = Some(native);
            self.kept = Default::default();
        }
        is_own
    }

    /// Returns the native code that runs, or `None` while the interpreter does.
    pub fn native(&self) -> Option<&NativeSet> {
        self.native.as_deref()
    }

    /// Returns the accounts, one a rule in effective order; bytes and nanoseconds as their fields say.
    pub fn accounts(&self) -> Vec<Account> {
        (0..self.set.rules.len()).map(|position| self.state.account(&self.set, &self.tables, position)).collect()
    }

    /// Returns the counts of all rules together.
    pub fn totals(&self) -> Totals {
        self.state.totals()
    }

    /// Returns requests with the first records that a rule in mode observe matched, by its position in effective order.
    ///
    /// # Panics
    /// If there are not as many rules.
    pub fn samples(&self, rule: usize) -> &[Vec<u8>] {
        &self.state.samples[rule]
    }
}

impl Frame<'_> {
    /// Ends the recorder that a rule fills, if it fills one.
    fn release_held_by(&mut self, position: usize) {
        if let crate::compile::rule::Action::Recorder { recorder } = self.set.rules[position].action {
            self.release(recorder);
        }
    }

    /// Ends a recorder: what it holds goes on or is given up, as it says.
    pub(super) fn release(&mut self, recorder: usize) {
        let definition = &self.set.recorders[recorder];
        let on_shutdown = match definition.on_shutdown {
            crate::file::rule::OnShutdown::Discard => OnShutdown::Discard,
            crate::file::rule::OnShutdown::Flush => OnShutdown::Flush,
        };
        for held in self.state.recorders[recorder].shutdown(on_shutdown) {
            let sent = crate::engine::wrap::released(&held)
                .map_err(|error| crate::engine::cells::malformed(&error))
                .and_then(|(signal, request)| self.run_made(signal, &request, definition.filled_by + 1));
            if let Err(fault) = sent {
                self.note_error(definition.filled_by, &format!("cannot release a record: {fault}"));
            }
        }
    }
}
