//! Rows of `logs` and `spans` to `LogRecord` and `Span`; the bags of Resource and Scope to their messages.
//!
//! Next: `points.rs`.

use super::fields::{append_bytes, append_fixed32, append_fixed64, append_message, append_number};
use super::{
    EncodeError, Encoded, append_attributes, append_id, append_text, bag, cell, check_keys, enum_number, property,
    shown, unix_nanos,
};
use crate::otlp::any::append_any;
use crate::otlp::{logs, spans};
use crate::wire::append_message_field;
use dtq_value::{Bag, Value};

/// Appends the content of the `LogRecord` that a row of `logs` stands for; columns that the row lacks are left out.
///
/// # Errors
/// When a value has no place in OTLP; `out` is then as it was.
pub fn append_log_record(out: &mut Vec<u8>, row: &[Value]) -> Result<(), EncodeError> {
    whole(out, |out| {
        use logs::column::*;
        append_fixed64(out, 1, unix_nanos("Timestamp", cell(row, TIMESTAMP))?);
        append_number(out, 2, number("SeverityNumber", cell(row, SEVERITY_NUMBER))? as u64);
        append_text(out, 3, "SeverityText", cell(row, SEVERITY_TEXT))?;
        let body = cell(row, BODY);
        if !body.is_null() {
            append_message_field(out, 5, |out| append_any(out, body));
        }
        append_attributes(out, 6, "Attributes", cell(row, ATTRIBUTES))?;
        let flags = cell(row, TRACE_FLAGS);
        let flags = u8::try_from(number("TraceFlags", flags)?)
            .map_err(|_| EncodeError::new("TraceFlags", format!("{} is not within 0 to 255", shown(flags))))?;
        append_fixed32(out, 8, u32::from(flags));
        append_id(out, 9, "TraceId", 16, cell(row, TRACE_ID))?;
        append_id(out, 10, "SpanId", 8, cell(row, SPAN_ID))?;
        append_fixed64(out, 11, unix_nanos("ObservedTimestamp", cell(row, OBSERVED_TIMESTAMP))?);
        append_text(out, 12, "EventName", cell(row, EVENT_NAME))
    })
}

/// Appends the content of the `Span` that a row of `spans` stands for; columns that the row lacks are left out.
///
/// OTLP has no duration: it is the time from StartTime to EndTime, gives one of them when the other is there, and
/// contradicting both is an error.
///
/// # Errors
/// When a value has no place in OTLP; `out` is then as it was.
pub fn append_span(out: &mut Vec<u8>, row: &[Value]) -> Result<(), EncodeError> {
    whole(out, |out| {
        use spans::column::*;
        append_id(out, 1, "TraceId", 16, cell(row, TRACE_ID))?;
        append_id(out, 2, "SpanId", 8, cell(row, SPAN_ID))?;
        append_text(out, 3, "TraceState", cell(row, TRACE_STATE))?;
        append_id(out, 4, "ParentSpanId", 8, cell(row, PARENT_SPAN_ID))?;
        append_text(out, 5, "SpanName", cell(row, SPAN_NAME))?;
        append_number(out, 6, enum_number("SpanKind", &spans::KINDS, cell(row, SPAN_KIND))? as u64);
        let (start, end) = start_and_end(cell(row, START_TIME), cell(row, END_TIME), cell(row, DURATION))?;
        append_fixed64(out, 7, unix_nanos("StartTime", &start)?);
        append_fixed64(out, 8, unix_nanos("EndTime", &end)?);
        append_attributes(out, 9, "Attributes", cell(row, ATTRIBUTES))?;
        for item in items("Events", cell(row, EVENTS))? {
            append_message(out, 11, |out| append_event(out, item))?;
        }
        for item in items("Links", cell(row, LINKS))? {
            append_message(out, 13, |out| append_link(out, item))?;
        }
        let mut status = Vec::new();
        append_text(&mut status, 2, "StatusMessage", cell(row, STATUS_MESSAGE))?;
        append_number(&mut status, 3, enum_number("StatusCode", &spans::STATUS_CODES, cell(row, STATUS_CODE))? as u64);
        append_bytes(out, 15, &status);
        Ok(())
    })
}

