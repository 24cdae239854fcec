//! Rules that cannot do what they say: the record goes on as the rules before left it, and nothing is lost.

use crate::{NOW, apply, bodies, log, logs, processor, records};
use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

fn spans(names: &[(&str, i32)]) -> ExportTraceServiceRequest {
    let span = |(name, kind): &(&str, i32)| Span {
        name: (*name).to_owned(),
        kind: *kind,
        start_time_unix_nano: 1_764_000_000_000_000_000,
        end_time_unix_nano: 1_764_000_000_000_000_000,
        ..Default::default()
    };
    let scope = ScopeSpans { spans: names.iter().map(span).collect(), ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..Default::default() }] }
}

fn apply_spans(processor: &mut dtq_rules::engine::Processor, request: &ExportTraceServiceRequest) -> Vec<Span> {
    use dtq_rules::engine::Output;
    let bytes = request.encode_to_vec();
    let outcome = processor.apply(Signal::Spans, &bytes, NOW, None);
    assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    let left = match outcome.output {
        Output::Unchanged => bytes,
        Output::Empty => Vec::new(),
        Output::Bytes(bytes) => bytes,
    };
    let left = ExportTraceServiceRequest::decode(&left[..]).unwrap();
    left.resource_spans.into_iter().flat_map(|one| one.scope_spans).flat_map(|one| one.spans).collect()
}

/// The second rule writes a word that no SpanKind is; the first one's redaction stays.
#[test]
fn an_edit_that_cannot_be_written_undoes_no_other() {
    let mut processor = processor(&[
        "to: replace\nkql: spans | extend SpanName = \"redacted\"",
        "to: replace\nkql: spans | extend SpanKind = \"Sideways\"",
    ]);
    let left = apply_spans(&mut processor, &spans(&[("secret", 2)]));
    assert_eq!((left[0].name.as_str(), left[0].kind), ("redacted", 2));
    let accounts = processor.accounts();
    assert_eq!((accounts[0].errors, accounts[0].edited), (0, 1));
    assert_eq!((accounts[1].errors, accounts[1].edited), (1, 0));
}

/// A rule after one whose edit fails reads what is really there.
#[test]
fn an_edit_that_cannot_be_written_is_not_read_by_later_rules() {
    let mut processor = processor(&[
        "to: replace\nkql: spans | extend SpanKind = \"Sideways\"",
        "to: drop\nkql: spans | where SpanKind == \"Sideways\"",
    ]);
    assert_eq!(apply_spans(&mut processor, &spans(&[("a", 2)])).len(), 1);
}

/// Spans that are no `requests` are not the input of a rule over `requests`.
#[test]
fn replace_over_an_alias_leaves_other_records_alone() {
    let mut processor = processor(&["to: replace\nkql: requests | where name != \"ping\""]);
    let left = apply_spans(&mut processor, &spans(&[("ping", 2), ("get", 2), ("inner", 1), ("call", 3)]));
    let names: Vec<&str> = left.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["get", "inner", "call"]);
}

/// Rules that make records from those that rules made: too deep is an error of the rule, and the counts still add up.
#[test]
fn records_made_too_deep_are_counted() {
    let rules: Vec<String> = (0..20)
        .map(|at| {
            format!("to: logs\nkql: logs | where tostring(Body) == \"{at}\" | project Body = todynamic(\"{}\")", at + 1)
        })
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let mut processor = processor(&rules);
    let left = apply(&mut processor, &logs(&[], vec![log("0")]));
    assert!(bodies(&left).len() >= 16, "{:?}", bodies(&left));
    assert!(processor.accounts().iter().map(|account| account.errors).sum::<u64>() <= 1);
}

/// Several rows for one record are an error also when the rule writes nothing.
#[test]
fn replace_with_several_rows_is_an_error() {
    let mut processor = processor(&["to: replace\nkql: logs | mv-expand x = dynamic([1, 2]) | project-away x"]);
    let request = logs(&[], vec![log("a")]);
    assert_eq!(bodies(&apply(&mut processor, &request)), ["a"]);
    assert_eq!(processor.accounts()[0].errors, 1);
}

/// A protective rule over resources protects from requests that cannot be read, whatever their signal.
#[test]
fn a_protective_rule_over_resources_drops_what_cannot_be_read() {
    let mut processor = processor(&[
        "to: replace\non_error: drop\nkql: resources | extend Attributes = bag_remove_keys(Attributes, dynamic([\"token\"]))",
    ]);
    let outcome = processor.apply(Signal::Logs, &[0x0A, 0x7F, 1], NOW, None);
    assert_eq!(outcome.output, dtq_rules::engine::Output::Empty);
}

/// Two edits that cancel each other leave the bytes.
#[test]
fn edits_that_cancel_each_other_change_nothing() {
    let mut processor = processor(&[
        "to: replace\nkql: logs | extend Attributes = bag_set_key(Attributes, \"x\", 1), SeverityText = \"a\"",
        "to: replace\nkql: logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"x\"])), SeverityText = \"\"",
    ]);
    let request = logs(&[], vec![log("a")]);
    assert_eq!(apply(&mut processor, &request), request);
    assert_eq!(records(&request).len(), 1);
}

/// What one column computes from the one before, forty times over, is evaluated once a column: in conditions, in what is
/// written, and where it does not stay within the flat part of the query.
#[test]
fn columns_that_double_do_not_take_twice_as_long_each() {
    let doubled = |query: &str, operator: &str| {
        let steps = (1..40).map(|at| format!(" | extend a{at} = a{} {operator} a{}", at - 1, at - 1));
        format!("kql: logs | extend a0 = {query}{}", steps.collect::<String>())
    };
    let dropping = format!("to: drop\n{} | where a39 > 5", doubled("SeverityNumber + strlen(tostring(Body))", "+"));
    let writing = format!(
        "to: replace\n{} | where a39 == 0 | extend SeverityText = tostring(a39) | project-away a*",
        doubled("SeverityNumber", "*")
    );
    let mut processor = processor(&[&dropping, &writing]);
    let left = apply(&mut processor, &logs(&[], vec![log("x"), log("")]));
    assert_eq!(bodies(&left), [""]);
    assert_eq!(records(&left)[0].severity_text, "0");
    assert_eq!(processor.accounts().iter().map(|account| account.errors).sum::<u64>(), 0);
}
