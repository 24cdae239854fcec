//! Rule sets on recorded requests, from YAML to bytes.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use prost::Message;
use std::sync::Arc;

const NOW: i64 = 639_000_000_000_000_000;

fn processor(rules: &str) -> Processor {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", rules.as_bytes(), &NoFiles, &options);
    assert!(read.is_complete, "{diagnostics:?}");
    let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
    let set = compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    Processor::new(Arc::new(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

fn recorded(name: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/telemetry/");
    std::fs::read(format!("{path}{name}")).unwrap()
}

fn decode(bytes: &[u8]) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(bytes).unwrap()
}

#[test]
fn errors_are_dropped_and_nothing_else_changes() {
    let mut processor = processor(
        "apiVersion: dtq/v1\nrules:\n  - name: no-errors\n    to: drop\n    kql: |\n      logs | where SeverityText == \"ERROR\"\n",
    );
    let request = recorded("logs-one.otlp");
    let outcome = processor.apply(Signal::Logs, &request, NOW, None);
    let Output::Bytes(bytes) = outcome.output else { panic!("{:?}", processor.accounts()) };
    let mut expected = decode(&request);
    for resource in &mut expected.resource_logs {
        for scope in &mut resource.scope_logs {
            scope.log_records.retain(|record| record.severity_text != "ERROR");
        }
        resource.scope_logs.retain(|scope| !scope.log_records.is_empty());
    }
    expected.resource_logs.retain(|resource| !resource.scope_logs.is_empty());
    assert_eq!(decode(&bytes), expected);
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    assert_eq!((totals.records_in, totals.dropped, totals.records_out), (18, 3, 15));
    let account = &processor.accounts()[0];
    assert_eq!((account.seen, account.matched, account.dropped), (18, 3, 3));
}

fn rules(text: &str) -> Arc<dtq_rules::compile::RuleSet> {
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    assert!(read.is_complete, "{diagnostics:?}");
    let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
}

/// After an error of a service its debug records pass for five minutes, otherwise they are dropped.
const DEBUG_AFTER_ERROR: &str = r#"
apiVersion: dtq/v1
rules:
  - name: errors-seen
    to: table:recent_errors
    for: 5m
    key: service
    kql: |
      logs | where SeverityText == "ERROR" | project service = tostring(Resource["service.name"])
  - name: no-debug
    to: drop
    tiers: [collector]
    kql: |
      logs | where SeverityText == "INFO" and tostring(Resource["service.name"]) !in ((recent_errors | project service))
"#;

#[test]
fn a_table_remembers_over_requests_and_a_swap() {
    let set = rules(DEBUG_AFTER_ERROR);
    let mut processor = Processor::new(Arc::clone(&set), &dtq_rules::engine::Options::default());
    let request = recorded("logs-one.otlp");
    let arrival = 639_200_000_000_000_000;
    processor.apply(Signal::Logs, &request, arrival, None);
    let first = processor.totals();
    assert!(first.is_conserved(), "{first:?}");
    let changed = rules(&DEBUG_AFTER_ERROR.replace("no-debug", "no-chatter"));
    let outcome = processor.swap(changed, arrival);
    assert!(outcome.emissions.is_empty());
    processor.apply(Signal::Logs, &request, arrival, None);
    let second = processor.totals();
    assert!(second.is_conserved(), "{second:?}");
    assert_eq!(second.records_in, 2 * first.records_in);
    // The services with errors are known from the first request: less is dropped than when nothing was known.
    assert!(second.dropped - first.dropped < first.dropped || first.dropped == 0, "{first:?} {second:?}");
    let seen = processor.accounts().first().map(|account| account.seen);
    assert_eq!(seen, Some(second.records_in));
}

#[test]
fn a_window_moves_over_a_swap_and_what_cannot_move_is_given_first() {
    let counting = |name: &str, query: &str| {
        rules(&format!(
            "apiVersion: dtq/v1\nrules:\n  - name: {name}\n    to: metrics\n    metrics: {{n: {{name: log.count, type: sum}}}}\n    kql: |\n      {query}\n"
        ))
    };
    let query = "logs | summarize n = count() by bin(Timestamp, 1h), SeverityText";
    let mut processor = Processor::new(counting("count", query), &dtq_rules::engine::Options::default());
    let request = recorded("logs-one.otlp");
    let arrival = 639_200_000_000_000_000;
    processor.apply(Signal::Logs, &request, arrival, None);
    assert!(processor.swap(counting("count", query), arrival).emissions.is_empty(), "the window moved");
    processor.apply(Signal::Logs, &request, arrival, None);
    let given = processor.swap(counting("other", query), arrival);
    let [emission] = given.emissions.as_slice() else { panic!("{given:?}") };
    assert_eq!(emission.signal, Signal::Metrics);
    let points = opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest::decode(
        emission.request.as_slice(),
    )
    .unwrap();
    let metric = &points.resource_metrics[0].scope_metrics[0].metrics[0];
    let opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum) = metric.data.as_ref().unwrap() else {
        panic!("{metric:?}")
    };
    let total: i64 = sum
        .data_points
        .iter()
        .map(|point| match point.value {
            Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(count)) => count,
            _ => panic!("{point:?}"),
        })
        .sum();
    assert_eq!(total, 36, "each of 18 records, twice");
    assert!(processor.totals().is_conserved());
}

