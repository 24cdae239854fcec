//! One value of any type. A dynamic is simply a value whose static type is `dynamic`.

use crate::{Bag, Str};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Holds a decimal number of up to 28 significant digits.
pub type Decimal = rust_decimal::Decimal;

/// Holds a guid's 16 bytes in the order in which they are written.
pub type Guid = [u8; 16];

/// Holds a value.
///
/// A value of a static type other than `dynamic` is `Null` or the variant of that type (a string is never `Null`). A
/// value of type `dynamic` may be any variant; numbers parsed from JSON are `Long` or `Real`.
///
/// `PartialEq` is identity, for tests and deduplication: reals compare by bits. KQL's `==` is
/// [`scalar`](crate::scalar)'s.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Value {
    /// Null of any type.
    #[default]
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i32),
    /// `long`
    Long(i64),
    /// `real`
    Real(f64),
    /// `decimal`
    Decimal(Decimal),
    /// `string`
    String(Str),
    /// `datetime`: ticks of 100 ns since 0001-01-01T00:00Z.
    DateTime(i64),
    /// `timespan`: ticks of 100 ns.
    TimeSpan(i64),
    /// `guid`
    Guid(Guid),
    /// A dynamic array.
    Array(Arc<Vec<Value>>),
    /// A dynamic property bag.
    Bag(Arc<Bag>),
}

impl Value {
    /// Returns a string value.
    pub fn string(text: impl Into<Str>) -> Self {
        Value::String(text.into())
    }

    /// Returns a dynamic array.
    pub fn array(items: Vec<Value>) -> Self {
        Value::Array(Arc::new(items))
    }

    /// Returns a dynamic bag.
    pub fn bag(bag: Bag) -> Self {
        Value::Bag(Arc::new(bag))
    }

    /// Says whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Returns what a missing value of a type is: null, or `""` for a string.
    pub fn missing(ty: crate::Type) -> Self {
        if ty == crate::Type::String { Value::String(Str::default()) } else { Value::Null }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Long(a), Value::Long(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::DateTime(a), Value::DateTime(b)) | (Value::TimeSpan(a), Value::TimeSpan(b)) => a == b,
            (Value::Guid(a), Value::Guid(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Bag(a), Value::Bag(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}
