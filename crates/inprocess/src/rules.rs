//! The rules of a process: what all wrappers share, from loading and reloading to judging and the counts.
//!
//! No record waits for another thread, and no panic leaves: a record that cannot be judged passes, unless a protective
//! rule stands for its signal. Next: `reload.rs`.

use crate::counts::{Counters, Counts, count};
use crate::host::{Host, Notice};
use crate::load::{Bounds, Loaded, Refused, Watched, load};
use crate::places::{Places, after_fork, lock, try_lock};
use crate::seat::{Fate, Judged, Seat, add};
use crate::subject::Subject;
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Account, Emission};
use dtq_rules::file::NoFiles;
use serde::Serialize;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
#[cfg(feature = "opentelemetry")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

pub(crate) const ON: u8 = 0;
const PROTECTIVE_ONLY: u8 = 1;
const OFF: u8 = 2;

/// How deep the host is called within its own calls.
const HOST_DEPTH_MAX: u32 = 4;

/// How often the time until rules are tried again is doubled.
const RETRY_DOUBLINGS_MAX: u32 = 6;

/// Says how much of the rules runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Running {
    /// All of them.
    All,
    /// The protective ones: judging cost more than its budget. The others are tried again after `Bounds::retry_ticks`.
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
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub bounds: Bounds,
    pub host: Box<dyn Host>,
    pub places: Places,
    /// Moves on with every set, and when all but protective rules are turned off.
    pub generation: AtomicU64,
    pub running: AtomicU8,
    /// How many seats the set may use: one where rules remember something.
    seats_used: AtomicU64,
    /// A bit a signal whose records must not pass unjudged.
    protected: AtomicU8,
    /// A bit a signal that some rule is for.
    concerned: AtomicU8,
    /// By signal, how many wrappers send on what other wrappers' records make.
    attached: [AtomicU32; 3],
    pub next_check_ticks: AtomicI64,
    /// When rules that cost too much are tried again, and how often that was in vain.
    retry_ticks: AtomicI64,
    pub retries: AtomicU32,
    /// Panics of judging since the rules were loaded.
    pub panics_since_load: AtomicU64,
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
        after_fork();
        let next_check = if watched.is_some() { host.now_ticks().saturating_add(bounds.check_ticks) } else { i64::MAX };
        let loaded = Arc::new(loaded);
        let shared = Shared {
            host,
            places: Places::new(bounds.seats.clamp(1, 64), Some(Arc::clone(&loaded)), watched),
            generation: AtomicU64::new(1),
            running: AtomicU8::new(ON),
            seats_used: AtomicU64::new(1),
            protected: AtomicU8::new(0),
            concerned: AtomicU8::new(0),
            attached: Default::default(),
            next_check_ticks: AtomicI64::new(next_check),
            retry_ticks: AtomicI64::new(i64::MAX),
            retries: AtomicU32::new(0),
            panics_since_load: AtomicU64::new(0),
            bounds,
        };
        shared.describe(&loaded);
        count(&shared.counters().loads);
        let rules = Self { shared: Arc::new(shared) };
        rules.say_of(&loaded);
        rules
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
        self.shared.places_now().counters.counts()
    }

    /// Returns the account of each rule, in effective order; waits for threads that are judging.
    pub fn accounts(&self) -> Vec<RuleAccount> {
        let loaded = lock(&self.shared.places_now().loaded).clone();
        let rules = loaded.iter().flat_map(|loaded| &loaded.set.rules);
        let mut accounts: Vec<RuleAccount> = rules
            .map(|rule| RuleAccount { rule: rule.name.as_text().into_owned(), account: Account::default() })
            .collect();
        // What the rules before still owed goes on, where this is the first to come after a reload.
        let owed = self.due(|seat, _| {
            for (rule, account) in seat.accounts() {
                if let Some(known) = accounts.iter_mut().find(|known| known.rule.as_bytes() == rule.as_bytes()) {
                    add(&mut known.account, account);
                }
            }
            Judged::plain(Fate::Pass)
        });
        self.send(owed);
        accounts
    }

    /// Returns what becomes of an OTLP request, and what rules make besides; also of metrics.
    pub fn apply(&self, signal: Signal, request: &[u8]) -> (Fate, Vec<Emission>) {
        let shared = &self.shared;
        self.judge_with(signal, |seat, now_ticks| {
            let mut judged = seat.apply_measured(signal, request, now_ticks, &shared.bounds, &*shared.host);
            seat.tick_into(&mut judged, now_ticks);
            judged
        })
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

    /// Asks each seat that there is, on the rules of now; what a panic leaves behind is thrown away.
    fn due(&self, mut ask: impl FnMut(&mut Seat, i64) -> Judged) -> Vec<Emission> {
        let shared = &*self.shared;
        let mut emissions = Vec::new();
        for mut place in shared.places_now().seats() {
            let judged = catch_unwind(AssertUnwindSafe(|| {
                place.is_some().then(|| {
                    let now_ticks = shared.host.now_ticks();
                    let renewed = shared.renew_where_other(&mut place, now_ticks);
                    [Some(renewed), place.as_mut().map(|seat| ask(seat, now_ticks))]
                })
            }));
            if judged.is_err() {
                *place = None;
                count(&shared.counters().panics);
            }
            // Nobody hears of anything while a seat is taken.
            drop(place);
            for judged in judged.into_iter().flatten().flatten().flatten() {
                judged.notices.iter().for_each(|notice| self.say(notice));
                emissions.extend(judged.emissions);
            }
        }
        emissions
    }

    /// Hands on what no wrapper at hand can send: to the wrapper of its signal where there is one, else to the host.
    pub fn send(&self, emissions: Vec<Emission>) {
        let shared = &*self.shared;
        for emission in emissions {
            let is_attached = shared.attached[emission.signal as usize].load(Ordering::Relaxed) > 0;
            if emission.destination.is_none() && is_attached {
                let bytes_max = shared.bounds.outbox_bytes_max;
                if !shared.places.current().put(emission.signal, &emission.request, bytes_max) {
                    count(&shared.counters().unsent);
                }
                continue;
            }
            if !self.calling_host(|| shared.host.emission(emission)).unwrap_or(false) {
                count(&shared.counters().unsent);
            }
        }
    }

    /// Says that a wrapper sends on what rules make of a signal, until that ends.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn attach(&self, signal: Signal) -> Attachment {
        self.shared.attached[signal as usize].fetch_add(1, Ordering::Relaxed);
        Attachment { rules: self.clone(), signal, is_over: AtomicBool::new(false) }
    }

    /// Says whether something waits for the wrapper of a signal.
    #[cfg(feature = "opentelemetry")]
    #[inline]
    pub(crate) fn is_waiting(&self, signal: Signal) -> bool {
        self.shared.places.current().is_waiting(signal)
    }

    /// Returns the request that waits for the wrapper of a signal; most often empty.
    #[cfg(feature = "opentelemetry")]
    #[inline]
    pub(crate) fn waiting(&self, signal: Signal) -> Vec<u8> {
        self.shared.places.current().take(signal)
    }

    /// Calls what stands behind a wrapper; where that panics, the panic ends here and is counted.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn calling<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let returned = catch_unwind(AssertUnwindSafe(call)).ok();
        if returned.is_none() {
            count(&self.shared.counters().panics_behind);
        }
        returned
    }

    /// Counts a record that the SDK has no place for.
    #[cfg(any(feature = "opentelemetry", feature = "tracing"))]
    pub(crate) fn note_unfit(&self) {
        count(&self.shared.counters().unfit);
    }

    /// Counts a record whose protective rule did something that cannot be done to it, so that it must not pass.
    #[cfg(any(feature = "opentelemetry", feature = "tracing"))]
    pub(crate) fn note_withheld(&self) {
        count(&self.shared.counters().withheld);
    }

    /// Returns the rules as they were loaded, and whether all of them run.
    #[cfg(feature = "tracing")]
    pub(crate) fn loaded(&self) -> (Option<Arc<Loaded>>, bool) {
        (lock(&self.shared.places.current().loaded).clone(), self.running() == Running::All)
    }

    /// Says whether any rule is for a signal: where none is, nothing has to be made to be judged.
    ///
    /// Looks at the rule file when it is time, as judging does.
    pub fn concern(&self, signal: Signal) -> bool {
        let looked = catch_unwind(AssertUnwindSafe(|| self.check_file(self.shared.host.now_ticks())));
        if looked.is_err() {
            count(&self.shared.counters().panics);
        }
        self.shared.concerned.load(Ordering::Relaxed) & 1 << signal as u8 != 0
    }

    /// Says whether records of a signal must not pass unjudged.
    pub fn is_protected(&self, signal: Signal) -> bool {
        self.shared.protected.load(Ordering::Relaxed) & (1 << signal as u8) != 0
    }

    pub(crate) fn say(&self, notice: &Notice) {
        self.calling_host(|| self.shared.host.notice(notice));
    }

    /// Calls the host, unless that would be once more within its own calls; a panic ends here and is counted.
    fn calling_host<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        thread_local! { static DEPTH: Cell<u32> = const { Cell::new(0) } }
        let depth = DEPTH.get();
        if depth >= HOST_DEPTH_MAX {
            return None;
        }
        DEPTH.set(depth + 1);
        let returned = catch_unwind(AssertUnwindSafe(call));
        DEPTH.set(depth);
        if returned.is_err() {
            count(&self.shared.counters().panics);
        }
        returned.ok()
    }

    fn judge_with(&self, signal: Signal, run: impl FnOnce(&mut Seat, i64) -> Judged) -> (Fate, Vec<Emission>) {
        let shared = &*self.shared;
        count(&shared.counters().records);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let now_ticks = shared.host.now_ticks();
            self.check_file(now_ticks);
            if shared.concerned.load(Ordering::Relaxed) & 1 << signal as u8 == 0 {
                return Judged::plain(Fate::Pass);
            }
            self.judge_in_a_seat(signal, now_ticks, run)
        }));
        let judged = judged.unwrap_or_else(|_| self.after_panic(signal));
        let counters = shared.counters();
        match judged.fate {
            Fate::Pass => {}
            Fate::Drop => drop(count(&counters.dropped)),
            Fate::Changed(_) => drop(count(&counters.edited)),
        }
        if judged.is_from_fields {
            count(&counters.decided_from_fields);
        }
        if judged.is_too_large {
            count(&counters.too_large);
        }
        if let Some(ns) = judged.excess_ns {
            self.turn_off_by_cost(ns);
        }
        judged.notices.iter().for_each(|notice| self.say(notice));
        (judged.fate, judged.emissions)
    }

    fn judge_in_a_seat(&self, signal: Signal, now_ticks: i64, run: impl FnOnce(&mut Seat, i64) -> Judged) -> Judged {
        let shared = &*self.shared;
        match shared.running.load(Ordering::Relaxed) {
            ON => {}
            PROTECTIVE_ONLY => self.try_again(now_ticks),
            _ => {
                count(&shared.counters().while_off);
                return self.unjudged(signal);
            }
        }
        let Some(mut place) = shared.free_seat() else {
            count(&shared.counters().contended);
            return self.unjudged(signal);
        };
        let mut before = shared.renew_where_other(&mut place, now_ticks);
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
        count(&self.shared.counters().withheld);
        Judged::plain(Fate::Drop)
    }

    fn after_panic(&self, signal: Signal) -> Judged {
        count(&self.shared.counters().panics);
        let panics = count(&self.shared.panics_since_load);
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
        let (max, retry_ticks) = (shared.bounds.ns_per_record_max, shared.bounds.retry_ticks);
        let is_on = shared.running.compare_exchange(ON, PROTECTIVE_ONLY, Ordering::Relaxed, Ordering::Relaxed);
        if is_on.is_err() {
            return;
        }
        // Each time in vain doubles the time until the next.
        let retries = shared.retries.fetch_add(1, Ordering::Relaxed).min(RETRY_DOUBLINGS_MAX);
        let pause = retry_ticks.saturating_mul(1 << retries);
        let now_ticks = catch_unwind(AssertUnwindSafe(|| shared.host.now_ticks())).unwrap_or(i64::MAX);
        shared
            .retry_ticks
            .store(if retry_ticks > 0 { now_ticks.saturating_add(pause) } else { i64::MAX }, Ordering::Relaxed);
        shared.generation.fetch_add(1, Ordering::Release);
        changed();
        let until = match retry_ticks {
            1.. => format!("for {} s, or until rules are loaded again", pause / 10_000_000),
            _ => "until rules are loaded again".to_owned(),
        };
        let message = format!(
            "judging a record takes {ns} ns, more than the {max} ns that are allowed: all but protective rules are off {until}"
        );
        self.say(&Notice { event_name: "dtq.inprocess.disabled", message });
    }

    /// Turns rules on again that cost too much, when their time is over.
    fn try_again(&self, now_ticks: i64) {
        let shared = &self.shared;
        let due = shared.retry_ticks.load(Ordering::Relaxed);
        let pause_max = shared.bounds.retry_ticks.saturating_mul(1 << RETRY_DOUBLINGS_MAX);
        // Where the clock was set back, the time that was meant is further away than it ever was.
        let is_due = due != i64::MAX && (now_ticks >= due || due.saturating_sub(now_ticks) > pause_max);
        let is_first =
            is_due && shared.retry_ticks.compare_exchange(due, i64::MAX, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_first {
            return;
        }
        let is_off = shared.running.compare_exchange(PROTECTIVE_ONLY, ON, Ordering::Relaxed, Ordering::Relaxed);
        if is_off.is_ok() {
            shared.generation.fetch_add(1, Ordering::Release);
            changed();
            let message = "rules that cost too much are tried again".to_owned();
            self.say(&Notice { event_name: "dtq.inprocess.enabled", message });
        }
    }
}

