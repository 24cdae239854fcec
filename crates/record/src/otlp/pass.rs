//! One pass over a message: the fields that a plan wants, put into slots; ends as soon as they are settled.
//!
//! This is the loop that every record goes through: it allocates nothing and looks into a field only when somebody
//! reads it. Of a repeated field or key the first counts. It knows numbers and shapes, not columns: those are
//! `otlp/fill.rs`'s, which builds passes.

use super::any::KEY_STRINDEX;
use super::metrics::{Kind, NO_RECORDED_VALUE};
use crate::slot::{Buffer, Slot, Tag, WordList};
pub use crate::time::UNIX_EPOCH_TICKS;
use crate::time::ticks_from_unix_nanos;
use crate::wire::{Cursor, Field, Fields, WireError, WireValue};

/// Field numbers that a pass can want; OTLP's highest is 16.
const NUMBERS: usize = 32;
/// Keys of this size and longer share a bucket.
const SIZE_MAX: usize = 63;
/// Up to so many keys of one size are compared one by one.
const FEW_KEYS: usize = 4;

const MISMATCH: &str = "a known field has the wrong wire type";

/// Names how a field becomes a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// fixed64, nanoseconds since 1970
    Time,
    /// An enum that is shown as an int.
    Int,
    /// fixed32 of which the low eight bits count.
    TraceFlags,
    /// A string.
    Text,
    /// The bytes of an id; only zeros read as `""`.
    Id,
    /// An `AnyValue`.
    Any,
    /// An enum that is shown as a word of the list.
    Word(WordList),
    /// A bool.
    Bool,
    /// double
    Real,
    /// sfixed64 that is shown as a real.
    LongAsReal,
    /// fixed64 that counts.
    Count,
    /// Flags of a data point.
    PointFlags,
    /// A `KeyValue`, one of whose keys may be wanted.
    Keys,
    /// A message with a pass of its own, by position.
    Message(usize),
    /// The message of a metric's kind, with a pass of its own; the slot gets the kind.
    Data(Kind, usize),
}

/// Holds what is done with one field number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The field number; for [`How::Keys`] that of the `KeyValue`s.
    pub number: u32,
    /// What its content becomes.
    pub how: How,
    /// The slot it is put into; without meaning for [`How::Keys`] and [`How::Message`].
    pub slot: u32,
    /// What is settled when the field has been seen; numbers of one `oneof` share a bit.
    pub bit: u32,
    /// What else is settled when the field holds something.
    pub settles: u32,
}

/// Names what follows from other slots, when the pass is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the slots that each variant names")]
pub enum Derived {
    /// The same again.
    Copy { from: u32, to: u32 },
    /// The first, or the second where it is null.
    Either { first: u32, second: u32, to: u32 },
    /// The time between two.
    Between { start: u32, end: u32, to: u32 },
    /// Null where the flags say that nothing was recorded.
    IfRecorded { flags: u32, slot: u32 },
}

/// Holds what is wanted of one message.
///
/// Whoever fills slots in another way (native code does) reads here what [`SlotPlan`](super::fill::SlotPlan) would do:
/// the defaults and whole views first, then each read at its field's first occurrence until all are settled, what is
/// derived last, everything in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    buffer: Buffer,
    /// What slots hold when the field is not there.
    defaults: Vec<(u32, Slot)>,
    /// Slots that are views of the whole message.
    wholes: Vec<(u32, Tag, u16)>,
    /// The bits of the field numbers that are in `reads`: most fields of a record are not.
    numbers: u32,
    /// For each field number the position in `reads` plus one, or 0.
    actions: [u8; NUMBERS],
    reads: Vec<Read>,
    /// The bits of all `reads`.
    wanted: u32,
    keys: Keys,
    nested: Vec<Pass>,
    derived: Vec<Derived>,
}

impl Pass {
    /// Returns a pass that wants nothing.
    pub(crate) fn new(buffer: Buffer) -> Self {
        Self {
            buffer,
            defaults: Vec::new(),
            wholes: Vec::new(),
            numbers: 0,
            actions: [0; NUMBERS],
            reads: Vec::new(),
            wanted: 0,
            keys: Keys::default(),
            nested: Vec::new(),
            derived: Vec::new(),
        }
    }

