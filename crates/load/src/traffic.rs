//! What is sent: requests of all three signals, built once, with places for the ids and times that each sending gets.
//!
//! Of ten records, the one that ends in 7 is what rules drop ([`is_noise`]), and the one that ends in 3 holds a secret.
//! They are encoded by prost, not by dtq. Next: [`crate::sender`].

use crate::ids::{self, Id, Ids};
use bytes::Bytes;
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// Stands where the time of sending goes; no other eight bytes of the traffic are these.
const TIME_MARK: u64 = 0x7eed_0a0b_0c0d_0e01;

/// The event that rules of the tests drop.
pub const NOISE: &str = "LogWelcomeBanner";

/// Holds a request without ids and times, and where they go.
#[derive(Clone, Debug)]
pub struct Template {
    /// What it carries.
    pub signal: Signal,
    bytes: Vec<u8>,
    id_offsets: Vec<usize>,
    time_offsets: Vec<usize>,
    record_count: usize,
}

impl Template {
    /// Returns a request of so many records, rounded up to tens, with the ids of a stream.
    ///
    /// Texts are about `text_bytes` long, some half of it and some twice.
    pub fn new(signal: Signal, stream: u16, record_count: usize, text_bytes: usize) -> Self {
        let record_count = record_count.max(1).next_multiple_of(10);
        let ids = (0..record_count as u64).map(|number| Id { stream, number });
        let bytes = match signal {
            Signal::Logs => logs(ids, text_bytes),
            Signal::Metrics => metrics(ids),
            Signal::Spans => spans(ids, text_bytes),
        };
        let id_offsets: Vec<usize> = Ids::default().find(&bytes).map(|(offset, _)| offset).collect();
        assert_eq!(id_offsets.len(), record_count, "every record has one id");
        let time_offsets = memchr::memmem::find_iter(&bytes, &TIME_MARK.to_le_bytes()).collect();
        Self { signal, bytes, id_offsets, time_offsets, record_count }
    }

    /// Returns a request that somebody else encoded; it is sent as it is. `None` when it is none of this signal.
    pub fn of_bytes(signal: Signal, bytes: Vec<u8>) -> Option<Self> {
        let mut index = RequestIndex::default();
        index.read(signal, &bytes).ok()?;
        let record_count = index.records().len();
        Some(Self { signal, bytes, id_offsets: Vec::new(), time_offsets: Vec::new(), record_count })
    }

    /// Returns how many records it has.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Returns how many bytes it has.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the request with numbers from `first` on, and the same time in all records.
    pub fn render(&self, first: u64, unix_ns: u64) -> Bytes {
        let mut bytes = self.bytes.clone();
        for (index, offset) in self.id_offsets.iter().enumerate() {
            ids::renumber(&mut bytes, *offset, first + index as u64);
        }
        for offset in &self.time_offsets {
            bytes[*offset..*offset + 8].copy_from_slice(&unix_ns.to_le_bytes());
        }
        bytes.into()
    }
}

/// Says whether a record is what rules of the tests drop.
pub fn is_noise(number: u64) -> bool {
    number % 10 == 7
}

fn has_secret(number: u64) -> bool {
    number % 10 == 3
}

fn text(text: impl Into<String>) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.into())) })
}

fn attribute(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn number(key: &str, value: i64) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::IntValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource(service: &str) -> Option<Resource> {
    let attributes = vec![
        attribute("service.name", service),
        attribute("service.version", "4.2.1"),
        attribute("host.name", "node-17.cluster.example"),
        attribute("k8s.pod.name", format!("{service}-5d8f7c9b4-x2x7q")),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "load".to_owned(), version: "1.0".to_owned(), ..InstrumentationScope::default() })
}

fn trace_id(number: u64) -> Vec<u8> {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as u128 | 0x5151 << 96).to_be_bytes().to_vec()
}

