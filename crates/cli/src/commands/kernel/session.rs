//! An attached program from its first datagram to its last: rule files are watched, and others may ask for its account.
//!
//! Where new rules are wrong, or the kernel refuses their program, those of before go on. Next: `attach.rs`, `relay.rs`.

use super::account::Account;
use super::control::Control;
use super::loaded::{Loaded, kind_of, load_keeping, set_rules};
use super::point::Point;
use super::points::Points;
use super::watch::Watch;
use super::{refusal, report, subject};
use crate::args::KernelRunArguments;
use crate::commands::query;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::rule_set;
use dtq_ebpf::filter::Front;
use dtq_kernel::host::any_readable;
use dtq_kernel::share::{ShareOptions, Shared, SharedRule, share};
use dtq_kernel::{Ends, ProgramInfo, Stats};
use dtq_rules::compile::RuleSet;
use dtq_source::Limits;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked what there is to do.
const TURN: Duration = Duration::from_millis(250);
/// How many turns pass between two looks at files and sockets.
const LOOK_TURNS: u64 = 4;
/// Of so many turns one is measured: the kernel then looks at the clock twice for each run of any program.
const MEASURED_TURNS: u64 = 20;
/// As long as fewer runs were measured, all turns are.
const MEASURED_RUNS: u64 = 1_000;
/// How long a program that was replaced may still run on another processor; it is then over in any case.
const LAST_RUNS: Duration = Duration::from_secs(2);

/// Holds the rules of a run and what the kernel does of them.
pub struct Prepared {
    options: ShareOptions,
    paths: Vec<PathBuf>,
    set: Arc<RuleSet>,
    shared: Shared,
}

impl Prepared {
    /// Reads the rules, and says what of them goes into the kernel.
    ///
    /// # Errors
    /// When the rules are wrong, or nothing of them goes into the kernel.
    pub fn new(arguments: &KernelRunArguments, front: Front, console: &Console) -> Result<Self, Failure> {
        let options = ShareOptions {
            format: arguments.payload.into(),
            front,
            has_lease: false,
            reads_counts: arguments.metrics.is_some(),
            minds_expiry: true,
        };
        let (set, shared, paths) = read(arguments, &options, console)?;
        console.say(report::text(&shared).trim_end());
        if shared.filter.is_none() {
            let remedy = match arguments.metrics {
                None => "; with `--metrics FILE` rules may also drop what rules before them count",
                Some(_) => "",
            };
            return Err(Failure::Kernel(format!("nothing of the rules goes into the kernel{remedy}")));
        }
        Ok(Self { options, paths, set, shared })
    }

    /// Loads the program.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when the kernel refuses it, with what is missing.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let loaded = Loaded::load(&self.shared, &self.set, kind_of(self.options.front))?;
        Ok(loaded.expect("something goes down"))
    }
}

/// Reads the rules and shares them out; gives the files that were read, too.
fn read(
    arguments: &KernelRunArguments,
    options: &ShareOptions,
    console: &Console,
) -> Result<(Arc<RuleSet>, Shared, Vec<PathBuf>), Failure> {
    let limits = Limits::default();
    let now_ticks = query::now_ticks();
    let loaded = rule_set::load(&arguments.rules.rules, now_ticks, &limits)?;
    rule_set::say(&loaded, console);
    if loaded.set.is_none() {
        return Err(Failure::Query);
    }
    let set = subject::as_written(&loaded.files, now_ticks, &limits).expect("the same files were compiled before");
    let shared = share(&set, options);
    Ok((Arc::new(set), shared, loaded.paths))
}

/// Returns when the time of the next rule of a set is over, in which none has expired.
fn next_expiry(set: &RuleSet) -> Option<i64> {
    set.rules.iter().filter_map(|rule| rule.expires_ticks).min()
}

/// Holds an attached program.
pub struct Session<'s> {
    arguments: &'s KernelRunArguments,
    options: ShareOptions,
    point: Point,
    /// The program that is attached; `None` when nothing of the rules of now goes down, and one is that keeps everything.
    current: Option<Loaded>,
    /// The rules of now.
    rules: Vec<SharedRule>,
    /// Programs that were replaced, since when, as long as they may still count.
    replaced: Vec<(Instant, Loaded)>,
    /// What programs have counted that are gone.
    done: Account,
    watch: Watch,
    /// When the time of the next rule is over.
    expires_ticks: Option<i64>,
    control: Option<Control>,
    ends: Ends,
    start: Instant,
    turn: u64,
    /// Has the kernel measure.
    stats: Option<Stats>,
    /// Where points go.
    points: Option<Points>,
}

