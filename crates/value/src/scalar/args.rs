//! Typed access to the arguments of a call, so that functions read as their definition.

use crate::scalar::Call;
use crate::{Bag, Value};

impl<'a> Call<'a> {
    /// Returns the argument at a position; null when it was left out.
    pub fn arg(&self, index: usize) -> &'a Value {
        self.args.get(index).unwrap_or(&Value::Null)
    }

    /// Returns the bytes of a string argument; none when it is left out or not a string.
    pub fn bytes(&self, index: usize) -> &'a [u8] {
        match self.arg(index) {
            Value::String(text) => text.as_bytes(),
            _ => b"",
        }
    }

    /// Returns an integer argument, or `None` when it is null, left out or not an integer.
    pub fn long(&self, index: usize) -> Option<i64> {
        as_long(self.arg(index))
    }

    /// Returns a numeric argument as a real, or `None` when it is null, left out or not a number.
    pub fn real(&self, index: usize) -> Option<f64> {
        as_real(self.arg(index))
    }

    /// Returns a bool argument, or `None` when it is null, left out or not a bool.
    pub fn bool(&self, index: usize) -> Option<bool> {
        match self.arg(index) {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Returns the elements of an array argument, or `None` when it is not an array.
    pub fn array(&self, index: usize) -> Option<&'a [Value]> {
        as_array(self.arg(index))
    }

    /// Returns a bag argument, or `None` when it is not a bag.
    pub fn bag(&self, index: usize) -> Option<&'a Bag> {
        match self.arg(index) {
            Value::Bag(bag) => Some(bag),
            _ => None,
        }
    }
}

/// Returns an int or long, or `None` for anything else.
pub fn as_long(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _ => None,
    }
}

/// Returns a number as a real, or `None` for anything else.
pub fn as_real(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(f64::from(*number)),
        Value::Long(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Decimal(number) => rust_decimal::prelude::ToPrimitive::to_f64(number),
        _ => None,
    }
}

/// Returns the elements of an array, or `None` for anything else.
pub fn as_array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}
