//! Edits of columns to edits of bytes: a record and what its columns are to be, to the record that leaves.
//!
//! Every edit is a splice: fields that it does not name, known or not, stay byte for byte, and setting what is there
//! already changes nothing. Of a repeated field the first is replaced and the others go. What a column is made of stands
//! in `shape_of`; how values are written over values, in `otlp/edit_any.rs`. Next: `otlp/assemble.rs`.

use super::any::{append_text_field, value_of};
use super::edit_any::{
    Depth, KeyEdits, append_unless_empty, edit_any, edit_any_keys, edit_items, edit_key_values, first_field,
    replace_fields,
};
use super::metrics::{self, Kind, NO_RECORDED_VALUE};
use super::reader::resource_column;
use super::spans::{self, event_of, link_of};
use super::{any, logs};
use crate::slot::WordList;
use crate::tables::Base;
use crate::time::{UNIX_EPOCH_TICKS, ticks_from_unix_nanos};
use crate::wire::{
    Fields, WireError, append_bytes_field, append_fixed32_field, append_fixed64_field, append_varint_field,
};
use dtq_value::{Bag, Str, Value, scalar::convert};

/// Holds what becomes of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnEdit {
    /// It gets this value; null empties it.
    Set(Value),
    /// Keys of its bag are set, or with `None` removed; the others stay. Of two edits of one key the last counts.
    Keys(Vec<(Str, Option<Value>)>),
}

const WRONG_TYPE: WireError = WireError { offset: 0, reason: "a column cannot hold a value of this type" };
const READ_ONLY: WireError = WireError { offset: 0, reason: "the column is read-only" };

/// Names how a column stands in its message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Time(u32),
    Text(u32),
    /// With its size in bytes.
    Id(u32, usize),
    Int(u32),
    TraceFlags(u32),
    Word(u32, WordList),
    Any(u32),
    Attributes(u32),
    Events,
    Links,
    StatusCode,
    StatusMessage,
    /// The number of a gauge or sum.
    PointValue,
}

/// Returns the shape of a column that can be edited.
fn shape_of(base: Base, column: usize) -> Option<Shape> {
    use logs::column as l;
    use spans::column as s;
    Some(match (base, column) {
        (Base::Logs, l::OBSERVED_TIMESTAMP) => Shape::Time(11),
        (Base::Logs, l::TRACE_ID) => Shape::Id(9, 16),
        (Base::Logs, l::SPAN_ID) => Shape::Id(10, 8),
        (Base::Logs, l::TRACE_FLAGS) => Shape::TraceFlags(8),
        (Base::Logs, l::SEVERITY_NUMBER) => Shape::Int(2),
        (Base::Logs, l::SEVERITY_TEXT) => Shape::Text(3),
        (Base::Logs, l::EVENT_NAME) => Shape::Text(12),
        (Base::Logs, l::BODY) => Shape::Any(5),
        (Base::Logs, l::ATTRIBUTES) => Shape::Attributes(6),
        (Base::Spans, s::TRACE_ID) => Shape::Id(1, 16),
        (Base::Spans, s::SPAN_ID) => Shape::Id(2, 8),
        (Base::Spans, s::PARENT_SPAN_ID) => Shape::Id(4, 8),
        (Base::Spans, s::TRACE_STATE) => Shape::Text(3),
        (Base::Spans, s::SPAN_NAME) => Shape::Text(5),
        (Base::Spans, s::SPAN_KIND) => Shape::Word(6, WordList::SpanKind),
        (Base::Spans, s::START_TIME) => Shape::Time(7),
        (Base::Spans, s::END_TIME) => Shape::Time(8),
        (Base::Spans, s::STATUS_CODE) => Shape::StatusCode,
        (Base::Spans, s::STATUS_MESSAGE) => Shape::StatusMessage,
        (Base::Spans, s::ATTRIBUTES) => Shape::Attributes(9),
        (Base::Spans, s::EVENTS) => Shape::Events,
        (Base::Spans, s::LINKS) => Shape::Links,
        _ => return None,
    })
}

/// Says whether rules can write a column of a standard table in the record, point, metric or resource itself.
pub fn is_editable(base: Base, column: usize) -> bool {
    use metrics::column as m;
    match base {
        Base::Metrics => {
            matches!(column, m::METRIC_NAME | m::METRIC_UNIT | m::METRIC_DESCRIPTION | m::METRIC_VALUE | m::ATTRIBUTES)
        }
        Base::Resources => column == resource_column::ATTRIBUTES,
        Base::Logs | Base::Spans => shape_of(base, column).is_some(),
    }
}

