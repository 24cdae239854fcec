//! The text of values: what `tostring` gives, and what a table shows.
//!
//! Next: [`crate::json`] for the text of arrays and bags.

use crate::scalar::calendar::{self, Civil};
use crate::{Guid, Value, json};
use std::borrow::Cow;
use std::fmt::Write;

/// Ticks of 100 ns in a second.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Ticks of 100 ns in a day.
pub const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;

/// Returns the text of a value whose static type is not `dynamic`: null is `""`, true is `True`.
///
/// # Source
/// Kusto documentation, `tostring()`; the forms are those the engine shows (conformance `trap/1016`, `trap/1170`).
pub fn text(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::Bool(true) => Cow::Borrowed(b"True"),
        Value::Bool(false) => Cow::Borrowed(b"False"),
        other => dynamic_text(other),
    }
}

/// Returns the text of a dynamic: a string without quotes, anything else as JSON; null is `""`, true is `true`.
///
/// # Source
/// Conformance `trap/345`, `trap/1038`.
pub fn dynamic_text(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::Null => Cow::Borrowed(b""),
        Value::Bool(true) => Cow::Borrowed(b"true"),
        Value::Bool(false) => Cow::Borrowed(b"false"),
        Value::Int(number) => Cow::Owned(number.to_string().into_bytes()),
        Value::Long(number) => Cow::Owned(number.to_string().into_bytes()),
        Value::Real(number) => Cow::Owned(real(*number).into_bytes()),
        Value::Decimal(number) => Cow::Owned(number.to_string().into_bytes()),
        Value::String(text) => Cow::Borrowed(text.as_bytes()),
        Value::DateTime(ticks) => Cow::Owned(datetime(*ticks).into_bytes()),
        Value::TimeSpan(ticks) => Cow::Owned(timespan(*ticks).into_bytes()),
        Value::Guid(id) => Cow::Owned(guid(id).into_bytes()),
        Value::Array(_) | Value::Bag(_) => Cow::Owned(json::to_bytes(value)),
    }
}

/// Returns the shortest text that reads back as the same number: `6.0`, `0.1`, `1e22`, `inf`, `-inf`, `NaN`.
///
/// # Source
/// Conformance `trap/520` and `trap/522` for the words and for `.0`. From `1e21` on and below `1e-6` an exponent stands;
/// those bounds are our choice (`docs/decisions/0006-numbers.md`).
pub fn real(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    finite_real(number)
}

/// Returns the text of a number that is neither infinite nor NaN.
pub(crate) fn finite_real(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the `e` format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of an f64 has at most three digits");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).expect("an f64 has at most 17 digits");
    let body = if (1..=21).contains(&point) {
        let whole = usize::try_from(point).expect("positive");
        if point >= count {
            format!("{digits}{}.0", "0".repeat(whole - digits.len()))
        } else {
            format!("{}.{}", &digits[..whole], &digits[whole..])
        }
    } else if number == 0.0 {
        "0.0".to_owned()
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", "0".repeat(usize::try_from(-point).expect("not negative")))
    } else if count == 1 {
        format!("{digits}e{exponent}")
    } else {
        format!("{}.{}e{exponent}", &digits[..1], &digits[1..])
    };
    format!("{sign}{body}")
}

/// Returns ISO 8601 text with seven fraction digits and `Z`.
pub fn datetime(ticks: i64) -> String {
    let civil = Civil::from_ticks(ticks);
    let mut out = date_time_seconds(&civil);
    write!(out, ".{:07}Z", civil.fraction_ticks).expect("writing to a string cannot fail");
    out
}

fn date_time_seconds(civil: &Civil) -> String {
    let calendar::Civil { year, month, day, hour, minute, second, .. } = civil;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Returns `[-][d.]hh:mm:ss[.fffffff]`.
pub fn timespan(ticks: i64) -> String {
    let magnitude = ticks.unsigned_abs();
    let per_second = TICKS_PER_SECOND.unsigned_abs();
    let seconds = magnitude / per_second;
    let fraction = magnitude % per_second;
    let days = seconds / 86_400;
    let mut out = String::from(if ticks < 0 { "-" } else { "" });
    if days > 0 {
        write!(out, "{days}.").expect("writing to a string cannot fail");
    }
    write!(out, "{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
        .expect("writing to a string cannot fail");
    if fraction > 0 {
        write!(out, ".{fraction:07}").expect("writing to a string cannot fail");
    }
    out
}

/// Returns 36 characters in lower case: `74be27de-1e4e-49d9-b579-fe0b331d3642`.
pub fn guid(id: &Guid) -> String {
    let mut out = String::with_capacity(36);
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        write!(out, "{byte:02x}").expect("writing to a string cannot fail");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_as_the_engine_shows_them() {
        // Conformance trap/520, trap/522, trap/1083, trap/407; the exponents are decision 0006.
        for (number, expected) in [
            (6.0, "6.0"),
            (-3.0, "-3.0"),
            (1.5, "1.5"),
            (-0.300_000_000_000_000_04, "-0.30000000000000004"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e21"),
            (1.25e-7, "1.25e-7"),
            (0.000_001, "0.000001"),
            (123_456.789, "123456.789"),
            (f64::MAX, "1.7976931348623157e308"),
        ] {
            assert_eq!(real(number), expected);
        }
    }

    #[test]
    fn timespans_as_the_engine_shows_them() {
        // Conformance trap/1170.
        for (ticks, expected) in [
            (TICKS_PER_DAY, "1.00:00:00"),
            (937_840_000_000 + 5_000_000, "1.02:03:04.5000000"),
            (-72_000_000_000, "-02:00:00"),
            (0, "00:00:00"),
            (10_000, "00:00:00.0010000"),
            (100 * TICKS_PER_DAY, "100.00:00:00"),
            (-TICKS_PER_DAY * 3 / 2, "-1.12:00:00"),
            (10, "00:00:00.0000010"),
        ] {
            assert_eq!(timespan(ticks), expected);
        }
        assert_eq!(timespan(i64::MIN), "-10675199.02:48:05.4775808");
    }

    #[test]
    fn datetimes_have_seven_digits() {
        // Conformance trap/319, trap/1040; the documentation gives the ticks of the year 100.
        assert_eq!(datetime(31_241_376_000_000_000), "0100-01-01T00:00:00.0000000Z");
        assert_eq!(datetime(calendar::TICKS_MAX), "9999-12-31T23:59:59.9999999Z");
    }
}
