//! Values, scopes and resources of the SDK to the content of OTLP messages.
//!
//! Writes what the SDK's own exporters write. Next: `decode.rs`.

use dtq_record::wire::{append_bytes_field, append_message_field, append_varint, append_varint_field, varint_size};
use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nesting that is written; readers refuse more than 100 messages within each other.
const NESTING_MAX: usize = 30;

/// Returns a time as OTLP counts it.
pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Appends a field with the content of an `AnyValue`; texts and numbers, which are nearly all, without moving bytes.
fn append_any_field(out: &mut Vec<u8>, number: u32, value: &AnyValue, nesting_max: usize) {
    match value {
        AnyValue::String(text) => append_text_value(out, number, text.as_str()),
        AnyValue::Int(value) => append_message_field(out, number, |out| append_varint_field(out, 3, *value as u64)),
        value => append_message_field(out, number, |out| append_any(out, value, nesting_max)),
    }
}

fn append_text_value(out: &mut Vec<u8>, number: u32, text: &str) {
    append_varint(out, u64::from(number) << 3 | 2);
    append_varint(out, (1 + varint_size(text.len() as u64) + text.len()) as u64);
    append_bytes_field(out, 1, text.as_bytes());
}

/// Appends the content of the `AnyValue` of a log record.
pub(super) fn append_any(out: &mut Vec<u8>, value: &AnyValue, nesting_max: usize) {
    match value {
        AnyValue::String(text) => append_bytes_field(out, 1, text.as_str().as_bytes()),
        AnyValue::Boolean(value) => append_varint_field(out, 2, u64::from(*value)),
        AnyValue::Int(value) => append_varint_field(out, 3, *value as u64),
        AnyValue::Double(value) => dtq_record::wire::append_fixed64_field(out, 4, value.to_bits()),
        AnyValue::Bytes(bytes) => append_bytes_field(out, 7, bytes),
        // What is nested too deep is left out, as nobody could read it.
        AnyValue::ListAny(items) if nesting_max > 0 => append_message_field(out, 5, |out| {
            items.iter().for_each(|item| append_any_field(out, 1, item, nesting_max - 1));
        }),
        AnyValue::Map(map) if nesting_max > 0 => append_message_field(out, 6, |out| {
            map.iter()
                .for_each(|(key, value)| append_log_attribute_within(out, 1, key.as_str(), value, nesting_max - 1));
        }),
        _ => {}
    }
}

pub(super) fn append_body(out: &mut Vec<u8>, value: &AnyValue) {
    append_any_field(out, 5, value, NESTING_MAX);
}

/// Appends an attribute of a log record as field `number`.
pub(super) fn append_log_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &AnyValue) {
    append_log_attribute_within(out, number, key, value, NESTING_MAX);
}

fn append_log_attribute_within(out: &mut Vec<u8>, number: u32, key: &str, value: &AnyValue, nesting_max: usize) {
    append_message_field(out, number, |out| {
        append_bytes_field(out, 1, key.as_bytes());
        append_any_field(out, 2, value, nesting_max);
    });
}

/// Appends an attribute of a span, scope or resource as field `number`.
pub(super) fn append_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &Value) {
    append_message_field(out, number, |out| {
        append_bytes_field(out, 1, key.as_bytes());
        append_message_field(out, 2, |out| append_value(out, value));
    });
}

fn append_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(value) => append_varint_field(out, 2, u64::from(*value)),
        Value::I64(value) => append_varint_field(out, 3, *value as u64),
        Value::F64(value) => dtq_record::wire::append_fixed64_field(out, 4, value.to_bits()),
        Value::String(text) => append_bytes_field(out, 1, text.as_str().as_bytes()),
        Value::Array(array) => append_message_field(out, 5, |out| append_items(out, array)),
        // A kind of a later version of the SDK is its text.
        other => append_bytes_field(out, 1, other.as_str().as_bytes()),
    }
}

fn append_items(out: &mut Vec<u8>, array: &Array) {
    let mut item = |value: Value| append_message_field(out, 1, |out| append_value(out, &value));
    match array {
        Array::Bool(items) => items.iter().for_each(|value| item(Value::Bool(*value))),
        Array::I64(items) => items.iter().for_each(|value| item(Value::I64(*value))),
        Array::F64(items) => items.iter().for_each(|value| item(Value::F64(*value))),
        Array::String(items) => items.iter().for_each(|value| item(Value::String(value.clone()))),
        _ => {}
    }
}

pub(super) fn append_attributes(out: &mut Vec<u8>, number: u32, attributes: &[KeyValue]) {
    attributes.iter().for_each(|one| append_attribute(out, number, one.key.as_str(), &one.value));
}

/// Appends the content of an `InstrumentationScope`; the target of a log record stands in the place of its name.
pub(super) fn append_scope(out: &mut Vec<u8>, scope: &InstrumentationScope, target: Option<&str>) {
    let name = target.unwrap_or(scope.name());
    if !name.is_empty() {
        append_bytes_field(out, 1, name.as_bytes());
    }
    if let Some(version) = scope.version() {
        append_bytes_field(out, 2, version.as_bytes());
    }
    scope.attributes().for_each(|one| append_attribute(out, 3, one.key.as_str(), &one.value));
}

/// Returns the content of a `Resource`.
pub(super) fn resource(resource: &Resource) -> Vec<u8> {
    let mut out = Vec::new();
    resource.iter().for_each(|(key, value)| append_attribute(&mut out, 1, key.as_str(), value));
    out
}
