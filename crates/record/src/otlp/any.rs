//! `AnyValue` and lists of `KeyValue`, from wire views to dynamic values and from values to bytes.
//!
//! Integers become `long`, doubles `real`, bytes base64 text, arrays and key-value lists what they are. Of a repeated
//! field or key the first is read; a key that is only an index into a string table (`key_strindex`) is no key. Nesting
//! is bounded by the caller. Next: `otlp/edit_any.rs`, which writes values over values.

use crate::stream::Inside;
use crate::wire::{
    Field, Fields, WireError, append_bytes_field, append_fixed64_field, append_message_field, append_varint_field,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtq_value::{Bag, Str, Value, scalar::format};

/// Nesting of arrays and bags that is written.
///
/// Each bag costs three messages (AnyValue, KeyValueList, KeyValue); common readers refuse more than 100 in all
/// (prost's and protobuf's recursion limit), of which up to ten stand around the value.
pub const WRITTEN_NESTING_MAX: usize = 30;

/// Field `key_strindex` of `KeyValue`: an index into the string table of a profile (common.proto 1.x).
pub(crate) const KEY_STRINDEX: u32 = 3;

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
pub(crate) fn member_value(field: &Field<'_>, nesting_max: usize) -> Result<Option<Value>, WireError> {
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
        if field.number == number
            && let (Some(key), value) = key_value_of(field.message()?, nesting_max)?
        {
            bag.set_if_absent(Str::from(key), value);
        }
    }
    Ok(bag)
}

/// Returns of such a bag what is read inside of it; values of other keys are not looked into.
///
/// # Errors
/// When the encoding of what is read, or of what stands in front of it, is malformed or nested too deep.
pub(crate) fn bag_inside(
    fields: Fields<'_>,
    number: u32,
    inside: &Inside,
    nesting_max: usize,
) -> Result<Bag, WireError> {
    let Inside::Keys(keys) = inside else { return bag_of(fields, number, nesting_max) };
    let mut bag = Bag::new();
    for field in fields {
        let field = field?;
        if field.number != number {
            continue;
        }
        let entry = field.message()?;
        let Some(key) = key_of(entry.clone())? else { continue };
        if let Some((name, _)) = keys.iter().find(|(name, _)| name.as_bytes() == key)
            && bag.get(key).is_none()
        {
            bag.set(name.clone(), key_value_of(entry, nesting_max)?.1);
            if bag.count() == keys.len() {
                break;
            }
        }
    }
    Ok(bag)
}

/// Reads the key of a `KeyValue`, unless it stands in a string table.
fn key_of<'a>(fields: Fields<'a>) -> Result<Option<&'a [u8]>, WireError> {
    let mut is_indexed = false;
    for field in fields {
        let field = field?;
        match field.number {
            1 => return field.bytes().map(Some),
            KEY_STRINDEX => is_indexed |= field.varint()? != 0,
            _ => {}
        }
    }
    Ok(if is_indexed { None } else { Some(&[]) })
}

/// Returns the text of an `AnyValue` that holds a string and nothing else; it is empty for one that holds nothing.
pub(crate) fn string_of(mut fields: Fields<'_>) -> Option<&[u8]> {
    match (fields.next(), fields.next()) {
        (Some(Ok(field)), None) if field.number == 1 => field.bytes().ok(),
        (None, _) => Some(&[]),
        _ => None,
    }
}

/// Reads a `KeyValue`: its key, unless the key stands in a string table, and its value.
fn key_value_of<'a>(fields: Fields<'a>, nesting_max: usize) -> Result<(Option<&'a [u8]>, Value), WireError> {
    let (mut key, mut value, mut is_indexed) = (None, None, false);
    for field in fields {
        let field = field?;
        match field.number {
            1 => drop(key.get_or_insert(field.bytes()?)),
            2 if value.is_none() => value = Some(value_of(field.message()?, nesting_max)?),
            2 => drop(field.bytes()?),
            KEY_STRINDEX => is_indexed |= field.varint()? != 0,
            _ => {}
        }
    }
    let key = if key.is_none() && is_indexed { None } else { Some(key.unwrap_or_default()) };
    Ok((key, value.unwrap_or_default()))
}

