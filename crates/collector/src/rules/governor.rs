//! Which rules run: what files say, what an operator ordered, and the versions to go back to.
//!
//! One lock, so that orders come one after the other; files are read before it is taken. An order takes effect first
//! and is kept and written down right after; where that fails the answer says so. Next: `protocol.rs`.

use crate::datagram::Filters;
use crate::events::{Events, Severity};
use crate::rules::audit::Audit;
pub use crate::rules::audit::Who;
use crate::rules::clock;
use crate::rules::modes::{Effective, effective, in_modes};
use crate::rules::native::NativeThread;
use crate::rules::protocol::{Answer, Denial, Refused, VersionEntry};
pub use crate::rules::refusal::Refusal;
use crate::rules::settings::{EngineChoice, Settings, default_state};
use crate::rules::source::{Content, Loaded};
use crate::rules::store::{Kept, Pinned, Ripcord, State, Store};
use crate::rules::worker::{Owed, Worker};
use dtq_rules::compile::RuleSet;
use dtq_rules::file::rule::Mode;
use dtq_rules::file::{Rule, RuleFile};
use dtq_source::Limits;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long files have to stay as they are before they are taken.
const SETTLE: Duration = Duration::from_millis(20);
/// How many problems are kept to be shown.
const PROBLEMS_MAX: usize = 16;

/// Decides which rules run, and sees to it that they do.
pub struct Governor {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) worker: Worker,
    native: Option<NativeThread>,
    /// What puts rules into the kernel.
    filters: Option<Arc<Filters>>,
    store: Store,
    audit: Audit,
    events: Events,
    pub(super) inner: Mutex<Inner>,
    /// Grows whenever other rules run.
    generation: AtomicU64,
}

/// What changes.
pub(super) struct Inner {
    pub(super) state: State,
    /// What the files held when they were last looked at.
    pub(super) seen: Content,
    pub(super) current: Current,
    pub(super) kept: Vec<VersionEntry>,
    pub(super) refused: Option<Refused>,
    pub(super) problems: Vec<String>,
    /// What is kept of the state.
    saved: State,
    /// Whether the process ends: nothing is ordered any more.
    is_over: bool,
}

/// What was ordered and what became of the files, in short.
pub(super) struct Orders {
    pub(super) version: u64,
    pub(super) since_ticks: i64,
    pub(super) is_refused: bool,
    pub(super) is_pulled: bool,
    pub(super) is_rolled_back: bool,
    pub(super) off_count: usize,
    pub(super) problems: Vec<String>,
}

/// What runs.
pub(super) struct Current {
    pub(super) version: u64,
    pub(super) since: String,
    since_ticks: i64,
    /// The rules as their files say.
    pub(super) loaded: Loaded,
    /// The same, each in the mode in which it runs.
    pub(super) effective: Arc<Vec<RuleFile>>,
}

impl Governor {
    /// Reads what was ordered and the rule files, and starts the thread that judges; what happens is said by `events`.
    ///
    /// # Errors
    /// When the rule files are wrong and no earlier version is kept; when the system refuses.
    pub fn open(
        settings: Settings,
        filters: Option<Arc<Filters>>,
        events: Events,
    ) -> Result<(Self, Owed, JoinHandle<()>), Refusal> {
        let limits = Limits::default();
        let folder = settings.state.clone().unwrap_or_else(default_state);
        let refused = |error: std::io::Error| {
            Refusal::System(format!("cannot keep the state of rules in `{}`: {error}", folder.display()))
        };
        let store = Store::open(&folder).map_err(refused)?;
        let audit = Audit::open(&store.path("audit.jsonl"), settings.bounds.audit_bytes).map_err(refused)?;
        let (state, problem) = store.state();
        let kept = store.versions();
        let first = First::find(&settings, &limits, &store, &kept, state)?;
        let First { state, seen, version, time, loaded, effective: (effective, set), refused } = first;
        let set = Arc::new(set);
        let system = |error: std::io::Error| Refusal::System(format!("cannot start a thread: {error}"));
        let (worker, owed, thread) =
            Worker::start(Arc::clone(&set), version, &settings.bounds, events.clone()).map_err(system)?;
        let native = match settings.engine {
            EngineChoice::Interp => None,
            EngineChoice::Auto => {
                let (user, shared) = (worker.clone(), Arc::clone(worker.shared()));
                let deliver = move |native| user.use_native(native);
                Some(NativeThread::start(deliver, move |refusal| shared.refuse_native(refusal)).map_err(system)?)
            }
        };
        if let Some(native) = &native {
            native.compile(set);
        }
        if let Some(filters) = &filters {
            worker.shared().count_with(Arc::clone(filters));
            filters.install(&effective).map_err(Refusal::System)?;
        }
        let since_ticks = clock::now_ticks();
        let since = clock::shown(since_ticks);
        let current = Current { version, since, since_ticks, loaded, effective: Arc::new(effective) };
        let problems = problem.into_iter().collect();
        // Whatever was found is kept anew.
        let saved = State::default();
        let inner = Inner { state, seen, current, kept, refused, problems, saved, is_over: false };
        let inner = Mutex::new(inner);
        let generation = AtomicU64::new(0);
        let governor = Self { settings, limits, worker, native, filters, store, audit, events, inner, generation };
        governor.begin(time);
        Ok((governor, owed, thread))
    }