/// Returns the field of a record that holds the attributes of a column, where it is the same for all records of a table.
pub(super) fn attributes_number(base: Base, column: usize) -> Option<u32> {
    match shape_of(base, column) {
        Some(Shape::Attributes(number)) => Some(number),
        _ => None,
    }
}

/// Says whether it must be tried if a column can get a value: a word may be no SpanKind, a key of an alias no text.
pub fn can_refuse(base: Base, column: usize, value: &Value) -> bool {
    let shape = match base {
        Base::Metrics if column == metrics::column::METRIC_VALUE => return true,
        Base::Metrics if column == metrics::column::ATTRIBUTES => Some(Shape::Attributes(0)),
        Base::Metrics => Some(Shape::Text(0)),
        Base::Resources => Some(Shape::Attributes(0)),
        Base::Logs | Base::Spans => shape_of(base, column),
    };
    let fits = match shape {
        Some(Shape::Text(_) | Shape::StatusMessage) => matches!(value, Value::String(_)),
        Some(Shape::Int(_)) => matches!(value, Value::Int(_)),
        Some(Shape::Attributes(_)) => matches!(value, Value::Bag(_)),
        _ => false,
    };
    !fits && !value.is_null()
}

/// Returns what a column reads as once it has been given a value that fits it: an emptied StatusCode is `Unset`.
pub fn read_back(base: Base, column: usize, value: Value) -> Value {
    let shape = match base {
        Base::Metrics if column == metrics::column::METRIC_VALUE => return value,
        Base::Metrics if column != metrics::column::ATTRIBUTES => Some(Shape::Text(0)),
        Base::Metrics | Base::Resources => Some(Shape::Attributes(0)),
        Base::Logs | Base::Spans => shape_of(base, column),
    };
    let is_empty = value.is_null() || matches!(&value, Value::String(text) if text.as_bytes().is_empty());
    match (shape, &value) {
        (Some(Shape::StatusCode), _) if is_empty => spans::word(WordList::StatusCode.words(), None),
        (Some(Shape::Text(_) | Shape::StatusMessage | Shape::Word(..) | Shape::Id(..)), Value::Null) => {
            Value::string("")
        }
        (Some(Shape::Id(..)), Value::String(text)) => {
            id_of(text.as_bytes()).map_or(value.clone(), |id| any::id_text(Some(&id)))
        }
        (Some(Shape::Int(_) | Shape::TraceFlags(_)), Value::Null) => Value::Int(0),
        (Some(Shape::Attributes(_)), Value::Null) => Value::bag(Bag::new()),
        (Some(Shape::Events | Shape::Links), Value::Null) => Value::array(Vec::new()),
        (Some(Shape::Attributes(_) | Shape::Any(_)), _) => any::read_back(value),
        _ => value,
    }
}

/// Returns a `LogRecord` or `Span` after edits of its columns, one after the other.
///
/// # Errors
/// When a column is read-only, a value does not fit its column, or the record is malformed. Values do not fit: a type
/// other than the column's, an id that is no hex of its size, a word that an enumeration does not have, a time that is
/// not between 1970 and 2554.
pub fn edit_record(
    base: Base,
    record: &[u8],
    edits: &[(usize, ColumnEdit)],
    nesting_max: usize,
) -> Result<Vec<u8>, WireError> {
    edit_all(record, edits, nesting_max, |column| shape_of(base, column))
}

/// Returns a data point after edits of `Attributes` and, for gauges and sums, `MetricValue`.
///
/// # Errors
/// As [`edit_record`].
pub fn edit_point(
    kind: Kind,
    point: &[u8],
    edits: &[(usize, ColumnEdit)],
    nesting_max: usize,
) -> Result<Vec<u8>, WireError> {
    edit_all(point, edits, nesting_max, |column| match column {
        metrics::column::ATTRIBUTES => Some(Shape::Attributes(kind.attributes_number())),
        metrics::column::METRIC_VALUE if matches!(kind, Kind::Gauge | Kind::Sum) => Some(Shape::PointValue),
        _ => None,
    })
}

/// Returns a `Metric` without data after edits of `MetricName`, `MetricUnit` and `MetricDescription`: the head that
/// points move to with `Changes::move_point`.
///
/// # Errors
/// As [`edit_record`].
pub fn edit_metric_head(
    metric: &[u8],
    edits: &[(usize, ColumnEdit)],
    nesting_max: usize,
) -> Result<Vec<u8>, WireError> {
    let head = replace_fields(metric, |number| Kind::from_field_number(number).is_some(), &[])?;
    edit_all(&head, edits, nesting_max, |column| match column {
        metrics::column::METRIC_NAME => Some(Shape::Text(1)),
        metrics::column::METRIC_DESCRIPTION => Some(Shape::Text(2)),
        metrics::column::METRIC_UNIT => Some(Shape::Text(3)),
        _ => None,
    })
}

