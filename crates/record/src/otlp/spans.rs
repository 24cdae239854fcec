//! One `Span` to the columns of `spans`: a view of where the fields are first, then only the columns that are read.

use super::any::{bag_inside, bag_of, id_text, text, time};
use super::needs::Peek;
use crate::stream::Inside;
use crate::wire::{Fields, WireError};
use dtq_value::{Bag, Str, Value};

/// The columns of `spans` in the order of `tables/spans.json`.
pub mod column {
    #![allow(missing_docs)]
    pub const TRACE_ID: usize = 0;
    pub const SPAN_ID: usize = 1;
    pub const PARENT_SPAN_ID: usize = 2;
    pub const TRACE_STATE: usize = 3;
    pub const SPAN_NAME: usize = 4;
    pub const SPAN_KIND: usize = 5;
    pub const START_TIME: usize = 6;
    pub const END_TIME: usize = 7;
    pub const DURATION: usize = 8;
    pub const STATUS_CODE: usize = 9;
    pub const STATUS_MESSAGE: usize = 10;
    pub const ATTRIBUTES: usize = 11;
    pub const RESOURCE: usize = 12;
    pub const SCOPE: usize = 13;
    pub const EVENTS: usize = 14;
    pub const LINKS: usize = 15;
    pub const COUNT: usize = 16;
}

/// Names of `Span.SpanKind` by number (trace.proto). An unspecified kind is `""`, as other missing texts are.
pub(crate) const KINDS: [&str; 6] = ["", "Internal", "Server", "Client", "Producer", "Consumer"];
/// Names of `Status.StatusCode` by number (trace.proto).
pub(crate) const STATUS_CODES: [&str; 3] = ["Unset", "Ok", "Error"];

/// Holds the first occurrence of each singular field of a `Span` (trace.proto).
#[derive(Clone, Debug, Default)]
pub struct SpanView<'a> {
    record: &'a [u8],
    base: usize,
    trace_id: Option<&'a [u8]>,
    span_id: Option<&'a [u8]>,
    parent_span_id: Option<&'a [u8]>,
    trace_state: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    kind: Option<u64>,
    start_ns: Option<u64>,
    end_ns: Option<u64>,
    status: Option<(&'a [u8], usize)>,
}

impl<'a> SpanView<'a> {
    /// Returns the view of a span that starts at `base`.
    ///
    /// # Errors
    /// When a field of the span itself is malformed; messages inside it are not looked into.
    pub fn parse(record: &'a [u8], base: usize) -> Result<Self, WireError> {
        let mut view = SpanView { record, base, ..SpanView::default() };
        for field in Fields::at(record, base) {
            let field = field?;
            match field.number {
                1 => drop(view.trace_id.get_or_insert(field.bytes()?)),
                2 => drop(view.span_id.get_or_insert(field.bytes()?)),
                3 => drop(view.trace_state.get_or_insert(field.bytes()?)),
                4 => drop(view.parent_span_id.get_or_insert(field.bytes()?)),
                5 => drop(view.name.get_or_insert(field.bytes()?)),
                6 => drop(view.kind.get_or_insert(field.varint()?)),
                7 => drop(view.start_ns.get_or_insert(field.fixed64()?)),
                8 => drop(view.end_ns.get_or_insert(field.fixed64()?)),
                9 | 11 | 13 => drop(field.bytes()?),
                10 | 12 | 14 => drop(field.varint()?),
                15 => {
                    let bytes = field.bytes()?;
                    view.status.get_or_insert((bytes, field.end - bytes.len()));
                }
                16 => drop(field.fixed32()?),
                _ => {}
            }
        }
        Ok(view)
    }

    /// Returns the value of a column other than Resource and Scope.
    ///
    /// # Errors
    /// When a message inside the span is malformed.
    pub fn value(&self, column: usize, nesting_max: usize) -> Result<Value, WireError> {
        Ok(match column {
            column::TRACE_ID => id_text(self.trace_id),
            column::SPAN_ID => id_text(self.span_id),
            column::PARENT_SPAN_ID => id_text(self.parent_span_id),
            column::TRACE_STATE => text(self.trace_state),
            column::SPAN_NAME => text(self.name),
            column::SPAN_KIND => word(&KINDS, self.kind),
            column::START_TIME => time(self.start_ns),
            column::END_TIME => time(self.end_ns),
            column::DURATION => duration(time(self.start_ns), time(self.end_ns)),
            column::STATUS_CODE => word(&STATUS_CODES, self.status()?.0),
            column::STATUS_MESSAGE => text(self.status()?.1),
            column::ATTRIBUTES => return self.attributes(&Inside::Whole, nesting_max),
            column::EVENTS => list(self.fields(), 11, nesting_max, event_of)?,
            column::LINKS => list(self.fields(), 13, nesting_max, link_of)?,
            _ => Value::Null,
        })
    }

