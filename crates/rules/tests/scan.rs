//! Rules with `scan`: each destination by tests of rule files, and how partitions end by requests.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Outcome, Processor};
use dtq_rules::file::{self, NoFiles, RuleFile};
use dtq_rules::test;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::sync::Arc;

/// 2024-01-01T00:00:00Z in ticks and in nanoseconds since 1970.
const START: i64 = 638_396_640_000_000_000;
const START_NS: u64 = 1_704_067_200_000_000_000;
const SECOND: i64 = 10_000_000;

fn file(rules: &str) -> RuleFile {
    let text = format!("apiVersion: dtq/v1\nrules:\n{rules}");
    let options = file::Options { now_ticks: START, ..file::Options::default() };
    let (file, found) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    assert!(file.is_complete, "{found:?}");
    file
}

fn set(rules: &str) -> Arc<RuleSet> {
    let compiled = compile(&[file(rules)], &Options { now_ticks: START, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
}

fn processor(rules: &str) -> Processor {
    Processor::new(set(rules), &dtq_rules::engine::Options { start_ticks: START, random_seed: 1 })
}

/// Runs the tests of rules and checks that none has anything to say.
fn passes(rules: &str) {
    let reports = test::run(&[file(rules)], &test::Options::default()).unwrap_or_else(|found| panic!("{found:?}"));
    for report in reports {
        for test in report.tests {
            assert!(test.mismatches.is_empty(), "{}: {:#?}", test.name, test.mismatches);
        }
    }
}

/// A record of a service, so many seconds after the start.
fn record(service: &str, second: u64, body: &str) -> ResourceLogs {
    let text = |text: &str| AnyValue { value: Some(Any::StringValue(text.to_owned())) };
    let attribute = KeyValue { key: "service.name".into(), value: Some(text(service)), ..KeyValue::default() };
    let log_record =
        LogRecord { time_unix_nano: START_NS + second * 1_000_000_000, body: Some(text(body)), ..LogRecord::default() };
    let scope = InstrumentationScope { name: format!("{service}-scope"), ..InstrumentationScope::default() };
    ResourceLogs {
        resource: Some(Resource { attributes: vec![attribute], ..Resource::default() }),
        scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: vec![log_record], ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    }
}

fn apply(processor: &mut Processor, records: Vec<ResourceLogs>) -> Outcome {
    let request = ExportLogsServiceRequest { resource_logs: records }.encode_to_vec();
    let outcome = processor.apply(Signal::Logs, &request, START + 3_600 * SECOND, None);
    assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    outcome
}

/// Service, scope, second and body of the log records that were made.
fn made(outcome: &Outcome) -> Vec<(String, String, u64, String)> {
    let mut made = Vec::new();
    for emission in &outcome.emissions {
        assert_eq!((emission.signal, &emission.destination), (Signal::Logs, &None));
        for resource in ExportLogsServiceRequest::decode(emission.request.as_slice()).unwrap().resource_logs {
            let service = resource.resource.unwrap().attributes.remove(0).value.unwrap();
            for scope in resource.scope_logs {
                let name = scope.scope.unwrap().name;
                for record in scope.log_records {
                    let second = (record.time_unix_nano - START_NS) / 1_000_000_000;
                    made.push((text(&service), name.clone(), second, text(&record.body.unwrap())));
                }
            }
        }
    }
    made
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn of(service: &str, second: u64, body: &str) -> (String, String, u64, String) {
    (service.to_owned(), format!("{service}-scope"), second, body.to_owned())
}

/// Makes a record with the count of each sequence of a service once that is over.
const COUNTED: &str = r#"
  - name: counted
    to: logs
    idle: 1m
    kql: |
      logs
      | sort by Timestamp asc
      | extend service = tostring(Resource["service.name"])
      | scan partition by service declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | project Body = n
"#;

#[test]
fn a_sequence_gives_its_row_when_record_time_has_passed_it() {
    let mut processor = processor(COUNTED);
    let outcome = apply(&mut processor, vec![record("a", 0, "x"), record("b", 10, "x"), record("a", 20, "x")]);
    assert_eq!(made(&outcome), []);
    let outcome = apply(&mut processor, vec![record("c", 75, "x"), record("b", 76, "x"), record("c", 79, "x")]);
    assert_eq!(made(&outcome), [of("b", 10, "1")], "the one of a has had a row since");
    let account = processor.accounts().remove(0);
    assert_eq!((account.seen, account.matched, account.created, account.errors), (6, 1, 1, 0));
    assert!(account.state_bytes > 0 && account.partitions == 3);
    let outcome = apply(&mut processor, vec![record("d", 200, "x")]);
    assert_eq!(made(&outcome), [of("a", 20, "2"), of("b", 76, "1"), of("c", 79, "2")], "the longest idle first");
    assert_eq!(made(&processor.shutdown(START)), [of("d", 200, "1")]);
    let account = processor.accounts().remove(0);
    assert_eq!((account.matched, account.created, account.state_bytes), (5, 5, 0));
    assert!(processor.totals().is_conserved());
}

#[test]
fn a_sequence_ends_by_wall_time_when_no_records_come() {
    let mut processor = processor(COUNTED);
    apply(&mut processor, vec![record("a", 0, "x")]);
    assert_eq!(made(&processor.tick(START + SECOND)), []);
    assert_eq!(made(&processor.tick(START + 60 * SECOND)), []);
    assert_eq!(made(&processor.tick(START + 61 * SECOND)), [of("a", 0, "1")]);
}

#[test]
fn records_that_the_rule_does_not_mean_let_its_time_pass() {
    let rules =
        COUNTED.replace("logs\n      | sort", "logs\n      | where Resource[\"service.name\"] != \"z\"\n      | sort");
    let mut processor = processor(&rules);
    apply(&mut processor, vec![record("a", 0, "x")]);
    let outcome = apply(&mut processor, vec![record("z", 60, "x")]);
    assert_eq!(made(&outcome), [of("a", 0, "1")]);
}

#[test]
fn a_partition_without_room_gives_what_it_owes_and_is_counted() {
    let rules = COUNTED.replace("    idle: 1m\n", "    limits: {state_bytes: 3000}\n");
    let mut processor = processor(&rules);
    let services: Vec<String> = (0..50).map(|at| format!("service-{at}")).collect();
    let records = services.iter().map(|service| record(service, 1, "x")).collect();
    let outcome = apply(&mut processor, records);
    let account = processor.accounts().remove(0);
    assert!(account.state_bytes > 0 && account.state_bytes <= 3_000, "{account:?}");
    assert!(account.evicted > 30, "{account:?}");
    assert_eq!((account.evicted, account.created, account.disabled), (account.created, account.matched, None));
    let given = made(&outcome);
    assert_eq!(given.len() as u64, account.evicted);
    assert_eq!(given[0], of("service-0", 1, "1"), "the longest idle goes first");
    assert_eq!(made(&processor.shutdown(START)).len() as u64, 50 - account.evicted);
}

#[test]
fn partitions_move_over_a_swap_and_those_that_cannot_give_what_they_owe_first() {
    let mut processor = processor(COUNTED);
    apply(&mut processor, vec![record("a", 0, "x"), record("b", 1, "x")]);
    // What follows the scan, the time-out and the bounds may change.
    let next = COUNTED.replace("Body = n", "Body = n + 100").replace("idle: 1m", "idle: 2m");
    let outcome = processor.swap(set(&next), START);
    assert_eq!(made(&outcome), []);
    let outcome = apply(&mut processor, vec![record("a", 100, "x"), record("c", 121, "x")]);
    assert_eq!(made(&outcome), [of("b", 1, "101")]);
    let bounded = next.replace("idle: 2m", "limits: {state_bytes: 1500}");
    let outcome = processor.swap(set(&bounded), START);
    assert_eq!(made(&outcome), [of("a", 100, "102")], "there is room for one");
    assert_eq!(processor.accounts()[0].evicted, 1);
    let other = bounded.replace("s.n + 1", "s.n + 10");
    assert_eq!(made(&processor.swap(set(&other), START)), [of("c", 121, "101")], "steps are another shape");
    apply(&mut processor, vec![record("a", 130, "x")]);
    let renamed = other.replace("name: counted", "name: recounted");
    assert_eq!(made(&processor.swap(set(&renamed), START)), [of("a", 130, "110")], "another rule");
    assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    assert_eq!((processor.totals().records_in, processor.totals().created), (5, 4));
    assert_eq!(made(&processor.shutdown(START)), []);
}

#[test]
fn a_column_that_was_not_remembered_does_not_move() {
    let mut processor = processor(COUNTED);
    apply(&mut processor, vec![record("a", 0, "x")]);
    let next = COUNTED.replace("Body = n", "Body = strcat(n, SeverityText, \" \", Body)");
    assert_eq!(made(&processor.swap(set(&next), START)), [of("a", 0, "1")]);
    apply(&mut processor, vec![record("a", 1, "x")]);
    assert_eq!(made(&processor.shutdown(START)), [of("a", 1, "1 x")]);
}

#[test]
fn a_rule_that_observes_counts_and_makes_nothing() {
    let mut processor = processor(&COUNTED.replace("    to: logs", "    mode: observe\n    to: logs"));
    apply(&mut processor, vec![record("a", 0, "x"), record("a", 100, "x")]);
    assert_eq!(made(&processor.shutdown(START)), []);
    let account = processor.accounts().remove(0);
    assert_eq!((account.matched, account.created), (2, 0));
}

#[test]
fn what_is_made_at_the_end_goes_through_the_rules_behind() {
    let rules = format!(
        "{COUNTED}{}",
        r#"
  - name: counted-again
    to: logs
    kql: |
      logs
      | where gettype(Body) == "long"
      | serialize
      | scan declare (n: long = 0) with (step s output=last: true => n = s.n + tolong(Body);)
      | project Body = strcat(n, " in all")
  - name: no-counts
    to: drop
    kql: logs | where gettype(Body) == "long"
"#
    );
    let mut processor = processor(&rules);
    apply(&mut processor, vec![record("a", 0, "x"), record("b", 1, "x"), record("b", 2, "x")]);
    assert_eq!(made(&processor.shutdown(START)), [of("b", 2, "3 in all")]);
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    assert_eq!((totals.records_in, totals.created, totals.dropped, totals.records_out), (3, 3, 2, 4));
}

#[test]
fn records_are_dropped_by_what_came_before_them() {
    passes(
        r#"
  - name: only-the-first
    to: drop
    tiers: [collector]
    idle: 30s
    kql: |
      logs
      | where SeverityNumber < 17
      | sort by Timestamp asc
      | scan partition by tostring(Body) declare (n: long = 0) with (step same: true => n = same.n + 1;)
      | where n > 1
    tests:
      - steps:
          - given: [{Body: full}, {Body: full}, {Body: empty}, {Body: full}, {Body: full, SeverityNumber: 17}]
            then: {matched: 2, dropped: 2, records: [{Body: full}, {Body: empty}, {Body: full}]}
          - after: 29s
            given: [{Body: full}]
            then: {dropped: 1}
          - after: 30s
            given: [{Body: full}]
            then: {dropped: 0}
"#,
    );
}

#[test]
fn records_are_edited_held_let_go_and_sent_elsewhere() {
    passes(
        r#"
  - name: numbered
    to: replace
    kql: |
      spans
      | scan order by StartTime asc partition by TraceId declare (n: long = 0) with (step s: true => n = s.n + 1;)
      | where n < 3
      | extend StatusMessage = strcat("span ", n)
      | project-away n
    tests:
      - given: [{TraceId: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}, {TraceId: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"}, {TraceId: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}, {TraceId: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"}]
        then:
          edited: 3
          dropped: 1
          records: [{StatusMessage: span 1}, {StatusMessage: span 1}, {StatusMessage: span 2}]
  - name: let-go
    to: flush:ring
    kql: |
      logs
      | serialize
      | scan declare (n: long = 0) with (step s output=none: SeverityNumber >= 17 => n = s.n + 1; step t: s.n >= 2;)
    tests:
      - with: [held]
        given: [{Body: a}, {Body: b, SeverityNumber: 17}, {Body: c}, {Body: d, SeverityNumber: 17}, {Body: e}]
        then: {matched: 1, records: [{Body: b}, {Body: d}, {Body: e}, {Body: a}, {Body: c}]}
  - name: held
    to: recorder:ring
    recorder: {keep: 1m}
    kql: |
      logs
      | where SeverityNumber < 17
      | serialize
      | scan declare (n: long = 0) with (step s: true => n = s.n + 1;)
      | where n < 3
    tests:
      - given: [{Body: a}, {Body: b}, {Body: c}]
        then: {held: 2, records: [{Body: c}]}
  - name: sent
    to: route:elsewhere
    kql: |
      logs
      | serialize
      | scan with (step s output=none: Body == "begin"; step t: Body != "end"; step u: Body == "end";)
    tests:
      - given: [{Body: x}, {Body: begin}, {Body: y}, {Body: z}, {Body: end}, {Body: x}]
        then: {rerouted: 3, records: [{Body: x}, {Body: begin}, {Body: x}]}
"#,
    );
}

#[test]
fn rows_become_records_measurements_and_rows_of_tables() {
    passes(
        r#"
  - name: longest
    to: metrics
    idle: 1m
    interval: 10s
    metrics: {n: {name: longest, type: gauge}}
    kql: |
      logs
      | serialize
      | scan partition by tostring(Body) declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | project n
    tests:
      - steps:
          - given: [{Body: a}, {Body: a}, {Body: a}]
            then: {matched: 0, metrics: []}
          - after: 2m
            then: {matched: 1, created: 1, metrics: [{MetricName: longest, MetricValue: 3}]}
  - name: sequences-a-minute
    to: metrics
    idle: 20s
    metrics: {sequences: {name: sequences, type: sum}}
    kql: |
      logs
      | serialize
      | scan partition by tostring(Body) declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | summarize sequences = countif(n > 1) by bin(ObservedTimestamp, 1m)
    tests:
      - given:
          - {Body: a, ObservedTimestamp: "2024-01-01T00:00:01Z"}
          - {Body: a, ObservedTimestamp: "2024-01-01T00:00:02Z"}
          - {Body: b, ObservedTimestamp: "2024-01-01T00:00:03Z"}
        then: {matched: 2, metrics: [{MetricName: sequences, MetricValue: 1}]}
  - name: crashed
    to: table:crashed
    for: 5m
    idle: 1m
    key: service
    kql: |
      logs
      | serialize
      | scan partition by tostring(Resource["service.name"]) with (step start output=last: Body == "start"; step stop output=none: Body == "stop";)
      | project service = tostring(Resource["service.name"])
  - name: no-debug
    to: drop
    tiers: [collector]
    kql: logs | where Body == "debug" and tostring(Resource["service.name"]) !in ((crashed | project service))
    tests:
      - with: [crashed]
        steps:
          - given: [{Body: start, Resource: {service.name: a}}, {Body: start, Resource: {service.name: b}}]
          - after: 1s
            given: [{Body: debug, Resource: {service.name: a}}]
            then: {dropped: 1}
          - after: 2m
            given: [{Body: debug, Resource: {service.name: a}}, {Body: debug, Resource: {service.name: c}}]
            then: {dropped: 1}
"#,
    );
}

#[test]
fn steps_look_up_what_other_rules_remember() {
    passes(
        r#"
  - name: noted
    to: table:noted
    for: 5m
    kql: logs | where EventName == "note" | project word = tostring(Body)
  - name: repeated
    to: drop
    tiers: [collector]
    kql: |
      logs
      | where EventName != "note"
      | serialize
      | scan declare (n: long = 0) with (step s: tostring(Body) in (noted) => n = s.n + 1;)
      | lookup kind=inner (noted | project Body = word, is_noted = true) on $left.EventName == $right.Body
    tests:
      - with: [noted]
        given:
          - {Body: a, EventName: a}
          - {Body: a, EventName: note}
          - {Body: a, EventName: a}
          - {Body: b, EventName: a}
          - {Body: b, EventName: note}
          - {Body: b, EventName: a}
        then: {dropped: 2}
"#,
    );
}

#[test]
fn a_step_that_fails_is_an_error_of_the_record() {
    let rules = COUNTED.replace("output=last: true", "output=last: assert(tostring(Body) != 'bad', 'a bad record')");
    let mut processor = processor(&rules);
    apply(&mut processor, vec![record("a", 0, "x"), record("a", 1, "bad"), record("b", 1, "bad"), record("a", 2, "x")]);
    let account = processor.accounts().remove(0);
    assert_eq!((account.errors, account.matched), (2, 0));
    assert!(account.first_error.unwrap().contains("a bad record"));
    assert_eq!(made(&processor.shutdown(START)), [of("a", 2, "2")]);
}

#[test]
fn steps_see_columns_of_rows_before_that_nothing_else_reads() {
    passes(
        r#"
  - name: changed
    to: logs
    idle: 1m
    kql: |
      logs
      | serialize
      | scan partition by EventName declare (before: string) with (
          step one output=none: true;
          step other: tostring(Body) != tostring(one.Body) => before = strcat(one.SeverityText, " ", one.Body);
        )
      | project EventName, Body = before
    tests:
      - given:
          - {EventName: x, Body: a, SeverityText: INFO}
          - {EventName: y, Body: b}
          - {EventName: x, Body: a, SeverityText: WARN}
          - {EventName: x, Body: c}
        then: {created: 1}
      - given: [{EventName: x, Body: a, SeverityText: INFO}, {EventName: x, Body: c}]
        then: {records: [{Body: a}, {Body: c}, {EventName: x, Body: INFO a}]}
"#,
    );
}

#[test]
fn operators_stand_before_an_order_between_it_and_the_scan_and_behind() {
    passes(
        r#"
  - name: numbered
    to: logs
    kql: |
      traces
      | where severityLevel < 3
      | mv-expand word = split(message, " ") to typeof(string)
      | where word != ""
      | sort by timestamp asc
      | extend size = strlen(word)
      | where size > 1
      | scan partition by word declare (n: long = 0) with (step s: true => n = s.n + size;)
      | mv-expand copy = range(1, 2) to typeof(long)
      | extend text = strcat(word, n, ".", copy)
      | where n > 2
      | project Body = text
    tests:
      - given: {table: logs, rows: [{Body: ab c ab abc, SeverityNumber: 9}, {Body: ab, SeverityNumber: 17}]}
        then:
          matched: 1
          created: 4
          records: [{Body: ab c ab abc}, {Body: ab4.1}, {Body: ab4.2}, {Body: abc3.1}, {Body: abc3.2}, {Body: ab}]
"#,
    );
}
