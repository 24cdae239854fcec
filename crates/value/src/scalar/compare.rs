//! Equality, order, membership.
//!
//! The equality family is total: one null gives false (`!=`: true), two nulls give null. Order with a null is null.
//!
//! # Source
//! Measured in mmaitre314/duckdb-kql, `docs/TRANSLATION.md` R4.

use crate::scalar::args::as_long;
use crate::scalar::{Call, Fault, Pooled, convert, format, time};
use crate::{Bag, Decimal, Value};
use rust_decimal::prelude::ToPrimitive;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Returns whether two values are equal: `None` when both are null.
///
/// A number compares with a number of any type; a string beside another type is converted to that type.
pub fn equal(left: &Value, right: &Value) -> Option<bool> {
    Some(match (left, right) {
        (Value::Null, Value::Null) => return None,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::String(a), b) => equal_to_text(b, a.as_bytes()),
        (a, Value::String(b)) => equal_to_text(a, b.as_bytes()),
        (Value::DateTime(a), Value::DateTime(b)) | (Value::TimeSpan(a), Value::TimeSpan(b)) => a == b,
        (Value::Guid(a), Value::Guid(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b)),
        (Value::Bag(a), Value::Bag(b)) => same_bag(a, b),
        (a, b) => number_order(a, b) == Some(Ordering::Equal),
    })
}

/// Says whether two parts of dynamics are the same; here null is the same as null, and a string only as a string.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::String(_), _) | (_, Value::String(_)) => false,
        (a, b) => equal(a, b).unwrap_or(false),
    }
}

fn same_bag(left: &Bag, right: &Bag) -> bool {
    left.count() == right.count()
        && left.iter().all(|(key, value)| right.get(key.as_bytes()).is_some_and(|other| same(value, other)))
}

/// Says whether the text, converted to the type of the value, equals it.
fn equal_to_text(value: &Value, text: &[u8]) -> bool {
    let text = text.trim_ascii();
    match value {
        Value::DateTime(ticks) => time::parse_datetime(text) == Some(*ticks),
        Value::TimeSpan(ticks) => time::parse_timespan(text) == Some(*ticks),
        Value::Guid(id) => convert::parse_guid(text) == Some(*id),
        Value::Bool(_) => convert::boolean(&Value::string(text)) == *value,
        Value::Decimal(number) => convert::parse_decimal(text) == Some(*number),
        Value::Int(_) | Value::Long(_) => match convert::parse_long(text) {
            Some(number) => equal(value, &Value::Long(number)) == Some(true),
            None => convert::parse_real(text).is_some_and(|number| equal(value, &Value::Real(number)) == Some(true)),
        },
        Value::Real(number) => convert::parse_real(text) == Some(*number),
        _ => false,
    }
}

/// Returns whether a dynamic equals a value of another type: `None` when both are null.
///
/// Beside a string its text compares, so that a missing property equals `""`. Beside a number only numeric content
/// compares: other content is null. Beside the rest it is converted.
///
/// # Source
/// Conformance `trap/366` to `trap/387`; DESIGN, "Decisions", "Dynamic".
pub fn equal_dynamic(dynamic: &Value, typed: &Value) -> Option<bool> {
    match typed {
        Value::String(text) => Some(*format::dynamic_text(dynamic) == *text.as_bytes()),
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => equal(&numeric(dynamic), typed),
        Value::Bool(_) => equal(&convert::boolean(dynamic), typed),
        Value::DateTime(_) => equal(&convert::datetime(dynamic), typed),
        Value::TimeSpan(_) => equal(&convert::timespan(dynamic), typed),
        Value::Guid(_) => equal(&convert::guid(dynamic), typed),
        Value::Null => equal(dynamic, typed),
        Value::Array(_) | Value::Bag(_) => equal(dynamic, typed),
    }
}

/// Returns a dynamic when it is a number, a bool as 0 or 1, and null otherwise.
fn numeric(dynamic: &Value) -> Cow<'_, Value> {
    match dynamic {
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => Cow::Borrowed(dynamic),
        _ => Cow::Owned(Value::Null),
    }
}

