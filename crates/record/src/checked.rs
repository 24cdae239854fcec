//! Slots of many records, checked once: rows of slots and the bytes that they view in, columns of slots out, of which
//! whoever reads them need not ask what the check has settled.
//!
//! Nothing here reads a record's encoding, and nothing changes a slot's meaning. Who reads: `jit`, by machine code that
//! relies on what [`CheckedRecords`] promises. The page: `docs/slots.md`.

use crate::slot::{Buffer, Buffers, Slot, Tag};
use std::fmt;

/// Bytes that may be read from wherever a view begins, whatever its length.
pub const PADDING: usize = 32;

/// Slots of a cache line: columns begin a whole and odd number of lines apart, so that they do not crowd one set.
const LINE_SLOTS: usize = 4;

/// Says which slot cannot be checked, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMisfit {
    /// The position of the record.
    pub record: usize,
    /// The position of the slot in the record.
    pub slot: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for SlotMisfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of record {}: {}", self.slot, self.record, self.reason)
    }
}

impl std::error::Error for SlotMisfit {}

/// Holds the slots of many records in columns, and the one buffer that all their views are of.
///
/// What it promises, and machine code relies on: every view lies in the arena, behind whose end there are [`PADDING`]
/// bytes more; a slot that is no string of at least one byte and no other view has a payload that [`Slot`]'s own
/// constructor gives it, which is 0 for null; a string's `aux` is 0; [`CheckedRecords::tags`] names every tag of a column.
#[derive(Clone, Debug, Default)]
pub struct CheckedRecords {
    width: usize,
    record_count: usize,
    column_step: usize,
    /// One column behind the other, `column_step` slots from one to the next.
    slots: Vec<Slot>,
    /// For each column a bit for each tag that is in it, by the tag's number.
    tags: Vec<u32>,
    /// The bytes of the views and the padding.
    arena: Vec<u8>,
}

impl CheckedRecords {
    /// Returns no records, whose slots are so many each.
    pub fn new(width: usize) -> Self {
        Self { width, tags: vec![0; width], arena: vec![0; PADDING], ..Self::default() }
    }

    /// Puts other records in the place of those that are there: their slots one record behind the other, and the arena
    /// that their views are of.
    ///
    /// # Errors
    /// The first slot that is a view of another buffer, or does not lie in the arena; there are no records then.
    ///
    /// # Panics
    /// If the slots are not those of whole records.
    ///
    /// # Cost
    /// Goes once over the slots, and copies texts of at most [`PADDING`] bytes, so that those of a column stand behind each
    /// other; the arena as a whole only where it has no room for them.
    pub fn fill(&mut self, rows: &[Slot], arena: Vec<u8>) -> Result<(), SlotMisfit> {
        let record_count = rows.len().checked_div(self.width).unwrap_or(0);
        assert_eq!(record_count * self.width, rows.len(), "there are slots of whole records");
        self.clear();
        let arena_size = arena.len();
        self.arena = arena;
        self.arena.resize(arena_size + PADDING, 0);
        self.column_step = (record_count.div_ceil(LINE_SLOTS) | 1) * LINE_SLOTS;
        self.slots.resize(self.column_step * self.width, Slot::MISSING);
        for (record, row) in rows.chunks_exact(self.width.max(1)).enumerate() {
            for (slot, given) in row.iter().enumerate() {
                let checked = checked(given, arena_size).map_err(|reason| {
                    self.clear();
                    SlotMisfit { record, slot, reason }
                })?;
                self.tags[slot] |= 1 << checked.tag() as u8;
                self.slots[slot * self.column_step + record] = checked;
            }
        }
        self.record_count = record_count;
        (0..self.width).for_each(|slot| self.pack(slot));
        Ok(())
    }

    /// Copies the short texts of a column behind each other, in the order of the records.
    ///
    /// One that is the text of the record before as well is copied once. All are left where they are when the arena would
    /// become larger than offsets reach.
    fn pack(&mut self, slot: usize) {
        if self.tags[slot] & 1 << Tag::String as u8 == 0 {
            return;
        }
        let mut end = self.arena.len() - PADDING;
        let room = self.record_count * PADDING;
        if u32::try_from(end + room).is_err() {
            return;
        }
        self.arena.resize(end + room + PADDING, 0);
        let mut before = [Slot::MISSING; 2];
        for text in &mut self.slots[slot * self.column_step..][..self.record_count] {
            if text.tag() != Tag::String || !(1..=PADDING as u32).contains(&text.length()) {
                continue;
            }
            if before[0] != *text {
                let start = text.payload() as usize;
                let mut short = [0; PADDING];
                short.copy_from_slice(&self.arena[start..start + PADDING]);
                self.arena[end..end + PADDING].copy_from_slice(&short);
                before = [*text, Slot::view(Tag::String, Buffer::Arena, 0, end as u32, text.length())];
                end += text.length() as usize;
            }
            *text = before[1];
        }
        self.arena.truncate(end + PADDING);
    }

