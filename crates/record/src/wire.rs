//! Protobuf's wire format as borrowed views: bytes in, fields out, nothing copied.
//!
//! Knows no message: whoever asks says which field numbers mean what. Non-minimal varints, unknown fields and groups are
//! read past; a length beyond the end, a tag of field 0 or a varint over ten bytes ends the walk with an error.
//! Source of the format: protobuf.dev, "Encoding". Next: `otlp/mod.rs`.

const CUT_VARINT: &str = "a varint is cut or over ten bytes";
const CUT_FIXED: &str = "a fixed-size field is cut";
/// Nesting of groups that is read past; deeper is malformed (the bound that prost uses for messages).
const GROUP_NESTING_MAX: usize = 100;

/// Says what is malformed, at which offset from the base that the walk was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// Offset in bytes.
    pub offset: usize,
    /// What is wrong, without a full stop.
    pub reason: &'static str,
}

/// Holds a field's content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WireValue<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 3 and 4, with everything between; never known to OTLP.
    Group,
    /// Wire type 5.
    Fixed32(u32),
}

/// Holds one field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// Its content.
    pub value: WireValue<'a>,
    /// Offset of its tag from the base.
    pub offset: usize,
    /// Offset just behind it from the base.
    pub end: usize,
}

impl<'a> Field<'a> {
    /// Returns the content as bytes: a string, bytes or a message.
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            WireValue::Bytes(bytes) => Ok(bytes),
            _ => Err(self.mismatch()),
        }
    }

    /// Returns the content of a varint field.
    pub fn varint(&self) -> Result<u64, WireError> {
        match self.value {
            WireValue::Varint(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    /// Returns the content of a fixed64, sfixed64 or double field.
    pub fn fixed64(&self) -> Result<u64, WireError> {
        match self.value {
            WireValue::Fixed64(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    /// Returns the content of a fixed32 field.
    pub fn fixed32(&self) -> Result<u32, WireError> {
        match self.value {
            WireValue::Fixed32(value) => Ok(value),
            _ => Err(self.mismatch()),
        }
    }

    /// Returns the content of a double field.
    pub fn double(&self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    /// Returns a message's fields.
    pub fn message(&self) -> Result<Fields<'a>, WireError> {
        let bytes = self.bytes()?;
        Ok(Fields::at(bytes, self.end - bytes.len()))
    }

    /// Appends the numbers of a repeated fixed64 or double field, packed or not.
    pub fn append_fixed64s(&self, numbers: &mut Vec<u64>) -> Result<(), WireError> {
        match self.value {
            WireValue::Fixed64(value) => numbers.push(value),
            WireValue::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(WireError { offset: self.offset, reason: "a packed field is cut" });
                }
                numbers.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    /// Appends the numbers of a repeated varint field, packed or not.
    pub fn append_varints(&self, numbers: &mut Vec<u64>) -> Result<(), WireError> {
        match self.value {
            WireValue::Varint(value) => numbers.push(value),
            WireValue::Bytes(bytes) => {
                let mut position = 0;
                while position < bytes.len() {
                    let reason = WireError { offset: self.offset, reason: "a packed field is cut" };
                    let (value, size) = read_varint(&bytes[position..]).ok_or(reason)?;
                    numbers.push(value);
                    position += size;
                }
            }
            _ => return Err(self.mismatch()),
        }
        Ok(())
    }

    fn mismatch(&self) -> WireError {
        WireError { offset: self.offset, reason: "a known field has the wrong wire type" }
    }
}

/// Reads tags and contents one after the other: what [`Fields`] is made of, and what hot loops use.
///
/// Its errors are reasons; the caller knows the offset. After an error the position means nothing.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Returns a cursor at the start of a message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns the offset of what is read next.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Says whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// Reads a tag: field number and wire type.
    ///
    /// # Errors
    /// When it is cut, too large, or of field 0.
    #[inline(always)]
    pub fn read_tag(&mut self) -> Result<(u32, u32), &'static str> {
        let tag = self.read_varint()?;
        if tag > u64::from(u32::MAX) {
            return Err("a tag is too large");
        }
        let tag = tag as u32;
        if tag >> 3 == 0 { Err("a field has number 0") } else { Ok((tag >> 3, tag & 7)) }
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// When it is cut, longer than ten bytes, or over 64 bits.
    #[inline(always)]
    pub fn read_varint(&mut self) -> Result<u64, &'static str> {
        // Nearly all varints of OTLP (tags, lengths, small numbers) have one byte, most of the others two.
        match self.bytes.get(self.position) {
            Some(first) if *first < 0x80 => {
                self.position += 1;
                Ok(u64::from(*first))
            }
            Some(first) => match self.bytes.get(self.position + 1) {
                Some(second) if *second < 0x80 => {
                    self.position += 2;
                    Ok(u64::from(*first & 0x7F) | u64::from(*second) << 7)
                }
                _ => self.read_long_varint(),
            },
            None => Err(CUT_VARINT),
        }
    }

    #[inline(never)]
    fn read_long_varint(&mut self) -> Result<u64, &'static str> {
        let (value, size) = read_varint(&self.bytes[self.position..]).ok_or(CUT_VARINT)?;
        self.position += size;
        Ok(value)
    }

    /// Reads past the content that a tag announces.
    ///
    /// # Errors
    /// As [`Cursor::read_value`].
    #[inline(always)]
    pub fn skip(&mut self, number: u32, wire_type: u32) -> Result<(), &'static str> {
        match wire_type {
            2 => self.read_bytes().map(drop),
            0 => self.read_varint().map(drop),
            1 => self.skip_fixed(8),
            5 => self.skip_fixed(4),
            _ => self.skip_rare(number, wire_type),
        }
    }

    #[inline(always)]
    fn skip_fixed(&mut self, size: usize) -> Result<(), &'static str> {
        if self.bytes.len() - self.position < size {
            return Err(CUT_FIXED);
        }
        self.position += size;
        Ok(())
    }

    #[inline(never)]
    fn skip_rare(&mut self, number: u32, wire_type: u32) -> Result<(), &'static str> {
        self.read_value(number, wire_type).map(drop)
    }

    /// Reads a length and the bytes that follow it.
    ///
    /// # Errors
    /// When they reach beyond the end.
    #[inline(always)]
    pub fn read_bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let size = self.read_varint()?;
        let end = usize::try_from(size).ok().and_then(|size| self.position.checked_add(size));
        match end.and_then(|end| self.bytes.get(self.position..end)) {
            Some(bytes) => {
                self.position += bytes.len();
                Ok(bytes)
            }
            None => Err("a length reaches beyond the end"),
        }
    }

    /// Reads the content that a tag announces.
    ///
    /// # Errors
    /// When it is cut, or of a wire type that does not exist.
    #[inline]
    pub fn read_value(&mut self, number: u32, wire_type: u32) -> Result<WireValue<'a>, &'static str> {
        Ok(match wire_type {
            0 => WireValue::Varint(self.read_varint()?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.read_chunk()?)),
            2 => WireValue::Bytes(self.read_bytes()?),
            3 => {
                self.skip_group(number)?;
                WireValue::Group
            }
            4 => return Err("a group ends that did not begin"),
            5 => WireValue::Fixed32(u32::from_le_bytes(self.read_chunk()?)),
            _ => return Err("a wire type that does not exist"),
        })
    }

    fn read_chunk<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], &'static str> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let chunk = rest.first_chunk::<SIZE>().ok_or(CUT_FIXED)?;
        self.position += SIZE;
        Ok(*chunk)
    }

    /// Reads past a group. Iterates rather than recurses, so that nesting costs no stack.
    fn skip_group(&mut self, number: u32) -> Result<(), &'static str> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            let (number, wire_type) = self.read_tag()?;
            match wire_type {
                3 if open.len() < GROUP_NESTING_MAX => open.push(number),
                3 => return Err("groups are nested too deep"),
                4 if number == innermost => drop(open.pop()),
                0 | 1 | 2 | 5 => drop(self.read_value(number, wire_type)?),
                _ => return Err("a group does not end as it began"),
            }
        }
        Ok(())
    }
}

