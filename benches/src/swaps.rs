//! Rule sets put in each other's place while telemetry passes, on two threads: is every answer right, does memory grow.

use crate::engine::{Engine, files, size_left};
use crate::questions;
use crate::work::Work;
use dtq_rules::compile::RuleSet;
use dtq_workload::rules;
use std::sync::Arc;
use std::time::Instant;

const SWAPS: usize = 20_000;
const THREADS: usize = 2;
const RULES: usize = 10;
const SETS: usize = 4;
/// Swaps after which memory is read for the first time: what is kept for reuse is there by then.
const WARM_SWAPS: usize = SWAPS / 10;

/// Runs the swaps and prints what came of them.
///
/// # Errors
/// When an answer is wrong.
pub fn run(engine: Engine) -> Result<(), String> {
    let work = Work::of_count(512);
    // Each set has half of its rules from the one before it.
    let rules = rules::many(SETS * RULES / 2 + RULES / 2);
    let sets = (0..SETS).map(|at| {
        let rules = &rules[at * RULES / 2..][..RULES];
        let set = Arc::new(engine.rule_set(&files(&questions::dropping(rules)))?);
        let expected = size_left(&mut engine.processor(Arc::clone(&set)), &work.requests[0]);
        Ok((set, expected))
    });
    let sets = sets.collect::<Result<Vec<_>, String>>()?;
    let start = Instant::now();
    let one = |thread: usize| one_thread(engine, &sets, &work.requests[0], thread);
    let memory = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || one(thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread that panics says so itself"))
            .collect::<Vec<_>>()
    });
    let memory = memory.into_iter().collect::<Result<Vec<_>, String>>()?;
    println!(
        "\n{SWAPS} swaps of {RULES}-rule sets on {THREADS} threads, a request of 512 records after each, {}: {:.1} s, every \
         answer right; resident memory {:.1} MB after {WARM_SWAPS} swaps, {:.1} MB after the last",
        engine.who(),
        start.elapsed().as_secs_f64(),
        memory.iter().map(|(first, _)| *first).fold(0.0, f64::max),
        memory.iter().map(|(_, last)| *last).fold(0.0, f64::max),
    );
    Ok(())
}

/// Returns resident megabytes early and late.
fn one_thread(
    engine: Engine,
    sets: &[(Arc<RuleSet>, u64)],
    request: &[u8],
    thread: usize,
) -> Result<(f64, f64), String> {
    let mut processor = engine.processor(Arc::clone(&sets[thread].0));
    let (mut early, mut native) = (0.0, None);
    for swap in 0..SWAPS / THREADS {
        let (set, expected) = &sets[(swap + thread) % sets.len()];
        engine.swap(&mut processor, set, &mut native);
        let size = size_left(&mut processor, request);
        if size != *expected {
            return Err(format!("swap {swap} of thread {thread}: {size} bytes, not {expected}"));
        }
        if swap == WARM_SWAPS / THREADS {
            early = resident_mb()?;
        }
    }
    Ok((early, resident_mb()?))
}

/// Returns the megabytes of this process that are in memory.
///
/// # Source
/// proc_pid_statm(5): the second number counts pages, of 4 KiB on the machines these benches know.
fn resident_mb() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|error| format!("/proc/self/statm: {error}"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    Ok(pages.ok_or("/proc/self/statm has no second number")? * 4_096.0 / 1e6)
}
