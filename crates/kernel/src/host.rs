//! What the loop of a host waits for besides its work: descriptors, and being asked to end.
//!
//! A host that ends by itself detaches what it attached and says what was counted; one that is killed does neither.
//! Tests: `tests/live/host.rs`.

use crate::sys::process;
pub use crate::sys::wait::any_readable;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Has the signals that ask a process to end (`SIGINT`, `SIGTERM`, `SIGHUP`) wait until the host looks.
///
/// They go on waiting when it is dropped. The descriptor becomes readable when one is there.
#[derive(Debug)]
pub struct Ends {
    descriptor: OwnedFd,
}

impl Ends {
    /// Has them wait, for this thread and those that it starts later: to be called before a host starts any.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hold() -> io::Result<Self> {
        Ok(Self { descriptor: process::hold_ends()? })
    }

    /// Says whether one has come.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn are_asked(&self) -> io::Result<bool> {
        Ok(any_readable(&[self.as_fd()], Duration::ZERO)?[0])
    }
}

/// Returns the sockets that a service manager has handed to this process (`LISTEN_FDS`), the first time that it is asked.
///
/// # Errors
/// When there are not as many as it says.
///
/// # Source
/// `sd_listen_fds(3)`.
pub fn handed_over() -> io::Result<Vec<OwnedFd>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(pid), Some(count)) if pid == std::process::id() => process::take_descriptors(count),
        _ => Ok(Vec::new()),
    }
}

/// Returns a descriptor that becomes readable when a process ends.
///
/// # Errors
/// What the kernel says, such as that there is no such process.
pub fn end_of(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::Error::from(rustix::io::Errno::SRCH))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

impl AsFd for Ends {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
