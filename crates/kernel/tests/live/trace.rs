//! Logs of running programs that were not built for it: a stock interpreter and a Rust binary.

use crate::may_load;
use dtq_ebpf::asm::Label;
use dtq_ebpf::emit::{Emitter, Outcome};
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::layout::{State, field};
use dtq_kernel::trace::arguments::parse;
use dtq_kernel::trace::process::find_file;
use dtq_kernel::trace::record::CapturedValue;
use dtq_kernel::trace::{Column, Condition, Delivery, Hit, Plan, Site, Source, Target, Trace, TraceError};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The interpreter of Debian, which has probes; others may be elsewhere.
const PYTHON: &str = "/usr/bin/python3";
/// Says to the test's own binary that it is looked at.
const TARGET: &str = "DTQ_TRACE_TARGET";

/// Holds a program that does something so many times when it is told to.
pub struct Looked {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Looked {
    /// Starts a program and waits until it is ready.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut looked = Self { child, input, output };
        looked.answer("ready");
        looked
    }

    fn answer(&mut self, wanted: &str) {
        let mut line = String::new();
        while line.trim() != wanted {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the program has ended before `{wanted}`");
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do it so many times; returns how long that took.
    pub fn run(&mut self, count: u64) -> Duration {
        let start = Instant::now();
        writeln!(self.input, "{count}").unwrap();
        self.answer("done");
        start.elapsed()
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the interpreter with a program that runs `body` with `i` from 0; `None` where there is none.
pub fn python(test: &str, setup: &str, body: &str) -> Option<Looked> {
    if !std::path::Path::new(PYTHON).exists() {
        eprintln!("SKIPPED: {test}: {PYTHON} is not here");
        return None;
    }
    let program = format!(
        "import sys\n{setup}\nprint('ready', flush=True)\nfor line in sys.stdin:\n for i in range(int(line)):\n  {body}\n \
         print('done', flush=True)\n"
    );
    Some(Looked::start(Command::new(PYTHON).args(["-c", &program])))
}

/// Starts this test's binary as a Rust program that calls [`looked_at`].
pub fn rust_target() -> Looked {
    let program = std::env::current_exe().unwrap();
    Looked::start(Command::new(program).args(["--exact", "trace::rust_program", "--nocapture"]).env(TARGET, "1"))
}

/// Is looked at: `number` and a text that ends with no zero.
#[inline(never)]
pub fn looked_at(number: u64, text: &str, small: i32) -> u64 {
    black_box(number.wrapping_mul(3).wrapping_add(text.len() as u64).wrapping_add(small as u64))
}

/// Is the program of [`rust_target`] where it is told so, and no test.
#[test]
fn rust_program() {
    if std::env::var_os(TARGET).is_none() {
        return;
    }
    println!("\nready");
    for line in std::io::stdin().lines() {
        let count: u64 = line.unwrap().trim().parse().unwrap();
        for number in 0..count {
            let text = if number % 10 == 0 { "tenth" } else { "other" };
            black_box(looked_at(black_box(number), black_box(text), black_box(-(number as i32))));
        }
        println!("done");
    }
}

/// Returns what decides that a number is this one.
fn long_is(source: Source, number: i32) -> Condition<'static> {
    let write = move |emitter: &mut Emitter, outcome: Outcome| {
        emitter.load_state(Reg::R1, field(0));
        emitter.asm.branch(Cond::Ne, Reg::R1, State::Long as i32, outcome.is_null);
        emitter.load(Reg::R1, field(0) + 8);
        emitter.asm.branch(Cond::Eq, Reg::R1, number, outcome.is_true);
        emitter.asm.jump(outcome.is_false);
        Ok(())
    };
    Condition { columns: vec![Column::Argument(source)], write: Box::new(write) }
}

/// Adds what goes on at a label where a text does not begin with this.
fn begins_or(emitter: &mut Emitter, position: usize, prefix: &[u8], outcome: Outcome, no: Label) {
    emitter.load_state(Reg::R1, field(position));
    emitter.asm.branch(Cond::Ne, Reg::R1, State::Text as i32, outcome.is_null);
    emitter.load_text(Reg::R1, Reg::R2, field(position));
    emitter.asm.branch(Cond::Lt, Reg::R2, prefix.len() as i32, no);
    emitter.address(Reg::R1, Reg::R1);
    for (at, byte) in prefix.iter().enumerate() {
        emitter.asm.load(Size::Byte, Reg::R2, Reg::R1, at as i16);
        emitter.asm.branch(Cond::Ne, Reg::R2, i32::from(*byte), no);
    }
}

/// Returns what decides that a text begins with this.
pub fn text_begins(column: Column, prefix: &'static str) -> Condition<'static> {
    let write = move |emitter: &mut Emitter, outcome: Outcome| {
        begins_or(emitter, 0, prefix.as_bytes(), outcome, outcome.is_false);
        emitter.asm.jump(outcome.is_true);
        Ok(())
    };
    Condition { columns: vec![column], write: Box::new(write) }
}

/// Returns a plan for a site of a process.
pub fn plan<'p>(pid: u32, site: &str, arguments: &str) -> Plan<'p> {
    let path = find_file(pid, None).unwrap();
    let sites = Site::find(&path, &site.parse().unwrap()).unwrap();
    Plan { arguments: parse(arguments).unwrap(), ..Plan::new(sites, Target::Process(pid)) }
}

/// Attaches, and shows the verifier's words where it refuses.
pub fn start(plan: Plan<'_>) -> Trace {
    Trace::start(plan).unwrap_or_else(|error| {
        if let TraceError::Load(dtq_kernel::LoadError::Kernel { log, .. }) = &error {
            eprintln!("{log}");
        }
        panic!("{error}")
    })
}

/// Returns the arguments of all hits, as text.
fn hits(trace: &mut Trace) -> Vec<Vec<String>> {
    let mut hits = Vec::new();
    let shown = |value: Option<CapturedValue<'_>>| match value {
        None => "null".to_owned(),
        Some(CapturedValue::Long(number)) => number.to_string(),
        Some(CapturedValue::Text(text) | CapturedValue::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
    };
    let take = |hit: &Hit<'_>| hits.push(hit.arguments.iter().map(|argument| shown(argument.value)).collect());
    trace.drain(usize::MAX, take).unwrap();
    hits
}

#[test]
fn a_function_of_a_stock_interpreter_gives_logs() {
    let test = "a_function_of_a_stock_interpreter_gives_logs";
    let body = "try: [].pop() if i % 4 else {}.popitem()\n  except (IndexError, KeyError): pass";
    let Some(mut python) = may_load(test).then(|| python(test, "", body)).flatten() else { return };
    let mut all = start(plan(python.pid(), "uprobe:PyErr_SetString", "arg1: string"));
    let wanted = text_begins(Column::Argument(Source::Position(1)), "pop from");
    let mut some = start(Plan {
        condition: Some(wanted),
        ..plan(python.pid(), "uprobe:PyErr_SetString", "arg0: long, arg1: string")
    });
    python.run(1_000);
    let counts = all.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.lost, counts.busy, counts.failed_reads), (1_000, 1_000, 0, 0, 0));
    let found = hits(&mut all);
    assert_eq!(found.len(), 1_000);
    assert_eq!(found[0], ["popitem(): dictionary is empty"]);
    assert_eq!(found[1], ["pop from empty list"]);
    let counts = some.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.undecided), (1_000, 750, 0));
    let found = hits(&mut some);
    assert_eq!(found.len(), 750);
    assert!(found.iter().all(|arguments| arguments[1] == "pop from empty list" && arguments[0] != "0"));
}