    /// Returns the buffer that views are of.
    pub fn buffer(&self) -> Buffer {
        self.buffer
    }

    /// Returns what slots hold before anything was found, in order: of a slot that stands twice the last counts.
    pub fn defaults(&self) -> &[(u32, Slot)] {
        &self.defaults
    }

    /// Returns the slots that are views of the whole message, each with its tag and `aux`.
    pub fn wholes(&self) -> &[(u32, Tag, u16)] {
        &self.wholes
    }

    /// Returns what is done with fields; each number stands once.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Returns the keys that are looked for where a read is [`How::Keys`], each with its slot; each key stands once.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&[u8], u32)> {
        self.keys.entries.iter().map(|(key, slot)| (&**key, *slot))
    }

    /// Returns the passes over messages in fields, by the positions that reads name.
    pub fn nested(&self) -> &[Pass] {
        &self.nested
    }

    /// Returns what follows when everything was read, in order.
    pub fn derived(&self) -> &[Derived] {
        &self.derived
    }

    /// Decides what a slot holds when nothing else is found for it.
    pub(crate) fn set_default(&mut self, slot: u32, default: Slot) {
        self.defaults.push((slot, default));
    }

    /// Replaces the defaults that hold a tag.
    pub(crate) fn replace_default(&mut self, tag: Tag, default: Slot) {
        let same = self.defaults.iter_mut().filter(|(_, default)| default.tag() == tag);
        same.for_each(|(_, old)| *old = default);
    }

    /// Makes a slot a view of the whole message.
    pub(crate) fn view_whole(&mut self, slot: u32, tag: Tag, aux: u16) {
        self.wholes.push((slot, tag, aux));
    }

    /// Returns the slot that a field number is read into, or `None`.
    pub(crate) fn slot_of(&self, number: u32) -> Option<u32> {
        let action = self.actions[number as usize];
        (action > 0).then(|| self.reads[usize::from(action) - 1].slot)
    }

    /// Reads a field into a slot; a field that another slot has already is copied from there.
    pub(crate) fn read(&mut self, number: u32, how: How, slot: u32, default: Slot) {
        self.set_default(slot, default);
        match self.slot_of(number) {
            Some(from) => self.derive(Derived::Copy { from, to: slot }),
            None => {
                let bit = self.next_bit();
                self.add_read(number, how, slot, bit);
            }
        }
    }

    /// Reads several fields, the members of one `oneof`, into a slot; the first that is there counts.
    pub(crate) fn read_one_of(&mut self, members: &[(u32, How)], slot: u32, default: Slot) {
        self.set_default(slot, default);
        if let Some(from) = members.first().and_then(|(number, _)| self.slot_of(*number)) {
            return self.derive(Derived::Copy { from, to: slot });
        }
        let bit = self.next_bit();
        for (number, how) in members {
            self.add_read(*number, *how, slot, bit);
        }
    }

    /// Reads one key of the `KeyValue`s in a field into a slot.
    pub(crate) fn read_key(&mut self, number: u32, key: &[u8], slot: u32) {
        self.set_default(slot, Slot::MISSING);
        if let Some(from) = self.keys.add(key, slot) {
            return self.derive(Derived::Copy { from, to: slot });
        }
        if self.slot_of(number).is_none() {
            let bit = self.next_bit();
            self.add_read(number, How::Keys, slot, bit);
        }
    }

    /// Returns the pass over the message in a field.
    pub(crate) fn message(&mut self, number: u32) -> &mut Pass {
        let existing = self.reads.iter().find_map(|read| match read.how {
            How::Message(position) if read.number == number => Some(position),
            _ => None,
        });
        let position = existing.unwrap_or_else(|| {
            let position = self.add_nested();
            let bit = self.next_bit();
            self.add_read(number, How::Message(position), 0, bit);
            position
        });
        &mut self.nested[position]
    }

    /// Adds a pass over a nested message and returns its position.
    pub(crate) fn add_nested(&mut self) -> usize {
        self.nested.push(Pass::new(self.buffer));
        self.nested.len() - 1
    }

    /// Returns a nested pass.
    pub(crate) fn nested_mut(&mut self, position: usize) -> &mut Pass {
        &mut self.nested[position]
    }

    /// Computes a slot from others when the pass is over.
    pub(crate) fn derive(&mut self, derived: Derived) {
        self.derived.push(derived);
    }

    /// Says that the field `other` needs no looking for once `number` was found and holds something.
    pub(crate) fn settle_with(&mut self, number: u32, other: u32) {
        let position = |number: u32| usize::from(self.actions[number as usize]).checked_sub(1);
        if let (Some(number), Some(other)) = (position(number), position(other)) {
            self.reads[number].settles |= self.reads[other].bit;
        }
    }

    #[inline(always)]
    fn read_of(&self, number: u32) -> Option<&Read> {
        self.reads.get(usize::from(self.actions[number as usize]).wrapping_sub(1))
    }

    fn next_bit(&self) -> u32 {
        1 << self.wanted.count_ones()
    }

    fn add_read(&mut self, number: u32, how: How, slot: u32, bit: u32) {
        self.reads.push(Read { number, how, slot, bit, settles: 0 });
        self.actions[number as usize] = u8::try_from(self.reads.len()).expect("there are fewer field numbers");
        self.numbers |= 1 << number;
        self.wanted |= bit;
    }

    /// Fills the slots from a message that starts at `base` of the buffer; base and size together fit 32 bits.
    #[inline]
    pub(crate) fn run(&self, bytes: &[u8], base: u32, slots: &mut [Slot]) -> Result<(), WireError> {
        for (slot, default) in &self.defaults {
            slots[*slot as usize] = *default;
        }
        for (slot, tag, aux) in &self.wholes {
            slots[*slot as usize] = Slot::view(*tag, self.buffer, *aux, base, bytes.len() as u32);
        }
        if self.wanted != 0 {
            self.scan(bytes, base, slots)?;
        }
        self.derived.iter().for_each(|derived| derived.apply(slots));
        Ok(())
    }

    fn scan(&self, bytes: &[u8], base: u32, slots: &mut [Slot]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(bytes);
        let mut unsettled = self.wanted;
        let mut keys_left = self.keys.entries.len();
        while unsettled != 0 && !cursor.is_at_end() {
            let start = cursor.position();
            let at = |reason| WireError { offset: base as usize + start, reason };
            let (number, wire_type) = cursor.read_tag().map_err(at)?;
            let is_read = number < NUMBERS as u32 && self.numbers >> number & 1 != 0;
            let read = match is_read.then(|| self.read_of(number)).flatten() {
                Some(read) if unsettled & read.bit != 0 => read,
                _ => {
                    cursor.skip(number, wire_type).map_err(at)?;
                    continue;
                }
            };
            if read.how == How::Keys {
                if wire_type != 2 {
                    return Err(at(MISMATCH));
                }
                let bytes = cursor.read_bytes().map_err(at)?;
                let start = base + (cursor.position() - bytes.len()) as u32;
                keys_left -= usize::from(self.take_key(bytes, start, slots)?);
                if keys_left == 0 {
                    unsettled &= !read.bit;
                }
                continue;
            }
            let value = cursor.read_value(number, wire_type).map_err(at)?;
            self.take(read, value, base + cursor.position() as u32, slots)?.ok_or(at(MISMATCH))?;
            unsettled &= !read.bit;
            if !slots[read.slot as usize].is_null() {
                unsettled &= !read.settles;
            }
        }
        Ok(())
    }

    /// Puts a field that ends at `end` into its slot; `None` when it has the wrong wire type.
    fn take(&self, read: &Read, value: WireValue<'_>, end: u32, slots: &mut [Slot]) -> Result<Option<()>, WireError> {
        let slot = match (read.how, value) {
            (How::Time, WireValue::Fixed64(time_ns)) => Slot::datetime(ticks_from_unix_nanos(time_ns)),
            // An enum is an int32 on the wire, sign-extended to 64 bits.
            (How::Int, WireValue::Varint(number)) => Slot::int(number as i32),
            (How::TraceFlags, WireValue::Fixed32(flags)) => Slot::int((flags & 0xFF) as i32),
            (How::Word(list), WireValue::Varint(number)) => Slot::word(list, number as i32),
            (How::Bool, WireValue::Varint(number)) => Slot::bool(number != 0),
            (How::Real, WireValue::Fixed64(bits)) => Slot::real(f64::from_bits(bits)),
            (How::LongAsReal, WireValue::Fixed64(bits)) => Slot::real(bits as i64 as f64),
            (How::Count, WireValue::Fixed64(count)) => Slot::long(count as i64),
            (How::PointFlags, WireValue::Varint(flags)) => Slot::long(flags as i64),
            (how, WireValue::Bytes(bytes)) => {
                let start = end - bytes.len() as u32;
                match how {
                    How::Text => Slot::view(Tag::String, self.buffer, 0, start, bytes.len() as u32),
                    // An id of only zeros is not set (W3C Trace Context, "trace-id").
                    How::Id if bytes.iter().all(|byte| *byte == 0) => Slot::EMPTY_STRING,
                    How::Id => Slot::view(Tag::Id, self.buffer, 0, start, bytes.len() as u32),
                    How::Any => any_slot(bytes, self.buffer, start)?,
                    How::Message(position) => return self.nested[position].run(bytes, start, slots).map(Some),
                    How::Data(kind, position) => {
                        slots[read.slot as usize] = Slot::word(WordList::MetricType, kind.field_number() as i32);
                        return self.nested[position].run(bytes, start, slots).map(Some);
                    }
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        slots[read.slot as usize] = slot;
        Ok(Some(()))
    }

    /// Puts the value of a `KeyValue` that starts at `base` into the slot of its key; says whether one was waiting.
    #[inline]
    fn take_key(&self, bytes: &[u8], base: u32, slots: &mut [Slot]) -> Result<bool, WireError> {
        let waiting = |key: &[u8]| self.keys.find(key).filter(|slot| slots[*slot as usize].is_absent());
        let (slot, value) = match leading_key(bytes) {
            // Nearly every KeyValue is a key and a value and nothing else.
            Some((key, rest)) => {
                let Some(slot) = waiting(key) else { return Ok(false) };
                match only_value(rest) {
                    Some(value) => (slot, Some((value, base + (bytes.len() - value.len()) as u32))),
                    None => (slot, key_and_value(bytes, base)?.1),
                }
            }
            None => {
                let (key, value) = key_and_value(bytes, base)?;
                let Some(slot) = key.and_then(waiting) else { return Ok(false) };
                (slot, value)
            }
        };
        slots[slot as usize] = match value {
            Some((value, start)) => any_slot(value, self.buffer, start)?,
            None => Slot::EMPTY,
        };
        Ok(true)
    }
}

impl Derived {
    fn apply(self, slots: &mut [Slot]) {
        let slot = |index: u32| slots[index as usize];
        let (to, value) = match self {
            Derived::Copy { from, to } => (to, slot(from)),
            Derived::Either { first, second, to } if slot(first).is_null() => (to, slot(second)),
            Derived::Either { first, to, .. } => (to, slot(first)),
            Derived::Between { start, end, to } => match (slot(start).as_i64(), slot(end).as_i64()) {
                (Some(start), Some(end)) => (to, Slot::timespan(end.wrapping_sub(start))),
                _ => (to, Slot::MISSING),
            },
            Derived::IfRecorded { flags, slot: to } => match slot(flags).as_i64() {
                Some(flags) if flags as u64 & NO_RECORDED_VALUE != 0 => (to, Slot::MISSING),
                _ => return,
            },
        };
        slots[to as usize] = value;
    }
}

/// Splits a `KeyValue` that begins with its key, which is shorter than 128 bytes.
#[inline]
pub(crate) fn leading_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [0x0A, size, rest @ ..] if *size < 0x80 => rest.split_at_checked(usize::from(*size)),
        _ => None,
    }
}

