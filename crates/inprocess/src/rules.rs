//! The rules of a process: what all wrappers share, from loading and reloading to judging and the counts.
//!
//! No call waits for another thread, and no panic leaves: a record that cannot be judged passes, unless a protective
//! rule stands for its signal. Next: `otel.rs`, `layer.rs`.

use crate::counts::{Counters, Counts, count};
use crate::host::{Host, Notice};
use crate::load::{Bounds, Loaded, Refused, Watched, load};
use crate::seat::{Fate, Judged, Seat};
use crate::subject::Subject;
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Account, Emission};
use dtq_rules::file::NoFiles;
use serde::Serialize;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

/// How often all places are tried before a record goes on unjudged: some microseconds, a few times what judging takes.
const TRIES: usize = 200;

const ON: u8 = 0;
const PROTECTIVE_ONLY: u8 = 1;
const OFF: u8 = 2;

/// Says how much of the rules runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Running {
    /// All of them.
    All,
    /// The protective ones: judging cost more than its budget.
    ProtectiveOnly,
    /// None: too many panics.
    None,
}

/// Holds the account of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleAccount {
    /// Its name.
    pub rule: String,
    /// What it did; bytes are those of records that had to be encoded.
    #[serde(flatten)]
    pub account: Account,
}

/// Holds the rules of a process; clones are the same rules.
///
/// # Example
/// ```
/// use dtq_inprocess::{Bounds, Fate, Rules, Silent};
/// use dtq_record::otlp::Signal;
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
/// ";
/// let rules = Rules::from_text("rules.yaml", yaml, Bounds::default(), Silent).expect("the rule is right");
/// assert_eq!(rules.apply(Signal::Logs, &[0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5]).0, Fate::Drop);
/// assert!(rules.reload_text("rules.yaml", "rules: [").is_err(), "and the rules before stay");
/// assert_eq!(rules.accounts()[0].account.dropped, 1);
/// ```
#[derive(Clone)]
pub struct Rules {
    shared: Arc<Shared>,
}

struct Shared {
    bounds: Bounds,
    host: Box<dyn Host>,
    seats: Box<[Mutex<Option<Box<Seat>>>]>,
    loaded: Mutex<Arc<Loaded>>,
    /// Moves on with every set, and when all but protective rules are turned off.
    generation: AtomicU64,
    running: AtomicU8,
    /// How many seats the set may use: one where rules remember something.
    seats_used: AtomicU64,
    /// A bit a signal whose records must not pass unjudged.
    protected: AtomicU8,
    /// A bit a signal that some rule is for.
    concerned: AtomicU8,
    watched: Mutex<Option<Watched>>,
    next_check_ticks: AtomicI64,
    counters: Counters,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules(generation {}, {:?})", self.generation(), self.running())
    }
}

impl Rules {
    /// Returns the rules of a text; `name` is what messages call it. Files beside it cannot be read.
    ///
    /// # Errors
    /// When something is wrong with it.
    pub fn from_text(name: &str, text: &str, bounds: Bounds, host: impl Host) -> Result<Self, Refused> {
        let loaded = load(name, text.as_bytes(), &NoFiles, &bounds, &host)?;
        Ok(Self::new(loaded, bounds, Box::new(host), None))
    }

    /// Returns the rules of a file, which is looked at again about once a second by a thread that emits.
    ///
    /// # Errors
    /// When it cannot be read or something is wrong with it.
    pub fn from_file(path: &Path, bounds: Bounds, host: impl Host) -> Result<Self, Refused> {
        let mut watched = Watched::new(path);
        let loaded = watched.load(&bounds, &host)?;
        Ok(Self::new(loaded, bounds, Box::new(host), Some(watched)))
    }

    fn new(loaded: Loaded, bounds: Bounds, host: Box<dyn Host>, watched: Option<Watched>) -> Self {
        let seats = (0..bounds.seats.clamp(1, 64)).map(|_| Mutex::new(None)).collect();
        let next_check = if watched.is_some() { host.now_ticks().saturating_add(bounds.check_ticks) } else { i64::MAX };
        let shared = Shared {
            host,
            seats,
            generation: AtomicU64::new(1),
            running: AtomicU8::new(ON),
            seats_used: AtomicU64::new(1),
            protected: AtomicU8::new(0),
            concerned: AtomicU8::new(0),
            watched: Mutex::new(watched),
            next_check_ticks: AtomicI64::new(next_check),
            counters: Counters::default(),
            bounds,
            loaded: Mutex::new(Arc::new(loaded)),
        };
        shared.describe(&lock(&shared.loaded));
        count(&shared.counters.loads);
        Self { shared: Arc::new(shared) }
    }

