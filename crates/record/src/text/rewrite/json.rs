//! Edits of a JSON object: the members that changed, and nothing else.

use super::keys::key_edits;
use super::rows::{Change, NoPlace, Rows};
use dtq_value::json;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Returns the edited object.
///
/// # Errors
/// A change without a key.
pub(super) fn rewritten<'r>(record: &[u8], rows: &Rows<'r>, changes: &[Change<'r>]) -> Result<Vec<u8>, NoPlace> {
    let malformed = |reason: String| NoPlace { part: None, reason };
    let text = std::str::from_utf8(record).map_err(|_| malformed("the record is not UTF-8".to_owned()))?;
    let mut members = members(text).map_err(malformed)?;
    let keys: Vec<Cow<'r, str>> = members.iter().map(|member| Cow::Owned(member.key.clone())).collect();
    let mut added = Vec::new();
    for edit in key_edits(&keys, rows, changes)? {
        let mut value = edit.value.map(json::to_bytes);
        // Further members of the key go, as it is read from the first.
        for member in members.iter_mut().filter(|member| member.key == edit.key) {
            member.new = value.take().map(Cow::Owned);
        }
        let Some(value) = value.filter(|_| !keys.contains(&edit.key)) else { continue };
        added.push(b',');
        json::write_string(edit.key.as_bytes(), &mut added);
        added.push(b':');
        added.extend(value);
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
