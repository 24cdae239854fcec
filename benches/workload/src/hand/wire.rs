//! Protocol buffers to fields, without copying: only what a scanner of OTLP needs.
//!
//! # Source
//! Protocol Buffers documentation, "Encoding".

use std::ops::Range;

/// Says that bytes are no protocol buffer message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What reading gives.
pub type Read<T> = Result<T, Malformed>;

/// Returns the tag of a field with a length.
pub const fn message_tag(field: u64) -> u64 {
    field << 3 | 2
}

/// Reads fields one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// Where the next byte stands.
    pub at: usize,
}

/// Where a field with a length stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its tag.
    pub field: usize,
    /// Its length.
    pub length: usize,
    /// Its content.
    pub start: usize,
    /// The end of its content.
    pub end: usize,
}

impl<'a> Reader<'a> {
    /// Returns a reader of a message.
    #[inline(always)]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns a reader of a message inside another; positions are those in the outer one.
    #[inline(always)]
    pub fn inside(bytes: &'a [u8], range: Range<usize>) -> Self {
        Self { bytes: &bytes[..range.end], at: range.start }
    }

    #[inline(always)]
    fn byte(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    /// Returns the next integer.
    #[inline(always)]
    pub fn varint(&mut self) -> Read<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        // Records are longer than 127 bytes and shorter than 16 KiB, so two bytes are worth a path of their own.
        let second = self.byte()?;
        let low = u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7;
        if second < 0x80 { Ok(low) } else { self.varint_from_third(low) }
    }

    #[inline]
    fn varint_from_third(&mut self, low: u64) -> Read<u64> {
        let mut value = low;
        for shift in (14..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// Returns the tag of the next field, or `None` at the end.
    #[inline(always)]
    pub fn tag(&mut self) -> Read<Option<u64>> {
        if self.at < self.bytes.len() { self.varint().map(Some) } else { Ok(None) }
    }

    /// Returns the content of a field with a length.
    #[inline(always)]
    pub fn content(&mut self) -> Read<&'a [u8]> {
        let size = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
        let end = self.at.checked_add(size).ok_or(Malformed)?;
        let content = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(content)
    }

    /// Returns where a field with a length stands whose tag began at `field`.
    #[inline(always)]
    pub fn place(&mut self, field: usize) -> Read<Place> {
        let length = self.at;
        let size = self.content()?.len();
        Ok(Place { field, length, start: self.at - size, end: self.at })
    }

    /// Goes past the content of a field.
    #[inline(always)]
    pub fn skip(&mut self, tag: u64) -> Read<()> {
        let size = match tag & 7 {
            0 => return self.varint().map(|_| ()),
            1 => 8,
            2 => return self.content().map(|_| ()),
            5 => 4,
            _ => return Err(Malformed),
        };
        self.at += size;
        if self.at <= self.bytes.len() { Ok(()) } else { Err(Malformed) }
    }
}

/// Returns how many bytes an integer takes.
#[inline(always)]
pub fn varint_size(value: u64) -> usize {
    // A byte for each seven bits, and one for zero.
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Appends an integer.
#[inline(always)]
pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
