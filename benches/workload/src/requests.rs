//! Records, or a file of them, to OTLP log requests in bytes; and what prost reads in such a request.
//!
//! A request holds 512 records, 64 of each resource. Next: [`slots`](crate::slots).

use crate::records::{RECORDS_A_REQUEST, RECORDS_A_RESOURCE, Record, Value, resource_attributes};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// Returns the requests that hold these records.
pub fn encode(records: &[Record]) -> Vec<Vec<u8>> {
    records.chunks(RECORDS_A_REQUEST).map(|records| request(records).encode_to_vec()).collect()
}

/// Returns the requests of a file, each with its length before it.
///
/// # Errors
/// What is wrong with the file.
pub fn read(path: &str) -> Result<Vec<Vec<u8>>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let mut rest = bytes.as_slice();
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let size = prost::decode_length_delimiter(rest).map_err(|error| format!("{path}: {error}"))?;
        let head = prost::length_delimiter_len(size);
        let request = rest.get(head..head + size).ok_or_else(|| format!("{path}: the last request is cut"))?;
        ExportLogsServiceRequest::decode(request).map_err(|error| format!("{path}: {error}"))?;
        requests.push(request.to_vec());
        rest = &rest[head + size..];
    }
    Ok(requests)
}

/// Returns a request that prost can read, decoded.
///
/// # Panics
/// When it is none.
pub fn decode(request: &[u8]) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(request).expect("requests are made or were checked when they were read")
}

/// Returns each record of a request, with its resource.
pub fn records_of(request: &ExportLogsServiceRequest) -> impl Iterator<Item = (Option<&Resource>, &LogRecord)> {
    let resources = request.resource_logs.iter();
    resources.flat_map(|one| {
        let records = one.scope_logs.iter().flat_map(|scope| &scope.log_records);
        records.map(|record| (one.resource.as_ref(), record))
    })
}

/// Returns how many records a request holds.
pub fn count(request: &[u8]) -> usize {
    records_of(&decode(request)).count()
}

/// Returns the value of an attribute.
pub fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()
}

fn request(records: &[Record]) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest { resource_logs: records.chunks(RECORDS_A_RESOURCE).map(resource_logs).collect() }
}

fn resource_logs(records: &[Record]) -> ResourceLogs {
    let attributes = resource_attributes(records[0].service);
    ResourceLogs {
        resource: Some(Resource { attributes: pairs(&attributes), ..Resource::default() }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "shop.logging".to_owned(),
                version: "1.2.3".to_owned(),
                ..InstrumentationScope::default()
            }),
            log_records: records.iter().map(log_record).collect(),
            schema_url: String::new(),
        }],
        schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
    }
}

fn log_record(record: &Record) -> LogRecord {
    let time = record.time_unix_nano;
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 1_000,
        severity_number: record.severity_number,
        severity_text: record.severity_text.to_owned(),
        body: Some(AnyValue { value: Some(Any::StringValue(record.body.clone())) }),
        attributes: pairs(&record.attributes),
        flags: 1,
        // Ids need only differ.
        trace_id: u128::from(time).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes().to_vec(),
        span_id: time.wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes().to_vec(),
        ..LogRecord::default()
    }
}

fn pairs(attributes: &[(&'static str, Value)]) -> Vec<KeyValue> {
    let pairs = attributes.iter().map(|(key, value)| {
        let value = match value {
            Value::Text(text) => Any::StringValue(text.clone()),
            Value::Integer(number) => Any::IntValue(*number),
            Value::Real(number) => Any::DoubleValue(*number),
        };
        KeyValue { key: (*key).to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    });
    pairs.collect()
}
