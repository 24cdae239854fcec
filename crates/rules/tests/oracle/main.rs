//! Random requests and random rules: what the engine makes of bytes is what plain queries make of decoded rows.
//!
//! The oracle decodes with prost, runs the rules one by one over one row each, edits prost's structs and encodes. It
//! shares with the engine the meaning of queries and the mapping of aliases, which have tests of their own, and nothing
//! of slots, levels, overlays and splices. `DTQ_CASES` sets how many cases are run; `DTQ_DUMP` names a folder into which
//! rule sets with requests are written, for `tests/protobuf/check.py`.
#![allow(clippy::unwrap_used, clippy::result_large_err, clippy::print_stderr, missing_docs)]

#[path = "../../../record/tests/requests/mod.rs"]
mod generated;

#[path = "../../../record/tests/requests/rows.rs"]
#[expect(dead_code, reason = "rows are made one by one here")]
mod rows;

mod write;

mod judge;

mod programs;

mod request;

use dtq_generate::Choices;
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use generated::{logs_request, metrics_request, spans_request};
use judge::{Counts, Judge, Rule, Written};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use prost::Message;
use request::Request;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// When requests arrive.
pub const NOW: i64 = 639_000_000_000_000_000;

fn cases() -> u32 {
    std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000) / 3
}

/// Returns a rule file.
fn yaml(rules: &[Rule]) -> String {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        let to = if rule.is_drop { "drop" } else { "replace" };
        text.push_str(&format!("  - name: r{at}\n    to: {to}\n"));
        text.push_str(if rule.is_observed { "    mode: observe\n" } else { "" });
        text.push_str(if rule.is_late { "    phase: reduce\n" } else { "    phase: redact\n" });
        text.push_str(if rule.is_protective { "    on_error: drop\n" } else { "" });
        text.push_str(if rule.table == "metrics" && !rule.is_drop { "    identity: preserved\n" } else { "" });
        text.push_str(&format!("    kql: |\n      {}\n", rule.query));
    }
    text
}

/// Returns a processor, or what is wrong with the rules.
fn processor(rules: &[Rule]) -> Result<Processor, String> {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", yaml(rules).as_bytes(), &NoFiles, &options);
    if !read.is_complete {
        return Err(format!("{diagnostics:?}"));
    }
    let options = dtq_rules::compile::Options { now_ticks: NOW, ..Default::default() };
    let compiled = dtq_rules::compile::compile(&[read], &options);
    let set = compiled.set.ok_or_else(|| {
        let errors = compiled.diagnostics.iter().filter(|one| one.diagnostic.is_error());
        errors.map(|one| format!("{} {}\n", one.diagnostic.code, one.diagnostic.message)).collect::<String>()
    })?;
    Ok(Processor::new(Arc::new(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 }))
}

/// What the cases of a signal were.
#[derive(Default)]
struct Tally {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    changed: AtomicUsize,
    /// Requests in which a part that edits gave back stayed as it came.
    composed: AtomicUsize,
}

static TALLIES: LazyLock<[Tally; 3]> = LazyLock::new(Default::default);

/// Compares, and prints what the cases were after the last one.
fn compare<R: Request>(request: &R, signal_index: usize, bytes: &[u8]) -> Result<(), TestCaseError> {
    let tally = &TALLIES[signal_index];
    compare_one(request, signal_index, bytes, tally)?;
    let [accepted, refused, changed, composed] =
        [&tally.accepted, &tally.refused, &tally.changed, &tally.composed].map(|count| count.load(Ordering::Relaxed));
    if accepted + refused == cases() as usize {
        let signal = R::SIGNAL;
        eprintln!(
            "{signal:?}: {accepted} requests, {changed} changed, {composed} with a part given back that stayed; {refused} rule sets refused"
        );
    }
    Ok(())
}

fn compare_one<R: Request>(request: &R, signal_index: usize, bytes: &[u8], tally: &Tally) -> Result<(), TestCaseError> {
    let mut rules = programs::rules(signal_index, &mut Choices::Bytes(bytes));
    let mut processor = match processor(&rules) {
        Ok(processor) => processor,
        Err(reason) => {
            tally.refused.fetch_add(1, Ordering::Relaxed);
            if std::env::var_os("DTQ_SHOW").is_some() {
                eprintln!("{reason}\n{}", yaml(&rules));
            }
            return Ok(());
        }
    };
    tally.accepted.fetch_add(1, Ordering::Relaxed);
    rules.sort_by_key(|rule| rule.is_late);
    let judges: Vec<Judge> = rules.iter().map(Judge::new).collect();
    let mut counts = vec![Counts::default(); rules.len()];
    let expected = request.judged(&judges, &mut counts, Written::OneByOne);
    let encoded = request.encode_to_vec();
    let outcome = processor.apply(R::SIGNAL, &encoded, NOW, None);
    let context = || yaml(&rules);
    let got = match &outcome.output {
        Output::Unchanged => request.clone(),
        Output::Empty => R::default(),
        Output::Bytes(bytes) => R::decode(&bytes[..]).map_err(|error| TestCaseError::fail(error.to_string()))?,
    };
    if expected == *request {
        prop_assert_eq!(&outcome.output, &Output::Unchanged, "{}", context());
    } else {
        tally.changed.fetch_add(1, Ordering::Relaxed);
    }
    if got.canonical() != expected.canonical() {
        // What edits give back may stay as it came, and nothing else may differ: decision 0009.
        let composed = request.judged(&judges, &mut vec![Counts::default(); rules.len()], Written::Composed);
        prop_assert_eq!(got.canonical(), composed.canonical(), "{}", context());
        tally.composed.fetch_add(1, Ordering::Relaxed);
    }
    let totals = processor.totals();
    prop_assert!(totals.is_conserved(), "{:?}", totals);
    prop_assert_eq!(totals.records_in, request.count());
    prop_assert_eq!(totals.records_out, expected.count());
    for (position, (account, mut wanted)) in processor.accounts().iter().zip(counts).enumerate() {
        let mut given = Counts {
            seen: account.seen,
            matched: account.matched,
            dropped: account.dropped,
            edited: account.edited,
            errors: account.errors,
        };
        if rules[position].table == "resources" {
            // They count resources; what they drop are records.
            (given.seen, given.matched, given.edited, given.errors) = (0, 0, 0, 0);
            (wanted.seen, wanted.matched, wanted.edited, wanted.errors) = (0, 0, 0, 0);
        }
        prop_assert_eq!(given, wanted, "account of rule {} in order: {}", position, context());
    }
    Ok(())
}