/// Returns the order of two numbers or bools (false is 0) of any types; `None` when one is NaN or not a number.
pub fn number_order(left: &Value, right: &Value) -> Option<Ordering> {
    match (Number::of(left)?, Number::of(right)?) {
        (Number::Long(a), Number::Long(b)) => Some(a.cmp(&b)),
        (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
        (Number::Decimal(a), Number::Decimal(b)) => Some(a.cmp(&b)),
        (Number::Long(a), Number::Real(b)) => long_real_order(a, b),
        (Number::Real(a), Number::Long(b)) => long_real_order(b, a).map(Ordering::reverse),
        (Number::Long(a), Number::Decimal(b)) => Some(Decimal::from(a).cmp(&b)),
        (Number::Decimal(a), Number::Long(b)) => Some(a.cmp(&Decimal::from(b))),
        (Number::Decimal(a), Number::Real(b)) => decimal_real_order(a, b),
        (Number::Real(a), Number::Decimal(b)) => decimal_real_order(b, a).map(Ordering::reverse),
    }
}

/// A number of one of three widths.
enum Number {
    Long(i64),
    Real(f64),
    Decimal(Decimal),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(is_true) => Number::Long(i64::from(*is_true)),
            Value::Int(number) => Number::Long(i64::from(*number)),
            Value::Long(number) => Number::Long(*number),
            Value::Real(number) => Number::Real(*number),
            Value::Decimal(number) => Number::Decimal(*number),
            _ => return None,
        })
    }
}

/// Compares without rounding the long: 2^53 and its neighbours stay apart.
fn long_real_order(long: i64, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        return None;
    }
    // 2^63 is a real, i64::MAX is not.
    if real >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if real < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    #[allow(clippy::cast_possible_truncation, reason = "in range, as checked above")]
    let whole = real.trunc() as i64;
    Some(long.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&real.fract()).unwrap_or(Ordering::Equal)))
}

fn decimal_real_order(decimal: Decimal, real: f64) -> Option<Ordering> {
    match convert::to_decimal(&Value::Real(real)) {
        Some(exact) => Some(decimal.cmp(&exact)),
        None => decimal.to_f64()?.partial_cmp(&real),
    }
}

/// Returns the order that `<` and `>=` use: `None` for null operands, NaN and operands without an order.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) | (Value::TimeSpan(a), Value::TimeSpan(b)) => Some(a.cmp(b)),
        (Value::Guid(a), Value::Guid(b)) => Some(a.cmp(b)),
        (a, b) => number_order(a, b),
    }
}

/// Returns a total order of values of one type, for `sort`, `min` and `max`: null, then NaN, then the rest.
///
/// Dynamics, which have no order in KQL, come by kind and then by content, so that sorting is stable and repeatable.
pub fn sort_order(left: &Value, right: &Value) -> Ordering {
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Value::Bag(_) | Value::Array(_), _) => format::dynamic_text(left).cmp(&format::dynamic_text(right)),
        _ => order(left, right).unwrap_or(Ordering::Equal),
    })
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Real(number) if number.is_nan() => 1,
        Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => 2,
        Value::DateTime(_) => 3,
        Value::TimeSpan(_) => 4,
        Value::String(_) => 5,
        Value::Guid(_) => 6,
        Value::Array(_) => 7,
        Value::Bag(_) => 8,
    }
}

fn truth(answer: Option<bool>) -> Value {
    answer.map_or(Value::Null, Value::Bool)
}

/// `a == b`, neither of them dynamic.
pub fn eval_equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal(&call.args[0], &call.args[1])))
}

/// `a != b`, neither of them dynamic.
pub fn eval_not_equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal(&call.args[0], &call.args[1]).map(|is_equal| !is_equal)))
}

/// `a == b`, the left one dynamic.
pub fn eval_equal_dynamic_left(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal_dynamic(&call.args[0], &call.args[1])))
}

/// `a != b`, the left one dynamic.
pub fn eval_not_equal_dynamic_left(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal_dynamic(&call.args[0], &call.args[1]).map(|is_equal| !is_equal)))
}

/// `a == b`, the right one dynamic.
pub fn eval_equal_dynamic_right(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal_dynamic(&call.args[1], &call.args[0])))
}

