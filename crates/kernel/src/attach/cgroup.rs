//! A program on what the processes of a control group send, for where the receiving socket is not on this machine.
//!
//! It sees each packet from its IP header on, also those of TCP, and of a UDP sender that hands over several datagrams at
//! once (`UDP_SEGMENT`) all of them as one packet. It is gone when the descriptor of its link is closed, however this
//! process ends. Next: `lease.rs`. Tests: `tests/live/cgroup.rs`.
//!
//! # Source
//! `include/linux/bpf-cgroup.h`, `BPF_PROG_CGROUP_INET_EGRESS_RUN_ARRAY`; `kernel/bpf/cgroup.c`,
//! `__cgroup_bpf_run_filter_skb`.

use super::AttachError;
use crate::object::{Program, ProgramKind};
use crate::sys;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Says what becomes of a packet: what a program on a control group returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EgressVerdict {
    /// It is dropped, and the sender is told `EPERM`.
    Refuse,
    /// It is sent.
    Keep,
    /// It is dropped; a sender over UDP is told of success unless it asked for errors (`IP_RECVERR`), one over TCP sends
    /// again.
    Drop,
}

impl EgressVerdict {
    /// Returns the number that the program returns.
    pub fn number(self) -> i32 {
        match self {
            Self::Refuse => 0,
            Self::Keep => 1,
            Self::Drop => 2,
        }
    }
}

/// Keeps a program on what a control group sends until it is dropped.
#[derive(Debug)]
pub struct CgroupEgress {
    link: OwnedFd,
}

impl CgroupEgress {
    /// Attaches a program that was loaded as [`ProgramKind::CgroupEgress`], beside those that are there.
    ///
    /// # Errors
    /// When the folder is no control group of version 2, and what the kernel says: it asks for `CAP_NET_ADMIN`.
    pub fn attach(cgroup: &Path, program: &Program) -> Result<Self, AttachError> {
        check(program)?;
        let folder = std::fs::File::open(cgroup).map_err(AttachError::system("opening the control group"))?;
        let status = rustix::fs::fstatfs(&folder).map_err(AttachError::system("looking at the control group"))?;
        if status.f_type as u64 != CGROUP2_MAGIC {
            return Err(AttachError::NoCgroup { path: cgroup.to_owned() });
        }
        let link = sys::create_link(program, &folder, sys::CGROUP_INET_EGRESS);
        Ok(Self { link: link.map_err(AttachError::system("attaching the program to the control group"))? })
    }

    /// Puts another program in the place of the one that is there, in one step.
    ///
    /// # Errors
    /// What the kernel says; the program from before stays then.
    pub fn replace(&mut self, program: &Program) -> Result<(), AttachError> {
        check(program)?;
        sys::update_link(&self.link, program).map_err(AttachError::system("replacing the program"))
    }

    /// Detaches the program.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn detach(self) -> Result<(), AttachError> {
        sys::detach_link(&self.link).map_err(AttachError::system("detaching the program from the control group"))
    }
}

impl AsFd for CgroupEgress {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

/// The number of the file system of control groups (`CGROUP2_SUPER_MAGIC`).
const CGROUP2_MAGIC: u64 = 0x6367_7270;

fn check(program: &Program) -> Result<(), AttachError> {
    if program.kind() == ProgramKind::CgroupEgress {
        return Ok(());
    }
    Err(AttachError::ProgramKind { place: "what a control group sends" })
}

/// Returns the folder of the control group of a process.
///
/// # Errors
/// When there is no such process, or no file system of control groups of version 2.
pub fn cgroup_of(pid: u32) -> Result<PathBuf, AttachError> {
    let Ok(groups) = std::fs::read_to_string(format!("/proc/{pid}/cgroup")) else {
        return Err(AttachError::NoProcess { pid });
    };
    let mounts =
        std::fs::read_to_string("/proc/self/mounts").map_err(AttachError::system("reading /proc/self/mounts"))?;
    let mount = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let folder = words.next()?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(folder))
    });
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    match (mount, group) {
        (Some(mount), Some(group)) => Ok(mount.join(group)),
        (mount, _) => Err(AttachError::NoCgroup { path: mount.unwrap_or_default() }),
    }
}
