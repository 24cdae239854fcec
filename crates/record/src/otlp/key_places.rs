//! A record to where the attributes with some keys stand in it, so that they can be cut out and others put in.
//!
//! For records as encoders write them: each attribute begins with its key, no key that is looked for is there twice, and
//! its value is one value and nothing else. Of others nothing is said: what an edit makes of them is `otlp/edit.rs`'s to
//! decide, and what is said here agrees with it. The whole record is walked, so that a malformed one is found.
//! Next: `otlp/assemble.rs`.

use super::edit::{ColumnEdit, attributes_number, edit_record};
use super::pass::leading_key;
use crate::tables::Base;
use crate::wire::{Cursor, read_varint};
use dtq_value::{Str, Value};

/// Keys whose sizes differ by this share a bit.
const SIZES: u32 = u64::BITS;
/// Longer keys have a length of two bytes, which no attribute that is found here has.
const KEY_SIZE_MAX: usize = 0x7F;
/// Keys that are looked for at once.
pub const KEYS_MAX: usize = 64;
/// So many keys that are edited at once are put into a record in the order of their edits; more have an order of their own.
pub const KEYS_EDITED_MAX: usize = super::edit_any::FEW_EDITS;

/// Holds the keys that are looked for in the attributes of a standard table's records.
#[derive(Clone, Debug)]
pub struct KeyPlaces {
    base: Base,
    column: usize,
    number: u32,
    keys: Vec<Box<[u8]>>,
}

/// Holds an attribute that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyPlace<'r> {
    /// Where its field begins in the record.
    pub start: u32,
    /// Where its field ends.
    pub end: u32,
    /// What it holds.
    pub held: Held<'r>,
}

/// Names what an attribute holds, as far as it is compared with what it is to become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Held<'r> {
    /// Nothing.
    Nothing,
    /// A bool.
    Bool(bool),
    /// An integer.
    Long(i64),
    /// A double.
    Real(f64),
    /// A text.
    Text(&'r [u8]),
    /// Bytes, an array or a bag: not looked into.
    Other,
}

impl Held<'_> {
    /// Says whether it reads as a value; `None` where that is not known.
    pub fn is(&self, value: &Value) -> Option<bool> {
        Some(match (self, value) {
            (Held::Other, _) => return None,
            (Held::Text(held), Value::String(text)) => *held == text.as_bytes(),
            (Held::Nothing, Value::Null) => true,
            (Held::Bool(held), Value::Bool(value)) => held == value,
            (Held::Long(held), Value::Long(value)) => held == value,
            (Held::Real(held), Value::Real(value)) => held.to_bits() == value.to_bits(),
            _ => false,
        })
    }
}

impl KeyPlaces {
    /// Returns no keys, of a column of attributes; `None` for one whose records have no fixed field for it.
    pub fn new(base: Base, column: usize) -> Option<Self> {
        // Its tag has one byte.
        let number = attributes_number(base, column).filter(|number| *number < 16)?;
        Some(Self { base, column, number, keys: Vec::new() })
    }

    /// Returns the position of a key, which is looked for from now on; `None` for one too many, and for one that is
    /// written in another way than most.
    pub fn add(&mut self, key: &Str) -> Option<usize> {
        let bytes = key.as_bytes();
        if let Some(position) = self.keys.iter().position(|own| **own == *bytes) {
            return Some(position);
        }
        if self.keys.len() >= KEYS_MAX || bytes.len() > KEY_SIZE_MAX || std::str::from_utf8(bytes).is_err() {
            return None;
        }
        self.keys.push(bytes.into());
        Some(self.keys.len() - 1)
    }

    /// Returns the column.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the keys, by position.
    pub fn keys(&self) -> &[Box<[u8]>] {
        &self.keys
    }

    /// Returns the field of an attribute that holds a scalar; `None` for arrays and bags, which are written piece by piece.
    pub fn encoded(&self, key: &Str, value: &Value) -> Option<Vec<u8>> {
        let is_scalar =
            matches!(value, Value::Null | Value::Bool(_) | Value::Long(_) | Value::Real(_) | Value::String(_));
        let edit = ColumnEdit::Keys(vec![(key.clone(), Some(value.clone()))]);
        // An empty record holds that attribute alone then.
        is_scalar.then(|| edit_record(self.base, &[], &[(self.column, edit)], 0).ok()).flatten()
    }

    /// Finds those of the keys in a record whose bits are set; `None` when it is not one that encoders write, or malformed.
    ///
    /// # Panics
    /// If there are fewer places than keys.
    pub fn find<'r>(&self, record: &'r [u8], wanted: u64, places: &mut [Option<KeyPlace<'r>>]) -> Option<()> {
        u32::try_from(record.len()).ok()?;
        let sought = Sought { wanted, sizes: self.sizes(wanted), head: self.number << 3 | 2 | 0x0A << 16 };
        let mut at = 0;
        loop {
            at = sought.beyond_common(record, at);
            if at == record.len() {
                return Some(());
            }
            at = self.find_in_field(&sought, record, at, places)?;
        }
    }

