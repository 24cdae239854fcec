//! What rules of the tests leave in telemetry, to counts: two marks of one version, and points of one metric.
//!
//! Decodes by prost, so that nothing of dtq is trusted. Next: [`crate::sink`].

use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message;

/// The attribute that the first rule of a version sets.
pub const FIRST: &str = "mark.first";

/// The attribute that the last rule of a version sets.
pub const LAST: &str = "mark.last";

/// The metric that a rule makes of logs, whose points are summed.
pub const COUNTED: &str = "load.counted";

/// Returns how many log records have both marks of one version, how many have not, and how many have none.
pub fn pairs(signal: Signal, request: &[u8]) -> (u64, u64, u64) {
    if signal != Signal::Logs {
        return (0, 0, 0);
    }
    let Ok(request) = ExportLogsServiceRequest::decode(request) else { return (0, 0, 0) };
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    let (mut whole, mut half, mut none) = (0, 0, 0);
    for record in scopes.flat_map(|scope| &scope.log_records) {
        match (find(&record.attributes, FIRST), find(&record.attributes, LAST)) {
            (None, None) => none += 1,
            (first, last) if first == last => whole += 1,
            _ => half += 1,
        }
    }
    (whole, half, none)
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Option<AnyValue>> {
    attributes.iter().find(|one| one.key == key).map(|one| &one.value)
}

/// Returns the sum of the points of the counted metric.
pub fn points(signal: Signal, request: &[u8]) -> u64 {
    if signal != Signal::Metrics || memchr::memmem::find(request, COUNTED.as_bytes()).is_none() {
        return 0;
    }
    let Ok(request) = ExportMetricsServiceRequest::decode(request) else { return 0 };
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics).filter(|metric| metric.name == COUNTED);
    let points = metrics.flat_map(|metric| match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.as_slice(),
        _ => &[],
    });
    let value = |value: &Option<Value>| match value {
        Some(Value::AsInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(Value::AsDouble(count)) => *count as u64,
        None => 0,
    };
    points.map(|point| value(&point.value)).sum()
}
