//! A descriptor to a socket that can be told what its filter is, without keeping it open where it is another's.
//!
//! A copy of another process's socket would keep it bound when that process ends: it could not start again at its address,
//! and who sends to it would wait for somebody to read. So it is remembered by its process and its number, and opened for
//! as long as a call takes. Next: `find.rs`.

use super::process::{self, Owner};
use super::{AttachError, SocketKind};
use rustix::io::Errno;
use rustix::net::sockopt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Names a socket of this process or another one.
#[derive(Debug)]
pub struct Socket {
    holder: Holder,
    kind: SocketKind,
    /// The number of its file.
    inode: u64,
    /// A number that no other socket has until the next start.
    cookie: u64,
}

/// Holds how a socket is reached.
#[derive(Debug)]
enum Holder {
    /// By a copy of the descriptor.
    Own(OwnedFd),
    /// By that of another process.
    Other { process: OwnedFd, pid: u32, descriptor: u32 },
}

impl Socket {
    /// Returns a socket of this process, which stays open as long as this is held.
    ///
    /// # Errors
    /// When no filter on it decides over datagrams; see [`SocketKind::of`].
    pub fn own(socket: BorrowedFd<'_>) -> Result<Self, AttachError> {
        let copy = socket.try_clone_to_owned().map_err(AttachError::system("copying the socket's descriptor"))?;
        let kind = SocketKind::of(&copy)?;
        let (inode, cookie) = identity(&copy)?;
        Ok(Self { holder: Holder::Own(copy), kind, inode, cookie })
    }

    /// Returns a socket of another process, which this one does not keep open.
    ///
    /// # Errors
    /// When there is no such process, descriptor or right, or when no filter on it decides over datagrams.
    pub fn of_process(pid: u32, descriptor: u32) -> Result<Self, AttachError> {
        let process = process::open_process(pid)?;
        let copy = process::take_descriptor(&process, pid, descriptor)?;
        let kind = SocketKind::of(&copy)?;
        let (inode, cookie) = identity(&copy)?;
        Ok(Self { holder: Holder::Other { process, pid, descriptor }, kind, inode, cookie })
    }

    /// Returns what it is.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Returns the number of its file, as in `/proc/PID/fd` and `/proc/net/udp`.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Returns the number that no other socket has (`SO_COOKIE`).
    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    /// Returns the other process whose it is, and its descriptor there; `None` of a socket of this process.
    pub fn owner(&self) -> Option<(Owner, u32)> {
        match &self.holder {
            Holder::Own(_) => None,
            Holder::Other { pid, descriptor, .. } => Some((Owner::of(*pid), *descriptor)),
        }
    }

    /// Returns what becomes readable when the other process ends; `None` of a socket of this process.
    pub fn process(&self) -> Option<BorrowedFd<'_>> {
        match &self.holder {
            Holder::Own(_) => None,
            Holder::Other { process, .. } => Some(process.as_fd()),
        }
    }

    /// Says whether nobody has it open any more, as far as this process may see.
    ///
    /// # Cost
    /// Three calls of the kernel; where its process has closed it or ended, a look at the descriptors of all processes.
    pub fn is_closed(&self) -> bool {
        matches!(self.open(), Err(AttachError::Closed))
    }

    /// Returns the descriptor of a socket of this process.
    pub(super) fn own_descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.holder {
            Holder::Own(socket) => Some(socket.as_fd()),
            Holder::Other { .. } => None,
        }
    }

    /// Returns a descriptor of the socket, to be closed soon; looks for it where its process has moved it or handed it on.
    pub(crate) fn open(&self) -> Result<OwnedFd, AttachError> {
        let (process, pid, descriptor) = match &self.holder {
            Holder::Own(socket) => return socket.try_clone().map_err(AttachError::system("copying a descriptor")),
            Holder::Other { process, pid, descriptor } => (process, *pid, *descriptor),
        };
        match process::take_descriptor(process, pid, descriptor) {
            Ok(copy) if self.is_it(&copy) => return Ok(copy),
            Ok(_) | Err(AttachError::NoDescriptor { .. } | AttachError::NoProcess { .. }) => {}
            Err(error) => return Err(error),
        }
        let holders = process::holders(self.inode)?;
        for (pid, descriptor) in &holders.open {
            let taken =
                process::open_process(*pid).and_then(|process| process::take_descriptor(&process, *pid, *descriptor));
            match taken {
                Ok(copy) if self.is_it(&copy) => return Ok(copy),
                Ok(_) | Err(_) => {}
            }
        }
        Err(AttachError::Closed)
    }

    fn is_it(&self, copy: &OwnedFd) -> bool {
        sockopt::socket_cookie(copy).is_ok_and(|cookie| cookie == self.cookie)
    }
}

/// Returns the two numbers of a socket.
fn identity(socket: &OwnedFd) -> Result<(u64, u64), AttachError> {
    let tried = "asking for the number of the socket";
    let status = rustix::fs::fstat(socket).map_err(AttachError::system::<Errno>(tried))?;
    let cookie = sockopt::socket_cookie(socket).map_err(AttachError::system::<Errno>(tried))?;
    Ok((status.st_ino, cookie))
}
