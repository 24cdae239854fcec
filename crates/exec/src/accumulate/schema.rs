//! `buildschema`: the least schema that admits all dynamics of a group.

use super::Accumulator;
use dtq_value::{Bag, Str, Value};
use indexmap::IndexMap;

/// Collects what was seen at one place inside the dynamics.
#[derive(Default)]
struct Place {
    /// Names of scalar types, in the order in which they were first seen.
    types: Vec<&'static str>,
    properties: Option<IndexMap<Str, Place>>,
    items: Option<Box<Place>>,
}

impl Place {
    /// Takes in a value; returns about how many bytes more are held. Nesting is bounded by `Limits::value_nesting_max`.
    fn add(&mut self, value: &Value) -> usize {
        match value {
            Value::Null => 0,
            Value::Array(items) => {
                let place = self.items.get_or_insert_default();
                items.iter().map(|item| place.add(item)).sum::<usize>()
            }
            Value::Bag(bag) => {
                let properties = self.properties.get_or_insert_default();
                bag.iter().map(|(key, value)| add_property(properties, key, value)).sum()
            }
            value => {
                let name = schema_name(value);
                if !self.types.contains(&name) {
                    self.types.push(name);
                }
                0
            }
        }
    }

    /// Returns the schema: one alternative as it is, several as an array.
    ///
    /// # Source
    /// Kusto documentation, "buildschema()", the example: items of arrays stand under the key `indexer` in backquotes.
    fn schema(self) -> Value {
        let mut alternatives: Vec<Value> = self.types.into_iter().map(Value::string).collect();
        if let Some(items) = self.items {
            let key = Str::from("`indexer`");
            alternatives.push(Value::bag(Bag::from_iter([(key, items.schema())])));
        }
        if let Some(properties) = self.properties {
            let properties = properties.into_iter().map(|(key, place)| (key, place.schema()));
            alternatives.push(Value::bag(properties.collect()));
        }
        match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Value::array(alternatives),
        }
    }
}

fn add_property(properties: &mut IndexMap<Str, Place>, key: &Str, value: &Value) -> usize {
    if let Some(place) = properties.get_mut(key) {
        return place.add(value);
    }
    let mut place = Place::default();
    let grown_bytes = place.add(value) + size_of::<Place>() + key.size() + 64;
    properties.insert(key.clone(), place);
    grown_bytes
}

/// Returns the name that `buildschema` gives a scalar type: a real is a `double`.
fn schema_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Long(_) => "long",
        Value::Real(_) => "double",
        Value::Decimal(_) => "decimal",
        Value::DateTime(_) => "datetime",
        Value::TimeSpan(_) => "timespan",
        Value::Guid(_) => "guid",
        _ => "string",
    }
}

/// `buildschema`.
#[derive(Default)]
pub(super) struct BuildSchema(Place);

impl Accumulator for BuildSchema {
    fn add(&mut self, args: &[Value]) -> usize {
        self.0.add(&args[0])
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(std::mem::take(&mut self.0).schema());
    }
}
