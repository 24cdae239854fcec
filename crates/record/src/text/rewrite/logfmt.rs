//! Edits of a logfmt line: pairs are changed, removed, and added at the end.

use super::keys::key_edits;
use super::rows::{Change, NoPlace, Rows};
use crate::convert::text_of;
use crate::text::logfmt::{Pair, pairs};
use dtq_value::Value;
use std::borrow::Cow;

/// Returns the edited line.
///
/// # Errors
/// A change without a key, or with one that logfmt cannot write.
pub(super) fn rewritten<'r>(record: &[u8], rows: &Rows<'r>, changes: &[Change<'r>]) -> Result<Vec<u8>, NoPlace> {
    let malformed = |reason: String| NoPlace { part: None, reason };
    let pairs = pairs(record).map_err(malformed)?;
    let keys: Vec<Cow<'r, str>> = pairs.iter().map(|pair| Cow::Owned(pair.name().into_owned())).collect();
    let mut new: Vec<Option<Cow<'_, [u8]>>> = pairs.iter().map(|pair| Some(Cow::Borrowed(pair.raw))).collect();
    let mut added = Vec::new();
    for edit in key_edits(&keys, rows, changes)? {
        let mut value = edit.value;
        let is_there = keys.contains(&edit.key);
        // Further pairs of the key go, as it is read from the first.
        for at in (0..pairs.len()).filter(|at| keys[*at] == edit.key) {
            new[at] = value.take().map(|value| Cow::Owned(pair(pairs[at].key, value, is_quoted(&pairs[at]))));
        }
        let Some(value) = value.filter(|_| !is_there) else { continue };
        if !is_key(edit.key.as_bytes()) {
            return Err(edit.change.no_place("is no key that logfmt can write"));
        }
        added.push(b' ');
        added.extend(pair(edit.key.as_bytes(), value, false));
    }
    Ok(assembled(record, &pairs, &new, &added))
}

fn is_quoted(pair: &Pair<'_>) -> bool {
    pair.value.is_some() && pair.raw.get(pair.key.len() + 1) == Some(&b'"')
}

fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| *byte > b' ' && !matches!(byte, b'=' | b'"' | 0x7F))
}

fn pair(key: &[u8], value: &Value, was_quoted: bool) -> Vec<u8> {
    let text = text_of(value);
    let mut out = key.to_vec();
    out.push(b'=');
    if !was_quoted && text.iter().all(|byte| *byte > b' ' && !matches!(byte, b'=' | b'"' | 0x7F)) {
        out.extend(text);
        return out;
    }
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..b' ' => out.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}

/// Writes the pairs that stay with the blanks that they had.
fn assembled(record: &[u8], pairs: &[Pair<'_>], new: &[Option<Cow<'_, [u8]>>], added: &[u8]) -> Vec<u8> {
    let start = record.as_ptr() as usize;
    let mut out = Vec::with_capacity(record.len() + added.len());
    let (mut behind, mut is_first) = (0, true);
    for (at, (pair, new)) in pairs.iter().zip(new).enumerate() {
        let offset = pair.raw.as_ptr() as usize - start;
        let gap = &record[behind..offset];
        behind = offset + pair.raw.len();
        if at == 0 {
            out.extend_from_slice(gap);
        }
        let Some(new) = new else { continue };
        if !is_first {
            out.extend_from_slice(gap);
        }
        out.extend_from_slice(new);
        is_first = false;
    }
    out.extend_from_slice(if is_first { added.strip_prefix(b" ").unwrap_or(added) } else { added });
    out.extend_from_slice(&record[behind..]);
    out
}
