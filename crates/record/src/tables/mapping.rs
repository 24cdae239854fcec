//! What a column of an alias is made of: a small expression over one row of a standard table.
//!
//! In a file a mapping is a column's name, `"$item"` (the element of `each`), a path `["Attributes", "http.route"]`, or an
//! object with one of the operations of [`Mapping`] as key. There are no loops and no recursion: a mapping always ends.

use crate::convert::text_of;
use crate::stream::Row;
use dtq_value::{Bag, Str, Value};

/// Ticks in a millisecond.
const TICKS_PER_MILLISECOND: f64 = 10_000.0;

/// Says how a value follows from a row.
#[derive(Clone, Debug)]
pub(crate) enum Mapping {
    /// A column by position.
    Column(usize),
    /// The element of the part's `each`.
    Item,
    /// A property inside a dynamic: null where there is none.
    Path(Box<Mapping>, Vec<Step>),
    /// Always the same.
    Constant(Value),
    /// The first that is neither null nor `""`.
    First(Vec<Mapping>),
    /// All one behind the other; null when one of them is missing.
    Concat(Vec<Mapping>),
    /// Those that are not missing, with a text between.
    Join(String, Vec<Mapping>),
    /// The text of a value.
    Text(Box<Mapping>),
    /// A timespan as milliseconds.
    Milliseconds(Box<Mapping>),
    /// One word for another; `other` for those not listed, or the word itself.
    Words {
        /// Of what.
        of: Box<Mapping>,
        /// Word and what stands for it.
        words: Vec<(Str, Value)>,
        /// For all others.
        other: Option<Value>,
    },
    /// What stands for the range that a number is in: from the first bound, below the second.
    Ranges {
        /// Of what.
        of: Box<Mapping>,
        /// Bounds and what stands for them.
        ranges: Vec<(f64, f64, Value)>,
        /// For all others.
        other: Value,
    },
    /// A bag and, where they are not there yet and not missing, some more properties.
    With {
        /// The bag.
        bag: Box<Mapping>,
        /// Key and value of each.
        properties: Vec<(Str, Mapping)>,
    },
    /// A bag of properties.
    Object(Vec<(Str, Mapping)>),
    /// An array.
    List(Vec<Mapping>),
    /// An array of bags with some keys renamed.
    Renamed {
        /// The array.
        of: Box<Mapping>,
        /// Old and new key.
        keys: Vec<(Str, Str)>,
    },
    /// One or the other.
    If(Box<Test>, Box<Mapping>, Box<Mapping>),
}

/// Names a step of a path.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A key of a bag.
    Key(Str),
    /// A position in an array.
    Index(usize),
}

/// Says whether a row counts.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// The value is none of null and `""`.
    Present(Mapping),
    /// The text of the value is one of these.
    In(Mapping, Vec<Str>),
    /// The number is in the range, the upper bound not included.
    Between(Mapping, f64, f64),
    /// One of these holds.
    Any(Vec<Test>),
    /// It does not hold.
    Not(Box<Test>),
}

/// Holds what mappings are evaluated on.
#[derive(Clone, Copy)]
pub(crate) struct Source<'r> {
    /// The row of the standard table.
    pub row: &'r Row,
    /// The element of `each`.
    pub item: &'r Value,
}

impl Mapping {
    /// Returns the value for a row.
    pub fn value(&self, source: Source<'_>) -> Value {
        match self {
            Mapping::Column(index) => source.row.get(*index).cloned().unwrap_or_default(),
            Mapping::Item => source.item.clone(),
            Mapping::Path(of, steps) => match of.borrow_value(source) {
                Some(value) => follow(value, steps),
                None => follow(&of.value(source), steps),
            },
            Mapping::Constant(value) => value.clone(),
            Mapping::First(all) => all.iter().map(|one| one.value(source)).find(is_present).unwrap_or_default(),
            Mapping::Concat(all) => concat(all.iter().map(|one| one.value(source))),
            Mapping::Join(between, all) => join(between, all.iter().map(|one| one.value(source))),
            Mapping::Text(of) => Value::string(text_of(&of.value(source))),
            Mapping::Milliseconds(of) => match of.value(source) {
                Value::TimeSpan(ticks) => Value::Real(ticks as f64 / TICKS_PER_MILLISECOND),
                _ => Value::Null,
            },
            Mapping::Words { of, words, other } => translate(of.value(source), words, other.as_ref()),
            Mapping::Ranges { of, ranges, other } => {
                let number = number_of(&of.value(source));
                let found = ranges.iter().find(|(low, high, _)| number.is_some_and(|n| n >= *low && n < *high));
                found.map_or(other, |(.., value)| value).clone()
            }
            Mapping::With { bag, properties } => with(bag.value(source), properties, source),
            Mapping::Object(properties) => with(Value::Null, properties, source),
            Mapping::List(all) => Value::array(all.iter().map(|one| one.value(source)).collect()),
            Mapping::Renamed { of, keys } => renamed(of.value(source), keys),
            Mapping::If(test, then, other) => if test.holds(source) { then } else { other }.value(source),
        }
    }

