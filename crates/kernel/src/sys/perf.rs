//! The calls that attach a program to a place in a file: `perf_event_open(2)` and the requests on its descriptor.
//!
//! Next: `object.rs`.
//!
//! # Source
//! `include/uapi/linux/perf_event.h`, `struct perf_event_attr`; `Documentation/trace/uprobetracer.rst`.
#![allow(unsafe_code, reason = "a system call that takes addresses")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `PERF_EVENT_IOC_ENABLE`
const ENABLE: libc::c_ulong = 0x2400;
/// `PERF_EVENT_IOC_SET_BPF`
const SET_BPF: libc::c_ulong = 0x4004_2408;
/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 8;
/// The bit `disabled` of the flags.
const DISABLED: u64 = 1;

/// Arguments of `perf_event_open`, as far as they are used (`PERF_ATTR_SIZE_VER1`).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    /// The path of the file.
    config1: u64,
    /// The offset in the file.
    config2: u64,
}

/// Says where an event is.
#[derive(Clone, Copy, Debug)]
pub struct EventSpec<'p> {
    /// The kind of event, as the kernel numbers it.
    pub kind: u32,
    /// Its bits, as the kind has them.
    pub config: u64,
    /// The file.
    pub path: &'p CStr,
    /// Where in the file.
    pub offset: u64,
    /// The process; `None` for all.
    pub pid: Option<u32>,
}

/// Opens an event at a place in a file, which does not happen yet.
///
/// # Errors
/// What the kernel says, such as that this process may not.
pub fn open(spec: &EventSpec<'_>) -> io::Result<OwnedFd> {
    let mut attributes = Attributes {
        kind: spec.kind,
        size: size_of::<Attributes>() as u32,
        config: spec.config,
        flags: DISABLED,
        config1: spec.path.as_ptr() as u64,
        config2: spec.offset,
        ..Attributes::default()
    };
    // An event of all processes is one of a processor; a program of it runs on all of them nevertheless.
    let (pid, cpu) = match spec.pid {
        Some(pid) => (libc::pid_t::try_from(pid).map_err(io::Error::other)?, -1),
        None => (-1, 0),
    };
    let no_group = -1;
    // SAFETY: the kernel reads `size` bytes at `attributes`, which is so large and borrowed for the call, and the path in
    // it, which ends with a zero and is borrowed by `spec`. Test: `tests/live/trace.rs`.
    let descriptor =
        unsafe { libc::syscall(libc::SYS_perf_event_open, &raw mut attributes, pid, cpu, no_group, CLOSE_ON_EXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = libc::c_int::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has made this descriptor for us just now, so that nobody else closes it.
    // Test: `tests/live/trace.rs`.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Has a program run at an event, and lets the event happen.
///
/// # Errors
/// What the kernel says.
pub fn attach(event: &impl AsFd, program: &impl AsFd) -> io::Result<()> {
    request(event, SET_BPF, program.as_fd().as_raw_fd())?;
    request(event, ENABLE, 0)
}

fn request(event: &impl AsFd, request: libc::c_ulong, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: both requests take a number and no address. Test: `tests/live/trace.rs`.
    let result = unsafe { libc::ioctl(event.as_fd().as_raw_fd(), request, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
