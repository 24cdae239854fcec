//! Waiting for descriptors, and the clock that programs compare with.
//!
//! Nothing here needs `unsafe`: `rustix` makes these calls. Next: `object.rs`.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Waits until something can be read from a descriptor, at most so long; says whether it can.
///
/// # Errors
/// What the kernel says. A signal ends the wait without one.
pub fn readable(descriptor: &impl AsFd, timeout: Duration) -> io::Result<bool> {
    Ok(any_readable(&[descriptor.as_fd()], timeout)?[0])
}

/// Waits until something can be read from one of the descriptors or it has ended, at most so long; says from which.
///
/// # Errors
/// What the kernel says. A signal ends the wait without one.
pub fn any_readable(descriptors: &[impl AsFd], timeout: Duration) -> io::Result<Vec<bool>> {
    any_ready(descriptors, PollFlags::IN, timeout)
}

/// Waits until a descriptor takes something, at most so long; says whether it does.
///
/// # Errors
/// What the kernel says. A signal ends the wait without it.
pub fn writable(descriptor: &impl AsFd, timeout: Duration) -> io::Result<bool> {
    Ok(any_ready(&[descriptor.as_fd()], PollFlags::OUT, timeout)?[0])
}

fn any_ready(descriptors: &[impl AsFd], flags: PollFlags, timeout: Duration) -> io::Result<Vec<bool>> {
    let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    let timeout = Timespec { tv_sec: seconds, tv_nsec: timeout.subsec_nanos().into() };
    let mut waiting: Vec<PollFd<'_>> = descriptors.iter().map(|descriptor| PollFd::new(descriptor, flags)).collect();
    match poll(&mut waiting, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(waiting.iter().map(|waiting| !waiting.revents().is_empty()).collect())
}

/// Returns the nanoseconds since start, with sleep: what `ktime_get_boot_ns` gives a program.
pub fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // Both are positive, and 64 bits hold 584 years.
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
