//! One `LogRecord` to the columns of `logs`: a view of where the fields are first, then only the columns that are read.

use super::any::{bag_inside, bag_of, id_text, string_of, text, time, value_of};
use super::needs::Peek;
use crate::stream::{Inside, Row};
use crate::wire::{Fields, WireError};
use dtq_value::Value;

/// The columns of `logs` in the order of `tables/logs.json`.
pub mod column {
    #![allow(missing_docs)]
    pub const TIMESTAMP: usize = 0;
    pub const OBSERVED_TIMESTAMP: usize = 1;
    pub const TRACE_ID: usize = 2;
    pub const SPAN_ID: usize = 3;
    pub const TRACE_FLAGS: usize = 4;
    pub const SEVERITY_NUMBER: usize = 5;
    pub const SEVERITY_TEXT: usize = 6;
    pub const EVENT_NAME: usize = 7;
    pub const BODY: usize = 8;
    pub const ATTRIBUTES: usize = 9;
    pub const RESOURCE: usize = 10;
    pub const SCOPE: usize = 11;
    pub const COUNT: usize = 12;
}

/// Holds the first occurrence of each singular field of a `LogRecord` (logs.proto).
#[derive(Clone, Debug, Default)]
pub struct LogView<'a> {
    record: &'a [u8],
    base: usize,
    time_ns: Option<u64>,
    observed_time_ns: Option<u64>,
    severity_number: Option<u64>,
    severity_text: Option<&'a [u8]>,
    body: Option<(&'a [u8], usize)>,
    flags: Option<u32>,
    trace_id: Option<&'a [u8]>,
    span_id: Option<&'a [u8]>,
    event_name: Option<&'a [u8]>,
}

impl<'a> LogView<'a> {
    /// Returns the view of a record that starts at `base`.
    ///
    /// # Errors
    /// When a field of the record itself is malformed; messages inside it are not looked into.
    pub fn parse(record: &'a [u8], base: usize) -> Result<Self, WireError> {
        let mut view = LogView { record, base, ..LogView::default() };
        for field in Fields::at(record, base) {
            let field = field?;
            match field.number {
                1 => drop(view.time_ns.get_or_insert(field.fixed64()?)),
                2 => drop(view.severity_number.get_or_insert(field.varint()?)),
                3 => drop(view.severity_text.get_or_insert(field.bytes()?)),
                5 => {
                    let bytes = field.bytes()?;
                    view.body.get_or_insert((bytes, field.end - bytes.len()));
                }
                6 => drop(field.bytes()?),
                7 => drop(field.varint()?),
                8 => drop(view.flags.get_or_insert(field.fixed32()?)),
                9 => drop(view.trace_id.get_or_insert(field.bytes()?)),
                10 => drop(view.span_id.get_or_insert(field.bytes()?)),
                11 => drop(view.observed_time_ns.get_or_insert(field.fixed64()?)),
                12 => drop(view.event_name.get_or_insert(field.bytes()?)),
                _ => {}
            }
        }
        Ok(view)
    }

    /// Returns the value of a column other than Resource and Scope.
    ///
    /// # Errors
    /// When a message inside the record is malformed.
    pub fn value(&self, column: usize, nesting_max: usize) -> Result<Value, WireError> {
        Ok(match column {
            column::TIMESTAMP => time(self.time_ns.filter(|time_ns| *time_ns != 0).or(self.observed_time_ns)),
            column::OBSERVED_TIMESTAMP => time(self.observed_time_ns),
            column::TRACE_ID => id_text(self.trace_id),
            column::SPAN_ID => id_text(self.span_id),
            // The low eight bits are the W3C trace flags; the others are reserved (logs.proto, `LogRecordFlags`).
            column::TRACE_FLAGS => Value::Int((self.flags.unwrap_or(0) & 0xFF) as i32),
            // An enum is an int32 on the wire, sign-extended to 64 bits.
            column::SEVERITY_NUMBER => Value::Int(self.severity_number.unwrap_or(0) as i32),
            column::SEVERITY_TEXT => text(self.severity_text),
            column::EVENT_NAME => text(self.event_name),
            column::BODY => match self.body {
                Some((bytes, base)) => value_of(Fields::at(bytes, base), nesting_max)?,
                None => Value::Null,
            },
            column::ATTRIBUTES => return self.attributes(&Inside::Whole, nesting_max),
            _ => Value::Null,
        })
    }

    /// Returns what is read inside of the attributes.
    ///
    /// # Errors
    /// When what is read, or what stands in front of it, is malformed.
    pub(crate) fn attributes(&self, inside: &Inside, nesting_max: usize) -> Result<Value, WireError> {
        Ok(Value::bag(bag_inside(Fields::at(self.record, self.base), 6, inside, nesting_max)?))
    }
}

impl Peek for LogView<'_> {
    fn integer(&self, column: usize) -> Option<i64> {
        (column == column::SEVERITY_NUMBER).then(|| i64::from(self.severity_number.unwrap_or(0) as i32))
    }

    fn text(&self, column: usize) -> Option<&[u8]> {
        match column {
            column::SEVERITY_TEXT => Some(self.severity_text.unwrap_or_default()),
            column::EVENT_NAME => Some(self.event_name.unwrap_or_default()),
            column::BODY => match self.body {
                Some((bytes, base)) => string_of(Fields::at(bytes, base)),
                None => Some(&[]),
            },
            _ => None,
        }
    }
}

/// Returns the row of a `LogRecord` and its `Resource`; Scope is null, as for those who only look at what rules can change.
///
/// # Errors
/// When either is malformed.
pub fn row(record: &[u8], resource: &[u8], nesting_max: usize) -> Result<Row, WireError> {
    let view = LogView::parse(record, 0)?;
    let mut row = (0..column::COUNT).map(|at| view.value(at, nesting_max)).collect::<Result<Row, _>>()?;
    row[column::RESOURCE] = Value::bag(bag_of(Fields::new(resource), 1, nesting_max)?);
    Ok(row)
}
