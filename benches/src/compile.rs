//! How long it takes from text to rules that run, and to put one rule set in the place of another.

use crate::engine::{Engine, NOW_TICKS, apply, files};
use crate::questions;
use cpu_time::ThreadTime;
use dtq_rules::compile::catalog::RuleCatalog;
use dtq_rules::native::NativeSet;
use dtq_workload::records;
use dtq_workload::requests;
use dtq_workload::rules;
use std::hint::black_box;
use std::sync::Arc;

/// Larger sets are left out, and that is said, when one took longer than this.
const SET_NS_MAX: f64 = 2e9;

/// Repetitions take no longer than this together, unless there is only one.
const REPEATED_NS: f64 = 1e9;
const REPETITIONS_MAX: f64 = 200.0;

/// Holds how long something takes.
pub struct Took {
    /// What.
    pub name: String,
    /// The first time, in nanoseconds.
    pub first_ns: f64,
    /// The fastest time, in nanoseconds.
    pub best_ns: f64,
}

/// Returns how long everything takes.
///
/// # Errors
/// What is wrong with a rule.
pub fn measure(engines: &[Engine]) -> Result<Vec<Took>, String> {
    let mut took = vec![timed("query F3: text to program".to_owned(), || {
        let catalog = RuleCatalog::default();
        let (query, diagnostics) = dtq_engine::compile(questions::F3, &catalog, &dtq_engine::Options::default());
        black_box(query.ok_or_else(|| format!("{diagnostics:?}"))?);
        Ok(())
    })?];
    for engine in engines {
        took.extend(texts(*engine)?);
        took.extend(swaps(*engine)?);
    }
    Ok(took)
}

/// Returns how long it takes from text to rule sets.
fn texts(engine: Engine) -> Result<Vec<Took>, String> {
    let one = files(&questions::one("drop", questions::F3));
    let other = engine.code(&Arc::new(engine.rule_set(&files(&questions::one("drop", questions::F1)))?));
    let request = requests::encode(&records::make(1)).swap_remove(0);
    let many = rules::many(10_000);
    let mut took = vec![
        timed(format!("one rule: text to first answer: {}", engine.who()), || {
            let mut processor = engine.first_processor(Arc::new(engine.rule_set(&one)?), None);
            black_box(apply(&mut processor, &request));
            Ok(())
        })?,
        timed(format!("one rule: text to first answer, after another set: {}", engine.who()), || {
            let mut processor = engine.first_processor(Arc::new(engine.rule_set(&one)?), other.as_ref());
            black_box(apply(&mut processor, &request));
            Ok(())
        })?,
        timed(format!("one rule: text to first answer, scans and all: {}", engine.who()), || {
            let mut processor = engine.processor(Arc::new(engine.rule_set(&one)?));
            black_box(apply(&mut processor, &request));
            Ok(())
        })?,
        timed(format!("one rule: text to rule set: {}", engine.who()), || {
            black_box(engine.rule_set(&one)?);
            Ok(())
        })?,
    ];
    let sets = [("F5, 50 rules", rules::fifty()), ("1,000 rules", many[..1_000].to_vec()), ("10,000 rules", many)];
    for (name, rules) in sets {
        let last_ns = took.last().map_or(0.0, |took| took.best_ns);
        if last_ns > SET_NS_MAX {
            println!("{name} are left out: the set before took {:.1} s to compile", last_ns / 1e9);
            continue;
        }
        let files = files(&questions::dropping(&rules));
        took.push(timed(format!("{name}: text to rule set: {}", engine.who()), || {
            black_box(engine.rule_set(&files)?);
            Ok(())
        })?);
    }
    Ok(took)
}

/// Returns how long swaps take between two sets that differ in one rule.
fn swaps(engine: Engine) -> Result<Vec<Took>, String> {
    let mut took = Vec::new();
    for size in [10, 1_000] {
        let mut texts = questions::dropping(&rules::many(size));
        let one = Arc::new(engine.rule_set(&files(&texts))?);
        texts[size / 2].kql = questions::F3.to_owned();
        let other = Arc::new(engine.rule_set(&files(&texts))?);
        let mut processor = engine.processor(Arc::clone(&one));
        let mut is_one = true;
        took.push(timed(format!("{size} rules, one changed: swap: {}", engine.who()), || {
            let next = if is_one { &other } else { &one };
            is_one = !is_one;
            black_box(processor.swap(Arc::clone(next), NOW_TICKS));
            Ok(())
        })?);
        if engine == Engine::Native {
            let before = NativeSet::compile(&one).map_err(|refusal| refusal.to_string())?;
            took.push(timed(format!("{size} rules, one changed: native code: {}", engine.who()), || {
                black_box(NativeSet::begin(&other, Some(&before)).map_err(|refusal| refusal.to_string())?);
                Ok(())
            })?);
            took.push(timed(format!("{size} rules: native code: {}", engine.who()), || {
                black_box(NativeSet::compile(&other).map_err(|refusal| refusal.to_string())?);
                Ok(())
            })?);
        }
    }
    Ok(took)
}

fn timed(name: String, mut run: impl FnMut() -> Result<(), String>) -> Result<Took, String> {
    let mut once = || -> Result<f64, String> {
        let start = ThreadTime::now();
        run()?;
        Ok(start.elapsed().as_nanos() as f64)
    };
    let first_ns = once()?;
    let repetitions = (REPEATED_NS / first_ns).clamp(1.0, REPETITIONS_MAX);
    let mut best_ns = first_ns;
    for _ in 0..repetitions as usize {
        best_ns = best_ns.min(once()?);
    }
    Ok(Took { name, first_ns, best_ns })
}
