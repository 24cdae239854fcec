//! The order of values for `sort`, `top`, `min` and `max`.
//!
//! Within a type: numbers and times by size, strings by their bytes, false before true. Values of different types meet
//! only inside dynamics; they are ordered by type so that the order is total.

use dtq_ir::rel::SortKey;
use dtq_value::{Decimal, Value};
use std::cmp::Ordering;

/// Holds how one key orders rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    is_ascending: bool,
    is_nulls_first: bool,
}

impl Direction {
    /// Returns the directions of sort keys.
    pub(crate) fn of(keys: &[SortKey]) -> Vec<Self> {
        let direction = |key: &SortKey| Self { is_ascending: key.is_ascending, is_nulls_first: key.is_nulls_first };
        keys.iter().map(direction).collect()
    }

    /// Compares two values. Null and NaN stay together at the end that the direction says, null outermost.
    ///
    /// # Source
    /// Kusto documentation, "sort operator", "Using special floating-point values".
    fn compare(self, left: &Value, right: &Value) -> Ordering {
        let (left_rank, right_rank) = (absence(left), absence(right));
        if left_rank != right_rank {
            let nulls_last = left_rank.cmp(&right_rank);
            return if self.is_nulls_first { nulls_last.reverse() } else { nulls_last };
        }
        let order = compare_values(left, right);
        if self.is_ascending { order } else { order.reverse() }
    }
}

/// Returns 2 for null, 1 for NaN, 0 for any other value.
fn absence(value: &Value) -> u8 {
    match value {
        Value::Null => 2,
        Value::Real(value) if value.is_nan() => 1,
        _ => 0,
    }
}

/// Compares the keys of two rows.
pub(crate) fn compare_keys(directions: &[Direction], left: &[Value], right: &[Value]) -> Ordering {
    let pairs = directions.iter().zip(left.iter().zip(right));
    pairs
        .map(|(direction, (left, right))| direction.compare(left, right))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Compares two values, small first; null and NaN before all others of their type.
pub(crate) fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::DateTime(a), Value::DateTime(b)) | (Value::TimeSpan(a), Value::TimeSpan(b)) => a.cmp(b),
        (Value::Guid(a), Value::Guid(b)) => a.cmp(b),
        (Value::Real(a), Value::Real(b)) => compare_reals(*a, *b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => compare_items(a, b),
        (left, right) => match (as_integer(left), as_integer(right)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ if type_rank(left) == NUMBER_RANK && type_rank(right) == NUMBER_RANK => {
                compare_reals(as_real(left), as_real(right))
            }
            _ => type_rank(left).cmp(&type_rank(right)),
        },
    }
}

fn compare_items(left: &[Value], right: &[Value]) -> Ordering {
    let pairs = left.iter().zip(right);
    let first_difference = pairs.map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
    first_difference.unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// Compares two reals: NaN first, and the zeros equal.
fn compare_reals(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) => Some(*value),
        _ => None,
    }
}

/// Returns a number as a real; NaN for anything else.
pub(crate) fn as_real(value: &Value) -> f64 {
    match value {
        Value::Int(value) => f64::from(*value),
        Value::Long(value) => *value as f64,
        Value::Real(value) => *value,
        Value::Decimal(value) => decimal_to_real(*value),
        _ => f64::NAN,
    }
}

/// Returns the real nearest to a decimal.
pub(crate) fn decimal_to_real(value: Decimal) -> f64 {
    f64::try_from(value).unwrap_or(f64::NAN)
}

const NUMBER_RANK: u8 = 2;

fn type_rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_) => NUMBER_RANK,
        Value::DateTime(_) => 3,
        Value::TimeSpan(_) => 4,
        Value::String(_) => 5,
        Value::Guid(_) => 6,
        Value::Array(_) => 7,
        Value::Bag(_) => 8,
    }
}
