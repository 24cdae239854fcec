//! Rows of the standard tables, and metrics that rules make, to the messages of OTLP.
//!
//! The inverse of what `logs`, `spans` and `metrics` read: words become enum numbers, hex becomes bytes, ticks become
//! nanoseconds. A row whose value has no place in OTLP is an error that names the column, never a record without it.
//! Read in order: `fields` (the wire format), `records` (log records and spans), `points` (data points), [`request`]
//! (records to requests). What columns mean: `logs.rs`, `spans.rs`, `metrics.rs`.

mod fields;

mod records;

mod points;

pub mod request;

pub use points::append_metric;
pub use records::{append_log_record, append_resource, append_scope, append_span};

use super::any::append_key_value;
use crate::time::{UNIX_EPOCH_TICKS, ticks_from_iso};
use dtq_value::{Bag, Value};
use fields::append_bytes;
use std::fmt;

/// Says which value has no place in OTLP, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// The column that holds it.
    pub column: &'static str,
    /// What is wrong with it, without a full stop.
    pub reason: String,
}

impl EncodeError {
    fn new(column: &'static str, reason: impl Into<String>) -> Self {
        Self { column, reason: reason.into() }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.column, self.reason)
    }
}

impl std::error::Error for EncodeError {}

type Encoded<T> = Result<T, EncodeError>;

/// Stands for the columns that a row does not have.
static MISSING: Value = Value::Null;

/// Returns a cell of a row; null where the row ends before it.
fn cell(row: &[Value], column: usize) -> &Value {
    row.get(column).unwrap_or(&MISSING)
}

/// Names what a value is, for errors.
fn shown(value: &Value) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let text = String::from_utf8_lossy(&dtq_value::scalar::format::text(value)).into_owned();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// Appends a text field. OTLP's strings are UTF-8, and a receiver refuses a request with others: U+FFFD stands for them.
fn append_text(out: &mut Vec<u8>, number: u32, column: &'static str, value: &Value) -> Encoded<()> {
    match value {
        Value::Null => {}
        Value::String(text) => append_bytes(out, number, text.as_text().as_bytes()),
        other => return Err(EncodeError::new(column, format!("{} is no string", shown(other)))),
    }
    Ok(())
}

/// Appends the bytes that an id's hex digits stand for; `""` leaves them out.
fn append_id(out: &mut Vec<u8>, number: u32, column: &'static str, size: usize, value: &Value) -> Encoded<()> {
    let text = match value {
        Value::Null => return Ok(()),
        Value::String(text) if text.is_empty() => return Ok(()),
        Value::String(text) => text.as_bytes(),
        other => return Err(EncodeError::new(column, format!("{} is no string", shown(other)))),
    };
    let digit = |digit: &u8| (*digit as char).to_digit(16).map(|digit| digit as u8);
    let digits: Option<Vec<u8>> = text.iter().map(digit).collect();
    match digits.filter(|digits| digits.len() == 2 * size) {
        Some(digits) => {
            let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
            append_bytes(out, number, &bytes);
            Ok(())
        }
        None => Err(EncodeError::new(column, format!("{} is not {} hex digits", shown(value), 2 * size))),
    }
}

/// Returns the number of an enum's word; a number as text is itself, as readers show one without a word.
fn enum_number(column: &'static str, words: &[&str], value: &Value) -> Encoded<i32> {
    let text = match value {
        Value::Null => return Ok(0),
        Value::String(text) if text.is_empty() => return Ok(0),
        Value::String(text) => text.as_text(),
        other => return Err(EncodeError::new(column, format!("{} is no string", shown(other)))),
    };
    match words.iter().position(|word| *word == text) {
        Some(index) => Ok(index as i32),
        None => text.parse::<i32>().map_err(|_| {
            let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
            EncodeError::new(column, format!("{} is none of {}", shown(value), words.join(", ")))
        }),
    }
}

/// Returns a time as OTLP counts it: nanoseconds since 1970, 0 when there is none. A dynamic may hold it as text.
fn unix_nanos(column: &'static str, value: &Value) -> Encoded<u64> {
    let ticks = match value {
        Value::Null => return Ok(0),
        Value::DateTime(ticks) => Some(*ticks),
        Value::String(text) if text.is_empty() => return Ok(0),
        Value::String(text) => ticks_from_iso(text.as_bytes()),
        _ => None,
    };
    let ticks = ticks.ok_or_else(|| EncodeError::new(column, format!("{} is no datetime", shown(value))))?;
    nanos_from_ticks(ticks).ok_or_else(|| {
        EncodeError::new(column, format!("{} is outside of 1970 to 2554, which OTLP's times can hold", shown(value)))
    })
}

fn nanos_from_ticks(ticks: i64) -> Option<u64> {
    u64::try_from(ticks.checked_sub(UNIX_EPOCH_TICKS)?).ok()?.checked_mul(100)
}

/// Returns the bag in a column, or `None` for null.
fn bag<'v>(column: &'static str, value: &'v Value) -> Encoded<Option<&'v Bag>> {
    match value {
        Value::Null => Ok(None),
        Value::Bag(bag) => Ok(Some(bag)),
        other => Err(EncodeError::new(column, format!("{} is no bag", shown(other)))),
    }
}

/// Appends the properties of a bag as `KeyValue`s.
fn append_attributes(out: &mut Vec<u8>, number: u32, column: &'static str, value: &Value) -> Encoded<()> {
    for (key, value) in bag(column, value)?.into_iter().flat_map(Bag::iter) {
        append_key_value(out, number, key, value);
    }
    Ok(())
}

/// Refuses properties that the message has no field for: they would be lost.
fn check_keys(column: &'static str, bag: &Bag, known: &[&str]) -> Encoded<()> {
    match bag.iter().find(|(key, _)| !known.iter().any(|known| known.as_bytes() == key.as_bytes())) {
        Some((key, _)) => {
            let reason = format!("OTLP has no place for its property `{key}`, only for {}", known.join(", "));
            Err(EncodeError::new(column, reason))
        }
        None => Ok(()),
    }
}

/// Returns a property of a bag; null when there is none.
fn property<'b>(bag: &'b Bag, key: &str) -> &'b Value {
    bag.get(key.as_bytes()).unwrap_or(&MISSING)
}
