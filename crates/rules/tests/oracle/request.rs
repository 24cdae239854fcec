//! Requests of each signal as the oracle takes them apart, judges them and puts them together.

use crate::judge::{Counts, Judge, Record, Written, judge, resource_versions};
use base64::Engine;
use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, Metric, ScopeMetrics, Sum, Summary, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;

/// A request of one signal.
pub trait Request: Message + Clone + Default + PartialEq + std::fmt::Debug {
    /// The signal.
    const SIGNAL: Signal;

    /// Returns what the rules leave of it.
    fn judged(&self, judges: &[Judge], counts: &mut [Counts], written: Written) -> Self;

    /// Returns how many records it has.
    fn count(&self) -> u64;

    /// Returns its records in a form that does not depend on the order of attributes and of points, nor on how a null is
    /// written; scopes and resources without records are left out.
    fn canonical(&self) -> Self;
}

/// Judges the records of one resource; `scopes` gives how many records each scope keeps.
macro_rules! judged {
    ($request:expr, $judges:expr, $counts:expr, $resources:ident, $scopes:ident, $records:ident, $signal:expr, $split:expr, $merge:expr, $written:expr) => {{
        let mut out = Self::default();
        for container in &$request.$resources {
            let (versions, dropped_by) =
                resource_versions($judges, $signal, &container.resource, &container.schema_url);
            let mut left = container.clone();
            left.$scopes.clear();
            left.resource = versions.last().unwrap().clone();
            for scope in &container.$scopes {
                let records = $split(&scope.$records);
                let had = records.len();
                let kept: Vec<Record> = records
                    .into_iter()
                    .filter_map(|record| match record {
                        Err(whole) => Some(whole),
                        Ok(record) => judge($judges, &record, &versions, dropped_by, &scope.scope, $counts, $written),
                    })
                    .collect();
                if dropped_by.is_none() && (!kept.is_empty() || had == 0) {
                    left.$scopes.push(Scope::with(scope, $merge(kept)));
                }
            }
            if dropped_by.is_none() && (!left.$scopes.is_empty() || container.$scopes.is_empty()) {
                out.$resources.push(left);
            }
        }
        out
    }};
}

/// What holds the records of a scope.
trait Scope {
    type Record;

    /// Returns it with other records.
    fn with(&self, records: Vec<Self::Record>) -> Self;
}

impl Scope for ScopeLogs {
    type Record = LogRecord;

    fn with(&self, log_records: Vec<Self::Record>) -> Self {
        Self { log_records, ..self.clone() }
    }
}

impl Scope for ScopeSpans {
    type Record = Span;

    fn with(&self, spans: Vec<Self::Record>) -> Self {
        Self { spans, ..self.clone() }
    }
}

impl Scope for ScopeMetrics {
    type Record = Metric;

    fn with(&self, metrics: Vec<Metric>) -> Self {
        Self { metrics, ..self.clone() }
    }
}

/// A record to judge, or something that passes whole.
type Part = Result<Record, Record>;

impl Request for ExportLogsServiceRequest {
    const SIGNAL: Signal = Signal::Logs;

    fn judged(&self, judges: &[Judge], counts: &mut [Counts], written: Written) -> Self {
        let split = |records: &[_]| -> Vec<Part> { records.iter().cloned().map(Record::Log).map(Ok).collect() };
        let merge = |kept: Vec<Record>| {
            let log = |record| if let Record::Log(log) = record { log } else { unreachable!() };
            kept.into_iter().map(log).collect()
        };
        judged!(self, judges, counts, resource_logs, scope_logs, log_records, "logs", split, merge, written)
    }

    fn count(&self) -> u64 {
        let scopes = self.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        scopes.map(|scope| scope.log_records.len() as u64).sum()
    }

    fn canonical(&self) -> Self {
        let mut out = self.clone();
        out.resource_logs.retain(|resource| resource.scope_logs.iter().any(|scope| !scope.log_records.is_empty()));
        for resource in &mut out.resource_logs {
            resource.scope_logs.retain(|scope| !scope.log_records.is_empty());
            settle_resource(&mut resource.resource);
            for record in resource.scope_logs.iter_mut().flat_map(|scope| &mut scope.log_records) {
                settle(&mut record.attributes);
                record.body.iter_mut().for_each(settle_any);
                record.body = record.body.take().filter(|body| body.value.is_some());
            }
        }
        out
    }
}

impl Request for ExportTraceServiceRequest {
    const SIGNAL: Signal = Signal::Spans;

    fn judged(&self, judges: &[Judge], counts: &mut [Counts], written: Written) -> Self {
        let split = |records: &[_]| -> Vec<Part> { records.iter().cloned().map(Record::Span).map(Ok).collect() };
        let merge = |kept: Vec<Record>| {
            let span = |record| if let Record::Span(span) = record { span } else { unreachable!() };
            kept.into_iter().map(span).collect()
        };
        judged!(self, judges, counts, resource_spans, scope_spans, spans, "spans", split, merge, written)
    }

    fn count(&self) -> u64 {
        let scopes = self.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.map(|scope| scope.spans.len() as u64).sum()
    }

    fn canonical(&self) -> Self {
        let mut out = self.clone();
        out.resource_spans.retain(|resource| resource.scope_spans.iter().any(|scope| !scope.spans.is_empty()));
        for resource in &mut out.resource_spans {
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
            settle_resource(&mut resource.resource);
            for span in resource.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
                settle(&mut span.attributes);
                span.status = Some(span.status.take().unwrap_or_default());
            }
        }
        out
    }
}

