//! Whether code by hand, prost and dtq give the same, before anything is measured.
//!
//! Requests are compared decoded, so that where an attribute is put does not matter, only what is there.

use crate::decoded::{CONDITIONS, counter, editor};
use crate::engine::{Engine, apply};
use crate::over_slots::{self, Judged};
use crate::questions::{self, RuleText};
use crate::work::Work;
use dtq_rules::engine::{Output, Processor};
use dtq_workload::hand::decoded;
use dtq_workload::hand::scanner;
use dtq_workload::hand::splice::{Judge, Splicer};
use dtq_workload::hand::{by_prost, limits};
use dtq_workload::requests;
use dtq_workload::rules;
use dtq_workload::slots::Slots;
use memchr::memmem::Finder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use std::rc::Rc;

/// Compares everything that is measured on these records.
///
/// # Errors
/// The first difference.
pub fn all(work: &Work, engines: &[Engine]) -> Result<(), String> {
    for engine in engines {
        scanned("F1", work, *engine, &questions::one("replace", questions::F1), &mut scanner::F1)?;
        scanned("F2", work, *engine, &questions::one("replace", questions::F2), &mut scanner::F2)?;
        scanned("F3", work, *engine, &questions::one("replace", questions::F3), &mut scanner::F3::default())?;
        scanned("T1", work, *engine, &questions::one("replace", questions::T1), &mut scanner::T1)?;
        scanned("keep all", work, *engine, &questions::one("drop", questions::NOTHING), &mut scanner::KeepAll)?;
        fifty(work, *engine)?;
        decoded(work, *engine)?;
        over_slots(work, *engine)?;
    }
    by_prost(work)?;
    let walked: u64 = work.requests.iter().map(|one| limits::walk_records(one).expect("requests are sound")).sum();
    same("walking", walked, work.record_count() as u64)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, left: T, right: T) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{what}: {left:?} and {right:?}")) }
}

/// Compares the scanner with an engine, request by request; returns the processor.
fn scanned<J: Judge>(
    what: &str,
    work: &Work,
    engine: Engine,
    rules: &[RuleText],
    judge: &mut J,
) -> Result<Processor, String> {
    let mut processor = engine.processor_of(rules)?;
    let mut splicer = Splicer::default();
    for (index, request) in work.requests.iter().enumerate() {
        let by_hand = splicer.splice(request, judge).map_err(|_| format!("{what}: request {index} is malformed"))?;
        let by_rules = match apply(&mut processor, request) {
            Output::Unchanged => request.clone(),
            Output::Empty => Vec::new(),
            Output::Bytes(bytes) => bytes,
        };
        if sorted(&by_rules) != sorted(by_hand) {
            return Err(format!("{what}: request {index} differs between {} and hand", engine.who()));
        }
    }
    Ok(processor)
}

/// Returns a request decoded, its records' attributes in the order of keys.
fn sorted(request: &[u8]) -> ExportLogsServiceRequest {
    let mut request = requests::decode(request);
    let scopes = request.resource_logs.iter_mut().flat_map(|one| &mut one.scope_logs);
    for record in scopes.flat_map(|scope| &mut scope.log_records) {
        record.attributes.sort_by(|left: &KeyValue, right: &KeyValue| left.key.cmp(&right.key));
    }
    request
}

/// Compares fifty rules: what is left, and how many records each rule matched first.
fn fifty(work: &Work, engine: Engine) -> Result<(), String> {
    let rules = rules::fifty();
    let mut judge = scanner::F5::new(&rules);
    let processor = scanned("F5", work, engine, &questions::dropping(&rules), &mut judge)?;
    let matched: Vec<u64> = processor.accounts().iter().map(|account| account.matched).collect();
    same("F5 by rule", &matched, &judge.counts)?;
    let (plain, memo) = (decoded::F5Loop::new(&rules), decoded::F5Memo::new(&rules));
    let mut counts = vec![[0, 0]; rules.len()];
    for record in &work.slots {
        [plain.first(record), memo.first(record)].iter().enumerate().for_each(|(position, first)| {
            if let Some(rule) = first {
                counts[*rule][position] += 1;
            }
        });
    }
    same("F5 decoded", counts, matched.iter().map(|count| [*count, *count]).collect())?;
    let mut removed = vec![0; rules.len()];
    Judged::new(engine, &questions::dropping(&rules), &work.slots)?.judge(|rule| {
        if let Some(rule) = rule {
            removed[rule] += 1;
        }
    });
    same("F5 over slots", removed, matched)
}

/// Compares the code on decoded records with what an engine counts.
fn decoded(work: &Work, engine: Engine) -> Result<(), String> {
    let (f3, f4) = (decoded::F3::default(), decoded::F4::default());
    let is_edited = |record: &Slots| {
        let (secret, tier) = decoded::t1(record);
        secret != record.secret.as_deref() || tier.is_some()
    };
    let by_hand: [(&str, &str, &dyn Fn(&Slots) -> bool); 5] = [
        ("F1", questions::F1, &decoded::f1),
        ("F2", questions::F2, &decoded::f2),
        ("F3", questions::F3, &|record| f3.holds(record)),
        ("F4", questions::F4, &|record| f4.holds(record)),
        ("T1", questions::T1, &is_edited),
    ];
    for (what, kql, holds) in by_hand {
        let mut processor = engine.processor_of(&questions::one("replace", kql))?;
        work.requests.iter().for_each(|request| drop(apply(&mut processor, request)));
        let account = processor.accounts().swap_remove(0);
        let counted = if what == "T1" { account.edited } else { account.matched };
        let expected = work.slots.iter().filter(|record| holds(record)).count() as u64;
        same(&format!("{what} decoded"), counted, expected)?;
    }
    Ok(())
}

/// Compares what an engine makes of slots with what code by hand makes of decoded records.
fn over_slots(work: &Work, engine: Engine) -> Result<(), String> {
    let (f3, f4) = (decoded::F3::default(), decoded::F4::default());
    let by_hand: [&dyn Fn(&Slots) -> bool; 4] =
        [&decoded::f1, &decoded::f2, &|record| f3.holds(record), &|record| f4.holds(record)];
    let filled = over_slots::filled(work);
    for ((what, kql), holds) in CONDITIONS.into_iter().zip(by_hand) {
        let counted = counter(engine, kql, Rc::clone(&filled))?();
        let expected = work.slots.iter().filter(|record| holds(record)).count() as u64;
        same(&format!("{what} over slots, {}", engine.who()), counted, expected)?;
    }
    let mut column = Vec::new();
    editor(engine, Rc::clone(&filled))?(&mut column);
    same("T1 over slots", column.len(), work.record_count())?;
    for (edited, record) in column.iter().zip(&work.slots) {
        let (secret, tier) = decoded::t1(record);
        same("T1 over slots", over_slots::texts(edited, &filled), [secret, tier].map(|text| text.map(str::as_bytes)))?;
    }
    Ok(())
}

fn by_prost(work: &Work) -> Result<(), String> {
    let timeout = Finder::new("timeout");
    let mut splicer = Splicer::default();
    for request in &work.requests {
        let f2 = splicer.splice(request, &mut scanner::F2).expect("requests are sound");
        same("F2 prost", &*by_prost::f2(request), f2)?;
        let f3 = splicer.splice(request, &mut scanner::F3::default()).expect("requests are sound");
        same("F3 prost", &*by_prost::f3(request, &timeout), f3)?;
    }
    Ok(())
}