/// Returns the same cases in each run of the suite, so that it does not fail now and then; others for a run of more.
fn config() -> ProptestConfig {
    let rng_seed = match std::env::var_os("DTQ_CASES") {
        None => RngSeed::Fixed(1),
        Some(_) => RngSeed::Random,
    };
    ProptestConfig { cases: cases(), failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn logs_are_judged_as_queries_say(request in logs_request(), program in vec(any::<u8>(), 0..120)) {
        compare(&request, 0, &program)?;
    }

    #[test]
    fn spans_are_judged_as_queries_say(request in spans_request(), program in vec(any::<u8>(), 0..120)) {
        compare(&request, 1, &program)?;
    }

    #[test]
    fn metrics_are_judged_as_queries_say(request in metrics_request(), program in vec(any::<u8>(), 0..120)) {
        compare(&request, 2, &program)?;
    }
}

/// Requests that are written beside a rule set.
const REQUESTS_DUMPED: usize = 20;

/// Writes rules to `NAME.SIGNAL.yaml` and requests, each with its length in front, to `NAME.SIGNAL.otlp` beside it.
fn dump(folder: &Path, name: usize, signal_index: usize, rules: &[Rule], runner: &mut TestRunner) {
    fn requests<R: Request>(strategy: impl Strategy<Value = R>, runner: &mut TestRunner) -> Vec<u8> {
        let request = |_| strategy.new_tree(runner).unwrap().current().encode_length_delimited_to_vec();
        (0..REQUESTS_DUMPED).flat_map(request).collect()
    }
    let (signal, bytes) = match signal_index {
        0 => ("logs", requests(logs_request(), runner)),
        1 => ("traces", requests(spans_request(), runner)),
        _ => ("metrics", requests(metrics_request(), runner)),
    };
    std::fs::write(folder.join(format!("{name:03}.{signal}.yaml")), yaml(rules)).unwrap();
    std::fs::write(folder.join(format!("{name:03}.{signal}.otlp")), bytes).unwrap();
}

/// Most generated rule sets are accepted, and many change something; or else the tests above show little.
#[test]
fn generated_rules_are_of_use() {
    let mut accepted = 0;
    let folder = std::env::var_os("DTQ_DUMP");
    let mut runner = TestRunner::deterministic();
    for seed in 0..300 {
        let rules = programs::rules(seed % 3, &mut Choices::Seed(seed as u64));
        match processor(&rules) {
            Ok(_) => {
                accepted += 1;
                if let Some(folder) = &folder {
                    dump(Path::new(folder), seed, seed % 3, &rules, &mut runner);
                }
            }
            Err(reason) if std::env::var_os("DTQ_SHOW").is_some() => eprintln!("{reason}{}", yaml(&rules)),
            Err(_) => {}
        }
    }
    assert!(accepted > 240, "only {accepted} of 300 rule sets are accepted");
}

/// A key that rules change and give back is not written: its bytes stay bytes, and its second value stays.
#[test]
fn what_edits_give_back_stays_as_it_came() {
    let edit = |value: &str| Rule {
        table: "logs",
        query: format!("logs | extend Attributes = bag_set_key(Attributes, \"a\", {value})"),
        is_drop: false,
        is_observed: false,
        is_late: false,
        is_protective: false,
    };
    let rules = [edit("1"), edit("\"aGk=\"")];
    let pair = |value: Any| KeyValue {
        key: "a".to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    };
    let record = LogRecord {
        attributes: vec![pair(Any::BytesValue(b"hi".to_vec())), pair(Any::IntValue(2))],
        ..Default::default()
    };
    let scope = ScopeLogs { log_records: vec![record], ..Default::default() };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }],
    };
    let judges: Vec<Judge> = rules.iter().map(Judge::new).collect();
    let judged = |written| request.judged(&judges, &mut vec![Counts::default(); 2], written);
    assert_ne!(judged(Written::OneByOne), request);
    assert_eq!(judged(Written::Composed), request);
    let outcome = processor(&rules).unwrap().apply(Signal::Logs, &request.encode_to_vec(), NOW, None);
    assert_eq!(outcome.output, Output::Unchanged);
}
