//! Filters on sockets: what they drop, what can have none, how they are found, replaced and taken away.

use crate::filters::{DROPPED, KEPT, Role, command, constant, eventually, first_byte, leased, role};
use crate::{load, may_load};
use dtq_kernel::attach::filter::Present;
use dtq_kernel::attach::{find, kind};
use dtq_kernel::{
    AttachError, Count, Program, ProgramKind, Socket, SocketFilter, SocketKind, SocketName, object::has_program,
};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

/// Sends a datagram.
type Send = Box<dyn Fn(&[u8])>;

/// Returns what is waiting in a socket.
fn waiting(mut receive: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(size) = receive(&mut buffer) {
        found.push(buffer[..size].to_vec());
    }
    found
}

#[test]
fn a_filter_drops_on_each_kind_of_socket() {
    if !may_load("a_filter_drops_on_each_kind_of_socket") {
        return;
    }
    let (unix_sender, unix) = UnixDatagram::pair().unwrap();
    unix.set_nonblocking(true).unwrap();
    let (seq_sender, seq) = seqpacket_pair();
    let udp4 = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp6 = UdpSocket::bind("[::1]:0");
    let mut cases: Vec<(SocketKind, OwnedFd, Send)> = vec![
        (SocketKind::UnixDatagram, unix.into(), Box::new(move |bytes| sent(unix_sender.send(bytes)))),
        (SocketKind::UnixSeqpacket, seq, Box::new(move |bytes| sent(seq_sender.send(bytes)))),
        (SocketKind::Udp4, udp4.try_clone().unwrap().into(), udp_sender(&udp4)),
    ];
    match &udp6 {
        Ok(udp6) => cases.push((SocketKind::Udp6, udp6.try_clone().unwrap().into(), udp_sender(udp6))),
        Err(error) => eprintln!("SKIPPED: UDP over IPv6: {error}"),
    }
    for (kind, socket, send) in cases {
        assert_eq!(SocketKind::of(&socket).unwrap(), kind);
        let (program, counters) = first_byte(b'd', kind.payload_offset());
        let filter = SocketFilter::attach(Socket::own(socket.as_fd()).unwrap(), &program, Present::Refuse).unwrap();
        // The program stays without its descriptor.
        drop(program);
        let receiver = UnixDatagram::from(socket.try_clone().unwrap());
        receiver.set_nonblocking(true).unwrap();
        for text in ["drop", "keep", "d", "", "k"] {
            send(text.as_bytes());
        }
        assert_eq!(waiting(|buffer| receiver.recv(buffer)), [&b"keep"[..], b"", b"k"], "{kind}");
        let header = u64::from(kind.payload_offset());
        assert_eq!(counters.get(KEPT).unwrap(), Count { records: 3, bytes: 5 + 3 * header }, "{kind}");
        assert_eq!(counters.get(DROPPED).unwrap(), Count { records: 2, bytes: 5 + 2 * header }, "{kind}");
        assert!(counters.get(2).is_err());
        filter.detach().unwrap();
        send(b"drop");
        assert_eq!(waiting(|buffer| receiver.recv(buffer)), [b"drop"], "{kind}");
    }
}

/// The sender is told of success, whatever becomes of a datagram.
fn sent(result: std::io::Result<usize>) {
    result.unwrap();
}

fn udp_sender(receiver: &UdpSocket) -> Send {
    let address = receiver.local_addr().unwrap();
    let sender = UdpSocket::bind((address.ip(), 0)).unwrap();
    sender.connect(address).unwrap();
    Box::new(move |bytes| sent(sender.send(bytes)))
}

/// Returns two connected seqpacket sockets; the standard library has no type for them, but calls that fit.
fn seqpacket_pair() -> (UnixDatagram, OwnedFd) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    (UnixDatagram::from(a), b)
}

#[test]
fn what_can_have_no_filter_is_refused_with_advice() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let says = |socket: &dyn AsFdDyn, words: &str| {
        let error = kind::SocketKind::of(&socket.fd()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    says(&UnixStream::pair().unwrap().0, "use a datagram socket");
    says(&std::net::TcpListener::bind("127.0.0.1:0").unwrap(), "filter in user space");
    says(&std::fs::File::open("/dev/null").unwrap(), "no socket");
    says(&UnixListener::bind_addr(&abstract_name("listener")).unwrap(), "unix stream");
    let listening = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let name = rustix::net::SocketAddrUnix::new_abstract_name(format!("dtq-{}", std::process::id()).as_bytes());
    rustix::net::bind(&listening, &name.unwrap()).unwrap();
    rustix::net::listen(&listening, 1).unwrap();
    says(&listening, "each connection");
    let netlink = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).unwrap();
    says(&netlink, "family 16");
}

trait AsFdDyn {
    fn fd(&self) -> OwnedFd;
}

impl<T: AsFd> AsFdDyn for T {
    fn fd(&self) -> OwnedFd {
        self.as_fd().try_clone_to_owned().unwrap()
    }
}

fn abstract_name(stem: &str) -> std::os::unix::net::SocketAddr {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(format!("dtq-{stem}-{}", std::process::id())).unwrap()
}

