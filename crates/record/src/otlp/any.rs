//! `AnyValue` and lists of `KeyValue`, from wire views to dynamic values.
//!
//! Integers become `long`, doubles `real`, bytes base64 text, arrays and key-value lists what they are. Of a repeated
//! field or key the first is read. Nesting is bounded by the caller.

use crate::wire::{Field, Fields, WireError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtq_value::{Bag, Str, Value};

/// Returns the dynamic that an `AnyValue` holds; null when it holds nothing.
///
/// # Errors
/// When its encoding is malformed or nested deeper than `nesting_max`.
pub fn value_of(fields: Fields<'_>, nesting_max: usize) -> Result<Value, WireError> {
    let mut found = None;
    for field in fields {
        let field = field?;
        // A member that is not the first is still checked, so that what prost refuses is refused here too.
        let value = member_value(&field, nesting_max)?;
        if found.is_none() {
            found = value;
        }
    }
    Ok(found.unwrap_or_default())
}

/// Reads a member of the `oneof` (common.proto, `AnyValue`); `None` for fields that are none.
fn member_value(field: &Field<'_>, nesting_max: usize) -> Result<Option<Value>, WireError> {
    Ok(Some(match field.number {
        1 => Value::String(Str::from(field.bytes()?)),
        2 => Value::Bool(field.varint()? != 0),
        3 => Value::Long(field.varint()? as i64),
        4 => Value::Real(field.double()?),
        5 => array_of(field.message()?, deeper(field, nesting_max)?)?,
        6 => Value::bag(bag_of(field.message()?, 1, deeper(field, nesting_max)?)?),
        7 => Value::string(STANDARD.encode(field.bytes()?)),
        _ => return Ok(None),
    }))
}

fn deeper(field: &Field<'_>, nesting_max: usize) -> Result<usize, WireError> {
    nesting_max.checked_sub(1).ok_or(WireError { offset: field.offset, reason: "a value is nested too deep" })
}

fn array_of(fields: Fields<'_>, nesting_max: usize) -> Result<Value, WireError> {
    let mut items = Vec::new();
    for field in fields {
        let field = field?;
        if field.number == 1 {
            items.push(value_of(field.message()?, nesting_max)?);
        }
    }
    Ok(Value::array(items))
}

/// Returns the bag of the `KeyValue`s that stand in field `number` of a message.
///
/// # Errors
/// When the encoding is malformed or nested deeper than `nesting_max`.
pub fn bag_of(fields: Fields<'_>, number: u32, nesting_max: usize) -> Result<Bag, WireError> {
    let mut bag = Bag::new();
    for field in fields {
        let field = field?;
        if field.number == number {
            let (key, value) = key_value_of(field.message()?, nesting_max)?;
            bag.set_if_absent(key, value);
        }
    }
    Ok(bag)
}

fn key_value_of(fields: Fields<'_>, nesting_max: usize) -> Result<(Str, Value), WireError> {
    let (mut key, mut value) = (None, None);
    for field in fields {
        let field = field?;
        match field.number {
            1 => drop(key.get_or_insert(field.bytes()?)),
            2 if value.is_none() => value = Some(value_of(field.message()?, nesting_max)?),
            2 => drop(field.bytes()?),
            _ => {}
        }
    }
    Ok((Str::from(key.unwrap_or_default()), value.unwrap_or_default()))
}

/// Returns the lower-case hex text of an id.
pub fn hex(bytes: &[u8]) -> Str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    Str::from(text)
}

/// Returns a trace or span id as hex; one of only zeros is not set.
///
/// # Source
/// W3C Trace Context, "trace-id": all zeros is invalid.
pub fn id_text(id: Option<&[u8]>) -> Value {
    let bytes = id.filter(|bytes| bytes.iter().any(|byte| *byte != 0)).unwrap_or_default();
    Value::String(hex(bytes))
}

/// Returns a text field, `""` when it is not set.
pub fn text(bytes: Option<&[u8]>) -> Value {
    Value::String(Str::from(bytes.unwrap_or_default()))
}

/// Returns a time field, null when it is not set.
pub fn time(time_ns: Option<u64>) -> Value {
    time_ns.and_then(crate::time::ticks_from_unix_nanos).map_or(Value::Null, Value::DateTime)
}

/// Returns the bag that stands for a scope: Name, Version, Attributes.
///
/// # Errors
/// When its encoding is malformed.
pub fn scope_of(scope: Option<&[u8]>, base: usize, nesting_max: usize) -> Result<Value, WireError> {
    let scope = scope.unwrap_or_default();
    let (mut name, mut version) = (None, None);
    for field in Fields::at(scope, base) {
        let field = field?;
        match field.number {
            1 => drop(name.get_or_insert(field.bytes()?)),
            2 => drop(version.get_or_insert(field.bytes()?)),
            _ => {}
        }
    }
    let attributes = bag_of(Fields::at(scope, base), 3, nesting_max)?;
    let mut bag = Bag::new();
    bag.set(Str::from("Name"), text(name));
    bag.set(Str::from("Version"), text(version));
    bag.set(Str::from("Attributes"), Value::bag(attributes));
    Ok(Value::bag(bag))
}
