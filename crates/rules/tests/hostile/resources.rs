//! Rules over `resources` among rules over records: who sees which version, and what a resource alone can do.

use crate::{NOW, apply, bodies, log, logs, processor};
use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// The resource is edited between two rules that read it: each sees its version, of every record.
#[test]
fn every_record_begins_with_the_resource_as_it_came() {
    let mut processor = processor(&[
        "to: replace\nkql: logs | extend SeverityText = tostring(Resource[\"tier\"])",
        "to: replace\nkql: resources | extend Attributes = bag_set_key(bag_remove_keys(Attributes, dynamic([\"pad\"])), \"tier\", \"changed\")",
        "to: replace\nkql: logs | extend EventName = tostring(Resource[\"tier\"])",
    ]);
    let request = logs(&[("pad", "a long text that goes"), ("tier", "gold")], vec![log("a"), log("b"), log("c")]);
    let left = apply(&mut processor, &request);
    for record in crate::records(&left) {
        assert_eq!((record.severity_text.as_str(), record.event_name.as_str()), ("gold", "changed"));
    }
}

/// A resource without scopes has no record to show as a sample.
#[test]
fn a_resource_without_scopes_can_be_observed() {
    let mut processor = processor(&["to: drop\nmode: observe\nkql: resources"]);
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: Some(Resource::default()), ..Default::default() }],
    };
    let _ = processor.apply(Signal::Logs, &request.encode_to_vec(), NOW, None);
    assert_eq!(processor.accounts()[0].matched, 1);
    let _ = apply(&mut processor, &logs(&[("a", "b")], vec![log("x")]));
    for sample in processor.samples(0) {
        let sample = ExportLogsServiceRequest::decode(&sample[..]).unwrap();
        assert!(crate::records(&sample).iter().all(|record| *record == log("x")), "{sample:?}");
    }
}

/// Only what can be done to a resource is accepted over `resources`.
#[test]
fn a_resource_can_be_dropped_and_edited_and_nothing_else() {
    for rule in [
        "to: route:away\nkql: resources",
        "to: logs\nkql: resources | project Body = todynamic(Signal)",
        "to: recorder:ring\nrecorder: {keep: 1m}\nkql: resources",
        "to: metrics\nmetrics: {n: {name: n, type: sum}}\nkql: resources | project n = 1",
        "to: table:seen\nfor: 5m\nkql: resources | project Signal",
    ] {
        let text: String = rule.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!("apiVersion: dtq/v1\nrules:\n  - name: r\n{text}");
        let (read, _) =
            dtq_rules::file::read("r.yaml", text.as_bytes(), &dtq_rules::file::NoFiles, &Default::default());
        let compiled = dtq_rules::compile::compile(&[read], &Default::default());
        let Some(set) = compiled.set else { continue };
        let options = dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 };
        let mut processor = dtq_rules::engine::Processor::new(std::sync::Arc::new(set), &options);
        let bare = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs { resource: Some(Resource::default()), ..Default::default() }],
        };
        let _ = processor.apply(Signal::Logs, &bare.encode_to_vec(), NOW, None);
        let request = logs(&[("a", "b")], vec![log("x"), log("y")]);
        let left = apply(&mut processor, &request);
        let kept = bodies(&left);
        assert!(kept.is_empty() || kept.starts_with(&["x".to_owned(), "y".to_owned()]), "{rule}: {kept:?}");
    }
}

/// A resource edit that cannot be written leaves the resource and says so.
#[test]
fn dropping_a_resource_drops_its_records_and_only_them() {
    let mut processor = processor(&["to: drop\nkql: resources | where tostring(Attributes[\"env\"]) == \"dev\""]);
    let mut request = logs(&[("env", "dev")], vec![log("a"), log("b")]);
    request.resource_logs.extend(logs(&[("env", "prod")], vec![log("c")]).resource_logs);
    let left = apply(&mut processor, &request);
    assert_eq!(bodies(&left), ["c"]);
    let env = &left.resource_logs[0].resource.as_ref().unwrap().attributes[0];
    assert_eq!(env.value.as_ref().unwrap().value, Some(Any::StringValue("prod".to_owned())));
    assert_eq!(processor.accounts()[0].dropped, 2);
}
