//! Generated requests: what our wire views read is what prost decodes, and OTLP JSON gives the same rows.
//!
//! The oracle turns prost's structs into the rows that DESIGN's table contract asks for, written separately from the
//! reader. The JSON is the one that opentelemetry-proto's own serde implementation writes.
#![allow(clippy::unwrap_used)]

mod requests;

use base64::Engine;
use dtq_record::stream::{Catalog, Projection, Row};
use dtq_record::{Input, Inputs, Options, Report};
use dtq_source::Limits;
use dtq_value::{Bag, Str, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use requests::{logs_request, metrics_request, spans_request};

const EPOCH: i64 = 621_355_968_000_000_000;

// --- the oracle: prost's structs to rows ---

fn dynamic(value: &AnyValue) -> Value {
    match &value.value {
        None => Value::Null,
        Some(Any::StringValue(text)) => Value::string(text.as_str()),
        Some(Any::BoolValue(value)) => Value::Bool(*value),
        Some(Any::IntValue(value)) => Value::Long(*value),
        Some(Any::DoubleValue(value)) => Value::Real(*value),
        Some(Any::BytesValue(bytes)) => Value::string(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Some(Any::ArrayValue(array)) => Value::array(array.values.iter().map(dynamic).collect()),
        Some(Any::KvlistValue(list)) => bag(&list.values),
        Some(Any::StringValueStrindex(_)) => Value::Null,
    }
}

fn bag(pairs: &[KeyValue]) -> Value {
    let mut bag = Bag::new();
    for pair in pairs {
        bag.set_if_absent(Str::from(pair.key.as_str()), pair.value.as_ref().map_or(Value::Null, dynamic));
    }
    Value::bag(bag)
}

fn object(entries: &[(&str, Value)]) -> Value {
    Value::bag(entries.iter().map(|(key, value)| (Str::from(*key), value.clone())).collect())
}

fn hex(id: &[u8]) -> Value {
    let is_set = id.iter().any(|byte| *byte != 0);
    Value::string(if is_set { id.iter().map(|byte| format!("{byte:02x}")).collect() } else { String::new() })
}

fn time(nanos: u64) -> Value {
    if nanos == 0 { Value::Null } else { Value::DateTime(EPOCH + (nanos / 100) as i64) }
}

fn resource_value(resource: &Option<Resource>) -> Value {
    resource.as_ref().map_or(Value::bag(Bag::new()), |resource| bag(&resource.attributes))
}

fn scope_value(scope: &Option<InstrumentationScope>) -> Value {
    let scope = scope.clone().unwrap_or_default();
    object(&[
        ("Name", Value::string(scope.name)),
        ("Version", Value::string(scope.version)),
        ("Attributes", bag(&scope.attributes)),
    ])
}

fn expected_logs(request: &ExportLogsServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_logs {
        for scope in &resource.scope_logs {
            for record in &scope.log_records {
                let time_ns =
                    if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
                rows.push(vec![
                    time(time_ns),
                    time(record.observed_time_unix_nano),
                    hex(&record.trace_id),
                    hex(&record.span_id),
                    Value::Int((record.flags & 0xFF) as i32),
                    Value::Int(record.severity_number),
                    Value::string(record.severity_text.as_str()),
                    Value::string(record.event_name.as_str()),
                    record.body.as_ref().map_or(Value::Null, dynamic),
                    bag(&record.attributes),
                    resource_value(&resource.resource),
                    scope_value(&scope.scope),
                ]);
            }
        }
    }
    rows
}

fn expected_spans(request: &ExportTraceServiceRequest) -> Vec<Row> {
    let kinds = ["", "Internal", "Server", "Client", "Producer", "Consumer"];
    let codes = ["Unset", "Ok", "Error"];
    let mut rows = Vec::new();
    for resource in &request.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let status = span.status.clone().unwrap_or_default();
                let duration = match (time(span.start_time_unix_nano), time(span.end_time_unix_nano)) {
                    (Value::DateTime(start), Value::DateTime(end)) => Value::TimeSpan(end - start),
                    _ => Value::Null,
                };
                let event = |event: &span::Event| {
                    object(&[
                        ("Timestamp", time(event.time_unix_nano)),
                        ("Name", Value::string(event.name.as_str())),
                        ("Attributes", bag(&event.attributes)),
                    ])
                };
                let link = |link: &span::Link| {
                    object(&[
                        ("TraceId", hex(&link.trace_id)),
                        ("SpanId", hex(&link.span_id)),
                        ("TraceState", Value::string(link.trace_state.as_str())),
                        ("Attributes", bag(&link.attributes)),
                    ])
                };
                rows.push(vec![
                    hex(&span.trace_id),
                    hex(&span.span_id),
                    hex(&span.parent_span_id),
                    Value::string(span.trace_state.as_str()),
                    Value::string(span.name.as_str()),
                    Value::string(kinds[span.kind as usize]),
                    time(span.start_time_unix_nano),
                    time(span.end_time_unix_nano),
                    duration,
                    Value::string(codes[status.code as usize]),
                    Value::string(status.message),
                    bag(&span.attributes),
                    resource_value(&resource.resource),
                    scope_value(&scope.scope),
                    Value::array(span.events.iter().map(event).collect()),
                    Value::array(span.links.iter().map(link).collect()),
                ]);
            }
        }
    }
    rows
}

