//! Requests to decoded records: the fields that the reference work reads, each in its place in a struct.
//!
//! What a program would have that had already decoded its telemetry into just what it needs. Next: [`hand`](crate::hand).

use crate::requests::{attribute, decode, records_of};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use std::sync::Arc;

/// The status of a record that has none: less than any rule asks for.
const NO_STATUS: i64 = i64::MIN;

/// Holds the fields of one record.
#[derive(Clone, Debug)]
pub struct Slots {
    /// SeverityNumber.
    pub severity: i32,
    /// `http.status_code`, or less than all others.
    pub status: i64,
    /// `duration_ms`, or 0.
    pub duration_ms: f64,
    /// `EventName`, or nothing.
    pub event: Box<str>,
    /// `http.route`, or nothing.
    pub route: Box<str>,
    /// `service.name` of the resource, or nothing.
    pub service: Arc<str>,
    /// Body, or nothing.
    pub body: Box<str>,
    /// `secret`.
    pub secret: Option<Box<str>>,
}

/// Returns the records of all requests.
pub fn decode_all(requests: &[Vec<u8>]) -> Vec<Slots> {
    let mut slots = Vec::new();
    let mut service: Arc<str> = Arc::from("");
    for request in requests {
        for (resource, record) in records_of(&decode(request)) {
            let name = resource.map_or("", |resource| text(&resource.attributes, "service.name"));
            if *service != *name {
                service = Arc::from(name);
            }
            slots.push(from_record(record, &service));
        }
    }
    slots
}

fn from_record(record: &LogRecord, service: &Arc<str>) -> Slots {
    let attributes = &record.attributes;
    let secret = attribute(attributes, "secret").map(|_| text(attributes, "secret").into());
    Slots {
        severity: record.severity_number,
        status: match attribute(attributes, "http.status_code") {
            Some(Any::IntValue(status)) => *status,
            _ => NO_STATUS,
        },
        duration_ms: match attribute(attributes, "duration_ms") {
            Some(Any::DoubleValue(duration_ms)) => *duration_ms,
            _ => 0.0,
        },
        event: text(attributes, "EventName").into(),
        route: text(attributes, "http.route").into(),
        service: Arc::clone(service),
        body: match &record.body {
            Some(AnyValue { value: Some(Any::StringValue(body)) }) => body.as_str().into(),
            _ => "".into(),
        },
        secret,
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match attribute(attributes, key) {
        Some(Any::StringValue(text)) => text,
        _ => "",
    }
}
