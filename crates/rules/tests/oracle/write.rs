//! Values written into prost's structs, as DESIGN says that edits write them.
//!
//! What reads as the new value already stays as it is; of a repeated key the first is written and the others go.

use crate::rows::{EPOCH, dynamic};
use dtq_value::{Bag, Value};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

/// Returns an AnyValue that has a value; parts that have it already stay.
pub fn any(old: Option<&AnyValue>, new: &Value) -> AnyValue {
    if let Some(old) = old
        && dynamic(old) == *new
    {
        return old.clone();
    }
    let old_value = old.and_then(|old| old.value.as_ref());
    let value = match (new, old_value) {
        (Value::Null, _) => None,
        (Value::Bool(value), _) => Some(Any::BoolValue(*value)),
        (Value::Int(value), _) => Some(Any::IntValue(i64::from(*value))),
        (Value::Long(value), _) => Some(Any::IntValue(*value)),
        (Value::Real(value), _) => Some(Any::DoubleValue(*value)),
        (Value::String(text), _) => Some(Any::StringValue(text.to_string())),
        (Value::Array(items), _) => {
            Some(Any::ArrayValue(ArrayValue { values: items.iter().map(|item| any(None, item)).collect() }))
        }
        (Value::Bag(bag), Some(Any::KvlistValue(list))) => {
            Some(Any::KvlistValue(KeyValueList { values: attributes(&list.values, bag) }))
        }
        (Value::Bag(bag), _) => Some(Any::KvlistValue(KeyValueList { values: attributes(&[], bag) })),
        other => panic!("the generator makes no {other:?}"),
    };
    AnyValue { value }
}

/// Returns attributes that read as a bag, in its order.
pub fn attributes(old: &[KeyValue], new: &Bag) -> Vec<KeyValue> {
    let mut out = Vec::new();
    for (key, value) in new.iter() {
        let mut held = old.iter().filter(|pair| pair.key.as_bytes() == key.as_bytes()).cloned();
        let Some(first) = held.next() else {
            out.push(KeyValue { key: key.to_string(), value: Some(any(None, value)), ..Default::default() });
            continue;
        };
        if first.value.as_ref().map_or(Value::Null, dynamic) == *value {
            out.push(first);
            out.extend(held);
        } else {
            out.push(KeyValue { value: Some(any(first.value.as_ref(), value)), ..first });
        }
    }
    out
}

/// Says that a value does not fit its field.
pub type Refused = String;

fn text(value: &Value) -> Result<String, Refused> {
    match value {
        Value::String(text) => Ok(text.to_string()),
        Value::Null => Ok(String::new()),
        other => Err(format!("{other:?} is no text")),
    }
}

fn int(value: &Value) -> Result<i32, Refused> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Null => Ok(0),
        other => Err(format!("{other:?} is no int")),
    }
}

fn id(value: &Value, size: usize) -> Result<Vec<u8>, Refused> {
    let text = text(value)?;
    if !text.is_empty() && (text.len() != 2 * size || !text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Err(format!("{text} is no id"));
    }
    Ok((0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect())
}

fn time(value: &Value) -> Result<u64, Refused> {
    match value {
        Value::Null => Ok(0),
        Value::DateTime(ticks) => {
            let since = u64::try_from(ticks - EPOCH).ok().filter(|ticks| *ticks > 0).ok_or("before 1970")?;
            since.checked_mul(100).ok_or_else(|| "after 2554".to_owned())
        }
        other => Err(format!("{other:?} is no time")),
    }
}

fn word(words: &[&str], value: &Value) -> Result<i32, Refused> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(0);
    }
    let position = words.iter().position(|word| *word == text);
    position.map(|position| position as i32).ok_or_else(|| format!("{text} is no word"))
}

fn bag_of(value: &Value) -> Result<Bag, Refused> {
    match value {
        Value::Bag(bag) => Ok(Bag::clone(bag)),
        Value::Null => Ok(Bag::new()),
        other => Err(format!("{other:?} is no bag")),
    }
}