/// Holds what a row of `metrics` has besides what all points of a metric share.
struct Point<'a> {
    time: u64,
    start: u64,
    value: Value,
    count: Value,
    sum: Value,
    buckets: Value,
    attributes: &'a [KeyValue],
}

fn reals(values: &[f64]) -> Value {
    Value::array(values.iter().map(|value| Value::Real(*value)).collect())
}

fn longs(values: &[u64]) -> Value {
    Value::array(values.iter().map(|value| Value::Long(*value as i64)).collect())
}

fn number_points(points: &[NumberDataPoint]) -> Vec<Point<'_>> {
    let value = |point: &NumberDataPoint| match point.value {
        _ if point.flags & 1 == 1 => Value::Null,
        Some(number_data_point::Value::AsDouble(value)) => Value::Real(value),
        Some(number_data_point::Value::AsInt(value)) => Value::Real(value as f64),
        None => Value::Null,
    };
    points
        .iter()
        .map(|point| {
            let NumberDataPoint { time_unix_nano, start_time_unix_nano, attributes, .. } = point;
            let (count, sum, buckets) = (Value::Null, Value::Null, Value::Null);
            Point {
                time: *time_unix_nano,
                start: *start_time_unix_nano,
                value: value(point),
                count,
                sum,
                buckets,
                attributes,
            }
        })
        .collect()
}

fn histogram_points(points: &[HistogramDataPoint]) -> Vec<Point<'_>> {
    let point = |point: &'_ HistogramDataPoint| {
        let mut buckets = vec![("Bounds", reals(&point.explicit_bounds)), ("Counts", longs(&point.bucket_counts))];
        buckets.extend(point.min.map(|min| ("Min", Value::Real(min))));
        buckets.extend(point.max.map(|max| ("Max", Value::Real(max))));
        (Value::Long(point.count as i64), point.sum.map_or(Value::Null, Value::Real), object(&buckets))
    };
    points
        .iter()
        .map(|one| {
            let (count, sum, buckets) = point(one);
            let HistogramDataPoint { time_unix_nano, start_time_unix_nano, attributes, .. } = one;
            Point {
                time: *time_unix_nano,
                start: *start_time_unix_nano,
                value: Value::Null,
                count,
                sum,
                buckets,
                attributes,
            }
        })
        .collect()
}