    /// Forgets all records, and returns the arena without what is in it, for the texts of others.
    pub fn clear(&mut self) -> Vec<u8> {
        self.record_count = 0;
        self.column_step = 0;
        self.slots.clear();
        self.tags.fill(0);
        let mut arena = std::mem::replace(&mut self.arena, vec![0; PADDING]);
        arena.clear();
        arena
    }

    /// Returns how many records there are.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Returns how many slots a record has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns a slot of a record, which means what the given one meant.
    ///
    /// # Panics
    /// If there is no such record or slot.
    pub fn slot(&self, record: usize, slot: usize) -> Slot {
        self.column(slot)[record]
    }

    /// Returns the slots of all records at a position.
    ///
    /// # Panics
    /// If records have fewer slots.
    pub fn column(&self, slot: usize) -> &[Slot] {
        assert!(slot < self.width, "a record has the slot");
        &self.slots[slot * self.column_step..][..self.record_count]
    }

    /// Returns the bits of all tags, by their numbers, that the slots at a position have.
    ///
    /// # Panics
    /// If records have fewer slots.
    pub fn tags(&self, slot: usize) -> u32 {
        self.tags[slot]
    }

    /// Returns all columns, one behind the other, and how many slots lie between the beginnings of two.
    pub fn columns(&self) -> (&[Slot], usize) {
        (&self.slots, self.column_step)
    }

    /// Returns the buffers of every record: the arena, with its padding, and nothing else.
    pub fn buffers(&self) -> Buffers<'_> {
        Buffers { arena: &self.arena, ..Buffers::default() }
    }
}

/// Returns a slot that means the same and is what [`CheckedRecords`] promises.
#[inline]
fn checked(slot: &Slot, arena_size: usize) -> Result<Slot, &'static str> {
    let number = slot.payload().cast_signed();
    Ok(match slot.tag() {
        Tag::Missing if slot.is_absent() => Slot::MISSING,
        Tag::Missing => Slot::EMPTY,
        Tag::Bool => Slot::bool(number != 0),
        Tag::Int => Slot::int(number as i32),
        Tag::Long => Slot::long(number),
        Tag::Real => Slot::real(f64::from_bits(slot.payload())),
        Tag::DateTime => Slot::datetime(Some(number)),
        Tag::TimeSpan => Slot::timespan(number),
        Tag::Word => *slot,
        Tag::String if slot.payload() == 0 && slot.length() == 0 => Slot::view(Tag::String, Buffer::Arena, 0, 0, 0),
        Tag::String => {
            let offset = offset_in(slot, arena_size)?;
            Slot::view(Tag::String, Buffer::Arena, 0, offset, slot.length())
        }
        _ => {
            offset_in(slot, arena_size)?;
            *slot
        }
    })
}