/// Returns the value where it is all that follows the key and shorter than 128 bytes.
#[inline]
fn only_value(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [0x12, size, value @ ..] if *size < 0x80 && usize::from(*size) == value.len() => Some(value),
        _ => None,
    }
}

type KeyAndValue<'a> = (Option<&'a [u8]>, Option<(&'a [u8], u32)>);

/// Reads a `KeyValue` of any form: its key, and its value with the offset; no key where it is an index into a table.
fn key_and_value(bytes: &[u8], base: u32) -> Result<KeyAndValue<'_>, WireError> {
    let (mut key, mut value, mut is_indexed) = (None, None, false);
    for field in Fields::at(bytes, base as usize) {
        let field = field?;
        match field.number {
            1 => drop(key.get_or_insert(field.bytes()?)),
            2 => {
                let content = field.bytes()?;
                value.get_or_insert((content, (field.end - content.len()) as u32));
            }
            KEY_STRINDEX => is_indexed |= field.varint()? != 0,
            _ => {}
        }
    }
    let key = if key.is_none() && is_indexed { None } else { Some(key.unwrap_or_default()) };
    Ok((key, value))
}

/// Returns the slot of an `AnyValue` that starts at `base`: a scalar, a view of text, or of the `AnyValue` itself.
pub(crate) fn any_slot(bytes: &[u8], buffer: Buffer, base: u32) -> Result<Slot, WireError> {
    match bytes {
        [0x0A, size, text @ ..] if *size < 0x80 && usize::from(*size) == text.len() => {
            return Ok(Slot::view(Tag::String, buffer, 0, base + 2, text.len() as u32));
        }
        _ => {}
    }
    let mut found = None;
    for field in Fields::at(bytes, base as usize) {
        let field = field?;
        if found.is_none() {
            found = member_slot(&field, bytes, buffer, base)?;
        } else if matches!(field.number, 1..=7) {
            // As where values are read: what prost refuses is refused here too.
            member_slot(&field, bytes, buffer, base)?;
        }
    }
    Ok(found.unwrap_or(Slot::EMPTY))
}

