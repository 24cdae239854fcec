//! Prost's structs to the rows of the standard tables that DESIGN's contract asks for, written apart from the reader.

use base64::Engine;
use dtq_record::stream::Row;
use dtq_value::{Bag, Str, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span};

/// Ticks at 1970.
pub const EPOCH: i64 = 621_355_968_000_000_000;

/// Returns what an AnyValue reads as.
pub fn dynamic(value: &AnyValue) -> Value {
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

/// Returns attributes as a bag: of a repeated key the first.
pub fn bag(pairs: &[KeyValue]) -> Value {
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

/// Returns the row of a log record.
pub fn log_row(record: &LogRecord, resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Row {
    let time_ns = if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    vec![
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
        resource_value(resource),
        scope_value(scope),
    ]
}

/// Returns the rows of `logs`.
pub fn expected_logs(request: &ExportLogsServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_logs {
        for scope in &resource.scope_logs {
            rows.extend(scope.log_records.iter().map(|record| log_row(record, &resource.resource, &scope.scope)));
        }
    }
    rows
}

/// Returns the row of a span.
pub fn span_row(span: &Span, resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Row {
    let kinds = ["", "Internal", "Server", "Client", "Producer", "Consumer"];
    let codes = ["Unset", "Ok", "Error"];
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
    vec![
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
        resource_value(resource),
        scope_value(scope),
        Value::array(span.events.iter().map(event).collect()),
        Value::array(span.links.iter().map(link).collect()),
    ]
}

/// Returns the rows of `spans`.
pub fn expected_spans(request: &ExportTraceServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_spans {
        for scope in &resource.scope_spans {
            rows.extend(scope.spans.iter().map(|span| span_row(span, &resource.resource, &scope.scope)));
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

/// Returns the rows of the points of a metric.
pub fn metric_rows(metric: &Metric, resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Vec<Row> {
    let words = ["", "Delta", "Cumulative"];
    let (name, temporality, is_monotonic, points) = match &metric.data {
        None => return Vec::new(),
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
    let row = |point: Point<'_>| {
        vec![
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
            resource_value(resource),
            scope_value(scope),
            Value::string(words[temporality as usize]),
            is_monotonic.clone(),
        ]
    };
    points.into_iter().map(row).collect()
}

/// Returns the rows of `metrics`.
pub fn expected_metrics(request: &ExportMetricsServiceRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    for resource in &request.resource_metrics {
        for scope in &resource.scope_metrics {
            rows.extend(scope.metrics.iter().flat_map(|metric| metric_rows(metric, &resource.resource, &scope.scope)));
        }
    }
    rows
}
