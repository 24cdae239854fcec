//! Rules past a bound: they turn themselves off, and a log record says which bound, by how much, since when.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Excess, Notice, NoticeKind, Outcome, Output, Processor, notices_request};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::cell::Cell;
use std::sync::Arc;

/// When requests arrive: 2025-11-23T12:40:00Z, and the same in nanoseconds since 1970.
const NOW: i64 = 638_994_984_000_000_000;
const NOW_NS: u64 = 1_763_901_600_000_000_000;
const SECOND: i64 = 10_000_000;

/// Returns rules, given from `- name:` on.
fn rules(text: &str) -> Arc<RuleSet> {
    let text = format!("apiVersion: dtq/v1\nrules:\n{text}");
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    assert!(read.is_complete, "{diagnostics:?}");
    let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
}

fn processor(text: &str) -> Processor {
    Processor::new(rules(text), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Returns a request of this many log records with bodies that all differ.
fn logs(count: usize) -> Vec<u8> {
    let record = |at: usize| LogRecord {
        time_unix_nano: NOW_NS,
        body: Some(AnyValue { value: Some(Any::StringValue(format!("record number {at}"))) }),
        ..Default::default()
    };
    let scope = ScopeLogs { log_records: (0..count).map(record).collect(), ..Default::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

/// Sends requests a second apart, on a clock that says that each measured piece of work takes `ns`.
fn apply_slowly(processor: &mut Processor, ns: u64, seconds: i64) -> Vec<Notice> {
    let time = Cell::new(0);
    let clock = || {
        time.set(time.get() + ns);
        time.get()
    };
    let request = logs(128);
    let apply = |second| processor.apply(Signal::Logs, &request, NOW + second * SECOND, Some(&clock)).notices;
    (0..seconds).flat_map(apply).collect()
}

const COSTLY: &str = "  - {name: costly, to: drop, limits: {ns_per_record: 2000}, kql: logs | where tostring(Body) has \"no such word\"}\n";

#[test]
fn a_rule_over_its_cost_turns_itself_off_and_says_so_once() {
    let mut processor = processor(COSTLY);
    let notices = apply_slowly(&mut processor, 5_000, 60);
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    assert_eq!(notice.rule.as_ref().unwrap().as_bytes(), b"costly");
    assert_eq!(notice.kind, NoticeKind::DisabledCost);
    assert_eq!(notice.excess, Some(Excess { bound: "limits.ns_per_record", limit: 2_000, measured: 5_000 }));
    // The median is that of the first ten seconds.
    assert_eq!((notice.since_ticks, notice.time_ticks), (NOW, NOW + 10 * SECOND));
    assert_eq!(
        notice.message,
        "turned itself off: it costs 5000 ns a record, and its bound is 2000 (limits.ns_per_record), \
         since 2025-11-23T12:40:00.0000000Z; records pass it from now on"
    );
    let account = &processor.accounts()[0];
    assert!(account.disabled.as_ref().unwrap().contains("5000 ns"), "{account:?}");
}

#[test]
fn a_rule_within_its_cost_and_a_protective_one_go_on() {
    assert_eq!(apply_slowly(&mut processor(COSTLY), 1_900, 60), []);
    let protective = COSTLY.replace("to: drop,", "to: drop, on_error: drop,");
    assert_eq!(apply_slowly(&mut processor(&protective), 5_000, 60), []);
}

#[test]
fn a_rule_over_its_state_turns_itself_off() {
    let mut processor = processor(
        "  - name: bodies\n    to: metrics\n    limits: {state_bytes: 64KiB}\n    metrics: {n: {name: n, type: gauge}}\n    kql: |\n      logs | summarize n = array_length(make_set(tostring(Body), 1000000)) by bin(Timestamp, 1h)\n",
    );
    let outcome = processor.apply(Signal::Logs, &logs(5_000), NOW, None);
    let [notice] = outcome.notices.as_slice() else { panic!("{:?}", outcome.notices) };
    assert_eq!(notice.kind, NoticeKind::DisabledState);
    let excess = notice.excess.unwrap();
    assert_eq!((excess.bound, excess.limit), ("limits.state_bytes", 64 << 10));
    // It stops at the first record that passes the bound.
    assert!(excess.measured > excess.limit && excess.measured < excess.limit + 1_024, "{excess:?}");
    assert_eq!(outcome.output, Output::Unchanged);
    // What was counted until then is not lost.
    assert_eq!(processor.shutdown(NOW).emissions.len(), 1);
    assert_eq!(processor.apply(Signal::Logs, &logs(10), NOW, None).notices, []);
}

/// The trace id cannot be written, although the query matches: each match is a failure.
#[test]
fn a_rule_that_fails_on_all_it_matches_turns_itself_off() {
    let mut processor = processor("  - {name: odd, to: replace, kql: 'logs | extend TraceId = \"no id\"'}\n");
    let first = processor.apply(Signal::Logs, &logs(1), NOW, None);
    let [error] = first.notices.as_slice() else { panic!("{:?}", first.notices) };
    assert_eq!((error.kind, error.excess), (NoticeKind::FirstError, None));
    let outcome = processor.apply(Signal::Logs, &logs(5_000), NOW + 5 * SECOND, None);
    let [notice] = outcome.notices.as_slice() else { panic!("{:?}", outcome.notices) };
    assert_eq!(notice.kind, NoticeKind::DisabledErrors);
    assert_eq!(notice.excess, Some(Excess { bound: "errors", limit: 0, measured: 1_000 }));
    assert_eq!((notice.since_ticks, notice.time_ticks), (NOW, NOW + 5 * SECOND));
    assert_eq!(outcome.output, Output::Unchanged);
    let account = &processor.accounts()[0];
    assert_eq!((account.matched, account.errors, account.edited), (1_000, 1_000, 0));
}

#[test]
fn a_rule_that_fails_now_and_then_goes_on() {
    let mut processor = processor(
        "  - {name: odd, to: replace, kql: 'logs | extend TraceId = iif(tostring(Body) endswith \"1\", \"no id\", TraceId)'}\n",
    );
    let notices: Vec<Notice> =
        (0..4).flat_map(|_| processor.apply(Signal::Logs, &logs(5_000), NOW, None).notices).collect();
    assert_eq!(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::FirstError]);
    assert_eq!(processor.accounts()[0].errors, 4 * 500);
}

#[test]
fn a_rule_whose_time_is_over_says_so_once_also_after_a_swap() {
    let text =
        "  - {name: brief, to: drop, expires: 2025-11-23T12:41:00Z, kql: 'logs | where isnotempty(tostring(Body))'}\n";
    let mut processor = processor(text);
    let before = processor.apply(Signal::Logs, &logs(3), NOW, None);
    assert_eq!((before.output, before.notices), (Output::Empty, vec![]));
    let after = processor.apply(Signal::Logs, &logs(3), NOW + 90 * SECOND, None);
    assert_eq!(after.output, Output::Unchanged);
    let [notice] = after.notices.as_slice() else { panic!("{:?}", after.notices) };
    assert_eq!((notice.kind, notice.since_ticks), (NoticeKind::Expired, NOW + 60 * SECOND));
    let said: Vec<Outcome> = vec![
        processor.swap(rules(text), NOW + 91 * SECOND),
        processor.tick(NOW + 92 * SECOND),
        processor.apply(Signal::Logs, &logs(3), NOW + 93 * SECOND, None),
    ];
    assert!(said.iter().all(|outcome| outcome.notices.is_empty()), "{said:?}");
}

#[test]
fn the_first_request_that_cannot_be_read_is_a_notice_without_a_rule() {
    let mut processor = processor(COSTLY);
    let outcome = processor.apply(Signal::Logs, &[0x0A, 0x7F, 1], NOW, None);
    let [notice] = outcome.notices.as_slice() else { panic!("{:?}", outcome.notices) };
    assert_eq!((notice.kind, notice.rule.as_ref()), (NoticeKind::MalformedRequest, None));
    assert_eq!(processor.apply(Signal::Logs, &[0x0A, 0x7F, 1], NOW, None).notices, []);
}

fn text(value: &str) -> Any {
    Any::StringValue(value.to_owned())
}

#[test]
fn notices_are_log_records() {
    let mut processor = processor(COSTLY);
    let notices = apply_slowly(&mut processor, 5_000, 12);
    let request = ExportLogsServiceRequest::decode(&notices_request(&notices, NOW + 11 * SECOND)[..]).unwrap();
    let [resource] = request.resource_logs.as_slice() else { panic!("{request:?}") };
    let named = |attributes: &[KeyValue]| -> Vec<(String, Any)> {
        attributes.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap().value.unwrap())).collect()
    };
    assert_eq!(named(&resource.resource.as_ref().unwrap().attributes)[0], ("service.name".to_owned(), text("dtq")));
    assert_eq!(resource.scope_logs[0].scope.as_ref().unwrap().name, "dtq");
    let [record] = resource.scope_logs[0].log_records.as_slice() else { panic!("{request:?}") };
    assert_eq!((record.severity_number, record.severity_text.as_str()), (17, "ERROR"));
    assert_eq!(record.event_name, "dtq.rule.disabled");
    assert_eq!(record.time_unix_nano, 1_763_901_610_000_000_000);
    assert_eq!(record.observed_time_unix_nano, 1_763_901_611_000_000_000);
    assert_eq!(record.body.clone().unwrap().value.unwrap(), text(&notices[0].message));
    let expected = [
        ("dtq.rule", text("costly")),
        ("dtq.bound", text("limits.ns_per_record")),
        ("dtq.bound.limit", Any::IntValue(2_000)),
        ("dtq.bound.measured", Any::IntValue(5_000)),
        ("dtq.since", text("2025-11-23T12:40:00.0000000Z")),
    ];
    assert_eq!(named(&record.attributes), expected.map(|(key, value)| (key.to_owned(), value)));
}

/// A host may have any clock; what OTLP has no time for is left out.
#[test]
fn notices_of_any_time_are_log_records() {
    let mut processor = processor(COSTLY);
    let said = processor.apply(Signal::Logs, &[0x0A, 0x7F, 1], i64::MIN, None).notices;
    for ticks in [i64::MIN, 0, NOW, i64::MAX] {
        let mut notice = said[0].clone();
        (notice.time_ticks, notice.since_ticks) = (ticks, ticks);
        let request = ExportLogsServiceRequest::decode(&notices_request(&[notice], ticks)[..]).unwrap();
        assert_eq!(request.resource_logs.len(), 1);
    }
    assert!(notices_request(&[], NOW).is_empty());
}
