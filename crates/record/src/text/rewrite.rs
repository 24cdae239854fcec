//! A record that is not OTLP, and its row of `logs` before and after an edit, to the edited record in its own format.
//!
//! JSON: the members that changed, and nothing else. Text: the line. Where a format has no place for what changed, that
//! is said; nothing is written that reads back as something else. The other direction: `record.rs`.

use crate::format::Format;
use crate::known::{Role, role_of};
use crate::otlp::logs::column;
use crate::stream::Row;
use crate::tables;
use dtq_value::{Bag, Value, json};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Returns a record with what differs between two rows of `logs`.
///
/// # Errors
/// What has no place in the record, as a clause: "SeverityNumber has no place in ndjson".
pub fn rewrite(format: Format, record: &[u8], before: &Row, after: &Row) -> Result<Vec<u8>, String> {
    let changed: Vec<usize> = (0..column::COUNT).filter(|at| before.get(*at) != after.get(*at)).collect();
    match format {
        Format::Ndjson | Format::Json => rewrite_json(record, &changed, before, after),
        Format::Text => rewrite_text(&changed, after),
        Format::Csv | Format::Tsv | Format::Syslog | Format::Logfmt | Format::Otlp | Format::OtlpJson => {
            Err(format!("records of {} are dropped or kept, but not rewritten", format.name()))
        }
    }
}

fn no_place(at: usize, why: &str) -> String {
    let name = tables::standard("logs").map_or("a column", |table| table.columns[at].name.as_str());
    format!("{name} {why}")
}

fn rewrite_text(changed: &[usize], after: &Row) -> Result<Vec<u8>, String> {
    if let Some(other) = changed.iter().find(|at| **at != column::BODY) {
        return Err(no_place(*other, "has no place in a line of text"));
    }
    match &after[column::BODY] {
        Value::String(text) if !text.as_bytes().contains(&b'\n') => Ok(text.as_bytes().to_vec()),
        Value::Null => Ok(Vec::new()),
        _ => Err(no_place(column::BODY, "is no longer a line of text")),
    }
}

fn rewrite_json(record: &[u8], changed: &[usize], before: &Row, after: &Row) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(record).map_err(|_| "the record is not UTF-8".to_owned())?;
    let mut members = members(text)?;
    let (Value::Bag(old), Value::Bag(new)) = (&before[column::ATTRIBUTES], &after[column::ATTRIBUTES]) else {
        return Err(no_place(column::ATTRIBUTES, "is no bag"));
    };
    let mut added = Vec::new();
    for at in changed {
        let role = match *at {
            column::ATTRIBUTES => {
                edit_members(&mut members, &mut added, old, new);
                continue;
            }
            column::BODY => Role::Message,
            column::SEVERITY_TEXT => Role::Severity,
            column::TRACE_ID => Role::TraceId,
            column::SPAN_ID => Role::SpanId,
            other => return Err(no_place(other, "has no key in the record")),
        };
        let ranked = |member: &Member<'_>| match role_of(member.key.as_bytes()) {
            // What lost against a better key became an attribute.
            Some((found, rank)) if found == role && old.get(member.key.as_bytes()).is_none() => Some(rank),
            _ => None,
        };
        let key = members.iter().filter_map(|member| Some((ranked(member)?, member.key.clone()))).min();
        let Some((_, key)) = key else { return Err(no_place(*at, "has no key in the record")) };
        let value = &after[*at];
        let is_empty = value.is_null() || matches!(value, Value::String(text) if text.is_empty());
        set(&mut members, &key, (!is_empty).then_some(value));
    }
    Ok(assembled(text, &members, &added))
}

/// Holds a member of an object and what becomes of it.
struct Member<'t> {
    key: String,
    /// The value as it stands.
    value: &'t str,
    /// Where the value begins.
    offset: usize,
    /// What stands in its place; `None` removes the member.
    new: Option<Cow<'t, [u8]>>,
}

