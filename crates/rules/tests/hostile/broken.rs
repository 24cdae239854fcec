//! Requests that are broken, cut short, deep or endless, through rules of every kind.

use crate::generated::{logs_request, metrics_request, spans_request};
use crate::{NOW, bodies, log, logs, processor, records};
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Output, Processor};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;

const SETS: &[&[&str]] = &[
    &[
        "to: drop\nkql: logs | where SeverityNumber >= 17 or tostring(Attributes[\"a\"]) == \"x\"",
        "to: drop\nkql: spans | where tostring(Resource[\"a\"]) == \"x\" and StatusCode == \"Ok\"",
        "to: drop\nkql: metrics | where MetricName startswith \"a\"",
    ],
    &[
        "to: replace\nkql: logs | extend Attributes = bag_set_key(bag_remove_keys(Attributes, dynamic([\"a\"])), \"new\", Body)",
        "to: replace\nkql: spans | extend SpanName = strcat(SpanName, tostring(Attributes)), Events = dynamic([])",
        "to: replace\nidentity: preserved\nkql: metrics | extend Attributes = bag_merge(dynamic({\"q\": 1}), Attributes), MetricName = \"m\"",
        "to: replace\nkql: resources | extend Attributes = bag_set_key(Attributes, \"tier\", Signal)",
    ],
    &[
        "to: route:away\ncopy: true\nkql: logs | where isnotempty(Body)",
        "to: logs\nkql: logs | where SeverityNumber > 8 | project Body, Attributes, SeverityNumber",
        "to: metrics\nmetrics: {n: {name: n, type: sum}}\nkql: logs | summarize n = count() by bin(Timestamp, 1m), k = tostring(Attributes[\"a\"])",
        "to: table:seen\nfor: 5m\nkql: spans | project n = SpanName",
        "to: drop\ntiers: [collector]\nkql: logs | where SeverityText in ((seen | project n))",
        "to: recorder:ring\nrecorder: {keep: 1m}\nkql: spans | where SpanKind == \"Internal\"",
        "to: flush:ring\nphase: observe\nkql: spans | where StatusCode == \"Error\"",
        "to: route:elsewhere\nkql: metrics | where MetricType == \"Gauge\"",
    ],
];

/// Returns the record count of what leaves, which must decode.
fn count(signal: Signal, bytes: &[u8]) -> Result<usize, prost::DecodeError> {
    Ok(match signal {
        Signal::Logs => records(&ExportLogsServiceRequest::decode(bytes)?).len(),
        Signal::Spans => {
            let request = ExportTraceServiceRequest::decode(bytes)?;
            request.resource_spans.iter().flat_map(|one| &one.scope_spans).map(|one| one.spans.len()).sum()
        }
        Signal::Metrics => {
            let request = ExportMetricsServiceRequest::decode(bytes)?;
            request.resource_metrics.iter().flat_map(|one| &one.scope_metrics).map(|one| one.metrics.len()).sum()
        }
    })
}

/// Applies any bytes; checks what must hold of any, and says whether they decode.
///
/// A recorder may release what an earlier request brought: what it holds is not looked into.
fn check(processor: &mut Processor, signal: Signal, bytes: &[u8], is_clean: bool) -> Result<bool, TestCaseError> {
    let malformed = processor.totals().malformed;
    let outcome = processor.apply(signal, bytes, NOW, None);
    let totals = processor.totals();
    prop_assert!(totals.is_conserved(), "{:?}", totals);
    let decodes = count(signal, bytes).is_ok();
    if totals.malformed > malformed {
        prop_assert_eq!(&outcome.output, &Output::Unchanged);
        prop_assert_eq!(totals.malformed, malformed + 1);
    }
    if !decodes {
        return Ok(false);
    }
    prop_assert_eq!(totals.malformed, malformed, "prost decodes it");
    if let Output::Bytes(bytes) = &outcome.output {
        prop_assert!(count(signal, bytes).is_ok(), "what leaves does not decode");
    }
    for emission in outcome.emissions.iter().filter(|_| is_clean) {
        prop_assert!(count(emission.signal, &emission.request).is_ok(), "an emission does not decode");
    }
    Ok(true)
}

