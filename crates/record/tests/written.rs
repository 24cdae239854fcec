//! What dtq writes as OTLP, read back: by dtq itself, by prost, and by opentelemetry-proto's serde.
#![allow(clippy::unwrap_used)]

mod requests;

use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::{Origin, RequestBuilder};
use dtq_record::otlp::encode::{append_log_record, append_metric, append_resource, append_scope, append_span};
use dtq_record::otlp::metric::{
    Exemplar, ExponentialValue, HistogramValue, MetricKind, MetricPoint, MetricStream, PointValue, Temporality,
};
use dtq_record::otlp::to_json::append_json;
use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::{Format, Input, Inputs, Options};
use dtq_source::Limits;
use dtq_value::{Bag, Str, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use proptest::prelude::*;
use prost::Message;
use requests::{logs_request, metrics_request, spans_request};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::PathBuf;

const EPOCH: i64 = 621_355_968_000_000_000;

fn rows(bytes: Vec<u8>, format: &str, signal: Signal) -> Vec<Row> {
    let input = Input::from_bytes("request", "own", bytes).with_format(Format::parse(format).unwrap());
    let inputs = Inputs::probe(vec![input], &Options::default(), &Limits::default()).unwrap();
    let mut rows = Vec::new();
    {
        let width = inputs.schema(signal.table()).unwrap().columns.len();
        let mut stream = inputs.scan(signal.table(), &Projection::all(width)).unwrap();
        while stream.read(&mut rows).unwrap() {}
    }
    assert_eq!(inputs.report().skipped_count, 0, "{:?}", inputs.report().skips);
    rows
}

fn json(signal: Signal, request: &[u8]) -> String {
    let mut text = String::new();
    append_json(&mut text, signal, request, Limits::default().value_nesting_max).unwrap();
    text
}

fn written(signal: Signal, rows: &[Row]) -> Vec<u8> {
    let mut builder = RequestBuilder::new(signal);
    for row in rows {
        builder.push_row(row).unwrap();
    }
    builder.take()
}

/// Grouping moves records next to those of the same origin, so that only their order may differ.
fn sorted(rows: &[Row]) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    texts.sort();
    texts
}

/// Reads requests that dtq writes as JSON with the serde of opentelemetry-proto, and compares with what prost decodes.
fn compare_json<M: Message + Default + PartialEq + DeserializeOwned + Debug>(signal: Signal, request: &[u8]) {
    let expected = M::decode(request).unwrap();
    let found: M = serde_json::from_str(&json(signal, request)).unwrap();
    assert!(found == expected, "{found:?}\n{expected:?}");
}