/// Walks the fields of one message; after an error it ends.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    base: usize,
}

impl<'a> Fields<'a> {
    /// Returns the fields of a message that starts at `base`, from which all offsets count.
    pub fn at(bytes: &'a [u8], base: usize) -> Self {
        Self { cursor: Cursor::new(bytes), base }
    }

    /// Returns the fields of a message, offsets counting from its start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    fn read_field(&mut self) -> Result<Field<'a>, &'static str> {
        let start = self.cursor.position;
        let (number, wire_type) = self.cursor.read_tag()?;
        let value = self.cursor.read_value(number, wire_type)?;
        Ok(Field { number, value, offset: self.base + start, end: self.base + self.cursor.position })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_at_end() {
            return None;
        }
        let start = self.cursor.position;
        Some(self.read_field().map_err(|reason| {
            self.cursor.position = self.cursor.bytes.len();
            WireError { offset: self.base + start, reason }
        }))
    }
}

/// Reads a varint: its value and size, or `None` when it is cut, longer than ten bytes or over 64 bits.
pub fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        if index == 9 && *byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Returns how many bytes a varint has in its shortest form.
pub fn varint_size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends a field of wire type 0.
pub fn append_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    append_varint(out, u64::from(number) << 3);
    append_varint(out, value);
}

