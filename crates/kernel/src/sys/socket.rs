//! The calls on sockets that `rustix` does not make. Next: `object.rs`.
//!
//! # Source
//! `socket(7)`, `udp(7)`; `include/uapi/asm-generic/socket.h`, `include/uapi/linux/udp.h`.
#![allow(unsafe_code, reason = "system calls that take addresses")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Gives the number of instructions of a classic filter (`SO_GET_FILTER`).
const GET_FILTER: libc::c_int = libc::SO_ATTACH_FILTER;

/// Says what filter a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterState {
    /// None.
    None,
    /// One that can be replaced.
    Present,
    /// One, or none, that cannot be changed any more.
    Locked,
}

/// Returns what filter a socket has.
///
/// # Errors
/// What the kernel says.
pub fn filter_state(socket: &impl AsFd) -> io::Result<FilterState> {
    if get_number(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER)? != 0 {
        return Ok(FilterState::Locked);
    }
    let mut count: libc::socklen_t = 0;
    // SAFETY: the kernel writes no instruction to a place that has room for none; it writes how many there are to `count`,
    // which is borrowed for the call. Test: `tests/live/attach.rs`.
    let result = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), libc::SOL_SOCKET, GET_FILTER, std::ptr::null_mut(), &raw mut count)
    };
    let error = io::Error::last_os_error();
    match (result, error.raw_os_error()) {
        (0, _) if count == 0 => Ok(FilterState::None),
        // A filter that is no classic one cannot be read (`sk_get_filter`).
        (0, _) | (_, Some(libc::EACCES)) => Ok(FilterState::Present),
        _ => Err(error),
    }
}

/// Attaches a program, in place of the filter that is there.
///
/// # Errors
/// What the kernel says.
pub fn attach(socket: &impl AsFd, program: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, &program.as_fd().as_raw_fd())
}

/// Attaches a classic filter.
///
/// # Errors
/// What the kernel says.
pub fn attach_classic(socket: &impl AsFd, filter: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(io::Error::other)?;
    // The kernel only reads it.
    let filter = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)
}

