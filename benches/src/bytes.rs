//! Cases from OTLP bytes to OTLP bytes: dtq, the scanner by hand, prost, and what none can beat.

use crate::engine::{Engine, size_left};
use crate::questions;
use crate::work::Work;
use dtq_workload::hand::splice::{Judge, Splicer};
use dtq_workload::hand::{by_prost, limits, scanner};
use dtq_workload::measure::Case;
use dtq_workload::rules;
use memchr::memmem::Finder;

/// What names of these cases begin with.
pub const KIND: &str = "bytes";

/// Returns the name of a case.
pub fn name(question: &str, who: &str) -> String {
    format!("{KIND} {question}: {who}")
}

/// Returns the cases.
///
/// # Errors
/// What is wrong with a rule.
pub fn cases<'w>(work: &'w Work, engines: &[Engine]) -> Result<Vec<Case<'w>>, String> {
    let mut cases = limits(work);
    cases.push(by_hand("keep all", work, scanner::KeepAll));
    cases.push(by_hand("F1", work, scanner::F1));
    cases.push(by_hand("F2", work, scanner::F2));
    cases.push(by_hand("F3", work, scanner::F3::default()));
    cases.push(by_hand("T1", work, scanner::T1));
    cases.push(by_hand("F5", work, scanner::F5::new(&rules::fifty())));
    cases.push(each("F2", "prost", work, |request| by_prost::f2(request).len() as u64));
    let timeout = Finder::new("timeout");
    cases.push(each("F3", "prost", work, move |request| by_prost::f3(request, &timeout).len() as u64));
    for engine in engines {
        cases.extend(by_rules(work, *engine)?);
    }
    Ok(cases)
}

/// Returns a case that does something with each request.
fn each<'w>(question: &str, who: &str, work: &'w Work, mut run: impl FnMut(&[u8]) -> u64 + 'w) -> Case<'w> {
    Case::new(name(question, who), work.record_count(), move || {
        work.requests.iter().map(|request| run(std::hint::black_box(request))).sum()
    })
}

fn limits(work: &Work) -> Vec<Case<'_>> {
    let mut out = Vec::new();
    let copy = each("limit", "copy", work, move |request| {
        limits::copy(request, &mut out);
        std::hint::black_box(&out).len() as u64
    });
    let records = |request: &[u8]| limits::walk_records(request).expect("requests are sound");
    let fields = |request: &[u8]| limits::walk_fields(request).expect("requests are sound");
    vec![copy, each("limit", "walk records", work, records), each("limit", "walk fields", work, fields)]
}

fn by_hand<'w, J: Judge + 'w>(question: &str, work: &'w Work, mut judge: J) -> Case<'w> {
    let mut splicer = Splicer::default();
    each(question, "hand", work, move |request| {
        splicer.splice(request, &mut judge).expect("requests are sound").len() as u64
    })
}

fn by_rules<'w>(work: &'w Work, engine: Engine) -> Result<Vec<Case<'w>>, String> {
    let questions = [
        ("keep all", questions::one("drop", questions::NOTHING)),
        ("settled by resource", questions::one("drop", questions::SETTLED)),
        ("drop by resource", questions::one("drop", questions::BY_RESOURCE)),
        ("F1", questions::one("replace", questions::F1)),
        ("F2", questions::one("replace", questions::F2)),
        ("F3", questions::one("replace", questions::F3)),
        ("F4", questions::one("replace", questions::F4)),
        ("T1", questions::one("replace", questions::T1)),
        ("F5", questions::dropping(&rules::fifty())),
    ];
    let cases = questions.iter().map(|(question, rules)| {
        let mut processor = engine.processor_of(rules)?;
        Ok(each(question, &engine.who(), work, move |request| size_left(&mut processor, request)))
    });
    cases.collect()
}
