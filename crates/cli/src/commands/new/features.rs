//! A record to what tells its like apart: names, severity, the beginning of its text that stays the same.

use dtq_record::otlp::Signal;
use dtq_record::stream::Row;
use dtq_record::tables;
use dtq_value::{Bag, Str, Value};
use std::fmt::Write;

/// Characters of a text that are enough to know it by.
const PREFIX_CHARS_MAX: usize = 60;
/// Characters below which a beginning says too little.
const PREFIX_CHARS_MIN: usize = 4;
/// Characters of a rule's name that come from the record.
const NAME_CHARS_MAX: usize = 40;

/// Holds one thing that a record has and its like has, too.
pub struct Feature {
    column: &'static str,
    position: usize,
    /// The key in the column; `None` for the column itself.
    key: Option<&'static str>,
    is_dynamic: bool,
    text: String,
    /// Whether the text is a beginning only.
    is_prefix: bool,
}

/// Returns what tells records like this one apart, the most telling first.
pub fn of(signal: Signal, row: &Row) -> Vec<Feature> {
    let take = |column, key| Feature::of(signal, row, column, key);
    let mut features = Vec::new();
    match signal {
        Signal::Logs => {
            let event = take("EventName", None)
                .or_else(|| take("Attributes", Some("event.name")))
                .or_else(|| take("Attributes", Some("EventName")));
            let is_named = event.is_some();
            features.extend(event);
            if !is_named {
                let body = take("Body", None).and_then(Feature::shortened);
                let has_body = body.is_some();
                features.extend(body);
                features.extend(take("SeverityText", None));
                features.extend(take("Scope", Some("Name")).filter(|_| !has_body));
            }
        }
        Signal::Spans => features.extend([take("SpanName", None), take("SpanKind", None)].into_iter().flatten()),
        Signal::Metrics => features.extend(take("MetricName", None)),
    }
    features.extend(take("Resource", Some("service.name")));
    features
}

/// Returns a name for a rule about such records.
pub fn rule_name(features: &[Feature]) -> String {
    let mut name = String::from("drop");
    let mut is_between = true;
    for c in features.first().map_or("", |feature| feature.text.as_str()).chars() {
        if name.len() >= NAME_CHARS_MAX {
            break;
        }
        if c.is_ascii_alphanumeric() {
            if std::mem::take(&mut is_between) {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        } else {
            is_between = true;
        }
    }
    name
}

impl Feature {
    fn of(signal: Signal, row: &Row, column: &'static str, key: Option<&'static str>) -> Option<Self> {
        let columns = &tables::standard(signal.table())?.columns;
        let position = columns.iter().position(|known| known.name == column)?;
        let is_dynamic = columns[position].ty == dtq_value::Type::Dynamic;
        let Value::String(text) = found(row, position, key)? else { return None };
        // What is not UTF-8 cannot stand in a rule file.
        let text = std::str::from_utf8(text.as_bytes()).ok().filter(|text| !text.is_empty())?.to_owned();
        Some(Self { column, position, key, is_dynamic, text, is_prefix: false })
    }

    /// Returns the beginning that further records of the kind have, too: up to the first word that looks like a value.
    fn shortened(mut self) -> Option<Self> {
        let mut end = 0;
        for word in self.text.split_inclusive([' ', '\n', '\t']) {
            let is_value =
                word.chars().any(|c| c.is_ascii_digit() || matches!(c, '"' | '\'' | '/' | '@' | '{' | '<' | '['));
            if is_value || self.text[..end].chars().count() + word.chars().count() > PREFIX_CHARS_MAX {
                break;
            }
            // What follows `key=` is a value.
            let literal = word.split_once('=').map_or(word.len(), |(key, _)| key.len() + 1);
            end += literal;
            if literal < word.len() {
                break;
            }
        }
        self.is_prefix = end < self.text.len();
        self.text.truncate(end);
        (self.text.chars().count() >= PREFIX_CHARS_MIN).then_some(self)
    }

    /// Says whether a record has it.
    pub fn holds(&self, row: &Row) -> bool {
        let Some(Value::String(text)) = found(row, self.position, self.key) else { return false };
        match self.is_prefix {
            true => text.as_bytes().starts_with(self.text.as_bytes()),
            false => text.as_bytes() == self.text.as_bytes(),
        }
    }

    /// Returns it as a condition.
    pub fn kql(&self) -> String {
        let path = match self.key {
            Some("Name") => format!("{}.Name", self.column),
            Some(key) => format!("{}[\"{key}\"]", self.column),
            None => self.column.to_owned(),
        };
        let path = if self.is_dynamic { format!("tostring({path})") } else { path };
        let operator = if self.is_prefix { "startswith_cs" } else { "==" };
        format!("{path} {operator} {}", literal(&self.text))
    }

    /// Copies what a record has in its place.
    pub fn copy(&self, row: &Row, example: &mut Bag) {
        let Some(value) = found(row, self.position, self.key) else { return };
        if matches!(value, Value::String(text) if text.is_empty()) {
            return;
        }
        let column = Str::from(self.column);
        let value = match self.key {
            None => value.clone(),
            Some(key) => {
                let mut inner = match example.get(self.column.as_bytes()) {
                    Some(Value::Bag(inner)) => (**inner).clone(),
                    _ => Bag::new(),
                };
                inner.set(Str::from(key), value.clone());
                Value::bag(inner)
            }
        };
        example.set(column, value);
    }
}

fn found<'r>(row: &'r Row, position: usize, key: Option<&str>) -> Option<&'r Value> {
    let value = row.get(position)?;
    match (key, value) {
        (None, value) => Some(value),
        (Some(key), Value::Bag(bag)) => bag.get(key.as_bytes()),
        (Some(_), _) => None,
    }
}

/// Returns a text as KQL writes it.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if crate::output::text::acts_on_terminal(c) => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
