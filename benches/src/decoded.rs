//! Cases on decoded records: code by hand on a struct, and engines on slots, which the same records were put into.

use crate::engine::Engine;
use crate::over_slots::{self, Edited, Filled, Judged, Question};
use crate::questions;
use crate::work::Work;
use dtq_workload::hand::decoded::{F3, F4, F5Loop, F5Memo, f1, f2, t1};
use dtq_workload::measure::Case;
use dtq_workload::rules;
use dtq_workload::slots::Slots;
use std::hint::black_box;
use std::rc::Rc;

/// What names of these cases begin with.
pub const KIND: &str = "decoded";

/// Returns the name of a case.
pub fn name(question: &str, who: &str) -> String {
    format!("{KIND} {question}: {who}")
}

/// The questions that are conditions.
pub const CONDITIONS: [(&str, &str); 4] =
    [("F1", questions::F1), ("F2", questions::F2), ("F3", questions::F3), ("F4", questions::F4)];

/// Returns the cases.
///
/// # Errors
/// What an engine cannot run.
pub fn cases<'w>(work: &'w Work, engines: &[Engine]) -> Result<Vec<Case<'w>>, String> {
    let mut cases = by_hand(work);
    let filled = over_slots::filled(work);
    let check = over_slots::check(Rc::clone(&filled));
    cases.push(Case::new(name("check of slots", "dtq"), work.record_count(), check));
    for engine in engines {
        for (question, kql) in CONDITIONS {
            let run = counter(*engine, kql, Rc::clone(&filled))?;
            cases.push(Case::new(name(question, &engine.who()), work.record_count(), run));
        }
        let mut edit = editor(*engine, Rc::clone(&filled))?;
        let mut column = Vec::with_capacity(work.record_count());
        cases.push(Case::new(name("T1", &engine.who()), work.record_count(), move || {
            edit(&mut column);
            black_box(&column).len() as u64
        }));
        let mut judged = Judged::new(*engine, &questions::dropping(&rules::fifty()), &work.slots)?;
        cases.push(Case::new(name("F5", &engine.who()), work.record_count(), move || judged.count()));
    }
    Ok(cases)
}

/// Returns what counts the records that a condition is true of.
///
/// # Errors
/// What the engine cannot run.
pub fn counter<'w>(engine: Engine, kql: &str, filled: Rc<Filled>) -> Result<Box<dyn FnMut() -> u64 + 'w>, String> {
    let question = Question::filter(kql)?;
    Ok(match engine {
        Engine::Interp => Box::new(over_slots::count_interpreted(question, filled)),
        Engine::Native => Box::new(over_slots::count_natively(&question, filled)?),
    })
}

/// Writes a column of what T1 makes of each record.
pub type Editor<'w> = Box<dyn FnMut(&mut Vec<Edited>) + 'w>;

/// Returns what writes a column of what T1 makes of each record.
///
/// # Errors
/// What the engine cannot run.
pub fn editor<'w>(engine: Engine, filled: Rc<Filled>) -> Result<Editor<'w>, String> {
    let question = Question::edits()?;
    Ok(match engine {
        Engine::Interp => Box::new(over_slots::edit_interpreted(question, filled)),
        Engine::Native => Box::new(over_slots::edit_natively(&question, filled)?),
    })
}

fn by_hand(work: &Work) -> Vec<Case<'_>> {
    let (f3, f4) = (F3::default(), F4::default());
    let rules = rules::fifty();
    let (plain, memo) = (F5Loop::new(&rules), F5Memo::new(&rules));
    vec![
        count("F1", "hand", work, f1),
        count("F2", "hand", work, f2),
        count("F3", "hand", work, move |record| f3.holds(record)),
        count("F4", "hand", work, move |record| f4.holds(record)),
        edit(work),
        count("F5", "hand, loop", work, move |record| plain.first(record).is_some()),
        count("F5", "hand, each word once", work, move |record| memo.first(record).is_some()),
    ]
}

/// Returns a case that counts the records of which something holds.
fn count<'w>(question: &str, who: &str, work: &'w Work, holds: impl Fn(&Slots) -> bool + 'w) -> Case<'w> {
    Case::new(name(question, who), work.record_count(), move || {
        black_box(&work.slots).iter().map(|record| u64::from(holds(record))).sum()
    })
}

/// Returns the case of T1: what each record's two fields are afterwards stands in a column that is written anew.
fn edit(work: &Work) -> Case<'_> {
    let mut column = Vec::with_capacity(work.record_count());
    Case::new(name("T1", "hand"), work.record_count(), move || {
        column.clear();
        column.extend(black_box(&work.slots).iter().map(t1));
        black_box(&column).len() as u64
    })
}
