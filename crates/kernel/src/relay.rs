//! A datagram socket of one's own, with a filter, to a target: what the filter keeps is received and handed on.
//!
//! The filter is on the socket before the socket has an address, so that no datagram comes past it. Starts no thread: the
//! host calls [`Relay::run_once`] in its loop. At most one batch is held here; while the target takes nothing, nothing is
//! received, and the kernel lets senders of unix datagrams wait and drops what comes over UDP. Next: `target.rs`. Tests:
//! `tests/live/relay.rs`.

pub(crate) mod address;

mod target;

pub use address::Address;
pub use target::Target;

use crate::attach::filter::Present;
use crate::attach::{AttachError, Socket, SocketFilter, SocketKind};
use crate::counters::Count;
use crate::object::{Program, ProgramInfo};
use crate::sys::{socket, wait};
use rustix::net::sockopt;
use serde::Serialize;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use target::{Outlet, Sent};

/// Bytes of a UDP datagram are fewer.
const UDP_SIZE_MAX: usize = 1 << 16;
/// Bytes of a unix datagram are fewer where its sender has a buffer of at most twice `net.core.wmem_max` as it stands by
/// default, 212,992 (`unix_dgram_sendmsg`, `__sock_set_sndbuf`).
const UNIX_SIZE_MAX: usize = 1 << 19;

/// Says how a relay works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// How many datagrams are received in one call of the kernel: 1 to 64.
    pub batch: usize,
    /// Bytes of a datagram at most; what is longer is cut. `None`: more than the kernel's own bounds allow by default.
    ///
    /// The memory is as large as the batch has datagrams of this size, of which only what was written to is taken.
    pub size_max: Option<usize>,
    /// Bytes that wait in the kernel at most, as the kernel counts them (`SO_RCVBUF`).
    pub queue_size: Option<usize>,
    /// Who may send to a unix socket: the permissions of its file. `None`: as the process's mask says.
    pub mode: Option<u32>,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { batch: 32, size_max: None, queue_size: None, mode: None }
    }
}

/// Holds what became of the datagrams that passed the filter.
///
/// Received are all that were forwarded, all that failed, and those of the batch that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RelayCounts {
    /// Received.
    pub received: Count,
    /// Taken by the target.
    pub forwarded: Count,
    /// Not taken by the target, and lost.
    pub failed: Count,
    /// How many of the received were cut, since they were longer than the buffer.
    pub truncated: u64,
}

/// Receives what a filter keeps, and hands it on.
#[derive(Debug)]
pub struct Relay {
    filter: Option<SocketFilter>,
    socket: OwnedFd,
    address: Address,
    /// Removes the file of a unix socket.
    _file: Option<address::SocketFile>,
    outlet: Outlet,
    batch: socket::Batch,
    /// The next datagram of the batch to be handed on.
    next: usize,
    counts: RelayCounts,
}

impl Relay {
    /// Binds an address, with a filter that sees every datagram, and hands on what it keeps to a target.
    ///
    /// The file of a unix socket on which nobody listens is replaced.
    ///
    /// # Errors
    /// When the address is in use or cannot be had, when the filter cannot be attached, and when the target's address is of
    /// no use.
    pub fn bind(
        address: &Address,
        program: Option<&Program>,
        target: Target,
        options: RelayOptions,
    ) -> Result<Self, RelayError> {
        let failed = |tried| move |error: io::Error| RelayError::System { tried, error };
        let socket = address.socket().map_err(failed("making a socket"))?;
        let own = Socket::own(socket.as_fd())?;
        let kind = own.kind();
        let filter = program.map(|program| SocketFilter::attach(own, program, Present::Refuse)).transpose()?;
        if let Some(size) = options.queue_size {
            sockopt::set_socket_recv_buffer_size(&socket, size)
                .map_err(|error| RelayError::System { tried: "setting SO_RCVBUF", error: error.into() })?;
        }
        let (address, file) = address.bind(&socket, options.mode)?;
        let outlet = Outlet::open(target).map_err(failed("opening the target"))?;
        let size_max = options.size_max.unwrap_or(match kind {
            SocketKind::Udp4 | SocketKind::Udp6 => UDP_SIZE_MAX,
            SocketKind::UnixDatagram | SocketKind::UnixSeqpacket => UNIX_SIZE_MAX,
        });
        let batch = socket::Batch::new(options.batch, size_max);
        let counts = RelayCounts::default();
        Ok(Self { filter, socket, address, _file: file, outlet, batch, next: 0, counts })
    }

