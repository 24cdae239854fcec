//! Values as keys: when two values are the same one for grouping, `distinct`, joins and sets.
//!
//! Unlike KQL's `==`, identity is total: null is the same as null, NaN as NaN. Zero has one identity whatever its sign,
//! and an int inside a dynamic is the same as the long. Next: nothing; this is a leaf.

use dtq_value::{Bag, Value};
use std::hash::{Hash, Hasher};

/// Holds a value that is compared and hashed by identity.
#[derive(Clone, Debug)]
pub struct Identity(pub Value);

/// Holds values that are compared and hashed by identity, item by item.
#[derive(Clone, Debug, Default)]
pub struct RowIdentity(pub Vec<Value>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_value(&self.0, state);
    }
}

impl PartialEq for RowIdentity {
    fn eq(&self, other: &Self) -> bool {
        are_same(&self.0, &other.0)
    }
}

impl Eq for RowIdentity {}

impl Hash for RowIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|value| hash_value(value, state));
    }
}

/// Says whether two values are the same.
pub fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Real(a), Value::Real(b)) => real_bits(*a) == real_bits(*b),
        (Value::Int(a), Value::Long(b)) | (Value::Long(b), Value::Int(a)) => i64::from(*a) == *b,
        (Value::DateTime(a), Value::DateTime(b)) | (Value::TimeSpan(a), Value::TimeSpan(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => are_same(a, b),
        (Value::Bag(a), Value::Bag(b)) => are_same_bags(a, b),
        (Value::DateTime(_), _) | (Value::TimeSpan(_), _) => false,
        (left, right) => left == right,
    }
}

fn are_same(left: &[Value], right: &[Value]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| is_same(a, b))
}

fn are_same_bags(left: &Bag, right: &Bag) -> bool {
    left.count() == right.count()
        && left.iter().all(|(key, value)| right.get(key.as_bytes()).is_some_and(|other| is_same(value, other)))
}

/// Returns the bits that stand for a real: one pattern for NaN, one for zero.
fn real_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

fn hash_value<H: Hasher>(value: &Value, state: &mut H) {
    match value {
        Value::Null => 0_u8.hash(state),
        Value::Bool(value) => (1_u8, value).hash(state),
        Value::Int(value) => (2_u8, i64::from(*value)).hash(state),
        Value::Long(value) => (2_u8, value).hash(state),
        Value::Real(value) => (3_u8, real_bits(*value)).hash(state),
        Value::Decimal(value) => (4_u8, value).hash(state),
        Value::String(value) => value.hash(state),
        Value::DateTime(value) => (6_u8, value).hash(state),
        Value::TimeSpan(value) => (7_u8, value).hash(state),
        Value::Guid(value) => (8_u8, value).hash(state),
        Value::Array(items) => items.iter().for_each(|item| hash_value(item, state)),
        Value::Bag(bag) => (9_u8, hash_bag(bag)).hash(state),
    }
}

/// Returns a hash that does not depend on the order of the properties, since their order is no part of identity.
fn hash_bag(bag: &Bag) -> u64 {
    bag.iter().fold(bag.count() as u64, |sum, (key, value)| {
        let mut hasher = rustc_hash::FxHasher::default();
        key.hash(&mut hasher);
        hash_value(value, &mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}
