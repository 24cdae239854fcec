//! Conversions between types: they never fail, they give null.
//!
//! # Source
//! Kusto documentation, the pages of `tobool()` to `toguid()`; what they leave open is measured: conformance `trap/143` to
//! `trap/238`, `trap/1086` to `trap/1120`, `trap/1172` to `trap/1177`.

use crate::scalar::calendar::TICKS_MAX;
use crate::scalar::{Call, Fault, format, time};
use crate::{Decimal, Guid, Str, Type, Value, json};
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

/// Returns a value converted to a type: what an implicit conversion does, and the function `to<type>` too.
///
/// `from` is the static type: a `bool` is `True` as text, a dynamic one is `true`.
pub fn convert(value: &Value, from: Type, to: Type, depth_max: usize) -> Value {
    match to {
        Type::Bool => boolean(value),
        Type::Int => int(value),
        Type::Long => long(value),
        Type::Real => real(value),
        Type::Decimal => decimal(value),
        Type::String => Value::String(Str::from(&*text_of(value, from))),
        Type::DateTime => datetime(value),
        Type::TimeSpan => timespan(value),
        Type::Guid => guid(value),
        Type::Dynamic => dynamic(value, from, depth_max),
    }
}

/// Returns the text of a value of a static type.
pub fn text_of(value: &Value, from: Type) -> std::borrow::Cow<'_, [u8]> {
    if from == Type::Dynamic { format::dynamic_text(value) } else { format::text(value) }
}

/// `tobool`: the words true and false in any case, or an integer that is not zero.
pub fn boolean(value: &Value) -> Value {
    match value {
        Value::Bool(_) => value.clone(),
        Value::Int(number) => Value::Bool(*number != 0),
        Value::Long(number) => Value::Bool(*number != 0),
        Value::Real(number) => Value::Bool(*number != 0.0),
        Value::Decimal(number) => Value::Bool(!number.is_zero()),
        Value::String(text) => {
            let text = text.as_bytes().trim_ascii();
            if text.eq_ignore_ascii_case(b"true") {
                Value::Bool(true)
            } else if text.eq_ignore_ascii_case(b"false") {
                Value::Bool(false)
            } else {
                parse_long(text).map_or(Value::Null, |number| Value::Bool(number != 0))
            }
        }
        _ => Value::Null,
    }
}

/// `toint`: a long, a datetime or a timespan keeps its low 32 bits; a real is cut off and saturates.
pub fn int(value: &Value) -> Value {
    match value {
        Value::Int(_) => value.clone(),
        #[allow(clippy::cast_possible_truncation, reason = "saturating is the meaning")]
        Value::Real(number) if number.is_finite() => Value::Int(*number as i32),
        Value::String(text) => {
            parse_long(text.as_bytes().trim_ascii()).and_then(|n| i32::try_from(n).ok()).map_or(Value::Null, Value::Int)
        }
        other => match long(other) {
            #[allow(clippy::cast_possible_truncation, reason = "wrapping is the meaning")]
            Value::Long(number) => Value::Int(number as i32),
            _ => Value::Null,
        },
    }
}

/// `tolong`: a datetime or timespan becomes its ticks; a real is cut off and saturates.
pub fn long(value: &Value) -> Value {
    match value {
        Value::Bool(is_true) => Value::Long(i64::from(*is_true)),
        Value::Int(number) => Value::Long(i64::from(*number)),
        Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number) => Value::Long(*number),
        #[allow(clippy::cast_possible_truncation, reason = "saturating is the meaning")]
        Value::Real(number) if number.is_finite() => Value::Long(*number as i64),
        Value::Decimal(number) => number.trunc().to_i64().map_or(Value::Null, Value::Long),
        Value::String(text) => parse_long(text.as_bytes().trim_ascii()).map_or(Value::Null, Value::Long),
        _ => Value::Null,
    }
}

/// Reads a decimal integer with an optional sign, or a hexadecimal one after `0x` (which wraps).
pub fn parse_long(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            let bits = u64::from_str_radix(hex, 16).ok()?.cast_signed();
            Some(if is_negative { bits.wrapping_neg() } else { bits })
        }
        Some(_) => None,
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// `toreal`: a datetime or timespan becomes its ticks.
pub fn real(value: &Value) -> Value {
    to_f64(value).map_or(Value::Null, Value::Real)
}

