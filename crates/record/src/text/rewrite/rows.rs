//! Two rows of `logs` to what differs between them: columns, and keys of those that are bags.

use crate::convert;
use crate::otlp::logs::column;
use crate::tables;
use dtq_value::{Str, Type, Value};
use std::fmt;

/// Names a column of `logs`, or a key of one that is a bag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPart {
    /// Position of the column.
    pub column: usize,
    /// The key; `None` for the whole column.
    pub key: Option<Str>,
}

impl RowPart {
    /// Returns the value of this part of a row; null when it is not there.
    pub fn of<'r>(&self, row: &'r [Value]) -> &'r Value {
        const ABSENT: &Value = &Value::Null;
        match (row.get(self.column), &self.key) {
            (Some(Value::Bag(bag)), Some(key)) => bag.get(key.as_bytes()).unwrap_or(ABSENT),
            (Some(value), None) => value,
            _ => ABSENT,
        }
    }
}

impl fmt::Display for RowPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = tables::standard("logs");
        f.write_str(table.map_or("a column", |table| table.columns[self.column].name.as_str()))?;
        match &self.key {
            Some(key) => write!(f, "[{}]", serde_json::Value::from(key.as_text())),
            None => Ok(()),
        }
    }
}

/// Says what cannot be written into a record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlace {
    /// What changed; `None` when it is all changes together.
    pub part: Option<RowPart>,
    /// Why, as a clause that follows the name of the part.
    pub reason: String,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Some(part) => write!(f, "{part} {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Holds the rows of one record.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'r> {
    /// As the record was read from its input.
    pub read: &'r [Value],
    /// As it came to the rules, which is the same after OTLP.
    pub before: &'r [Value],
    /// As the rules left it.
    pub after: &'r [Value],
}

impl<'r> Rows<'r> {
    pub(super) fn read(&self, part: &RowPart) -> &'r Value {
        part.of(self.read)
    }

    pub(super) fn before(&self, part: &RowPart) -> &'r Value {
        part.of(self.before)
    }

    pub(super) fn after(&self, part: &RowPart) -> &'r Value {
        part.of(self.after)
    }

    pub(super) fn is_changed(&self, column: usize) -> bool {
        self.before.get(column) != self.after.get(column)
    }

    /// Returns the parts of a column: its keys in any of the rows, or it as a whole.
    pub(super) fn parts(&self, column: usize, further: &[Value]) -> Vec<RowPart> {
        let rows = [self.read, self.before, self.after, further];
        let bags = rows.map(|row| match row.get(column) {
            Some(Value::Bag(bag)) if matches!(column, column::ATTRIBUTES | column::RESOURCE) => Some(bag),
            _ => None,
        });
        if bags[2].is_none() {
            return vec![RowPart { column, key: None }];
        }
        let mut parts: Vec<RowPart> = Vec::new();
        for (at, bag) in bags.iter().enumerate() {
            let is_new = |key: &[u8]| bags[..at].iter().flatten().all(|bag| bag.get(key).is_none());
            let keys = bag.iter().flat_map(|bag| bag.iter()).filter(|(key, _)| is_new(key.as_bytes()));
            parts.extend(keys.map(|(key, _)| RowPart { column, key: Some(key.clone()) }));
        }
        parts
    }

    /// Returns what the rules changed, in the order of the columns.
    pub(super) fn changes(&self) -> Vec<Change<'r>> {
        let mut changes = Vec::new();
        for column in (0..column::COUNT).filter(|column| self.is_changed(*column)) {
            let parts = self.parts(column, &[]).into_iter();
            let parts = parts.filter(|part| self.before(part) != self.after(part) || self.is_there(part));
            // A column that held nothing and holds an empty text now is as it was.
            let is_blank = |part: &RowPart| is_blank(self.before(part)) && is_blank(self.after(part));
            let parts = parts.filter(|part| part.key.is_some() || !is_blank(part));
            changes.extend(parts.map(|part| Change {
                value: self.after(&part),
                is_removed: self.is_gone(&part),
                part,
            }));
        }
        changes
    }

    /// Says whether a key that is null was added or removed, which its value does not show.
    fn is_there(&self, part: &RowPart) -> bool {
        part.key.is_some() && holds(self.before, part) != holds(self.after, part)
    }

    fn is_gone(&self, part: &RowPart) -> bool {
        match &part.key {
            Some(_) => !holds(self.after, part),
            None => is_blank(self.after(part)),
        }
    }
}

fn holds(row: &[Value], part: &RowPart) -> bool {
    let key = part.key.as_ref().map(Str::as_bytes).unwrap_or_default();
    matches!(row.get(part.column), Some(Value::Bag(bag)) if bag.get(key).is_some())
}

/// Holds a part of a row that the rules changed.
#[derive(Clone, Debug)]
pub(super) struct Change<'r> {
    /// Which one.
    pub part: RowPart,
    /// What it is now.
    pub value: &'r Value,
    /// Whether there is nothing any more: no such key, or a column that is empty.
    pub is_removed: bool,
}

impl Change<'_> {
    pub(super) fn no_place(&self, reason: &str) -> NoPlace {
        NoPlace { part: Some(self.part.clone()), reason: reason.to_owned() }
    }
}

/// Returns the value of a change as text; nothing when it was removed.
///
/// # Errors
/// When it is an array or a bag.
pub(super) fn text_of(change: &Change<'_>) -> Result<Vec<u8>, NoPlace> {
    match change.value {
        Value::Array(_) | Value::Bag(_) => Err(change.no_place("is no longer a text")),
        value => Ok(convert::text_of(value)),
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Says whether a value that was to be written is the one read, to a format that has texts only: in it nothing and an
/// empty text are alike, and what is read as a number was written as a text.
pub(super) fn is_same(meant: &Value, read: &Value) -> bool {
    let ty = match read {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Long(_) => Type::Long,
        Value::Real(_) => Type::Real,
        _ => Type::String,
    };
    meant == read
        || is_blank(meant) && is_blank(read)
        || convert::fit(ty, meant.clone()).as_ref() == Some(read)
        || convert::text_of(meant) == convert::text_of(read)
}
