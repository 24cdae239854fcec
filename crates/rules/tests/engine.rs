//! Rule sets on recorded requests, from YAML to bytes.

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
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
