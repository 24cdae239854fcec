//! Where a relay hands datagrams on to: another socket, a writer, or a function. Next: `loaded.rs`.

use super::Address;
use crate::sys::wait;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Takes a datagram.
type Take = Box<dyn FnMut(&[u8]) -> io::Result<()> + Send>;

/// Says where datagrams go.
pub enum Target {
    /// To a socket, each as it came. One that is not there, or comes back later, is tried again with each datagram. Over UDP
    /// a datagram counts as taken when it was sent.
    Socket(Address),
    /// To a writer, each behind its length as a protobuf varint.
    Delimited(Box<dyn Write + Send>),
    /// To a writer, each with a line break at its end, if it has none. Breaks inside stay, so that this is for payloads
    /// that have none.
    Lines(Box<dyn Write + Send>),
    /// To a function; what it refuses counts as failed.
    Call(Take),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "Socket({address:?})"),
            Self::Delimited(_) => f.write_str("Delimited(..)"),
            Self::Lines(_) => f.write_str("Lines(..)"),
            Self::Call(_) => f.write_str("Call(..)"),
        }
    }
}

/// Says what became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The target has it.
    Taken,
    /// The target does not take it.
    Failed,
    /// The target has no room now.
    Full,
}

/// Hands datagrams on.
pub(super) enum Outlet {
    Socket { address: Address, socket: OwnedFd, is_connected: bool },
    Delimited(BufWriter<Box<dyn Write + Send>>),
    Lines(BufWriter<Box<dyn Write + Send>>),
    Call(Take),
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { address, .. } => write!(f, "Socket({address:?})"),
            Self::Delimited(_) => f.write_str("Delimited(..)"),
            Self::Lines(_) => f.write_str("Lines(..)"),
            Self::Call(_) => f.write_str("Call(..)"),
        }
    }
}

impl Outlet {
    /// Makes a target ready; one that is not there yet is fine.
    pub(super) fn open(target: Target) -> io::Result<Self> {
        Ok(match target {
            Target::Socket(address) => {
                let socket = address.socket()?;
                let is_connected = address.connect(&socket).is_ok();
                Self::Socket { address, socket, is_connected }
            }
            Target::Delimited(writer) => Self::Delimited(BufWriter::new(writer)),
            Target::Lines(writer) => Self::Lines(BufWriter::new(writer)),
            Target::Call(take) => Self::Call(take),
        })
    }

    /// Hands a datagram on.
    ///
    /// # Errors
    /// When a writer fails, behind which nothing is sure to be whole.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<Sent> {
        match self {
            Self::Socket { address, socket, is_connected } => Ok(send_to(address, socket, is_connected, bytes)),
            Self::Delimited(writer) => {
                let mut buffer = [0; 10];
                writer.write_all(varint(bytes.len() as u64, &mut buffer))?;
                writer.write_all(bytes).map(|()| Sent::Taken)
            }
            Self::Lines(writer) => {
                writer.write_all(bytes)?;
                let end: &[u8] = if bytes.ends_with(b"\n") { b"" } else { b"\n" };
                writer.write_all(end).map(|()| Sent::Taken)
            }
            Self::Call(take) => Ok(take(bytes).map_or(Sent::Failed, |()| Sent::Taken)),
        }
    }

    /// Waits until there may be room, at most so long; says whether there may be.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        match self {
            Self::Socket { socket, .. } => wait::writable(socket, timeout),
            Self::Delimited(_) | Self::Lines(_) | Self::Call(_) => Ok(true),
        }
    }

    /// Hands on what is buffered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Delimited(writer) | Self::Lines(writer) => writer.flush(),
            Self::Socket { .. } | Self::Call(_) => Ok(()),
        }
    }
}

/// Sends a datagram; connects once more where the other side has gone or was never there.
fn send_to(address: &Address, socket: &OwnedFd, is_connected: &mut bool, bytes: &[u8]) -> Sent {
    for _ in 0..2 {
        if !*is_connected {
            *is_connected = address.connect(socket).is_ok();
        }
        if !*is_connected {
            return Sent::Failed;
        }
        match send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => return Sent::Taken,
            Err(Errno::AGAIN | Errno::INTR) => return Sent::Full,
            // Over UDP this says that an earlier datagram found nobody; this one has not been sent.
            Err(Errno::CONNREFUSED) if matches!(address, Address::Udp(_)) => {}
            Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::PIPE | Errno::CONNRESET) => *is_connected = false,
            Err(_) => return Sent::Failed,
        }
    }
    Sent::Failed
}

/// Returns a number as a protobuf varint.
fn varint(mut number: u64, buffer: &mut [u8; 10]) -> &[u8] {
    let mut size = 0;
    loop {
        buffer[size] = number as u8 & 0x7f;
        number >>= 7;
        if number == 0 {
            return &buffer[..=size];
        }
        buffer[size] |= 0x80;
        size += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_varints() {
        let encoded = |number| varint(number, &mut [0; 10]).to_vec();
        assert_eq!((encoded(0), encoded(127), encoded(300)), (vec![0], vec![127], vec![0xac, 2]));
        assert_eq!(encoded(u64::MAX).len(), 10);
    }
}