    /// Returns the bits of the sizes of keys: most attributes have a key of another.
    fn sizes(&self, wanted: u64) -> u64 {
        let wanted = self.keys.iter().enumerate().filter(|(position, _)| wanted >> position & 1 != 0);
        wanted.fold(0, |sizes, (_, key)| sizes | size_bit(key))
    }

    /// Reads a field, which may be an attribute with one of the keys; returns where it ends.
    fn find_in_field<'r>(
        &self,
        sought: &Sought,
        record: &'r [u8],
        start: usize,
        places: &mut [Option<KeyPlace<'r>>],
    ) -> Option<usize> {
        let mut cursor = Cursor::new(&record[start..]);
        let (number, wire_type) = cursor.read_tag().ok()?;
        if number != self.number {
            cursor.skip(number, wire_type).ok()?;
            return Some(start + cursor.position());
        }
        if wire_type != 2 {
            return None;
        }
        let (key, value) = leading_key(cursor.read_bytes().ok()?)?;
        let end = start + cursor.position();
        if sought.sizes & size_bit(key) == 0 {
            return Some(end);
        }
        let position = self.keys.iter().position(|own| **own == *key);
        if let Some(position) = position.filter(|position| sought.wanted >> position & 1 != 0) {
            let place = KeyPlace { start: start as u32, end: end as u32, held: held(value)? };
            if places[position].replace(place).is_some() {
                return None;
            }
        }
        Some(end)
    }
}

/// Returns the bit of a key's size.
fn size_bit(key: &[u8]) -> u64 {
    1 << (key.len() as u32 % SIZES)
}

/// Holds what is looked for in a record.
struct Sought {
    /// The bits of the keys.
    wanted: u64,
    /// The bits of their sizes.
    sizes: u64,
    /// The tag of an attribute and, behind a byte for its length, the tag of its key.
    head: u32,
}

impl Sought {
    /// Returns where the first field from a position on begins that has none of the common forms, or is an attribute with
    /// a key of a size that is looked for, or is at the end of the record.
    #[inline(never)]
    fn beyond_common(&self, record: &[u8], mut at: usize) -> usize {
        while let Some(first) = record.get(at..).and_then(<[u8]>::first_chunk) {
            let word = u32::from_le_bytes(*first);
            let second = word >> 8 & 0xFF;
            let size = if word & 0x80FF_80FF == self.head {
                let key_size = word >> 24;
                let is_other = self.sizes >> (key_size % SIZES) & 1 == 0;
                if is_other & (key_size + 2 <= second) { 2 + second } else { 0 }
            } else {
                size_of_common(word, self.head)
            };
            let end = at + size as usize;
            if size == 0 || end > record.len() {
                break;
            }
            at = end;
        }
        at
    }
}

/// Sizes of fields by wire type, a byte for each: of varints with a tag and a content of one byte each, of bytes without
/// their content. What has none has another form.
const COMMON_SIZES: u64 = u64::from_le_bytes([2, 9, 2, 0, 0, 5, 0, 0]);

/// Returns the size of a field, given its first four bytes, where its tag has one byte and is not that of `head`, and its
/// content or its length is written in the common form; 0 for others.
///
/// Which wire type comes next is hard to guess for a processor, so that there is one branch for nearly all of them.
#[inline(always)]
fn size_of_common(word: u32, head: u32) -> u32 {
    let (tag, second, third) = (word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFF);
    let (is_varint, is_bytes) = (tag & 7 == 0, tag & 7 == 2);
    if !(8..0x80).contains(&tag) || tag == head & 0xFF {
        return 0;
    }
    if is_bytes && second >= 0x80 {
        return if third < 0x80 { 3 + (second & 0x7F) + (third << 7) } else { 0 };
    }
    let size = (COMMON_SIZES >> (8 * (tag & 7))) as u8;
    let size = if is_varint & (second >= 0x80) { 0 } else { u32::from(size) };
    size + if is_bytes { second } else { 0 }
}

/// Reads the value that follows a key.
fn held(rest: &[u8]) -> Option<Held<'_>> {
    let (0x12, any) = tagged(rest)? else { return None };
    let Some((tag, content)) = any.split_first() else { return Some(Held::Nothing) };
    Some(match tag {
        0x0A => Held::Text(tagged(any)?.1),
        0x10 => Held::Bool(whole_varint(content)? != 0),
        0x18 => Held::Long(whole_varint(content)?.cast_signed()),
        0x21 => Held::Real(f64::from_le_bytes(content.try_into().ok()?)),
        0x2A | 0x32 | 0x3A => tagged(any).map(|_| Held::Other)?,
        _ => return None,
    })
}

/// Splits a field that has a length and is all there is into its tag and its content.
fn tagged(field: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = field.split_first()?;
    let (size, length_size) = match rest {
        [size, ..] if *size < 0x80 => (u64::from(*size), 1),
        _ => read_varint(rest)?,
    };
    let content = &rest[length_size..];
    (content.len() as u64 == size).then_some((*tag, content))
}

fn whole_varint(bytes: &[u8]) -> Option<u64> {
    let (value, size) = read_varint(bytes)?;
    (size == bytes.len()).then_some(value)
}