/// Says, as long as it is there and has not ended, that a wrapper sends on what rules make of a signal.
#[cfg(feature = "opentelemetry")]
#[derive(Debug)]
pub(crate) struct Attachment {
    rules: Rules,
    signal: Signal,
    is_over: AtomicBool,
}

#[cfg(feature = "opentelemetry")]
impl Attachment {
    pub fn end(&self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            self.rules.shared.attached[self.signal as usize].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "opentelemetry")]
impl Drop for Attachment {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// Returns what threads take in turns, for whoever may take a moment: after a fork it is the child's.
    pub fn places_now(&self) -> &Places {
        after_fork();
        self.places.current()
    }

    pub fn counters(&self) -> &Counters {
        &self.places.current().counters
    }

    /// Returns a seat that nobody sits on.
    fn free_seat(&self) -> Option<MutexGuard<'_, Option<Box<Seat>>>> {
        let used = self.seats_used.load(Ordering::Relaxed) as usize;
        let places = self.places.current();
        places.free_seat(used).or_else(|| {
            // Perhaps those who sit there were threads of the parent.
            let now = self.places_now();
            (!std::ptr::eq(now, places)).then(|| now.free_seat(used)).flatten()
        })
    }

    /// Writes down what is asked of the set for every record.
    pub fn describe(&self, loaded: &Loaded) {
        let bits = |of: [bool; 3]| (0..3).fold(0, |bits, at| bits | u8::from(of[at]) << at);
        let seats = if loaded.has_state { 1 } else { self.bounds.seats.clamp(1, 64) };
        self.protected.store(bits(loaded.is_protected), Ordering::Relaxed);
        self.concerned.store(bits(loaded.has_rules), Ordering::Relaxed);
        self.seats_used.store(seats as u64, Ordering::Relaxed);
    }

    /// Brings a seat to the rules of now, where it has others.
    #[inline]
    fn renew_where_other(&self, place: &mut Option<Box<Seat>>, now_ticks: i64) -> Judged {
        match place {
            Some(seat) if seat.generation == self.generation.load(Ordering::Acquire) => Judged::plain(Fate::Pass),
            _ => self.renew(place, now_ticks),
        }
    }

    /// Brings a seat to the rules of now. When another thread is replacing them, the ones before go on.
    fn renew(&self, place: &mut Option<Box<Seat>>, now_ticks: i64) -> Judged {
        let Some(loaded) = try_lock(&self.places.current().loaded) else { return Judged::plain(Fate::Pass) };
        let generation = self.generation.load(Ordering::Acquire);
        let Some(loaded_now) = loaded.clone() else { return Judged::plain(Fate::Pass) };
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
pub(crate) fn changed() {
    #[cfg(feature = "tracing")]
    crate::layer::decide_again();
}