    /// Takes the rules of a text in the place of those that run, with what they remember.
    ///
    /// # Errors
    /// When something is wrong with it; the rules before go on.
    pub fn reload_text(&self, name: &str, text: &str) -> Result<(), Refused> {
        let shared = &self.shared;
        self.guarded(|| load(name, text.as_bytes(), &NoFiles, &shared.bounds, &*shared.host).map(|set| self.take(set)))
    }

    /// Reads the rule file again, whether it has changed or not.
    ///
    /// # Errors
    /// When it cannot be read or something is wrong with it, and where the rules are not from a file; those before go on.
    pub fn reload(&self) -> Result<(), Refused> {
        let shared = &self.shared;
        self.guarded(|| {
            let mut watched = lock(&shared.watched);
            let Some(file) = watched.as_mut() else {
                return Err(Refused { report: "the rules are from no file: give their text".to_owned() });
            };
            let loaded = file.load(&shared.bounds, &*shared.host);
            drop(watched);
            loaded.map(|set| self.take(set))
        })
    }

    fn guarded(&self, load: impl FnOnce() -> Result<(), Refused>) -> Result<(), Refused> {
        let result = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| {
            count(&self.shared.counters.panics);
            Err(Refused { report: "loading the rules panicked: this is a mistake in dtq".to_owned() })
        });
        let counters = &self.shared.counters;
        count(if result.is_ok() { &counters.loads } else { &counters.refusals });
        result
    }

    /// Puts a set in the place of the one that runs: each seat goes over when it is next used.
    fn take(&self, loaded: Loaded) {
        let shared = &self.shared;
        let loaded = Arc::new(loaded);
        let mut current = lock(&shared.loaded);
        *current = Arc::clone(&loaded);
        shared.describe(&loaded);
        shared.running.store(ON, Ordering::Relaxed);
        shared.generation.fetch_add(1, Ordering::Release);
        drop(current);
        changed();
    }

    /// Returns a number that moves on whenever other rules run.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Returns how much of the rules runs.
    pub fn running(&self) -> Running {
        match self.shared.running.load(Ordering::Relaxed) {
            ON => Running::All,
            PROTECTIVE_ONLY => Running::ProtectiveOnly,
            _ => Running::None,
        }
    }

    /// Returns what was counted.
    pub fn counts(&self) -> Counts {
        self.shared.counters.counts()
    }

    /// Returns the account of each rule, in effective order; waits for threads that are judging.
    pub fn accounts(&self) -> Vec<RuleAccount> {
        let mut accounts: Vec<RuleAccount> = Vec::new();
        for seat in &self.shared.seats {
            let seat = lock(seat);
            for (rule, account) in seat.as_ref().map_or_else(Vec::new, |seat| seat.accounts()) {
                match accounts.iter_mut().find(|known| known.rule.as_bytes() == rule.as_bytes()) {
                    Some(known) => add(&mut known.account, account),
                    None => accounts.push(RuleAccount { rule: rule.as_text().into_owned(), account }),
                }
            }
        }
        accounts
    }

    /// Returns what becomes of an OTLP request, and what rules make besides; also of metrics.
    pub fn apply(&self, signal: Signal, request: &[u8]) -> (Fate, Vec<Emission>) {
        let run = |seat: &mut Seat, now_ticks: i64| {
            let mut judged = seat.apply(signal, request, now_ticks, &self.shared.bounds, &*self.shared.host);
            seat.tick_into(&mut judged, now_ticks);
            judged
        };
        self.judge_with(signal, run)
    }

    /// Returns what becomes of a record, and what rules make besides.
    pub fn judge(&self, subject: &dyn Subject) -> (Fate, Vec<Emission>) {
        let shared = &self.shared;
        self.judge_with(subject.signal(), |seat, now| seat.judge(subject, now, &shared.bounds, &*shared.host))
    }

    /// Returns what is due by the time, for hosts that may be silent for long: windows that are over.
    pub fn tick(&self) -> Vec<Emission> {
        self.due(|seat, now_ticks| {
            let mut judged = Judged::plain(Fate::Pass);
            seat.tick_into(&mut judged, now_ticks);
            judged
        })
    }

    /// Returns all that rules still owe, before the process ends; what it does not return is lost.
    pub fn shutdown(&self) -> Vec<Emission> {
        self.due(Seat::shutdown)
    }

    fn due(&self, ask: impl Fn(&mut Seat, i64) -> Judged) -> Vec<Emission> {
        let mut emissions = Vec::new();
        for seat in &self.shared.seats {
            let judged = catch_unwind(AssertUnwindSafe(|| {
                let now_ticks = self.shared.host.now_ticks();
                lock(seat).as_mut().map(|seat| ask(seat, now_ticks))
            }));
            match judged {
                Ok(Some(judged)) => {
                    judged.notices.iter().for_each(|notice| self.say(notice));
                    emissions.extend(judged.emissions);
                }
                Ok(None) => {}
                Err(_) => drop(count(&self.shared.counters.panics)),
            }
        }
        emissions
    }

    /// Hands the host what no wrapper can send on.
    pub fn send(&self, emissions: Vec<Emission>) {
        for emission in emissions {
            let is_taken = catch_unwind(AssertUnwindSafe(|| self.shared.host.emission(emission)));
            if is_taken.is_err() {
                count(&self.shared.counters.panics);
            }
            if !is_taken.unwrap_or(false) {
                count(&self.shared.counters.unsent);
            }
        }
    }

    /// Counts a record that the SDK has no place for.
    #[cfg(any(feature = "opentelemetry", feature = "tracing"))]
    pub(crate) fn note_unfit(&self) {
        count(&self.shared.counters.unfit);
    }

    /// Returns the rules as they were loaded, and whether all of them run.
    #[cfg(feature = "tracing")]
    pub(crate) fn loaded(&self) -> (Arc<Loaded>, bool) {
        (Arc::clone(&lock(&self.shared.loaded)), self.running() == Running::All)
    }

    /// Says whether records of a signal must not pass unjudged.
    pub fn is_protected(&self, signal: Signal) -> bool {
        self.shared.protected.load(Ordering::Relaxed) & (1 << signal as u8) != 0
    }

    fn say(&self, notice: &Notice) {
        if catch_unwind(AssertUnwindSafe(|| self.shared.host.notice(notice))).is_err() {
            count(&self.shared.counters.panics);
        }
    }

    fn judge_with(&self, signal: Signal, run: impl FnOnce(&mut Seat, i64) -> Judged) -> (Fate, Vec<Emission>) {
        let shared = &*self.shared;
        count(&shared.counters.records);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let now_ticks = shared.host.now_ticks();
            self.check_file(now_ticks);
            if shared.concerned.load(Ordering::Relaxed) & 1 << signal as u8 == 0 {
                return Judged::plain(Fate::Pass);
            }
            self.judge_in_a_seat(signal, now_ticks, run)
        }));
        let judged = judged.unwrap_or_else(|_| self.after_panic(signal));
        match judged.fate {
            Fate::Pass => {}
            Fate::Drop => drop(count(&shared.counters.dropped)),
            Fate::Changed(_) => drop(count(&shared.counters.edited)),
        }
        if judged.is_from_fields {
            count(&shared.counters.decided_from_fields);
        }
        if judged.is_too_large {
            count(&shared.counters.too_large);
        }
        if let Some(ns) = judged.excess_ns {
            self.turn_off_by_cost(ns);
        }
        judged.notices.iter().for_each(|notice| self.say(notice));
        (judged.fate, judged.emissions)
    }

    fn judge_in_a_seat(&self, signal: Signal, now_ticks: i64, run: impl FnOnce(&mut Seat, i64) -> Judged) -> Judged {
        let shared = &*self.shared;
        if shared.running.load(Ordering::Relaxed) == OFF {
            count(&shared.counters.while_off);
            return self.unjudged(signal);
        }
        let Some(mut place) = shared.free_seat() else {
            count(&shared.counters.contended);
            return self.unjudged(signal);
        };
        let mut before = Judged::plain(Fate::Pass);
        if place.as_ref().is_none_or(|seat| seat.generation != shared.generation.load(Ordering::Acquire)) {
            before = shared.renew(&mut place, now_ticks);
        }
        // Taken out while it runs: a panic leaves the place empty, and a fresh seat is made for the next record.
        let Some(mut seat) = place.take() else { return self.unjudged(signal) };
        let mut judged = run(&mut seat, now_ticks);
        *place = Some(seat);
        drop(place);
        if !before.emissions.is_empty() || !before.notices.is_empty() {
            before.emissions.append(&mut judged.emissions);
            before.notices.append(&mut judged.notices);
            (judged.emissions, judged.notices) = (before.emissions, before.notices);
        }
        judged
    }

    /// Returns what becomes of a record that nothing judged.
    fn unjudged(&self, signal: Signal) -> Judged {
        if !self.is_protected(signal) {
            return Judged::plain(Fate::Pass);
        }
        count(&self.shared.counters.withheld);
        Judged::plain(Fate::Drop)
    }

    fn after_panic(&self, signal: Signal) -> Judged {
        let panics = count(&self.shared.counters.panics);
        let mut judged = self.unjudged(signal);
        let is_last = panics >= self.shared.bounds.panics_max;
        if panics > 1 && !is_last {
            return judged;
        }
        let what = if is_last && self.shared.running.swap(OFF, Ordering::Relaxed) != OFF {
            changed();
            "rules no longer run"
        } else if panics == 1 {
            "rules go on, without what they remembered"
        } else {
            return judged;
        };
        let message =
            format!("judging a record panicked, {panics} so far: {what}; this is a mistake in dtq or its host");
        judged.notices.push(Notice { event_name: "dtq.inprocess.panic", message });
        judged
    }

    fn turn_off_by_cost(&self, ns: u64) {
        let shared = &self.shared;
        let is_on = shared.running.compare_exchange(ON, PROTECTIVE_ONLY, Ordering::Relaxed, Ordering::Relaxed);
        if is_on.is_err() {
            return;
        }
        shared.generation.fetch_add(1, Ordering::Release);
        changed();
        let max = shared.bounds.ns_per_record_max;
        let message = format!(
            "judging a record takes {ns} ns, more than the {max} ns that are allowed: all but protective rules are off \
             until rules are loaded again"
        );
        self.say(&Notice { event_name: "dtq.inprocess.disabled", message });
    }

    /// Looks at the rule file when it is time, on the thread of whoever is first; nobody waits.
    fn check_file(&self, now_ticks: i64) {
        let shared = &*self.shared;
        let due = shared.next_check_ticks.load(Ordering::Relaxed);
        if now_ticks < due {
            return;
        }
        let next = now_ticks.saturating_add(shared.bounds.check_ticks);
        let is_first = shared.next_check_ticks.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        let Ok(mut watched) = shared.watched.try_lock() else { return };
        let Some(file) = watched.as_mut().filter(|file| is_first.is_ok() && file.has_changed()) else { return };
        let loaded = file.load(&shared.bounds, &*shared.host);
        drop(watched);
        let result = self.guarded(|| loaded.map(|set| self.take(set)));
        if let Err(refused) = result {
            let message = format!("the changed rules are refused, those before go on: {refused}");
            self.say(&Notice { event_name: "dtq.inprocess.refused", message });
        }
    }
}

