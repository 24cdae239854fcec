//! A process that forks: native code compiled before runs in the parent and in the child, whatever either frees.
//!
//! Without the harness of other tests, whose threads would be there too; one thread is there on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use fork::{Fork, fork, waitpid};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// A request with a record of severity 5, which goes, and one with a record of severity 17, which stays.
const GOES: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
const STAYS: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17];

fn rules() -> Arc<RuleSet> {
    let text =
        "apiVersion: dtq/v1\nrules:\n  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
    let (read, _) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    Arc::new(compile(&[read], &Options::default()).set.unwrap())
}

/// Runs requests through native code and compares.
fn judges(processor: &mut Processor) -> bool {
    (0..100).all(|_| {
        processor.apply(Signal::Logs, &GOES, 0, None).output == Output::Empty
            && processor.apply(Signal::Logs, &STAYS, 0, None).output == Output::Unchanged
    })
}

/// Runs what was compiled before the fork, frees it, compiles anew and runs that.
fn child(mut processor: Processor, native: Arc<NativeSet>) -> bool {
    let set = Arc::clone(native.rules());
    let before = judges(&mut processor) && processor.native().is_some();
    drop((processor, native));
    let mut processor = Processor::new(Arc::clone(&set), &Default::default());
    processor.use_native(Arc::new(NativeSet::compile(&set).unwrap())) && judges(&mut processor) && before
}

fn main() {
    let set = rules();
    let native = Arc::new(NativeSet::compile(&set).expect("tests run where there is native code"));
    let new = || {
        let mut processor = Processor::new(Arc::clone(&set), &Default::default());
        assert!(processor.use_native(Arc::clone(&native)));
        processor
    };
    let (is_over, round_count) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut processor = new();
            while !is_over.load(Ordering::Relaxed) {
                assert!(judges(&mut processor), "a thread of the parent goes on");
                round_count.fetch_add(1, Ordering::Relaxed);
            }
        });
        while round_count.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        for _ in 0..20 {
            let mut processor = new();
            assert!(judges(&mut processor));
            match fork().expect("the system lets a process fork") {
                Fork::Child => exit(i32::from(!child(processor, Arc::clone(&native)))),
                Fork::Parent(pid) => {
                    assert!(judges(&mut processor), "the parent goes on beside the child");
                    assert_eq!(waitpid(pid).unwrap(), 0, "the child judges as the parent does");
                    assert!(judges(&mut processor), "what the child freed was its own");
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
    println!("20 children judged as their parent did");
}
