//! Nothing of a trace is left in the program that was looked at, nor in the kernel, however the owner ends.

use crate::may_load;
use crate::trace::{Looked, plan, python, start};
use dtq_kernel::object::has_program;
use dtq_kernel::trace::Trace;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Says to the test's own binary which process it traces.
const OWNER: &str = "DTQ_TRACE_OWNER";
/// The sites that the owner traces: a function, and a probe with a semaphore.
const SITES: [&str; 2] = ["uprobe:PyErr_SetString", "usdt:python:audit"];
/// The breakpoint of x86.
const INT3: u8 = 0xCC;

/// Is the owner of traces where it is told so, and no test.
#[test]
fn owner() {
    let Some(pid) = std::env::var(OWNER).ok().and_then(|pid| pid.parse().ok()) else { return };
    let traces: Vec<Trace> = SITES.iter().map(|site| start(plan(pid, site, "arg1: long"))).collect();
    for trace in &traces {
        println!("\nprogram {}", trace.programs()[0].info().unwrap().id);
    }
    println!("\nready");
    std::io::stdin().lines().for_each(drop);
}

/// Reads memory of a process at an offset of its program's file, as it is mapped with a right such as `x`.
pub fn memory(pid: u32, offset: u64, right: char) -> [u8; 2] {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap().display().to_string();
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let address = maps.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (begin, end) = fields[0].split_once('-').unwrap();
        let within = offset.checked_sub(number(fields[2]))?;
        let is_there = fields.get(5) == Some(&program.as_str()) && fields[1].contains(right);
        (is_there && within < number(end) - number(begin)).then(|| number(begin) + within)
    });
    let mut bytes = [0; 2];
    let file = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    file.read_exact_at(&mut bytes, address.expect("the file is mapped there")).unwrap();
    bytes
}

/// Holds what memory of a program is when nobody looks at it.
struct Untouched {
    pid: u32,
    /// Where sites are in its file.
    codes: Vec<(u64, [u8; 2])>,
    semaphore: u64,
}

impl Untouched {
    fn of(python: &Looked) -> Self {
        let pid = python.pid();
        let sites: Vec<_> = SITES.iter().map(|site| plan(pid, site, "").sites.remove(0)).collect();
        let codes = sites.iter().map(|site| (site.offset, memory(pid, site.offset, 'x'))).collect();
        let semaphore = sites[1].semaphore_offset.expect("probes of the interpreter have semaphores");
        assert_eq!(memory(pid, semaphore, 'w'), [0; 2]);
        Self { pid, codes, semaphore }
    }

    fn is_looked_at(&self) -> bool {
        let is_set = |(offset, _): &(u64, [u8; 2])| memory(self.pid, *offset, 'x')[0] == INT3;
        self.codes.iter().all(is_set) && memory(self.pid, self.semaphore, 'w') == [1, 0]
    }

    fn is_so(&self) -> bool {
        let is_same = |(offset, code): &(u64, [u8; 2])| memory(self.pid, *offset, 'x') == *code;
        self.codes.iter().all(is_same) && memory(self.pid, self.semaphore, 'w') == [0; 2]
    }
}

/// Waits until something is so, which the kernel may do a moment later.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_left_when_a_trace_is_dropped() {
    let test = "nothing_is_left_when_a_trace_is_dropped";
    let body = "sys.audit('event')";
    let Some(mut python) = may_load(test).then(|| python(test, "", body)).flatten() else { return };
    let untouched = Untouched::of(&python);
    let traces: Vec<Trace> = SITES.iter().map(|site| start(plan(python.pid(), site, ""))).collect();
    assert!(untouched.is_looked_at());
    python.run(10);
    let ids: Vec<u32> = traces.iter().map(|trace| trace.programs()[0].info().unwrap().id).collect();
    drop(traces);
    assert!(untouched.is_so());
    soon("the programs are gone", || ids.iter().all(|id| !has_program(*id).unwrap()));
    python.run(10);
}

#[test]
fn nothing_is_left_when_the_owner_is_killed() {
    let test = "nothing_is_left_when_the_owner_is_killed";
    let Some(mut python) = may_load(test).then(|| python(test, "", "sys.audit('event')")).flatten() else { return };
    let untouched = Untouched::of(&python);
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command.args(["--exact", "trace_gone::owner", "--nocapture"]).env(OWNER, python.pid().to_string());
    let (owner, lines) = Looked::start_and_hear(&mut command);
    let ids: Vec<u32> =
        lines.iter().filter_map(|line| line.strip_prefix("program ")).map(|id| id.trim().parse().unwrap()).collect();
    assert_eq!(ids.len(), SITES.len());
    assert!(untouched.is_looked_at() && ids.iter().all(|id| has_program(*id).unwrap()));
    python.run(10);
    // Dropping it kills it with SIGKILL.
    drop(owner);
    soon("the program that was looked at is as it was", || untouched.is_so());
    soon("the programs are gone", || ids.iter().all(|id| !has_program(*id).unwrap()));
    python.run(10);
}
