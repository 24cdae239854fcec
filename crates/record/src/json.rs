//! JSON records to values, without a tree in between: only keys that are read are materialised.
//!
//! Integers that fit are `long`, other numbers `real`; nesting is bounded. Of a repeated key the first is read.

use dtq_value::{Bag, Str, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
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

/// Takes the keys of a record and says which values it wants.
pub(crate) trait RecordSink {
    /// Says whether the value of a key is wanted; `accept` is called next when it is.
    fn wants(&mut self, key: &str) -> bool;

    /// Takes the value of the key asked for last.
    fn accept(&mut self, value: Value);

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
    match String::from_utf8_lossy(json) {
        Cow::Borrowed(text) => read_text(text, nesting_max, sink),
        Cow::Owned(text) => {
            sink.note_lossy();
            read_text(&text, nesting_max, sink)
        }
    }
}

fn read_text(json: &str, nesting_max: usize, sink: &mut dyn RecordSink) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    RecordSeed { nesting_max, sink }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| reason_of(&error))
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
        while let Some(is_wanted) = entries.next_key_seed(WantedSeed(&mut *self.sink))? {
            if is_wanted {
                let value = entries.next_value_seed(ValueSeed { nesting_max: self.nesting_max })?;
                self.sink.accept(value);
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Asks the sink about a key without copying it.
struct WantedSeed<'s>(&'s mut dyn RecordSink);

impl<'de> DeserializeSeed<'de> for WantedSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for WantedSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(self.0.wants(key))
    }
}
