//! `dtq kernel trace`: functions and probes of running programs to logs.
//!
//! Ends by a signal, `--for`, `--count`, or with the process; nothing stays in the kernel or in the program. Read in order:
//! `trace/place.rs` (names to sites), `trace/list.rs`, `trace/choice.rs` (hits to those that go out), `trace/account.rs`,
//! `trace/line.rs` and `trace/out.rs` (hits to bytes).

mod place;

mod list;

mod choice;

mod account;

mod line;

mod out;

use self::account::Account;
use self::choice::Choice;
use self::out::Out;
use self::place::Place;
use super::refusal;
use crate::args::KernelTraceArguments;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_kernel::Ends;
use dtq_kernel::host::{any_readable, end_of};
use dtq_kernel::trace::{self, Argument, KqlCondition, Plan, Target, Trace};
use dtq_source::SourceText;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Hits that are taken at a time: signals are looked at between.
const HITS_MAX: usize = 1_000;
/// How long is waited at most where nothing happens.
const TURN: Duration = Duration::from_secs(60);

/// Runs `dtq kernel trace`.
pub fn execute(arguments: &KernelTraceArguments, console: &mut Console) -> Outcome {
    let place = Place::find(arguments)?;
    if arguments.list {
        return list::execute(arguments, &place, console);
    }
    let read = trace::arguments::parse(&arguments.arguments);
    let read = read.map_err(|error| Failure::Usage(format!("--args: {error}")))?;
    let condition = arguments.condition.as_ref().map(|text| condition(text, &read, console)).transpose()?;
    let target = place.target(arguments)?;
    let sites = place.sites(arguments)?;
    let ends = Ends::hold().map_err(|error| refusal::of_system("waiting for signals", &error))?;
    let process = match target {
        Target::Process(pid) => {
            Some(end_of(pid).map_err(|error| refusal::of_system("waiting for the process", &error))?)
        }
        Target::AllProcesses => None,
    };
    let plan = Plan {
        arguments: read,
        condition: condition.as_ref().map(KqlCondition::condition),
        accepts_slow: arguments.accept_slow,
        accepts_inside: arguments.accept_inside,
        ..Plan::new(sites, target)
    };
    let trace = Trace::start(plan).map_err(|error| refusal::of_trace(&error))?;
    let out = Out::open(arguments, &trace, console)?;
    console.say(place.attached(trace.sites()).trim_end());
    let choice = Choice::new(condition, arguments, &trace);
    Session { arguments, trace, choice, out, ends, process, start: Instant::now() }.run(&place, console)
}

/// Returns the condition of a text; what is to be said of it is written.
fn condition(text: &str, read: &[Argument], console: &Console) -> Result<KqlCondition, Failure> {
    let diagnostics = KqlCondition::diagnose(text, read);
    console.diagnose(&SourceText::new("--where", text), &diagnostics);
    if diagnostics.iter().any(dtq_source::Diagnostic::is_error) {
        return Err(Failure::Query);
    }
    let compiled = KqlCondition::compile(text, read).map_err(|error| {
        let remedy = "give a part with `and` that compares an argument with a constant, or leave --where away and filter \
                      the logs with `dtq run` or `dtq apply`";
        Failure::Kernel(format!("{error}\n{remedy}"))
    })?;
    for (part, reason) in compiled.stays() {
        console.say(&format!("note: decided in user space: {part}: {reason}"));
    }
    Ok(compiled)
}

/// Holds a trace that runs.
struct Session<'s> {
    arguments: &'s KernelTraceArguments,
    trace: Trace,
    choice: Choice,
    out: Out,
    ends: Ends,
    /// Becomes readable when the process has ended.
    process: Option<OwnedFd>,
    start: Instant,
}

impl Session<'_> {
    /// Runs until it is to end, then takes the probes away and says what was counted.
    fn run(mut self, place: &Place, console: &Console) -> Outcome {
        let result = self.turns(console);
        self.trace.detach();
        // What was handed over before; there is an end to it, since nobody adds to it any more.
        let mut last = Ok(HITS_MAX);
        while result.is_ok() && matches!(last, Ok(HITS_MAX)) {
            last = self.drain();
        }
        let last = last.and_then(|_| if result.is_ok() { self.out.finish() } else { Ok(()) });
        let account = Account::new(&self.trace, &self.choice, place, self.start.elapsed());
        let account = account.map_err(|error| refusal::of_trace(&error));
        let written = account.and_then(|account| account.write(self.arguments.report.as_deref(), console));
        result.and(last).and(written)
    }

    fn turns(&mut self, console: &Console) -> Outcome {
        let end = self.arguments.duration.and_then(|duration| self.start.checked_add(duration));
        loop {
            let now = Instant::now();
            if self.choice.is_full() || end.is_some_and(|end| now >= end) {
                return Ok(());
            }
            let due = [end, self.out.due()].into_iter().flatten().min().unwrap_or(now + TURN);
            let [is_asked, is_over] = self.wait(due.saturating_duration_since(now).min(TURN))?;
            if is_asked {
                return Ok(());
            }
            self.drain()?;
            self.out.send_due(Instant::now())?;
            if is_over {
                console.say("note: the process has ended");
                return Ok(());
            }
        }
    }

    /// Waits for hits, at most so long; says whether the end is asked for, and whether the process has ended.
    fn wait(&self, timeout: Duration) -> Result<[bool; 2], Failure> {
        let process = self.process.iter().map(AsFd::as_fd);
        let waits: Vec<BorrowedFd<'_>> = [self.ends.as_fd(), self.trace.as_fd()].into_iter().chain(process).collect();
        let failed = |error: io::Error| refusal::of_system("waiting", &error);
        let ready = any_readable(&waits, timeout).map_err(failed)?;
        Ok([ready[0], ready.get(2).copied().unwrap_or_default()])
    }

    /// Takes the hits that are there, at most so many at a time; returns how many those were.
    fn drain(&mut self) -> Result<usize, Failure> {
        let (choice, out) = (&mut self.choice, &mut self.out);
        let drained = self.trace.drain(HITS_MAX, |hit| {
            if let Some(hit) = choice.take(hit) {
                out.push(&hit);
            }
        });
        let count = drained.map_err(|error| refusal::of_trace(&error))?;
        self.out.send_full()?;
        Ok(count)
    }
}
