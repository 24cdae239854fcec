//! Values to the type of their column, and texts to the type they look like.
//!
//! This is how inputs are read; what KQL's `tolong` and its siblings mean is `value::scalar`'s. Nothing here fails: what
//! does not fit is `None`, and the caller counts it.

use crate::time::{ticks_from_epoch_integer, ticks_from_epoch_number, ticks_from_iso, ticks_from_timespan};
use dtq_value::{Decimal, Guid, Type, Value};
use std::str::FromStr;

/// Returns the value as a column of type `ty` holds it, or `None` when it does not fit.
///
/// Texts are read as what they write, numbers that count time since 1970 as times; null stays null (`""` for a string).
pub fn fit(ty: Type, value: Value) -> Option<Value> {
    match (ty, &value) {
        (_, Value::Null) => Some(Value::missing(ty)),
        (Type::Dynamic, _)
        | (Type::String, Value::String(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Long, Value::Long(_))
        | (Type::Real, Value::Real(_))
        | (Type::Decimal, Value::Decimal(_))
        | (Type::DateTime, Value::DateTime(_))
        | (Type::TimeSpan, Value::TimeSpan(_))
        | (Type::Guid, Value::Guid(_)) => Some(value),
        (Type::String, _) => Some(Value::string(text_of(&value))),
        (_, Value::String(text)) if text.is_empty() => Some(Value::Null),
        (_, Value::String(text)) => parse(ty, text.as_bytes()),
        (_, Value::Int(number)) => fit_integer(ty, i64::from(*number)),
        (_, Value::Long(number)) => fit_integer(ty, *number),
        (_, Value::Real(number)) => fit_real(ty, *number),
        (_, Value::Decimal(number)) => parse(ty, number.to_string().as_bytes()),
        _ => None,
    }
}

fn fit_integer(ty: Type, number: i64) -> Option<Value> {
    match ty {
        Type::Int => i32::try_from(number).ok().map(Value::Int),
        Type::Long => Some(Value::Long(number)),
        Type::Real => Some(Value::Real(number as f64)),
        Type::Decimal => Some(Value::Decimal(Decimal::from(number))),
        Type::DateTime => ticks_from_epoch_integer(number).map(Value::DateTime),
        Type::Bool if number == 0 || number == 1 => Some(Value::Bool(number == 1)),
        _ => None,
    }
}

fn fit_real(ty: Type, number: f64) -> Option<Value> {
    // Every real of this range that is whole is exactly a long.
    let is_long = number.fract() == 0.0 && (-9.2e18..9.2e18).contains(&number);
    match ty {
        Type::Int | Type::Long if is_long => fit_integer(ty, number as i64),
        Type::Decimal => Decimal::try_from(number).ok().map(Value::Decimal),
        Type::DateTime => ticks_from_epoch_number(number).map(Value::DateTime),
        _ => None,
    }
}

/// Returns the value of type `ty` that a text writes, or `None`.
pub fn parse(ty: Type, text: &[u8]) -> Option<Value> {
    let trimmed = text.trim_ascii();
    Some(match ty {
        Type::String | Type::Dynamic => Value::string(text),
        Type::Bool => Value::Bool(bool_of(trimmed)?),
        Type::Int => Value::Int(number_text(trimmed)?.parse().ok()?),
        Type::Long => Value::Long(number_text(trimmed)?.parse().ok()?),
        Type::Real => Value::Real(number_text(trimmed)?.parse().ok()?),
        Type::Decimal => Value::Decimal(Decimal::from_str(number_text(trimmed)?).ok()?),
        Type::DateTime => Value::DateTime(ticks_from_iso(trimmed).or_else(|| epoch_ticks(trimmed))?),
        Type::TimeSpan => Value::TimeSpan(ticks_from_timespan(trimmed)?),
        Type::Guid => Value::Guid(guid_of(trimmed)?),
    })
}

/// Returns the type that a text looks like: `bool`, `long`, `real`, `datetime`, `timespan`, `guid` or `string`.
pub fn type_of_text(text: &[u8]) -> Type {
    let first = text.first().copied().unwrap_or_default();
    let is_numeric_start = first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.');
    let by_first = match first {
        b't' | b'f' | b'T' | b'F' if bool_of(text).is_some() => Some(Type::Bool),
        _ if is_numeric_start && is_long_text(text) => Some(Type::Long),
        _ if is_numeric_start && is_real_text(text) => Some(Type::Real),
        _ if is_numeric_start && ticks_from_iso(text).is_some() => Some(Type::DateTime),
        _ if is_numeric_start && ticks_from_timespan(text).is_some() => Some(Type::TimeSpan),
        _ => None,
    };
    by_first.or_else(|| guid_of(text).map(|_| Type::Guid)).unwrap_or(Type::String)
}

/// Says whether a text is an integer that a `long` holds and writes back alike: no `+`, no leading zeros (`007` is a
/// code, not a count).
fn is_long_text(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    is_plain && number_text(text).is_some_and(|text| text.parse::<i64>().is_ok())
}

/// Says whether a text is a decimal fraction or has an exponent; integers too long for a `long` are texts.
fn is_real_text(text: &[u8]) -> bool {
    let has_mark = text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    let ends_in_digit = text.last().is_some_and(u8::is_ascii_digit);
    has_mark && ends_in_digit && number_text(text).is_some_and(|text| text.parse::<f64>().is_ok())
}

/// Returns the text when it can only be a number: `inf`, `nan` and blanks are not.
fn number_text(text: &[u8]) -> Option<&str> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    if text.iter().all(is_number) { std::str::from_utf8(text).ok() } else { None }
}