/// Detaches the filter; says whether there was one.
///
/// # Errors
/// What the kernel says.
pub fn detach(socket: &impl AsFd) -> io::Result<bool> {
    match set_option(socket, libc::SOL_SOCKET, libc::SO_DETACH_BPF, &0) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says whether a UDP socket takes several datagrams as one.
///
/// # Errors
/// What the kernel says.
pub fn is_coalescing(socket: &impl AsFd) -> io::Result<bool> {
    match get_number(socket, libc::SOL_UDP, libc::UDP_GRO) {
        Ok(value) => Ok(value != 0),
        // Kernels before 5.0 do not know it.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(false),
        Err(error) => Err(error),
    }
}

fn set_option<T>(socket: &impl AsFd, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `size` bytes at `value`, which is so large and borrowed for the call; a filter that it points
    // to is so long as it says, by `attach_classic`. Test: `tests/live/attach.rs`.
    let result = unsafe { libc::setsockopt(descriptor, level, option, std::ptr::from_ref(value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn get_number(socket: &impl AsFd, level: libc::c_int, option: libc::c_int) -> io::Result<libc::c_int> {
    let (mut value, mut size): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `size` bytes to `value`, which is so large, and both are borrowed for the call.
    // Test: `tests/live/attach.rs`.
    let result = unsafe { libc::getsockopt(descriptor, level, option, (&raw mut value).cast(), &raw mut size) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// How many datagrams are received in one call at most.
const BATCH_MAX: usize = 64;
/// The place of the drops among the numbers of `SO_MEMINFO` (`SK_MEMINFO_DROPS` in `include/uapi/linux/sock_diag.h`).
const MEMINFO_DROPS: usize = 8;

/// Returns how many datagrams were dropped in front of a socket, by its filter or since there was no room.
///
/// # Errors
/// What the kernel says.
pub fn drops(socket: &impl AsFd) -> io::Result<u32> {
    let mut numbers = [0_u32; MEMINFO_DROPS + 1];
    let mut size = size_of_val(&numbers) as libc::socklen_t;
    let descriptor = socket.as_fd().as_raw_fd();
    let place = numbers.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `size` bytes to `numbers`, which is so large, and both are borrowed for the call.
    // Test: `tests/live/relay.rs`.
    let result = unsafe { libc::getsockopt(descriptor, libc::SOL_SOCKET, libc::SO_MEMINFO, place, &raw mut size) };
    if result == 0 { Ok(numbers[MEMINFO_DROPS]) } else { Err(io::Error::last_os_error()) }
}

/// Holds datagrams that were received in one call.
#[derive(Debug)]
pub struct Batch {
    /// Room for each datagram, one behind the other.
    buffer: Vec<u8>,
    slot_size: usize,
    /// How much of its room each datagram takes, and whether it was cut.
    datagrams: Vec<(usize, bool)>,
}

impl Batch {
    /// Returns an empty one for so many datagrams, 1 to 64, of so many bytes.
    pub fn new(count: usize, slot_size: usize) -> Self {
        let (count, slot_size) = (count.clamp(1, BATCH_MAX), slot_size.max(1));
        // Zeroed by the system, so that pages that nothing is written to take no memory.
        Self { buffer: vec![0; count * slot_size], slot_size, datagrams: Vec::with_capacity(count) }
    }

    /// Returns how many datagrams it holds.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Returns how many it holds at most.
    pub fn count_max(&self) -> usize {
        self.buffer.len() / self.slot_size
    }

    /// Returns a datagram, and whether it was cut.
    pub fn datagram(&self, index: usize) -> (&[u8], bool) {
        let (size, is_cut) = self.datagrams[index];
        (&self.buffer[index * self.slot_size..][..size], is_cut)
    }

    /// Receives what waits in a socket, in place of what it holds; returns how many datagrams those are. Does not wait.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.datagrams.clear();
        let slot_size = self.slot_size;
        let slots = self.buffer.chunks_exact_mut(slot_size);
        let mut places: Vec<libc::iovec> =
            slots.map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() }).collect();
        let mut headers: Vec<libc::mmsghdr> = places.iter_mut().map(header).collect();
        let count = headers.len() as libc::c_uint;
        let descriptor = socket.as_fd().as_raw_fd();
        let timeout = std::ptr::null_mut();
        // SAFETY: each of the `count` headers names one place of `places`, which is a slot of `buffer` that no other one
        // names; all three are borrowed or owned here for the call. Test: `tests/live/relay.rs`.
        let received =
            unsafe { libc::recvmmsg(descriptor, headers.as_mut_ptr(), count, libc::MSG_DONTWAIT as _, timeout) };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            let is_empty = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if is_empty { Ok(0) } else { Err(error) };
        };
        let datagrams = headers.iter().take(received).map(|header| {
            let size = (header.msg_len as usize).min(slot_size);
            (size, header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0)
        });
        self.datagrams.extend(datagrams);
        Ok(received)
    }
}

/// Returns a header for one datagram that goes to one place.
fn header(place: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: it has numbers and addresses only, for which zero is a value: no address. Test: `tests/live/relay.rs`.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = place;
    header.msg_hdr.msg_iovlen = 1;
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::{AttachError, SocketKind};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    use std::os::fd::OwnedFd;

    fn udp() -> OwnedFd {
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn the_state_of_a_filter_is_told() {
        let socket = udp();
        assert_eq!((filter_state(&socket).unwrap(), detach(&socket).unwrap()), (FilterState::None, false));
        // A classic filter that keeps everything.
        let keep = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: u32::MAX };
        attach_classic(&socket, &[keep]).unwrap();
        assert_eq!((filter_state(&socket).unwrap(), detach(&socket).unwrap()), (FilterState::Present, true));
        assert!(attach_classic(&socket, &[]).is_err());
        set_option(&socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1).unwrap();
        assert_eq!(filter_state(&socket).unwrap(), FilterState::Locked);
    }

    #[test]
    fn a_socket_that_takes_datagrams_together_is_refused() {
        let socket = udp();
        assert_eq!(SocketKind::of(&socket).unwrap(), SocketKind::Udp4);
        set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, &1).unwrap();
        assert!(matches!(SocketKind::of(&socket), Err(AttachError::Coalesced)));
    }
}
