//! Families and events to OTLP requests of metrics and of logs.
//!
//! Counters are cumulative sums, and begin anew where a number went back: a rule that was replaced counts from 0 again.
//! Next: `push.rs`.

use super::family::{Family, Kind, Value};
use crate::events::Event;
use bytes::Bytes;
use dtq_record::wire::{append_bytes_field, append_fixed64_field, append_message_field, append_varint_field};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names and values of attributes.
pub type Attributes = Vec<(String, String)>;

/// `AGGREGATION_TEMPORALITY_CUMULATIVE` (opentelemetry/proto/metrics/v1/metrics.proto).
const CUMULATIVE: u64 = 2;

/// Remembers since when each counter counts.
#[derive(Debug, Default)]
pub struct Starts {
    since: HashMap<String, (f64, u64)>,
    /// When the last request was made.
    last_ns: u64,
}

impl Starts {
    /// Returns what begins to count now.
    pub fn new(now: SystemTime) -> Self {
        Self { since: HashMap::new(), last_ns: unix_ns(now) }
    }

    /// Returns a request of metrics with all numbers of families.
    pub fn metrics(&mut self, families: &[Family], resource: &Attributes, now: SystemTime) -> Bytes {
        let now_ns = unix_ns(now);
        let mut since = HashMap::new();
        let mut out = Vec::new();
        append_message_field(&mut out, 1, |out| {
            append_resource(out, resource);
            append_message_field(out, 2, |out| {
                append_scope(out);
                for family in families.iter().filter(|family| !family.series.is_empty()) {
                    append_message_field(out, 2, |out| self.append_metric(out, family, now_ns, &mut since));
                }
            });
        });
        // What is not there any more is forgotten.
        (self.since, self.last_ns) = (since, now_ns);
        out.into()
    }

    fn append_metric(&self, out: &mut Vec<u8>, family: &Family, now_ns: u64, since: &mut HashMap<String, (f64, u64)>) {
        append_bytes_field(out, 1, family.otlp_name().as_bytes());
        append_bytes_field(out, 2, family.help.as_bytes());
        append_bytes_field(out, 3, family.unit().as_bytes());
        let is_sum = family.kind == Kind::Counter;
        append_message_field(out, if is_sum { 7 } else { 5 }, |out| {
            for one in &family.series {
                append_message_field(out, 1, |out| {
                    if is_sum {
                        let key = format!("{}{:?}", family.name, one.labels);
                        let number = match one.value {
                            Value::Whole(value) => value as f64,
                            Value::Real(value) => value,
                        };
                        let before = self.since.get(&key).filter(|(last, _)| *last <= number);
                        let start_ns = before.map_or(self.last_ns, |(_, start_ns)| *start_ns);
                        since.insert(key, (number, start_ns));
                        append_fixed64_field(out, 2, start_ns);
                    }
                    append_fixed64_field(out, 3, now_ns);
                    match one.value {
                        Value::Whole(value) => append_fixed64_field(out, 6, value),
                        Value::Real(value) => append_fixed64_field(out, 4, value.to_bits()),
                    }
                    one.labels.iter().for_each(|(name, value)| append_attribute(out, 7, name, value));
                });
            }
            if is_sum {
                append_varint_field(out, 2, CUMULATIVE);
                append_varint_field(out, 3, 1);
            }
        });
    }
}

/// Returns a request of logs with events.
pub fn logs(events: &[Event], resource: &Attributes) -> Bytes {
    let mut out = Vec::new();
    append_message_field(&mut out, 1, |out| {
        append_resource(out, resource);
        append_message_field(out, 2, |out| {
            append_scope(out);
            for event in events {
                append_message_field(out, 2, |out| append_record(out, event));
            }
        });
    });
    out.into()
}

