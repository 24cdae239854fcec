//! Generated requests, as prost's structs: what tests of the wire compare with.
//!
//! Keys are few, so that some repeat; every kind of value and of data point occurs.
#![allow(clippy::unwrap_used, dead_code)]

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use proptest::collection::vec;
use proptest::prelude::*;

pub fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        ".{0,12}".prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        any::<i64>().prop_map(Any::IntValue),
        (-1e9..1e9f64).prop_map(Any::DoubleValue),
        vec(any::<u8>(), 0..9).prop_map(Any::BytesValue),
    ];
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        let item = inner.prop_map(|value| AnyValue { value: Some(value) });
        prop_oneof![
            vec(item.clone(), 0..3).prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            vec(("[a-c.]{1,3}", item), 0..3).prop_map(|pairs| {
                let pair =
                    |(key, value): (String, AnyValue)| KeyValue { key, value: Some(value), ..Default::default() };
                Any::KvlistValue(KeyValueList { values: pairs.into_iter().map(pair).collect() })
            }),
        ]
    });
    tree.prop_map(|value| AnyValue { value: Some(value) })
}

pub fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    // Few keys, so that some repeat.
    vec(("[a-d]{1,2}|http.route|EventName", any_value()), 0..5).prop_map(|pairs| {
        pairs.into_iter().map(|(key, value)| KeyValue { key, value: Some(value), ..Default::default() }).collect()
    })
}

pub fn id(size: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 1 => Just(vec![0; size]), 4 => vec(any::<u8>(), size)]
}

pub fn resource() -> impl Strategy<Value = Option<Resource>> {
    proptest::option::of(attributes().prop_map(|attributes| Resource { attributes, ..Default::default() }))
}

pub fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    proptest::option::of(("[a-z]{0,4}", "[0-9.]{0,3}", attributes()).prop_map(|(name, version, attributes)| {
        InstrumentationScope { name, version, attributes, ..Default::default() }
    }))
}

pub fn log_record() -> impl Strategy<Value = LogRecord> {
    let times = (prop_oneof![Just(0), any::<u64>()], prop_oneof![Just(0), any::<u64>()]);
    let texts = (".{0,6}", prop_oneof![Just(String::new()), Just("LogWelcomeBanner".to_owned())]);
    (times, 0..=24i32, texts, proptest::option::of(any_value()), attributes(), any::<u32>(), id(16), id(8)).prop_map(
        |(
            (time, observed),
            severity_number,
            (severity_text, event_name),
            body,
            attributes,
            flags,
            trace_id,
            span_id,
        )| {
            LogRecord {
                time_unix_nano: time,
                observed_time_unix_nano: observed,
                severity_number,
                severity_text,
                event_name,
                body,
                attributes,
                flags,
                trace_id,
                span_id,
                dropped_attributes_count: flags % 3,
            }
        },
    )
}

pub fn logs_request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scope_logs = (scope(), vec(log_record(), 0..4), "[a-z]{0,3}")
        .prop_map(|(scope, log_records, schema_url)| ScopeLogs { scope, log_records, schema_url });
    vec((resource(), vec(scope_logs, 0..3), "[a-z]{0,3}"), 1..3).prop_map(|resources| ExportLogsServiceRequest {
        resource_logs: resources
            .into_iter()
            .map(|(resource, scope_logs, schema_url)| ResourceLogs { resource, scope_logs, schema_url })
            .collect(),
    })
}

pub fn span() -> impl Strategy<Value = Span> {
    let event = (any::<u64>(), ".{0,5}", attributes()).prop_map(|(time_unix_nano, name, attributes)| span::Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count: 1,
    });
    let link = (id(16), id(8), "[a-z=]{0,3}", attributes()).prop_map(|(trace_id, span_id, trace_state, attributes)| {
        span::Link { trace_id, span_id, trace_state, attributes, ..Default::default() }
    });
    let status = proptest::option::of((0..=2i32, ".{0,4}").prop_map(|(code, message)| Status { code, message }));
    let ids = (id(16), id(8), id(8));
    let times = (any::<u64>(), any::<u64>());
    (ids, ".{0,8}", 0..=5i32, times, attributes(), vec(event, 0..3), vec(link, 0..2), status).prop_map(
        |((trace_id, span_id, parent_span_id), name, kind, times, attributes, events, links, status)| Span {
            trace_id,
            span_id,
            parent_span_id,
            trace_state: "a=b".to_owned(),
            name,
            kind,
            start_time_unix_nano: times.0,
            end_time_unix_nano: times.1,
            attributes,
            events,
            links,
            status,
            flags: 257,
            ..Default::default()
        },
    )
}