/// `a != b`, the right one dynamic.
pub fn eval_not_equal_dynamic_right(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(equal_dynamic(&call.args[1], &call.args[0]).map(|is_equal| !is_equal)))
}

/// Returns whether two operands stand in an order, null when one is null or a dynamic without a number.
fn ordered(left: &Value, right: &Value, holds: fn(Ordering) -> bool) -> Value {
    let is_real = |value: &Value| matches!(value, Value::Real(_));
    match order(left, right) {
        Some(ordering) => Value::Bool(holds(ordering)),
        // NaN has no order; nothing is less than it, nor greater.
        None if (is_real(left) || is_real(right)) && Number::of(left).is_some() && Number::of(right).is_some() => {
            Value::Bool(false)
        }
        None => Value::Null,
    }
}

/// `a < b`
pub fn eval_less(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(ordered(&call.args[0], &call.args[1], Ordering::is_lt))
}

/// `a <= b`
pub fn eval_less_or_equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(ordered(&call.args[0], &call.args[1], Ordering::is_le))
}

/// `a > b`
pub fn eval_greater(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(ordered(&call.args[0], &call.args[1], Ordering::is_gt))
}

/// `a >= b`
pub fn eval_greater_or_equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(ordered(&call.args[0], &call.args[1], Ordering::is_ge))
}

/// `x between (low .. high)`: `x >= low and x <= high`, with the nulls of `and`.
pub fn eval_between(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(between(call.args)))
}

/// `x !between (low .. high)`
pub fn eval_not_between(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(between(call.args).map(|is_between| !is_between)))
}

/// `x between (low .. span)` of datetimes: the end is `low + span`.
pub fn eval_between_span(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(between_span(call.args)))
}

/// `x !between (low .. span)` of datetimes.
pub fn eval_not_between_span(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(between_span(call.args).map(|is_between| !is_between)))
}

fn between(args: &[Value]) -> Option<bool> {
    let is_true = |value: Value| match value {
        Value::Bool(is_true) => Some(is_true),
        _ => None,
    };
    let from = is_true(ordered(&args[0], &args[1], Ordering::is_ge));
    let to = is_true(ordered(&args[0], &args[2], Ordering::is_le));
    match (from, to) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn between_span(args: &[Value]) -> Option<bool> {
    let end = match (&args[1], &args[2]) {
        // An end past the last datetime is no bound.
        (Value::DateTime(start), Value::TimeSpan(span)) => Value::DateTime(start.saturating_add(*span)),
        _ => Value::Null,
    };
    between(&[args[0].clone(), args[1].clone(), end])
}

/// Returns whether a value is among others; arrays among these count as their elements, however nested.
///
/// `None` when the value is null and so is one of them.
pub fn is_among(value: &Value, items: &[Value], is_equal: fn(&Value, &Value) -> Option<bool>) -> Option<bool> {
    let mut found = Some(false);
    // Values are at most `Limits::value_nesting_max` deep, and so is this stack.
    let mut open: Vec<std::slice::Iter<'_, Value>> = vec![items.iter()];
    while let Some(level) = open.last_mut() {
        match level.next() {
            None => {
                open.pop();
            }
            Some(Value::Array(inner)) => open.push(inner.iter()),
            Some(item) => match is_equal(value, item) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => found = None,
            },
        }
    }
    found
}

/// Returns whether a value of `in` equals an item: dynamics compare by what they hold.
fn equal_item(value: &Value, item: &Value) -> Option<bool> {
    match (value, item) {
        // A missing property is `""` beside a string, as for `==`.
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => Some(text.is_empty()),
        (Value::Bag(_) | Value::Array(_), Value::String(_)) => equal_dynamic(value, item),
        (Value::String(_), Value::Bag(_) | Value::Array(_)) => equal_dynamic(item, value),
        _ => equal(value, item),
    }
}

/// Returns whether the texts of two values are equal, ASCII case aside.
fn equal_text_ignoring_case(value: &Value, item: &Value) -> Option<bool> {
    Some(format::dynamic_text(value).eq_ignore_ascii_case(&format::dynamic_text(item)))
}