#[test]
fn what_follows_from_an_edited_column_is_read_anew() {
    let text = "apiVersion: dtq/v1\nrules:\n  - {name: ended, to: replace, phase: redact, kql: 'spans | extend EndTime = StartTime'}\n  - {name: short, to: drop, kql: 'spans | where Duration == 0s'}\n";
    let mut processor = Processor::new(rules(text), &dtq_rules::engine::Options::default());
    let span = opentelemetry_proto::tonic::trace::v1::Span {
        start_time_unix_nano: 1_000_000_000,
        end_time_unix_nano: 3_000_000_000,
        ..Default::default()
    };
    let scope = opentelemetry_proto::tonic::trace::v1::ScopeSpans { spans: vec![span], ..Default::default() };
    let resource =
        opentelemetry_proto::tonic::trace::v1::ResourceSpans { scope_spans: vec![scope], ..Default::default() };
    let request =
        opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest { resource_spans: vec![resource] };
    let outcome = processor.apply(Signal::Spans, &request.encode_to_vec(), NOW, None);
    assert_eq!(outcome.output, Output::Empty);
}

/// The attribute of the Resource has a length beyond its end: framing down to the record is sound, what stands around it
/// cannot be read. A condition that would hold for a missing attribute must not drop the record.
#[test]
fn records_below_a_resource_that_cannot_be_read_pass_and_are_counted() {
    let text = "apiVersion: dtq/v1\nrules:\n  - {name: others, to: drop, kql: 'logs | where Resource[\"service.name\"] != \"shop\"'}\n";
    let mut processor = Processor::new(rules(text), &dtq_rules::engine::Options::default());
    let broken = [
        0x0A, 0x0C, // resource_logs
        0x0A, 0x02, 0x0A, 0x7F, // resource: attributes with a length of 127
        0x12, 0x06, 0x12, 0x04, 0x1A, 0x02, b'h', b'i', // scope_logs: one record with severity_text "hi"
    ];
    let outcome = processor.apply(Signal::Logs, &broken, NOW, None);
    assert_eq!(outcome.output, Output::Unchanged);
    let account = &processor.accounts()[0];
    assert_eq!((account.seen, account.dropped, account.errors), (1, 0, 1), "{account:?}");
    assert!(processor.totals().is_conserved());
}

/// Returns the names of the functions that the conditions of the only rule call.
fn condition_functions(kql: &str, is_unoptimized: bool) -> Vec<&'static str> {
    let text = format!(
        "apiVersion: dtq/v1\nrules:\n  - name: a\n    owner: o\n    reason: r\n    to: drop\n    kql: |\n      {kql}\n"
    );
    let file_options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file_options);
    assert!(read.is_complete, "{diagnostics:?}");
    let options = Options { now_ticks: NOW, is_unoptimized, ..Options::default() };
    let set = compile(&[read], &options).set.expect("the rule is right");
    let rule = &set.rules[0];
    let name = |condition: &dtq_rules::compile::rule::Condition| match &rule.flat.program.expr(condition.expr).kind {
        dtq_ir::ExprKind::Call { function, .. } => function.name,
        other => panic!("{other:?} is no call"),
    };
    rule.conditions.iter().map(name).collect()
}