/// Writes a column of `logs`, whose value is another now; says `false` where the column is read-only.
pub fn log(record: &mut LogRecord, column: &str, value: &Value) -> Result<bool, Refused> {
    match column {
        "ObservedTimestamp" => record.observed_time_unix_nano = time(value)?,
        "TraceId" => record.trace_id = id(value, 16)?,
        "SpanId" => record.span_id = id(value, 8)?,
        "TraceFlags" => {
            let flags = u8::try_from(int(value)?).map_err(|_| "flags are 0 to 255")?;
            record.flags = record.flags & !0xFF | u32::from(flags);
        }
        "SeverityNumber" => record.severity_number = int(value)?,
        "SeverityText" => record.severity_text = text(value)?,
        "EventName" => record.event_name = text(value)?,
        "Body" => {
            record.body = if value.is_null() { None } else { Some(any(record.body.as_ref(), value)) };
        }
        "Attributes" => record.attributes = attributes(&record.attributes, &bag_of(value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Writes a column of `spans`, as [`log`] does one of `logs`.
pub fn span(span: &mut Span, column: &str, value: &Value) -> Result<bool, Refused> {
    const KINDS: [&str; 6] = ["", "Internal", "Server", "Client", "Producer", "Consumer"];
    const CODES: [&str; 3] = ["Unset", "Ok", "Error"];
    match column {
        "TraceId" => span.trace_id = id(value, 16)?,
        "SpanId" => span.span_id = id(value, 8)?,
        "ParentSpanId" => span.parent_span_id = id(value, 8)?,
        "TraceState" => span.trace_state = text(value)?,
        "SpanName" => span.name = text(value)?,
        "SpanKind" => span.kind = word(&KINDS, value)?,
        "StartTime" => span.start_time_unix_nano = time(value)?,
        "EndTime" => span.end_time_unix_nano = time(value)?,
        "StatusCode" => span.status.get_or_insert_with(Status::default).code = word(&CODES, value)?,
        "StatusMessage" => span.status.get_or_insert_with(Status::default).message = text(value)?,
        "Attributes" => span.attributes = attributes(&span.attributes, &bag_of(value)?),
        "Events" if matches!(value, Value::Null) => span.events.clear(),
        "Links" if matches!(value, Value::Null) => span.links.clear(),
        "Events" | "Links" => return Err("the generator only empties them".to_owned()),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Returns the attributes of a metric's one point.
pub fn point_attributes(metric: &mut Metric) -> Option<&mut Vec<KeyValue>> {
    Some(match metric.data.as_mut()? {
        Data::Gauge(data) => &mut data.data_points[0].attributes,
        Data::Sum(data) => &mut data.data_points[0].attributes,
        Data::Histogram(data) => &mut data.data_points[0].attributes,
        Data::ExponentialHistogram(data) => &mut data.data_points[0].attributes,
        Data::Summary(data) => &mut data.data_points[0].attributes,
    })
}

/// Writes a column of `metrics` into a metric with one point.
pub fn metric(metric: &mut Metric, column: &str, value: &Value) -> Result<bool, Refused> {
    match column {
        "MetricName" => metric.name = text(value)?,
        "MetricUnit" => metric.unit = text(value)?,
        "MetricDescription" => metric.description = text(value)?,
        "Attributes" => {
            let old = point_attributes(metric).unwrap();
            *old = attributes(old, &bag_of(value)?);
        }
        "MetricValue" => {
            let point = match metric.data.as_mut().unwrap() {
                Data::Gauge(data) => &mut data.data_points[0],
                Data::Sum(data) => &mut data.data_points[0],
                _ => return Err("only gauges and sums have a number".to_owned()),
            };
            let was_integer = matches!(point.value, Some(number_data_point::Value::AsInt(_)));
            point.value = match value {
                Value::Null => None,
                Value::Real(number) if was_integer && number.fract() == 0.0 && number.abs() < 9.2e18 => {
                    Some(number_data_point::Value::AsInt(*number as i64))
                }
                Value::Real(number) => Some(number_data_point::Value::AsDouble(*number)),
                other => return Err(format!("{other:?} is no real")),
            };
            if !value.is_null() {
                point.flags &= !1;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}
