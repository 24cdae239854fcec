//! A program on a socket: it sees each datagram before the socket's queue, and drops it, shortens it or keeps it.
//!
//! A program that returns 0 drops the datagram, -1 keeps it whole, and another number keeps so many bytes, counted from the
//! beginning of the packet, which is the UDP header on a UDP socket. The sender is told of success in any case. A datagram
//! that waits in the queue when a program is attached has passed already. Next: `guard.rs`. Tests: `tests/live/attach.rs`.
//!
//! # Source
//! `socket(7)`, `SO_ATTACH_BPF`; `net/core/filter.c`, `sk_filter_trim_cap` and `sk_get_filter`.

use super::switch::Switch;
use super::{AttachError, Guard, Socket};
use crate::object::{Program, ProgramInfo, ProgramKind};
use crate::sys::socket::{self, FilterState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Says what becomes of a filter that is on a socket already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Present {
    /// It stays, and attaching is an error.
    #[default]
    Refuse,
    /// It is replaced, such as one that a process left that could not clean up. What it was is lost.
    Replace,
}

/// Keeps a program on a socket until it is dropped.
#[derive(Debug)]
pub struct SocketFilter {
    socket: Socket,
    attached: Attached,
    /// Who detaches what is left on the socket when this process is killed.
    guard: Option<Arc<Guard>>,
    is_attached: bool,
}

/// Says what is on the socket.
#[derive(Debug)]
enum Attached {
    /// What goes on to the program.
    Switch(Switch),
    /// The program itself.
    Program(OwnedFd),
}

impl Attached {
    fn new(program: &Program) -> io::Result<Self> {
        match program.is_inherited() {
            true => Ok(Self::Program(program.as_fd().try_clone_to_owned()?)),
            false => Ok(Self::Switch(Switch::new(program)?)),
        }
    }
}

impl AsFd for Attached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Switch(switch) => switch.as_fd(),
            Self::Program(program) => program.as_fd(),
        }
    }
}

impl SocketFilter {
    /// Attaches a program that was loaded as [`ProgramKind::SocketFilter`].
    ///
    /// The program needs no descriptor from here on. Where this process is killed, the socket of another process is left
    /// with a program of six instructions that keeps everything; [`SocketFilter::attach_guarded`] has that removed too.
    /// An inherited program is attached by itself, since a process that has no right to load one cannot make what goes on
    /// to it: on another process's socket it then stays, and only a guard or a [`crate::Lease`] ends what it does.
    ///
    /// # Cost
    /// Less than a nanosecond for each datagram, beside the program's own.
    ///
    /// # Errors
    /// When the socket has another filter, has a locked one, takes several datagrams as one or has been closed, and what
    /// the kernel says.
    pub fn attach(socket: Socket, program: &Program, present: Present) -> Result<Self, AttachError> {
        check(program)?;
        let opened = socket.open()?;
        match socket::filter_state(&opened).map_err(AttachError::system("asking for the socket's filter"))? {
            FilterState::Locked => return Err(AttachError::Locked),
            FilterState::Present if present == Present::Refuse => return Err(AttachError::HasFilter),
            FilterState::Present | FilterState::None => {}
        }
        let attached = Attached::new(program).map_err(AttachError::system("loading what goes on to the program"))?;
        set(&opened, &attached)?;
        Ok(Self { socket, attached, guard: None, is_attached: true })
    }

    /// Attaches a program that a guard detaches when this process is killed.
    ///
    /// # Errors
    /// As [`SocketFilter::attach`], and when the guard may not reach the socket.
    pub fn attach_guarded(
        socket: Socket,
        program: &Program,
        present: Present,
        guard: &Arc<Guard>,
    ) -> Result<Self, AttachError> {
        let cookie = socket.cookie();
        // Before it is attached, so that there is no moment at which it would be left behind.
        guard.watch(&socket)?;
        match Self::attach(socket, program, present) {
            Ok(mut filter) => {
                filter.guard = Some(Arc::clone(guard));
                Ok(filter)
            }
            Err(error) => {
                guard.forget(cookie)?;
                Err(error)
            }
        }
    }

    /// Returns the socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Puts another program in the place of the one that is there, in one step: each datagram is seen by one of them.
    ///
    /// # Errors
    /// What the kernel says; the program from before stays then. Where that was inherited, also when the socket has been
    /// closed.
    pub fn replace(&mut self, program: &Program) -> Result<(), AttachError> {
        check(program)?;
        match &self.attached {
            Attached::Switch(switch) => switch.set(program).map_err(AttachError::system("replacing the program")),
            Attached::Program(_) => {
                let copy = program.as_fd().try_clone_to_owned();
                let attached = Attached::Program(copy.map_err(AttachError::system("copying a descriptor"))?);
                set(&self.socket.open()?, &attached)?;
                self.attached = attached;
                Ok(())
            }
        }
    }

    /// Returns how often programs have run here and for how long, while a [`crate::Stats`] was there.
    ///
    /// Where the program was loaded by this process, the number is that of what goes on to it, whose runs the kernel counts
    /// in the program's place, over all programs that it was replaced with.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn info(&self) -> io::Result<ProgramInfo> {
        ProgramInfo::of(&self.attached)
    }

    /// Detaches the program; nothing is left to do where the socket has been closed.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn detach(mut self) -> Result<(), AttachError> {
        self.remove()
    }

    fn remove(&mut self) -> Result<(), AttachError> {
        if !std::mem::take(&mut self.is_attached) {
            return Ok(());
        }
        remove(&self.socket)?;
        // After it was detached; only then, since the guard is to try again where that has failed.
        self.guard.take().map_or(Ok(()), |guard| guard.forget(self.socket.cookie()))
    }
}

impl Drop for SocketFilter {
    fn drop(&mut self) {
        // Nobody is left to tell; `detach` tells. Where it cannot be detached, it keeps everything from here on.
        let _ = self.remove();
    }
}

fn check(program: &Program) -> Result<(), AttachError> {
    if program.kind() == ProgramKind::SocketFilter {
        return Ok(());
    }
    Err(AttachError::ProgramKind { place: "sockets" })
}

/// Puts a program on a socket.
fn set(socket: &OwnedFd, program: &impl AsFd) -> Result<(), AttachError> {
    match socket::attach(socket, program) {
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => Err(AttachError::OptionMemory),
        attached => attached.map_err(AttachError::system("attaching the program to the socket")),
    }
}

/// Says whether a socket has a filter, whoever attached it.
///
/// # Errors
/// When the socket has been closed or its filter is locked, and what the kernel says.
pub fn is_present(socket: &Socket) -> Result<bool, AttachError> {
    let state = socket::filter_state(&socket.open()?);
    match state.map_err(AttachError::system("asking for the socket's filter"))? {
        FilterState::None => Ok(false),
        FilterState::Present => Ok(true),
        FilterState::Locked => Err(AttachError::Locked),
    }
}

/// Removes the filter of a socket, whoever attached it, such as one that a process left that was killed; says whether there
/// was one. Nothing is left to do where the socket has been closed.
///
/// # Errors
/// What the kernel says.
pub fn remove(socket: &Socket) -> Result<bool, AttachError> {
    let opened = match socket.open() {
        Err(AttachError::Closed) => return Ok(false),
        opened => opened?,
    };
    socket::detach(&opened).map_err(AttachError::system("detaching the program from the socket"))
}