/// Returns a message after an edit of the bag in its field `number`: field 1 of a `Resource`, 3 of a scope.
///
/// # Errors
/// When the value is no bag, or the message is malformed.
pub fn edit_attributes_message(
    message: &[u8],
    number: u32,
    edit: &ColumnEdit,
    nesting_max: usize,
) -> Result<Vec<u8>, WireError> {
    let edited = edit_attributes(message, number, edit, nesting_max)?;
    Ok(edited.unwrap_or_else(|| message.to_vec()))
}

fn edit_all(
    message: &[u8],
    edits: &[(usize, ColumnEdit)],
    nesting_max: usize,
    shape: impl Fn(usize) -> Option<Shape>,
) -> Result<Vec<u8>, WireError> {
    let mut edited: Option<Vec<u8>> = None;
    for (column, edit) in edits {
        let shape = shape(*column).ok_or(READ_ONLY)?;
        let next = edit_column(edited.as_deref().unwrap_or(message), shape, edit, nesting_max)?;
        edited = next.or(edited);
    }
    Ok(edited.unwrap_or_else(|| message.to_vec()))
}

type Edited = Result<Option<Vec<u8>>, WireError>;

/// Returns the message after an edit of one column; `None` when it is so already.
fn edit_column(message: &[u8], shape: Shape, edit: &ColumnEdit, nesting_max: usize) -> Edited {
    let value = match (shape, edit) {
        (Shape::Attributes(number), _) => return edit_attributes(message, number, edit, nesting_max),
        (Shape::Any(number), ColumnEdit::Keys(list)) => {
            let old = bytes_of(message, number)?;
            let edited = edit_any_keys(old, &KeyEdits::new(list), Depth::new(nesting_max))?;
            return replace_message(message, number, edited);
        }
        (_, ColumnEdit::Keys(_)) => return Err(WRONG_TYPE),
        (_, ColumnEdit::Set(value)) => value,
    };
    match shape {
        Shape::Time(number) => edit_time(message, number, value),
        Shape::Text(number) => edit_text(message, number, value),
        Shape::Id(number, size) => edit_id(message, number, size, value),
        Shape::Int(number) => edit_int(message, number, int_of(value)?),
        Shape::TraceFlags(number) => edit_trace_flags(message, number, int_of(value)?),
        Shape::Word(number, list) => edit_word(message, number, list, value),
        Shape::Any(number) => edit_body(message, number, value, nesting_max),
        Shape::StatusCode => {
            let status = edit_word(bytes_of(message, 15)?, 3, WordList::StatusCode, value)?;
            replace_message(message, 15, status)
        }
        Shape::StatusMessage => {
            let status = edit_text(bytes_of(message, 15)?, 2, value)?;
            replace_message(message, 15, status)
        }
        Shape::Events => {
            let read = |bytes: &[u8]| event_of(Fields::new(bytes), nesting_max);
            edit_items(message, 11, items_of(value)?, read, |old, new| edit_event(old, new, nesting_max))
        }
        Shape::Links => {
            let read = |bytes: &[u8]| link_of(Fields::new(bytes), nesting_max);
            edit_items(message, 13, items_of(value)?, read, |old, new| edit_link(old, new, nesting_max))
        }
        Shape::PointValue => edit_point_value(message, value),
        Shape::Attributes(_) => unreachable!("returned above"),
    }
}

/// Returns the content of the first field with a number; an absent one is empty.
fn bytes_of(message: &[u8], number: u32) -> Result<&[u8], WireError> {
    match first_field(message, |own| own == number)? {
        Some(field) => field.bytes(),
        None => Ok(&[]),
    }
}

fn replace_field(message: &[u8], number: u32, append: impl FnOnce(&mut Vec<u8>)) -> Edited {
    let mut field = Vec::new();
    append(&mut field);
    replace_fields(message, |own| own == number, &field).map(Some)
}

fn replace_message(message: &[u8], number: u32, content: Option<Vec<u8>>) -> Edited {
    match content {
        Some(content) => replace_field(message, number, |out| append_bytes_field(out, number, &content)),
        None => Ok(None),
    }
}

