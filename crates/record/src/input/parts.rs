//! Parts of an input that can be read at any place to the lines that begin in them: on whichever thread takes the part.
//!
//! Copying a file out of the system's cache costs about as much as looking through it. So threads that decode read, too,
//! and what a thread reads is in its own cache. Who cuts an input into parts is `lines.rs`.

use super::lines::{BLOCK_BYTES, Decoding, is_worth_keeping};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a part: enough that handing it to a thread costs nothing beside decoding it.
pub(super) const PART_BYTES: u64 = 1 << 20;
/// Bytes read at a time of a line that reaches out of its part.
const REST_BYTES: usize = 4 << 10;

/// Gives any part of an input, to any thread.
pub trait Parts: Send + Sync {
    /// Returns how many bytes there are; what is added later is not read.
    fn size(&self) -> u64;

    /// Reads bytes at an offset and says how many; 0 is the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Holds an input that is read in parts, and memory for them.
pub(super) struct Source {
    parts: Arc<dyn Parts>,
    /// Of parts that were decoded: at most one a thread.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Source {
    /// Returns the source of an input.
    pub(super) fn new(parts: Arc<dyn Parts>) -> Self {
        Self { parts, buffers: Mutex::default() }
    }

    /// Returns how many bytes the input has.
    pub(super) fn size(&self) -> u64 {
        self.parts.size()
    }

    /// Reads and decodes the lines that begin in a part.
    ///
    /// # Errors
    /// When the input cannot be read; the lines before are decoded.
    pub(super) fn decode(&self, part: Range<u64>, decoding: &mut Decoding<'_>) -> io::Result<()> {
        let mut buffer = self.lock().pop().unwrap_or_default();
        buffer.resize(buffer.len().max(BLOCK_BYTES), 0);
        let mut reading = Reading { parts: &*self.parts, buffer, filled: 0, offset: part.start };
        let result = reading.read(part, decoding);
        if is_worth_keeping(&reading.buffer) {
            self.lock().push(reading.buffer);
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds what was read of a part and not decoded.
struct Reading<'p> {
    parts: &'p dyn Parts,
    buffer: Vec<u8>,
    filled: usize,
    /// Where the bytes behind the filled ones stand in the input.
    offset: u64,
}

impl Reading<'_> {
    fn read(&mut self, part: Range<u64>, decoding: &mut Decoding<'_>) -> io::Result<()> {
        // The line that reaches into the part is of the part before; if none does, this is the newline in front.
        let mut is_between = part.start > 0;
        self.offset = part.start - u64::from(is_between);
        let mut is_over = false;
        while !is_over {
            let left = usize::try_from(part.end - self.offset).unwrap_or(usize::MAX);
            is_over = self.read_more(left.min(BLOCK_BYTES))? == 0 || self.offset >= part.end;
            let mut start = 0;
            if is_between {
                match memchr::memchr(b'\n', &self.buffer[..self.filled]) {
                    Some(at) => (start, is_between) = (at + 1, false),
                    None => start = self.filled,
                }
            }
            let lines = memchr::memrchr(b'\n', &self.buffer[start..self.filled]).map_or(0, |at| at + 1);
            decoding.lines(&self.buffer[start..start + lines]);
            self.drop_first(start + lines);
            if self.filled > decoding.line_bytes_max() {
                decoding.too_long();
                is_between = true;
                self.filled = 0;
            }
        }
        if self.filled > 0 { self.read_rest(decoding) } else { Ok(()) }
    }

    /// Reads the rest of the line that begins in the part and ends behind it.
    fn read_rest(&mut self, decoding: &mut Decoding<'_>) -> io::Result<()> {
        let mut wanted = REST_BYTES;
        loop {
            let searched = self.filled;
            let is_at_end = self.read_more(wanted)? == 0;
            let newline = memchr::memchr(b'\n', &self.buffer[searched..self.filled]).map(|at| searched + at + 1);
            if newline.is_some() || is_at_end {
                decoding.lines(&self.buffer[..newline.unwrap_or(self.filled)]);
                return Ok(());
            }
            if self.filled > decoding.line_bytes_max() {
                decoding.too_long();
                return Ok(());
            }
            wanted = (2 * wanted).min(BLOCK_BYTES);
        }
    }

    /// Reads some of the next `wanted` bytes and says how many; 0 is the end of the input.
    fn read_more(&mut self, wanted: usize) -> io::Result<usize> {
        if self.filled + wanted > self.buffer.len() {
            self.buffer.resize(self.filled + wanted, 0);
        }
        let left = usize::try_from(self.parts.size().saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let room = &mut self.buffer[self.filled..self.filled + wanted.min(left)];
        loop {
            match self.parts.read_at(room, self.offset) {
                Ok(size) => {
                    self.filled += size;
                    self.offset += size as u64;
                    return Ok(size);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn drop_first(&mut self, size: usize) {
        self.buffer.copy_within(size..self.filled, 0);
        self.filled -= size;
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::{Decoded, LineReader};
    use super::*;
    use crate::record::Plan;
    use crate::stream::{Column, Projection, Row};
    use crate::text::Decoder;
    use dtq_value::Type;

    /// Gives a few bytes at a time.
    struct Held(Vec<u8>);

    impl Parts for Held {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            let size = rest.len().min(buffer.len()).min(7);
            buffer[..size].copy_from_slice(&rest[..size]);
            Ok(size)
        }
    }

    fn decode(source: &Source, part: Range<u64>) -> Decoded {
        let columns = [Column::new("Line", Type::String)];
        let plan = Arc::new(Plan::own(&columns, &columns, &Projection::all(1)));
        let reader = LineReader { decoder: Decoder::Text, plan, sieve: None, line_bytes_max: 20 };
        let mut decoding = Decoding::new(&reader, true);
        source.decode(part, &mut decoding).expect("memory can be read");
        decoding.finish()
    }

    #[test]
    fn every_line_is_in_the_part_that_it_begins_in() {
        let long = "x".repeat(50);
        for text in
            ["a\nbb\n\nccc\r\ndddd", "\n\n\n", "a", "", &format!("a\n{long}\nb\n{long}"), &format!("{long}\nb\n")]
        {
            let source = Source::new(Arc::new(Held(text.as_bytes().to_vec())));
            let whole = decode(&source, 0..source.size());
            let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && line.len() <= 20).collect();
            let of_rows = |rows: &[Row]| rows.iter().map(|row| format!("{:?}", row[0])).collect::<Vec<_>>();
            assert_eq!(whole.rows.len(), lines.len(), "{text:?}");
            assert_eq!(whole.line_count as usize, text.lines().count(), "{text:?}");
            for size in 1..=source.size() {
                let (mut rows, mut line_count, mut begin) = (Vec::new(), 0, 0);
                while begin < source.size() {
                    let end = source.size().min(begin + size);
                    let decoded = decode(&source, begin..end);
                    line_count += decoded.line_count;
                    rows.extend(decoded.rows);
                    begin = end;
                }
                assert_eq!(
                    (of_rows(&rows), line_count),
                    (of_rows(&whole.rows), whole.line_count),
                    "{text:?} by {size}"
                );
            }
        }
    }
}
