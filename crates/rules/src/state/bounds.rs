//! How much state may hold, how much a row takes, and when state can move to a new rule set.
//!
//! Bytes are estimates that count every text and allocation as if nothing shared it, so a bound is kept rather than
//! used up. Next: `ranked.rs`.

use dtq_value::{Str, Type, Value};
use std::fmt;

/// Holds how much a part of state may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries, or keys, at most.
    pub entries_max: usize,
    /// Bytes at most, keys included.
    pub bytes_max: usize,
}

/// Holds what keys of a part of state are made of.
///
/// State moves to a new rule set only where this is equal: values of another expression would be other keys, even if
/// they had the same types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyShape {
    /// The expression that gives the key, as the formatter writes it.
    pub expression: Str,
    /// Types of the key's values, in order.
    pub types: Vec<Type>,
}

/// Says that state has another shape than a new rule set wants, so that it has to be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incompatible;

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state has another key or shape than the new rule set wants")
    }
}

impl std::error::Error for Incompatible {}

/// What a heap allocation costs besides its content: the allocator's own, and two counts where it is shared.
const ALLOCATION_BYTES: usize = 32;

/// Returns about how many bytes values take.
pub fn values_bytes(values: &[Value]) -> usize {
    ALLOCATION_BYTES + values.iter().map(value_bytes).sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => ALLOCATION_BYTES + text.size(),
            Value::Array(items) => values_bytes(items),
            Value::Bag(bag) => {
                let entries = bag.iter().map(|(key, value)| 2 * ALLOCATION_BYTES + key.size() + value_bytes(value));
                ALLOCATION_BYTES + entries.sum::<usize>()
            }
            _ => 0,
        }
}