fn edit_time(message: &[u8], number: u32, value: &Value) -> Edited {
    let ticks = match value {
        Value::Null => None,
        Value::DateTime(ticks) => Some(*ticks),
        // In a dynamic that was JSON in between, a time has become its text.
        Value::String(_) => match convert::datetime(value) {
            Value::DateTime(ticks) => Some(ticks),
            _ => return Err(WRONG_TYPE),
        },
        _ => return Err(WRONG_TYPE),
    };
    let old = first_field(message, |own| own == number)?.map(|field| field.fixed64()).transpose()?;
    if old.and_then(ticks_from_unix_nanos) == ticks {
        return Ok(None);
    }
    let Some(ticks) = ticks else { return replace_field(message, number, |_| {}) };
    let range = WireError { offset: 0, reason: "a time is not between 1970 and 2554" };
    let since = ticks.checked_sub(UNIX_EPOCH_TICKS).and_then(|ticks| u64::try_from(ticks).ok());
    // 0 ns is how OTLP says that there is no time.
    let time_ns = since.and_then(|ticks| ticks.checked_mul(100)).filter(|time_ns| *time_ns > 0).ok_or(range)?;
    replace_field(message, number, |out| append_fixed64_field(out, number, time_ns))
}

fn text_of(value: &Value) -> Result<&[u8], WireError> {
    match value {
        Value::String(text) => Ok(text.as_bytes()),
        Value::Null => Ok(b""),
        _ => Err(WRONG_TYPE),
    }
}

fn edit_text(message: &[u8], number: u32, value: &Value) -> Edited {
    let text = text_of(value)?;
    if bytes_of(message, number)? == text {
        return Ok(None);
    }
    replace_field(message, number, |out| {
        if !text.is_empty() {
            append_text_field(out, number, text);
        }
    })
}

fn edit_id(message: &[u8], number: u32, size: usize, value: &Value) -> Edited {
    let text = text_of(value)?;
    if any::id_text(Some(bytes_of(message, number)?)) == Value::string(text) {
        return Ok(None);
    }
    let id = id_of(text).filter(|id| id.is_empty() || id.len() == size);
    let id = id.ok_or(WireError { offset: 0, reason: "an id is not the hex text of its size" })?;
    replace_field(message, number, |out| append_unless_empty(out, number, &id))
}

fn id_of(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

fn int_of(value: &Value) -> Result<i32, WireError> {
    match value {
        Value::Null => Ok(0),
        Value::Int(number) => Ok(*number),
        Value::Long(number) => i32::try_from(*number).map_err(|_| WRONG_TYPE),
        _ => Err(WRONG_TYPE),
    }
}

fn edit_int(message: &[u8], number: u32, value: i32) -> Edited {
    let old = first_field(message, |own| own == number)?.map(|field| field.varint()).transpose()?;
    if old.unwrap_or(0) as i32 == value {
        return Ok(None);
    }
    replace_field(message, number, |out| {
        if value != 0 {
            // Negative numbers of an int32 are sign-extended to 64 bits (protobuf.dev, "Encoding").
            append_varint_field(out, number, i64::from(value) as u64);
        }
    })
}

/// Edits the low eight bits, which are the flags of W3C; the others are reserved and stay (logs.proto).
fn edit_trace_flags(message: &[u8], number: u32, value: i32) -> Edited {
    let flags = u8::try_from(value).map_err(|_| WireError { offset: 0, reason: "trace flags are 0 to 255" })?;
    let old = first_field(message, |own| own == number)?.map(|field| field.fixed32()).transpose()?.unwrap_or(0);
    let new = old & !0xFF | u32::from(flags);
    if old == new {
        return Ok(None);
    }
    replace_field(message, number, |out| {
        if new != 0 {
            append_fixed32_field(out, number, new);
        }
    })
}

fn edit_word(message: &[u8], number: u32, list: WordList, value: &Value) -> Edited {
    let text = text_of(value)?;
    let old = first_field(message, |own| own == number)?.map(|field| field.varint()).transpose()?;
    if spans::word(list.words(), old) == Value::string(text) {
        return Ok(None);
    }
    let position = list.words().iter().position(|word| word.as_bytes() == text);
    // An emptied column is one that is not set, also where that has a word.
    let position = position.or(text.is_empty().then_some(0));
    let position = position.ok_or(WireError { offset: 0, reason: "an enumeration does not have this word" })?;
    if old.unwrap_or(0) as i32 == position as i32 {
        return Ok(None);
    }
    replace_field(message, number, |out| {
        if position != 0 {
            append_varint_field(out, number, position as u64);
        }
    })
}

fn edit_body(message: &[u8], number: u32, value: &Value, nesting_max: usize) -> Edited {
    let old = bytes_of(message, number)?;
    if value.is_null() && value_of(Fields::new(old), nesting_max)?.is_null() {
        return Ok(None);
    }
    if value.is_null() {
        return replace_field(message, number, |_| {});
    }
    replace_message(message, number, edit_any(old, value, Depth::new(nesting_max))?)
}

fn edit_attributes(message: &[u8], number: u32, edit: &ColumnEdit, nesting_max: usize) -> Edited {
    let empty = Bag::new();
    let edits = match edit {
        ColumnEdit::Set(Value::Bag(bag)) => KeyEdits::Bag(bag),
        ColumnEdit::Set(Value::Null) => KeyEdits::Bag(&empty),
        ColumnEdit::Set(_) => return Err(WRONG_TYPE),
        ColumnEdit::Keys(list) => KeyEdits::new(list),
    };
    edit_key_values(message, number, &edits, Depth::new(nesting_max))
}

fn items_of(value: &Value) -> Result<&[Value], WireError> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(&[]),
        _ => Err(WRONG_TYPE),
    }
}

