//! Logs of running programs that were not built for it: a stock interpreter and a Rust binary.

use crate::{may_load, number};
use dtq_ebpf::asm::Label;
use dtq_ebpf::emit::{Emitter, Outcome, SCRATCH};
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::layout::{REASON, State, field};
use dtq_kernel::trace::arguments::parse;
use dtq_kernel::trace::deliver::wall_offset_ns;
use dtq_kernel::trace::process::find_file;
use dtq_kernel::trace::record::CapturedValue;
use dtq_kernel::trace::{
    Column, Condition, Delivery, Hit, KqlCondition, Plan, Site, Source, Target, Trace, TraceError,
};
use dtq_record::otlp::Signal;
use dtq_record::otlp::to_json::append_json;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The interpreter of Debian, which has probes; others may be elsewhere.
const PYTHON: &str = "/usr/bin/python3";
/// Says to the test's own binary that it is looked at, and in how many threads.
const TARGET: &str = "DTQ_TRACE_TARGET";

/// A text that is longer than what is read, and ends with no zero there.
const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
    0123456789012345678901234567890123456789012345678901234567890123456789";

/// Holds a program that does something so many times when it is told to.
pub struct Looked {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Looked {
    /// Starts a program and waits until it is ready.
    pub fn start(command: &mut Command) -> Self {
        Self::start_and_hear(command).0
    }

    /// Starts a program and waits until it is ready; returns what it said before.
    pub fn start_and_hear(command: &mut Command) -> (Self, Vec<String>) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut looked = Self { child, input, output };
        let lines = looked.hear("ready");
        (looked, lines)
    }