/// Appends the content of the `Resource` with the attributes of a Resource column.
///
/// # Errors
/// When it is no bag; `out` is then as it was.
pub fn append_resource(out: &mut Vec<u8>, attributes: &Value) -> Result<(), EncodeError> {
    whole(out, |out| append_attributes(out, 1, "Resource", attributes))
}

/// Appends the content of the `InstrumentationScope` that a Scope column stands for.
///
/// # Errors
/// When it is no bag of Name, Version and Attributes; `out` is then as it was.
pub fn append_scope(out: &mut Vec<u8>, scope: &Value) -> Result<(), EncodeError> {
    whole(out, |out| {
        let Some(scope) = bag("Scope", scope)? else { return Ok(()) };
        check_keys("Scope", scope, &["Name", "Version", "Attributes"])?;
        append_text(out, 1, "Scope", property(scope, "Name"))?;
        append_text(out, 2, "Scope", property(scope, "Version"))?;
        append_attributes(out, 3, "Scope", property(scope, "Attributes"))
    })
}

/// Takes back what was appended when the rest of it cannot be.
pub(super) fn whole(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Encoded<()>) -> Encoded<()> {
    let begin = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(begin);
    }
    result
}

fn number(column: &'static str, value: &Value) -> Encoded<i32> {
    match value {
        Value::Null => Ok(0),
        Value::Int(number) => Ok(*number),
        other => Err(EncodeError::new(column, format!("{} is no int", shown(other)))),
    }
}

/// Returns both times, one of them computed where only the other and the duration are there.
fn start_and_end(start: &Value, end: &Value, duration: &Value) -> Encoded<(Value, Value)> {
    let Value::TimeSpan(duration) = duration else { return Ok((start.clone(), end.clone())) };
    let moved = |time: i64, by: Option<i64>| by.and_then(|by| time.checked_add(by)).map(Value::DateTime);
    let (moved_start, moved_end) = match (start, end) {
        (Value::DateTime(start_ticks), Value::DateTime(end_ticks)) => {
            let is_same = end_ticks.checked_sub(*start_ticks) == Some(*duration);
            (is_same.then(|| start.clone()), is_same.then(|| end.clone()))
        }
        (Value::DateTime(ticks), _) => (Some(start.clone()), moved(*ticks, Some(*duration))),
        (_, Value::DateTime(ticks)) => (moved(*ticks, duration.checked_neg()), Some(end.clone())),
        _ => (None, None),
    };
    moved_start.zip(moved_end).ok_or_else(|| {
        let reason = "OTLP has no duration, and StartTime and EndTime do not give this one";
        EncodeError::new("Duration", format!("{} cannot be written: {reason}", shown(&Value::TimeSpan(*duration))))
    })
}

fn items<'v>(column: &'static str, value: &'v Value) -> Encoded<&'v [Value]> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        other => Err(EncodeError::new(column, format!("{} is no array", shown(other)))),
    }
}

fn object<'v>(column: &'static str, value: &'v Value) -> Encoded<&'v Bag> {
    bag(column, value)?.ok_or_else(|| EncodeError::new(column, "it holds a null".to_owned()))
}

/// Appends `Span.Event`.
fn append_event(out: &mut Vec<u8>, event: &Value) -> Encoded<()> {
    let event = object("Events", event)?;
    check_keys("Events", event, &["Timestamp", "Name", "Attributes"])?;
    append_fixed64(out, 1, unix_nanos("Events", property(event, "Timestamp"))?);
    append_text(out, 2, "Events", property(event, "Name"))?;
    append_attributes(out, 3, "Events", property(event, "Attributes"))
}

/// Appends `Span.Link`.
fn append_link(out: &mut Vec<u8>, link: &Value) -> Encoded<()> {
    let link = object("Links", link)?;
    check_keys("Links", link, &["TraceId", "SpanId", "TraceState", "Attributes"])?;
    append_id(out, 1, "Links", 16, property(link, "TraceId"))?;
    append_id(out, 2, "Links", 8, property(link, "SpanId"))?;
    append_text(out, 3, "Links", property(link, "TraceState"))?;
    append_attributes(out, 4, "Links", property(link, "Attributes"))
}
