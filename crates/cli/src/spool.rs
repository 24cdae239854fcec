//! Stdin, which can be read once, to something that can be opened several times.
//!
//! What was read is kept up to a bound, so that formats and types can be found from the beginning before the whole is
//! read. Past the bound the first reader goes on alone, nothing more is kept, and opening again is an error.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// How much is kept for opening again.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Holds a stream and what was kept of it.
pub struct Spool {
    state: Rc<RefCell<State>>,
}

struct State {
    stream: Box<dyn Read>,
    kept: Vec<u8>,
    kept_max: usize,
    /// Whether a reader has passed what is kept: then no other can begin.
    is_taken: bool,
}

impl Spool {
    /// Returns the spool of a stream.
    pub fn new(stream: Box<dyn Read>) -> Self {
        Self::with_bound(stream, KEPT_BYTES_MAX)
    }

    fn with_bound(stream: Box<dyn Read>, kept_max: usize) -> Self {
        let state = State { stream, kept: Vec::new(), kept_max, is_taken: false };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Returns a reader from the beginning.
    ///
    /// # Errors
    /// When more was read already than is kept.
    pub fn open(&self) -> io::Result<Box<dyn Read>> {
        if self.state.borrow().is_taken {
            let message = "stdin is too long to be read a second time, as this query needs; save it to a file";
            return Err(io::Error::other(message));
        }
        Ok(Box::new(SpoolReader { state: Rc::clone(&self.state), offset: 0, is_past_kept: false }))
    }
}

struct SpoolReader {
    state: Rc<RefCell<State>>,
    offset: usize,
    /// Whether this is the reader that has passed what is kept.
    is_past_kept: bool,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if self.is_past_kept {
            return state.stream.read(buffer);
        }
        let ready = state.kept.get(self.offset..).unwrap_or_default();
        if !ready.is_empty() {
            let size = ready.len().min(buffer.len());
            buffer[..size].copy_from_slice(&ready[..size]);
            self.offset += size;
            return Ok(size);
        }
        if state.is_taken {
            return Err(io::Error::other("stdin is read by another part of the query; save it to a file"));
        }
        let size = state.stream.read(buffer)?;
        if state.kept.len() + size <= state.kept_max {
            state.kept.extend_from_slice(&buffer[..size]);
            self.offset += size;
        } else {
            state.is_taken = true;
            state.kept = Vec::new();
            self.is_past_kept = true;
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stream_can_be_read_again() {
        let spool = Spool::with_bound(Box::new(&b"abcdef"[..]), 100);
        let mut beginning = [0; 2];
        spool.open().unwrap().read_exact(&mut beginning).unwrap();
        for _ in 0..2 {
            let mut text = String::new();
            spool.open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "abcdef");
        }
    }

    #[test]
    fn a_long_stream_is_read_whole_once_and_then_refused() {
        let spool = Spool::with_bound(Box::new(io::repeat(7).take(50_000)), 1_000);
        let mut beginning = [0; 10];
        spool.open().unwrap().read_exact(&mut beginning).unwrap();
        let mut bytes = Vec::new();
        spool.open().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 50_000);
        assert!(spool.open().is_err());
    }
}
