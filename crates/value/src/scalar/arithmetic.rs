//! `+ - * / %` over every pair of types that has them. Nothing here can overflow: longs wrap, datetimes out of range and
//! decimals out of range are null.
//!
//! # Source
//! Kusto documentation, "Numerical operators" and "Datetime / timespan arithmetic"; division and remainder are measured:
//! conformance `trap/239` to `trap/265`. Wrapping is our choice: `docs/decisions/0006-numbers.md`.

use crate::scalar::calendar::TICKS_MAX;
use crate::scalar::{Call, Fault, convert};
use crate::{Decimal, Value};

/// Returns a datetime, or null when it is out of range.
pub(crate) fn datetime_or_null(ticks: Option<i64>) -> Value {
    ticks.filter(|ticks| (0..=TICKS_MAX).contains(ticks)).map_or(Value::Null, Value::DateTime)
}

fn timespan_or_null(ticks: Option<i64>) -> Value {
    ticks.map_or(Value::Null, Value::TimeSpan)
}

/// Returns ticks as a timespan, null when they are NaN or out of range; a fraction is cut off.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked")]
pub(crate) fn timespan_from_real(ticks: f64) -> Value {
    if ticks.abs() < i64::MAX as f64 { Value::TimeSpan(ticks as i64) } else { Value::Null }
}

/// Two numbers brought to the wider of their types; int counts as long.
pub(crate) enum Pair {
    Long(i64, i64),
    Real(f64, f64),
    Decimal(Decimal, Decimal),
}

/// Returns two numbers in the wider of their types, or `None` when one is not a number (or not in the range of the other).
pub(crate) fn widen(left: &Value, right: &Value) -> Option<Pair> {
    let is = |value: &Value| match value {
        Value::Int(_) | Value::Long(_) => Some(0),
        Value::Real(_) => Some(1),
        Value::Decimal(_) => Some(2),
        _ => None,
    };
    match is(left)?.max(is(right)?) {
        0 => match (convert::long(left), convert::long(right)) {
            (Value::Long(a), Value::Long(b)) => Some(Pair::Long(a, b)),
            _ => None,
        },
        1 => match (convert::real(left), convert::real(right)) {
            (Value::Real(a), Value::Real(b)) => Some(Pair::Real(a, b)),
            _ => None,
        },
        _ => Some(Pair::Decimal(convert::to_decimal(left)?, convert::to_decimal(right)?)),
    }
}

fn decimal_or_null(number: Option<Decimal>) -> Value {
    number.map_or(Value::Null, Value::Decimal)
}

/// Returns `left + right`.
pub fn add(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::TimeSpan(a), Value::TimeSpan(b)) => timespan_or_null(a.checked_add(*b)),
        (Value::DateTime(a), Value::TimeSpan(b)) | (Value::TimeSpan(a), Value::DateTime(b)) => {
            datetime_or_null(a.checked_add(*b))
        }
        (a, b) => match widen(a, b) {
            Some(Pair::Long(a, b)) => Value::Long(a.wrapping_add(b)),
            Some(Pair::Real(a, b)) => Value::Real(a + b),
            Some(Pair::Decimal(a, b)) => decimal_or_null(a.checked_add(b)),
            None => Value::Null,
        },
    }
}

/// Returns `left - right`.
pub fn subtract(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::TimeSpan(a), Value::TimeSpan(b)) => timespan_or_null(a.checked_sub(*b)),
        (Value::DateTime(a), Value::DateTime(b)) => Value::TimeSpan(a.wrapping_sub(*b)),
        (Value::DateTime(a), Value::TimeSpan(b)) => datetime_or_null(a.checked_sub(*b)),
        (a, b) => match widen(a, b) {
            Some(Pair::Long(a, b)) => Value::Long(a.wrapping_sub(b)),
            Some(Pair::Real(a, b)) => Value::Real(a - b),
            Some(Pair::Decimal(a, b)) => decimal_or_null(a.checked_sub(b)),
            None => Value::Null,
        },
    }
}

