//! What is configured to sockets that are bound, or that a service manager has handed over, before anything is started.
//!
//! A socket that was handed over is that of the listener whose address and kind it has; one that no listener has is an
//! error, for nobody would serve it. Next: [`crate::privileges`], then [`crate::collector`].

use crate::collector::{Settings, StartError};
use crate::datagram::{self, Door, SocketAccount};
use dtq_kernel::{Address, host, inlet};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Holds the sockets of a collector that is not started.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Those of the ports, in their order.
    pub ports: Vec<TcpListener>,
    /// Where state is shown.
    pub admin: Option<TcpListener>,
    /// Where datagrams come in.
    pub doors: Vec<Door>,
}

impl Sockets {
    /// Binds everything, or takes what was handed over to this process.
    ///
    /// # Errors
    /// When an address cannot be had, and when a socket was handed over that nothing is configured for.
    pub fn bind(settings: &Settings, datagrams: &[datagram::Settings]) -> Result<Self, StartError> {
        let handed_over = host::handed_over().map_err(|error| {
            StartError::Socket("a socket that was handed over (LISTEN_FDS)".to_owned(), error.to_string())
        })?;
        Self::with(settings, datagrams, handed_over)
    }

    /// Does the same with sockets that were handed over.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub fn with(
        settings: &Settings,
        datagrams: &[datagram::Settings],
        handed_over: Vec<OwnedFd>,
    ) -> Result<Self, StartError> {
        let mut given = Given::new(handed_over)?;
        let mut stream = |address: SocketAddr| match given.take(&Address::Udp(address), false) {
            Some(socket) => Ok(TcpListener::from(socket)),
            None => bind_stream(address).map_err(|error| StartError::Bind(address, error)),
        };
        let ports = settings.ports.iter().map(|port| stream(port.address)).collect::<Result<_, _>>()?;
        let admin = settings.admin.map(&mut stream).transpose()?;
        let mut doors = Vec::new();
        for one in datagrams {
            let door = match given.take(&one.address, true) {
                Some(socket) => Door::adopt(one.clone(), socket),
                None => Door::bind(one.clone()),
            };
            doors.push(door.map_err(|error| StartError::Socket(one.address.to_string(), error.to_string()))?);
        }
        given.check_empty()?;
        Ok(Self { ports, admin, doors })
    }

    /// Returns what is counted of the sockets for datagrams.
    pub fn accounts(&self) -> Vec<Arc<SocketAccount>> {
        self.doors.iter().map(|door| Arc::clone(&door.account)).collect()
    }
}

/// Listens on an address, also where connections of a process before are still being closed.
fn bind_stream(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Holds what was handed over and is not taken yet.
struct Given(Vec<(Address, bool, OwnedFd)>);

impl Given {
    fn new(sockets: Vec<OwnedFd>) -> Result<Self, StartError> {
        let of = |socket: OwnedFd| {
            let (address, is_datagram) = inlet::address_of(&socket)
                .map_err(|error| StartError::Socket("a socket that was handed over".to_owned(), error.to_string()))?;
            Ok((address, is_datagram, socket))
        };
        Ok(Self(sockets.into_iter().map(of).collect::<Result<_, StartError>>()?))
    }

    fn take(&mut self, address: &Address, is_datagram: bool) -> Option<OwnedFd> {
        let is_it = |(given, kind, _): &(Address, bool, OwnedFd)| *kind == is_datagram && is_same(given, address);
        let place = self.0.iter().position(is_it)?;
        Some(self.0.remove(place).2)
    }

    fn check_empty(&self) -> Result<(), StartError> {
        match self.0.first() {
            None => Ok(()),
            Some((address, is_datagram, _)) => {
                let kind = if *is_datagram { "datagrams" } else { "connections" };
                let reason = format!("it was handed over for {kind}, and nothing is configured that listens there");
                Err(StartError::Socket(address.to_string().replacen("UDP ", "", 1), reason))
            }
        }
    }
}

/// Says whether two addresses are the same; all addresses of IPv6 are those of IPv4 too, as service managers bind them.
fn is_same(given: &Address, wanted: &Address) -> bool {
    match (given, wanted) {
        (Address::Udp(given), Address::Udp(wanted)) => {
            let is_any = given.ip().is_unspecified() && wanted.ip().is_unspecified();
            given.port() == wanted.port() && (is_any || given.ip() == wanted.ip())
        }
        (given, wanted) => given == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_for_all_addresses_is_the_same_in_both_families() {
        let udp = |text: &str| Address::Udp(text.parse().unwrap());
        assert!(is_same(&udp("[::]:514"), &udp("0.0.0.0:514")));
        assert!(!is_same(&udp("[::]:514"), &udp("127.0.0.1:514")));
        assert!(!is_same(&udp("127.0.0.1:514"), &udp("127.0.0.1:515")));
        assert!(!is_same(&Address::Unix("/a".into()), &udp("127.0.0.1:515")));
    }
}