    /// Waits for datagrams at most so long, receives a batch of them, and hands them on; returns how many were received.
    ///
    /// Datagrams of the batch before that the target did not take yet are handed on first.
    ///
    /// # Errors
    /// When the socket cannot be read, and when a writer fails, behind which the relay is of no more use; a target that is
    /// not there is no error but counted.
    pub fn run_once(&mut self, timeout: Duration) -> Result<usize, RelayError> {
        let start = Instant::now();
        if !self.hand_on(timeout)? {
            return Ok(0);
        }
        let failed = |error| RelayError::System { tried: "receiving datagrams", error };
        let left = timeout.saturating_sub(start.elapsed());
        if !wait::readable(&self.socket, left).map_err(failed)? {
            return Ok(0);
        }
        self.next = 0;
        let count = self.batch.receive(&self.socket).map_err(failed)?;
        for index in 0..count {
            let (bytes, is_truncated) = self.batch.datagram(index);
            self.counts.received = self.counts.received + one(bytes);
            self.counts.truncated += u64::from(is_truncated);
        }
        self.hand_on(timeout.saturating_sub(start.elapsed()))?;
        Ok(count)
    }

    /// Hands on what is left of the batch; says whether nothing is left.
    fn hand_on(&mut self, timeout: Duration) -> Result<bool, RelayError> {
        let start = Instant::now();
        while self.next < self.batch.len() {
            let (bytes, _) = self.batch.datagram(self.next);
            let sent = self.outlet.send(bytes).map_err(|error| RelayError::System { tried: "writing", error })?;
            let count = one(bytes);
            match sent {
                Sent::Taken => self.counts.forwarded = self.counts.forwarded + count,
                Sent::Failed => self.counts.failed = self.counts.failed + count,
                Sent::Full => {
                    let left = timeout.saturating_sub(start.elapsed());
                    let waited = self.outlet.wait(left);
                    if left.is_zero() || !waited.map_err(|error| RelayError::System { tried: "waiting", error })? {
                        return Ok(false);
                    }
                    continue;
                }
            }
            self.next += 1;
        }
        self.outlet.flush().map_err(|error| RelayError::System { tried: "writing", error })?;
        Ok(true)
    }

    /// Puts another program in the place of the one that is there, in one step.
    ///
    /// # Errors
    /// What the kernel says; the program from before stays then.
    pub fn replace(&mut self, program: &Program) -> Result<(), AttachError> {
        match &mut self.filter {
            Some(filter) => filter.replace(program),
            None => {
                let own = Socket::own(self.socket.as_fd())?;
                self.filter = Some(SocketFilter::attach(own, program, Present::Refuse)?);
                Ok(())
            }
        }
    }

    /// Detaches the program, so that everything passes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn detach(&mut self) -> Result<(), AttachError> {
        self.filter.take().map_or(Ok(()), SocketFilter::detach)
    }

    /// Returns how often programs have run here and for how long, while a [`crate::Stats`] was there; `None` without one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn info(&self) -> io::Result<Option<ProgramInfo>> {
        self.filter.as_ref().map(SocketFilter::info).transpose()
    }

    /// Returns where it listens, with the port that the kernel chose where none was given.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns what became of the datagrams.
    pub fn counts(&self) -> RelayCounts {
        self.counts
    }

    /// Returns how many datagrams wait to be handed on.
    pub fn waiting(&self) -> usize {
        self.batch.len() - self.next
    }

    /// Returns how many datagrams the kernel has dropped in front of the socket: those that its filter dropped, and, over
    /// UDP, those that found no room. The filter's own counts tell them apart.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn dropped(&self) -> io::Result<u32> {
        socket::drops(&self.socket)
    }
}

impl AsFd for Relay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn one(bytes: &[u8]) -> Count {
    Count { records: 1, bytes: bytes.len() as u64 }
}

/// Says why a relay does not work.
#[derive(Debug)]
pub enum RelayError {
    /// The filter cannot be attached.
    Attach(AttachError),
    /// Somebody listens at the address.
    InUse {
        /// The address.
        address: Address,
    },
    /// A file that is no socket has the path.
    NoSocketFile {
        /// The path.
        path: std::path::PathBuf,
    },
    /// The kernel says no.
    System {
        /// What was tried.
        tried: &'static str,
        /// What it says.
        error: io::Error,
    },
}

impl From<AttachError> for RelayError {
    fn from(error: AttachError) -> Self {
        Self::Attach(error)
    }
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attach(error) => error.fmt(f),
            Self::InUse { address } => write!(f, "{address} is in use: end who listens there, or attach to its socket"),
            Self::NoSocketFile { path } => {
                write!(f, "`{}` is a file that is no socket, and is left as it is", path.display())
            }
            Self::System { tried, error } => write!(f, "{tried}: {error}"),
        }
    }
}

impl std::error::Error for RelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Attach(error) => Some(error),
            Self::System { error, .. } => Some(error),
            Self::InUse { .. } | Self::NoSocketFile { .. } => None,
        }
    }
}
