//! A record that is not OTLP, and its row of `logs` before and after edits, to the edited record in its own format.
//!
//! What did not change stays byte for byte. Where a format has no place for what changed, that is said; nothing is
//! written that reads back as something else, because every edited record is read again. The other direction: `record.rs`.
//! Read in order: `rows` (what changed), `keys` (what that means for a record of keys and values), then a module a format.

mod rows;

mod keys;

mod json;

mod csv;

mod logfmt;

mod syslog;

pub use rows::{NoPlace, RowPart, Rows};

use crate::input::report::{Place, Tracker};
use crate::input::split::Split;
use crate::known::severity_number;
use crate::otlp::logs::column;
use crate::record::RowBuilder;
use crate::stream::Row;
use crate::text::Decoder;
use dtq_value::Value;
use rows::{Change, is_same};

/// Writes edits into the records of one input.
pub struct Rewriter<'i> {
    decoder: &'i Decoder,
    split: Split,
    builder: RowBuilder,
}

impl<'i> Rewriter<'i> {
    pub(crate) fn new(decoder: &'i Decoder, split: Split, builder: RowBuilder) -> Self {
        Self { decoder, split, builder }
    }

    /// Returns a record with what differs between its rows before and after.
    ///
    /// # Errors
    /// The first change that has no place in the record.
    pub fn rewrite(&mut self, record: &[u8], rows: &Rows<'_>) -> Result<Vec<u8>, NoPlace> {
        let changes = rows.changes();
        let Some(first) = changes.first() else { return Ok(record.to_vec()) };
        let edited = match self.decoder {
            Decoder::Json { .. } => json::rewritten(record, rows, &changes)?,
            Decoder::Csv(dialect) => csv::rewritten(record, dialect, rows, &changes)?,
            Decoder::Syslog { .. } => syslog::rewritten(record, &changes)?,
            Decoder::Logfmt => logfmt::rewritten(record, rows, &changes)?,
            Decoder::Text => line(&changes)?,
        };
        let no_place = |reason: &str| NoPlace { part: Some(first.part.clone()), reason: reason.to_owned() };
        if self.split == Split::Lines && (edited.contains(&b'\n') || edited.ends_with(b"\r")) {
            return Err(no_place("is no longer on one line"));
        }
        if edited.trim_ascii().is_empty() {
            // A blank line is no record, and of a text nothing else is left.
            return match self.decoder {
                Decoder::Text => Ok(edited),
                _ => Err(no_place("leaves nothing of the record")),
            };
        }
        if self.decoder.decode(&edited, &mut self.builder).is_err() {
            self.builder.discard();
            return Err(no_place("leaves a record that is malformed"));
        }
        let read = self.builder.finish(Place::Row(0), &Tracker::silent(""));
        check(rows, &read)?;
        Ok(edited)
    }
}

/// Refuses an edited record that reads as something else than what was to be written.
fn check(rows: &Rows<'_>, read: &Row) -> Result<(), NoPlace> {
    let of_severity = |at: usize| matches!(at, column::SEVERITY_TEXT | column::SEVERITY_NUMBER);
    let is_severe = (0..column::COUNT).any(|at| of_severity(at) && rows.is_changed(at));
    for at in (0..column::COUNT).filter(|at| *at != column::SCOPE) {
        // One follows from the other, in each format in its own way; writing it has seen to both.
        if of_severity(at) && is_severe {
            continue;
        }
        for part in rows.parts(at, read) {
            let is_changed = rows.before(&part) != rows.after(&part);
            let expected = if is_changed { rows.after(&part) } else { rows.read(&part) };
            if is_same(expected, part.of(read)) {
                continue;
            }
            return Err(match is_changed {
                true => NoPlace { reason: "would be read back as something else".to_owned(), part: Some(part) },
                false => NoPlace { reason: format!("the edit would change {part}, too"), part: None },
            });
        }
    }
    Ok(())
}

/// Returns the number of a severity that is written as a text.
///
/// # Errors
/// When the rules gave the record a number that does not follow from the text.
fn implied_number(changes: &[Change<'_>], text: &Value) -> Result<i32, NoPlace> {
    let Value::String(text) = text else { return Ok(0) };
    let number = severity_number(text.as_bytes());
    let wanted = changes.iter().find(|change| change.part.column == column::SEVERITY_NUMBER);
    match wanted {
        Some(wanted) if *wanted.value != Value::Int(number) => {
            Err(wanted.no_place("does not follow from SeverityText, which is what the record holds"))
        }
        _ => Ok(number),
    }
}

fn line(changes: &[Change<'_>]) -> Result<Vec<u8>, NoPlace> {
    if let Some(other) = changes.iter().find(|change| change.part.column != column::BODY) {
        return Err(other.no_place("has no place in a line of text"));
    }
    changes.first().map_or(Ok(Vec::new()), |change| rows::text_of(change))
}