impl<'s> Session<'s> {
    /// Begins with a program that is attached.
    ///
    /// # Errors
    /// When something is missing without which it would not end well.
    pub fn begin(
        arguments: &'s KernelRunArguments,
        prepared: Prepared,
        current: Loaded,
        point: Point,
        ends: Ends,
        console: &Console,
    ) -> Result<Self, Failure> {
        let points = arguments.metrics.as_deref().map(Points::open).transpose()?;
        let control = Control::open();
        if let Err(error) = &control {
            console.say(&format!("note: `dtq kernel status` will not find this process: {error}"));
        }
        let session = Self {
            arguments,
            options: prepared.options,
            point,
            current: Some(current),
            rules: prepared.shared.rules,
            replaced: Vec::new(),
            done: Account::default(),
            watch: Watch::new(prepared.paths),
            expires_ticks: next_expiry(&prepared.set),
            control: control.ok(),
            ends,
            start: Instant::now(),
            turn: 0,
            stats: None,
            points,
        };
        let account = session.account();
        let (program, count) = (account.program, account.instructions);
        console.say(&format!("attached: program {program}, {count} instructions, on {}", account.sockets.join("; ")));
        Ok(session)
    }

    /// Runs until it is asked to end, its time is over, or its sockets are closed; then detaches and says what was counted.
    ///
    /// # Errors
    /// When the program is not detached, or a relay is of no more use.
    pub fn run(mut self, console: &Console) -> Outcome {
        let result = self.turns(console);
        let last = self.account();
        let detached = self.point.detach();
        self.stats = None;
        let metered = self.finish_points();
        // Nothing runs any more, so that the counts are exact; where it ran is known from before.
        let account = Account { sockets: last.sockets, ns_per_datagram: last.ns_per_datagram, ..self.account() };
        if let Some(control) = &mut self.control {
            control.finish(&account);
        }
        result.and(detached).and(metered).and(write(&account, self.arguments.report.as_deref(), console))
    }