fn member_slot(field: &Field<'_>, bytes: &[u8], buffer: Buffer, base: u32) -> Result<Option<Slot>, WireError> {
    let view =
        |tag, content: &[u8]| Slot::view(tag, buffer, 0, (field.end - content.len()) as u32, content.len() as u32);
    Ok(Some(match field.number {
        1 => view(Tag::String, field.bytes()?),
        2 => Slot::bool(field.varint()? != 0),
        3 => Slot::long(field.varint()? as i64),
        4 => Slot::real(field.double()?),
        5 | 6 => {
            field.bytes()?;
            Slot::view(Tag::Any, buffer, 0, base, bytes.len() as u32)
        }
        7 => view(Tag::Bytes, field.bytes()?),
        _ => return Ok(None),
    }))
}

/// Holds the wanted keys, by size and then in order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    entries: Vec<(Box<[u8]>, u32)>,
    /// The bits of the sizes that occur: most keys of a record have another.
    sizes: u64,
    /// For each size where its keys begin.
    starts: [u32; SIZE_MAX + 2],
}

impl Default for Keys {
    fn default() -> Self {
        Self { entries: Vec::new(), sizes: 0, starts: [0; SIZE_MAX + 2] }
    }
}

impl Keys {
    /// Adds a key, or returns the slot that it has already.
    fn add(&mut self, key: &[u8], slot: u32) -> Option<u32> {
        if let Some(slot) = self.find(key) {
            return Some(slot);
        }
        self.entries.push((Box::from(key), slot));
        self.sizes |= 1 << key.len().min(SIZE_MAX);
        self.entries.sort_by(|(a, _), (b, _)| (a.len().min(SIZE_MAX), a).cmp(&(b.len().min(SIZE_MAX), b)));
        for (size, start) in self.starts.iter_mut().enumerate() {
            *start = self.entries.partition_point(|(key, _)| key.len().min(SIZE_MAX) < size) as u32;
        }
        None
    }

    /// Returns the slot of a key.
    #[inline(always)]
    fn find(&self, key: &[u8]) -> Option<u32> {
        let size = key.len().min(SIZE_MAX);
        if self.sizes >> size & 1 == 0 { None } else { self.find_in_bucket(key, size) }
    }

    fn find_in_bucket(&self, key: &[u8], size: usize) -> Option<u32> {
        let (start, end) = (self.starts[size] as usize, self.starts[size + 1] as usize);
        let bucket = &self.entries[start..end];
        if bucket.len() <= FEW_KEYS {
            return bucket.iter().find(|(own, _)| **own == *key).map(|(_, slot)| *slot);
        }
        bucket.binary_search_by(|(own, _)| (**own).cmp(key)).ok().map(|position| bucket[position].1)
    }
}
