//! Cells of one record: slots read through what rules have changed, decoded when an expression asks for them.

use crate::compile::cells::Cell;
use crate::compile::set::BaseCells;
use crate::engine::overlay::{Overlay, apply};
use dtq_interp::Cells;
use dtq_record::otlp::edit::{ColumnEdit, edit_record};
use dtq_record::otlp::logs::{self, LogView};
use dtq_record::otlp::spans::{self, SpanView};
use dtq_record::slot::{Buffers, Slot};
use dtq_record::stream::Row;
use dtq_record::tables::{self, Base};
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Bag, Value};
use std::cell::{self, RefCell};

/// Holds the values of slots that were decoded.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    values: RefCell<Vec<Option<Value>>>,
    /// Whether there are any; most records are judged without.
    is_used: cell::Cell<bool>,
}

impl Cache {
    /// Forgets all values, and makes room for those of `count` slots.
    #[inline]
    pub(crate) fn reset(&mut self, count: usize) {
        let values = self.values.get_mut();
        if self.is_used.take() || values.len() != count {
            values.clear();
            values.resize(count, None);
        }
    }

    fn get(&self, index: usize) -> Option<Value> {
        self.values.borrow()[index].clone()
    }

    fn set(&self, index: usize, value: Value) {
        self.is_used.set(true);
        self.values.borrow_mut()[index] = Some(value);
    }
}

/// Gives the cells of a record.
#[derive(Clone, Copy)]
pub(crate) struct RecordCells<'r> {
    pub(crate) base: &'r BaseCells,
    pub(crate) slots: &'r [Slot],
    pub(crate) buffers: Buffers<'r>,
    pub(crate) overlay: &'r Overlay,
    pub(crate) cache: &'r Cache,
    pub(crate) nesting_max: usize,
}

impl Cells for RecordCells<'_> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        match &self.base.cells.cells()[index] {
            Cell::Slot(slot) => self.slot(*slot),
            Cell::KeyOr { key, other } => self.key_or(*key, *other),
            Cell::Mapped { table, column, reads } => Ok(table.value_of(*column as usize, &self.record_row(reads)?)),
        }
    }
}

impl RecordCells<'_> {
    /// Returns a row of the standard table with only these columns filled, each from its slot.
    pub(crate) fn record_row(&self, reads: &[(usize, u32)]) -> Result<Row, Fault> {
        let table = tables::standard(self.base.cells.base().name()).expect("every base is a standard table");
        let mut row = vec![Value::Null; table.columns.len()];
        for (column, slot) in reads {
            row[*column] = self.slot(*slot)?;
        }
        Ok(row)
    }

    /// Returns the value of a slot as rules have left it.
    pub(crate) fn slot(&self, slot: u32) -> Result<Value, Fault> {
        let path = &self.base.cells.paths()[slot as usize];
        if self.overlay.is_empty() {
            return self.raw(slot);
        }
        match (self.overlay.get(path.column), &path.key) {
            (None, None) if self.follows_from_edits(path.column) => self.derived(path.column),
            (None, _) => self.raw(slot),
            (Some(ColumnEdit::Set(value)), None) => Ok(value.clone()),
            (Some(ColumnEdit::Set(Value::Bag(bag))), Some(key)) => {
                Ok(bag.get(key.as_bytes()).cloned().unwrap_or_default())
            }
            (Some(ColumnEdit::Set(_)), Some(_)) => Ok(Value::Null),
            (Some(ColumnEdit::Keys(keys)), Some(key)) => match keys.iter().find(|(edited, _)| edited == key) {
                Some((_, value)) => Ok(value.clone().unwrap_or_default()),
                None => self.raw(slot),
            },
            (Some(ColumnEdit::Keys(keys)), None) => {
                let mut bag = match self.raw(slot)? {
                    Value::Bag(bag) => Bag::clone(&bag),
                    _ => Bag::new(),
                };
                keys.iter().for_each(|(key, value)| apply(&mut bag, key.clone(), value.clone()));
                Ok(Value::bag(bag))
            }
        }
    }

    /// Says whether a column that cannot be edited follows from one that was: a span's duration from its times, a log
    /// record's time from that of its observation.
    fn follows_from_edits(&self, column: usize) -> bool {
        let sources: &[usize] = match (self.base.cells.base(), column) {
            (Base::Logs, logs::column::TIMESTAMP) => &[logs::column::OBSERVED_TIMESTAMP],
            (Base::Spans, spans::column::DURATION) => &[spans::column::START_TIME, spans::column::END_TIME],
            _ => return false,
        };
        sources.iter().any(|source| self.overlay.get(*source).is_some())
    }

    /// Returns the value of a column as it will be read from the edited record.
    fn derived(&self, column: usize) -> Result<Value, Fault> {
        let base = self.base.cells.base();
        let edited = edit_record(base, self.buffers.record, self.overlay.edits(), self.nesting_max);
        let edited = edited.map_err(|error| Fault::new(Code::E3009, error.reason))?;
        let value = match base {
            Base::Spans => SpanView::parse(&edited, 0).and_then(|view| view.value(column, self.nesting_max)),
            _ => LogView::parse(&edited, 0).and_then(|view| view.value(column, self.nesting_max)),
        };
        value.map_err(|error| malformed(&error))
    }

    /// Returns the value of a key, or of another column when the bag has no such key.
    fn key_or(&self, key: u32, other: u32) -> Result<Value, Fault> {
        if self.is_present(key) {
            return self.slot(key);
        }
        let value = self.slot(other)?;
        let is_empty = matches!(&value, Value::String(text) if text.is_empty());
        Ok(if is_empty { Value::Null } else { value })
    }

    /// Says whether the key of a bag is there, as rules have left it.
    pub(crate) fn is_present(&self, slot: u32) -> bool {
        let path = &self.base.cells.paths()[slot as usize];
        match (self.overlay.get(path.column), &path.key) {
            (Some(ColumnEdit::Set(Value::Bag(bag))), Some(key)) => bag.get(key.as_bytes()).is_some(),
            (Some(ColumnEdit::Keys(keys)), Some(key)) => match keys.iter().find(|(edited, _)| edited == key) {
                Some((_, value)) => value.is_some(),
                None => !self.slots[slot as usize].is_absent(),
            },
            (Some(ColumnEdit::Set(_)), _) => false,
            _ => !self.slots[slot as usize].is_absent(),
        }
    }

    /// Returns the value of a slot as it came.
    fn raw(&self, slot: u32) -> Result<Value, Fault> {
        let index = slot as usize;
        if let Some(value) = self.cache.get(index) {
            return Ok(value);
        }
        let value = self.slots[index].value(&self.buffers, self.nesting_max).map_err(|error| malformed(&error))?;
        self.cache.set(index, value.clone());
        Ok(value)
    }
}

/// Returns the fault of a record whose bytes cannot be read.
pub(crate) fn malformed(error: &dtq_record::WireError) -> Fault {
    Fault::new(Code::E3008, format!("byte {} of the record: {}", error.offset, error.reason))
}
