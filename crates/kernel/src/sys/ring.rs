//! The memory of a ring buffer, which the kernel writes while it is read here.
//!
//! Three parts: a page with the position up to which was read, which is ours to write; a page with the position up to
//! which was written; and the data, which follow themselves once more, so that no record is cut where the buffer ends.
//! Next: `ring.rs` above.
//!
//! # Source
//! `kernel/bpf/ringbuf.c`, `struct bpf_ringbuf` and `ringbuf_map_mmap_kern`; `tools/lib/bpf/ringbuf.c`, `ring_buffer__add`.
#![allow(unsafe_code, reason = "memory that is shared with the kernel; the type below is the only way to it")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Holds memory that belongs to a map, until it is dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: the memory belongs to the process and not to a thread, and all that is done to it is atomic or reads what
// nobody writes. Test: `tests/live/ring.rs`, where the reader moves to another thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `size` bytes of a map from `offset`.
    fn new(map: &impl AsFd, offset: usize, size: usize, protection: libc::c_int) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        let descriptor = map.as_fd().as_raw_fd();
        // SAFETY: the kernel picks the place, so that no memory in use is replaced. Test: `tests/live/ring.rs`.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, descriptor, offset) };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { start, size }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Returns the position that stands at the beginning.
    fn position(&self) -> &AtomicU64 {
        debug_assert!(self.size >= size_of::<AtomicU64>(), "a page at least");
        // SAFETY: a page begins here that is mapped as long as `self`, aligned for any number; the kernel and this
        // process change these eight bytes in one step only. Test: `tests/live/ring.rs`.
        unsafe { self.start.cast::<AtomicU64>().as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size, and nothing borrows from it any more. Test: `tests/live/ring.rs`.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
        debug_assert_eq!(result, 0, "it was mapped");
    }
}

/// Holds the memory of a ring buffer.
#[derive(Debug)]
pub struct Shared {
    /// Up to where was read; written by this process only.
    consumer: Mapping,
    /// Up to where was written, and the data behind it; written by the kernel only.
    producer: Mapping,
    page_size: usize,
    /// Bytes of the data: a power of two.
    size: usize,
}

impl Shared {
    /// Maps a ring buffer with so many bytes of data.
    ///
    /// # Errors
    /// When the size is no power of two of whole pages, and what the kernel says, such as that the map is none.
    pub fn new(map: &impl AsFd, size: u32) -> io::Result<Self> {
        let (page_size, size) = (rustix::param::page_size(), size as usize);
        if !size.is_power_of_two() || size < page_size {
            let message = format!("a ring buffer has a power of two of bytes and at least {page_size}, not {size}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let consumer = Mapping::new(map, 0, page_size, libc::PROT_READ | libc::PROT_WRITE)?;
        let producer = Mapping::new(map, page_size, page_size + 2 * size, libc::PROT_READ)?;
        Ok(Self { consumer, producer, page_size, size })
    }

    /// Returns how many bytes of data it has.
    pub fn size(&self) -> u64 {
        self.size as u64
    }

    /// Returns up to where was read before.
    pub fn consumer(&self) -> u64 {
        self.consumer.position().load(Ordering::Acquire)
    }

    /// Says up to where was read: what lies before may be written over from now on.
    pub fn set_consumer(&self, position: u64) {
        self.consumer.position().store(position, Ordering::Release);
    }

    /// Returns up to where was written: the headers of what lies before are there.
    pub fn producer(&self) -> u64 {
        self.producer.position().load(Ordering::Acquire)
    }

    /// Returns the first four bytes of the header at a position that is a multiple of eight.
    pub fn header(&self, position: u64) -> u32 {
        assert!(position.is_multiple_of(8), "headers are aligned");
        let offset = self.page_size + self.offset(position);
        // SAFETY: `offset` is a multiple of eight and less than a page and the data, which are mapped as long as `self`.
        // Test: `tests/live/ring.rs`.
        let header = unsafe { self.producer.start.byte_add(offset).cast::<AtomicU32>().as_ref() };
        header.load(Ordering::Acquire)
    }

    /// Returns so many bytes from a position; `None` where that is more than the buffer has.
    ///
    /// They are those of a record that the kernel has marked as complete, and that [`Shared::set_consumer`] has not been
    /// told of.
    pub fn bytes(&self, position: u64, size: usize) -> Option<&[u8]> {
        if size > self.size {
            return None;
        }
        let offset = self.page_size + self.offset(position);
        // SAFETY: `offset` is less than a page and the data, which are mapped as long as `self`. Test: `tests/live/ring.rs`.
        let start = unsafe { self.producer.start.byte_add(offset) };
        // SAFETY: `start` is inside the first copy of the data, and with `size` bytes inside both. Programs do not change
        // a record that is complete, no process can map the data for writing, and the kernel writes over a record only
        // when its reader has said that it was read, which is behind the borrow. Test: `tests/live/ring.rs`.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), size) };
        Some(bytes)
    }

    /// Returns where a position lies in the first copy of the data.
    fn offset(&self, position: u64) -> usize {
        (position & (self.size as u64 - 1)) as usize
    }
}