/// Returns `left * right`.
pub fn multiply(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::TimeSpan(span), factor) | (factor, Value::TimeSpan(span)) => scale(*span, factor),
        (a, b) => match widen(a, b) {
            Some(Pair::Long(a, b)) => Value::Long(a.wrapping_mul(b)),
            Some(Pair::Real(a, b)) => Value::Real(a * b),
            Some(Pair::Decimal(a, b)) => decimal_or_null(a.checked_mul(b)),
            None => Value::Null,
        },
    }
}

#[allow(clippy::cast_precision_loss, reason = "a real factor gives a real product")]
fn scale(span: i64, factor: &Value) -> Value {
    match factor {
        Value::Int(number) => timespan_or_null(span.checked_mul(i64::from(*number))),
        Value::Long(number) => timespan_or_null(span.checked_mul(*number)),
        other => match convert::real(other) {
            Value::Real(number) => timespan_from_real(span as f64 * number),
            _ => Value::Null,
        },
    }
}

/// Returns `left / right`: of integers it is cut off toward zero, and null by zero.
#[allow(clippy::cast_precision_loss, reason = "the quotient of two spans is a real")]
pub fn divide(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::TimeSpan(a) | Value::DateTime(a), Value::TimeSpan(b)) => Value::Real(*a as f64 / *b as f64),
        (Value::TimeSpan(a), Value::Int(_) | Value::Long(_)) => match convert::long(right) {
            Value::Long(b) => timespan_or_null(a.checked_div(b)),
            _ => Value::Null,
        },
        (Value::TimeSpan(a), b) => match convert::real(b) {
            Value::Real(b) => timespan_from_real(*a as f64 / b),
            _ => Value::Null,
        },
        (a, b) => match widen(a, b) {
            Some(Pair::Long(_, 0)) => Value::Null,
            Some(Pair::Long(a, b)) => Value::Long(a.wrapping_div(b)),
            Some(Pair::Real(a, b)) => Value::Real(a / b),
            // A quotient comes with zeros at its end, which carry nothing.
            Some(Pair::Decimal(a, b)) => decimal_or_null(a.checked_div(b).map(|quotient| quotient.normalize())),
            None => Value::Null,
        },
    }
}

/// Returns `left % right`: never negative, null by zero.
///
/// # Source
/// Measured on the engine: `-14 % 12` is 10 and `14 % -12` is 2.
pub fn modulo(left: &Value, right: &Value) -> Value {
    let remainder = |a: i64, b: i64| if b == 0 { None } else { Some(a.wrapping_rem_euclid(b)) };
    match (left, right) {
        (Value::TimeSpan(a) | Value::DateTime(a), Value::TimeSpan(b)) => timespan_or_null(remainder(*a, *b)),
        (a, b) => match widen(a, b) {
            Some(Pair::Long(a, b)) => remainder(a, b).map_or(Value::Null, Value::Long),
            Some(Pair::Real(a, b)) => Value::Real(a.rem_euclid(b)),
            Some(Pair::Decimal(a, b)) => decimal_or_null(a.checked_rem(b).and_then(|rest| {
                if rest.is_sign_negative() && !rest.is_zero() { rest.checked_add(b.abs()) } else { Some(rest) }
            })),
            None => Value::Null,
        },
    }
}

/// Returns `-operand`.
pub fn negate(operand: &Value) -> Value {
    match operand {
        Value::Bool(_) => Value::Null,
        Value::Int(number) => Value::Long(-i64::from(*number)),
        Value::Long(number) => Value::Long(number.wrapping_neg()),
        Value::Real(number) => Value::Real(-number),
        Value::Decimal(number) => Value::Decimal(-*number),
        Value::TimeSpan(ticks) => timespan_or_null(ticks.checked_neg()),
        _ => Value::Null,
    }
}

