//! More and more rules of the kind of F5, with 200 different words between them: what a record costs.

use crate::engine::{Engine, apply, size_left};
use crate::over_slots::Judged;
use crate::questions;
use crate::work::Work;
use cpu_time::ThreadTime;
use dtq_rules::engine::Processor;
use dtq_workload::measure::{self, Case, Measured};
use dtq_workload::rules;

/// How many rules.
pub const SIZES: [usize; 4] = [50, 200, 1_000, 10_000];

/// Rules that are measured over slots at most: a second set takes as long to compile.
const SLOTS_SIZE_MAX: usize = 1_000;

/// Records of one pass.
const RECORDS: usize = 4_096;

/// Returns the name of a case.
pub fn name(size: usize, engine: Engine) -> String {
    format!("{size} rules: {}", engine.who())
}

/// Returns the name of a case over slots.
pub fn slots_name(size: usize, engine: Engine) -> String {
    format!("{size} rules over slots: {}", engine.who())
}

/// A set is left out, and that is said, when a smaller one took longer than this to compile.
const COMPILE_NS_MAX: f64 = 2e9;

/// Returns what a record costs in each set.
///
/// # Errors
/// What is wrong with a rule.
pub fn measure(engines: &[Engine]) -> Result<Vec<Measured>, String> {
    let work = Work::of_count(RECORDS);
    let all = rules::many(SIZES[SIZES.len() - 1]);
    let (mut cases, mut over_slots) = (Vec::new(), Vec::new());
    for engine in engines {
        for size in SIZES {
            let start = ThreadTime::now();
            let mut processor = engine.processor_of(&questions::dropping(&all[..size]))?;
            let compile_ns = start.elapsed().as_nanos() as f64;
            if engine == &Engine::Native && size <= SLOTS_SIZE_MAX {
                let mut judged = Judged::new(*engine, &questions::dropping(&all[..size]), &work.slots)?;
                same_as_requests(&mut processor, &work, &mut judged)?;
                over_slots.push(Case::new(slots_name(size, *engine), work.record_count(), move || judged.count()));
            }
            let requests = &work.requests;
            cases.push(Case::new(name(size, *engine), work.record_count(), move || {
                requests.iter().map(|request| size_left(&mut processor, request)).sum()
            }));
            if compile_ns > COMPILE_NS_MAX && size != SIZES[SIZES.len() - 1] {
                println!("{size} rules took {:.1} s to compile: larger sets are left out", compile_ns / 1e9);
                break;
            }
        }
    }
    cases.extend(over_slots);
    Ok(measure::all(&mut cases, 25))
}

/// Compares how many records a set removes from requests and over slots.
fn same_as_requests(processor: &mut Processor, work: &Work, judged: &mut Judged) -> Result<(), String> {
    work.requests.iter().for_each(|request| drop(apply(processor, request)));
    let dropped: u64 = processor.accounts().iter().map(|account| account.dropped).sum();
    let over_slots = judged.count();
    if dropped == over_slots { Ok(()) } else { Err(format!("{dropped} are dropped, over slots {over_slots}")) }
}
