//! An inlet: what it receives, what it takes over, and what the kernel drops in front of it.

use crate::filters::first_byte;
use crate::may_load;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::{Address, Inlet, InletOptions, RelayError, Socket, SocketFilter, inlet};
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};

/// The first byte of what the filter drops.
const NOISE: u8 = b'!';

/// Receives everything that waits.
fn all(inlet: &mut Inlet) -> Vec<(Vec<u8>, bool)> {
    let mut received = Vec::new();
    loop {
        let count = inlet.receive().unwrap();
        received.extend((0..count).map(|at| inlet.datagram(at)).map(|(bytes, is_cut)| (bytes.to_vec(), is_cut)));
        if count == 0 {
            return received;
        }
    }
}

#[test]
fn datagrams_are_received_whole_or_cut_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let options = InletOptions { size_max: 8, mode: Some(0o622), queue_size: Some(1 << 20), ..InletOptions::default() };
    // The file of a socket on which nobody listens is replaced.
    drop(UnixDatagram::bind(&path).unwrap());
    let mut inlet = Inlet::bind(&Address::Unix(path.clone()), options).unwrap();
    let (status, own) = (path.metadata().unwrap(), folder.path().metadata().unwrap());
    assert_eq!((status.permissions().mode() & 0o777, status.uid()), (0o622, own.uid()));
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(&path).unwrap();
    for bytes in [&b"one"[..], b"", b"123456789"] {
        sender.send(bytes).unwrap();
    }
    let expected = [(b"one".to_vec(), false), (Vec::new(), false), (b"12345678".to_vec(), true)];
    assert_eq!(all(&mut inlet), expected);
    let taken = Inlet::bind(&Address::Unix(path.clone()), options);
    assert!(matches!(taken, Err(RelayError::InUse { .. })));
    drop(inlet);
    assert!(!path.exists());
}

#[test]
fn what_a_filter_drops_is_counted_and_not_received() {
    if !may_load("what_a_filter_drops_is_counted_and_not_received") {
        return;
    }
    let any = Address::Udp(([127, 0, 0, 1], 0).into());
    let mut inlet = Inlet::bind(&any, InletOptions::default()).unwrap();
    let Address::Udp(address) = *inlet.address() else { panic!("{inlet:?}") };
    // The payload begins behind the header.
    let (program, _counters) = first_byte(NOISE, 8);
    let socket = Socket::own(inlet.as_fd()).unwrap();
    let filter = SocketFilter::attach(socket, &program, Present::Refuse).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in [&[NOISE, 1][..], b"kept", &[NOISE, 2]] {
        sender.send_to(bytes, address).unwrap();
    }
    assert_eq!(all(&mut inlet), [(b"kept".to_vec(), false)]);
    assert_eq!(inlet.dropped().unwrap(), 2);
    filter.detach().unwrap();
    sender.send_to(&[NOISE], address).unwrap();
    assert_eq!(all(&mut inlet).len(), 1);
}

#[test]
fn a_socket_that_is_bound_already_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let bound: OwnedFd = UnixDatagram::bind(&path).unwrap().into();
    let (address, is_datagram) = inlet::address_of(&bound).unwrap();
    assert_eq!((&address, is_datagram), (&Address::Unix(path.clone()), true));
    let mut inlet = Inlet::adopt(bound, address, InletOptions::default()).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    assert_eq!(all(&mut inlet).len(), 1);
    drop(inlet);
    assert!(path.exists(), "whoever made the file removes it");
    let stream: OwnedFd = UnixListener::bind(folder.path().join("stream")).unwrap().into();
    let (address, is_datagram) = inlet::address_of(&stream).unwrap();
    assert!(!is_datagram);
    assert!(Inlet::adopt(stream, address, InletOptions::default()).is_err());
    let udp: OwnedFd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    assert!(matches!(inlet::address_of(&udp).unwrap(), (Address::Udp(_), true)));
    // Nothing is handed over to this process, also where it was to the one that started it.
    assert!(dtq_kernel::host::handed_over().unwrap().is_empty());
}