fn to_f64(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Bool(is_true) => f64::from(u8::from(*is_true)),
        Value::Int(number) => f64::from(*number),
        #[allow(clippy::cast_precision_loss, reason = "the nearest real is the meaning")]
        Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number) => *number as f64,
        Value::Real(number) => *number,
        Value::Decimal(number) => number.to_f64()?,
        Value::String(text) => return parse_real(text.as_bytes().trim_ascii()),
        _ => return None,
    })
}

/// Reads `1`, `-1.5`, `.5`, `1e-3`, `nan`, `inf`, `+inf`, `-inf`, or a hexadecimal integer.
pub fn parse_real(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is_word = [&b"nan"[..], b"inf", b"infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word));
    let is_number = unsigned.last().is_some_and(u8::is_ascii_digit)
        && unsigned.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if is_word || is_number {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    #[allow(clippy::cast_precision_loss, reason = "the nearest real is the meaning")]
    parse_long(text).map(|number| number as f64)
}

/// `todecimal`.
pub fn decimal(value: &Value) -> Value {
    to_decimal(value).map_or(Value::Null, Value::Decimal)
}

/// Returns a value as a decimal, or `None` when it has none or is out of range.
pub fn to_decimal(value: &Value) -> Option<Decimal> {
    Some(match value {
        Value::Bool(is_true) => Decimal::from(u8::from(*is_true)),
        Value::Int(number) => Decimal::from(*number),
        Value::Long(number) | Value::DateTime(number) | Value::TimeSpan(number) => Decimal::from(*number),
        // By way of the shortest text, so that 0.1 becomes 0.1.
        Value::Real(number) if number.is_finite() => {
            return parse_decimal(format::finite_real(*number).as_bytes()).or_else(|| Decimal::from_f64(*number));
        }
        Value::Decimal(number) => *number,
        Value::String(text) => return parse_decimal(text.as_bytes().trim_ascii()),
        _ => return None,
    })
}

/// Reads a decimal with an optional exponent.
pub fn parse_decimal(text: &[u8]) -> Option<Decimal> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok().map(|number| {
        // The type holds 28 digits; zeros at the end carry nothing.
        if number.scale() > 0 && text.contains(['e', 'E']) { number.normalize() } else { number }
    })
}

/// `todatetime`: text in any documented form, or ticks.
pub fn datetime(value: &Value) -> Value {
    let ticks = match value {
        Value::String(text) => time::parse_datetime(text.as_bytes()),
        other => to_ticks(other),
    };
    ticks.filter(|ticks| (0..=TICKS_MAX).contains(ticks)).map_or(Value::Null, Value::DateTime)
}

/// `totimespan`: text in any documented form, or ticks.
pub fn timespan(value: &Value) -> Value {
    let ticks = match value {
        Value::String(text) => time::parse_timespan(text.as_bytes()),
        other => to_ticks(other),
    };
    ticks.map_or(Value::Null, Value::TimeSpan)
}

fn to_ticks(value: &Value) -> Option<i64> {
    match long(value) {
        Value::Long(ticks) => Some(ticks),
        _ => None,
    }
}

/// `toguid`: 32 hexadecimal digits, with or without hyphens, braces or parentheses around.
pub fn guid(value: &Value) -> Value {
    match value {
        Value::Guid(_) => value.clone(),
        Value::String(text) => parse_guid(text.as_bytes().trim_ascii()).map_or(Value::Null, Value::Guid),
        _ => Value::Null,
    }
}

/// Reads a guid.
pub fn parse_guid(text: &[u8]) -> Option<Guid> {
    let text = match text {
        [b'{', inner @ .., b'}'] | [b'(', inner @ .., b')'] => inner,
        bare => bare,
    };
    let has_hyphens = text.len() == 36;
    if !has_hyphens && text.len() != 32 {
        return None;
    }
    let mut id = [0; 16];
    let mut digits = 0;
    for (index, byte) in text.iter().enumerate() {
        if has_hyphens && matches!(index, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        let slot: &mut u8 = id.get_mut(digits / 2)?;
        *slot = *slot << 4 | u8::try_from(digit).ok()?;
        digits += 1;
    }
    (digits == 32).then_some(id)
}

/// `todynamic`: JSON text becomes what it describes, other text stays a string; other types stay what they are.
pub fn dynamic(value: &Value, from: Type, depth_max: usize) -> Value {
    match value {
        Value::String(text) if from == Type::String => parse_json(text, depth_max),
        Value::Int(number) => Value::Long(i64::from(*number)),
        other => other.clone(),
    }
}

/// `parse_json`: blank text is null, text that is not JSON (or is nested too deep) stays a string.
pub fn parse_json(text: &Str, depth_max: usize) -> Value {
    if text.as_bytes().trim_ascii().is_empty() {
        return Value::Null;
    }
    json::parse(text.as_bytes(), depth_max).unwrap_or_else(|_| Value::String(text.clone()))
}

/// Declares the functions of the table that take one argument and are not told its static type.
macro_rules! conversions {
    ($($(#[doc = $doc:literal])* $name:ident = $convert:ident;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(call: &mut Call<'_>) -> Result<Value, Fault> {
            Ok($convert(&call.args[0]))
        })*
    };
}

conversions! {
    /// `tobool(x)`
    eval_tobool = boolean;
    /// `toint(x)`
    eval_toint = int;
    /// `tolong(x)`
    eval_tolong = long;
    /// `toreal(x)`
    eval_toreal = real;
    /// `todecimal(x)`
    eval_todecimal = decimal;
    /// `todatetime(x)`
    eval_todatetime = datetime;
    /// `totimespan(x)`
    eval_totimespan = timespan;
    /// `toguid(x)`
    eval_toguid = guid;
}

/// `tostring(x)` of a type other than `dynamic`.
pub fn eval_tostring(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match &call.args[0] {
        Value::String(text) => Value::String(text.clone()),
        other => Value::String(Str::from(&*format::text(other))),
    })
}

/// `tostring(x)` of a dynamic.
pub fn eval_tostring_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match &call.args[0] {
        Value::String(text) => Value::String(text.clone()),
        other => Value::String(Str::from(&*format::dynamic_text(other))),
    })
}