#[test]
fn conditions_are_optimized_and_stay_in_their_order() {
    let kql = "logs | where SeverityText matches regex '^err' and tolower(EventName) == 'a' and SeverityNumber > 8";
    assert_eq!(condition_functions(kql, true), ["matches regex", "==", ">"]);
    assert_eq!(condition_functions(kql, false), ["startswith_cs", "=~", ">"]);
}

#[test]
fn an_edit_of_what_is_no_bag_gives_none_to_read_a_key_of() {
    let text = r#"
apiVersion: dtq/v1
rules:
  - name: a
    owner: o
    reason: r
    to: drop
    kql: |
      logs | extend edited = bag_set_key(Body, "a", "x") | where edited["a"] == "x"
"#;
    let mut processor = processor(text);
    let request = recorded("logs-one.otlp");
    let is_bag = |body: &Option<AnyValue>| {
        matches!(body.as_ref().and_then(|body| body.value.as_ref()), Some(any_value::Value::KvlistValue(_)))
    };
    let decoded = decode(&request);
    let scopes = decoded.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    let bodies = scopes.flat_map(|scope| &scope.log_records).map(|record| &record.body);
    let (bags, others): (Vec<_>, Vec<_>) = bodies.partition(|body| is_bag(body));
    assert!(!others.is_empty());
    processor.apply(Signal::Logs, &request, NOW, None);
    assert_eq!(processor.accounts()[0].matched, bags.len() as u64);
}

#[test]
fn a_long_equals_what_it_wraps_around_to_as_an_int() {
    // As many rules as it takes for their numbers to be looked for together.
    let rules: String = [5, 100, 101, 102]
        .map(|number| {
            let condition = format!("toint(Attributes[\"n\"]) == {number}");
            format!("  - name: n{number}\n    to: drop\n    kql: |\n      logs | where {condition}\n")
        })
        .concat();
    let mut processor = processor(&format!("apiVersion: dtq/v1\nrules:\n{rules}"));
    let mut request = decode(&recorded("logs-one.otlp"));
    request.resource_logs.truncate(1);
    let scopes = &mut request.resource_logs[0].scope_logs;
    scopes.truncate(1);
    let record = scopes[0].log_records[0].clone();
    scopes[0].log_records = [5, 6, 5 + (1 << 32)]
        .into_iter()
        .map(|number| {
            let mut record = record.clone();
            let value = Some(AnyValue { value: Some(any_value::Value::IntValue(number)) });
            record.attributes = vec![KeyValue { key: "n".to_owned(), value, ..KeyValue::default() }];
            record
        })
        .collect();
    processor.apply(Signal::Logs, &request.encode_to_vec(), NOW, None);
    assert_eq!(processor.totals().dropped, 2);
}

#[test]
fn a_measurement_that_its_metric_refuses_is_an_error_and_one_of_null_is_none() {
    let text = "apiVersion: dtq/v1
rules:
  - name: sizes
    to: metrics
    consume: true
    interval: 1s
    metrics:
      size: {name: size, type: sum}
      severity: {name: severity, type: gauge}
    kql: logs | project size = todouble(tostring(Body)), severity = SeverityNumber
    tests:
      - given: [{Body: '-1', SeverityNumber: 9}, {Body: '2', SeverityNumber: 5}, {Body: x}]
        then:
          matched: 3
          consumed: 2
          errors: 1
          records: [{Body: '-1'}]
          metrics:
            - {MetricName: size, MetricType: Sum, MetricValue: 2}
            - {MetricName: severity, MetricValue: 0}
";
    let (file, found) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    assert!(file.is_complete, "{found:?}");
    for test in dtq_rules::test::run(&[file], &dtq_rules::test::Options::default()).unwrap().remove(0).tests {
        assert!(test.mismatches.is_empty(), "{:#?}", test.mismatches);
    }
    let mut processor = processor(text);
    processor.apply(
        Signal::Logs,
        &[0x0A, 13, 0x12, 11, 0x12, 9, 0x2A, 7, 0x0A, 5, b'-', b'0', b'.', b'5', b' '],
        NOW,
        None,
    );
    let account = processor.accounts().remove(0);
    let said = account.first_error.unwrap();
    assert!(said.contains("the metric `size` cannot take -0.5: it is negative, and the metric only grows"), "{said}");
}
