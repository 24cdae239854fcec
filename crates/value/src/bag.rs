//! A property bag: keys in the order in which they were written, each once.

use crate::{Str, Value};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Holds the properties of a dynamic object in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bag(IndexMap<Str, Value>);

impl Bag {
    /// Returns an empty bag.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the property, or `None`.
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.0.get(key)
    }

    /// Returns the property at a position, or `None` past the last.
    pub fn at(&self, index: usize) -> Option<(&Str, &Value)> {
        self.0.get_index(index)
    }

    /// Sets a property, in place when the key is there already.
    pub fn set(&mut self, key: Str, value: Value) {
        self.0.insert(key, value);
    }

    /// Sets a property unless the key is there already.
    pub fn set_if_absent(&mut self, key: Str, value: Value) {
        self.0.entry(key).or_insert(value);
    }

    /// Removes a property, keeping the order of the others; returns it.
    pub fn remove(&mut self, key: &[u8]) -> Option<Value> {
        self.0.shift_remove(key)
    }

    /// Returns the properties in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Value)> {
        self.0.iter()
    }

    /// Returns how many properties there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Str, Value)> for Bag {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}
