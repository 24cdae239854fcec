//! What a process is told of its signals. Next: `object.rs`.
#![allow(unsafe_code, reason = "a system call that takes an address")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

/// Has the signals ignored that ask a process to end.
///
/// # Errors
/// What the kernel says.
pub fn ignore_ends() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: no function is called when the signal comes, so that none is that may not be. Test: `tests/live/guard.rs`.
        let previous = unsafe { libc::signal(signal, libc::SIG_IGN) };
        if previous == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has the signals that ask a process to end wait, and returns the descriptor that becomes readable when one does.
///
/// They wait for this thread and those that it starts later, so that a host calls it before it starts any.
///
/// # Errors
/// What the kernel says.
pub fn hold_ends() -> io::Result<OwnedFd> {
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is written to as a whole, and belongs to this function. Test: `tests/live/host.rs`.
    let status = unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
    check(status)?;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the set was made empty above. Test: `tests/live/host.rs`.
        let status = unsafe { libc::sigaddset(signals.as_mut_ptr(), signal) };
        check(status)?;
    }
    // SAFETY: the set was made empty and filled above; the mask from before is not asked for. Test: `tests/live/host.rs`.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: the set is read only; a new descriptor is asked for. Test: `tests/live/host.rs`.
    let descriptor = unsafe { libc::signalfd(-1, signals.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    check(descriptor)?;
    // SAFETY: the kernel has just given this descriptor, and nobody else has it. Test: `tests/live/host.rs`.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