/// Sets the first member of a name, or removes it; further ones of the name are removed.
fn set(members: &mut [Member<'_>], key: &str, value: Option<&Value>) {
    let mut value = value.map(json::to_bytes);
    for member in members.iter_mut().filter(|member| member.key == key) {
        member.new = value.take().map(Cow::Owned);
    }
}

fn edit_members(members: &mut [Member<'_>], added: &mut Vec<u8>, old: &Bag, new: &Bag) {
    for (key, value) in old.iter() {
        let now = new.get(key.as_bytes());
        if now != Some(value) {
            set(members, &key.as_text(), now);
        }
    }
    for (key, value) in new.iter().filter(|(key, _)| old.get(key.as_bytes()).is_none()) {
        if members.iter().any(|member| member.key.as_bytes() == key.as_bytes()) {
            set(members, &key.as_text(), Some(value));
            continue;
        }
        added.push(b',');
        json::write_string(key.as_bytes(), added);
        added.push(b':');
        json::write(value, added);
    }
}

/// Writes the object anew, with the white space that it had.
fn assembled(text: &str, members: &[Member<'_>], added: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + added.len());
    let mut behind = text.find('{').map_or(0, |at| at + 1);
    out.extend_from_slice(&text.as_bytes()[..behind]);
    let mut is_first = true;
    for (at, member) in members.iter().enumerate() {
        let gap = &text[behind..member.offset];
        let key_at = gap.find('"').unwrap_or(0);
        behind = member.offset + member.value.len();
        let Some(value) = &member.new else { continue };
        // The first that stays has no comma before it.
        let separator = if is_first && at > 0 { "" } else { &gap[..key_at] };
        out.extend_from_slice(separator.as_bytes());
        out.extend_from_slice(&gap.as_bytes()[key_at..]);
        out.extend_from_slice(value);
        is_first = false;
    }
    out.extend_from_slice(if is_first { added.strip_prefix(b",").unwrap_or(added) } else { added });
    out.extend_from_slice(&text.as_bytes()[behind..]);
    out
}

/// Returns the members of an object with their places.
fn members(text: &str) -> Result<Vec<Member<'_>>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_map(Members).map_err(|error| error.to_string())?;
    let start = text.as_ptr() as usize;
    let member = |(key, raw): (String, &'_ RawValue)| (key, raw.get().as_ptr() as usize - start, raw.get().len());
    let places = found.into_iter().map(member);
    Ok(places
        .map(|(key, offset, size)| {
            let value = &text[offset..offset + size];
            Member { key, value, offset, new: Some(Cow::Borrowed(value.as_bytes())) }
        })
        .collect())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            found.push(entry);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(body: &str, attributes: &str) -> Row {
        let mut row = vec![Value::Null; column::COUNT];
        row[column::BODY] = Value::string(body);
        row[column::ATTRIBUTES] = json::parse(attributes.as_bytes(), 10).unwrap();
        row
    }

    fn rewritten(record: &str, before: &Row, after: &Row) -> Result<String, String> {
        rewrite(Format::Ndjson, record.as_bytes(), before, after).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_members_that_changed_are_written() {
        let record = r#"{"msg" : "hi", "a": 1.50, "b":[ 1 ], "c": 2}"#;
        let before = row("hi", r#"{"a":1.5,"b":[1],"c":2}"#);
        let edited = |after: &str| rewritten(record, &before, &row("hi", after)).unwrap();
        assert_eq!(edited(r#"{"a":1.5,"b":[1],"c":3}"#), r#"{"msg" : "hi", "a": 1.50, "b":[ 1 ], "c": 3}"#);
        assert_eq!(edited(r#"{"a":1.5,"c":2}"#), r#"{"msg" : "hi", "a": 1.50, "c": 2}"#);
        assert_eq!(edited("{}"), r#"{"msg" : "hi"}"#);
        let added = edited(r#"{"a":1.5,"b":[1],"c":2,"d\"":"x"}"#);
        assert_eq!(added, r#"{"msg" : "hi", "a": 1.50, "b":[ 1 ], "c": 2,"d\"":"x"}"#);
        let body = rewritten(record, &before, &row("ho", r#"{"a":1.5,"b":[1],"c":2}"#)).unwrap();
        assert_eq!(body, r#"{"msg" : "ho", "a": 1.50, "b":[ 1 ], "c": 2}"#);
        let gone = rewritten(record, &before, &row("", r#"{"b":[1]}"#)).unwrap();
        assert_eq!(gone, r#"{"b":[ 1 ]}"#);
    }

    #[test]
    fn what_has_no_place_is_said() {
        let before = row("", r#"{"a":1}"#);
        let after = row("hi", r#"{"a":1}"#);
        assert_eq!(rewritten(r#"{"a":1}"#, &before, &after), Err("Body has no key in the record".to_owned()));
        assert!(rewrite(Format::Text, b"x", &row("x", "{}"), &row("a\nb", "{}")).is_err());
        assert_eq!(rewrite(Format::Text, b"x", &row("x", "{}"), &row("y", "{}")), Ok(b"y".to_vec()));
        assert!(rewrite(Format::Csv, b"x", &row("x", "{}"), &row("y", "{}")).is_err());
    }

    #[test]
    fn of_a_repeated_key_one_is_left() {
        let (before, after) = (row("", r#"{"a":1,"b":2}"#), row("", r#"{"a":7}"#));
        assert_eq!(rewritten(r#"{"a":1,"b":2,"a":3}"#, &before, &after).unwrap(), r#"{"a":7}"#);
    }
}
