//! The text of a literal to the value it means.
//!
//! Stricter than the conversions of [`crate::scalar::convert`]: a literal that means nothing is a mistake in the query,
//! not null. The lexer has already decided what kind of literal it is.

use crate::scalar::{convert, time};
use crate::{Type, Value};

/// Returns the value of a bare integer, which is a long; hexadecimal after `0x` wraps.
///
/// It may begin with a sign, so that the least long can be written. `None` when it is malformed or out of range.
///
/// # Source
/// Conformance `trap/471`, `trap/473`.
pub fn integer(text: &str) -> Option<Value> {
    convert::parse_long(text.as_bytes()).map(Value::Long)
}

/// Returns the value of a bare number with a point or an exponent, or `None` when it is malformed.
pub fn real(text: &str) -> Option<Value> {
    let number = convert::parse_real(text.as_bytes()).or_else(|| text.strip_suffix('.')?.parse().ok())?;
    number.is_finite().then_some(Value::Real(number))
}

/// Returns the value of a bare timespan such as `5m` or `1.5h`, or `None` when it is malformed or out of range.
pub fn timespan(text: &str) -> Option<Value> {
    time::parse_timespan(text.as_bytes()).map(Value::TimeSpan)
}

/// Returns the value of `type(text)`, such as `datetime(2024-01-01)`, `int(null)`, `real(-inf)`; `None` when the text
/// means nothing in that type.
///
/// `datetime()` is the time of the run and not known here: it is `None` too.
pub fn typed(ty: Type, text: &str) -> Option<Value> {
    let text = text.trim();
    if text == "null" {
        return Some(Value::missing(ty));
    }
    match ty {
        Type::Bool => match convert::boolean(&Value::string(text)) {
            Value::Null => None,
            value => Some(value),
        },
        Type::Int => match integer(text)? {
            Value::Long(number) => i32::try_from(number).ok().map(Value::Int),
            _ => None,
        },
        Type::Long => integer(text),
        Type::Real => typed_real(text),
        Type::Decimal => convert::parse_decimal(text.as_bytes()).map(Value::Decimal),
        Type::String => Some(Value::string(text)),
        Type::DateTime => time::parse_datetime(text.as_bytes()).map(Value::DateTime),
        Type::TimeSpan => timespan(text),
        Type::Guid => convert::parse_guid(text.as_bytes()).map(Value::Guid),
        Type::Dynamic => None,
    }
}

fn typed_real(text: &str) -> Option<Value> {
    match text {
        "nan" | "NaN" => Some(Value::Real(f64::NAN)),
        "inf" | "+inf" => Some(Value::Real(f64::INFINITY)),
        "-inf" => Some(Value::Real(f64::NEG_INFINITY)),
        number => real(number),
    }
}

/// Returns what a scalar literal is inside `dynamic(...)`: an int is a long, a timespan its ticks.
///
/// # Source
/// Conformance `trap/335`, `trap/336`.
pub fn inside_dynamic(value: Value) -> Value {
    match value {
        Value::Int(number) => Value::Long(i64::from(number)),
        Value::TimeSpan(ticks) => Value::Long(ticks),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers() {
        assert_eq!(integer("0xFFFFFFFFFFFFFFFF"), Some(Value::Long(-1)));
        assert_eq!(integer("0x8000000000000000"), Some(Value::Long(i64::MIN)));
        assert_eq!(integer("-9223372036854775808"), Some(Value::Long(i64::MIN)));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("0x1FFFFFFFFFFFFFFFF"), None);
        assert_eq!(real("1e300"), Some(Value::Real(1e300)));
        assert_eq!(real("1."), Some(Value::Real(1.0)));
        assert_eq!(real("1e999"), None);
    }

    #[test]
    fn typed_literals() {
        for (ty, text, expected) in [
            (Type::Int, "null", Some(Value::Null)),
            (Type::String, "null", Some(Value::string(""))),
            (Type::Int, "2147483648", None),
            (Type::Long, "0x10", Some(Value::Long(16))),
            (Type::Real, "nan", Some(Value::Real(f64::NAN))),
            (Type::Real, "-10", Some(Value::Real(-10.0))),
            (Type::Real, "+inf", Some(Value::Real(f64::INFINITY))),
            (Type::Bool, "maybe", None),
            (Type::DateTime, "1970-01-01", Some(Value::DateTime(621_355_968_000_000_000))),
            (Type::DateTime, "", None),
            (Type::TimeSpan, "15 seconds", Some(Value::TimeSpan(150_000_000))),
            (Type::Decimal, "1e5", Some(Value::Decimal(100_000.into()))),
            (Type::Guid, "x", None),
        ] {
            assert_eq!(typed(ty, text), expected, "{ty}({text})");
        }
    }
}
