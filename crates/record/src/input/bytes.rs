//! Any `io::Read`, plain or compressed, as a bounded window of decompressed bytes.
//!
//! Compression is found by its magic number. What decompression may yield is bounded by `Limits::inflation_ratio_max`.

use dtq_source::Limits;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes asked for at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Decompressed size from which on the inflation ratio counts ([`Limits::inflation_ratio_max`]).
const INFLATION_FREE_BYTES: u64 = 16 << 20;

/// Counts the bytes that pass through.
struct Counting<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.count.set(self.count.get() + size as u64);
        Ok(size)
    }
}

/// Refuses to go on once a decoder has yielded too much for what it has read.
struct Guarded<R> {
    decoder: R,
    read_bytes: Rc<Cell<u64>>,
    yielded_bytes: u64,
    ratio_max: u64,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.decoder.read(buffer)?;
        self.yielded_bytes += size as u64;
        let bound = self.read_bytes.get().saturating_mul(self.ratio_max).max(INFLATION_FREE_BYTES);
        if self.yielded_bytes > bound {
            let message = format!("it inflates to more than {} times its size", self.ratio_max);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(size)
    }
}

/// Returns a reader of the decompressed bytes: gzip and zstd by magic number, anything else as it is.
///
/// Says also whether they are the bytes that were given.
fn decompressed<'r>(mut raw: Box<dyn Read + 'r>, limits: &Limits) -> io::Result<(Box<dyn Read + 'r>, bool)> {
    let mut magic = [0; 4];
    let mut size = 0;
    while size < magic.len() {
        match raw.read(&mut magic[size..]) {
            Ok(0) => break,
            Ok(count) => size += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let read_bytes = Rc::new(Cell::new(0));
    let whole = io::Cursor::new(magic[..size].to_vec()).chain(raw);
    let counting = Counting { inner: whole, count: Rc::clone(&read_bytes) };
    let ratio_max = limits.inflation_ratio_max as u64;
    // RFC 1952, 2.3.1; RFC 8878, 3.1.1.
    Ok(match &magic[..size] {
        [0x1F, 0x8B, 8, ..] => {
            let decoder = flate2::read::MultiGzDecoder::new(counting);
            (Box::new(Guarded { decoder, read_bytes, yielded_bytes: 0, ratio_max }), false)
        }
        [0x28, 0xB5, 0x2F, 0xFD] => {
            let decoder = zstd::stream::read::Decoder::new(counting)?;
            (Box::new(Guarded { decoder, read_bytes, yielded_bytes: 0, ratio_max }), false)
        }
        _ => (Box::new(counting.inner), true),
    })
}

/// Holds a window of an input's decompressed bytes: what was read and not yet consumed.
pub(crate) struct Window<'r> {
    reader: Box<dyn Read + 'r>,
    is_plain: bool,
    buffer: Vec<u8>,
    start: usize,
    /// Offset of the window's first byte from the beginning of the input.
    pub offset: u64,
    is_finished: bool,
    /// Why the input ended early, when it did and the reason lies in its content.
    pub defect: Option<String>,
}

impl<'r> Window<'r> {
    /// Returns the window at the beginning of an input.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(raw: Box<dyn Read + 'r>, limits: &Limits) -> io::Result<Self> {
        let (reader, is_plain) = decompressed(raw, limits)?;
        Ok(Self { reader, is_plain, buffer: Vec::new(), start: 0, offset: 0, is_finished: false, defect: None })
    }

    /// Says whether the bytes are those of the input, not decompressed.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns the bytes at hand.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Moves the window's start.
    pub fn consume(&mut self, size: usize) {
        self.start += size;
        self.offset += size as u64;
    }

    /// Says whether the input has no further bytes than those at hand.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Reads on until `size` bytes are at hand or the input ends; says whether they are.
    ///
    /// # Errors
    /// When the input cannot be read. Broken compression is no error but a [`defect`](Self::defect) and the end.
    pub fn fill(&mut self, size: usize) -> io::Result<bool> {
        while self.bytes().len() < size && !self.is_finished {
            self.read_more()?;
        }
        Ok(self.bytes().len() >= size)
    }

    /// Reads some more bytes, unless the input has ended.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn read_more(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let size = self.buffer.len();
        self.buffer.resize(size + CHUNK_BYTES, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.read_into(&mut buffer[size..]);
        buffer.truncate(size + *result.as_ref().unwrap_or(&0));
        self.buffer = buffer;
        result.map(drop)
    }

    /// Reads some further bytes past the window into a buffer that is not empty and says how many; 0 may also mean that
    /// the reader was interrupted, unless the input is [finished](Self::is_finished).
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn read_into(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(0) => self.is_finished = true,
            Ok(size) => return Ok(size),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The decoders report broken data also as other kinds.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::Other
                ) =>
            {
                self.defect = Some(format!("the compressed data is cut or broken: {error}"));
                self.is_finished = true;
            }
            Err(error) => return Err(error),
        }
        Ok(0)
    }

    /// Reads past `size` bytes without keeping them; returns how many there were.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn skip(&mut self, size: u64) -> io::Result<u64> {
        let mut left = size;
        loop {
            let at_hand = (self.bytes().len() as u64).min(left);
            self.consume(at_hand as usize);
            left -= at_hand;
            if left == 0 || self.is_finished {
                return Ok(size - left);
            }
            self.read_more()?;
        }
    }
}
