//! The recorded telemetry in `fixtures/telemetry` against what its manifest says is in it.
//!
//! The manifest was counted by `fixtures/telemetry/oracle.py` with other decoders than ours.
#![allow(clippy::unwrap_used)]

use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry")
}

fn open(name: &str) -> Inputs {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let input = Input::from_bytes(name, "own", bytes);
    Inputs::probe(vec![input], &Options { now_ticks: 639_200_000_000_000_000 }, &Limits::default()).unwrap()
}

fn rows(inputs: &Inputs, table: &str) -> Vec<Row> {
    let width = inputs.schema(table).unwrap().columns.len();
    let mut stream = inputs.scan(table, &Projection::all(width)).unwrap();
    let mut rows = Vec::new();
    while stream.read(&mut rows).unwrap() {}
    assert!(rows.iter().all(|row| row.len() == width));
    rows
}

fn column(inputs: &Inputs, table: &str, name: &str) -> usize {
    inputs.schema(table).unwrap().columns.iter().position(|column| column.name == name).unwrap()
}

/// Counts the rows by the text of a column.
fn counts(inputs: &Inputs, table: &str, name: &str) -> BTreeMap<String, u64> {
    let at = column(inputs, table, name);
    let mut counts = BTreeMap::new();
    for row in rows(inputs, table) {
        let text = match &row[at] {
            Value::String(text) => text.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Long(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        *counts.entry(text).or_default() += 1;
    }
    counts
}

fn bag_text(value: &Value, key: &str) -> String {
    match value {
        Value::Bag(bag) => match bag.get(key.as_bytes()) {
            Some(Value::String(text)) => text.to_string(),
            other => format!("{other:?}"),
        },
        other => panic!("no bag: {other:?}"),
    }
}

fn manifest() -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_slice(&std::fs::read(folder().join("manifest.json")).unwrap()).unwrap()
}

fn expected_counts(entry: &serde_json::Value, key: &str) -> BTreeMap<String, u64> {
    let counts = entry[key].as_object().unwrap_or_else(|| panic!("{key}"));
    counts.iter().map(|(text, count)| (text.clone(), count.as_u64().unwrap())).collect()
}

#[test]
fn every_file_has_the_format_and_the_records_that_the_manifest_says() {
    let mut file_count = 0;
    for (name, entry) in &manifest() {
        let inputs = open(name);
        let format = inputs.descriptions()[0].format;
        let said = entry["format"].as_str().unwrap().split(' ').next().unwrap();
        assert_eq!(format.name(), said, "{name}");
        let table = match entry["signal"].as_str() {
            Some("traces") => "spans",
            Some(signal) => signal,
            None => "logs",
        };
        // A line of a text file is a record, also where the program that wrote it continues a message.
        let count =
            if format == Format::Text { entry.get("lines").unwrap_or(&entry["records"]) } else { &entry["records"] };
        assert_eq!(rows(&inputs, table).len() as u64, count.as_u64().unwrap(), "{name}");
        if table == "logs" && !matches!(format, Format::Otlp | Format::OtlpJson) {
            assert_eq!(rows(&inputs, "own").len() as u64, count.as_u64().unwrap(), "{name}");
        }
        let report = inputs.report();
        assert_eq!((report.skipped_count, report.misfit_count), (0, 0), "{name}: {report:?}");
        file_count += 1;
    }
    assert!(file_count > 20);
}

#[test]
fn logs_have_the_severities_services_and_event_names_of_the_manifest() {
    let mut checked = 0;
    for (name, entry) in manifest().iter().filter(|(_, entry)| entry["signal"] == "logs") {
        let inputs = open(name);
        assert_eq!(counts(&inputs, "logs", "SeverityNumber"), expected_counts(entry, "by_severity_number"), "{name}");
        assert_eq!(counts(&inputs, "logs", "SeverityText"), expected_counts(entry, "by_severity_text"), "{name}");
        let mut events = counts(&inputs, "logs", "EventName");
        events.remove("");
        assert_eq!(events, expected_counts(entry, "by_event_name_field"), "{name}");
        let without_trace_id = counts(&inputs, "logs", "TraceId").get("").copied().unwrap_or(0);
        assert_eq!(without_trace_id, entry["without_trace_id"].as_u64().unwrap(), "{name}");
        let resource = column(&inputs, "logs", "Resource");
        let mut services = BTreeMap::new();
        for row in rows(&inputs, "logs") {
            *services.entry(bag_text(&row[resource], "service.name")).or_default() += 1;
        }
        assert_eq!(services, expected_counts(entry, "by_service"), "{name}");
        checked += 1;
    }
    assert!(checked >= 6);
}

#[test]
fn the_event_name_is_found_in_custom_dimensions_as_field_and_as_attribute() {
    for name in ["logs.otlp", "logs-same.otlp.jsonl"] {
        let inputs = open(name);
        let at = column(&inputs, "traces", "customDimensions");
        let banners = rows(&inputs, "traces").into_iter().filter(|row| match &row[at] {
            Value::Bag(bag) => bag.get(b"EventName") == Some(&Value::string("LogWelcomeBanner")),
            _ => false,
        });
        // Once as event name, once as attribute.
        assert_eq!(banners.count(), 2, "{name}");
    }
}

#[test]
fn spans_have_the_kinds_and_states_of_the_manifest() {
    let mut checked = 0;
    for (name, entry) in manifest().iter().filter(|(_, entry)| entry["signal"] == "traces") {
        let inputs = open(name);
        assert_eq!(counts(&inputs, "spans", "SpanKind"), expected_counts(entry, "by_kind"), "{name}");
        assert_eq!(counts(&inputs, "spans", "StatusCode"), expected_counts(entry, "by_status"), "{name}");
        assert_eq!(counts(&inputs, "spans", "SpanName"), expected_counts(entry, "by_name"), "{name}");
        let roots = counts(&inputs, "spans", "ParentSpanId").get("").copied().unwrap_or(0);
        assert_eq!(roots, entry["roots"].as_u64().unwrap(), "{name}");
        let kinds = expected_counts(entry, "by_kind");
        let requests = kinds.get("Server").unwrap_or(&0) + kinds.get("Consumer").unwrap_or(&0);
        assert_eq!(rows(&inputs, "requests").len() as u64, requests, "{name}");
        let exceptions = expected_counts(entry, "events").get("exception").copied().unwrap_or(0);
        assert_eq!(rows(&inputs, "exceptions").len() as u64, exceptions, "{name}");
        checked += 1;
    }
    assert!(checked >= 3);
}

#[test]
fn metrics_have_the_types_and_totals_of_the_manifest() {
    let mut checked = 0;
    for (name, entry) in manifest().iter().filter(|(_, entry)| entry["signal"] == "metrics") {
        let inputs = open(name);
        assert_eq!(counts(&inputs, "metrics", "MetricType"), expected_counts(entry, "by_type"), "{name}");
        assert_eq!(counts(&inputs, "metrics", "MetricName"), expected_counts(entry, "by_name"), "{name}");
        let mut temporalities = counts(&inputs, "metrics", "Temporality");
        temporalities.remove("");
        assert_eq!(temporalities, expected_counts(entry, "by_temporality"), "{name}");
        let value = column(&inputs, "metrics", "MetricValue");
        let total: f64 =
            rows(&inputs, "metrics").iter().map(|row| if let Value::Real(v) = row[value] { v } else { 0.0 }).sum();
        assert!((total - entry["numbers_total"].as_f64().unwrap()).abs() < 1e-6, "{name}: {total}");
        checked += 1;
    }
    assert!(checked >= 3);
}

#[test]
fn the_same_telemetry_in_protobuf_and_in_json_gives_the_same_rows() {
    for (protobuf, json, signal) in [
        ("logs.otlp", "logs-same.otlp.jsonl", "logs"),
        ("metrics.otlp", "metrics-same.otlp.jsonl.zst", "metrics"),
        ("traces.otlp", "traces-same.otlp.jsonl.gz", "spans"),
    ] {
        let (protobuf, json) = (open(protobuf), open(json));
        for table in protobuf.table_names() {
            assert_eq!(rows(&protobuf, &table), rows(&json, &table), "{signal} {table}");
        }
    }
}

#[test]
fn records_of_other_formats_have_the_words_of_the_manifest() {
    let manifest = manifest();
    for (name, column, key) in [
        ("alertmanager.logfmt.zst", "level", "by_level"),
        ("node-exporter.logfmt", "level", "by_level"),
        ("frontend.ndjson", "level", "by_level"),
        ("frontend.ndjson", "msg", "by_msg"),
        ("postgres.ndjson.gz", "error_severity", "by_level"),
        ("postgres.ndjson", "backend_type", "by_backend_type"),
        // PostgreSQL documentation, "Using CSV-Format Log Output": error_severity is the twelfth column.
        ("postgres.csv", "Column12", "by_level"),
        ("orders.csv", "status", "by_status"),
    ] {
        let mut found = counts(&open(name), "own", column);
        found.remove("");
        assert_eq!(found, expected_counts(&manifest[name], key), "{name} {column}");
    }
    let orders = open("orders.csv");
    let amount = column(&orders, "own", "amount");
    let total: f64 =
        rows(&orders, "own").iter().map(|row| if let Value::Real(v) = row[amount] { v } else { 0.0 }).sum();
    assert!((total - manifest["orders.csv"]["amount_total"].as_f64().unwrap()).abs() < 1e-6, "{total}");
}

#[test]
fn syslog_has_the_priorities_of_the_manifest() {
    let severities = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    for name in ["syslog-rfc3164.log", "syslog-rfc5424.log"] {
        let inputs = open(name);
        let expected: BTreeMap<String, u64> = expected_counts(&manifest()[name], "by_severity")
            .into_iter()
            .map(|(number, count)| (severities[number.parse::<usize>().unwrap()].to_owned(), count))
            .collect();
        assert_eq!(counts(&inputs, "own", "Severity"), expected, "{name}");
        assert_eq!(counts(&inputs, "logs", "SeverityText"), expected, "{name}");
    }
    let inputs = open("syslog-rfc5424.log");
    let manifest = &manifest()["syslog-rfc5424.log"];
    assert_eq!(counts(&inputs, "own", "AppName"), expected_counts(manifest, "by_app_name"));
    let data = column(&inputs, "own", "StructuredData");
    let with_data = rows(&inputs, "own").iter().filter(|row| !row[data].is_null()).count() as u64;
    assert_eq!(with_data, manifest["with_structured_data"].as_u64().unwrap());
    // The same messages in four forms: time, host and text agree where the form has them.
    for name in ["syslog-iso.log", "syslog-traditional.log", "syslog-rfc3164.log"] {
        let other = open(name);
        assert_eq!(counts(&other, "own", "Hostname"), counts(&inputs, "own", "Hostname"), "{name}");
        let unreadable = counts(&other, "own", "Time").get("Null").copied().unwrap_or(0);
        assert_eq!(unreadable, 0, "{name}");
    }
}
