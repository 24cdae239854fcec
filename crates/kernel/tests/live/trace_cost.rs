//! What a hit costs by the instruction at the site, and with the condition that the kernel decides.
//!
//! `DTQ_CASES=100000 cargo test -p dtq-kernel --test live trace_cost -- --nocapture --test-threads 1` measures;
//! `docs/kernel-trace.md` has the numbers. In the normal suite it says only that hits are counted.

use crate::trace::{Looked, start};
use crate::trace_gone::memory;
use crate::{may_load, number};
use dtq_kernel::trace::arguments::parse;
use dtq_kernel::trace::cost::Cost;
use dtq_kernel::trace::process::find_file;
use dtq_kernel::trace::record::CapturedValue;
use dtq_kernel::trace::{KqlCondition, Plan, Site, Target};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A program with a function for each beginning; each has two arguments and is called in a loop.
const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
#include <time.h>
#define BEGINS(name, code, end) \
  __attribute__((naked, noinline)) void name(long number, const char *text) { __asm__ volatile(code "\n" end); }
BEGINS(nop5, ".byte 0x0f, 0x1f, 0x44, 0, 0", "ret")
BEGINS(nop1, "nop", "ret")
BEGINS(nop2, ".byte 0x66, 0x90", "ret")
BEGINS(nop4, ".byte 0x0f, 0x1f, 0x40, 0", "ret")
BEGINS(push, "push %rbp", "pop %rbp\nret")
BEGINS(push_r12, "push %r12", "pop %r12\nret")
BEGINS(jump, "jmp 1f\n1:", "ret")
BEGINS(endbr, "endbr64", "ret")
BEGINS(sub, "sub $8, %rsp", "add $8, %rsp\nret")
BEGINS(move, "mov %rdi, %rax", "ret")
BEGINS(test, "test %rdi, %rdi", "ret")
BEGINS(leave, "ret", "ret")
static struct { const char *name; void (*call)(long, const char *); } all[] = {
  {"nop5", nop5}, {"nop1", nop1}, {"nop2", nop2}, {"nop4", nop4}, {"push", push}, {"push_r12", push_r12},
  {"jump", jump}, {"endbr", endbr}, {"sub", sub}, {"move", move}, {"test", test}, {"leave", leave}};
int main(int argc, char **argv) {
  void (*volatile call)(long, const char *) = 0;
  for (unsigned at = 0; at < sizeof all / sizeof *all; at++)
    if (!strcmp(argv[1], all[at].name)) call = all[at].call;
  puts("ready"); fflush(stdout);
  for (long count; scanf("%ld", &count) == 1;) {
    for (long number = 0; number < count; number++) call(number, number % 100 ? "an ordinary text" : "the wanted text");
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    printf("spent %ld\n", spent.tv_sec * 1000000000 + spent.tv_nsec); puts("done"); fflush(stdout);
  }
}
"#;

/// Beginnings, and what they are to cost.
const BEGINNINGS: [(&str, Cost); 12] = [
    ("nop5", Cost::Call),
    ("nop1", Cost::Emulated),
    ("nop2", Cost::Emulated),
    ("nop4", Cost::Emulated),
    ("push", Cost::Emulated),
    ("push_r12", Cost::Emulated),
    ("jump", Cost::Emulated),
    ("endbr", Cost::SingleStep),
    ("sub", Cost::SingleStep),
    ("move", Cost::SingleStep),
    ("test", Cost::SingleStep),
    ("leave", Cost::SingleStep),
];

/// Holds the program while it is there.
struct Built(PathBuf);

