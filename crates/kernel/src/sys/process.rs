//! What a process is told of its signals. Next: `object.rs`.
#![allow(unsafe_code, reason = "a system call that takes an address")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The first descriptor that a service manager hands over (`SD_LISTEN_FDS_START`).
const FIRST_HANDED_OVER: RawFd = 3;
/// How many descriptors may be handed over.
const HANDED_OVER_MAX: u32 = 1_024;

/// Whether what was handed over has an owner.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptors that a service manager has handed over, which programs that are started later do not get; the
/// second time there are none.
///
/// # Errors
/// When one of them is not open.
pub fn take_descriptors(count: u32) -> io::Result<Vec<OwnedFd>> {
    if IS_TAKEN.swap(true, Ordering::AcqRel) {
        return Ok(Vec::new());
    }
    let all = FIRST_HANDED_OVER..FIRST_HANDED_OVER + count.min(HANDED_OVER_MAX) as RawFd;
    let take = |descriptor: RawFd| {
        // SAFETY: a number and a flag are handed in. Test: `tests/live/inlet.rs`.
        let status = unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        check(status)?;
        // SAFETY: it is open, was so when the process began, since whoever started it says so, and is taken once. Test:
        // `tests/live/inlet.rs`.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    };
    all.map(take).collect()
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