/// Appends the content of the `AnyValue` that stands for a value; null is an empty one.
///
/// Int and long become integers, real and decimal doubles, datetime, timespan and guid their text as `tostring` gives
/// it. Text that is not UTF-8 gets U+FFFD, because OTLP's strings are UTF-8. What is nested deeper than
/// [`WRITTEN_NESTING_MAX`] is written as its JSON text, so that every reader can still decode the record.
pub fn append_any(out: &mut Vec<u8>, value: &Value) {
    append_any_within(out, value, WRITTEN_NESTING_MAX);
}

pub(crate) fn append_any_within(out: &mut Vec<u8>, value: &Value, nesting_max: usize) {
    match value {
        Value::Null => {}
        Value::Bool(value) => append_varint_field(out, 2, u64::from(*value)),
        // An int64 is a varint of its two's complement (protobuf.dev, "Encoding").
        Value::Int(number) => append_varint_field(out, 3, i64::from(*number) as u64),
        Value::Long(number) => append_varint_field(out, 3, *number as u64),
        Value::Real(number) => append_fixed64_field(out, 4, number.to_bits()),
        Value::Decimal(number) => append_fixed64_field(out, 4, real_of(number).to_bits()),
        Value::Array(items) if nesting_max > 0 => append_message_field(out, 5, |out| {
            for item in items.iter() {
                append_message_field(out, 1, |out| append_any_within(out, item, nesting_max - 1));
            }
        }),
        Value::Bag(bag) if nesting_max > 0 => append_message_field(out, 6, |out| {
            for (key, value) in bag.iter() {
                append_key_value_within(out, 1, key, value, nesting_max - 1);
            }
        }),
        text => append_text_field(out, 1, &format::dynamic_text(text)),
    }
}

/// Returns what a value reads as once it has been written: an int is a long then, a datetime its text.
pub fn read_back(value: Value) -> Value {
    if is_settled(&value, WRITTEN_NESTING_MAX) {
        return value;
    }
    let mut written = Vec::new();
    append_any(&mut written, &value);
    value_of(Fields::new(&written), WRITTEN_NESTING_MAX + 1).unwrap_or(value)
}

/// Says whether a value reads as itself once it has been written.
fn is_settled(value: &Value, nesting_max: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Long(_) | Value::Real(_) => true,
        Value::String(text) => std::str::from_utf8(text.as_bytes()).is_ok(),
        Value::Array(items) => nesting_max > 0 && items.iter().all(|item| is_settled(item, nesting_max - 1)),
        Value::Bag(bag) => {
            let is_text = |key: &Str| std::str::from_utf8(key.as_bytes()).is_ok();
            nesting_max > 0 && bag.iter().all(|(key, value)| is_text(key) && is_settled(value, nesting_max - 1))
        }
        _ => false,
    }
}

/// Appends a `KeyValue` as field `number` of a message.
pub fn append_key_value(out: &mut Vec<u8>, number: u32, key: &Str, value: &Value) {
    append_key_value_within(out, number, key, value, WRITTEN_NESTING_MAX);
}

pub(crate) fn append_key_value_within(out: &mut Vec<u8>, number: u32, key: &Str, value: &Value, nesting_max: usize) {
    append_message_field(out, number, |out| {
        append_text_field(out, 1, key.as_bytes());
        append_message_field(out, 2, |out| append_any_within(out, value, nesting_max));
    });
}

/// Appends a string field; bytes that are not UTF-8 become U+FFFD, or no protobuf reader would take the message.
pub fn append_text_field(out: &mut Vec<u8>, number: u32, text: &[u8]) {
    append_bytes_field(out, number, String::from_utf8_lossy(text).as_bytes());
}

/// Returns the double that is nearest to a decimal.
pub(crate) fn real_of(number: &dtq_value::Decimal) -> f64 {
    match dtq_value::scalar::convert::real(&Value::Decimal(*number)) {
        Value::Real(number) => number,
        _ => unreachable!("every decimal lies in the range of a double"),
    }
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