/// Edits a `Span.Event`: Timestamp, Name, Attributes.
fn edit_event(old: &[u8], new: &Value, nesting_max: usize) -> Edited {
    let columns = [("Timestamp", Shape::Time(1)), ("Name", Shape::Text(2)), ("Attributes", Shape::Attributes(3))];
    edit_columns(old, new, &columns, nesting_max)
}

/// Edits a `Span.Link`: TraceId, SpanId, TraceState, Attributes.
fn edit_link(old: &[u8], new: &Value, nesting_max: usize) -> Edited {
    let columns = [
        ("TraceId", Shape::Id(1, 16)),
        ("SpanId", Shape::Id(2, 8)),
        ("TraceState", Shape::Text(3)),
        ("Attributes", Shape::Attributes(4)),
    ];
    edit_columns(old, new, &columns, nesting_max)
}

/// Edits a message that is shown as a bag; a key that it does not have is an error, one that is missing is emptied.
fn edit_columns(old: &[u8], new: &Value, columns: &[(&str, Shape)], nesting_max: usize) -> Edited {
    let Value::Bag(bag) = new else { return Err(WRONG_TYPE) };
    let is_known = |key: &Str| columns.iter().any(|(name, _)| name.as_bytes() == key.as_bytes());
    if !bag.iter().all(|(key, _)| is_known(key)) {
        return Err(WireError { offset: 0, reason: "an event or link does not have this key" });
    }
    let mut edited: Option<Vec<u8>> = None;
    for (name, shape) in columns {
        let value = bag.get(name.as_bytes()).cloned().unwrap_or_default();
        let next = edit_column(edited.as_deref().unwrap_or(old), *shape, &ColumnEdit::Set(value), nesting_max)?;
        edited = next.or(edited);
    }
    Ok(edited)
}

/// Edits the number of a `NumberDataPoint`: an integer stays one where the new number is one.
fn edit_point_value(point: &[u8], value: &Value) -> Edited {
    let number = match value {
        Value::Null => None,
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => match convert::real(value) {
            Value::Real(number) => Some(number),
            _ => return Err(WRONG_TYPE),
        },
        _ => return Err(WRONG_TYPE),
    };
    let is_value = |number: u32| matches!(number, 4 | 6);
    let old = first_field(point, is_value)?;
    let was_integer = old.is_some_and(|field| field.number == 6);
    let old = old.map(|field| field.fixed64()).transpose()?;
    let old = old.map(|bits| if was_integer { bits as i64 as f64 } else { f64::from_bits(bits) });
    let flags = first_field(point, |number| number == 8)?.map(|field| field.varint()).transpose()?.unwrap_or(0);
    let is_recorded = flags & NO_RECORDED_VALUE == 0;
    if old.filter(|_| is_recorded).map(f64::to_bits) == number.map(f64::to_bits) {
        return Ok(None);
    }
    let mut field = Vec::new();
    if let Some(number) = number {
        // Every integral real below 2^63 has an i64.
        if was_integer && number.fract() == 0.0 && number.abs() < 9.2e18 {
            append_fixed64_field(&mut field, 6, number as i64 as u64);
        } else {
            append_fixed64_field(&mut field, 4, number.to_bits());
        }
    }
    let edited = replace_fields(point, is_value, &field)?;
    if is_recorded || number.is_none() {
        return Ok(Some(edited));
    }
    edit_int(&edited, 8, (flags & !NO_RECORDED_VALUE) as i32).map(|flagged| flagged.or(Some(edited)))
}