fn among(call: &Call<'_>, is_case_ignored: bool) -> Option<bool> {
    let (value, items) = (&call.args[0], &call.args[1..]);
    if let (Some(Pooled::Words(set)), Value::String(text)) = (call.pooled, value) {
        return Some(set.contains(text.as_bytes()));
    }
    if let (Some(Pooled::Longs(set)), Some(number)) = (call.pooled, as_long(value)) {
        return Some(set.contains(&number));
    }
    is_among(value, items, if is_case_ignored { equal_text_ignoring_case } else { equal_item })
}

/// `x in (...)`
pub fn eval_in(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(among(call, false)))
}

/// `x !in (...)`
pub fn eval_not_in(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(among(call, false).map(|is_in| !is_in)))
}

/// `x in~ (...)`
pub fn eval_in_ignore_case(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(among(call, true)))
}

/// `x !in~ (...)`
pub fn eval_not_in_ignore_case(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(truth(among(call, true).map(|is_in| !is_in)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_total_but_for_two_nulls() {
        // TRANSLATION.md R4.
        let one = Value::Long(1);
        assert_eq!(equal(&Value::Null, &Value::Null), None);
        assert_eq!(equal(&Value::Null, &one), Some(false));
        assert_eq!(equal(&one, &Value::Real(1.0)), Some(true));
        assert_eq!(equal(&Value::Real(f64::NAN), &Value::Real(f64::NAN)), Some(false));
        // Conformance trap/406, trap/407.
        assert_eq!(equal(&one, &Value::string("1")), Some(true));
        assert_eq!(equal(&Value::Real(1.5), &Value::string("1.5")), Some(true));
        assert_eq!(equal(&one, &Value::string("x")), Some(false));
    }

    #[test]
    fn longs_do_not_round() {
        let big = 9_007_199_254_740_993;
        assert_eq!(long_real_order(big, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(long_real_order(i64::MAX, 9_223_372_036_854_775_808.0), Some(Ordering::Less));
        assert_eq!(long_real_order(i64::MIN, -9_223_372_036_854_775_808.0), Some(Ordering::Equal));
        assert_eq!(long_real_order(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(long_real_order(1, 1.5), Some(Ordering::Less));
        assert_eq!(long_real_order(1, f64::NAN), None);
    }

    #[test]
    fn dynamics_beside_types() {
        // Conformance trap/366, trap/387; DESIGN, "Dynamic".
        assert_eq!(equal_dynamic(&Value::Null, &Value::string("")), Some(true));
        assert_eq!(equal_dynamic(&Value::string("x"), &Value::string("x")), Some(true));
        assert_eq!(equal_dynamic(&Value::Long(5), &Value::string("5")), Some(true));
        assert_eq!(equal_dynamic(&Value::string("5"), &Value::Long(5)), Some(false));
        assert_eq!(equal_dynamic(&Value::Real(5.5), &Value::Long(5)), Some(false));
        assert_eq!(equal_dynamic(&Value::Null, &Value::Long(5)), Some(false));
    }

    #[test]
    fn ranges_with_nulls() {
        // Conformance trap/49, trap/51.
        let long = Value::Long;
        assert_eq!(between(&[long(5), Value::Null, long(10)]), None);
        assert_eq!(between(&[long(5), long(1), Value::Null]), None);
        assert_eq!(between(&[long(20), Value::Null, long(10)]), Some(false));
        assert_eq!(between(&[Value::Null, long(2), long(10)]), None);
        assert_eq!(between(&[long(10), long(2), long(10)]), Some(true));
    }

    #[test]
    fn membership_flattens() {
        let items = [Value::array(vec![Value::array(vec![Value::string("b")]), Value::Real(2.0)])];
        assert_eq!(is_among(&Value::string("b"), &items, equal_item), Some(true));
        // Conformance trap/990, trap/996.
        assert_eq!(is_among(&Value::Long(2), &items, equal_item), Some(true));
        assert_eq!(is_among(&Value::Long(1), &[Value::Null], equal_item), Some(false));
        assert_eq!(is_among(&Value::Null, &[Value::Null, Value::Long(1)], equal_item), None);
    }
}