/// `todynamic(x)` of a string.
pub fn eval_parse_json(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(dynamic(&call.args[0], Type::String, call.ctx.limits.value_nesting_max))
}

/// `todynamic(x)` of a type other than `string`.
pub fn eval_todynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(dynamic(&call.args[0], Type::Dynamic, call.ctx.limits.value_nesting_max))
}

/// `gettype(x)` of a dynamic.
///
/// # Source
/// Conformance `trap/1169`.
pub fn eval_gettype_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::string(match &call.args[0] {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Long(_) => "long",
        Value::Real(_) => "double",
        Value::Decimal(_) => "decimal",
        Value::String(_) => "string",
        Value::DateTime(_) => "datetime",
        Value::TimeSpan(_) => "timespan",
        Value::Guid(_) => "guid",
        Value::Array(_) => "array",
        Value::Bag(_) => "dictionary",
    }))
}

/// Declares `gettype` of each static type: a null has a type too.
macro_rules! static_types {
    ($($name:ident = $ty:ident;)*) => {
        $(
            #[doc = concat!("`gettype(x)` of a `", stringify!($ty), "`.")]
            pub fn $name(_call: &mut Call<'_>) -> Result<Value, Fault> {
                Ok(Value::string(Type::$ty.name()))
            }
        )*
    };
}