/// Returns requests of all signals, as bytes.
fn request() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    prop_oneof![
        logs_request().prop_map(|request| (Signal::Logs, request.encode_to_vec())),
        spans_request().prop_map(|request| (Signal::Spans, request.encode_to_vec())),
        metrics_request().prop_map(|request| (Signal::Metrics, request.encode_to_vec())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn broken_requests_hurt_nobody(
        (signal, whole) in request(),
        set in 0..SETS.len(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        prop_assume!(!whole.is_empty());
        let mut bytes = whole.clone();
        for (at, byte) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut processor = processor(SETS[set]);
        let is_clean = check(&mut processor, signal, &bytes, true)?;
        check(&mut processor, signal, &whole, is_clean)?;
        let _ = processor.tick(NOW + 100_000_000);
        let _ = processor.shutdown(NOW + 200_000_000);
        prop_assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    }
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut size = content.len();
    while size >= 128 {
        out.push(size as u8 | 128);
        size >>= 7;
    }
    out.push(size as u8);
    out.extend_from_slice(content);
    out
}

/// Arrays in arrays, far deeper than anything reads: the rule fails, the record passes, later ones are judged.
#[test]
fn nesting_bombs_pass_and_are_counted() {
    let mut any = field(1, b"deep");
    for _ in 0..20_000 {
        any = field(5, &field(1, &any));
    }
    let bomb = |attribute: bool| {
        let record = if attribute { field(6, &[field(1, b"a"), field(2, &any)].concat()) } else { field(5, &any) };
        field(1, &field(2, &field(2, &record)))
    };
    for rules in SETS {
        let mut processor = processor(rules);
        for request in [bomb(true), bomb(false)] {
            let outcome = processor.apply(Signal::Logs, &request, NOW, None);
            assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
            assert_ne!(outcome.output, Output::Empty);
        }
        let calm = logs(&[], vec![log("calm")]).encode_to_vec();
        let _ = processor.apply(Signal::Logs, &calm, NOW, None);
        assert_eq!(processor.totals().records_in, 3);
    }
}

#[test]
fn lengths_past_the_end_are_reported_once() {
    let mut processor = processor(SETS[0]);
    let mut said = 0;
    for size in [0x7F, 0xFF] {
        let request = [0x0A, size, 0x7F, 0x01];
        let outcome = processor.apply(Signal::Logs, &request, NOW, None);
        assert_eq!(outcome.output, Output::Unchanged);
        said += outcome.notices.len();
    }
    assert_eq!((processor.totals().malformed, said), (2, 1));
    let request = logs(&[], vec![log("a")]);
    let outcome = processor.apply(Signal::Logs, &request.encode_to_vec(), NOW, None);
    assert_eq!(outcome.output, Output::Unchanged);
    assert_eq!(bodies(&request), ["a"]);
}

/// A record with very many attributes costs time in proportion, not its square.
#[test]
fn a_million_attributes_are_edited() {
    let mut record = log("many");
    record.attributes = (0..200_000).map(|at| crate::attribute(&format!("key{at}"), "v")).collect();
    let mut processor = processor(&[
        "to: replace\nkql: logs | extend Attributes = bag_set_key(Attributes, \"key7\", \"new\")",
        "to: replace\nkql: logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"key9\"]))",
    ]);
    let left = crate::apply(&mut processor, &logs(&[], vec![record]));
    let left = &records(&left)[0];
    assert_eq!(left.attributes.len(), 199_999);
    assert_eq!(left.attributes[7], crate::attribute("key7", "new"));
}

/// What a record is sent with is made once for all that share it: else this would take the square of their count, hours.
#[test]
fn records_of_one_crowded_scope_are_sent_apart() {
    const COUNT: usize = 100_000;
    let field = |out: &mut Vec<u8>, number: u32, content: &[u8]| {
        dtq_record::wire::append_bytes_field(out, number, content);
    };
    let repeated = |number: u32, content: &[u8]| {
        let mut out = Vec::new();
        (0..COUNT).for_each(|_| field(&mut out, number, content));
        out
    };
    let within = |number: u32, content: &[u8]| {
        let mut out = Vec::new();
        field(&mut out, number, content);
        out
    };
    // Many records in one scope; many scopes with a record each; many points in one metric.
    let crowds = [
        (Signal::Logs, within(1, &within(2, &repeated(2, &[])))),
        (Signal::Spans, within(1, &repeated(2, &within(2, &[])))),
        (Signal::Metrics, within(1, &within(2, &within(2, &within(5, &repeated(1, &[])))))),
    ];
    let mut processor = processor(&[
        "to: route:away\ncopy: true\nkql: logs",
        "to: route:away\ncopy: true\nkql: spans",
        "to: route:away\nkql: metrics",
        "to: recorder:ring\nrecorder: {keep: 1m, bytes_per_key: 1GiB}\nlimits: {state_bytes: 1GiB}\nkql: logs",
        "to: replace\nphase: reduce\nkql: resources | extend Attributes = bag_pack(\"a\", Signal)",
        "to: recorder:other\nrecorder: {keep: 1m, bytes_per_key: 1GiB}\nlimits: {state_bytes: 1GiB}\nkql: spans",
        "to: flush:ring\nkql: metrics | where MetricName == \"a\"",
        "to: flush:other\nkql: metrics | where MetricName == \"a\"",
    ]);
    for (signal, request) in crowds {
        let outcome = processor.apply(signal, &request, NOW, None);
        assert_eq!(outcome.output, Output::Empty);
        assert_eq!(count(signal, &outcome.emissions[0].request).unwrap(), COUNT);
    }
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    assert_eq!((totals.held as usize, totals.rerouted as usize), (2 * COUNT, COUNT));
}