    /// Keeps and writes down with what the process began.
    fn begin(&self, time: String) {
        let mut inner = self.locked();
        let message = format!("version {} runs", inner.current.version);
        let refused = inner.refused.clone();
        self.save(&mut inner);
        self.keep(&mut inner, time);
        self.write_down(&mut inner, Who::Start, "start", json!({}), Ok(&message));
        if let Some(refused) = refused {
            let message = "the rule files are wrong; the last version that was not runs";
            self.write_down(&mut inner, Who::Start, "load", json!({"diagnostics": refused.diagnostics}), Err(message));
        }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a number that grows whenever other rules run.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns rules as they run, and as their files say.
    pub(super) fn rule_files(&self) -> (Arc<Vec<RuleFile>>, Vec<RuleFile>) {
        let inner = self.locked();
        (Arc::clone(&inner.current.effective), inner.current.loaded.files.clone())
    }

    /// Returns what was ordered and what became of the files; `None` while an order is in work.
    pub(super) fn orders(&self) -> Option<Orders> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Orders {
            version: inner.current.version,
            since_ticks: inner.current.since_ticks,
            is_refused: inner.refused.is_some(),
            is_pulled: inner.state.ripcord.is_some(),
            is_rolled_back: inner.state.pinned.is_some(),
            off_count: inner.state.off.len(),
            problems: inner.problems.clone(),
        })
    }

    /// Turns a rule off.
    pub fn off(&self, who: Who, rule: &str) -> Answer {
        self.order(who, "off", json!({ "rule": rule }), |inner, governor| {
            inner.current.find(rule)?;
            let mut state = inner.state.clone();
            state.on.remove(rule);
            if !state.off.insert(rule.to_owned()) {
                return Ok(format!("`{rule}` is off already"));
            }
            governor.install(inner, state)?;
            Ok(format!("`{rule}` is off"))
        })
    }

    /// Lets a rule do what its file says, or act where that is nothing; also one that turned itself off.
    pub fn on(&self, who: Who, rule: &str) -> Answer {
        self.order(who, "on", json!({ "rule": rule }), |inner, governor| {
            let by_file = inner.current.find(rule)?.mode;
            let mut state = inner.state.clone();
            state.off.remove(rule);
            if by_file == Mode::Off {
                state.on.insert(rule.to_owned());
            }
            let report = governor.worker.shared().last_report();
            let is_tired = report.rules.iter().any(|(name, account)| name == rule && account.disabled.is_some());
            if is_tired {
                // Only a rule that was not there begins without what it found out about itself.
                let mut without = state.clone();
                without.off.insert(rule.to_owned());
                governor.install(inner, without)?;
            }
            governor.install(inner, state)?;
            let pulled = if inner.state.ripcord.is_some() { ", once the ripcord is restored" } else { "" };
            Ok(format!("`{rule}` is on{pulled}"))
        })
    }

    /// Turns all rules off at once, but protective ones unless they are meant too.
    pub fn ripcord(&self, who: Who, also_protective: u8) -> Answer {
        self.order(who, "ripcord", json!({ "also_protective": also_protective }), |inner, governor| {
            if also_protective == 1 {
                let message = "protective rules keep telemetry from showing what it must not: \
                               say --also-protective twice to turn them off too";
                return Err(Denial::new(message, Vec::new()));
            }
            let also_protective = also_protective > 1;
            let since = clock::shown(clock::now_ticks());
            let state = State { ripcord: Some(Ripcord { since, also_protective }), ..inner.state.clone() };
            governor.install(inner, state)?;
            let what = if also_protective { "all rules are off" } else { "all rules but protective ones are off" };
            Ok(what.to_owned())
        })
    }

    /// Lets rules run as before the ripcord.
    pub fn restore(&self, who: Who) -> Answer {
        self.order(who, "restore", json!({}), |inner, governor| {
            if inner.state.ripcord.is_none() {
                return Ok("the ripcord is not pulled".to_owned());
            }
            governor.install(inner, State { ripcord: None, ..inner.state.clone() })?;
            Ok("rules run as before the ripcord".to_owned())
        })
    }

    /// Lets an earlier version run until files change; without a number, that before the one that runs.
    pub fn rollback(&self, who: Who, version: Option<u64>) -> Answer {
        self.order(who, "rollback", json!({ "version": version }), |inner, governor| {
            let running = inner.current.version;
            let before = || inner.kept.iter().map(|kept| kept.version).filter(|one| *one < running).max();
            let Some(version) = version.or_else(before) else {
                return Err(Denial::new(format!("there is no version before {running}"), Vec::new()));
            };
            let kept = governor.store.version(version).map_err(|error| {
                let numbers: Vec<String> = inner.kept.iter().map(|kept| kept.version.to_string()).collect();
                let message = format!("there is no version {version} ({error}); kept are {}", numbers.join(", "));
                Denial::new(message, Vec::new())
            })?;
            let loaded = kept.content.load(true, &governor.limits, clock::now_ticks());
            let pinned = Some(Pinned { version, against: inner.seen.hash() });
            let state = State { pinned, ..inner.state.clone() };
            governor.replace(inner, loaded, version, state).map_err(|diagnostics| {
                Denial::new(format!("version {version} does not compile any more"), diagnostics)
            })?;
            Ok(format!("version {version} runs until the rule files change or are reloaded"))
        })
    }

    /// Reads the rule files and runs what they say, also instead of a version that was rolled back to.
    pub fn reload(&self, who: Who) -> Answer {
        let seen = self.locked().seen.clone();
        self.take(who, seen.read_again(&self.settings.files, &self.limits), true)
    }

    /// Looks whether files have changed, and runs what they say then.
    ///
    /// Files that are just being written are left for the next time.
    pub fn look(&self) {
        if self.filters.as_ref().is_some_and(|filters| filters.is_due()) {
            self.install_in_kernel(&mut self.locked());
        }
        let seen = self.locked().seen.clone();
        let now = seen.read_again(&self.settings.files, &self.limits);
        if now == seen {
            return;
        }
        std::thread::sleep(SETTLE);
        if now == seen.read_again(&self.settings.files, &self.limits) {
            self.take(Who::Files, now, false);
        }
    }

    /// Runs what files say.
    fn take(&self, who: Who, content: Content, is_ordered: bool) -> Answer {
        let loaded = content.load(false, &self.limits, clock::now_ticks());
        let mut inner = self.locked();
        if inner.is_over {
            return ending();
        }
        inner.seen = loaded.content.clone();
        let pinned = inner.state.pinned.as_ref();
        if !is_ordered && pinned.is_some_and(|pinned| pinned.against == inner.seen.hash()) {
            return Answer::done("the files say what they said at the rollback");
        }
        if loaded.content == inner.current.loaded.content {
            inner.refused = None;
            if inner.state.pinned.take().is_some() {
                self.save(&mut inner);
            }
            let message = format!("version {} runs already", inner.current.version);
            return self.answer(&mut inner, who, "load", json!({}), Ok(message));
        }
        let version = inner.kept.iter().map(|kept| kept.version).max().unwrap_or(0) + 1;
        let state = State { pinned: None, ..inner.state.clone() };
        let result = match self.replace(&mut inner, loaded, version, state) {
            Ok(()) => {
                self.keep(&mut inner, clock::shown(clock::now_ticks()));
                Ok(format!("version {version} runs"))
            }
            Err(diagnostics) => {
                let time = clock::shown(clock::now_ticks());
                inner.refused = Some(Refused { time, diagnostics: diagnostics.clone() });
                let message = format!("the rule files are wrong; version {} goes on", inner.current.version);
                Err(Denial::new(message, diagnostics))
            }
        };
        self.answer(&mut inner, who, "load", json!({ "version": version }), result)
    }

    /// Puts other rules in the place of those that run.
    fn replace(&self, inner: &mut Inner, loaded: Loaded, version: u64, state: State) -> Result<(), Vec<String>> {
        let now = clock::now_ticks();
        let (effective, set) = effective(&loaded, &state, &self.limits, now)?;
        inner.refused = None;
        let since = clock::shown(now);
        inner.current = Current { version, since, since_ticks: now, loaded, effective: Arc::new(effective) };
        inner.state = state;
        self.run(inner, set);
        Ok(())
    }

    /// Runs the same rules in other modes.
    fn install(&self, inner: &mut Inner, state: State) -> Result<(), Denial> {
        let made = in_modes(&inner.current.loaded, &state, &self.limits, clock::now_ticks(), None);
        let (effective, set) = made.map_err(|diagnostics| {
            let message = "the rules do not compile in these modes; what ran before goes on";
            Denial::new(message, diagnostics)
        })?;
        inner.current.effective = Arc::new(effective);
        inner.state = state;
        self.run(inner, set);
        Ok(())
    }

    fn run(&self, inner: &mut Inner, set: RuleSet) {
        let set = Arc::new(set);
        if let Err(late) = self.worker.swap(Arc::clone(&set), inner.current.version) {
            self.problem(inner, late);
        }
        if let Some(native) = &self.native {
            native.compile(set);
        }
        self.install_in_kernel(inner);
        self.generation.fetch_add(1, Ordering::Release);
        self.save(inner);
    }

    /// Puts the kernel's part of the rules that run onto sockets.
    fn install_in_kernel(&self, inner: &mut Inner) {
        if let Some(Err(problem)) = self.filters.as_ref().map(|filters| filters.install(&inner.current.effective)) {
            self.problem(inner, problem);
        }
    }

    /// Does what was ordered, writes it down, and returns the answer.
    fn order(
        &self,
        who: Who,
        op: &str,
        details: Value,
        act: impl FnOnce(&mut Inner, &Self) -> Result<String, Denial>,
    ) -> Answer {
        let mut inner = self.locked();
        if inner.is_over {
            return ending();
        }
        let result = act(&mut inner, self);
        self.answer(&mut inner, who, op, details, result)
    }

    fn answer(
        &self,
        inner: &mut Inner,
        who: Who,
        op: &str,
        mut details: Value,
        result: Result<String, Denial>,
    ) -> Answer {
        let problem_count = inner.problems.len();
        let mut answer = result.map_or_else(Answer::from, Answer::done);
        if let Value::Object(details) = &mut details {
            details.insert("running".into(), inner.current.version.into());
            if !answer.diagnostics.is_empty() {
                details.insert("diagnostics".into(), answer.diagnostics.clone().into());
            }
        }
        let outcome = if answer.ok { Ok(answer.message.as_str()) } else { Err(answer.message.as_str()) };
        self.write_down(inner, who, op, details, outcome);
        for problem in inner.problems.iter().skip(problem_count) {
            answer.message = format!("{}; but {problem}", answer.message);
        }
        answer
    }

    /// Writes down what somebody did that is no order.
    pub(super) fn note(&self, who: Who, op: &str, details: Value, result: Result<&str, &str>) {
        let mut inner = self.locked();
        self.write_down(&mut inner, who, op, details, result);
    }

    /// Says that looking at rule files failed; what was seen then is not looked at again until it changes.
    pub(super) fn note_failure(&self) {
        let mut inner = self.locked();
        let problem = "reading the rule files failed, by a mistake in dtq; what ran before goes on";
        self.problem(&mut inner, problem.to_owned());
        let seen = inner.seen.clone();
        drop(inner);
        let now = seen.read_again(&self.settings.files, &self.limits);
        self.locked().seen = now;
    }

    fn write_down(&self, inner: &mut Inner, who: Who, op: &str, details: Value, result: Result<&str, &str>) {
        self.say(who, op, &details, result);
        if let Err(error) = self.audit.write(who, op, details, result) {
            self.problem(inner, format!("the audit cannot be written: {error}"));
        }
    }

    /// Says what was ordered and what came of it. Looking at telemetry changes nothing, and scripts do it often.
    fn say(&self, who: Who, op: &str, details: &Value, result: Result<&str, &str>) {
        if matches!(op, "tap" | "top") {
            return;
        }
        let by = match who {
            Who::Peer { uid, pid } => format!(" (by user {uid}, process {pid})"),
            Who::Files | Who::Start | Who::Signal => String::new(),
        };
        let severity = if result.is_ok() { Severity::Info } else { Severity::Error };
        let mut text = format!("rules: {}{by}", result.unwrap_or_else(|message| message));
        for diagnostic in details["diagnostics"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            text.push('\n');
            text.push_str(diagnostic.trim_end());
        }
        self.events.tell(severity, &format!("rules.{op}"), None, text);
    }

    fn save(&self, inner: &mut Inner) {
        if inner.saved == inner.state {
            return;
        }
        match self.store.save(&inner.state) {
            Ok(()) => inner.saved = inner.state.clone(),
            Err(error) => self.problem(inner, format!("the state cannot be kept over a restart: {error}")),
        }
    }

    /// Says what does not work as it should, and keeps it to be shown.
    fn problem(&self, inner: &mut Inner, problem: String) {
        self.events.warn("rules.problem", || format!("rules: {problem}"));
        if !inner.problems.contains(&problem) {
            if inner.problems.len() >= PROBLEMS_MAX {
                inner.problems.remove(0);
            }
            inner.problems.push(problem);
        }
    }

    /// Obeys nobody any more, and gives the folder of the state up for another process.
    pub(super) fn end(&self) {
        let mut inner = self.locked();
        inner.is_over = true;
        self.store.release();
    }

    /// Keeps the version that runs, if it is new.
    fn keep(&self, inner: &mut Inner, time: String) {
        let version = inner.current.version;
        if inner.kept.iter().any(|kept| kept.version == version) {
            return;
        }
        let kept = Kept { version, time: time.clone(), content: inner.current.loaded.content.clone() };
        let spared = inner.state.pinned.as_ref().map(|pinned| pinned.version);
        match self.store.keep(&kept, self.settings.bounds.versions, spared) {
            Ok(()) => {
                inner.kept.push(VersionEntry { version, time });
                let numbers = self.store.numbers().unwrap_or_default();
                inner.kept.retain(|kept| numbers.contains(&kept.version));
            }
            Err(error) => self.problem(inner, format!("version {version} cannot be kept: {error}")),
        }
    }
}

