//! JSON records to values, without a tree in between: only keys that are read are materialised.
//!
//! Integers that fit are `long`, other numbers `real`; nesting is bounded. Of a repeated key the first is read.

use crate::stream::Inside;
use dtq_value::{Bag, Str, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Reads any JSON value.
#[derive(Clone, Copy)]
pub(crate) struct ValueSeed {
    /// How many levels of arrays and objects may still be opened.
    pub nesting_max: usize,
}

impl ValueSeed {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let nesting_max = self.nesting_max.checked_sub(1).ok_or_else(|| E::custom("a value is nested too deep"))?;
        Ok(Self { nesting_max })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Long(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Real(value as f64), Value::Long))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::string(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut bag = Bag::new();
        while let Some(key) = entries.next_key_seed(KeySeed)? {
            bag.set_if_absent(key, entries.next_value_seed(inner)?);
        }
        Ok(Value::bag(bag))
    }
}

/// Reads a key as a string.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, value: &str) -> Result<Str, E> {
        Ok(Str::from(value))
    }
}

/// Reads any JSON value, but of objects only what is asked for.
struct InsideSeed<'i> {
    whole: ValueSeed,
    inside: &'i Inside,
}

impl<'de> DeserializeSeed<'de> for InsideSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.inside {
            Inside::Whole => deserializer.deserialize_any(self.whole),
            Inside::Keys(keys) => deserializer.deserialize_any(KeysVisitor { whole: self.whole, keys }),
        }
    }
}

/// Reads an object for some of its keys; what is no object is read whole.
struct KeysVisitor<'i> {
    whole: ValueSeed,
    keys: &'i [(Str, Inside)],
}

impl<'de> Visitor<'de> for KeysVisitor<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.whole.visit_unit()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.whole.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.whole.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.whole.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.whole.visit_f64(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.whole.visit_str(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Value, A::Error> {
        self.whole.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let whole = self.whole.deeper()?;
        let mut bag = Bag::new();
        while let Some(index) = entries.next_key_seed(KeyIndexSeed(self.keys))? {
            match index {
                Some(index) => {
                    let (key, inside) = &self.keys[index];
                    bag.set_if_absent(key.clone(), entries.next_value_seed(InsideSeed { whole, inside })?);
                }
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::bag(bag))
    }
}

/// Finds a key among some without copying it.
struct KeyIndexSeed<'i>(&'i [(Str, Inside)]);

impl<'de> DeserializeSeed<'de> for KeyIndexSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIndexSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|(known, _)| known.as_bytes() == key.as_bytes()))
    }
}

/// Takes the keys of a record and says which values it wants.
pub(crate) trait RecordSink {
    /// Says what is wanted of the value of a key; `accept` is called next unless that is nothing.
    fn wants(&mut self, key: &str) -> Option<Inside>;

    /// Takes the value of the key asked for last.
    fn accept(&mut self, value: Value);

    /// Says whether what was taken so far decides that the record does not matter, so that the rest need not be read.
    fn is_settled(&self) -> bool {
        false
    }

    /// Takes notice that the record has bytes that are not UTF-8.
    fn note_lossy(&mut self) {}
}

/// Reads a record, which must be an object, into a sink.
///
/// # Errors
/// Why it is no JSON object, for people.
///
/// Bytes that are not UTF-8 (nginx and others write them) become U+FFFD, which the sink is told.
pub(crate) fn read_record(json: &[u8], nesting_max: usize, sink: &mut dyn RecordSink) -> Result<(), String> {
    // Checking the whole is quicker than looking for the first fault, which there hardly ever is.
    match std::str::from_utf8(json) {
        Ok(text) => read_text(text, nesting_max, sink),
        Err(_) => {
            sink.note_lossy();
            read_text(&String::from_utf8_lossy(json), nesting_max, sink)
        }
    }
}

fn read_text(json: &str, nesting_max: usize, sink: &mut dyn RecordSink) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let result = RecordSeed { nesting_max, sink: &mut *sink }.deserialize(&mut deserializer);
    match result.and_then(|()| deserializer.end()) {
        Ok(()) => Ok(()),
        // Nobody reads why the rest of a record was not read, and saying it takes longer than reading.
        Err(_) if sink.is_settled() => Err(String::new()),
        Err(error) => Err(reason_of(&error)),
    }
}

/// Returns what is wrong without the position within the record, which the place of the record already gives.
pub(crate) fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let bare = text.rsplit_once(" at line ").map_or(text.as_str(), |(bare, _)| bare);
    match error.column() {
        0 => format!("malformed JSON: {bare}"),
        column => format!("malformed JSON: {bare} (column {column})"),
    }
}

struct RecordSeed<'s> {
    nesting_max: usize,
    sink: &'s mut dyn RecordSink,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let whole = ValueSeed { nesting_max: self.nesting_max };
        while let Some(wanted) = entries.next_key_seed(WantedSeed(&mut *self.sink))? {
            match wanted {
                Some(inside) => {
                    let value = entries.next_value_seed(InsideSeed { whole, inside: &inside })?;
                    self.sink.accept(value);
                    if self.sink.is_settled() {
                        // What follows is then a fault, unless nothing does. Whoever reads the record asks the sink
                        // before it takes it for one; to leave like this costs less than a fault of our own.
                        return Ok(());
                    }
                }
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Asks the sink about a key without copying it.
struct WantedSeed<'s>(&'s mut dyn RecordSink);

impl<'de> DeserializeSeed<'de> for WantedSeed<'_> {
    type Value = Option<Inside>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Inside>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for WantedSeed<'_> {
    type Value = Option<Inside>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<Inside>, E> {
        Ok(self.0.wants(key))
    }
}
