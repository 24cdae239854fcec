//! Inputs to requests and records as they stand: all pieces together are the input again.

use dtq_record::input::{Input, Inputs, Options};
use dtq_record::otlp::Signal;
use dtq_record::otlp::requests::Envelope;
use dtq_source::Limits;

fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../fixtures/telemetry/{name}", env!("CARGO_MANIFEST_DIR")))
        .expect("the recorded file is whole")
}

fn inputs(bytes: Vec<u8>) -> Inputs {
    let input = Input::from_bytes("input", "input", bytes);
    Inputs::probe(vec![input], &Options::default(), &Limits::default()).expect("the recorded file is whole")
}

/// Returns envelope, the originals one behind the other, signals of the requests, and how many pieces are malformed.
fn pieces(inputs: &Inputs) -> (Option<Envelope>, Vec<u8>, Vec<Signal>, usize) {
    let envelope = inputs.descriptions()[0].envelope;
    let (mut bytes, mut signals, mut malformed) = (Vec::new(), Vec::new(), 0);
    let mut requests = inputs.requests(0).expect("the recorded file is whole").expect("the input is OTLP");
    while let Some(piece) = requests.next_piece().expect("the recorded file is whole") {
        bytes.extend_from_slice(piece.head);
        bytes.extend_from_slice(piece.original);
        signals.extend(piece.requests.iter().map(|request| request.signal));
        malformed += usize::from(piece.is_malformed);
    }
    (envelope, bytes, signals, malformed)
}

#[test]
fn pieces_are_the_input() {
    for (name, envelope) in [
        ("logs.otlp", Envelope::Delimited),
        ("logs-one.otlp", Envelope::Bare),
        ("metrics.otlp", Envelope::Delimited),
        ("traces.otlp", Envelope::Delimited),
        ("logs.otlp.jsonl", Envelope::Json),
        ("traces.otlp.jsonl", Envelope::Json),
    ] {
        let file = recorded(name);
        let (found, bytes, signals, malformed) = pieces(&inputs(file.clone()));
        assert_eq!(found, Some(envelope), "{name}");
        assert!(bytes == file, "{name}");
        assert!(!signals.is_empty(), "{name}");
        assert_eq!(malformed, 0, "{name}");
    }
}

#[test]
fn unknown_fields_between_resources_are_given() {
    let one = recorded("logs-one.otlp");
    // Field 15, four bytes.
    let unknown = [0x7D, 1, 2, 3, 4];
    let file = [&one[..], &unknown, &one[..]].concat();
    let inputs = inputs(file.clone());
    let (_, bytes, ..) = pieces(&inputs);
    assert!(bytes == file);
    assert_eq!(inputs.report().skipped_count, 0);
}

#[test]
fn a_cut_request_is_given_and_counted() {
    let mut file = recorded("logs.otlp");
    file.truncate(file.len() - 10);
    let inputs = inputs(file.clone());
    let (_, bytes, _, malformed) = pieces(&inputs);
    assert!(bytes == file);
    assert_eq!((malformed, inputs.report().skipped_count), (1, 1));
}

#[test]
fn a_document_with_two_signals_is_two_requests() {
    let file = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}],"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"b"}]}]}]}
{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"x"}]}]}]}

{"resourceMetrics":[]}"#;
    let inputs = inputs(file.to_vec());
    let (_, bytes, signals, malformed) = pieces(&inputs);
    assert_eq!(
        String::from_utf8(bytes).expect("the recorded file is whole"),
        String::from_utf8(file.to_vec()).expect("the recorded file is whole")
    );
    assert_eq!(signals, [Signal::Logs, Signal::Spans, Signal::Logs, Signal::Metrics]);
    assert_eq!((malformed, inputs.report().skipped_count), (1, 1));
}

#[test]
fn originals_are_the_input() {
    for name in ["frontend.ndjson", "orders.csv", "syslog-rfc5424.log", "alertmanager.logfmt", "nginx-error.log"] {
        let file = recorded(name);
        let inputs = inputs(file.clone());
        let mut originals = inputs.originals(0).expect("the recorded file is whole").expect("the input is not OTLP");
        let (mut bytes, mut rows) = (Vec::new(), 0);
        while let Some(original) = originals.next_record().expect("the recorded file is whole") {
            bytes.extend_from_slice(original.bytes);
            bytes.extend_from_slice(original.end);
            rows += usize::from(original.row.is_some());
        }
        assert!(bytes == file, "{name}");
        assert!(rows > 0, "{name}");
        assert!(inputs.requests(0).expect("the recorded file is whole").is_none(), "{name}");
    }
}
