//! The content of OTLP messages to values of the SDK.
//!
//! Only what rules made is read here. What is malformed or has no place in the SDK is `None`, never a part of it.
//! Next: `logs.rs`.

use dtq_record::otlp::any::value_of;
use dtq_record::wire::{Field, Fields};
use dtq_value::scalar::format;
use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, SpanId, StringValue, TraceId, Value};
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NESTING_MAX: usize = 64;

pub(super) fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

pub(super) fn text(field: &Field<'_>) -> Option<String> {
    Some(String::from_utf8_lossy(field.bytes().ok()?).into_owned())
}

pub(super) fn trace_id(bytes: &[u8]) -> TraceId {
    bytes.try_into().map_or(TraceId::INVALID, TraceId::from_bytes)
}

pub(super) fn span_id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}

/// Returns a value of a log record; `None` inside where it holds nothing.
pub(super) fn any(fields: Fields<'_>) -> Option<Option<AnyValue>> {
    any_within(fields, NESTING_MAX)
}

fn any_within(fields: Fields<'_>, nesting_max: usize) -> Option<Option<AnyValue>> {
    for field in fields {
        let field = field.ok()?;
        let deeper = nesting_max.checked_sub(1)?;
        return Some(Some(match field.number {
            1 => AnyValue::String(text(&field)?.into()),
            2 => AnyValue::Boolean(field.varint().ok()? != 0),
            3 => AnyValue::Int(field.varint().ok()? as i64),
            4 => AnyValue::Double(field.double().ok()?),
            5 => {
                let mut items = Vec::new();
                for item in field.message().ok()? {
                    let item = item.ok()?;
                    // An item that holds nothing has no place in the SDK, and its siblings would move up: a text stands there.
                    items.push(any_within(item.message().ok()?, deeper)?.unwrap_or_else(|| AnyValue::from("")));
                }
                AnyValue::ListAny(Box::new(items))
            }
            6 => {
                let mut map = HashMap::new();
                for entry in field.message().ok()? {
                    if let (key, Some(value)) = log_attribute_within(entry.ok()?.message().ok()?, deeper)? {
                        map.entry(key).or_insert(value);
                    }
                }
                AnyValue::Map(Box::new(map))
            }
            7 => AnyValue::Bytes(Box::new(field.bytes().ok()?.to_vec())),
            _ => continue,
        }));
    }
    Some(None)
}

/// Returns key and value of a `KeyValue` of a log record.
pub(super) fn log_attribute(fields: Fields<'_>) -> Option<(Key, Option<AnyValue>)> {
    log_attribute_within(fields, NESTING_MAX)
}

fn log_attribute_within(fields: Fields<'_>, nesting_max: usize) -> Option<(Key, Option<AnyValue>)> {
    let (mut key, mut value) = (String::new(), None);
    for field in fields {
        let field = field.ok()?;
        match field.number {
            1 => key = text(&field)?,
            2 => value = any_within(field.message().ok()?, nesting_max)?,
            _ => {}
        }
    }
    Some((Key::from(key), value))
}

/// Returns an attribute of a span, scope or resource; lists of mixed kinds and maps, which have no place there, as JSON.
pub(super) fn attribute(fields: Fields<'_>) -> Option<KeyValue> {
    let (mut key, mut value) = (String::new(), Value::from(""));
    for field in fields {
        let field = field.ok()?;
        match field.number {
            1 => key = text(&field)?,
            2 => value = of_dynamic(&value_of(field.message().ok()?, NESTING_MAX).ok()?),
            _ => {}
        }
    }
    Some(KeyValue::new(key, value))
}

fn of_dynamic(value: &dtq_value::Value) -> Value {
    use dtq_value::Value as V;
    let as_text = || Value::from(String::from_utf8_lossy(&format::dynamic_text(value)).into_owned());
    match value {
        V::Bool(value) => Value::Bool(*value),
        V::Long(value) => Value::I64(*value),
        V::Real(value) => Value::F64(*value),
        V::String(text) => Value::from(text.as_text().into_owned()),
        V::Array(items) => array(items).map_or_else(as_text, Value::Array),
        _ => as_text(),
    }
}

fn array(items: &[dtq_value::Value]) -> Option<Array> {
    use dtq_value::Value as V;
    fn all<T>(items: &[V], of: impl Fn(&V) -> Option<T>) -> Option<Vec<T>> {
        items.iter().map(of).collect()
    }
    let texts = || {
        all(
            items,
            |item| if let V::String(one) = item { Some(StringValue::from(one.as_text().into_owned())) } else { None },
        )
    };
    texts()
        .map(Array::String)
        .or_else(|| all(items, |item| if let V::Long(one) = item { Some(*one) } else { None }).map(Array::I64))
        .or_else(|| all(items, |item| if let V::Real(one) = item { Some(*one) } else { None }).map(Array::F64))
        .or_else(|| all(items, |item| if let V::Bool(one) = item { Some(*one) } else { None }).map(Array::Bool))
}

/// Returns the scope of a message.
pub(super) fn scope(content: &[u8]) -> Option<InstrumentationScope> {
    let (mut name, mut version, mut attributes) = (String::new(), None, Vec::new());
    for field in Fields::new(content) {
        let field = field.ok()?;
        match field.number {
            1 => name = text(&field)?,
            2 => version = Some(text(&field)?),
            3 => attributes.push(attribute(field.message().ok()?)?),
            _ => {}
        }
    }
    let builder = InstrumentationScope::builder(name).with_attributes(attributes);
    Some(version.into_iter().fold(builder, |builder, version| builder.with_version(version)).build())
}

/// Calls `each` with the content of the scope and of each record of a request; says whether all could be read.
pub(super) fn each_record(request: &[u8], mut each: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Option<()> {
    for resource in Fields::new(request).filter(|field| !matches!(field, Ok(field) if field.number != 1)) {
        for scoped in resource.ok()?.message().ok()? {
            let scoped = scoped.ok()?;
            if scoped.number != 2 {
                continue;
            }
            let mut scope: &[u8] = &[];
            for field in scoped.message().ok()? {
                let field = field.ok()?;
                match field.number {
                    1 => scope = field.bytes().ok()?,
                    2 => each(scope, field.bytes().ok()?)?,
                    _ => {}
                }
            }
        }
    }
    Some(())
}
