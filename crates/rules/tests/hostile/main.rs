//! Rule sets under adverse input: broken requests, deep or endless values, rules that fail or call each other.
//!
//! Whatever comes: no panic, what leaves decodes, nothing is lost from the counts, and later requests are unaffected.
#![allow(clippy::unwrap_used)]

#[path = "../../../record/tests/requests/mod.rs"]
mod generated;

mod broken;

mod faults;

mod resources;

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{Outcome, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::sync::Arc;

/// When requests arrive: 2025-11-23.
pub const NOW: i64 = 639_000_000_000_000_000;

/// Returns a processor of rules, each written as the lines below `- name: rN`.
pub fn processor(rules: &[&str]) -> Processor {
    let mut text = "apiVersion: dtq/v1\nrules:\n".to_owned();
    for (at, rule) in rules.iter().enumerate() {
        text.push_str(&format!("  - name: r{at}\n"));
        for line in rule.lines() {
            // In a block no character means anything to YAML.
            match line.strip_prefix("kql: ") {
                Some(query) => text.push_str(&format!("    kql: |\n      {query}\n")),
                None => text.push_str(&format!("    {line}\n")),
            }
        }
    }
    let options = file::Options { now_ticks: NOW, ..file::Options::default() };
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
    assert!(read.is_complete, "{diagnostics:?}\n{text}");
    let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
    let set = compiled.set.unwrap_or_else(|| panic!("{:?}\n{text}", compiled.diagnostics));
    Processor::new(Arc::new(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Returns a text.
pub fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) })
}

/// Returns an attribute with a text.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..Default::default() }
}

/// Returns a log record with this body.
pub fn log(body: &str) -> LogRecord {
    LogRecord { body: text(body), time_unix_nano: 1_764_000_000_000_000_000, ..Default::default() }
}

/// Returns a request of one resource and scope.
pub fn logs(resource: &[(&str, &str)], records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let attributes = resource.iter().map(|(key, value)| attribute(key, value)).collect();
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_logs: vec![ScopeLogs { log_records: records, ..Default::default() }],
            ..Default::default()
        }],
    }
}

/// Applies rules to logs; returns all that leaves where requests go on.
pub fn apply(processor: &mut Processor, request: &ExportLogsServiceRequest) -> ExportLogsServiceRequest {
    let bytes = request.encode_to_vec();
    let outcome = processor.apply(Signal::Logs, &bytes, NOW, None);
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    let mut left = decoded(&bytes, &outcome);
    for emission in outcome.emissions.iter().filter(|one| one.destination.is_none() && one.signal == Signal::Logs) {
        left.resource_logs.extend(ExportLogsServiceRequest::decode(&emission.request[..]).unwrap().resource_logs);
    }
    left
}

fn decoded(request: &[u8], outcome: &Outcome) -> ExportLogsServiceRequest {
    let bytes = match &outcome.output {
        Output::Unchanged => request,
        Output::Empty => &[],
        Output::Bytes(bytes) => bytes,
    };
    ExportLogsServiceRequest::decode(bytes).unwrap()
}

/// Returns all records of a request.
pub fn records(request: &ExportLogsServiceRequest) -> Vec<LogRecord> {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| scope.log_records.clone()).collect()
}

/// Returns the bodies of all records.
pub fn bodies(request: &ExportLogsServiceRequest) -> Vec<String> {
    let body = |record: &LogRecord| match record.body.clone().and_then(|body| body.value) {
        Some(Any::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    records(request).iter().map(body).collect()
}