impl Current {
    /// Returns a rule by its name.
    fn find(&self, name: &str) -> Result<&Rule, Denial> {
        let mut rules = self.loaded.files.iter().flat_map(|file| &file.rules);
        rules.find(|rule| rule.name.value == name).ok_or_else(|| {
            let rules = self.loaded.files.iter().flat_map(|file| &file.rules);
            let near = rules.map(|rule| (strsim::jaro_winkler(&rule.name.value, name), &rule.name.value));
            let near = near.filter(|(likeness, _)| *likeness > 0.8).max_by(|one, two| one.0.total_cmp(&two.0));
            let meant =
                near.map_or_else(|| "`dtq ctl rules` lists them".to_owned(), |(_, near)| format!("`{near}` is one"));
            Denial::new(format!("there is no rule `{name}`; {meant}"), Vec::new())
        })
    }
}

/// With what a process begins.
struct First {
    state: State,
    seen: Content,
    version: u64,
    time: String,
    loaded: Loaded,
    effective: Effective,
    refused: Option<Refused>,
}

impl First {
    /// Finds the rules that run first: those that were rolled back to, those of the files, or the last that were kept.
    fn find(
        settings: &Settings,
        limits: &Limits,
        store: &Store,
        kept: &[VersionEntry],
        mut state: State,
    ) -> Result<Self, Refusal> {
        let now = clock::now_ticks();
        let time = clock::shown(now);
        let of_files = Content::read(&settings.files, limits).load(false, limits, now);
        let seen = of_files.content.clone();
        let from_store = |version: u64, state: &State| {
            let loaded = store.version(version).ok()?.content.load(true, limits, now);
            let effective = effective(&loaded, state, limits, now).ok()?;
            Some((version, loaded, effective))
        };
        if let Some(pinned) = state.pinned.clone().filter(|pinned| pinned.against == seen.hash())
            && let Some((version, loaded, effective)) = from_store(pinned.version, &state)
        {
            return Ok(Self { state, seen, version, time, loaded, effective, refused: None });
        }
        state.pinned = None;
        match effective(&of_files, &state, limits, now) {
            Ok(effective) => {
                let last = kept.last().and_then(|last| store.version(last.version).ok());
                let same = last.filter(|last| last.content == seen).map(|last| last.version);
                let next = kept.iter().map(|kept| kept.version).max().unwrap_or(0) + 1;
                let version = same.unwrap_or(next);
                Ok(Self { state, seen, version, time, loaded: of_files, effective, refused: None })
            }
            Err(diagnostics) => {
                let mut earlier = kept.iter().rev().filter_map(|kept| from_store(kept.version, &state));
                let Some((version, loaded, effective)) = earlier.next() else {
                    return Err(Refusal::Rules(diagnostics));
                };
                let refused = Some(Refused { time: time.clone(), diagnostics });
                Ok(Self { state, seen, version, time, loaded, effective, refused })
            }
        }
    }
}

fn ending() -> Answer {
    Denial::new("the process is ending", Vec::new()).into()
}

impl Drop for Governor {
    fn drop(&mut self) {
        let _ = self.worker.stop();
    }
}

/// Returns the paths of settings as text.
pub(super) fn shown_paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}
