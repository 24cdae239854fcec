//! Processes and the sockets that they have open, by `/proc`. Next: `socket.rs`.
//!
//! # Source
//! `proc_pid_fd(5)`, `pidfd_open(2)`, `pidfd_getfd(2)`.

use super::AttachError;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Names a process and its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// The name of its program, where it can be read.
    pub name: String,
    /// Its user, where that can be read.
    pub uid: Option<u32>,
}

impl Owner {
    /// Returns what is known of a process.
    pub fn of(pid: u32) -> Self {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        Self { pid, name, uid: uids.and_then(|uids| uids.split_whitespace().next()?.parse().ok()) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match (self.name.as_str(), self.uid) {
            ("", None) => Ok(()),
            (name, None) => write!(f, " ({name})"),
            (name, Some(uid)) => write!(f, " ({name}, user {uid})"),
        }
    }
}

/// Returns a descriptor that stands for a process, also when another one gets its number.
pub(crate) fn open_process(pid: u32) -> Result<OwnedFd, AttachError> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(AttachError::NoProcess { pid })?;
    match pidfd_open(raw, PidfdFlags::empty()) {
        // The number of a thread is no number of a process.
        Err(Errno::SRCH | Errno::INVAL) => Err(AttachError::NoProcess { pid }),
        opened => opened.map_err(AttachError::system("opening the process")),
    }
}

/// Returns a copy of a descriptor of a process.
pub(crate) fn take_descriptor(process: &OwnedFd, pid: u32, descriptor: u32) -> Result<OwnedFd, AttachError> {
    let raw = i32::try_from(descriptor).unwrap_or(-1);
    match pidfd_getfd(process, raw, PidfdGetfdFlags::empty()) {
        Err(Errno::BADF) => Err(AttachError::NoDescriptor { owner: Owner::of(pid), descriptor }),
        Err(Errno::SRCH) => Err(AttachError::NoProcess { pid }),
        Err(Errno::PERM) => Err(AttachError::NotAllowed { owner: Owner::of(pid), ptrace_scope: ptrace_scope() }),
        taken => taken.map_err(AttachError::system("taking a copy of the socket's descriptor")),
    }
}

fn ptrace_scope() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?.trim().parse().ok()
}

/// Holds who has a socket open.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// Processes and their descriptors.
    pub open: Vec<(u32, u32)>,
    /// How many processes may not be looked into.
    pub hidden_count: usize,
}

/// Returns who has the socket with this inode open.
pub(crate) fn holders(inode: u64) -> Result<Holders, AttachError> {
    let name = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").map_err(AttachError::system("reading /proc"))?;
    let mut holders = Holders::default();
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        match descriptors(&entry.path(), &name) {
            Ok(found) => holders.open.extend(found.into_iter().map(|descriptor| (pid, descriptor))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => holders.hidden_count += 1,
            // It has ended meanwhile.
            Err(_) => {}
        }
    }
    Ok(holders)
}

/// Returns the descriptors of a process that lead to the file of this name.
fn descriptors(process: &Path, name: &str) -> std::io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(process.join("fd"))?;
    let is_it = |entry: &std::fs::DirEntry| std::fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == name);
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.flatten().filter(is_it).filter_map(number).collect())
}
