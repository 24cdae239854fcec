//! Cases to nanoseconds a record: thread CPU time, the least of several repetitions.
//!
//! The repetitions of all cases take turns, so that what else the machine does meets all of them alike.

use cpu_time::ThreadTime;
use std::hint::black_box;

/// Repetitions that count; one more before them warms up.
const REPETITIONS: usize = 7;

/// A pass that takes longer than this is repeated twice only.
const LONG_PASS_NS: f64 = 4e8;

/// A pass that takes longer than this is not repeated: the one that should have warmed up counts.
const ENDLESS_PASS_NS: f64 = 4e9;

/// Holds something to measure: each call goes once over all records and gives a count, always the same.
pub struct Case<'a> {
    /// What it is called.
    pub name: String,
    /// Records that one call goes over.
    pub record_count: usize,
    /// The call.
    pub run: Box<dyn FnMut() -> u64 + 'a>,
}

impl<'a> Case<'a> {
    /// Returns a case.
    pub fn new(name: impl Into<String>, record_count: usize, run: impl FnMut() -> u64 + 'a) -> Self {
        Self { name: name.into(), record_count, run: Box::new(run) }
    }
}

/// Holds what a case costs.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The name of the case.
    pub name: String,
    /// Nanoseconds a record, the least of the repetitions.
    pub ns: f64,
    /// What a call gave.
    pub count: u64,
}

/// Measures cases; a repetition is this many passes over the records.
pub fn all(cases: &mut [Case<'_>], passes: usize) -> Vec<Measured> {
    let mut measured: Vec<Measured> =
        cases.iter().map(|case| Measured { name: case.name.clone(), ns: f64::INFINITY, count: 0 }).collect();
    let mut plans = vec![(passes, REPETITIONS); cases.len()];
    for repetition in 0..=REPETITIONS {
        for ((case, measured), plan) in cases.iter_mut().zip(&mut measured).zip(&mut plans) {
            if repetition > plan.1 {
                continue;
            }
            let passes_now = if repetition == 0 { 1 } else { plan.0 };
            let start = ThreadTime::now();
            measured.count = measured_passes(case, passes_now);
            let ns = start.elapsed().as_nanos() as f64;
            if repetition == 0 {
                *plan = plan_for(ns, passes);
            }
            if repetition > 0 || plan.1 == 0 {
                measured.ns = measured.ns.min(ns / (passes_now * case.record_count) as f64);
            }
        }
    }
    measured
}

/// Returns passes and repetitions for a case whose first pass took so long.
fn plan_for(pass_ns: f64, passes: usize) -> (usize, usize) {
    if pass_ns > ENDLESS_PASS_NS {
        (1, 0)
    } else if pass_ns > LONG_PASS_NS {
        (1, 2)
    } else {
        (passes.min((2.0 * LONG_PASS_NS / pass_ns) as usize).max(1), REPETITIONS)
    }
}

/// Goes over the records of a case so many times; returns what the last pass gave.
///
/// Never inlined, and called for what is measured only: `instructions.sh` counts instructions between entering and
/// leaving it, by its name.
#[inline(never)]
pub fn measured_passes(case: &mut Case<'_>, passes: usize) -> u64 {
    let mut count = 0;
    for _ in 0..passes {
        count = black_box((case.run)());
    }
    count
}
