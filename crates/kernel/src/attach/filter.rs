//! A program on a socket: it sees each datagram before the socket's queue, and drops it, shortens it or keeps it.
//!
//! A program that returns 0 drops the datagram, -1 keeps it whole, and another number keeps so many bytes, counted from the
//! beginning of the packet, which is the UDP header on a UDP socket. The sender is told of success in any case. A datagram
//! that waits in the queue when a program is attached has passed already. Next: `guard.rs`. Tests: `tests/live/attach.rs`.
//!
//! # Source
//! `socket(7)`, `SO_ATTACH_BPF`; `net/core/filter.c`, `sk_filter_trim_cap` and `sk_get_filter`.

use super::{AttachError, Guard, Socket};
use crate::object::{Program, ProgramKind};
use crate::sys::socket::{self, FilterState};
use std::os::fd::OwnedFd;
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
    /// Who detaches the program when this process is killed.
    guard: Option<Arc<Guard>>,
    is_attached: bool,
}

impl SocketFilter {
    /// Attaches a program that was loaded as [`ProgramKind::SocketFilter`].
    ///
    /// The filter of another process's socket outlives this process where that is killed: see [`SocketFilter::attach_guarded`]
    /// and [`crate::Lease`]. The program needs no descriptor from here on.
    ///
    /// # Errors
    /// When the socket has another filter, has a locked one, takes several datagrams as one or has been closed, and what
    /// the kernel says.
    pub fn attach(socket: Socket, program: &Program, present: Present) -> Result<Self, AttachError> {
        let opened = socket.open()?;
        match socket::filter_state(&opened).map_err(AttachError::system("asking for the socket's filter"))? {
            FilterState::Locked => return Err(AttachError::Locked),
            FilterState::Present if present == Present::Refuse => return Err(AttachError::HasFilter),
            FilterState::Present | FilterState::None => {}
        }
        set(&opened, program)?;
        Ok(Self { socket, guard: None, is_attached: true })
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
    /// When the socket has been closed, and what the kernel says; the program from before stays then.
    pub fn replace(&mut self, program: &Program) -> Result<(), AttachError> {
        set(&self.socket.open()?, program)?;
        self.is_attached = true;
        Ok(())
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
        // Nobody is left to tell; `detach` tells. The lease ends what cannot be detached.
        let _ = self.remove();
    }
}

/// Puts a program on a socket.
fn set(socket: &OwnedFd, program: &Program) -> Result<(), AttachError> {
    if program.kind() != ProgramKind::SocketFilter {
        return Err(AttachError::ProgramKind { place: "sockets" });
    }
    socket::attach(socket, program).map_err(AttachError::system("attaching the program to the socket"))
}

/// Removes the filter of a socket, where it has one and is still there.
pub(crate) fn remove(socket: &Socket) -> Result<(), AttachError> {
    let opened = match socket.open() {
        Err(AttachError::Closed) => return Ok(()),
        opened => opened?,
    };
    socket::detach(&opened).map_err(AttachError::system("detaching the program from the socket")).map(|_| ())
}
