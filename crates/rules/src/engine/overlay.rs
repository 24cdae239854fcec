//! What rules have changed of one record so far, on top of its bytes.
//!
//! Later rules read through it; at the end it becomes one edit of the record. An assignment of an equal value is none.

use dtq_record::otlp::edit::ColumnEdit;
use dtq_value::{Bag, Str, Value};

/// Holds the edits of a record by column.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    edits: Vec<(usize, ColumnEdit)>,
}

impl Overlay {
    /// Returns the edits.
    pub(crate) fn edits(&self) -> &[(usize, ColumnEdit)] {
        &self.edits
    }

    /// Says whether nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.edits.clear();
    }

    /// Returns the edit of a column.
    pub(crate) fn get(&self, column: usize) -> Option<&ColumnEdit> {
        self.edits.iter().find(|(edited, _)| *edited == column).map(|(_, edit)| edit)
    }

    /// Says whether a column, or a key of it, may have been changed.
    pub(crate) fn is_touched(&self, column: usize, key: Option<&Str>) -> bool {
        match (self.get(column), key) {
            (None, _) => false,
            (Some(ColumnEdit::Keys(keys)), Some(key)) => keys.iter().any(|(edited, _)| edited == key),
            (Some(_), _) => true,
        }
    }

    /// Gives a column a value.
    pub(crate) fn set(&mut self, column: usize, value: Value) {
        let edit = ColumnEdit::Set(value);
        match self.edits.iter_mut().find(|(edited, _)| *edited == column) {
            Some((_, held)) => *held = edit,
            None => self.edits.push((column, edit)),
        }
    }

    /// Gives a key of a bag a value, or removes it.
    pub(crate) fn set_key(&mut self, column: usize, key: Str, value: Option<Value>) {
        match self.edits.iter_mut().find(|(edited, _)| *edited == column) {
            None => self.edits.push((column, ColumnEdit::Keys(vec![(key, value)]))),
            Some((_, ColumnEdit::Keys(keys))) => match keys.iter_mut().find(|(held, _)| *held == key) {
                Some((_, held)) => *held = value,
                None => keys.push((key, value)),
            },
            Some((_, ColumnEdit::Set(whole))) => {
                let mut bag = match whole {
                    Value::Bag(bag) => Bag::clone(bag),
                    _ => Bag::new(),
                };
                apply(&mut bag, key, value);
                *whole = Value::bag(bag);
            }
        }
    }
}

/// Sets or removes a key of a bag.
pub(crate) fn apply(bag: &mut Bag, key: Str, value: Option<Value>) {
    match value {
        Some(value) => bag.set(key, value),
        None => drop(bag.remove(key.as_bytes())),
    }
}