    /// Returns the value without copying it where that is possible.
    fn borrow_value<'r>(&self, source: Source<'r>) -> Option<&'r Value> {
        match self {
            Mapping::Column(index) => source.row.get(*index),
            Mapping::Item => Some(source.item),
            _ => None,
        }
    }

    /// Calls `visit` for each column that the mapping reads.
    pub fn visit_columns(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Mapping::Column(index) => visit(*index),
            Mapping::Item | Mapping::Constant(_) => {}
            Mapping::Path(of, _)
            | Mapping::Text(of)
            | Mapping::Milliseconds(of)
            | Mapping::Words { of, .. }
            | Mapping::Ranges { of, .. }
            | Mapping::Renamed { of, .. } => of.visit_columns(visit),
            Mapping::First(all) | Mapping::Concat(all) | Mapping::Join(_, all) | Mapping::List(all) => {
                all.iter().for_each(|one| one.visit_columns(visit));
            }
            Mapping::With { bag, properties } => {
                bag.visit_columns(visit);
                properties.iter().for_each(|(_, one)| one.visit_columns(visit));
            }
            Mapping::Object(properties) => properties.iter().for_each(|(_, one)| one.visit_columns(visit)),
            Mapping::If(test, then, other) => {
                test.visit_columns(visit);
                then.visit_columns(visit);
                other.visit_columns(visit);
            }
        }
    }

    /// Says whether a value written to the column can be written back: with `is_writable` for the standard columns.
    pub fn has_inverse(&self, is_writable: &[bool]) -> bool {
        let writable = |index: &usize| is_writable.get(*index).copied().unwrap_or(false);
        match self {
            Mapping::Column(index) => writable(index),
            // A text may stand where any value does; a key of a bag may be set.
            Mapping::Text(of) | Mapping::With { bag: of, .. } => of.has_inverse(is_writable),
            Mapping::Path(of, steps) => steps.len() == 1 && of.has_inverse(is_writable),
            Mapping::Words { of, words, other } => {
                let mut values: Vec<Vec<u8>> = words.iter().map(|(_, value)| text_of(value)).collect();
                values.sort_unstable();
                values.dedup();
                other.is_none() && values.len() == words.len() && of.has_inverse(is_writable)
            }
            _ => false,
        }
    }
}

impl Test {
    /// Says whether it holds for a row.
    pub fn holds(&self, source: Source<'_>) -> bool {
        match self {
            Test::Present(of) => is_present(&of.value(source)),
            Test::In(of, words) => {
                let text = text_of(&of.value(source));
                words.iter().any(|word| word.as_bytes() == text)
            }
            Test::Between(of, low, high) => number_of(&of.value(source)).is_some_and(|n| n >= *low && n < *high),
            Test::Any(tests) => tests.iter().any(|test| test.holds(source)),
            Test::Not(test) => !test.holds(source),
        }
    }

    /// Calls `visit` for each column that the test reads.
    pub fn visit_columns(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Test::Present(of) | Test::In(of, _) | Test::Between(of, ..) => of.visit_columns(visit),
            Test::Any(tests) => tests.iter().for_each(|test| test.visit_columns(visit)),
            Test::Not(test) => test.visit_columns(visit),
        }
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(f64::from(*number)),
        Value::Long(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::String(text) => text.as_text().trim().parse().ok(),
        _ => None,
    }
}

fn follow(start: &Value, steps: &[Step]) -> Value {
    let mut value = start;
    for step in steps {
        let inner = match (value, step) {
            (Value::Bag(bag), Step::Key(key)) => bag.get(key.as_bytes()),
            (Value::Array(items), Step::Index(index)) => items.get(*index),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => return Value::Null,
        }
    }
    value.clone()
}

fn concat(values: impl Iterator<Item = Value>) -> Value {
    let mut text = Vec::new();
    for value in values {
        if !is_present(&value) {
            return Value::Null;
        }
        text.extend(text_of(&value));
    }
    Value::string(text)
}

fn join(between: &str, values: impl Iterator<Item = Value>) -> Value {
    let texts: Vec<Vec<u8>> = values.filter(is_present).map(|value| text_of(&value)).collect();
    Value::string(texts.join(between.as_bytes()))
}

fn translate(value: Value, words: &[(Str, Value)], other: Option<&Value>) -> Value {
    let text = text_of(&value);
    let found = words.iter().find(|(word, _)| word.as_bytes() == text);
    found.map(|(_, value)| value.clone()).or_else(|| other.cloned()).unwrap_or(value)
}

fn with(bag: Value, properties: &[(Str, Mapping)], source: Source<'_>) -> Value {
    let absent = |bag: &Bag, key: &Str| bag.get(key.as_bytes()).is_none();
    let held = match &bag {
        Value::Bag(bag) => Some(bag),
        _ => None,
    };
    let mut more = properties
        .iter()
        .filter(|(key, _)| held.is_none_or(|bag| absent(bag, key)))
        .map(|(key, one)| (key, one.value(source)))
        .filter(|(_, value)| is_present(value))
        .peekable();
    // The usual case costs no copy.
    if more.peek().is_none() && held.is_some() {
        return bag;
    }
    let mut result = held.map(|bag| Bag::clone(bag)).unwrap_or_default();
    for (key, value) in more {
        result.set_if_absent(key.clone(), value);
    }
    Value::bag(result)
}

fn renamed(value: Value, keys: &[(Str, Str)]) -> Value {
    let Value::Array(items) = value else { return Value::Null };
    let rename = |item: &Value| match item {
        Value::Bag(bag) => {
            let name = |key: &Str| keys.iter().find(|(old, _)| old == key).map_or(key, |(_, new)| new).clone();
            Value::bag(bag.iter().map(|(key, value)| (name(key), value.clone())).collect())
        }
        other => other.clone(),
    };
    Value::array(items.iter().map(rename).collect())
}
