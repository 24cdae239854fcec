//! How many bytes the operators of a run hold together, and the diagnostic when that is too many.

use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::cell::Cell;
use std::rc::Rc;

/// Counts the bytes held in a run.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    held_bytes: Rc<Cell<usize>>,
    held_bytes_max: usize,
}

impl Budget {
    /// Returns a budget of this size.
    pub(crate) fn new(held_bytes_max: usize) -> Self {
        Self { held_bytes: Rc::default(), held_bytes_max }
    }

    /// Begins to hold on behalf of an operator, which is named as it is written in a query.
    pub(crate) fn hold(&self, operator: &'static str) -> Hold {
        Hold { budget: self.clone(), operator, bytes: 0 }
    }
}

/// Holds bytes on behalf of one operator; gives them back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Budget,
    operator: &'static str,
    bytes: usize,
}

impl Hold {
    /// Charges more bytes.
    ///
    /// # Errors
    /// [`Code::E3001`] when the run then holds more than its limit.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Fault> {
        let held_bytes = self.budget.held_bytes.get().saturating_add(bytes);
        if held_bytes > self.budget.held_bytes_max {
            let message = format!(
                "`{}` needs to hold more than {} MiB; keep fewer rows or columns before it with `where`, `project` or \
                 `summarize`, or raise the limit on held bytes",
                self.operator,
                self.budget.held_bytes_max >> 20
            );
            return Err(Fault::new(Code::E3001, message));
        }
        self.budget.held_bytes.set(held_bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// Charges a row.
    ///
    /// # Errors
    /// As [`Hold::add`].
    pub(crate) fn add_row(&mut self, row: &Row) -> Result<(), Fault> {
        self.add(row_bytes(row))
    }

    /// Gives back the bytes of a row that is held no longer.
    pub(crate) fn remove_row(&mut self, row: &Row) {
        self.remove(row_bytes(row));
    }

    fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.held_bytes.set(self.budget.held_bytes.get() - bytes);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

/// Returns about how many bytes a row takes.
pub(crate) fn row_bytes(row: &Row) -> usize {
    size_of::<Row>() + values_bytes(row)
}

/// Returns about how many bytes values take, each counted as if nothing shared its text or items.
pub(crate) fn values_bytes(values: &[Value]) -> usize {
    values.iter().map(value_bytes).sum()
}

/// Returns about how many bytes a value takes.
pub(crate) fn value_bytes(value: &Value) -> usize {
    /// What a shared allocation costs besides its content: two counts and the allocator's own.
    const ALLOCATION_BYTES: usize = 32;
    size_of::<Value>()
        + match value {
            Value::String(text) => ALLOCATION_BYTES + text.size(),
            Value::Array(items) => ALLOCATION_BYTES + values_bytes(items),
            Value::Bag(bag) => {
                let entries = bag.iter().map(|(key, value)| 2 * ALLOCATION_BYTES + key.size() + value_bytes(value));
                ALLOCATION_BYTES + entries.sum::<usize>()
            }
            _ => 0,
        }
}
