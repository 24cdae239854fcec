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

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};

    fn mark(key: &str, version: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Any::StringValue(version.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    }

    #[test]
    fn halves_are_told_from_wholes() {
        let records = [
            vec![mark(FIRST, "1"), mark(LAST, "1")],
            vec![mark(FIRST, "1"), mark(LAST, "2")],
            vec![mark(LAST, "2")],
            vec![mark("other", "2")],
        ];
        let log_records = records.map(|attributes| LogRecord { attributes, ..LogRecord::default() }).into();
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        let request = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        assert_eq!(pairs(Signal::Logs, &request), (1, 2, 1));
        assert_eq!(pairs(Signal::Spans, &request), (0, 0, 0));
    }

    #[test]
    fn points_of_the_counted_metric_are_summed() {
        let metric = |name: &str, values: [Value; 2]| {
            let data_points =
                values.map(|value| NumberDataPoint { value: Some(value), ..NumberDataPoint::default() }).into();
            let data = Some(Data::Sum(Sum { data_points, ..Sum::default() }));
            Metric { name: name.to_owned(), data, ..Metric::default() }
        };
        let metrics = vec![
            metric(COUNTED, [Value::AsInt(3), Value::AsDouble(4.0)]),
            metric("other", [Value::AsInt(100), Value::AsInt(100)]),
        ];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        assert_eq!((points(Signal::Metrics, &request), points(Signal::Logs, &request)), (7, 0));
    }
}