    fn turns(&mut self, console: &Console) -> Outcome {
        let end = self.arguments.duration.and_then(|duration| self.start.checked_add(duration));
        let mut next_turn = self.start;
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Ok(());
            }
            if now >= next_turn {
                next_turn = now + TURN;
                if !self.take_turn(console)? {
                    console.say("note: the sockets are closed");
                    return Ok(());
                }
            }
            let until = end.map_or(next_turn, |end| end.min(next_turn));
            if self.wait(until.saturating_duration_since(Instant::now()))? {
                return Ok(());
            }
            self.point.work()?;
        }
    }

    /// Waits for work, and answers who asks; says whether it is asked to end.
    fn wait(&mut self, timeout: Duration) -> Result<bool, Failure> {
        let failed = |error: io::Error| refusal::of_system("waiting", &error);
        let timeout = if self.point.has_work() { Duration::ZERO } else { timeout };
        let control = self.control.iter().map(AsFd::as_fd);
        let waits: Vec<BorrowedFd<'_>> =
            std::iter::once(self.ends.as_fd()).chain(control).chain(self.point.waits_for()).collect();
        let ready = any_readable(&waits, timeout).map_err(failed)?;
        let is_asked = self.control.is_some() && ready[1];
        let is_over = is_asked && self.answer();
        Ok(ready[0] || is_over)
    }

    /// Answers who asks; says whether one asks for the end.
    fn answer(&mut self) -> bool {
        let Some(mut control) = self.control.take() else { return false };
        let is_over = control.serve(&mut || self.account());
        self.control = Some(control);
        is_over
    }

    /// Does what there is to do now and then; says whether a socket is left.
    fn take_turn(&mut self, console: &Console) -> Result<bool, Failure> {
        // Where the kernel does not let it measure, no time is shown.
        let is_measured = self.turn.is_multiple_of(MEASURED_TURNS) || self.runs().0 < MEASURED_RUNS;
        match (is_measured, &self.stats) {
            (true, None) => self.stats = Stats::start().ok(),
            (true, Some(_)) => {}
            (false, _) => self.stats = None,
        }
        let is_look = self.turn.is_multiple_of(LOOK_TURNS);
        self.turn += 1;
        self.retire()?;
        if !is_look {
            return Ok(true);
        }
        self.collect_points()?;
        let is_expired = self.expires_ticks.is_some_and(|ticks| query::now_ticks() >= ticks);
        let is_due = self.watch.has_changed() || is_expired;
        let is_refused = is_due && !self.swap(console);
        if is_expired && is_refused {
            // The rules of before would go on past their time.
            self.keep_all()?;
            console.say("note: the time of a rule is over; everything is kept until the rules can be read");
        }
        Ok(self.point.is_there())
    }

    /// Takes the rules as they stand in their files now; says so, or why not, and returns whether they were taken.
    fn swap(&mut self, console: &Console) -> bool {
        match self.try_swap(console) {
            Ok(()) => {
                self.done.swaps += 1;
                console.say(
                    report::text(&Shared { filter: None, rules: self.rules.clone(), readings: Vec::new() }).trim_end(),
                );
                console.say(match self.current.is_some() {
                    true => "replaced: the rules of now are in the kernel",
                    false => "replaced: nothing of the rules of now goes into the kernel, and everything is kept",
                });
                true
            }
            Err(failure) => {
                self.done.refused_swaps += 1;
                let reason = failure.message().map(|message| format!("{message}\n")).unwrap_or_default();
                console.say(&format!("{reason}note: the rules have changed and are not taken; those of before go on"));
                false
            }
        }
    }

    /// Puts a program that keeps everything in the place of the one that is attached.
    fn keep_all(&mut self) -> Outcome {
        let before = self.current.as_ref().map(|loaded| &loaded.program);
        self.point.replace(&load_keeping(self.options.front)?, before)?;
        self.replaced.extend(self.current.take().map(|loaded| (Instant::now(), loaded)));
        self.expires_ticks = None;
        Ok(())
    }

    fn try_swap(&mut self, console: &Console) -> Outcome {
        let (set, shared, paths) = read(self.arguments, &self.options, console)?;
        let before = self.current.as_ref().map(|loaded| &loaded.program);
        let next = Loaded::load(&shared, &set, kind_of(self.options.front))?;
        match &next {
            Some(loaded) => self.point.replace(&loaded.program, before)?,
            None => self.point.replace(&load_keeping(self.options.front)?, before)?,
        }
        let before = std::mem::replace(&mut self.current, next);
        self.replaced.extend(before.map(|loaded| (Instant::now(), loaded)));
        self.rules = shared.rules;
        self.watch = Watch::new(paths);
        self.expires_ticks = next_expiry(&set);
        Ok(())
    }

    /// Takes over what replaced programs have counted that run no more, and lets go of them.
    fn retire(&mut self) -> Outcome {
        let mut at = 0;
        while let Some((since, loaded)) = self.replaced.get_mut(at) {
            let is_over = since.elapsed() >= LAST_RUNS
                && Points::finish(&mut self.points, loaded)?
                && loaded.count(&mut self.done).is_ok();
            match is_over {
                true => drop(self.replaced.remove(at)),
                false => at += 1,
            }
        }
        Ok(())
    }

    /// Writes the points that are due.
    fn collect_points(&mut self) -> Outcome {
        let loaded = self.replaced.iter_mut().map(|(_, loaded)| loaded).chain(&mut self.current);
        for meter in loaded.filter_map(|loaded| loaded.meter.as_mut()) {
            // What cannot be taken now is taken later, and is not lost.
            if let (Some(points), Ok(outcome)) = (&mut self.points, meter.collect(query::now_ticks())) {
                points.write(&outcome.emissions)?;
            }
        }
        Ok(())
    }

    /// Writes all points that are left, of programs that run no more.
    fn finish_points(&mut self) -> Outcome {
        for loaded in self.replaced.iter_mut().map(|(_, loaded)| loaded).chain(&mut self.current) {
            if !Points::finish(&mut self.points, loaded)? {
                return Err(refusal::of_system("reading what was counted", &io::Error::from(io::ErrorKind::TimedOut)));
            }
        }
        Ok(())
    }

    /// Returns the programs that may still count.
    fn programs(&self) -> impl Iterator<Item = &Loaded> {
        self.replaced.iter().map(|(_, loaded)| loaded).chain(&self.current)
    }

    /// Returns how often programs ran while the kernel measured, and for how many nanoseconds.
    fn runs(&self) -> (u64, u64) {
        let infos = self.programs().filter_map(|loaded| loaded.program.info().ok());
        let add = |(runs, time_ns), info: ProgramInfo| (runs + info.run_count, time_ns + info.run_time_ns);
        infos.fold(self.point.runs(), add)
    }

    /// Returns the account of now.
    fn account(&self) -> Account {
        let mut account = self.done.clone();
        for program in self.programs() {
            // Maps of our own are read; what would fail here is a mistake of ours, and loses a count at most.
            let _ = program.count(&mut account);
        }
        if let Some(current) = &self.current {
            let _ = current.describe(&mut account);
        }
        set_rules(&mut account, &self.rules);
        account.pid = std::process::id();
        account.sockets = self.point.names();
        account.payload = self.options.format.name().to_owned();
        account.attached_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        account.is_filtering = self.current.is_some();
        let (runs, time_ns) = self.runs();
        account.ns_per_datagram = (runs > 0).then(|| time_ns as f64 / runs as f64);
        account.relay = self.point.relay_account();
        account
    }
}

/// Writes the account to stderr, or as JSON where that is asked for.
fn write(account: &Account, report: Option<&Path>, console: &Console) -> Outcome {
    let json = || serde_json::to_string(account).map_err(|error| Failure::Output(io::Error::other(error)));
    match report {
        None => console.say(account.text(console.width())?.trim_end()),
        Some(path) if path == Path::new("-") => console.say(&json()?),
        Some(path) => std::fs::write(path, json()? + "\n")
            .map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))))?,
    }
    Ok(())
}
