//! Cases on decoded records: code by hand. Engines that run on slots are further cases of the same questions.

use crate::work::Work;
use dtq_workload::hand::decoded::{F3, F4, F5Loop, F5Memo, f1, f2, t1};
use dtq_workload::measure::Case;
use dtq_workload::rules;
use dtq_workload::slots::Slots;
use std::hint::black_box;

/// What names of these cases begin with.
pub const KIND: &str = "decoded";

/// Returns the name of a case.
pub fn name(question: &str, who: &str) -> String {
    format!("{KIND} {question}: {who}")
}

/// Returns the cases.
pub fn cases(work: &Work) -> Vec<Case<'_>> {
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
