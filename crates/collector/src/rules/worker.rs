//! Requests to what becomes of them, on the one thread that owns what rules remember.
//!
//! Requests are judged in the order in which they come; a rule set is replaced between two of them. Whatever fails
//! inside, the request passes as rules say of one that cannot be judged, and the thread goes on. Next: `sample.rs`.

use crate::datagram::Filters;
use crate::events::{Events, Severity};
use crate::pipeline::{Created, Judged, Judgement};
use crate::rules::clock;
use crate::rules::sample::Samples;
use crate::rules::settings::Bounds;
use bytes::Bytes;
use dtq_record::WireError;
use dtq_record::otlp::Signal;
use dtq_rules::Budget;
use dtq_rules::compile::RuleSet;
use dtq_rules::engine::{self, Account, Emission, Outcome, Output, Processor, Totals};
use dtq_rules::native::NativeSet;
use serde::Serialize;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc as async_mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How often rules are asked what is due.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of a request that one permit of the queue stands for.
const PERMIT_BYTES: usize = 1_024;

/// A request that waits to be judged; or nothing, to wake the thread.
enum Work {
    Request { signal: Signal, request: Bytes, reply: oneshot::Sender<Judged>, _room: OwnedSemaphorePermit },
    Wake,
}

/// What the thread is told between two requests.
enum Order {
    Swap { set: Arc<RuleSet>, version: u64, done: SyncSender<()> },
    Native(Arc<NativeSet>),
    Report(SyncSender<Report>),
    Stop(SyncSender<Vec<Created>>),
}

/// Holds what rules did so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The version of the rules that run.
    pub version: u64,
    /// Since when the counts are.
    pub since: String,
    /// What evaluates conditions: `jit` or `interp`.
    pub engine: &'static str,
    /// Name and account of each rule that runs, in effective order.
    pub rules: Vec<(String, Account)>,
    /// The counts of all rules together.
    pub totals: Totals,
}

/// Counts what happened besides rules.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests judged.
    pub judged: AtomicU64,
    /// Requests that passed without being judged, because the thread was not there any more.
    pub unjudged: AtomicU64,
    /// Failures inside, after which rules began to remember anew.
    pub failures: AtomicU64,
    /// Times that the rules were replaced.
    pub swaps: AtomicU64,
    /// Requests that rules owed and that were lost because nobody took them.
    pub owed_lost: AtomicU64,
}

/// Holds a notice as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// When it was noticed.
    pub time: String,
    /// The rule, if it is about one.
    pub rule: Option<String>,
    /// The name of what happened.
    pub event: &'static str,
    /// What happened.
    pub message: String,
}

/// Holds what the thread shares with those who look.
#[derive(Debug)]
pub struct Shared {
    /// What happened besides rules.
    pub counts: Counts,
    /// Who looks at live traffic.
    pub samples: Arc<Samples>,
    report: Mutex<Arc<Report>>,
    notices: Mutex<VecDeque<Noticed>>,
    notices_max: usize,
    interpreted_because: Mutex<Option<String>>,
    events: Events,
    begun: Instant,
    /// When the thread was last seen alive, in milliseconds since it began.
    alive_ms: AtomicU64,
    /// The part of the rules that runs in the kernel.
    filters: OnceLock<Arc<Filters>>,
}

impl Shared {
    fn new(bounds: &Bounds, events: Events) -> Self {
        Self {
            counts: Counts::default(),
            samples: Arc::new(Samples::new(bounds)),
            report: Mutex::default(),
            notices: Mutex::default(),
            notices_max: bounds.notices,
            interpreted_because: Mutex::default(),
            events,
            begun: Instant::now(),
            alive_ms: AtomicU64::new(0),
            filters: OnceLock::new(),
        }
    }

