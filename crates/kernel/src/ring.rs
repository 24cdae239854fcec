//! A ring buffer of the kernel to the records that programs wrote into it, in their order.
//!
//! Starts no thread: the host calls [`RingReader::drain`] when it likes, or waits with its own loop on the descriptor. What
//! did not fit is not here; a program learns that from its own call and counts it (`Counters`). Next: `counters.rs`. Tests:
//! `tests/live/ring.rs`.
//!
//! # Source
//! The kernel's `Documentation/bpf/ringbuf.rst`; `include/uapi/linux/bpf.h`, `BPF_RINGBUF_HDR_SZ` and the bits beside it.

use crate::object::Map;
use crate::sys::ring::Shared;
use crate::sys::wait;
use dtq_ebpf::MapKind;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Bytes in front of a record (`BPF_RINGBUF_HDR_SZ`).
const HEADER_SIZE: u64 = 8;
/// Says that a record is still being written (`BPF_RINGBUF_BUSY_BIT`).
const BUSY: u32 = 1 << 31;
/// Says that a record was given up (`BPF_RINGBUF_DISCARD_BIT`).
const DISCARDED: u32 = 1 << 30;

/// Reads a ring buffer, which has one reader.
#[derive(Debug)]
pub struct RingReader {
    map: OwnedFd,
    shared: Shared,
    /// Up to where was read. Kept here, since the shared one could be changed by others who have the map.
    position: u64,
}

impl RingReader {
    /// Returns the reader of a ring buffer, which goes on where an earlier one ended.
    ///
    /// # Errors
    /// When the map is no ring buffer, and what the kernel says.
    pub fn new(map: &Map) -> io::Result<Self> {
        if map.def().kind != MapKind::RingBuffer {
            let message = format!("`{}` is no ring buffer", map.def().name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let shared = Shared::new(map, map.def().entries_max)?;
        let position = shared.consumer();
        Ok(Self { map: map.as_fd().try_clone_to_owned()?, shared, position })
    }

    /// Waits until there is a record, at most so long; says whether there is one.
    ///
    /// # Errors
    /// What the kernel says. A signal ends the wait without one.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        wait::readable(&self.map, timeout)
    }

    /// Calls `take` with each record that is there, at most `count_max` of them; returns how many those were.
    ///
    /// # Errors
    /// When the buffer holds what the kernel never writes. It stays unreadable then, since nothing tells where the next
    /// record would begin; the records before were taken.
    pub fn drain(&mut self, count_max: usize, mut take: impl FnMut(&[u8])) -> Result<usize, RingError> {
        let mut count = 0;
        while count < count_max {
            let position = self.position;
            let found = match self.next(position)? {
                Found::Nothing => break,
                Found::Discarded { size } => (size, false),
                Found::Record { size } => {
                    let broken = RingError { position, reason: "a record larger than the buffer" };
                    take(self.shared.bytes(position + HEADER_SIZE, size as usize).ok_or(broken)?);
                    (size, true)
                }
            };
            self.position += span(found.0);
            // After each record, since the kernel wakes a reader only where it has read all that was written before.
            self.shared.set_consumer(self.position);
            count += usize::from(found.1);
        }
        Ok(count)
    }

    /// Looks at what stands at a position, where records end or begin.
    fn next(&self, position: u64) -> Result<Found, RingError> {
        let written = self.shared.producer();
        if written == position {
            return Ok(Found::Nothing);
        }
        let unread = written.wrapping_sub(position);
        if unread > self.shared.size() || !position.is_multiple_of(HEADER_SIZE) || unread < HEADER_SIZE {
            return Err(RingError { position, reason: "more was written than the buffer holds" });
        }
        found(self.shared.header(position), unread).map_err(|reason| RingError { position, reason })
    }
}

impl AsFd for RingReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

/// Holds what stands at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing that is complete.
    Nothing,
    /// So many bytes that a program gave up.
    Discarded { size: u32 },
    /// So many bytes that a program wrote.
    Record { size: u32 },
}

/// Returns what a header says, before so many bytes that were written and not read.
fn found(header: u32, unread: u64) -> Result<Found, &'static str> {
    let size = header & !(BUSY | DISCARDED);
    if header & BUSY != 0 {
        return Ok(Found::Nothing);
    }
    if span(size) > unread {
        return Err("a record that goes on behind what was written");
    }
    Ok(if header & DISCARDED != 0 { Found::Discarded { size } } else { Found::Record { size } })
}

/// Returns how many bytes a record takes with its header.
fn span(size: u32) -> u64 {
    (u64::from(size) + HEADER_SIZE).next_multiple_of(HEADER_SIZE)
}

/// Says what is wrong with the content of a ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingError {
    /// Where, in bytes since the buffer was made.
    pub position: u64,
    /// What stands there.
    pub reason: &'static str,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ring buffer is broken at {}: {}", self.position, self.reason)
    }
}

impl std::error::Error for RingError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_believed_as_far_as_was_written() {
        assert_eq!(found(BUSY | 5, 64), Ok(Found::Nothing));
        assert_eq!(found(5, 16), Ok(Found::Record { size: 5 }));
        assert_eq!(found(8, 16), Ok(Found::Record { size: 8 }));
        assert_eq!(found(DISCARDED | 9, 24), Ok(Found::Discarded { size: 9 }));
        assert_eq!(found(0, 8), Ok(Found::Record { size: 0 }));
        assert!(found(9, 16).is_err() && found(DISCARDED | 9, 16).is_err());
        assert!(found(DISCARDED - 1, 1 << 20).is_err());
    }
}
