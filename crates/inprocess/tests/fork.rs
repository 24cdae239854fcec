//! A process that forks: the child judges, waits for no thread of the parent, and sends nothing that the parent holds.
//!
//! Without the harness of other tests, whose threads would be there too; busy threads are there on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use dtq_inprocess::{Bounds, Fate, Rules, Silent, after_fork};
use dtq_record::otlp::Signal;
use fork::{Fork, fork, waitpid};
use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Requests with a record of severity 5, and with one of severity 17, of a trace each.
const FIVE: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
const SEVENTEEN: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17];

/// The second rule remembers, so that all threads want the same place: at many a fork it is taken.
const RULES: &str = "apiVersion: dtq/v1
rules:
  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
  - {name: hold, tiers: [in-process], to: 'recorder:ring', recorder: {keep: 1h, on_shutdown: flush}, kql: logs | where SeverityNumber > 20}
  - {name: out, tiers: [in-process], to: 'flush:ring', kql: logs | where EventName == \"never\"}
";

/// Judges until it is not contended: in the child nobody else is there.
fn child(rules: &Rules, is_told: bool) -> bool {
    if is_told {
        after_fork();
        after_fork();
    }
    let first = rules.apply(Signal::Logs, &FIVE).0;
    let is_quiet = rules.counts().contended == 0;
    let is_new = rules.counts().records == 1 || !is_told;
    let judges = (0..100).all(|_| {
        rules.apply(Signal::Logs, &FIVE).0 == Fate::Drop && rules.apply(Signal::Logs, &SEVENTEEN).0 == Fate::Pass
    });
    // What the parent holds is its own.
    let holds_nothing = rules.shutdown().is_empty() && rules.accounts().iter().all(|one| one.account.held == 0);
    let reloads = rules.reload_text("again", RULES).is_ok() && rules.apply(Signal::Logs, &FIVE).0 == Fate::Drop;
    first == Fate::Drop && is_quiet && is_new && judges && holds_nothing && reloads
}

fn main() {
    let rules = Rules::from_text("rules.yaml", RULES, Bounds::default(), Silent).unwrap();
    let held = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 21];
    assert_eq!(rules.apply(Signal::Logs, &held).0, Fate::Drop, "held");
    let (is_over, judged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    rules.apply(Signal::Logs, &FIVE);
                    judged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while judged.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        for round in 0..40 {
            match fork().expect("the system lets a process fork") {
                Fork::Child => exit(i32::from(!child(&rules, round % 2 == 0))),
                Fork::Parent(pid) => assert_eq!(waitpid(pid).unwrap(), 0, "child {round}"),
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let held: u64 = rules.accounts().iter().map(|one| one.account.held).sum();
    assert_eq!((held, rules.counts().panics), (1, 0), "the parent goes on");
    assert_eq!(rules.shutdown().len(), 1);
    println!("40 children judged as their parent did");
}
