//! The relay: what it takes over, what it hands on, and what it counts where that does not work.

use crate::filters::{DROPPED, first_byte};
use crate::may_load;
use dtq_kernel::{Address, Count, Relay, RelayError, RelayOptions, SocketKind, Target};
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a relay waits in a test for what is there.
const WAIT: Duration = Duration::from_secs(5);

/// A writer whose bytes can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns a folder and a path in it.
fn path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

fn unix(path: &std::path::Path, target: Target) -> Result<Relay, RelayError> {
    Relay::bind(&Address::Unix(path.to_owned()), None, target, RelayOptions::default())
}

fn nothing() -> Target {
    Target::Call(Box::new(|_| Ok(())))
}

#[test]
fn only_an_old_socket_is_replaced() {
    let (_folder, path) = path();
    drop(UnixDatagram::bind(&path).unwrap());
    let relay = unix(&path, nothing()).expect("nobody listens there");
    let error = unix(&path, nothing()).unwrap_err();
    assert!(matches!(error, RelayError::InUse { .. }) && error.to_string().contains("is in use"), "{error}");
    UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    drop(relay);
    assert!(!path.exists(), "its file goes with it");
    std::fs::write(&path, "a file").unwrap();
    let error = unix(&path, nothing()).unwrap_err().to_string();
    assert!(error.contains("no socket") && path.exists(), "{error}");
    std::fs::remove_file(&path).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(unix(&path, nothing()), Err(RelayError::InUse { .. })), "a stream socket is in use too");
    drop(listener);
    let relay = unix(&path, nothing()).unwrap();
    // Another one took its place: that one's file stays.
    std::fs::remove_file(&path).unwrap();
    let other = unix(&path, nothing()).unwrap();
    drop(relay);
    assert!(path.exists());
    drop(other);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let first = Relay::bind(&Address::Udp(taken), None, nothing(), RelayOptions::default()).unwrap();
    let error = Relay::bind(first.address(), None, nothing(), RelayOptions::default()).unwrap_err();
    assert!(matches!(error, RelayError::InUse { .. }), "{error}");
}

#[test]
fn what_a_filter_keeps_is_written() {
    if !may_load("what_a_filter_keeps_is_written") {
        return;
    }
    let (_folder, path) = path();
    let options = RelayOptions { mode: Some(0o622), queue_size: Some(1 << 20), ..RelayOptions::default() };
    for is_lines in [true, false] {
        let (program, counters) = first_byte(b'd', SocketKind::UnixDatagram.payload_offset());
        let shared = Shared::default();
        let writer = Box::new(shared.clone());
        let target = if is_lines { Target::Lines(writer) } else { Target::Delimited(writer) };
        let mut relay = Relay::bind(&Address::Unix(path.clone()), Some(&program), target, options).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o622);
        let sender = UnixDatagram::unbound().unwrap();
        for text in ["one", "drop", "two\n", ""] {
            sender.send_to(text.as_bytes(), &path).unwrap();
        }
        assert_eq!(relay.run_once(WAIT).unwrap(), 3);
        let written = if is_lines { &b"one\ntwo\n\n"[..] } else { b"\x03one\x04two\n\x00" };
        assert_eq!(shared.bytes(), written);
        let counts = relay.counts();
        assert_eq!((counts.received, counts.forwarded), (Count { records: 3, bytes: 7 }, counts.received));
        assert_eq!((counters.get(DROPPED).unwrap().records, relay.waiting()), (1, 0));
        assert_eq!(relay.run_once(Duration::ZERO).unwrap(), 0);
        relay.detach().unwrap();
        sender.send_to(b"drop", &path).unwrap();
        assert_eq!(relay.run_once(WAIT).unwrap(), 1);
        relay.replace(&program).unwrap();
        sender.send_to(b"drop", &path).unwrap();
        assert_eq!(relay.run_once(Duration::ZERO).unwrap(), 0);
    }
}

