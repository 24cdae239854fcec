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