fn epoch_ticks(text: &[u8]) -> Option<i64> {
    let text = number_text(text)?;
    match text.parse::<i64>() {
        Ok(number) => ticks_from_epoch_integer(number),
        Err(_) => ticks_from_epoch_number(text.parse().ok()?),
    }
}

fn bool_of(text: &[u8]) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        b"1" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

/// Returns the guid that a text writes as 8-4-4-4-12 hex digits.
fn guid_of(text: &[u8]) -> Option<Guid> {
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let mut digits = text.iter().filter(|byte| **byte != b'-').map(|byte| (*byte as char).to_digit(16));
    let mut guid = Guid::default();
    for byte in &mut guid {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high << 4 | low) as u8;
    }
    digits.next().is_none().then_some(guid)
}

/// Returns the text of a value: strings as they are, everything else as JSON writes it.
pub fn text_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => text.as_bytes().to_vec(),
        other => json_of(other).into_bytes(),
    }
}

/// Returns a value as JSON; times and guids as the texts KQL prints.
fn json_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Real(value) if value.is_finite() => format!("{value:?}"),
        Value::Real(value) => format!("\"{value}\""),
        Value::Decimal(value) => value.to_string(),
        Value::String(text) => serde_json::Value::from(text.as_text()).to_string(),
        Value::DateTime(ticks) => format!("\"{}\"", crate::time::iso_from_ticks(*ticks)),
        Value::TimeSpan(ticks) => format!("\"{}\"", crate::time::text_from_timespan(*ticks)),
        Value::Guid(guid) => format!("\"{}\"", guid_text(guid)),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json_of).collect();
            format!("[{}]", items.join(","))
        }
        Value::Bag(bag) => {
            let item = |(key, value): (&dtq_value::Str, &Value)| {
                format!("{}:{}", serde_json::Value::from(key.as_text()), json_of(value))
            };
            let items: Vec<String> = bag.iter().map(item).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

fn guid_text(guid: &Guid) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in guid.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_look_like_what_they_can_only_be() {
        let cases: [(&[u8], Type); 15] = [
            (b"true", Type::Bool),
            (b"12", Type::Long),
            (b"-12", Type::Long),
            (b"007", Type::String),
            (b"1.5", Type::Real),
            (b"1e5", Type::Real),
            (b"99999999999999999999", Type::String),
            (b"2026-11-24T00:00:00Z", Type::DateTime),
            (b"00:00:01.5", Type::TimeSpan),
            (b"74be27de-1e4e-49d9-b579-fe0b331d3642", Type::Guid),
            (b"nan", Type::String),
            (b"", Type::String),
            (b"-", Type::String),
            (b"10.0.0.1", Type::String),
            (b"1.", Type::String),
        ];
        for (text, ty) in cases {
            assert_eq!(type_of_text(text), ty, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn values_fit_or_are_refused() {
        assert_eq!(fit(Type::Long, Value::Real(2.0)), Some(Value::Long(2)));
        assert_eq!(fit(Type::Long, Value::Real(2.5)), None);
        assert_eq!(fit(Type::Int, Value::Long(1 << 40)), None);
        assert_eq!(fit(Type::String, Value::array(vec![Value::Long(1), Value::string("a\"")])), {
            Some(Value::string("[1,\"a\\\"\"]"))
        });
        assert_eq!(fit(Type::String, Value::Null), Some(Value::string("")));
        assert_eq!(fit(Type::Real, Value::string("")), Some(Value::Null));
        assert_eq!(fit(Type::Bool, Value::string("yes")), None);
        assert_eq!(fit(Type::Guid, Value::Bool(true)), None);
        let nested = Value::array(vec![Value::DateTime(crate::time::UNIX_EPOCH_TICKS)]);
        assert_eq!(text_of(&nested), b"[\"1970-01-01T00:00:00.0000000Z\"]");
    }
}
