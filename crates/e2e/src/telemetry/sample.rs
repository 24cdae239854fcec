//! Nothing to requests that use all that OTLP has: every kind of value, every kind of metric, events, links, exemplars.

use super::Telemetry;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

const TIME: u64 = 1_700_000_000_123_456_789;

/// Returns a request of each signal, with records of the service `name`.
pub fn sample(name: &str) -> [Telemetry; 3] {
    let resource = Some(Resource {
        attributes: vec![text("service.name", name), entry("host.cores", Value::IntValue(8))],
        ..Default::default()
    });
    let scope = Some(InstrumentationScope {
        name: "sample".to_owned(),
        version: "1".to_owned(),
        attributes: vec![text("of", "the scope")],
        dropped_attributes_count: 2,
    });
    let schema_url = "https://opentelemetry.io/schemas/1.30.0".to_owned();
    let logs = ResourceLogs {
        resource: resource.clone(),
        scope_logs: vec![ScopeLogs { scope: scope.clone(), log_records: logs(), schema_url: schema_url.clone() }],
        schema_url: schema_url.clone(),
    };
    let metrics = ResourceMetrics {
        resource: resource.clone(),
        scope_metrics: vec![ScopeMetrics { scope: scope.clone(), metrics: metrics(), schema_url: schema_url.clone() }],
        schema_url: schema_url.clone(),
    };
    let spans = ResourceSpans {
        resource,
        scope_spans: vec![ScopeSpans { scope, spans: spans(), schema_url: schema_url.clone() }],
        schema_url,
    };
    [
        Telemetry::Logs(ExportLogsServiceRequest { resource_logs: vec![logs] }),
        Telemetry::Metrics(ExportMetricsServiceRequest { resource_metrics: vec![metrics] }),
        Telemetry::Traces(ExportTraceServiceRequest { resource_spans: vec![spans] }),
    ]
}

fn entry(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    entry(key, Value::StringValue(value.to_owned()))
}

fn attributes() -> Vec<KeyValue> {
    let inner = vec![text("deep", "down"), entry("flag", Value::BoolValue(false))];
    let list = [Value::IntValue(i64::MIN), Value::DoubleValue(0.1), Value::StringValue(String::new())];
    let values = list.map(|value| AnyValue { value: Some(value) }).into();
    vec![
        text("text", "quotes \" and \\, a line\n, \u{e4}\u{2713}\u{1f980}"),
        entry("whole", Value::IntValue((1 << 53) + 1)),
        entry("real", Value::DoubleValue(-1.5e300)),
        entry("yes", Value::BoolValue(true)),
        entry("bytes", Value::BytesValue(vec![0, 255, 16])),
        entry("list", Value::ArrayValue(ArrayValue { values })),
        entry("map", Value::KvlistValue(KeyValueList { values: inner })),
    ]
}

fn logs() -> Vec<LogRecord> {
    let full = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME + 1,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        body: Some(AnyValue { value: Some(Value::KvlistValue(KeyValueList { values: attributes() })) }),
        attributes: attributes(),
        dropped_attributes_count: 3,
        flags: 1,
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        event_name: "order.failed".to_owned(),
    };
    let plain = LogRecord {
        observed_time_unix_nano: TIME,
        body: Some(AnyValue { value: Some(Value::StringValue("plain".to_owned())) }),
        ..Default::default()
    };
    vec![full, plain]
}

fn metric(name: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: format!("What {name} counts."),
        unit: "By".to_owned(),
        data: Some(data),
        metadata: vec![text("of", "metadata")],
    }
}

fn number(value: number_data_point::Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![text("route", "/a")],
        start_time_unix_nano: TIME - 60_000_000_000,
        time_unix_nano: TIME,
        exemplars: vec![exemplar()],
        value: Some(value),
        flags: 0,
    }
}

fn exemplar() -> Exemplar {
    Exemplar {
        filtered_attributes: vec![text("user", "u1")],
        time_unix_nano: TIME - 1,
        span_id: (1..=8).collect(),
        trace_id: (1..=16).collect(),
        value: Some(exemplar::Value::AsDouble(0.5)),
    }
}

fn metrics() -> Vec<Metric> {
    use number_data_point::Value::{AsDouble, AsInt};
    let histogram = HistogramDataPoint {
        attributes: vec![text("route", "/a")],
        start_time_unix_nano: TIME - 1,
        time_unix_nano: TIME,
        count: 6,
        sum: Some(7.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.0],
        exemplars: vec![exemplar()],
        min: Some(0.25),
        max: Some(3.0),
        ..Default::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: TIME,
        count: 7,
        sum: Some(3.0),
        scale: -2,
        zero_count: 1,
        positive: Some(Buckets { offset: -3, bucket_counts: vec![1, 2] }),
        negative: Some(Buckets { offset: 4, bucket_counts: vec![3] }),
        zero_threshold: 0.001,
        min: Some(-9.0),
        max: Some(8.0),
        ..Default::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: TIME,
        count: 9,
        sum: 4.5,
        quantile_values: vec![ValueAtQuantile { quantile: 0.99, value: 1.25 }],
        ..Default::default()
    };
    let sum = |temporality, is_monotonic, point| Sum {
        data_points: vec![number(point)],
        aggregation_temporality: temporality,
        is_monotonic,
    };
    vec![
        metric("gauge", Data::Gauge(Gauge { data_points: vec![number(AsDouble(1.5)), number(AsInt(-3))] })),
        metric("delta", Data::Sum(sum(1, true, AsInt((1 << 53) + 1)))),
        metric("cumulative", Data::Sum(sum(2, false, AsDouble(0.1)))),
        metric("histogram", Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 })),
        metric(
            "exponential",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            }),
        ),
        metric("summary", Data::Summary(Summary { data_points: vec![summary] })),
    ]
}

fn spans() -> Vec<Span> {
    let full = Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        trace_state: "vendor=value".to_owned(),
        parent_span_id: (2..=9).collect(),
        flags: 0x101,
        name: "GET /orders/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: TIME - 5_000,
        end_time_unix_nano: TIME,
        attributes: attributes(),
        dropped_attributes_count: 1,
        events: vec![Event {
            time_unix_nano: TIME - 1,
            name: "exception".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 4,
        }],
        dropped_events_count: 5,
        links: vec![Link {
            trace_id: (3..=18).collect(),
            span_id: (3..=10).collect(),
            trace_state: "other=1".to_owned(),
            attributes: attributes(),
            dropped_attributes_count: 6,
            flags: 0x100,
        }],
        dropped_links_count: 7,
        status: Some(Status { message: "no luck".to_owned(), code: 2 }),
    };
    let plain = Span {
        trace_id: (5..=20).collect(),
        span_id: (5..=12).collect(),
        name: "plain".to_owned(),
        kind: 1,
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME,
        status: Some(Status::default()),
        ..Default::default()
    };
    vec![full, plain]
}