#[test]
fn a_socket_that_comes_later_gets_what_comes_then() {
    let (folder, path) = path();
    let target = folder.path().join("target");
    let mut relay = unix(&path, Target::Socket(Address::Unix(target.clone()))).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    let send = |relay: &mut Relay, text: &str| {
        sender.send_to(text.as_bytes(), &path).unwrap();
        assert_eq!(relay.run_once(WAIT).unwrap(), 1);
    };
    send(&mut relay, "lost");
    assert_eq!(relay.counts().failed, Count { records: 1, bytes: 4 });
    let mut buffer = [0; 16];
    for turn in 1..=2 {
        let receiver = UnixDatagram::bind(&target).unwrap();
        send(&mut relay, "kept");
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 4);
        assert_eq!(relay.counts().forwarded.records, turn);
        drop(receiver);
        std::fs::remove_file(&target).unwrap();
        send(&mut relay, "lost");
        assert_eq!(relay.counts().failed.records, 1 + turn);
    }
}

#[test]
fn a_target_without_room_makes_senders_wait() {
    let (folder, path) = path();
    let target = folder.path().join("target");
    let receiver = UnixDatagram::bind(&target).unwrap();
    let options = RelayOptions { batch: 4, ..RelayOptions::default() };
    let to = Target::Socket(Address::Unix(target));
    let mut relay = Relay::bind(&Address::Unix(path.clone()), None, to, options).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    // Until the queues of both sockets and the batch are full.
    let (mut sent, mut idle) = (0_u32, 0);
    while idle < 3 {
        let is_sent = sender.send_to(&sent.to_le_bytes(), &path).is_ok();
        sent += u32::from(is_sent);
        let received = relay.run_once(Duration::ZERO).unwrap();
        idle = if is_sent || received > 0 { 0 } else { idle + 1 };
    }
    assert!((1..=4).contains(&relay.waiting()), "{}", relay.waiting());
    receiver.set_nonblocking(true).unwrap();
    let (mut buffer, mut next) = ([0; 16], 0_u32);
    loop {
        while receiver.recv(&mut buffer).is_ok() {
            assert_eq!(buffer[..4], next.to_le_bytes());
            next += 1;
        }
        if relay.run_once(Duration::ZERO).unwrap() == 0 && relay.waiting() == 0 && next == sent {
            break;
        }
    }
    let counts = relay.counts();
    assert_eq!((counts.forwarded.records, counts.failed.records), (u64::from(sent), 0));
}

#[test]
fn a_datagram_that_is_too_long_is_cut_and_counted() {
    let (_folder, path) = path();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let take = Arc::clone(&seen);
    let target = || {
        let take = Arc::clone(&take);
        Target::Call(Box::new(move |bytes: &[u8]| {
            take.lock().unwrap().push(bytes.len());
            if bytes.len() == 3 { Err(std::io::Error::other("three")) } else { Ok(()) }
        }))
    };
    let options = RelayOptions { size_max: Some(8), batch: 1000, ..RelayOptions::default() };
    let mut relay = Relay::bind(&Address::Unix(path.clone()), None, target(), options).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    for size in [8, 9, 3, 0] {
        sender.send_to(&vec![7; size], &path).unwrap();
    }
    assert_eq!(relay.run_once(WAIT).unwrap(), 4);
    assert_eq!(*seen.lock().unwrap(), [8, 8, 3, 0]);
    let counts = relay.counts();
    assert_eq!((counts.truncated, counts.failed), (1, Count { records: 1, bytes: 3 }));
    assert_eq!(counts.received.records, counts.forwarded.records + counts.failed.records);
    drop(relay);
    // By default the largest that a sender can send by default comes whole.
    let mut relay = unix(&path, target()).unwrap();
    let largest = (1..300_000).rev().step_by(1_000).find(|size| sender.send_to(&vec![7; *size], &path).is_ok());
    assert_eq!(relay.run_once(WAIT).unwrap(), 1);
    assert_eq!((seen.lock().unwrap().last().copied(), relay.counts().truncated), (largest, 0));
    assert!(largest > Some(100_000));
}