/// Returns where a view begins, which lies in an arena of this size.
fn offset_in(slot: &Slot, arena_size: usize) -> Result<u32, &'static str> {
    if slot.buffer() != Buffer::Arena {
        return Err("a view of another buffer than the arena");
    }
    let end = slot.payload().checked_add(u64::from(slot.length()));
    if end.is_none_or(|end| end > arena_size as u64) {
        return Err("a view that does not lie in the arena");
    }
    u32::try_from(slot.payload()).map_err(|_| "a view that begins further behind than views do")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(offset: u32, length: u32) -> Slot {
        Slot::view(Tag::String, Buffer::Arena, 0, offset, length)
    }

    #[test]
    fn rows_become_columns_that_read_as_they_did() {
        let mut records = CheckedRecords::new(2);
        records.fill(&[Slot::int(-5), text(1, 2), Slot::EMPTY, Slot::EMPTY_STRING], b"abc".to_vec()).unwrap();
        assert_eq!((records.record_count(), records.width()), (2, 2));
        assert_eq!(records.column(0), [Slot::int(-5), Slot::EMPTY]);
        assert_eq!(records.slot(0, 1).as_text(&records.buffers()), Some(&b"bc"[..]));
        assert_eq!(records.slot(1, 1).as_text(&records.buffers()), Some(&b""[..]));
        assert_eq!(records.tags(0), 1 << Tag::Int as u8 | 1 << Tag::Missing as u8);
        assert_eq!(records.tags(1), 1 << Tag::String as u8);
        let (slots, step) = records.columns();
        assert_eq!((slots.len(), step), (8, 4));
    }

    #[test]
    fn views_that_do_not_lie_in_the_arena_are_refused() {
        let mut records = CheckedRecords::new(1);
        let fits = [text(0, 3), text(3, 0), text(1, 2), Slot::view(Tag::Id, Buffer::Arena, 0, 0, 3)];
        assert_eq!(records.fill(&fits, b"abc".to_vec()), Ok(()));
        for (offset, length) in [(0, 4), (3, 1), (4, 0), (u32::MAX, 0), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            for tag in [Tag::String, Tag::Id, Tag::Bytes, Tag::Any, Tag::KeyValues, Tag::Scope, Tag::Events, Tag::Links]
            {
                let rows = [Slot::MISSING, Slot::view(tag, Buffer::Arena, 0, offset, length)];
                let misfit = records.fill(&rows, b"abc".to_vec()).unwrap_err();
                assert_eq!((misfit.record, misfit.slot), (1, 0), "{tag:?} {offset} {length}");
                assert!(misfit.to_string().contains("does not lie in the arena"), "{misfit}");
                assert_eq!((records.record_count(), records.columns().0.len(), records.tags(0)), (0, 0, 0));
            }
        }
        for buffer in [Buffer::Record, Buffer::Resource, Buffer::Scope, Buffer::Metric, Buffer::Pool] {
            let rows = [Slot::view(Tag::String, buffer, 0, 1, 0)];
            assert!(records.fill(&rows, b"abc".to_vec()).is_err(), "{buffer:?}");
        }
    }

    #[test]
    fn a_slot_has_the_words_that_its_constructor_gives() {
        let mut records = CheckedRecords::new(1);
        let odd = |tag| Slot::view(tag, Buffer::Pool, 7, 6, 9);
        let rows = [odd(Tag::Missing), odd(Tag::Bool), odd(Tag::Int), odd(Tag::Long), odd(Tag::DateTime)];
        records.fill(&rows, Vec::new()).unwrap();
        let plain = [Slot::EMPTY, Slot::bool(true), Slot::int(6), Slot::long(6), Slot::datetime(Some(6))];
        assert_eq!(records.column(0), plain);
        let with_aux = [Slot::view(Tag::String, Buffer::Arena, 9, 1, 1)];
        records.fill(&with_aux, b"ab".to_vec()).unwrap();
        assert_eq!(records.slot(0, 0), text(2, 1));
    }

    #[test]
    fn short_texts_of_a_column_stand_behind_each_other() {
        let mut records = CheckedRecords::new(2);
        let (a, bc, long) = (text(0, 1), text(1, 2), text(3, PADDING as u32 + 1));
        let arena = [&b"abc"[..], &[b'x'; PADDING + 1]].concat();
        records.fill(&[a, bc, bc, bc, bc, long, a, Slot::EMPTY_STRING], arena.clone()).unwrap();
        let texts = |slot| records.column(slot).iter().map(|text| text.as_text(&records.buffers()).unwrap());
        assert_eq!(texts(0).collect::<Vec<_>>(), [&b"a"[..], b"bc", b"bc", b"a"]);
        assert_eq!(texts(1).collect::<Vec<_>>(), [&b"bc"[..], b"bc", &[b'x'; PADDING + 1], b""]);
        let offset = arena.len() as u32;
        assert_eq!(records.column(0), [text(offset, 1), text(offset + 1, 2), text(offset + 1, 2), text(offset + 3, 1)]);
        assert_eq!(records.column(1), [text(offset + 4, 2), text(offset + 4, 2), long, text(0, 0)]);
        assert_eq!(records.buffers().arena.len(), arena.len() + 6 + PADDING);
    }

    #[test]
    fn what_was_filled_is_there_until_it_is_cleared() {
        let mut records = CheckedRecords::new(1);
        records.fill(&[text(0, 3)], b"abc".to_vec()).unwrap();
        assert_eq!(records.buffers().arena, [&b"abcabc"[..], &[0; PADDING]].concat());
        assert_eq!(records.clear(), b"");
        assert_eq!((records.record_count(), records.tags(0)), (0, 0));
        assert_eq!(records.column(0), []);
        assert!(records.fill(&[], Vec::new()).is_ok());
        assert!(CheckedRecords::new(0).fill(&[], Vec::new()).is_ok());
    }

    #[test]
    #[should_panic(expected = "whole records")]
    fn a_part_of_a_record_is_none() {
        let _ = CheckedRecords::new(2).fill(&[Slot::MISSING; 3], Vec::new());
    }
}