#[test]
fn a_probe_that_a_program_was_built_with_gives_logs() {
    let test = "a_probe_that_a_program_was_built_with_gives_logs";
    let body = "gc.collect(i % 3); sys.audit('one.event' if i % 2 else 'two.events', i)";
    let Some(mut python) = may_load(test).then(|| python(test, "import gc\ngc.disable()", body)).flatten() else {
        return;
    };
    let wanted = text_begins(Column::Argument(Source::Position(0)), "two.");
    let audit = plan(python.pid(), "usdt:python:audit", "arg0: string");
    let mut audit = start(Plan { condition: Some(wanted), ..audit });
    let collected = plan(python.pid(), "usdt:python:gc__start", "arg0: int");
    // Its argument is in memory.
    let mut collected = start(Plan { condition: Some(long_is(Source::Position(0), 2)), ..collected });
    python.run(300);
    let found = hits(&mut audit);
    assert_eq!(found.len(), 150);
    assert!(found.iter().all(|arguments| *arguments == ["two.events"]), "{:?}", found[0]);
    let counts = audit.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.lost), (300, 150, 0));
    let counts = collected.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.undecided, counts.failed_reads), (300, 100, 0, 0));
    assert_eq!(hits(&mut collected), vec![["2"]; 100]);
    drop((audit, collected));
    // The program skips the probe again.
    python.run(100);
}

#[test]
fn a_function_of_a_rust_program_gives_logs() {
    if !may_load("a_function_of_a_rust_program_gives_logs") {
        return;
    }
    let mut target = rust_target();
    let arguments = "arg0: long, arg1: string(arg2), arg3: int";
    let prepared = plan(target.pid(), "uprobe:trace::looked_at", arguments);
    let slow = |plan: Plan<'static>| Plan { accepts_slow: true, ..plan };
    let mut all = start(slow(prepared));
    let again = || plan(target.pid(), "uprobe:trace::looked_at", arguments);
    let mut some = start(Plan { condition: Some(long_is(Source::Position(0), 77)), ..slow(again()) });
    let tenth = text_begins(Column::Argument(Source::Position(1)), "tenth");
    let mut tenths = start(Plan { condition: Some(tenth), ..slow(again()) });
    let mut returns = start(slow(plan(target.pid(), "uretprobe:trace::looked_at", "ret: long")));
    target.run(1_000);
    let found = hits(&mut all);
    assert_eq!(found.len(), 1_000);
    assert_eq!((found[0].join(" "), found[999].join(" ")), ("0 tenth 0".to_owned(), "999 other -999".to_owned()));
    assert_eq!(hits(&mut some), [["77", "other", "-77"]]);
    assert_eq!(hits(&mut tenths).len(), 100);
    assert_eq!(hits(&mut returns)[10], ["25"]);
    for trace in [&all, &some, &tenths, &returns] {
        assert_eq!((trace.counts(0).unwrap().hits, trace.counts(0).unwrap().busy), (1_000, 0));
    }
}