fn exponential_points(points: &[ExponentialHistogramDataPoint]) -> Vec<Point<'_>> {
    let buckets = |point: &ExponentialHistogramDataPoint| {
        let (positive, negative) =
            (point.positive.clone().unwrap_or_default(), point.negative.clone().unwrap_or_default());
        let mut entries = vec![
            ("Scale", Value::Long(i64::from(point.scale))),
            ("ZeroCount", Value::Long(point.zero_count as i64)),
            ("ZeroThreshold", Value::Real(point.zero_threshold)),
            ("PositiveOffset", Value::Long(i64::from(positive.offset))),
            ("PositiveCounts", longs(&positive.bucket_counts)),
            ("NegativeOffset", Value::Long(i64::from(negative.offset))),
            ("NegativeCounts", longs(&negative.bucket_counts)),
        ];
        entries.extend(point.min.map(|min| ("Min", Value::Real(min))));
        entries.extend(point.max.map(|max| ("Max", Value::Real(max))));
        object(&entries)
    };
    points
        .iter()
        .map(|one| {
            let ExponentialHistogramDataPoint { time_unix_nano, start_time_unix_nano, attributes, count, sum, .. } =
                one;
            Point {
                time: *time_unix_nano,
                start: *start_time_unix_nano,
                value: Value::Null,
                count: Value::Long(*count as i64),
                sum: sum.map_or(Value::Null, Value::Real),
                buckets: buckets(one),
                attributes,
            }
        })
        .collect()
}

fn summary_points(points: &[SummaryDataPoint]) -> Vec<Point<'_>> {
    let convert = |one: &'_ SummaryDataPoint| {
        let quantiles: Vec<f64> = one.quantile_values.iter().map(|pair| pair.quantile).collect();
        let values: Vec<f64> = one.quantile_values.iter().map(|pair| pair.value).collect();
        let count = Value::Long(one.count as i64);
        let buckets = object(&[("Quantiles", reals(&quantiles)), ("Values", reals(&values))]);
        (count, Value::Real(one.sum), buckets)
    };
    points
        .iter()
        .map(|one| {
            let (count, sum, buckets) = convert(one);
            let SummaryDataPoint { time_unix_nano, start_time_unix_nano, attributes, .. } = one;
            Point {
                time: *time_unix_nano,
                start: *start_time_unix_nano,
                value: Value::Null,
                count,
                sum,
                buckets,
                attributes,
            }
        })
        .collect()
}

fn expected_metrics(request: &ExportMetricsServiceRequest) -> Vec<Row> {
    let words = ["", "Delta", "Cumulative"];
    let mut rows = Vec::new();
    for resource in &request.resource_metrics {
        for scope in &resource.scope_metrics {
            for metric in &scope.metrics {
                let (name, temporality, is_monotonic, points) = match &metric.data {
                    None => continue,
                    Some(Data::Gauge(data)) => ("Gauge", 0, Value::Null, number_points(&data.data_points)),
                    Some(Data::Sum(data)) => {
                        let points = number_points(&data.data_points);
                        ("Sum", data.aggregation_temporality, Value::Bool(data.is_monotonic), points)
                    }
                    Some(Data::Histogram(data)) => {
                        ("Histogram", data.aggregation_temporality, Value::Null, histogram_points(&data.data_points))
                    }
                    Some(Data::ExponentialHistogram(data)) => {
                        let points = exponential_points(&data.data_points);
                        ("ExponentialHistogram", data.aggregation_temporality, Value::Null, points)
                    }
                    Some(Data::Summary(data)) => ("Summary", 0, Value::Null, summary_points(&data.data_points)),
                };
                for point in points {
                    rows.push(vec![
                        time(point.time),
                        time(point.start),
                        Value::string(metric.name.as_str()),
                        Value::string(name),
                        Value::string(metric.unit.as_str()),
                        Value::string(metric.description.as_str()),
                        point.value,
                        point.count,
                        point.sum,
                        point.buckets,
                        bag(point.attributes),
                        resource_value(&resource.resource),
                        scope_value(&scope.scope),
                        Value::string(words[temporality as usize]),
                        is_monotonic.clone(),
                    ]);
                }
            }
        }
    }
    rows
}

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
