//! Generated requests: what our wire views read is what prost decodes, and OTLP JSON gives the same rows.
//!
//! The oracle, `requests/rows.rs`, turns prost's structs into rows, written apart from the reader. The JSON is
//! the one that opentelemetry-proto's own serde implementation writes.
#![allow(clippy::unwrap_used)]

mod requests;

#[path = "requests/rows.rs"]
mod rows;

use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::{Input, Inputs, Options, Report};
use dtq_source::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use requests::{logs_request, metrics_request, spans_request};
use rows::{expected_logs, expected_metrics, expected_spans};

// --- comparison ---

fn read(bytes: Vec<u8>, format: &str, table: &str) -> (Vec<Row>, Report) {
    let format = dtq_record::Format::parse(format).unwrap();
    let input = Input::from_bytes("request", "own", bytes).with_format(format);
    let inputs = Inputs::probe(vec![input], &Options::default(), &Limits::default()).unwrap();
    let width = inputs.schema(table).unwrap().columns.len();
    let mut rows = Vec::new();
    {
        let mut stream = inputs.scan(table, &Projection::all(width)).unwrap();
        while stream.read(&mut rows).unwrap() {}
    }
    (rows, inputs.report())
}

/// Compares one request in all its forms with the rows expected.
fn compare(request: &impl Message, json: String, table: &str, expected: &[Row]) -> Result<(), TestCaseError> {
    let bytes = request.encode_to_vec();
    let mut delimited = request.encode_length_delimited_to_vec();
    delimited.extend(request.encode_length_delimited_to_vec());
    if expected.is_empty() {
        // Without a record nothing tells the signal.
        return Ok(());
    }
    for (bytes, format, times) in [(bytes, "otlp", 1), (delimited, "otlp", 2), (json.into_bytes(), "otlp-json", 1)] {
        let (rows, report) = read(bytes, format, table);
        prop_assert_eq!(report.skipped_count, 0, "{:?}", report.skips);
        prop_assert_eq!(rows.len(), times * expected.len(), "{} {}", format, times);
        for (row, expected) in rows.iter().zip(expected.iter().cycle()) {
            prop_assert_eq!(row, expected, "{}", format);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn logs_are_what_prost_decodes(request in logs_request()) {
        compare(&request, serde_json::to_string(&request).unwrap(), "logs", &expected_logs(&request))?;
    }

    #[test]
    fn spans_are_what_prost_decodes(request in spans_request()) {
        compare(&request, serde_json::to_string(&request).unwrap(), "spans", &expected_spans(&request))?;
    }

    #[test]
    fn metrics_are_what_prost_decodes(request in metrics_request()) {
        compare(&request, serde_json::to_string(&request).unwrap(), "metrics", &expected_metrics(&request))?;
    }

    /// Whatever is done to the bytes: no panic, and what prost still decodes gives the same number of rows.
    #[test]
    fn broken_requests_are_skipped_and_not_more(
        request in logs_request(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        for (at, byte) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let keep = keep.index(bytes.len() + 1);
        bytes.truncate(keep);
        let (rows, report) = read(bytes.clone(), "otlp", "logs");
        if edits.is_empty() && keep < request.encoded_len() {
            let complete = expected_logs(&request);
            prop_assert!(rows.len() <= complete.len());
            prop_assert_eq!(&rows[..], &complete[..rows.len()], "what was complete before the cut is kept");
        }
        prop_assert!(rows.len() as u64 + report.skipped_count <= bytes.len() as u64 + 1);
    }
}
