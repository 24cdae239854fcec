//! The data that generated code reads and writes, and where its parts lie.
//!
//! All of it is plain numbers: an address is a number here, and becomes a pointer only in generated code and in
//! [`crate::helpers`]. Slots are those of `dtq_record::slot`; see `docs/slots.md`. Next: [`crate::helpers`].

use dtq_record::slot::{Buffer, Buffers, Slot};
use dtq_value::Value;
use std::marker::PhantomData;

/// Numbers of `dtq_record::slot::Tag` that cells share with slots, and two that only cells have.
pub mod tag {
    use dtq_record::slot::Tag;

    pub const MISSING: u8 = Tag::Missing as u8;
    pub const BOOL: u8 = Tag::Bool as u8;
    pub const INT: u8 = Tag::Int as u8;
    pub const LONG: u8 = Tag::Long as u8;
    pub const REAL: u8 = Tag::Real as u8;
    pub const DATETIME: u8 = Tag::DateTime as u8;
    pub const TIMESPAN: u8 = Tag::TimeSpan as u8;
    pub const STRING: u8 = Tag::String as u8;
    /// A value that the call holds: the payload is its position.
    pub const HELD: u8 = 64;
    /// A value that lives longer than the call: the payload is its address.
    pub const BORROWED: u8 = 65;

    const _: () = assert!(Tag::Buckets as u8 == 16);
}

/// Size in bytes of a slot and of a cell.
pub const CELL_SIZE: i32 = 16;
/// Offset of the tag; the 8 bytes from here are the head, with the length in its upper half.
pub const CELL_HEAD: i32 = 0;
/// Offset of the number or address.
pub const CELL_PAYLOAD: i32 = 8;

/// Holds one value between generated code and helpers.
///
/// As a slot, but a string is an address and a length; what has no room is held or borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The tag in the lowest byte, the length of a string in the upper half.
    pub head: u64,
    /// A number, the bits of a real, an address or a position.
    pub payload: u64,
}

const _: () = assert!(size_of::<Cell>() == CELL_SIZE as usize && align_of::<Cell>() == align_of::<Slot>());
const _: () = assert!(std::mem::offset_of!(Cell, payload) == CELL_PAYLOAD as usize);
const _: () = assert!(cfg!(target_endian = "little") && cfg!(target_pointer_width = "64"));

impl Cell {
    /// Null.
    pub const NULL: Cell = Cell { head: tag::MISSING as u64, payload: 0 };

    /// Returns the cell of a number.
    pub const fn number(tag: u8, payload: u64) -> Self {
        Cell { head: tag as u64, payload }
    }

    /// Returns the cell of a text, or `None` when its length has no room.
    pub fn text(bytes: &[u8]) -> Option<Self> {
        let length = u32::try_from(bytes.len()).ok()?;
        Some(Cell { head: u64::from(tag::STRING) | u64::from(length) << 32, payload: bytes.as_ptr() as u64 })
    }

    /// Returns the cell of a value that outlives the use of the cell.
    pub fn of(value: &Value) -> Self {
        Self::plain(value).unwrap_or(Cell::number(tag::BORROWED, std::ptr::from_ref(value) as u64))
    }

    /// Returns the cell of a value that fits, `None` for those that must be held or borrowed.
    pub fn plain(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Cell::NULL,
            Value::Bool(flag) => Cell::number(tag::BOOL, u64::from(*flag)),
            Value::Int(number) => Cell::number(tag::INT, i64::from(*number) as u64),
            Value::Long(number) => Cell::number(tag::LONG, *number as u64),
            Value::Real(number) => Cell::number(tag::REAL, number.to_bits()),
            Value::DateTime(ticks) => Cell::number(tag::DATETIME, *ticks as u64),
            Value::TimeSpan(ticks) => Cell::number(tag::TIMESPAN, *ticks as u64),
            Value::String(text) => return Cell::text(text.as_bytes()),
            Value::Decimal(_) | Value::Guid(_) | Value::Array(_) | Value::Bag(_) => return None,
        })
    }

    /// Returns the tag.
    pub fn tag(self) -> u8 {
        self.head as u8
    }

    /// Returns the length of a string in bytes.
    pub fn length(self) -> usize {
        (self.head >> 32) as usize
    }
}

/// Holds the address and size of some bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where they begin.
    pub address: usize,
    /// How many there are.
    pub size: usize,
}

/// Size in bytes of a [`View`].
pub const VIEW_SIZE: i32 = 16;
/// Offset of its size.
pub const VIEW_LENGTH: i32 = 8;

const _: () = assert!(size_of::<View>() == VIEW_SIZE as usize);
const _: () = assert!(std::mem::offset_of!(View, size) == VIEW_LENGTH as usize);

impl View {
    /// Returns the view of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        View { address: bytes.as_ptr() as usize, size: bytes.len() }
    }
}

/// Count of the buffers that a slot's view may be of.
const BUFFER_COUNT: usize = Buffer::Pool as usize + 1;

/// Holds the buffers of one record as generated code finds them; made once, used for any number of conditions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BufferTable<'a> {
    views: [View; BUFFER_COUNT],
    bytes: PhantomData<&'a [u8]>,
}

const _: () = assert!(size_of::<BufferTable<'_>>() == BUFFER_COUNT * VIEW_SIZE as usize);

impl<'a> BufferTable<'a> {
    /// Returns the table of some buffers.
    pub fn new(buffers: &Buffers<'a>) -> Self {
        let views = [buffers.record, buffers.resource, buffers.scope, buffers.metric, buffers.arena, buffers.pool];
        BufferTable { views: views.map(View::of), bytes: PhantomData }
    }

    /// Puts another record in the place of the one before.
    pub fn set_record(&mut self, record: &'a [u8]) {
        self.views[Buffer::Record as usize] = View::of(record);
    }

    /// Returns the view of one buffer.
    pub(crate) fn view(&self, buffer: Buffer) -> View {
        self.views[buffer as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_a_number_is_the_cell_of_the_number() {
        let slot = Slot::long(-3);
        assert_eq!(slot.tag() as u8, Cell::of(&Value::Long(-3)).tag());
        assert_eq!(slot.payload(), Cell::of(&Value::Long(-3)).payload);
    }

    #[test]
    fn buffers_stand_at_their_numbers() {
        let buffers = Buffers { resource: b"ab", pool: b"xyz", ..Buffers::default() };
        let table = BufferTable::new(&buffers);
        assert_eq!((table.view(Buffer::Resource).size, table.view(Buffer::Pool).size), (2, 3));
        assert_eq!((Buffer::Record as u8, Buffer::Pool as u8), (0, 5));
    }
}
