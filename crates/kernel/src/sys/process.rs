//! What a process is told of its signals. Next: `object.rs`.
#![allow(unsafe_code, reason = "a system call that takes an address")]

use std::io;

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