    /// Returns what is read inside of the attributes.
    ///
    /// # Errors
    /// When what is read, or what stands in front of it, is malformed.
    pub(crate) fn attributes(&self, inside: &Inside, nesting_max: usize) -> Result<Value, WireError> {
        Ok(Value::bag(bag_inside(self.fields(), 9, inside, nesting_max)?))
    }

    fn fields(&self) -> Fields<'a> {
        Fields::at(self.record, self.base)
    }

    /// Reads code and message of the status.
    fn status(&self) -> Result<(Option<u64>, Option<&'a [u8]>), WireError> {
        let (bytes, base) = self.status.unwrap_or_default();
        let (mut code, mut message) = (None, None);
        for field in Fields::at(bytes, base) {
            let field = field?;
            match field.number {
                2 => drop(message.get_or_insert(field.bytes()?)),
                3 => drop(code.get_or_insert(field.varint()?)),
                _ => {}
            }
        }
        Ok((code, message))
    }
}

impl Peek for SpanView<'_> {
    fn integer(&self, _column: usize) -> Option<i64> {
        None
    }

    fn text(&self, column: usize) -> Option<&[u8]> {
        match column {
            column::SPAN_NAME => Some(self.name.unwrap_or_default()),
            column::TRACE_STATE => Some(self.trace_state.unwrap_or_default()),
            _ => None,
        }
    }
}

/// Returns the word for an enum number; a number without a word is shown as it is.
pub(crate) fn word(words: &[&str], number: Option<u64>) -> Value {
    let number = number.unwrap_or(0) as i32;
    match usize::try_from(number).ok().and_then(|index| words.get(index)) {
        Some(word) => Value::string(*word),
        None => Value::string(number.to_string()),
    }
}

fn duration(start: Value, end: Value) -> Value {
    match (start, end) {
        (Value::DateTime(start), Value::DateTime(end)) => Value::TimeSpan(end.wrapping_sub(start)),
        _ => Value::Null,
    }
}

type ItemReader = fn(Fields<'_>, usize) -> Result<Value, WireError>;

fn list(fields: Fields<'_>, number: u32, nesting_max: usize, read_item: ItemReader) -> Result<Value, WireError> {
    let mut items = Vec::new();
    for field in fields {
        let field = field?;
        if field.number == number {
            items.push(read_item(field.message()?, nesting_max)?);
        }
    }
    Ok(Value::array(items))
}

/// Reads `Span.Event`: Timestamp, Name, Attributes.
pub(crate) fn event_of(fields: Fields<'_>, nesting_max: usize) -> Result<Value, WireError> {
    let (mut time_ns, mut name) = (None, None);
    for field in fields.clone() {
        let field = field?;
        match field.number {
            1 => drop(time_ns.get_or_insert(field.fixed64()?)),
            2 => drop(name.get_or_insert(field.bytes()?)),
            _ => {}
        }
    }
    let mut bag = Bag::new();
    bag.set(Str::from("Timestamp"), time(time_ns));
    bag.set(Str::from("Name"), text(name));
    bag.set(Str::from("Attributes"), Value::bag(bag_of(fields, 3, nesting_max)?));
    Ok(Value::bag(bag))
}

/// Reads `Span.Link`: TraceId, SpanId, TraceState, Attributes.
pub(crate) fn link_of(fields: Fields<'_>, nesting_max: usize) -> Result<Value, WireError> {
    let (mut trace_id, mut span_id, mut trace_state) = (None, None, None);
    for field in fields.clone() {
        let field = field?;
        match field.number {
            1 => drop(trace_id.get_or_insert(field.bytes()?)),
            2 => drop(span_id.get_or_insert(field.bytes()?)),
            3 => drop(trace_state.get_or_insert(field.bytes()?)),
            _ => {}
        }
    }
    let mut bag = Bag::new();
    bag.set(Str::from("TraceId"), id_text(trace_id));
    bag.set(Str::from("SpanId"), id_text(span_id));
    bag.set(Str::from("TraceState"), text(trace_state));
    bag.set(Str::from("Attributes"), Value::bag(bag_of(fields, 4, nesting_max)?));
    Ok(Value::bag(bag))
}