/// Returns a value, an int as a long: what `+x` is.
pub fn plus(operand: &Value) -> Value {
    match operand {
        Value::Int(number) => Value::Long(i64::from(*number)),
        other => other.clone(),
    }
}

/// `a + b`
pub fn eval_add(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(add(&call.args[0], &call.args[1]))
}

/// `a - b`
pub fn eval_subtract(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(subtract(&call.args[0], &call.args[1]))
}

/// `a * b`
pub fn eval_multiply(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(multiply(&call.args[0], &call.args[1]))
}

/// `a / b`
pub fn eval_divide(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(divide(&call.args[0], &call.args[1]))
}

/// `a % b`
pub fn eval_modulo(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(modulo(&call.args[0], &call.args[1]))
}

/// `-a`
pub fn eval_negate(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(negate(&call.args[0]))
}

/// `+a`
pub fn eval_plus(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(plus(&call.args[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_and_remainder() {
        let long = Value::Long;
        // Conformance trap/239 to trap/265; kql.md 5.
        for (a, b, quotient, rest) in [
            (7, 2, 3, 1),
            (-7, 2, -3, 1),
            (7, -2, -3, 1),
            (-7, -2, 3, 1),
            (-1, 2, 0, 1),
            (-14, 12, -1, 10),
            (14, -12, -1, 2),
            (i64::MIN, -1, i64::MIN, 0),
        ] {
            assert_eq!(divide(&long(a), &long(b)), long(quotient), "{a} / {b}");
            assert_eq!(modulo(&long(a), &long(b)), long(rest), "{a} % {b}");
        }
        assert_eq!(divide(&long(1), &long(0)), Value::Null);
        assert_eq!(modulo(&long(1), &long(0)), Value::Null);
        assert_eq!(divide(&Value::Real(1.0), &long(0)), Value::Real(f64::INFINITY));
        assert_eq!(divide(&Value::Real(-1.0), &long(0)), Value::Real(f64::NEG_INFINITY));
        let (seven, two) = (Value::Decimal(7.into()), Value::Decimal(2.into()));
        assert_eq!(format!("{:?}", divide(&seven, &two)), "Decimal(3.5)");
        assert_eq!(divide(&seven, &Value::Decimal(0.into())), Value::Null);
    }

    #[test]
    fn ints_widen() {
        // Conformance trap/476 to trap/482.
        assert_eq!(add(&Value::Int(i32::MAX), &Value::Int(1)), Value::Long(2_147_483_648));
        assert_eq!(multiply(&Value::Int(i32::MAX), &Value::Int(2)), Value::Long(4_294_967_294));
        assert_eq!(subtract(&Value::Int(7), &Value::Int(9)), Value::Long(-2));
        assert_eq!(add(&Value::Long(i64::MAX), &Value::Int(1)), Value::Long(i64::MIN));
    }

    #[test]
    fn times() {
        let (day, start) = (Value::TimeSpan(864_000_000_000), Value::DateTime(637_134_336_000_000_000));
        assert_eq!(add(&start, &day), Value::DateTime(637_135_200_000_000_000));
        assert_eq!(subtract(&add(&start, &day), &start), day);
        assert_eq!(multiply(&Value::Long(2), &day), Value::TimeSpan(1_728_000_000_000));
        assert_eq!(multiply(&day, &Value::Real(0.5)), Value::TimeSpan(432_000_000_000));
        assert_eq!(divide(&day, &Value::TimeSpan(10_000_000)), Value::Real(86_400.0));
        assert_eq!(divide(&day, &Value::Long(2)), Value::TimeSpan(432_000_000_000));
        assert_eq!(divide(&day, &Value::Long(0)), Value::Null);
        assert_eq!(add(&Value::DateTime(TICKS_MAX), &day), Value::Null);
        assert_eq!(negate(&Value::TimeSpan(i64::MIN)), Value::Null);
        assert_eq!(multiply(&Value::TimeSpan(i64::MAX), &Value::Long(2)), Value::Null);
    }
}