    /// Reads what it says up to a line.
    fn hear(&mut self, last: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while lines.last().is_none_or(|line| line.trim() != last) {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the program has ended before `{last}`");
            lines.push(line);
        }
        lines
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do it so many times; returns what it said.
    pub fn run(&mut self, count: u64) -> Vec<String> {
        writeln!(self.input, "{count}").unwrap();
        self.hear("done")
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

/// Starts this test's binary as a Rust program that calls [`looked_at`] in so many threads.
pub fn rust_target(thread_count: usize) -> Looked {
    let program = std::env::current_exe().unwrap();
    Looked::start(
        Command::new(program)
            .args(["--exact", "trace::rust_program", "--nocapture"])
            .env(TARGET, thread_count.to_string()),
    )
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
    let thread_count: u64 = std::env::var(TARGET).unwrap().parse().unwrap();
    for line in std::io::stdin().lines() {
        let count: u64 = line.unwrap().trim().parse().unwrap();
        std::thread::scope(|scope| (0..thread_count).for_each(|_| drop(scope.spawn(|| call_looked_at(count)))));
        println!("done");
    }
}

fn call_looked_at(count: u64) {
    for number in 0..count {
        let text = match number % 50 {
            49 => LONG,
            of if of % 10 == 0 => "tenth",
            _ => "other",
        };
        black_box(looked_at(black_box(number), black_box(text), black_box(-(number as i32))));
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

/// Adds what goes on where a column is no text, or one that cannot be told.
fn text_or(emitter: &mut Emitter, position: usize, outcome: Outcome) {
    let [told, text] = [(); 2].map(|()| emitter.asm.label());
    emitter.load_state(Reg::R1, field(position));
    emitter.asm.branch(Cond::Eq, Reg::R1, State::Text as i32, text);
    emitter.asm.branch(Cond::Ne, Reg::R1, State::Undecided as i32, told);
    emitter.asm.load(Size::Word, Reg::R1, SCRATCH, field(position) + 4);
    emitter.store(REASON, Reg::R1);
    emitter.asm.jump(outcome.unknown);
    emitter.asm.bind(told);
    emitter.asm.jump(outcome.is_null);
    emitter.asm.bind(text);
}

/// Adds what goes on at a label where a text does not begin with this.
fn begins_or(emitter: &mut Emitter, position: usize, prefix: &[u8], outcome: Outcome, no: Label) {
    text_or(emitter, position, outcome);
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
    let chosen = plan(python.pid(), "uprobe:PyErr_SetString", "arg0: long, arg1: string");
    let text = "arg0 != 0 and arg1 has 'LIST' and Function endswith 'SetString' and Command !in ('bash', 'sh')";
    let wanted = KqlCondition::compile(text, &chosen.arguments).unwrap();
    assert_eq!(wanted.stays(), []);
    let mut some = start(Plan { condition: Some(wanted.condition()), ..chosen });
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
    let mut target = rust_target(1);
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
    assert_eq!((found[0].join(" "), found[998].join(" ")), ("0 tenth 0".to_owned(), "998 other -998".to_owned()));
    assert_eq!(hits(&mut some), [["77", "other", "-77"]]);
    // Of twenty texts only the beginning was read, so that the condition was not decided.
    assert_eq!(hits(&mut tenths).len(), 100 + 20);
    assert_eq!(hits(&mut returns)[10], ["25"]);
    for trace in [&all, &some, &tenths, &returns] {
        assert_eq!((trace.counts(0).unwrap().hits, trace.counts(0).unwrap().busy), (1_000, 0));
    }
}

#[test]
fn what_is_cut_or_cannot_be_read_says_so_and_is_never_left_out() {
    if !may_load("what_is_cut_or_cannot_be_read_says_so_and_is_never_left_out") {
        return;
    }
    let mut target = rust_target(1);
    let slow = |plan: Plan<'static>| Plan { accepts_slow: true, ..plan };
    let tenth = text_begins(Column::Argument(Source::Position(1)), "tenth");
    let cut = plan(target.pid(), "uprobe:trace::looked_at", "arg1: string(arg2)");
    let mut cut = start(Plan { condition: Some(tenth), ..slow(cut) });
    // The number is taken for an address: 0 is none, the others lead nowhere.
    let tenth = text_begins(Column::Argument(Source::Position(0)), "tenth");
    let unreadable = plan(target.pid(), "uprobe:trace::looked_at", "arg0: string, arg3: bytes(arg0)");
    let mut unreadable = start(Plan { condition: Some(tenth), ..slow(unreadable) });
    target.run(100);
    let counts = cut.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.undecided, counts.failed_reads), (100, 12, 2, 0));
    let mut seen = Vec::new();
    cut.drain(100, |hit| {
        let CapturedValue::Text(text) = hit.arguments[0].value.unwrap() else { panic!("{hit:?}") };
        seen.push((text.len(), hit.arguments[0].is_cut, hit.undecided.map(dtq_ebpf::layout::Reason::name)));
    })
    .unwrap();
    assert_eq!(seen.iter().filter(|seen| **seen == (5, false, None)).count(), 10);
    assert_eq!(seen.iter().filter(|seen| **seen == (256, true, Some("length"))).count(), 2);
    // The one with 0 is null and decided; of the others neither text nor bytes can be read.
    let counts = unreadable.counts(0).unwrap();
    assert_eq!((counts.hits, counts.matched, counts.undecided, counts.failed_reads), (100, 99, 99, 2 * 99));
    let mut failed = 0;
    unreadable
        .drain(100, |hit| failed += usize::from(hit.arguments.iter().all(|argument| argument.has_failed)))
        .unwrap();
    assert_eq!(failed, 99);
}

#[test]
fn a_full_ring_buffer_loses_hits_and_counts_them() {
    if !may_load("a_full_ring_buffer_loses_hits_and_counts_them") {
        return;
    }
    let mut target = rust_target(1);
    let plan = plan(target.pid(), "uprobe:trace::looked_at", "arg0: long");
    let mut trace = start(Plan { accepts_slow: true, ring_size_bytes: 4_096, ..plan });
    target.run(1_000);
    let counts = trace.counts(0).unwrap();
    let found = hits(&mut trace);
    assert_eq!((counts.hits, counts.matched, counts.lost), (1_000, 1_000, 1_000 - found.len() as u64));
    assert!(found.len() > 10 && found.len() < 100, "{}", found.len());
    target.run(10);
    assert_eq!(hits(&mut trace).len(), 10);
}

#[test]
fn threads_on_all_processors_are_counted_exactly() {
    if !may_load("threads_on_all_processors_are_counted_exactly") {
        return;
    }
    let (thread_count, count) = (8, number("DTQ_CASES", 5_000));
    let mut target = rust_target(thread_count);
    let tenth = text_begins(Column::Argument(Source::Position(1)), "tenth");
    let plan = plan(target.pid(), "uprobe:trace::looked_at", "arg0: long, arg1: string(arg2)");
    let mut trace = start(Plan { condition: Some(tenth), accepts_slow: true, ring_size_bytes: 1 << 24, ..plan });
    target.run(count);
    let counts = trace.counts(0).unwrap();
    // Cut texts are delivered too: a tenth, and a fiftieth. A thread finds all scratches of its processor taken only where
    // four others were put aside in the middle of a run.
    let wanted = (count.div_ceil(10) + count / 50) * thread_count as u64;
    assert_eq!((counts.hits, counts.busy, counts.matched), (count * thread_count as u64, 0, wanted));
    let mut delivered = 0;
    trace
        .drain(usize::MAX, |hit| {
            let is_right = match hit.arguments[1].value {
                Some(CapturedValue::Text(b"tenth")) => hit.undecided.is_none(),
                Some(CapturedValue::Text(text)) => text == &LONG.as_bytes()[..256] && hit.undecided.is_some(),
                _ => false,
            };
            assert!(is_right, "{hit:?}");
            delivered += 1;
        })
        .unwrap();
    assert_eq!(delivered + counts.lost, wanted);
}

#[test]
fn hits_are_log_records_of_otlp() {
    let test = "hits_are_log_records_of_otlp";
    let body = "try: [].pop()\n  except IndexError: pass";
    let Some(mut python) = may_load(test).then(|| python(test, "", body)).flatten() else { return };
    let mut trace = start(Plan {
        condition: Some(text_begins(Column::Command, "python3")),
        ..plan(python.pid(), "uprobe:PyErr_SetString", "arg1: string")
    });
    let before_ns = wall_ns();
    python.run(1);
    let after_ns = wall_ns();
    let mut delivery = Delivery::new(trace.sites(), trace.arguments(), wall_offset_ns());
    trace.drain(10, |hit| delivery.push(hit)).unwrap();
    let request = delivery.take();
    assert!(delivery.is_empty());
    let mut text = String::new();
    append_json(&mut text, Signal::Logs, &request, 10).unwrap();
    let time = text.split("\"timeUnixNano\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!((before_ns..=after_ns).contains(&time.parse().unwrap()), "{before_ns} {time} {after_ns}");
    let program = std::fs::read_link(format!("/proc/{}/exe", python.pid())).unwrap();
    let expected = format!(
        "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":[\
         {{\"key\":\"process.pid\",\"value\":{{\"intValue\":\"{pid}\"}}}},\
         {{\"key\":\"process.executable.path\",\"value\":{{\"stringValue\":\"{program}\"}}}}]}},\
         \"scopeLogs\":[{{\"scope\":{{\"name\":\"dtq.kernel.trace\"}},\"logRecords\":[{{\
         \"timeUnixNano\":\"{time}\",\"severityNumber\":9,\
         \"body\":{{\"stringValue\":\"PyErr_SetString\"}},\"attributes\":[\
         {{\"key\":\"arg1\",\"value\":{{\"stringValue\":\"pop from empty list\"}}}},\
         {{\"key\":\"process.command\",\"value\":{{\"stringValue\":\"python3\"}}}},\
         {{\"key\":\"thread.id\",\"value\":{{\"intValue\":\"{pid}\"}}}}],\
         \"observedTimeUnixNano\":\"{time}\",\"eventName\":\"uprobe:PyErr_SetString\"}}]}}]}}]}}",
        pid = python.pid(),
        program = program.display(),
    );
    assert_eq!(text, expected);
}

/// Returns nanoseconds since 1970.
fn wall_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_nanos() as u64
}

#[test]
fn what_is_not_to_be_had_is_said() {
    let test = "what_is_not_to_be_had_is_said";
    let Some(python) = may_load(test).then(|| python(test, "", "pass")).flatten() else { return };
    let path = find_file(python.pid(), None).unwrap();
    let find = |site: &str| Site::find(&path, &site.parse().unwrap());
    let error = |site: &str| find(site).unwrap_err().to_string();
    assert!(
        error("uprobe:Err_SetString").contains("there is PyErr_SetString, _PyErr_SetString"),
        "{}",
        error("uprobe:Err_SetString")
    );
    assert!(error("usdt:python:nothing").contains("there is python:audit,"), "{}", error("usdt:python:nothing"));
    assert!(error("uprobe:PyErr_SetString+0x100000").contains("is not in it"));
    assert!(error("uprobe:0x10").contains("no code"));
    let refused = |site: &str, arguments: &str| {
        let plan = Plan {
            arguments: parse(arguments).unwrap(),
            ..Plan::new(find(site).unwrap(), Target::Process(python.pid()))
        };
        Trace::start(plan).unwrap_err().to_string()
    };
    assert!(refused("usdt:python:audit", "arg2: long").contains("has 2 arguments"));
    assert!(refused("uretprobe:PyErr_SetString", "arg0: long").contains("only `ret`"));
    assert!(refused("uprobe:PyErr_SetString", "ret: long").contains("only `uretprobe:`"));
    assert!(refused("uprobe:PyErr_SetString", "arg6: long").contains("on the stack"));
    let inside = refused("uprobe:PyErr_SetString+1", "arg0: long");
    assert!(inside.contains("inside of a function") || inside.contains("would take about"), "{inside}");
    let odd = Plan { ring_size_bytes: 5_000, ..plan(python.pid(), "uprobe:PyErr_SetString", "") };
    assert!(Trace::start(odd).unwrap_err().to_string().contains("a power of two"));
    let missing = Plan::new(find("uprobe:PyErr_SetString").unwrap(), Target::Process(u32::MAX / 4));
    assert!(Trace::start(missing).unwrap_err().to_string().contains("no such process"));
}