/// Appends a field of wire type 1.
pub fn append_fixed64_field(out: &mut Vec<u8>, number: u32, value: u64) {
    append_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of wire type 5.
pub fn append_fixed32_field(out: &mut Vec<u8>, number: u32, value: u32) {
    append_varint(out, u64::from(number) << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of wire type 2: a string, bytes or a message that is encoded already.
pub fn append_bytes_field(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    append_varint(out, u64::from(number) << 3 | 2);
    append_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a message field whose content `append` appends.
pub fn append_message_field(out: &mut Vec<u8>, number: u32, append: impl FnOnce(&mut Vec<u8>)) {
    append_varint(out, u64::from(number) << 3 | 2);
    // Room for the length of a short message; that of a longer one is put in front when it is known, as moving the
    // content costs less than measuring it beforehand.
    out.push(0);
    let start = out.len();
    append(out);
    let size = out.len() - start;
    if size < 0x80 {
        out[start - 1] = size as u8;
    } else {
        let mut length = Vec::with_capacity(10);
        append_varint(&mut length, size as u64);
        out.splice(start - 1..start, length);
    }
}

/// Appends a varint in its shortest form.
pub fn append_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_may_be_padded_and_never_longer_than_ten_bytes() {
        assert_eq!(read_varint(&[0x81, 0x80, 0x00]), Some((1, 3)));
        assert_eq!(read_varint(&[0xFF; 9]), None);
        assert_eq!(read_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]), None);
        let mut max = Vec::new();
        append_varint(&mut max, u64::MAX);
        assert_eq!(read_varint(&max), Some((u64::MAX, 10)));
        for value in [0, 1, 127, 128, 16_383, 16_384, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            append_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_size(value), "{value}");
        }
    }

    #[test]
    fn groups_are_read_past_and_a_length_beyond_the_end_is_an_error() {
        // Field 2 group { field 1 varint 5, field 3 group {} }, then field 1 varint 7.
        let bytes = [0x13, 0x08, 0x05, 0x1B, 0x1C, 0x14, 0x08, 0x07];
        let fields: Vec<_> = Fields::new(&bytes).map(|field| field.unwrap()).collect();
        assert_eq!(fields[0].value, WireValue::Group);
        assert_eq!((fields[1].number, fields[1].value), (1, WireValue::Varint(7)));
        let mut cut = Fields::at(&[0x0A, 0x05, 0x01], 100);
        let error = cut.next().unwrap().unwrap_err();
        assert_eq!(error, WireError { offset: 100, reason: "a length reaches beyond the end" });
        assert!(cut.next().is_none());
    }

    #[test]
    fn a_million_nested_groups_are_an_error_and_not_a_stack_overflow() {
        let bytes = vec![0x0B; 1_000_000];
        assert_eq!(Fields::new(&bytes).next().unwrap().unwrap_err().reason, "groups are nested too deep");
    }
}
