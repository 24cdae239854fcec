//! A datagram socket of one's own whose datagrams are received in batches, by a host that does with them what it likes.
//!
//! Starts no thread and never waits: a host waits until the descriptor is readable. A filter is attached to it like to any
//! socket ([`crate::Socket::own`]). Next: `relay.rs`. Tests: `tests/live/inlet.rs`.

use crate::attach::SocketKind;
use crate::relay::address::SocketFile;
use crate::relay::{Address, RelayError};
use crate::sys::socket::{self, Batch};
use rustix::net::{getsockname, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Says how datagrams are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InletOptions {
    /// How many datagrams are received in one call of the kernel: 1 to 64.
    pub batch: usize,
    /// Bytes of a datagram at most; what is longer is cut.
    pub size_max: usize,
    /// Bytes that wait in the kernel at most, as the kernel counts them; beyond the bound of the system only with
    /// `CAP_NET_ADMIN`.
    pub queue_size: Option<usize>,
    /// Who may send to a unix socket: the permissions of its file. `None`: as the process's mask says.
    pub mode: Option<u32>,
    /// The user and the group whose its file becomes.
    pub owner: (Option<u32>, Option<u32>),
}

impl Default for InletOptions {
    fn default() -> Self {
        Self { batch: 64, size_max: 1 << 16, queue_size: None, mode: None, owner: (None, None) }
    }
}

/// Receives datagrams.
#[derive(Debug)]
pub struct Inlet {
    socket: OwnedFd,
    address: Address,
    kind: SocketKind,
    /// Removes the file of a unix socket.
    _file: Option<SocketFile>,
    batch: Batch,
}

impl Inlet {
    /// Binds an address. The file of a unix socket on which nobody listens is replaced.
    ///
    /// # Errors
    /// When the address is in use or cannot be had.
    pub fn bind(address: &Address, options: InletOptions) -> Result<Self, RelayError> {
        let failed = |tried| move |error: io::Error| RelayError::System { tried, error };
        let socket = address.socket().map_err(failed("making a socket"))?;
        let (address, file) = address.bind(&socket, options.mode)?;
        if let (Address::Unix(path), Some(_), (user, group)) = (&address, &file, options.owner)
            && (user, group) != (None, None)
        {
            std::os::unix::fs::chown(path, user, group)
                .map_err(failed("giving the file of the socket to its owner"))?;
        }
        Self::new(socket, address, file, options)
    }

    /// Takes a socket that is bound already, such as one that a service manager hands over.
    ///
    /// # Errors
    /// When it is none that receives datagrams.
    pub fn adopt(socket: OwnedFd, address: Address, options: InletOptions) -> Result<Self, RelayError> {
        Self::new(socket, address, None, options)
    }

    fn new(
        socket: OwnedFd,
        address: Address,
        file: Option<SocketFile>,
        options: InletOptions,
    ) -> Result<Self, RelayError> {
        let kind = SocketKind::of(&socket)?;
        if let Some(size) = options.queue_size
            && sockopt::set_socket_recv_buffer_size_force(&socket, size).is_err()
        {
            sockopt::set_socket_recv_buffer_size(&socket, size)
                .map_err(|error| RelayError::System { tried: "setting SO_RCVBUF", error: error.into() })?;
        }
        Ok(Self { socket, address, kind, _file: file, batch: Batch::new(options.batch, options.size_max) })
    }

    /// Receives what waits, in place of what was received before; returns how many datagrams those are. Does not wait.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn receive(&mut self) -> io::Result<usize> {
        self.batch.receive(&self.socket)
    }

    /// Returns a datagram of those received last, and whether it was cut.
    ///
    /// # Panics
    /// Where there are not so many.
    pub fn datagram(&self, index: usize) -> (&[u8], bool) {
        self.batch.datagram(index)
    }

    /// Returns how many datagrams are received in one call at most.
    pub fn batch_max(&self) -> usize {
        self.batch.count_max()
    }

    /// Returns where it listens, with the port that the kernel chose where none was given.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns what kind of socket it is.
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Returns how many datagrams the kernel has dropped in front of the socket: those that its filter dropped, and, over
    /// UDP, those that found no room.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn dropped(&self) -> io::Result<u32> {
        socket::drops(&self.socket)
    }
}

impl AsFd for Inlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Inlet {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Returns the address of a socket that somebody else has bound, and whether it takes datagrams.
///
/// # Errors
/// When it is no socket, or one of another family.
pub fn address_of(socket: &impl AsFd) -> io::Result<(Address, bool)> {
    let is_datagram = sockopt::socket_type(socket)? == rustix::net::SocketType::DGRAM;
    let bound = getsockname(socket)?;
    if let Ok(address) = SocketAddr::try_from(bound.clone()) {
        return Ok((Address::Udp(address), is_datagram));
    }
    let unix = rustix::net::SocketAddrUnix::try_from(bound)?;
    let other = || io::Error::new(io::ErrorKind::Unsupported, "the socket has no name");
    if let Some(name) = unix.abstract_name() {
        let name = [b"@", name].concat();
        return Ok((Address::Unix(os(name)), is_datagram));
    }
    let path = unix.path().ok_or_else(other)?;
    Ok((Address::Unix(os(path.to_bytes().to_vec())), is_datagram))
}

fn os(bytes: Vec<u8>) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}