/// Returns a metric for each point, each with one; a metric without points as it is.
fn points(metric: &Metric) -> Vec<Part> {
    fn each<P: Clone>(points: &[P]) -> Vec<Vec<P>> {
        points.iter().map(|point| vec![point.clone()]).collect()
    }
    let with = |data| Ok(Record::Metric(Metric { data: Some(data), ..metric.clone() }));
    let all: Vec<Part> = match metric.data.clone() {
        None => Vec::new(),
        Some(Data::Gauge(data)) => {
            each(&data.data_points).into_iter().map(|data_points| with(Data::Gauge(Gauge { data_points }))).collect()
        }
        Some(Data::Sum(mut data)) => {
            let points = each(&std::mem::take(&mut data.data_points));
            points.into_iter().map(|data_points| with(Data::Sum(Sum { data_points, ..data.clone() }))).collect()
        }
        Some(Data::Histogram(mut data)) => {
            let points = each(&std::mem::take(&mut data.data_points));
            points
                .into_iter()
                .map(|data_points| with(Data::Histogram(Histogram { data_points, ..data.clone() })))
                .collect()
        }
        Some(Data::ExponentialHistogram(mut data)) => {
            let points = each(&std::mem::take(&mut data.data_points));
            points
                .into_iter()
                .map(|data_points| {
                    with(Data::ExponentialHistogram(ExponentialHistogram { data_points, ..data.clone() }))
                })
                .collect()
        }
        Some(Data::Summary(data)) => each(&data.data_points)
            .into_iter()
            .map(|data_points| with(Data::Summary(Summary { data_points })))
            .collect(),
    };
    if all.is_empty() { vec![Err(Record::Metric(metric.clone()))] } else { all }
}

impl Request for ExportMetricsServiceRequest {
    const SIGNAL: Signal = Signal::Metrics;

    fn judged(&self, judges: &[Judge], counts: &mut [Counts], written: Written) -> Self {
        let split = |metrics: &[Metric]| -> Vec<Part> { metrics.iter().flat_map(points).collect() };
        let merge = |kept: Vec<Record>| {
            let metric = |record| if let Record::Metric(metric) = record { metric } else { unreachable!() };
            kept.into_iter().map(metric).collect()
        };
        let judged: Self =
            judged!(self, judges, counts, resource_metrics, scope_metrics, metrics, "metrics", split, merge, written);
        // Points that were taken apart are one metric again when nothing has changed.
        let mut apart = self.clone();
        for scope in apart.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
            scope.metrics =
                merge(split(&scope.metrics).into_iter().map(|part| part.unwrap_or_else(|whole| whole)).collect());
        }
        if judged == apart { self.clone() } else { judged }
    }

    fn count(&self) -> u64 {
        let scopes = self.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        let parts = scopes.flat_map(|scope| &scope.metrics).flat_map(points);
        parts.filter(Result::is_ok).count() as u64
    }

    fn canonical(&self) -> Self {
        let mut out = self.clone();
        for resource in &mut out.resource_metrics {
            settle_resource(&mut resource.resource);
            for scope in &mut resource.scope_metrics {
                let mut parts: Vec<Metric> = Vec::new();
                for part in scope.metrics.iter().flat_map(points) {
                    let Ok(Record::Metric(mut metric)) = part else { continue };
                    match metric.data.as_mut() {
                        Some(Data::Gauge(data)) => {
                            data.data_points.iter_mut().for_each(|one| settle(&mut one.attributes))
                        }
                        Some(Data::Sum(data)) => {
                            data.data_points.iter_mut().for_each(|one| settle(&mut one.attributes))
                        }
                        Some(Data::Histogram(data)) => {
                            data.data_points.iter_mut().for_each(|one| settle(&mut one.attributes))
                        }
                        Some(Data::ExponentialHistogram(data)) => {
                            data.data_points.iter_mut().for_each(|one| settle(&mut one.attributes))
                        }
                        Some(Data::Summary(data)) => {
                            data.data_points.iter_mut().for_each(|one| settle(&mut one.attributes))
                        }
                        None => {}
                    }
                    parts.push(metric);
                }
                parts.sort_by_key(Message::encode_to_vec);
                scope.metrics = parts;
            }
            resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
        }
        out.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
        out
    }
}

fn settle_resource(resource: &mut Option<Resource>) {
    let mut settled = resource.take().unwrap_or_default();
    settle(&mut settled.attributes);
    *resource = Some(settled);
}

/// Sorts attributes by key; those of one key keep their order.
fn settle(attributes: &mut [KeyValue]) {
    settle_within(attributes, false);
}

fn settle_within(attributes: &mut [KeyValue], is_in_array: bool) {
    attributes.sort_by(|left, right| left.key.cmp(&right.key));
    for pair in attributes {
        let mut value = pair.value.take().unwrap_or_default();
        settle_any_within(&mut value, is_in_array);
        pair.value = Some(value);
    }
}

fn settle_any(any: &mut AnyValue) {
    settle_any_within(any, false);
}

/// Brings a value into one form; in arrays bytes are the text that they read as, since items have no names to be kept by.
fn settle_any_within(any: &mut AnyValue, is_in_array: bool) {
    match &mut any.value {
        Some(Any::BytesValue(bytes)) if is_in_array => {
            any.value = Some(Any::StringValue(base64::engine::general_purpose::STANDARD.encode(bytes)));
        }
        Some(Any::KvlistValue(list)) => settle_within(&mut list.values, is_in_array),
        Some(Any::ArrayValue(array)) => array.values.iter_mut().for_each(|item| settle_any_within(item, true)),
        _ => {}
    }
}