fn append_record(out: &mut Vec<u8>, event: &Event) {
    let time_ns = unix_ns(event.time);
    append_fixed64_field(out, 1, time_ns);
    append_varint_field(out, 2, event.severity.number());
    append_bytes_field(out, 3, event.severity.name().as_bytes());
    append_message_field(out, 5, |out| append_bytes_field(out, 1, event.text.as_bytes()));
    if let Some(subject) = &event.subject {
        append_attribute(out, 6, "dtq.subject", subject);
    }
    append_fixed64_field(out, 11, time_ns);
    append_bytes_field(out, 12, format!("dtq.{}", event.name).as_bytes());
}

fn append_resource(out: &mut Vec<u8>, attributes: &Attributes) {
    append_message_field(out, 1, |out| {
        attributes.iter().for_each(|(name, value)| append_attribute(out, 1, name, value));
    });
}

fn append_scope(out: &mut Vec<u8>) {
    append_message_field(out, 1, |out| {
        append_bytes_field(out, 1, b"dtq.collector");
        append_bytes_field(out, 2, env!("CARGO_PKG_VERSION").as_bytes());
    });
}

fn append_attribute(out: &mut Vec<u8>, number: u32, name: &str, value: &str) {
    append_message_field(out, number, |out| {
        append_bytes_field(out, 1, name.as_bytes());
        append_message_field(out, 2, |out| append_bytes_field(out, 1, value.as_bytes()));
    });
}

fn unix_ns(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Events, Severity};
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
    use prost::Message;
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn decoded(request: &[u8]) -> Vec<Metric> {
        let request = ExportMetricsServiceRequest::decode(request).unwrap();
        let resource = request.resource_metrics[0].resource.as_ref().unwrap();
        assert_eq!(resource.attributes[0].key, "service.name");
        request.resource_metrics[0].scope_metrics[0].metrics.clone()
    }

    fn points(metric: &Metric) -> &[NumberDataPoint] {
        match metric.data.as_ref().unwrap() {
            metric::Data::Sum(sum) => {
                assert_eq!((sum.is_monotonic, sum.aggregation_temporality), (true, CUMULATIVE as i32));
                &sum.data_points
            }
            metric::Data::Gauge(gauge) => &gauge.data_points,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_protobuf_decodes_is_what_was_counted() {
        let resource = vec![("service.name".to_owned(), "dtq".to_owned())];
        let families = |seen: u64| {
            [
                Family::new("dtq_rule_seen_records_total", Kind::Counter, "Seen.")
                    .with(vec![("rule", "a".to_owned())], seen),
                Family::single("dtq_queue_bytes", Kind::Gauge, "Bytes.", 1.5),
                Family::new("dtq_none", Kind::Gauge, "Nothing."),
            ]
        };
        let mut starts = Starts::new(at(1));
        let first = decoded(&starts.metrics(&families(5), &resource, at(2)));
        let names: Vec<_> = first.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
        assert_eq!(names, [("dtq.rule_seen_records", "{record}"), ("dtq.queue_bytes", "By")]);
        let point = &points(&first[0])[0];
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(5)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1_000_000_000, 2_000_000_000));
        assert_eq!(point.attributes[0].key, "rule");
        assert_eq!(points(&first[1])[0].value, Some(number_data_point::Value::AsDouble(1.5)));
        // It goes on from where it began, until it goes back.
        for (seen, time, start) in [(6, 3, 1), (2, 4, 3), (3, 5, 3)] {
            let next = decoded(&starts.metrics(&families(seen), &resource, at(time)));
            assert_eq!(points(&next[0])[0].start_time_unix_nano, start * 1_000_000_000, "{seen}");
        }
    }

    #[test]
    fn events_are_log_records() {
        let events = Events::silent();
        events.tell(Severity::Warn, "failing", Some("backend"), "does not answer".to_owned());
        let request = ExportLogsServiceRequest::decode(logs(&events.last(1), &Vec::new())).unwrap();
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
        assert_eq!((record.event_name.as_str(), record.attributes[0].key.as_str()), ("dtq.failing", "dtq.subject"));
        assert!(record.time_unix_nano > 0);
    }
}