/// Returns the two halves of ids: a request has two resources, as one that a gateway gathered.
fn halves(ids: impl Iterator<Item = Id>) -> [(&'static str, Vec<Id>); 2] {
    let mut one: Vec<Id> = ids.collect();
    let two = one.split_off(one.len() / 2);
    [("checkout", one), ("cart", two)]
}

fn logs(ids: impl Iterator<Item = Id>, text_bytes: usize) -> Vec<u8> {
    let resource_logs = halves(ids).map(|(service, ids)| {
        let log_records = ids.into_iter().map(|id| log_record(id, text_bytes)).collect();
        let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
        ResourceLogs { resource: resource(service), scope_logs, ..ResourceLogs::default() }
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.into() }.encode_to_vec()
}

fn log_record(id: Id, text_bytes: usize) -> LogRecord {
    let routes = ["/api/cart", "/api/checkout", "/api/products/{id}", "/api/recommendations"];
    let (severity_number, severity_text) =
        [(9, "INFO"), (5, "DEBUG"), (17, "ERROR"), (13, "WARN")][id.number as usize % 4];
    let event = if is_noise(id.number) { NOISE } else { "OrderPlaced" };
    let mut attributes = vec![
        attribute("EventName", event),
        attribute("http.route", routes[id.number as usize % 4]),
        number("http.response.status_code", 200 + (id.number as i64 % 3) * 150),
        attribute("user.id", format!("user-{:05}", id.number * 7919 % 100_000)),
    ];
    if has_secret(id.number) {
        attributes.push(attribute("secret", "hunter2-hunter2-hunter2"));
    }
    attributes.push(attribute(ids::KEY, id.text()));
    LogRecord {
        time_unix_nano: TIME_MARK,
        observed_time_unix_nano: TIME_MARK,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: text(words(id.number, text_bytes)),
        attributes,
        trace_id: trace_id(id.number),
        span_id: trace_id(id.number)[8..].to_vec(),
        ..LogRecord::default()
    }
}

/// Returns a text of words, about as long as is asked for: half, once and twice in turn.
fn words(seed: u64, text_bytes: usize) -> String {
    let size_bytes = [text_bytes / 2, text_bytes, text_bytes * 2, text_bytes][seed as usize % 4];
    let all =
        ["order", "payment", "accepted", "for", "customer", "in", "ms", "retry", "upstream", "cache", "miss", "of"];
    let mut out = String::with_capacity(size_bytes + 16);
    let mut state = seed + 1;
    while out.len() < size_bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        out.push_str(all[(state >> 33) as usize % all.len()]);
        out.push_str(if state >> 62 == 0 { " 4711 " } else { " " });
    }
    out
}

fn spans(ids: impl Iterator<Item = Id>, text_bytes: usize) -> Vec<u8> {
    let resource_spans = halves(ids).map(|(service, ids)| {
        let spans = ids.into_iter().map(|id| span(id, text_bytes)).collect();
        let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
        ResourceSpans { resource: resource(service), scope_spans, ..ResourceSpans::default() }
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.into() }.encode_to_vec()
}

fn span(id: Id, text_bytes: usize) -> Span {
    let path = if is_noise(id.number) { "/healthz" } else { "/api/checkout" };
    let mut attributes = vec![
        attribute("http.request.method", "GET"),
        attribute("url.path", path),
        number("http.response.status_code", 200),
        attribute("db.query.text", words(id.number, text_bytes)),
    ];
    if has_secret(id.number) {
        attributes.push(attribute("secret", "hunter2-hunter2-hunter2"));
    }
    attributes.push(attribute(ids::KEY, id.text()));
    Span {
        trace_id: trace_id(id.number),
        span_id: trace_id(id.number)[8..].to_vec(),
        name: format!("GET {path}"),
        kind: 2,
        start_time_unix_nano: TIME_MARK,
        end_time_unix_nano: TIME_MARK,
        attributes,
        status: Some(Status { code: i32::from(id.number.is_multiple_of(20)) * 2, ..Status::default() }),
        ..Span::default()
    }
}

fn metrics(ids: impl Iterator<Item = Id>) -> Vec<u8> {
    let resource_metrics = halves(ids).map(|(service, ids)| {
        let metrics = ids.into_iter().map(one_metric).collect();
        let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
        ResourceMetrics { resource: resource(service), scope_metrics, ..ResourceMetrics::default() }
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.into() }.encode_to_vec()
}

fn one_metric(id: Id) -> Metric {
    let mut attributes = vec![attribute("http.route", "/api/cart")];
    if has_secret(id.number) {
        attributes.push(attribute("secret", "hunter2-hunter2-hunter2"));
    }
    attributes.push(attribute(ids::KEY, id.text()));
    let point = NumberDataPoint {
        attributes: attributes.clone(),
        start_time_unix_nano: TIME_MARK,
        time_unix_nano: TIME_MARK,
        value: Some(PointValue::AsInt(id.number as i64 % 1000)),
        ..NumberDataPoint::default()
    };
    let (name, data) = match id.number % 10 {
        0..=5 => {
            let sum = Sum { data_points: vec![point], aggregation_temporality: 1, is_monotonic: true };
            ("load.requests", metric::Data::Sum(sum))
        }
        7 => ("load.noise", metric::Data::Gauge(Gauge { data_points: vec![point] })),
        8 => {
            let point = HistogramDataPoint {
                attributes,
                start_time_unix_nano: TIME_MARK,
                time_unix_nano: TIME_MARK,
                count: 6,
                sum: Some(60.0),
                bucket_counts: vec![1, 2, 3],
                explicit_bounds: vec![5.0, 10.0],
                ..HistogramDataPoint::default()
            };
            let histogram = Histogram { data_points: vec![point], aggregation_temporality: 1 };
            ("load.duration", metric::Data::Histogram(histogram))
        }
        _ => ("load.depth", metric::Data::Gauge(Gauge { data_points: vec![point] })),
    };
    Metric { name: name.to_owned(), unit: "1".to_owned(), data: Some(data), ..Metric::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_rendered_in_place() {
        for signal in [Signal::Logs, Signal::Metrics, Signal::Spans] {
            let template = Template::new(signal, 5, 95, 80);
            assert_eq!(template.record_count(), 100);
            let request = template.render(12_300, 1_700_000_000_000_000_000);
            assert_eq!(request.len(), template.size_bytes());
            let found: Vec<Id> = Ids::default().find(&request).map(|(_, id)| id).collect();
            assert_eq!(found, (0..100).map(|n| Id { stream: 5, number: 12_300 + n }).collect::<Vec<_>>());
            assert!(memchr::memmem::find(&request, &TIME_MARK.to_le_bytes()).is_none());
            let read = Template::of_bytes(signal, request.to_vec()).unwrap();
            assert_eq!((read.record_count(), read.render(0, 0)), (100, request));
        }
        let logs = Template::new(Signal::Logs, 1, 10, 80).render(0, 7);
        let decoded = ExportLogsServiceRequest::decode(logs).unwrap();
        let records: Vec<_> = decoded.resource_logs.iter().flat_map(|all| &all.scope_logs[0].log_records).collect();
        assert_eq!((records.len(), records[9].time_unix_nano), (10, 7));
        assert_eq!(records[7].attributes[0].value, text(NOISE));
    }
}
