//! What a socket is: whether a filter on it decides over datagrams, and where their payload begins. Next: `process.rs`.

use super::AttachError;
use crate::sys::socket;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
use std::fmt;
use std::os::fd::AsFd;

/// Names a kind of socket whose filter decides over whole datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// Datagrams of a unix socket, such as `/dev/log`.
    UnixDatagram,
    /// Datagrams of a connected unix socket.
    UnixSeqpacket,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6, and over IPv4 where the socket takes that too.
    Udp6,
}

impl SocketKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::UnixDatagram, Self::UnixSeqpacket, Self::Udp4, Self::Udp6];

    /// Returns what a socket is.
    ///
    /// # Errors
    /// When it is none, or one on which no filter decides over datagrams; the error says what to do instead.
    pub fn of(socket: &impl AsFd) -> Result<Self, AttachError> {
        let tried = "asking for the kind of the socket";
        let domain = match sockopt::socket_domain(socket) {
            Err(Errno::NOTSOCK) => return Err(AttachError::NoSocket),
            domain => domain.map_err(AttachError::system(tried))?,
        };
        let socket_type = sockopt::socket_type(socket).map_err(AttachError::system(tried))?;
        let protocol = sockopt::socket_protocol(socket).map_err(AttachError::system(tried))?;
        let kind = match (domain, socket_type) {
            (AddressFamily::UNIX, SocketType::DGRAM) => Self::UnixDatagram,
            (AddressFamily::UNIX, SocketType::SEQPACKET) => Self::UnixSeqpacket,
            (AddressFamily::INET, SocketType::DGRAM) if protocol == Some(ipproto::UDP) => Self::Udp4,
            (AddressFamily::INET6, SocketType::DGRAM) if protocol == Some(ipproto::UDP) => Self::Udp6,
            (_, SocketType::STREAM) => return Err(stream(domain)),
            _ => return Err(other(domain, socket_type)),
        };
        kind.check(socket)?;
        Ok(kind)
    }

    /// Returns how many bytes of a packet lie in front of the payload, as a program on the socket sees it.
    pub fn payload_offset(self) -> u32 {
        match self {
            Self::UnixDatagram | Self::UnixSeqpacket => 0,
            Self::Udp4 | Self::Udp6 => 8,
        }
    }

    /// Checks what a socket of this kind was told that makes a filter on it decide over something else.
    fn check(self, socket: &impl AsFd) -> Result<(), AttachError> {
        match self {
            Self::UnixSeqpacket if is_listening(socket)? => {
                let advice = "nothing is sent to it, attach to each connection that it accepts";
                Err(AttachError::Kind { found: "a listening socket".into(), advice })
            }
            Self::Udp4 | Self::Udp6 if socket::is_coalescing(socket).map_err(AttachError::system("UDP_GRO"))? => {
                Err(AttachError::Coalesced)
            }
            _ => Ok(()),
        }
    }
}

fn is_listening(socket: &impl AsFd) -> Result<bool, AttachError> {
    sockopt::socket_acceptconn(socket).map_err(AttachError::system("asking whether the socket listens"))
}

fn stream(domain: AddressFamily) -> AttachError {
    if domain == AddressFamily::UNIX {
        let advice = "the kernel runs no filter on it, use a datagram socket";
        return AttachError::Kind { found: "a unix stream socket".into(), advice };
    }
    let advice =
        "a filter would see segments and not records, and dropping one stops the connection; filter in user space";
    AttachError::Kind { found: "a stream socket".into(), advice }
}

fn other(domain: AddressFamily, socket_type: SocketType) -> AttachError {
    let found = format!("a socket of family {} and type {}", domain.as_raw(), socket_type.as_raw());
    AttachError::Kind { found, advice: "use a unix datagram, unix seqpacket or UDP socket" }
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnixDatagram => "unix datagram",
            Self::UnixSeqpacket => "unix seqpacket",
            Self::Udp4 => "UDP",
            Self::Udp6 => "UDP over IPv6",
        })
    }
}
