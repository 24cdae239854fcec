//! Export requests to records that stand alone, so that two sides can be compared whatever requests they came in.
//!
//! A record is compared whole, with its Resource, its scope and their schema URLs. Next: `sink.rs`.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics, metric};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::collections::BTreeMap;

pub use sample::sample;

mod sample;

/// Holds one export request.
#[derive(Clone, Debug, PartialEq)]
pub enum Telemetry {
    /// Logs.
    Logs(ExportLogsServiceRequest),
    /// Metrics.
    Metrics(ExportMetricsServiceRequest),
    /// Spans.
    Traces(ExportTraceServiceRequest),
}

/// The signals, as they stand in paths of OTLP over HTTP.
pub const SIGNALS: [&str; 3] = ["logs", "metrics", "traces"];

impl Telemetry {
    /// Reads a request in protobuf.
    ///
    /// # Errors
    /// What prost says of it.
    pub fn from_protobuf(signal: &str, body: &[u8]) -> Result<Self, String> {
        let told = |error: prost::DecodeError| error.to_string();
        Ok(match signal {
            "logs" => Self::Logs(Message::decode(body).map_err(told)?),
            "metrics" => Self::Metrics(Message::decode(body).map_err(told)?),
            _ => Self::Traces(Message::decode(body).map_err(told)?),
        })
    }

    /// Reads a request in JSON.
    ///
    /// # Errors
    /// What serde says of it.
    pub fn from_json(signal: &str, body: &[u8]) -> Result<Self, String> {
        let told = |error: serde_json::Error| error.to_string();
        Ok(match signal {
            "logs" => Self::Logs(serde_json::from_slice(body).map_err(told)?),
            "metrics" => Self::Metrics(serde_json::from_slice(body).map_err(told)?),
            _ => Self::Traces(serde_json::from_slice(body).map_err(told)?),
        })
    }

    /// Reads a line of the Collector's file exporter: JSON, whose first key says which signal it is.
    ///
    /// # Errors
    /// What serde says of it.
    pub fn from_json_line(line: &str) -> Result<Self, String> {
        let begin = line.get(..line.len().min(40)).unwrap_or_default();
        let keys = [("resourceLogs", "logs"), ("resourceMetrics", "metrics"), ("resourceSpans", "traces")];
        let found = keys.iter().find(|(key, _)| begin.contains(key));
        let (_, signal) = found.ok_or_else(|| format!("no signal: {begin}"))?;
        Self::from_json(signal, line.as_bytes())
    }

    /// Returns its signal.
    pub fn signal(&self) -> &'static str {
        match self {
            Self::Logs(_) => "logs",
            Self::Metrics(_) => "metrics",
            Self::Traces(_) => "traces",
        }
    }

    /// Returns it as a line of JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Logs(request) => serde_json::to_string(request),
            Self::Metrics(request) => serde_json::to_string(request),
            Self::Traces(request) => serde_json::to_string(request),
        }
        .expect("messages serialize")
    }

    /// Returns it as protobuf.
    pub fn to_protobuf(&self) -> Vec<u8> {
        match self {
            Self::Logs(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Traces(request) => request.encode_to_vec(),
        }
    }

    /// Calls `on` for each Resource and log record in it.
    pub fn each_log(&self, mut on: impl FnMut(&ResourceLogs, &ScopeLogs, &LogRecord)) {
        let Self::Logs(request) = self else { return };
        for resource in &request.resource_logs {
            for scope in &resource.scope_logs {
                scope.log_records.iter().for_each(|record| on(resource, scope, record));
            }
        }
    }

    /// Calls `on` for each Resource and metric in it.
    pub fn each_metric(&self, mut on: impl FnMut(&ResourceMetrics, &ScopeMetrics, &Metric)) {
        let Self::Metrics(request) = self else { return };
        for resource in &request.resource_metrics {
            for scope in &resource.scope_metrics {
                scope.metrics.iter().for_each(|record| on(resource, scope, record));
            }
        }
    }

    /// Calls `on` for each Resource and span in it.
    pub fn each_span(&self, mut on: impl FnMut(&ResourceSpans, &ScopeSpans, &Span)) {
        let Self::Traces(request) = self else { return };
        for resource in &request.resource_spans {
            for scope in &resource.scope_spans {
                scope.spans.iter().for_each(|record| on(resource, scope, record));
            }
        }
    }
}

/// Returns each record alone with all that belongs to it, as sorted texts; of a metric, each is its points together.
pub fn records<'a>(all: impl IntoIterator<Item = &'a Telemetry>) -> Vec<String> {
    let mut found = Vec::new();
    for one in all {
        one.each_log(|resource, scope, record| {
            let place = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
            found.push(format!("{place:?} {record:?}"));
        });
        one.each_span(|resource, scope, record| {
            let place = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
            found.push(format!("{place:?} {record:?}"));
        });
        one.each_metric(|resource, scope, record| {
            let place = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
            found.push(format!("{place:?} {record:?}"));
        });
    }
    found.sort();
    found
}

/// Returns how many records of each signal there are.
pub fn counts<'a>(all: impl IntoIterator<Item = &'a Telemetry>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        let mut count = 0;
        one.each_log(|_, _, _| count += 1);
        one.each_metric(|_, _, _| count += 1);
        one.each_span(|_, _, _| count += 1);
        *counts.entry(one.signal()).or_default() += count;
    }
    counts
}

/// Says that two sides hold the same records, or shows the first that differ.
///
/// # Panics
/// If they do not.
pub fn assert_same(what: &str, there: &[String], wanted: &[String]) {
    if let Some((there, wanted)) = there.iter().zip(wanted).find(|(a, b)| a != b) {
        panic!("{what}: a record differs\n is: {there}\n was: {wanted}");
    }
    assert_eq!(there.len(), wanted.len(), "{what}: count of records");
    assert!(!there.is_empty(), "{what}: nothing was compared");
}

/// Returns the sum of the points of a sum, whatever their attributes.
pub fn sum_of(metric: &Metric) -> f64 {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    let Some(metric::Data::Sum(sum)) = &metric.data else { return 0.0 };
    let values = sum.data_points.iter().map(|point| match point.value {
        Some(Value::AsDouble(real)) => real,
        Some(Value::AsInt(whole)) => whole as f64,
        None => 0.0,
    });
    values.sum()
}
