//! The records of a call over many: that there are slots and buffers for all of them is checked here.

use crate::context::Records;
use crate::function::Needs;
use crate::layout::BufferTable;
use dtq_record::checked::CheckedRecords;
use dtq_record::slot::Slot;

/// Holds where the slots and buffers of records lie, which are there.
pub struct Walk<'r> {
    records: Records<'r>,
    /// Bytes from the slots of one record to those of the next.
    pub step: usize,
    /// Bytes from the buffers of one record to those of the next.
    pub buffers_step: usize,
}

impl<'r> Walk<'r> {
    /// Returns how a function goes over so many records, which are not none.
    ///
    /// # Panics
    /// If there are not as many slots and buffers.
    pub fn new(needs: &Needs, records: &Records<'r>, count: usize) -> Self {
        let last = records.stride.checked_mul(count - 1).and_then(|start| records.slots.len().checked_sub(start));
        check_slots(needs, last.expect("there are slots for all records"));
        let is_shared = records.buffers.len() == 1;
        assert!(is_shared || records.buffers.len() >= count, "there are buffers for all records");
        let buffers_step = if is_shared { 0 } else { size_of::<BufferTable<'_>>() };
        Self { records: *records, step: records.stride * size_of::<Slot>(), buffers_step }
    }

    /// Returns where those of a record begin.
    pub fn at(&self, index: usize) -> (*const Slot, *const BufferTable<'r>) {
        let buffer = if self.buffers_step == 0 { 0 } else { index };
        (self.records.slots[index * self.records.stride..].as_ptr(), self.records.buffers[buffer..].as_ptr())
    }
}

/// Holds where the columns of some checked records lie, which are there.
pub struct ColumnWalk<'r> {
    /// The records.
    pub records: &'r CheckedRecords,
    /// Bytes from one column to the next.
    pub step: usize,
    /// The buffers of all of them.
    pub buffers: BufferTable<'r>,
    start: usize,
}

impl<'r> ColumnWalk<'r> {
    /// Returns how a function goes over so many records from one on.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn new(records: &'r CheckedRecords, start: usize, count: usize) -> Self {
        let end = start.checked_add(count);
        assert!(end.is_some_and(|end| end <= records.record_count()), "there are as many records as there is room for");
        let step = records.columns().1 * size_of::<Slot>();
        Self { records, step, buffers: BufferTable::new(&records.buffers()), start }
    }

    /// Returns their slots at a position, and those of records behind them.
    pub fn column(&self, slot: usize) -> &'r [Slot] {
        &self.records.column(slot)[self.start..]
    }

    /// Returns where the first of them begins.
    pub fn first(&self) -> *const Slot {
        self.records.columns().0[self.start..].as_ptr()
    }
}

/// Says whether records have only tags that a function takes for granted.
///
/// # Panics
/// If they have fewer slots than it reads.
pub fn is_granted(needs: &Needs, records: &CheckedRecords) -> bool {
    check_slots(needs, records.width());
    needs.tags.iter().enumerate().all(|(slot, tags)| records.tags(slot) & !tags == 0)
}

/// Checks that there are as many slots as a function reads.
///
/// # Panics
/// If there are fewer, or it reads rows.
pub fn check_slots(needs: &Needs, count: usize) {
    assert!(needs.columns.is_none(), "a function over rows gets rows");
    assert!(count >= needs.input_count, "a function gets all slots that it reads");
}
