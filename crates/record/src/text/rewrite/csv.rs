//! Edits of a CSV record: cells that changed are written anew, with quotes where RFC 4180 wants them or where they were.

use super::keys::key_edits;
use super::rows::{Change, NoPlace, Rows};
use crate::convert::text_of;
use crate::text::csv::{Dialect, Fields};
use dtq_value::Value;
use std::borrow::Cow;

/// Returns the edited record.
///
/// # Errors
/// A change without a column.
pub(super) fn rewritten<'r>(
    record: &[u8],
    dialect: &Dialect,
    rows: &Rows<'r>,
    changes: &[Change<'r>],
) -> Result<Vec<u8>, NoPlace> {
    let keys: Vec<Cow<'r, str>> = dialect.names.iter().map(|name| Cow::Owned(name.clone())).collect();
    let mut cells: Vec<Cow<'_, [u8]>> =
        Fields::new(record, dialect.delimiter).map(|(_, place)| Cow::Borrowed(&record[place])).collect();
    let mut edited = None;
    for edit in key_edits(&keys, rows, changes)? {
        let cell = keys.iter().position(|key| *key == edit.key).and_then(|at| cells.get_mut(at));
        let Some(cell) = cell else { return Err(edit.change.no_place("has no column in the file")) };
        let was_quoted = cell.first() == Some(&b'"');
        *cell = Cow::Owned(edit.value.map_or_else(Vec::new, |value| written(value, was_quoted, dialect.delimiter)));
        edited = keys.iter().position(|key| *key == edit.key);
    }
    let mut out = cells.join(&dialect.delimiter);
    if let Some(edited) = edited.filter(|_| out.trim_ascii().is_empty()) {
        // Without anything in it the line would be no record.
        cells[edited] = Cow::Borrowed(b"\"\"");
        out = cells.join(&dialect.delimiter);
    }
    Ok(out)
}

fn written(value: &Value, was_quoted: bool, delimiter: u8) -> Vec<u8> {
    let text = text_of(value);
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || *byte == delimiter;
    if !was_quoted && !text.iter().any(is_special) {
        return text;
    }
    let mut cell = Vec::with_capacity(text.len() + 2);
    cell.push(b'"');
    for byte in text {
        cell.push(byte);
        if byte == b'"' {
            cell.push(b'"');
        }
    }
    cell.push(b'"');
    cell
}