fn compare_rows(signal: Signal, request: &[u8]) {
    let expected = rows(request.to_vec(), "otlp", signal);
    if expected.is_empty() {
        return;
    }
    let request_of_rows = written(signal, &expected);
    match signal {
        Signal::Logs => drop(ExportLogsServiceRequest::decode(request_of_rows.as_slice()).unwrap()),
        Signal::Metrics => drop(ExportMetricsServiceRequest::decode(request_of_rows.as_slice()).unwrap()),
        Signal::Spans => drop(ExportTraceServiceRequest::decode(request_of_rows.as_slice()).unwrap()),
    }
    assert_eq!(sorted(&rows(request_of_rows, "otlp", signal)), sorted(&expected));
    assert_eq!(rows(json(signal, request).into_bytes(), "otlp-json", signal), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn logs_come_back(request in logs_request()) {
        let bytes = request.encode_to_vec();
        compare_json::<ExportLogsServiceRequest>(Signal::Logs, &bytes);
        compare_rows(Signal::Logs, &bytes);
    }

    #[test]
    fn spans_come_back(request in spans_request()) {
        let bytes = request.encode_to_vec();
        compare_json::<ExportTraceServiceRequest>(Signal::Spans, &bytes);
        compare_rows(Signal::Spans, &bytes);
    }

    #[test]
    fn metrics_come_back(request in metrics_request()) {
        let bytes = request.encode_to_vec();
        compare_json::<ExportMetricsServiceRequest>(Signal::Metrics, &bytes);
        compare_rows(Signal::Metrics, &bytes);
    }

    /// Whatever is done to the bytes: no panic, and what is written is JSON.
    #[test]
    fn broken_requests_are_refused_or_written_as_json(
        request in metrics_request(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = request.encode_to_vec();
        for (at, byte) in edits.iter().filter(|_| request.encoded_len() > 0) {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let mut text = String::new();
        match append_json(&mut text, Signal::Metrics, &bytes, 100) {
            Ok(()) => prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text),
            Err(_) => prop_assert_eq!(text, ""),
        }
    }
}

fn recorded(name: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry").join(name);
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let size = prost::decode_length_delimiter(&mut rest).unwrap();
        let (request, after) = rest.split_at(size);
        requests.push(request.to_vec());
        rest = after;
    }
    requests
}

#[test]
fn recorded_telemetry_comes_back() {
    for (name, signal) in
        [("logs.otlp", Signal::Logs), ("metrics.otlp", Signal::Metrics), ("traces.otlp", Signal::Spans)]
    {
        for request in recorded(name) {
            match signal {
                Signal::Logs => compare_json::<ExportLogsServiceRequest>(signal, &request),
                Signal::Metrics => compare_json::<ExportMetricsServiceRequest>(signal, &request),
                Signal::Spans => compare_json::<ExportTraceServiceRequest>(signal, &request),
            }
            compare_rows(signal, &request);
        }
    }
}

#[test]
fn records_of_one_origin_stand_together_in_order_of_first_appearance() {
    let named = |name: &str, text: &str| {
        let mut row = vec![Value::Null; 12];
        row[6] = Value::string(text);
        row[10] = Value::bag(Bag::from_iter([(Str::from("service.name"), Value::string(name))]));
        row
    };
    let request = written(Signal::Logs, &[named("b", "1"), named("a", "2"), named("b", "3"), vec![Value::Null; 3]]);
    let request = ExportLogsServiceRequest::decode(request.as_slice()).unwrap();
    let texts: Vec<Vec<&str>> = request
        .resource_logs
        .iter()
        .map(|resource| resource.scope_logs[0].log_records.iter().map(|record| record.severity_text.as_str()).collect())
        .collect();
    assert_eq!(texts, [vec!["1", "3"], vec!["2"], vec![""]]);
    assert_eq!(request.resource_logs[2].resource, None);
}

#[test]
fn records_keep_origins_that_are_given_as_bytes() {
    let mut builder = RequestBuilder::new(Signal::Spans);
    assert!(builder.is_empty());
    let origin = Origin { resource_schema_url: b"r", scope: &[0x0A, 1, b'n'], scope_schema_url: b"s", resource: b"" };
    builder.push(&origin, &[0x2A, 1, b'x']);
    assert!(!builder.is_empty() && builder.size_bytes() > 8);
    let request = ExportTraceServiceRequest::decode(builder.take().as_slice()).unwrap();
    let resource = &request.resource_spans[0];
    assert_eq!((resource.schema_url.as_str(), resource.scope_spans[0].schema_url.as_str()), ("r", "s"));
    assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "n");
    assert_eq!(resource.scope_spans[0].spans[0].name, "x");
    assert!(builder.is_empty());
}

fn stream(kind: MetricKind, value: PointValue) -> MetricStream {
    MetricStream {
        name: Str::from("http.server.request.duration"),
        description: Str::default(),
        unit: Str::from("s"),
        kind,
        temporality: Temporality::Delta,
        is_monotonic: true,
        points: vec![MetricPoint {
            attributes: vec![(Str::from("route"), Value::string("/")), (Str::from("n"), Value::Long(0))],
            start_ticks: Some(EPOCH + 10_000_000),
            time_ticks: EPOCH + 20_000_000,
            value,
            exemplars: vec![Exemplar {
                time_ticks: EPOCH + 10_000_001,
                value: 0.25,
                trace_id: vec![1; 16],
                span_id: vec![2; 8],
            }],
        }],
    }
}

fn metric(kind: MetricKind, value: PointValue) -> Metric {
    let mut bytes = Vec::new();
    append_metric(&mut bytes, &stream(kind, value)).unwrap();
    Metric::decode(bytes.as_slice()).unwrap()
}

#[test]
fn made_metrics_are_what_prost_decodes() {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::{AsDouble, AsInt};
    let sum = metric(MetricKind::Sum, PointValue::Long(-3));
    assert_eq!((sum.name.as_str(), sum.unit.as_str()), ("http.server.request.duration", "s"));
    let Some(Data::Sum(sum)) = sum.data else { panic!("no sum") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 1);
    let point = &sum.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 2_000_000_000));
    assert_eq!((point.value, point.attributes.len()), (Some(AsInt(-3)), 2));
    assert_eq!((point.exemplars[0].time_unix_nano, point.exemplars[0].trace_id.len()), (1_000_000_100, 16));
    let Some(Data::Gauge(gauge)) = metric(MetricKind::Gauge, PointValue::Real(0.0)).data else { panic!("no gauge") };
    assert_eq!(gauge.data_points[0].value, Some(AsDouble(0.0)));

    let value = HistogramValue {
        count: 3,
        sum: Some(1.5),
        min: Some(0.0),
        max: None,
        bounds: vec![0.5, 1.0],
        counts: vec![1, 0, 2],
    };
    let Some(Data::Histogram(histogram)) = metric(MetricKind::Histogram, PointValue::Histogram(value)).data else {
        panic!("no histogram")
    };
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum, point.min, point.max), (3, Some(1.5), Some(0.0), None));
    assert_eq!((point.bucket_counts.as_slice(), point.explicit_bounds.as_slice()), (&[1, 0, 2][..], &[0.5, 1.0][..]));
    assert_eq!(point.exemplars.len(), 1);

    let value = ExponentialValue {
        count: 4,
        scale: -2,
        zero_count: 1,
        positive: (-7, vec![300, 0]),
        negative: (0, vec![]),
        ..ExponentialValue::default()
    };
    let made = metric(MetricKind::ExponentialHistogram, PointValue::Exponential(value));
    let Some(Data::ExponentialHistogram(histogram)) = made.data else { panic!("no exponential histogram") };
    let point = &histogram.data_points[0];
    assert_eq!((point.scale, point.zero_count, point.exemplars.len()), (-2, 1, 1));
    let positive = point.positive.as_ref().unwrap();
    assert_eq!((positive.offset, positive.bucket_counts.as_slice()), (-7, &[300, 0][..]));
    assert_eq!(point.negative, None);
}