static_types! {
    eval_gettype_bool = Bool;
    eval_gettype_int = Int;
    eval_gettype_long = Long;
    eval_gettype_real = Real;
    eval_gettype_decimal = Decimal;
    eval_gettype_string = String;
    eval_gettype_datetime = DateTime;
    eval_gettype_timespan = TimeSpan;
    eval_gettype_guid = Guid;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value {
        Value::string(text)
    }

    #[test]
    fn booleans() {
        // Conformance trap/143 to trap/217.
        for (text, expected) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("TrUe ", Some(true)),
            ("\ttrue", Some(true)),
            ("FALSE", Some(false)),
            ("1", Some(true)),
            ("0", Some(false)),
            ("-1", Some(true)),
            ("+1", Some(true)),
            ("0002", Some(true)),
            ("1.5", None),
            ("no", None),
            ("t", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(boolean(&string(text)), expected.map_or(Value::Null, Value::Bool), "{text}");
        }
        assert_eq!(boolean(&Value::Real(1.5)), Value::Bool(true));
    }

    #[test]
    fn integers() {
        // Conformance trap/1172 to trap/1176.
        for (value, long_expected, int_expected) in [
            (Value::Real(5.7), Some(5), Some(5)),
            (Value::Real(-5.7), Some(-5), Some(-5)),
            (Value::Real(1e10), Some(10_000_000_000), Some(i32::MAX)),
            (Value::Real(1e30), Some(i64::MAX), Some(i32::MAX)),
            (Value::Real(f64::NAN), None, None),
            (string("5.7"), None, None),
            (string(" 7 "), Some(7), Some(7)),
            (Value::Long(9_999_999_999), Some(9_999_999_999), Some(1_410_065_407)),
            (Value::Bool(true), Some(1), Some(1)),
            (Value::array(vec![Value::Long(1)]), None, None),
            (Value::TimeSpan(864_000_000_000), Some(864_000_000_000), Some(711_573_504)),
            (Value::DateTime(637_134_336_000_000_000), Some(637_134_336_000_000_000), Some(-1_954_807_808)),
            (string("0xff"), Some(255), Some(255)),
            (Value::Guid([0; 16]), None, None),
        ] {
            assert_eq!(long(&value), long_expected.map_or(Value::Null, Value::Long), "{value:?}");
            assert_eq!(int(&value), int_expected.map_or(Value::Null, Value::Int), "{value:?}");
        }
    }

    #[test]
    fn ticks() {
        // Conformance trap/1090 to trap/1118.
        assert_eq!(timespan(&Value::DateTime(621_355_968_000_000_000)), Value::TimeSpan(621_355_968_000_000_000));
        assert_eq!(timespan(&Value::Long(-10)), Value::TimeSpan(-10));
        assert_eq!(timespan(&Value::Real(36_000_000_000.0)), Value::TimeSpan(36_000_000_000));
        assert_eq!(timespan(&Value::Real(f64::INFINITY)), Value::Null);
        assert_eq!(timespan(&Value::Bool(false)), Value::TimeSpan(0));
        assert_eq!(timespan(&string("abc")), Value::Null);
        assert_eq!(datetime(&Value::Long(-1)), Value::Null);
    }

    #[test]
    fn decimals() {
        for (text, expected) in [
            ("123.45678", Some("123.45678")),
            ("1e5", Some("100000")),
            ("-1.50", Some("-1.50")),
            ("+2", Some("2")),
            ("1e-3", Some("0.001")),
            ("x", None),
            ("", None),
            ("1e99", None),
            ("1_000", None),
        ] {
            let expected = expected.map(|text| text.parse::<Decimal>().unwrap());
            assert_eq!(parse_decimal(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(to_decimal(&Value::Real(0.1)), "0.1".parse().ok());
    }

    #[test]
    fn guids() {
        let id = parse_guid(b"74be27de-1e4e-49d9-b579-fe0b331d3642").unwrap();
        assert_eq!(format::guid(&id), "74be27de-1e4e-49d9-b579-fe0b331d3642");
        assert_eq!(parse_guid(b"{74BE27DE1E4E49D9B579FE0B331D3642}"), Some(id));
        assert_eq!(parse_guid(b"74be27de-1e4e-49d9-b579-fe0b331d364"), None);
        assert_eq!(parse_guid(b"74be27de11e4e-49d9-b579-fe0b331d3642"), None);
    }

    #[test]
    fn json_text() {
        let text = |text: &str| parse_json(&Str::from(text), 100);
        assert_eq!(text("not json"), string("not json"));
        assert_eq!(text("  "), Value::Null);
        assert_eq!(text("123"), Value::Long(123));
        assert_eq!(text(&"[".repeat(200)), string(&"[".repeat(200)));
    }
}