impl Shared {
    /// Writes down what is asked of the set for every record.
    fn describe(&self, loaded: &Loaded) {
        let bits = |of: [bool; 3]| (0..3).fold(0, |bits, at| bits | u8::from(of[at]) << at);
        let seats = if loaded.has_state { 1 } else { self.seats.len() };
        self.protected.store(bits(loaded.is_protected), Ordering::Relaxed);
        self.concerned.store(bits(loaded.has_rules), Ordering::Relaxed);
        self.seats_used.store(seats as u64, Ordering::Relaxed);
    }

    /// Returns a seat that nobody sits on, the thread's own first.
    fn free_seat(&self) -> Option<MutexGuard<'_, Option<Box<Seat>>>> {
        thread_local! { static MARK: u8 = const { 0 } }
        let used = self.seats_used.load(Ordering::Relaxed) as usize;
        // The address differs from thread to thread; its low bits do not.
        let own = MARK.with(|mark| (std::ptr::from_ref(mark) as usize).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
        for attempt in 0..TRIES {
            match self.seats[(own + attempt) % used].try_lock() {
                Ok(seat) => return Some(seat),
                // What a panic left behind is thrown away.
                Err(TryLockError::Poisoned(seat)) => {
                    let mut seat = seat.into_inner();
                    *seat = None;
                    return Some(seat);
                }
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }

    /// Brings a seat to the rules of now. When another thread is replacing them, the ones before go on.
    fn renew(&self, place: &mut Option<Box<Seat>>, now_ticks: i64) -> Judged {
        let Ok(loaded) = self.loaded.try_lock() else { return Judged::plain(Fate::Pass) };
        let generation = self.generation.load(Ordering::Acquire);
        let loaded_now = Arc::clone(&loaded);
        drop(loaded);
        let is_protective_only = self.running.load(Ordering::Relaxed) == PROTECTIVE_ONLY;
        match place {
            Some(seat) => seat.swap(&loaded_now, is_protective_only, generation, now_ticks),
            None => {
                *place = Some(Box::new(Seat::new(&loaded_now, is_protective_only, generation, now_ticks)));
                Judged::plain(Fate::Pass)
            }
        }
    }
}

/// Tells whoever keeps decisions that they may be others now.
fn changed() {
    #[cfg(feature = "tracing")]
    crate::layer::decide_again();
}

/// Locks, and goes on with what a panicking thread left: everything behind these locks is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn add(to: &mut Account, other: Account) {
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
