//! Native code that one rule set takes over from another: how much of it, how long it stays, and that it is not more than
//! a set needs. What it answers: `same.rs`.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::sync::Arc;

const NOW: i64 = 639_000_000_000_000_000;

/// Returns rules that drop, each by its number; all read the same fields.
fn rule_set(numbers: impl IntoIterator<Item = usize>) -> Arc<RuleSet> {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for number in numbers {
        text.push_str(&format!(
            "  - name: r{number}\n    to: drop\n    kql: logs | where SeverityNumber > {} and Attributes[\"n\"] == \"{number}\"\n",
            number % 20
        ));
    }
    rule_set_of(&text)
}

fn rule_set_of(text: &str) -> Arc<RuleSet> {
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    assert!(read.is_complete, "{diagnostics:?}");
    Arc::new(compile(&[read], &Options::default()).set.unwrap())
}

fn request() -> Vec<u8> {
    let record = |number: usize| LogRecord {
        severity_number: 21,
        attributes: vec![KeyValue {
            key: "n".to_owned(),
            value: Some(AnyValue { value: Some(Any::StringValue(number.to_string())) }),
            ..KeyValue::default()
        }],
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: (0..200).map(record).collect(), ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn left(processor: &mut Processor) -> Output {
    processor.apply(Signal::Logs, &request(), NOW, None).output
}

#[test]
fn only_what_changed_is_compiled() {
    let before = NativeSet::compile(&rule_set(0..150)).unwrap();
    assert_eq!((before.report().reused, before.report().modules), (0, 3));
    let changed = rule_set((0..150).map(|number| if number == 70 { 1_070 } else { number }));
    let begun = NativeSet::begin(&changed, Some(&before)).unwrap();
    // All functions but one, and the scan of the records.
    assert_eq!((begun.report().reused, begun.report().modules), (150, 4));
    assert_eq!(begun.report().scans, ["logs"]);
    let moved = NativeSet::begin(&rule_set((0..150).rev()), Some(&before)).unwrap();
    assert_eq!((moved.report().reused, moved.report().modules), (151, 3));
}

#[test]
fn conditions_are_native_before_the_scan_is() {
    let set = rule_set(0..3);
    let begun = NativeSet::begin(&set, None).unwrap();
    assert!(begun.report().scans.is_empty() && begun.report().rules.iter().all(|rule| rule.functions == 1));
    let complete = begun.complete().unwrap();
    assert_eq!(complete.report().scans, ["logs"]);
    let start = dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 };
    let expected = left(&mut Processor::new(Arc::clone(&set), &start));
    for native in [begun, complete] {
        let mut processor = Processor::new(Arc::clone(&set), &start);
        assert!(processor.use_native(Arc::new(native)));
        assert_eq!(left(&mut processor), expected);
    }
}

#[test]
fn what_few_records_need_is_interpreted_until_the_set_is_complete() {
    let conditions = ["toint(Attributes[\"n\"]) >= 100", "SeverityNumber < 9"];
    let rules = conditions
        .map(|condition| format!("{{name: r{}, to: drop, kql: 'logs | where {condition}'}}", condition.len()));
    let set = rule_set_of(&format!("apiVersion: dtq/v1\nrules: [{}]\n", rules.join(", ")));
    let begun = NativeSet::begin(&set, None).unwrap();
    let complete = begun.complete().unwrap();
    // All numbers of the records stand as texts.
    assert_eq!((begun.report().begun, complete.report().begun), (2, 0));
    let after_begun = NativeSet::begin(&set, Some(&begun)).unwrap();
    assert_eq!((after_begun.report().begun, after_begun.report().reused), (2, 2));
    let after_complete = NativeSet::begin(&set, Some(&complete)).unwrap();
    assert_eq!((after_complete.report().begun, after_complete.report().reused), (0, 3));
    let start = dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 };
    let expected = left(&mut Processor::new(Arc::clone(&set), &start));
    assert!(matches!(&expected, Output::Bytes(bytes) if bytes.len() < request().len()));
    for native in [begun, complete, after_begun, after_complete, NativeSet::compile(&set).unwrap()] {
        let mut processor = Processor::new(Arc::clone(&set), &start);
        assert!(processor.use_native(Arc::new(native)));
        assert_eq!(left(&mut processor), expected);
    }
}

#[test]
fn however_often_sets_are_swapped_their_code_stays_small() {
    let start = dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 };
    let mut numbers: Vec<usize> = (0..100).collect();
    let mut set = rule_set(numbers.iter().copied());
    let mut native = Arc::new(NativeSet::compile(&set).unwrap());
    let fresh_bytes = native.report().code_bytes;
    let mut processor = Processor::new(Arc::clone(&set), &start);
    let (mut reused, mut modules_max) = (0, 0);
    for swap in 0..60 {
        numbers[swap * 37 % 100] = 200 + swap;
        set = rule_set(numbers.iter().copied());
        processor.swap(Arc::clone(&set), NOW);
        native = Arc::new(NativeSet::begin(&set, Some(&native)).unwrap().complete().unwrap());
        assert!(processor.use_native(Arc::clone(&native)));
        if swap % 20 == 0 {
            assert_eq!(left(&mut processor), left(&mut Processor::new(Arc::clone(&set), &start)), "{swap}");
        }
        let report = native.report();
        reused += report.reused;
        modules_max = modules_max.max(report.modules);
        assert!(report.code_bytes < 3 * fresh_bytes, "{} bytes after swap {swap}", report.code_bytes);
    }
    assert!(reused > 60 * 80, "{reused} functions were there before");
    assert!(modules_max <= 30, "{modules_max} modules");
}