impl Built {
    /// Compiles it; says loudly when that cannot be.
    fn new(test: &str) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("dtq-{test}-{}", std::process::id()));
        let source = path.with_extension("c");
        std::fs::write(&source, PROGRAM).unwrap();
        let made = Command::new("cc").args(["-O1", "-fcf-protection=none", "-o"]).arg(&path).arg(&source).output();
        let _ = std::fs::remove_file(&source);
        let built = Self(path);
        match made {
            Ok(output) if output.status.success() => Some(built),
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                eprintln!("SKIPPED: {test}: there is no C compiler `cc`");
                None
            }
        }
    }

    fn start(&self, function: &str) -> Looked {
        Looked::start(Command::new(&self.0).arg(function))
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn sites(path: &Path, site: &str) -> Vec<Site> {
    Site::find(path, &site.parse().unwrap()).unwrap()
}

/// Returns nanoseconds that the target works for a call: the least of some runs, since other programs disturb.
fn call_ns(target: &mut Looked, count: u64) -> f64 {
    let mut spent_ns = |count: u64| {
        let lines = target.run(count);
        lines.iter().find_map(|line| line.strip_prefix("spent ")).unwrap().trim().parse::<u64>().unwrap()
    };
    let runs = (0..RUNS).map(|_| {
        let before_ns = spent_ns(0);
        spent_ns(count) - before_ns
    });
    runs.min().unwrap() as f64 / count as f64
}

/// Runs of which the least counts.
const RUNS: u64 = 5;

#[test]
fn the_cost_of_a_hit_is_known_from_the_instruction() {
    let test = "the_cost_of_a_hit_is_known_from_the_instruction";
    let Some(built) = may_load(test).then(|| Built::new(test)).flatten() else { return };
    let count = number("DTQ_CASES", 2_000);
    let nobody = KqlCondition::compile("Command == 'nobody'", &[]).unwrap();
    for (function, cost) in BEGINNINGS {
        let mut target = built.start(function);
        let without_ns = call_ns(&mut target, count * 20);
        let plan = Plan::new(sites(&built.0, &format!("uprobe:{function}")), Target::Process(target.pid()));
        let found = plan.sites[0].cost;
        assert_eq!(found, cost, "{function}");
        let trace = start(Plan { condition: Some(nobody.condition()), accepts_slow: true, ..plan });
        let count = if cost == Cost::SingleStep { count / 10 } else { count };
        let with_ns = call_ns(&mut target, count);
        println!("{function:9} {found:10?} {without_ns:6.1} ns without, {:7.0} ns a hit", with_ns - without_ns);
        assert_eq!(trace.counts(0).unwrap().hits, RUNS * count);
    }
}

/// Holds a condition in both languages.
struct Compared {
    what: &'static str,
    arguments: &'static str,
    kql: Option<&'static str>,
    /// `None` where it cannot be written in one condition.
    bpftrace: Option<&'static str>,
}

const COMPARED: [Compared; 6] = [
    Compared {
        what: "the command is another",
        arguments: "",
        kql: Some("Command == 'nobody'"),
        bpftrace: Some(r#"/comm == "nobody"/ { @ = count(); }"#),
    },
    Compared {
        what: "a number is another",
        arguments: "arg0: long",
        kql: Some("arg0 == -1"),
        bpftrace: Some("/arg0 == -1/ { @ = count(); }"),
    },
    Compared {
        what: "a text begins otherwise",
        arguments: "arg1: string",
        kql: Some("arg1 startswith_cs 'no'"),
        bpftrace: Some(r#"/strncmp(str(arg1), "no", 2) == 0/ { @ = count(); }"#),
    },
    Compared {
        what: "a text begins so, one in 100",
        arguments: "arg0: long, arg1: string",
        kql: Some("arg1 startswith_cs 'the wanted'"),
        bpftrace: Some(r#"/strncmp(str(arg1), "the wanted", 10) == 0/ { printf("%d %s\n", arg0, str(arg1)); }"#),
    },
    Compared {
        what: "a text has a word, one in 100",
        arguments: "arg0: long, arg1: string",
        kql: Some("arg1 has 'WANTED'"),
        bpftrace: None,
    },
    Compared {
        what: "everything is wanted",
        arguments: "arg0: long, arg1: string",
        kql: None,
        bpftrace: Some(r#"{ printf("%d %s\n", arg0, str(arg1)); }"#),
    },
];

#[test]
fn what_the_condition_costs() {
    let test = "what_the_condition_costs";
    let Some(built) = may_load(test).then(|| Built::new(test)).flatten() else { return };
    let count = number("DTQ_CASES", 2_000);
    let mut target = built.start("push");
    let without_ns = call_ns(&mut target, count * 20);
    for Compared { what, arguments, kql, .. } in COMPARED {
        let plan = Plan::new(sites(&built.0, "uprobe:push"), Target::Process(target.pid()));
        let arguments = parse(arguments).unwrap();
        let condition = kql.map(|text| KqlCondition::compile(text, &arguments).unwrap().condition());
        let mut trace = start(Plan { arguments, condition, ring_size_bytes: 1 << 26, ..plan });
        // Somebody waits for hits and takes them meanwhile, as it would be.
        let (with_ns, drained) = std::thread::scope(|scope| {
            let running = scope.spawn(|| call_ns(&mut target, count));
            let mut drained = 0;
            while !running.is_finished() {
                trace.wait(Duration::from_millis(10)).unwrap();
                drained += trace.drain(usize::MAX, |_| {}).unwrap() as u64;
            }
            (running.join().unwrap(), drained + trace.drain(usize::MAX, |_| {}).unwrap() as u64)
        });
        let counts = trace.counts(0).unwrap();
        println!("{what:35} {:6.0} ns a hit, {} of {} lost", with_ns - without_ns, counts.lost, counts.matched);
        assert_eq!(counts.undecided, 0);
        assert_eq!((counts.hits, counts.matched - counts.lost), (RUNS * count, drained));
    }
}

/// Measures what bpftrace costs with the same conditions, for comparison; only where `DTQ_CASES` asks for numbers.
#[test]
fn what_bpftrace_costs() {
    let test = "what_bpftrace_costs";
    let count = number("DTQ_CASES", 0);
    if count == 0 || Command::new("bpftrace").arg("--version").output().is_err() {
        eprintln!("SKIPPED: {test}: it measures only where `DTQ_CASES` is set and bpftrace is here");
        return;
    }
    let Some(built) = may_load(test).then(|| Built::new(test)).flatten() else { return };
    let mut target = built.start("push");
    let without_ns = call_ns(&mut target, count * 20);
    let site = sites(&built.0, "uprobe:push").remove(0);
    for Compared { what, bpftrace, .. } in COMPARED {
        let Some(script) = bpftrace else { continue };
        let output = built.0.with_extension("out");
        let script = format!("uprobe:{}:push {script}", built.0.display());
        let mut bpftrace = Command::new("bpftrace")
            .args(["-p", &target.pid().to_string(), "-o", &output.display().to_string(), "-e", &script])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while memory(target.pid(), site.offset, 'x')[0] == 0x55 {
            assert!(bpftrace.try_wait().unwrap().is_none(), "bpftrace has ended");
            std::thread::yield_now();
        }
        let with_ns = call_ns(&mut target, count);
        let pid = bpftrace.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        bpftrace.wait().unwrap();
        let printed = std::fs::read_to_string(&output).unwrap_or_default();
        let (lines, lost) = (printed.matches(" text\n").count(), printed.matches("Lost ").count());
        let _ = std::fs::remove_file(&output);
        println!("{what:35} {:6.0} ns a hit, {lines} printed, {lost} times some lost", with_ns - without_ns);
        while memory(target.pid(), site.offset, 'x')[0] != 0x55 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn all_processes_of_a_file_are_one_target() {
    let test = "all_processes_of_a_file_are_one_target";
    let Some(built) = may_load(test).then(|| Built::new(test)).flatten() else { return };
    let mut first = built.start("nop5");
    let plan = Plan::new(sites(&built.0, "uprobe:nop5"), Target::AllProcesses);
    let mut trace = start(Plan { arguments: parse("arg0: long").unwrap(), ..plan });
    // One that started before, and one that starts now.
    let mut second = built.start("nop5");
    first.run(30);
    second.run(50);
    let mut pids = Vec::new();
    trace.drain(usize::MAX, |hit| pids.push(hit.pid)).unwrap();
    let of = |looked: &Looked| pids.iter().filter(|pid| **pid == looked.pid()).count();
    assert_eq!((of(&first), of(&second), trace.counts(0).unwrap().hits), (30, 50, 80));
}

#[test]
fn a_function_of_a_library_of_a_process_is_found() {
    let test = "a_function_of_a_library_of_a_process_is_found";
    let Some(built) = may_load(test).then(|| Built::new(test)).flatten() else { return };
    let mut target = built.start("nop1");
    let library = find_file(target.pid(), Some("libc")).unwrap();
    let plan = Plan::new(sites(&library, "uprobe:puts"), Target::Process(target.pid()));
    let mut trace = start(Plan { arguments: parse("arg0: string").unwrap(), accepts_slow: true, ..plan });
    target.run(1);
    let mut texts = Vec::new();
    trace.drain(usize::MAX, |hit| texts.push(hit.arguments[0].value == Some(CapturedValue::Text(b"done")))).unwrap();
    assert_eq!(texts, [true]);
    let error = find_file(target.pid(), Some("libnothing")).unwrap_err().to_string();
    assert!(error.contains("has no code of a file `libnothing`, but of ") && error.contains("/libc.so.6"), "{error}");
}