#[test]
fn a_time_that_otlp_cannot_hold_is_an_error() {
    let mut made = stream(MetricKind::Gauge, PointValue::Long(1));
    made.points[0].time_ticks = EPOCH - 1;
    let mut out = vec![7];
    assert_eq!(append_metric(&mut out, &made).unwrap_err().column, "Timestamp");
    assert_eq!(out, [7]);
}

/// Returns the error of a row of `spans` that has just this value.
fn span_error(column: usize, value: Value) -> String {
    let mut row = vec![Value::Null; 16];
    row[column] = value;
    let mut out = Vec::new();
    let error = append_span(&mut out, &row).unwrap_err();
    assert!(out.is_empty());
    error.to_string()
}

#[test]
fn values_without_a_place_are_errors_that_name_the_column() {
    assert_eq!(span_error(0, Value::string("abc")), "TraceId: `abc` is not 32 hex digits");
    assert_eq!(
        span_error(5, Value::string("server")),
        "SpanKind: `server` is none of Internal, Server, Client, Producer, Consumer"
    );
    let reason = "is outside of 1970 to 2554, which OTLP's times can hold";
    assert_eq!(span_error(6, Value::DateTime(0)), format!("StartTime: `0001-01-01T00:00:00.0000000Z` {reason}"));
    assert_eq!(span_error(11, Value::array(vec![])), "Attributes: `[]` is no bag");
    let event = Value::bag(Bag::from_iter([(Str::from("When"), Value::Null)]));
    let reason = "OTLP has no place for its property `When`, only for Timestamp, Name, Attributes";
    assert_eq!(span_error(14, Value::array(vec![event])), format!("Events: {reason}"));
    assert!(span_error(8, Value::TimeSpan(5)).starts_with("Duration: `00:00:00.0000005` cannot be written"));

    let mut out = Vec::new();
    let mut row = vec![Value::Null; 12];
    row[4] = Value::Int(256);
    let error = append_log_record(&mut out, &row).unwrap_err();
    assert_eq!(error.to_string(), "TraceFlags: `256` is not within 0 to 255");
    assert!(append_resource(&mut out, &Value::Long(1)).is_err() && append_scope(&mut out, &Value::Long(1)).is_err());
    assert!(out.is_empty());
}

#[test]
fn a_duration_gives_the_end_that_is_missing() {
    let mut row = vec![Value::Null; 16];
    (row[6], row[8]) = (Value::DateTime(EPOCH + 10), Value::TimeSpan(5));
    let mut out = Vec::new();
    append_span(&mut out, &row).unwrap();
    let span = opentelemetry_proto::tonic::trace::v1::Span::decode(out.as_slice()).unwrap();
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000, 1_500));
    row[7] = Value::DateTime(EPOCH + 16);
    assert!(append_span(&mut out, &row).is_err());
}

#[test]
fn a_point_of_no_type_or_with_a_value_of_another_type_is_an_error() {
    let error = |edits: &[(usize, Value)]| {
        let mut row = vec![Value::Null; 15];
        edits.iter().for_each(|(column, value)| row[*column] = value.clone());
        RequestBuilder::new(Signal::Metrics).push_row(&row).unwrap_err().to_string()
    };
    let kinds = "Gauge, Sum, Histogram, ExponentialHistogram, Summary";
    assert_eq!(error(&[]), format!("MetricType: `` is none of {kinds}"));
    let gauge = (3, Value::string("Gauge"));
    assert_eq!(error(&[gauge.clone(), (7, Value::Long(1))]), "MetricType: a Gauge has neither Count, Sum nor Buckets");
    assert_eq!(error(&[gauge, (13, Value::string("Delta"))]), "Temporality: a Gauge has none");
    let histogram = (3, Value::string("Histogram"));
    assert_eq!(error(&[histogram, (6, Value::Real(1.0))]), "MetricValue: a Histogram has none");
}
