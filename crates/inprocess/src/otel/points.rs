//! What the SDK has collected of metrics to an `ExportMetricsServiceRequest`.
//!
//! Writes what the SDK's own exporters write. Next: `metrics.rs`.

use super::encode::{append_attribute, append_scope, nanos};
use dtq_record::wire::{
    append_bytes_field, append_fixed64_field, append_message_field, append_varint, append_varint_field,
};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Exemplar, ExponentialBucket, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, Metric, MetricData, ResourceMetrics, ScopeMetrics, Sum,
};
use std::time::SystemTime;

/// A number of a point: numbers of fields are those of metrics.proto.
trait Number: Copy {
    /// Appends it as a double or an integer, whichever it is.
    fn append(self, out: &mut Vec<u8>, double_number: u32, int_number: u32);
    fn as_f64(self) -> f64;
}

impl Number for f64 {
    fn append(self, out: &mut Vec<u8>, double_number: u32, _: u32) {
        append_fixed64_field(out, double_number, self.to_bits());
    }
    fn as_f64(self) -> f64 {
        self
    }
}

impl Number for i64 {
    fn append(self, out: &mut Vec<u8>, _: u32, int_number: u32) {
        append_fixed64_field(out, int_number, self as u64);
    }
    fn as_f64(self) -> f64 {
        self as f64
    }
}

impl Number for u64 {
    fn append(self, out: &mut Vec<u8>, double_number: u32, int_number: u32) {
        // OTLP has no unsigned integers; the SDK's exporters write 0 as well.
        i64::try_from(self).unwrap_or_default().append(out, double_number, int_number);
    }
    fn as_f64(self) -> f64 {
        self as f64
    }
}

/// Returns the request that holds all of it.
pub(super) fn request(metrics: &ResourceMetrics) -> Vec<u8> {
    let mut out = Vec::new();
    append_message_field(&mut out, 1, |out| {
        append_bytes_field(out, 1, &super::encode::resource(metrics.resource()));
        metrics.scope_metrics().for_each(|scoped| append_message_field(out, 2, |out| append_scoped(out, scoped)));
        append_text(out, 3, metrics.resource().schema_url().unwrap_or_default());
    });
    out
}

fn append_scoped(out: &mut Vec<u8>, scoped: &ScopeMetrics) {
    append_message_field(out, 1, |out| append_scope(out, scoped.scope(), None));
    scoped.metrics().for_each(|metric| append_message_field(out, 2, |out| append_metric(out, metric)));
    append_text(out, 3, scoped.scope().schema_url().unwrap_or_default());
}

fn append_metric(out: &mut Vec<u8>, metric: &Metric) {
    append_text(out, 1, metric.name());
    append_text(out, 2, metric.description());
    append_text(out, 3, metric.unit());
    match metric.data() {
        AggregatedMetrics::F64(data) => append_data(out, data),
        AggregatedMetrics::I64(data) => append_data(out, data),
        AggregatedMetrics::U64(data) => append_data(out, data),
    }
}

fn append_data<T: Number>(out: &mut Vec<u8>, data: &MetricData<T>) {
    match data {
        MetricData::Gauge(gauge) => append_message_field(out, 5, |out| append_gauge(out, gauge)),
        MetricData::Sum(sum) => append_message_field(out, 7, |out| append_sum(out, sum)),
        MetricData::Histogram(histogram) => append_message_field(out, 9, |out| append_histogram(out, histogram)),
        MetricData::ExponentialHistogram(histogram) => {
            append_message_field(out, 10, |out| append_exponential(out, histogram));
        }
    }
}

fn append_gauge<T: Number>(out: &mut Vec<u8>, gauge: &Gauge<T>) {
    let start_ns = gauge.start_time().map_or(0, nanos);
    for point in gauge.data_points() {
        append_message_field(out, 1, |out| {
            append_times(out, start_ns, gauge.time());
            point.value().append(out, 4, 6);
            append_exemplars(out, 5, point.exemplars());
            append_attributes(out, 7, point.attributes());
        });
    }
}

fn append_sum<T: Number>(out: &mut Vec<u8>, sum: &Sum<T>) {
    for point in sum.data_points() {
        append_message_field(out, 1, |out| {
            append_times(out, nanos(sum.start_time()), sum.time());
            point.value().append(out, 4, 6);
            append_exemplars(out, 5, point.exemplars());
            append_attributes(out, 7, point.attributes());
        });
    }
    append_varint_field(out, 2, temporality_number(sum.temporality()));
    append_varint_field(out, 3, u64::from(sum.is_monotonic()));
}