    /// Returns for how long the thread that judges was not seen alive: about a second where it is well.
    pub fn silent_for(&self) -> Duration {
        let alive_at = Duration::from_millis(self.alive_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(alive_at)
    }

    fn live(&self) {
        self.alive_ms.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Returns what rules did, as of a second ago at most, without waiting.
    pub fn last_report(&self) -> Arc<Report> {
        Arc::clone(&locked(&self.report))
    }

    /// Returns the last notices.
    pub fn notices(&self) -> Vec<Noticed> {
        locked(&self.notices).iter().cloned().collect()
    }

    /// Returns why rules are interpreted although native code is wanted.
    pub fn interpreted_because(&self) -> Option<String> {
        locked(&self.interpreted_because).clone()
    }

    /// Has what the kernel drops counted with the rest.
    pub fn count_with(&self, filters: Arc<Filters>) {
        let _ = self.filters.set(filters);
    }

    /// Keeps why rules are interpreted.
    pub fn refuse_native(&self, refusal: String) {
        let text = format!("rules are interpreted, which costs more: {refusal}");
        self.events.tell(Severity::Warn, "rules.interpreted", None, text);
        *locked(&self.interpreted_because) = Some(refusal);
    }

    fn note(&self, notices: Vec<engine::Notice>) {
        if notices.is_empty() {
            return;
        }
        let mut kept = locked(&self.notices);
        for notice in notices {
            let name = notice.kind.event_name();
            let rule = notice.rule.as_ref().map(|rule| rule.as_text().into_owned()).unwrap_or_default();
            // Names begin with that of the program, which stands before every event.
            let name = name.strip_prefix("dtq.").unwrap_or(name);
            self.events.warn(&format!("{name}:{rule}"), || notice.message.clone());
            if kept.len() >= self.notices_max {
                kept.pop_front();
            }
            kept.push_back(Noticed {
                time: clock::shown(notice.time_ticks),
                rule: notice.rule.as_ref().map(|rule| rule.as_text().into_owned()),
                event: notice.kind.event_name(),
                message: notice.message,
            });
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives what rules owe without a request: points of windows, and what they held when they were replaced.
pub type Owed = async_mpsc::Receiver<Vec<Created>>;

/// Talks to the thread; any number may.
#[derive(Clone, Debug)]
pub struct Worker {
    work: Sender<Work>,
    orders: Sender<Order>,
    room: Arc<Semaphore>,
    permits: usize,
    shared: Arc<Shared>,
    order_time: Duration,
}

impl Worker {
    /// Starts the thread with a rule set.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        set: Arc<RuleSet>,
        version: u64,
        bounds: &Bounds,
        events: Events,
    ) -> std::io::Result<(Self, Owed, JoinHandle<()>)> {
        let (work, arriving) = mpsc::channel();
        let (orders, ordered) = mpsc::channel();
        // What waits in it is one batch; the next is gathered here meanwhile.
        let (owe, owed) = async_mpsc::channel(1);
        let shared = Arc::new(Shared::new(bounds, events));
        let now = clock::now_ticks();
        let processor = Processor::new(Arc::clone(&set), &engine_options(now));
        let bounds = bounds.clone();
        let permits = (bounds.queue_bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let order_time = bounds.order_time;
        let thread = Thread {
            processor,
            set,
            native: None,
            version,
            since_ticks: now,
            shared: Arc::clone(&shared),
            owe,
            pending: Vec::new(),
            pending_bytes: 0,
            bounds,
            #[cfg(test)]
            fails_on: None,
        };
        thread.publish();
        let handle =
            std::thread::Builder::new().name("dtq-rules".into()).spawn(move || thread.run(&arriving, &ordered))?;
        let room = Arc::new(Semaphore::new(permits));
        let worker = Self { work, orders, room, permits, shared, order_time };
        Ok((worker, owed, handle))
    }

    /// Returns what becomes of a request; waits while too many bytes of others wait.
    pub async fn judge(&self, signal: Signal, request: Bytes) -> Judged {
        let size = (1 + request.len() / PERMIT_BYTES).min(self.permits);
        let room = Arc::clone(&self.room).acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX)).await;
        let (reply, answer) = oneshot::channel();
        let sent = room.map(|room| self.work.send(Work::Request { signal, request, reply, _room: room }));
        if let Ok(Ok(())) = sent
            && let Ok(judged) = answer.await
        {
            return judged;
        }
        self.shared.counts.unjudged.fetch_add(1, Ordering::Relaxed);
        Judged::unchanged()
    }

    /// Puts a rule set in the place of the one that runs, and returns when it is there.
    ///
    /// # Errors
    /// When the thread does not answer in time; it takes the set as soon as it can.
    pub fn swap(&self, set: Arc<RuleSet>, version: u64) -> Result<(), String> {
        let (done, answer) = mpsc::sync_channel(1);
        self.order(Order::Swap { set, version, done });
        let late = |_| format!("the thread that judges did not answer within {:?}; it goes on", self.order_time);
        answer.recv_timeout(self.order_time).map_err(late)
    }

    /// Hands over native code, which is taken if its set still runs.
    pub fn use_native(&self, native: Arc<NativeSet>) {
        self.order(Order::Native(native));
    }

    /// Returns what rules did up to now, or up to a second ago if the thread does not answer in time.
    pub fn report(&self) -> Report {
        let (reply, answer) = mpsc::sync_channel(1);
        self.order(Order::Report(reply));
        answer.recv_timeout(self.order_time).unwrap_or_else(|_| (*self.shared.last_report()).clone())
    }

    /// Ends the thread and returns all that rules still owe; requests that come later pass as they are. `None` when it did
    /// not end in time, or has ended before.
    pub fn stop(&self) -> Option<Vec<Created>> {
        let (done, answer) = mpsc::sync_channel(1);
        self.order(Order::Stop(done));
        answer.recv_timeout(self.order_time).ok()
    }

    /// Returns what the thread shares.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns how many bytes of requests wait, to a KiB each.
    pub fn waiting_bytes(&self) -> usize {
        (self.permits - self.room.available_permits()) * PERMIT_BYTES
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            let _ = self.work.send(Work::Wake);
        }
    }
}

fn engine_options(now_ticks: i64) -> engine::Options {
    engine::Options { start_ticks: now_ticks, random_seed: now_ticks as u64 }
}

/// The thread, with what it owns.
struct Thread {
    processor: Processor,
    set: Arc<RuleSet>,
    native: Option<Arc<NativeSet>>,
    version: u64,
    since_ticks: i64,
    shared: Arc<Shared>,
    owe: async_mpsc::Sender<Vec<Created>>,
    /// What rules owe and nobody has room for yet.
    pending: Vec<Created>,
    pending_bytes: usize,
    bounds: Bounds,
    /// A request that makes judging fail.
    #[cfg(test)]
    fails_on: Option<Bytes>,
}

impl Thread {
    fn run(mut self, work: &Receiver<Work>, orders: &Receiver<Order>) {
        let mut due = Instant::now() + TICK;
        loop {
            while let Ok(order) = orders.try_recv() {
                if let Some(done) = self.obey(order) {
                    self.finish(work);
                    let _ = done.send(std::mem::take(&mut self.pending));
                    return;
                }
            }
            match work.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Work::Request { signal, request, reply, _room }) => {
                    let judged = self.judge(signal, &request);
                    // Whoever asked may have given up; the request counts as judged, as its sender will bring it again.
                    let _ = reply.send(judged);
                }
                Ok(Work::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(work),
            }
            if Instant::now() >= due {
                due = Instant::now() + TICK;
                let owed = self.caught(|processor| processor.tick(clock::now_ticks()));
                self.owe(owed);
                self.publish();
            }
        }
    }

    /// Does what is ordered; returns whom to tell when that is to stop.
    fn obey(&mut self, order: Order) -> Option<SyncSender<Vec<Created>>> {
        match order {
            Order::Swap { set, version, done } => {
                self.swap(set, version);
                let _ = done.send(());
            }
            Order::Native(native) => {
                let is_taken = self.caught(|processor| Some(processor.use_native(Arc::clone(&native))));
                if is_taken == Some(true) {
                    self.native = Some(native);
                }
            }
            Order::Report(reply) => drop(reply.send(self.report())),
            Order::Stop(done) => return Some(done),
        }
        None
    }

    fn swap(&mut self, set: Arc<RuleSet>, version: u64) {
        self.set = Arc::clone(&set);
        self.native = None;
        let owed = self.caught(|processor| processor.swap(set, clock::now_ticks()));
        (self.version, _) = (version, self.shared.counts.swaps.fetch_add(1, Ordering::Relaxed));
        self.owe(owed);
        self.publish();
    }

    fn judge(&mut self, signal: Signal, request: &Bytes) -> Judged {
        self.shared.samples.offer(signal, request);
        let now = clock::now_ticks();
        let (bytes_max, time) = (self.bounds.made_bytes, self.bounds.request_time.as_nanos() as u64);
        #[cfg(test)]
        let fails = self.fails_on.as_ref() == Some(request);
        let outcome = self.caught(|processor| {
            #[cfg(test)]
            assert!(!fails, "asked to fail");
            let budget = Budget { bytes_max, ..Budget::of_time(time, &clock::thread_ns) };
            Some(processor.apply_within(signal, request, now, &budget))
        });
        self.shared.counts.judged.fetch_add(1, Ordering::Relaxed);
        let outcome = outcome.unwrap_or_else(|| {
            let error = WireError { offset: 0, reason: "judging it failed, which is a mistake in dtq" };
            self.caught(|processor| processor.apply_unreadable(signal, request.len(), now, &error))
        });
        self.shared.note(outcome.notices);
        let (routed, created) =
            outcome.emissions.into_iter().map(created).partition(|one: &Created| one.destination.is_some());
        let output = match outcome.output {
            Output::Unchanged => Judgement::Unchanged,
            Output::Empty => Judgement::Dropped,
            Output::Bytes(bytes) => Judgement::Changed(Bytes::from(bytes)),
        };
        Judged { output, created, routed }
    }

    /// Does something with the processor. When it fails, rules begin anew, and there is nothing.
    fn caught<T: OrNothing>(&mut self, act: impl FnOnce(&mut Processor) -> T) -> T {
        let processor = &mut self.processor;
        match panic::catch_unwind(AssertUnwindSafe(|| act(processor))) {
            Ok(done) => done,
            Err(_) => {
                self.shared.counts.failures.fetch_add(1, Ordering::Relaxed);
                let text = "judging failed, which is a mistake in dtq; rules begin to remember anew";
                self.shared.events.warn("rules.failed", || text.to_owned());
                self.since_ticks = clock::now_ticks();
                let mut processor = Processor::new(Arc::clone(&self.set), &engine_options(self.since_ticks));
                if let Some(native) = &self.native {
                    processor.use_native(Arc::clone(native));
                }
                self.processor = processor;
                T::NOTHING
            }
        }
    }

    /// Gathers what rules owe without a request, as far as there is room.
    fn gather(&mut self, outcome: Outcome) {
        self.shared.note(outcome.notices);
        for emission in outcome.emissions {
            let size = emission.request.len();
            if self.pending_bytes.saturating_add(size) > self.bounds.owed_bytes {
                self.shared.counts.owed_lost.fetch_add(1, Ordering::Relaxed);
            } else {
                self.pending_bytes += size;
                self.pending.push(created(emission));
            }
        }
    }

    /// Hands on what rules owe, when the batch before was taken.
    fn owe(&mut self, outcome: Outcome) {
        self.gather(outcome);
        if self.pending.is_empty() {
            return;
        }
        if let Ok(room) = self.owe.try_reserve() {
            room.send(std::mem::take(&mut self.pending));
            self.pending_bytes = 0;
        }
    }

    /// Judges what has come already, and gathers everything that rules owe.
    fn finish(&mut self, work: &Receiver<Work>) {
        while let Ok(one) = work.try_recv() {
            if let Work::Request { signal, request, reply, _room } = one {
                let _ = reply.send(self.judge(signal, &request));
            }
        }
        let owed = self.caught(|processor| processor.shutdown(clock::now_ticks()));
        self.gather(owed);
        self.publish();
    }

    fn report(&self) -> Report {
        let names = self.set.rules.iter().map(|rule| rule.name.as_text().into_owned());
        let (mut rules, mut totals) = (names.zip(self.processor.accounts()).collect(), self.processor.totals());
        if let Some(filters) = self.shared.filters.get() {
            filters.add_to(&mut rules, &mut totals);
        }
        Report {
            version: self.version,
            since: clock::shown(self.since_ticks),
            engine: if self.processor.native().is_some() { "jit" } else { "interp" },
            rules,
            totals,
        }
    }

    fn publish(&self) {
        self.shared.live();
        *locked(&self.shared.report) = Arc::new(self.report());
    }
}

/// What there is when something failed.
trait OrNothing {
    const NOTHING: Self;
}

impl OrNothing for Outcome {
    const NOTHING: Self = Outcome { output: Output::Unchanged, emissions: Vec::new(), notices: Vec::new() };
}

impl<T> OrNothing for Option<T> {
    const NOTHING: Self = None;
}

fn created(emission: Emission) -> Created {
    Created {
        signal: emission.signal,
        request: Bytes::from(emission.request),
        destination: emission.destination.map(|name| name.as_text().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_rules::compile::{Options, compile};
    use dtq_rules::file::{self, NoFiles};

    /// A log record of severity 5.
    const REQUEST: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
    const FATAL: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 6];

    fn thread(rule: &str) -> Thread {
        let yaml = format!("apiVersion: dtq/v1\nrules:\n  - {rule}\n");
        let (read, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
        let set = Arc::new(compile(&[read], &Options::default()).set.unwrap());
        let bounds = Bounds::default();
        let shared = Shared { notices_max: 4, ..Shared::new(&bounds, Events::silent()) };
        Thread {
            processor: Processor::new(Arc::clone(&set), &engine_options(0)),
            set,
            native: None,
            version: 1,
            since_ticks: 0,
            shared: Arc::new(shared),
            owe: async_mpsc::channel(1).0,
            pending: Vec::new(),
            pending_bytes: 0,
            bounds,
            fails_on: Some(Bytes::from_static(&FATAL)),
        }
    }

    #[test]
    fn a_failure_inside_lets_the_request_pass_and_the_next_ones_are_judged() {
        let mut thread = thread("{name: low, to: drop, kql: logs | where SeverityNumber < 9}");
        for round in 1..=3 {
            assert_eq!(thread.judge(Signal::Logs, &Bytes::from_static(&FATAL)).output, Judgement::Unchanged);
            assert_eq!(thread.judge(Signal::Logs, &Bytes::from_static(&REQUEST)).output, Judgement::Dropped);
            assert_eq!(thread.shared.counts.failures.load(Ordering::Relaxed), round);
        }
        assert_eq!(thread.shared.notices().len(), 3);
    }

    #[test]
    fn a_protective_rule_protects_from_failures_too() {
        let mut thread = thread("{name: low, to: drop, on_error: drop, kql: logs | where SeverityNumber < 9}");
        assert_eq!(thread.judge(Signal::Logs, &Bytes::from_static(&FATAL)).output, Judgement::Dropped);
    }

    #[test]
    fn what_nobody_takes_is_bounded_and_counted() {
        let mut thread = thread("{name: low, to: drop, kql: logs | where SeverityNumber < 9}");
        thread.bounds.owed_bytes = 20;
        for _ in 0..5 {
            let emission = Emission { destination: None, signal: Signal::Logs, request: REQUEST.to_vec() };
            thread.owe(Outcome { output: Output::Empty, emissions: vec![emission], notices: Vec::new() });
        }
        assert_eq!((thread.pending.len(), thread.shared.counts.owed_lost.load(Ordering::Relaxed)), (2, 3));
    }
}
