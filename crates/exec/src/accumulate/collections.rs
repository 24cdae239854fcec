//! Collecting values into a dynamic: `make_list`, `make_set`, `make_bag`.

use super::Accumulator;
use crate::budget::value_bytes;
use dtq_interp::Identity;
use dtq_value::{Bag, Value};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// How many items a collection has at most, whatever the query says.
///
/// # Source
/// Kusto documentation, "make_list()": "The default and max value is 1048576".
const SIZE_MAX: usize = 1 << 20;

/// Returns the size a query asks for, within [`SIZE_MAX`].
fn size_max(size: Option<&Value>) -> usize {
    match size {
        Some(Value::Long(size)) => usize::try_from(*size).unwrap_or(0).min(SIZE_MAX),
        Some(Value::Int(size)) => usize::try_from(*size).unwrap_or(0).min(SIZE_MAX),
        _ => SIZE_MAX,
    }
}

/// `make_list`, `make_list_with_nulls`.
pub(super) struct MakeList {
    size_max: usize,
    keeps_nulls: bool,
    items: Vec<Value>,
}

impl MakeList {
    pub(super) fn new(size: Option<&Value>, keeps_nulls: bool) -> Self {
        Self { size_max: size_max(size), keeps_nulls, items: Vec::new() }
    }
}

impl Accumulator for MakeList {
    fn add(&mut self, args: &[Value]) -> usize {
        let is_wanted = self.keeps_nulls || !args[0].is_null();
        if !is_wanted || self.items.len() >= self.size_max {
            return 0;
        }
        self.items.push(args[0].clone());
        value_bytes(&args[0])
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(Value::array(std::mem::take(&mut self.items)));
    }
}

/// `make_set`: each different value once, in the order in which they were first seen; arrays give their items.
///
/// # Source
/// Kusto documentation, "make_set()", example "Set from array column".
pub(super) struct MakeSet {
    size_max: usize,
    items: IndexSet<Identity, FxBuildHasher>,
}

impl MakeSet {
    pub(super) fn new(size: Option<&Value>) -> Self {
        Self { size_max: size_max(size), items: IndexSet::default() }
    }

    fn add_item(&mut self, item: &Value) -> usize {
        if item.is_null() || self.items.len() >= self.size_max || !self.items.insert(Identity(item.clone())) {
            return 0;
        }
        /// What an entry takes besides the value.
        const ENTRY_BYTES: usize = 16;
        value_bytes(item) + ENTRY_BYTES
    }
}

impl Accumulator for MakeSet {
    fn add(&mut self, args: &[Value]) -> usize {
        match &args[0] {
            Value::Array(items) => items.iter().map(|item| self.add_item(item)).sum(),
            value => self.add_item(value),
        }
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let items = std::mem::take(&mut self.items);
        outputs.push(Value::array(items.into_iter().map(|item| item.0).collect()));
    }
}

/// `make_bag`: the properties of all bags; the first value of a key stays. Values that are no bags are skipped.
pub(super) struct MakeBag {
    size_max: usize,
    bag: Bag,
}

impl MakeBag {
    pub(super) fn new(size: Option<&Value>) -> Self {
        Self { size_max: size_max(size), bag: Bag::new() }
    }
}

impl Accumulator for MakeBag {
    fn add(&mut self, args: &[Value]) -> usize {
        let Value::Bag(bag) = &args[0] else {
            return 0;
        };
        let mut grown_bytes = 0;
        for (key, value) in bag.iter() {
            if self.bag.count() < self.size_max && self.bag.get(key.as_bytes()).is_none() {
                grown_bytes += value_bytes(value) + value_bytes(&Value::String(key.clone()));
                self.bag.set(key.clone(), value.clone());
            }
        }
        grown_bytes
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(Value::bag(std::mem::take(&mut self.bag)));
    }
}
