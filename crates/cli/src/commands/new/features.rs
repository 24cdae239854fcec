//! A record to what tells its like apart: names, severity, the beginning of its text that stays the same.

use dtq_record::otlp::Signal;
use dtq_record::stream::Row;
use dtq_record::tables;
use dtq_value::{Bag, Str, Value};
use std::fmt::Write;
use std::ops::Range;

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
    part: Part,
}

/// Says which part of the value the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Beginning,
    Inside,
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
    let text = features.first().map_or("", |feature| feature.text.as_str());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = String::from("drop");
    for word in words {
        if name.len() + word.len() >= NAME_CHARS_MAX {
            break;
        }
        name.push('-');
        name.push_str(&word.to_ascii_lowercase());
    }
    // A text without a letter, or with a very long word, gives no name.
    if name == "drop" { "drop-like-this".to_owned() } else { name }
}

impl Feature {
    fn of(signal: Signal, row: &Row, column: &'static str, key: Option<&'static str>) -> Option<Self> {
        let columns = &tables::standard(signal.table())?.columns;
        let position = columns.iter().position(|known| known.name == column)?;
        let is_dynamic = columns[position].ty == dtq_value::Type::Dynamic;
        let Value::String(text) = found(row, position, key)? else { return None };
        // What is not UTF-8 cannot stand in a rule file.
        let text = std::str::from_utf8(text.as_bytes()).ok().filter(|text| !text.is_empty())?.to_owned();
        Some(Self { column, position, key, is_dynamic, text, part: Part::Whole })
    }

    /// Returns the part that further records of the kind have, too: the words in front of the first that looks like a
    /// value, or else the longest run of words between values, or else the longest word without a digit.
    fn shortened(self) -> Option<Self> {
        let runs = runs(&self.text);
        let size = |run: &Range<usize>| self.text[run.clone()].trim().chars().count();
        let longest = |runs: &[Range<usize>]| {
            // Of several as long the first, which `max_by_key` alone would not take.
            runs.iter().rev().max_by_key(|run| size(run)).filter(|run| size(run) >= PREFIX_CHARS_MIN).cloned()
        };
        let run = match runs.first() {
            Some(first) if first.start == 0 && size(first) >= PREFIX_CHARS_MIN => first.clone(),
            _ => longest(&runs).or_else(|| longest(&words(&self.text)))?,
        };
        let part = match (run.start, run.end == self.text.len()) {
            (0, true) => Part::Whole,
            (0, false) => Part::Beginning,
            _ => Part::Inside,
        };
        let text = &self.text[run];
        let text = if part == Part::Inside { text.trim() } else { text }.to_owned();
        Some(Self { text, part, ..self })
    }

    /// Says whether a record has it.
    pub fn holds(&self, row: &Row) -> bool {
        let Some(Value::String(text)) = found(row, self.position, self.key) else { return false };
        let text = text.as_text();
        match self.part {
            Part::Whole => text == self.text.as_str(),
            Part::Beginning => text.starts_with(&self.text),
            Part::Inside => text.contains(&self.text),
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
        let operator = match self.part {
            Part::Whole => "==",
            Part::Beginning => "startswith_cs",
            Part::Inside => "contains_cs",
        };
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

/// Returns the runs of words that do not look like values, each of bounded size.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut run, mut chars) = (0..0, 0);
    for word in text.split_inclusive([' ', '\n', '\t']) {
        let start = run.end;
        let is_value =
            word.chars().any(|c| c.is_ascii_digit() || matches!(c, '"' | '\'' | '/' | '@' | '{' | '<' | '[' | '\n'));
        // What follows `key=` is a value.
        let literal = if is_value { 0 } else { word.split_once('=').map_or(word.len(), |(key, _)| key.len() + 1) };
        let fits = chars + word.chars().count() <= PREFIX_CHARS_MAX;
        if fits {
            run.end += literal;
            chars += word.chars().count();
        }
        if literal < word.len() || !fits {
            runs.push(run.clone());
            (run, chars) = (start + word.len()..start + word.len(), 0);
        }
    }
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

/// Returns the words without a digit, without what stands around them.
fn words(text: &str) -> Vec<Range<usize>> {
    let start = text.as_ptr() as usize;
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/'));
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    let words = words.filter(|word| word.chars().count() <= PREFIX_CHARS_MAX);
    let place = |word: &str| {
        let at = word.as_ptr() as usize - start;
        at..at + word.len()
    };
    words.map(place).collect()
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