#[test]
fn another_filter_is_not_lost_by_mistake() {
    if !may_load("another_filter_is_not_lost_by_mistake") {
        return;
    }
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let own = || Socket::own(socket.as_fd()).unwrap();
    let (none, all) = (constant_filter(0), constant_filter(-1));
    let first = SocketFilter::attach(own(), &none, Present::Refuse).unwrap();
    let error = SocketFilter::attach(own(), &all, Present::Refuse).unwrap_err();
    assert!(matches!(error, AttachError::HasFilter), "{error}");
    sender.send(b"x").unwrap();
    assert!(waiting(|buffer| socket.recv(buffer)).is_empty());
    let mut second = SocketFilter::attach(own(), &all, Present::Replace).unwrap();
    sender.send(b"x").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)).len(), 1);
    // One byte of each datagram is kept.
    second.replace(&constant_filter(1)).unwrap();
    sender.send(b"xyz").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)), [b"x"]);
    let egress = Program::load("egress", ProgramKind::CgroupEgress, &constant(1), &[]).unwrap();
    let error = second.replace(&egress).unwrap_err();
    assert!(error.to_string().contains("sockets"), "{error}");
    drop((first, second));
    sender.send(b"xyz").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)), [b"xyz"]);
}

fn constant_filter(value: i32) -> Program {
    load(&constant(value), &[])
}

#[test]
fn a_lease_that_has_run_out_keeps_everything() {
    if !may_load("a_lease_that_has_run_out_keeps_everything") {
        return;
    }
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let (program, _, lease) = leased(b'd', 0);
    let _filter = SocketFilter::attach(Socket::own(socket.as_fd()).unwrap(), &program, Present::Refuse).unwrap();
    let passes = || {
        sender.send(b"d").unwrap();
        !waiting(|buffer| socket.recv(buffer)).is_empty()
    };
    assert!(passes() && lease.remaining().unwrap().is_zero(), "a new lease has run out");
    lease.renew(Duration::from_secs(3600)).unwrap();
    assert!(!passes() && lease.remaining().unwrap() > Duration::from_secs(3500));
    lease.renew(Duration::from_millis(5)).unwrap();
    assert!(eventually(passes));
    lease.renew(Duration::MAX).unwrap();
    assert!(!passes());
    lease.end().unwrap();
    assert!(passes());
}

/// Is the process whose sockets others filter: binds a datagram socket and says so.
#[test]
fn owner_child() {
    if role().as_deref() != Some("owner") {
        return;
    }
    let path = std::env::var("DTQ_TEST_PATH").unwrap();
    let socket = UnixDatagram::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    println!("ready {} {} {}", socket.as_raw_fd(), udp.as_raw_fd(), udp.local_addr().unwrap());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn sockets_of_other_processes_are_found_and_not_kept_open() {
    if !may_load("sockets_of_other_processes_are_found_and_not_kept_open") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a socket");
    let mut command = command("attach::owner_child", "owner");
    command.env("DTQ_TEST_PATH", &path);
    let mut owner = Role::start(command);
    let words: Vec<&str> = owner.said.split(' ').collect();
    let (descriptor, udp_descriptor) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let address: SocketAddr = words[2].parse().unwrap();
    let pid = owner.child.id();
    let one = |name: SocketName| {
        let mut found = find(&name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.len(), 1, "{name}");
        found.pop().unwrap()
    };
    let by_descriptor = one(SocketName::Process { pid, descriptor });
    let by_path = one(SocketName::Path(path.clone()));
    assert_eq!((by_descriptor.kind(), by_descriptor.cookie()), (SocketKind::UnixDatagram, by_path.cookie()));
    assert_eq!(by_path.owner().unwrap().0.pid, pid);
    let udp = one(SocketName::Udp(address));
    assert_eq!(udp.cookie(), one(SocketName::Process { pid, descriptor: udp_descriptor }).cookie());
    let program = constant_filter(0);
    let id = program.info().unwrap().id;
    let filter = SocketFilter::attach(by_path, &program, Present::Refuse).unwrap();
    drop(program);
    assert!(has_program(id).unwrap());
    let sender = UnixDatagram::unbound().unwrap();
    sender.send_to(b"x", &path).unwrap();
    owner.kill();
    // The filter is still held here, but neither its program nor the socket it is on are.
    assert!(eventually(|| !has_program(id).unwrap()), "the program stays");
    assert!(sender.send_to(b"x", &path).is_err(), "the socket stays");
    UdpSocket::bind(address).expect("the address is free again");
    assert!(matches!(SocketFilter::attach(udp, &constant_filter(0), Present::Refuse), Err(AttachError::Closed)));
    filter.detach().unwrap();
    let error = find(&SocketName::Path(path)).unwrap_err().to_string();
    assert!(error.contains("nobody"), "{error}");
    let error = find(&SocketName::Process { pid, descriptor }).unwrap_err().to_string();
    assert!(error.contains("no process"), "{error}");
}

#[test]
fn names_that_lead_nowhere_are_said() {
    let pid = std::process::id();
    let says = |name: SocketName, words: &str| {
        let error = find(&name).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    says(SocketName::Process { pid, descriptor: 9999 }, "has no descriptor 9999");
    says(SocketName::Process { pid: 0, descriptor: 0 }, "no process 0");
    says(SocketName::Process { pid: u32::MAX, descriptor: 0 }, "no process");
    says(SocketName::Path("/nowhere/at/all".into()), "no socket is bound to `/nowhere/at/all`");
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    says(SocketName::Udp(free), "no socket is bound to UDP 127.0.0.1");
    // One that takes all addresses gets what is sent to this one.
    let any = UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], any.local_addr().unwrap().port()));
    assert_eq!(find(&SocketName::Udp(address)).unwrap()[0].kind(), SocketKind::Udp4);
}