fn append_histogram<T: Number>(out: &mut Vec<u8>, histogram: &Histogram<T>) {
    for point in histogram.data_points() {
        append_message_field(out, 1, |out| {
            append_times(out, nanos(histogram.start_time()), histogram.time());
            append_histogram_point(out, point);
        });
    }
    append_varint_field(out, 2, temporality_number(histogram.temporality()));
}

fn append_histogram_point<T: Number>(out: &mut Vec<u8>, point: &HistogramDataPoint<T>) {
    append_fixed64_field(out, 4, point.count());
    append_fixed64_field(out, 5, point.sum().as_f64().to_bits());
    append_packed64(out, 6, point.bucket_counts());
    append_packed64(out, 7, point.bounds().map(f64::to_bits));
    append_exemplars(out, 8, point.exemplars());
    append_attributes(out, 9, point.attributes());
    append_double(out, 11, point.min());
    append_double(out, 12, point.max());
}

fn append_exponential<T: Number>(out: &mut Vec<u8>, histogram: &ExponentialHistogram<T>) {
    for point in histogram.data_points() {
        append_message_field(out, 1, |out| {
            append_attributes(out, 1, point.attributes());
            append_times(out, nanos(histogram.start_time()), histogram.time());
            append_exponential_point(out, point);
        });
    }
    append_varint_field(out, 2, temporality_number(histogram.temporality()));
}

fn append_exponential_point<T: Number>(out: &mut Vec<u8>, point: &ExponentialHistogramDataPoint<T>) {
    append_fixed64_field(out, 4, point.count() as u64);
    append_fixed64_field(out, 5, point.sum().as_f64().to_bits());
    append_varint_field(out, 6, zigzag(i32::from(point.scale())));
    append_fixed64_field(out, 7, point.zero_count());
    append_message_field(out, 8, |out| append_buckets(out, point.positive_bucket()));
    append_message_field(out, 9, |out| append_buckets(out, point.negative_bucket()));
    append_exemplars(out, 11, point.exemplars());
    append_double(out, 12, point.min());
    append_double(out, 13, point.max());
    append_fixed64_field(out, 14, point.zero_threshold().to_bits());
}

fn append_buckets(out: &mut Vec<u8>, buckets: &ExponentialBucket) {
    append_varint_field(out, 1, zigzag(buckets.offset()));
    append_message_field(out, 2, |out| buckets.counts().for_each(|count| append_varint(out, count)));
}

fn append_exemplars<'e, T: Number + 'e>(
    out: &mut Vec<u8>,
    number: u32,
    exemplars: impl Iterator<Item = &'e Exemplar<T>>,
) {
    for exemplar in exemplars {
        append_message_field(out, number, |out| {
            append_fixed64_field(out, 2, nanos(exemplar.time()));
            exemplar.value.append(out, 3, 6);
            append_bytes_field(out, 4, exemplar.span_id());
            append_bytes_field(out, 5, exemplar.trace_id());
            append_attributes(out, 7, exemplar.filtered_attributes());
        });
    }
}

fn append_attributes<'k>(out: &mut Vec<u8>, number: u32, attributes: impl Iterator<Item = &'k KeyValue>) {
    attributes.for_each(|one| append_attribute(out, number, one.key.as_str(), &one.value));
}

fn append_times(out: &mut Vec<u8>, start_ns: u64, time: SystemTime) {
    append_fixed64_field(out, 2, start_ns);
    append_fixed64_field(out, 3, nanos(time));
}

fn append_packed64(out: &mut Vec<u8>, number: u32, values: impl Iterator<Item = u64>) {
    append_message_field(out, number, |out| values.for_each(|value| out.extend_from_slice(&value.to_le_bytes())));
}

fn append_double<T: Number>(out: &mut Vec<u8>, number: u32, value: Option<T>) {
    if let Some(value) = value {
        append_fixed64_field(out, number, value.as_f64().to_bits());
    }
}

fn append_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        append_bytes_field(out, number, text.as_bytes());
    }
}

/// Returns the number of a temporality (metrics.proto, `AggregationTemporality`); the SDK's exporters write one of these.
fn temporality_number(temporality: Temporality) -> u64 {
    match temporality {
        Temporality::Delta => 1,
        _ => 2,
    }
}

/// Returns a signed number as `sint32` has it.
fn zigzag(value: i32) -> u64 {
    u64::from((value.wrapping_shl(1) ^ (value >> 31)) as u32)
}