pub fn spans_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope_spans =
        (scope(), vec(span(), 0..4)).prop_map(|(scope, spans)| ScopeSpans { scope, spans, schema_url: String::new() });
    vec((resource(), vec(scope_spans, 0..3)), 1..3).prop_map(|resources| ExportTraceServiceRequest {
        resource_spans: resources
            .into_iter()
            .map(|(resource, scope_spans)| ResourceSpans { resource, scope_spans, schema_url: "u".to_owned() })
            .collect(),
    })
}

pub fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = proptest::option::of(prop_oneof![
        (-1e9..1e9f64).prop_map(number_data_point::Value::AsDouble),
        any::<i64>().prop_map(number_data_point::Value::AsInt),
    ]);
    (attributes(), any::<u64>(), any::<u64>(), value, 0..2u32).prop_map(|(attributes, start, time, value, flags)| {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: time,
            value,
            flags,
            exemplars: vec![Exemplar { time_unix_nano: 1, ..Default::default() }],
        }
    })
}

pub fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    let optional = || proptest::option::of(-1e6..1e6f64);
    (
        attributes(),
        any::<u64>(),
        any::<i64>(),
        optional(),
        vec(0..1u64 << 60, 0..4),
        vec(-1e6..1e6f64, 0..3),
        optional(),
    )
        .prop_map(|(attributes, time, count, sum, bucket_counts, explicit_bounds, min)| HistogramDataPoint {
            attributes,
            time_unix_nano: time,
            count: count as u64,
            sum,
            bucket_counts,
            explicit_bounds,
            min,
            ..Default::default()
        })
}

pub fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let buckets = || {
        let one = (any::<i32>(), vec(0..1u64 << 60, 0..4));
        proptest::option::of(one.prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
    };
    (attributes(), any::<u64>(), any::<i32>(), buckets(), buckets(), 0.0..1.0f64).prop_map(
        |(attributes, time, scale, positive, negative, zero_threshold)| ExponentialHistogramDataPoint {
            attributes,
            time_unix_nano: time,
            count: 7,
            sum: Some(1.5),
            scale,
            zero_count: 3,
            positive,
            negative,
            max: Some(zero_threshold),
            zero_threshold,
            ..Default::default()
        },
    )
}

pub fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    (attributes(), any::<u64>(), vec((0.0..1.0f64, -1e6..1e6f64), 0..3)).prop_map(|(attributes, time, pairs)| {
        SummaryDataPoint {
            attributes,
            time_unix_nano: time,
            count: 2,
            sum: 0.0,
            quantile_values: pairs.into_iter().map(|(quantile, value)| ValueAtQuantile { quantile, value }).collect(),
            ..Default::default()
        }
    })
}

pub fn metric() -> impl Strategy<Value = Metric> {
    let data = prop_oneof![
        vec(number_point(), 0..3).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(number_point(), 0..3), 0..=2i32, any::<bool>()).prop_map(|(data_points, temporality, is_monotonic)| {
            Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic })
        }),
        (vec(histogram_point(), 0..3), 0..=2i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (vec(exponential_point(), 0..3), 0..=2i32).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        vec(summary_point(), 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    ("[a-z.]{1,6}", ".{0,4}", "[a-z]{0,2}", proptest::option::of(data))
        .prop_map(|(name, description, unit, data)| Metric { name, description, unit, data, metadata: Vec::new() })
}

pub fn metrics_request() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scope_metrics = (scope(), vec(metric(), 0..4)).prop_map(|(scope, metrics)| ScopeMetrics {
        scope,
        metrics,
        schema_url: String::new(),
    });
    vec((resource(), vec(scope_metrics, 0..3)), 1..3).prop_map(|resources| ExportMetricsServiceRequest {
        resource_metrics: resources
            .into_iter()
            .map(|(resource, scope_metrics)| ResourceMetrics { resource, scope_metrics, schema_url: String::new() })
            .collect(),
    })
}
