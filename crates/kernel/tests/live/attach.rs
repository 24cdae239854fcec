//! Filters on sockets: what they drop, what can have none, how they are found, replaced and taken away.

use crate::filters::{DROPPED, KEPT, Role, as_other_user, command, constant, eventually, first_byte, leased, role};
use crate::{load, may_load};
use dtq_kernel::attach::filter::Present;
use dtq_kernel::attach::{find, kind};
use dtq_kernel::object::has_program;
use dtq_kernel::{
    AttachError, Count, Counters, Owner, Program, ProgramKind, Socket, SocketFilter, SocketKind, SocketName, Stats,
    loaded,
};
use rustix::event::{PollFd, PollFlags, poll};
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
    // The filter is still held here, but the socket it was on is gone; what tells of that can be waited for.
    let process = filter.socket().process().unwrap();
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    assert_eq!(poll(&mut ended, None).unwrap(), 1);
    assert!(sender.send_to(b"x", &path).is_err(), "the socket stays");
    UdpSocket::bind(address).expect("the address is free again");
    assert!(matches!(SocketFilter::attach(udp, &constant_filter(0), Present::Refuse), Err(AttachError::Closed)));
    filter.detach().unwrap();
    assert!(eventually(|| !has_program(id).unwrap()), "the program stays");
    let error = find(&SocketName::Path(path)).unwrap_err().to_string();
    assert!(error.contains("nobody"), "{error}");
    let error = find(&SocketName::Process { pid, descriptor }).unwrap_err().to_string();
    assert!(error.contains("no process"), "{error}");
}

/// Is a process of another user: says why it cannot reach a socket of its parent.
#[test]
fn stranger_child() {
    if role().as_deref() != Some("stranger") {
        return;
    }
    let variable = |name: &str| std::env::var(name).unwrap();
    let (pid, descriptor) = (variable("DTQ_TEST_PID"), variable("DTQ_TEST_DESCRIPTOR"));
    let by_process = SocketName::Process { pid: pid.parse().unwrap(), descriptor: descriptor.parse().unwrap() };
    let by_address = SocketName::Udp(variable("DTQ_TEST_ADDRESS").parse().unwrap());
    println!("ready {}|{}", find(&by_process).unwrap_err(), find(&by_address).unwrap_err());
}

#[test]
fn a_user_without_rights_is_told_whose_a_socket_is() {
    let test = "a_user_without_rights_is_told_whose_a_socket_is";
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (mut stranger, _folder) = as_other_user(&command("attach::stranger_child", "stranger"), "");
    stranger.env("DTQ_TEST_PID", std::process::id().to_string());
    stranger.env("DTQ_TEST_DESCRIPTOR", socket.as_raw_fd().to_string());
    stranger.env("DTQ_TEST_ADDRESS", address.to_string());
    let said = Role::start(stranger).said.clone();
    let Some((by_process, by_address)) = said.split_once('|') else {
        eprintln!("SKIPPED: {test}: no process can be started as user 65534 by setpriv");
        return;
    };
    let owner = Owner::of(std::process::id());
    assert!(by_process.contains(&format!("the socket belongs to {owner}")), "{said}");
    assert!(by_process.contains("CAP_SYS_PTRACE") && by_address.contains("CAP_SYS_PTRACE"), "{said}");
    assert!(by_address.starts_with(&format!("a socket is bound to UDP {address} by user 0")), "{said}");
}

/// Is a process that filters its own socket: attaches a program and says its number.
#[test]
fn filtering_child() {
    if role().as_deref() != Some("filtering") {
        return;
    }
    let (_sender, socket) = UnixDatagram::pair().unwrap();
    let program = constant_filter(0);
    let own = Socket::own(socket.as_fd()).unwrap();
    let _filter = SocketFilter::attach(own, &program, Present::Refuse).unwrap();
    println!("ready {}", program.info().unwrap().id);
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_killed_process_with_its_own_socket_leaves_no_program() {
    if !may_load("a_killed_process_with_its_own_socket_leaves_no_program") {
        return;
    }
    let mut filtering = Role::start(command("attach::filtering_child", "filtering"));
    let id = filtering.said.trim().parse().unwrap();
    assert!(has_program(id).unwrap());
    filtering.kill();
    assert!(eventually(|| !has_program(id).unwrap()), "the program stays");
}

/// Is a process that hands its socket on to a child, as one that becomes a daemon, and ends when it is told to.
#[test]
fn handing_child() {
    if role().as_deref() != Some("handing") {
        return;
    }
    let (_, socket) = UnixDatagram::pair().unwrap();
    let mut command = command("attach::owner_of_input_child", "owner of input");
    command.stdin(OwnedFd::from(socket.try_clone().unwrap())).stdout(std::process::Stdio::null());
    // It outlives this process.
    let child = command.spawn().map(|child| child.id()).unwrap();
    println!("ready {} {child}", socket.as_raw_fd());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Is the process that the socket was handed on to: holds it until a datagram comes.
#[test]
fn owner_of_input_child() {
    if role().as_deref() == Some("owner of input") {
        let socket = UnixDatagram::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
        socket.set_read_timeout(Some(crate::filters::DEADLINE)).unwrap();
        let _ = socket.recv(&mut [0; 8]);
    }
}

#[test]
fn a_socket_that_was_handed_on_is_found_again() {
    use rustix::process::{Pid, Signal, kill_process};
    if !may_load("a_socket_that_was_handed_on_is_found_again") {
        return;
    }
    let mut handing = Role::start(command("attach::handing_child", "handing"));
    let words: Vec<u32> = handing.said.split(' ').map(|word| word.trim().parse().unwrap()).collect();
    let pid = handing.child.id();
    let filter =
        SocketFilter::attach(Socket::of_process(pid, words[0]).unwrap(), &constant_filter(0), Present::Refuse).unwrap();
    drop(handing.input.take());
    handing.child.wait().unwrap();
    let other = || Socket::of_process(words[1], 0).unwrap();
    assert_eq!(other().cookie(), filter.socket().cookie());
    let error = SocketFilter::attach(other(), &constant_filter(-1), Present::Refuse).unwrap_err();
    assert!(matches!(error, AttachError::HasFilter), "{error}");
    filter.detach().unwrap();
    SocketFilter::attach(other(), &constant_filter(-1), Present::Refuse).expect("it was detached where it is now");
    kill_process(Pid::from_raw(words[1] as i32).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn an_inherited_program_is_attached_by_itself() {
    if !may_load("an_inherited_program_is_attached_by_itself") {
        return;
    }
    let (sender, socket) = UnixDatagram::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let own = || Socket::own(socket.as_fd()).unwrap();
    let inherit =
        |program: &Program| Program::inherit(program.as_fd().try_clone_to_owned().unwrap(), ProgramKind::SocketFilter);
    let mut filter = SocketFilter::attach(own(), &inherit(&constant_filter(0)).unwrap(), Present::Refuse).unwrap();
    sender.send(b"x").unwrap();
    assert!(waiting(|buffer| socket.recv(buffer)).is_empty());
    filter.replace(&inherit(&constant_filter(1)).unwrap()).unwrap();
    sender.send(b"xy").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)), [b"x"]);
    // One that takes more than sockets have for options: 64 bits for each of its instructions.
    let large = load(&large(20_000), &[]);
    let error = filter.replace(&inherit(&large).unwrap()).unwrap_err();
    assert!(matches!(error, AttachError::OptionMemory), "{error}");
    sender.send(b"xy").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)), [b"x"], "the one from before stays");
    filter.detach().unwrap();
    // Loaded here, its size does not matter.
    let mut filter = SocketFilter::attach(own(), &large, Present::Refuse).unwrap();
    filter.replace(&large).unwrap();
    sender.send(b"xy").unwrap();
    assert_eq!(waiting(|buffer| socket.recv(buffer)), [b"xy"]);
    let egress = Program::load("egress", ProgramKind::CgroupEgress, &constant(1), &[]).unwrap();
    assert!(inherit(&egress).is_err());
    assert!(Program::inherit(socket.as_fd().try_clone_to_owned().unwrap(), ProgramKind::SocketFilter).is_err());
}

/// Returns a program of so many instructions that keeps everything.
fn large(count: i32) -> Vec<dtq_ebpf::Insn> {
    use dtq_ebpf::insn::{Alu, Reg};
    let mut asm = dtq_ebpf::asm::Assembler::default();
    asm.load(dtq_ebpf::insn::Size::Word, Reg::R0, Reg::R1, 0);
    (0..count).for_each(|number| asm.alu(Alu::Xor, Reg::R0, number));
    asm.mov(Reg::R0, -1);
    asm.exit();
    asm.finish()
}

#[test]
fn runs_are_measured_while_that_is_asked_for() {
    if !may_load("runs_are_measured_while_that_is_asked_for") {
        return;
    }
    let program = constant_filter(-1);
    let (sender, socket) = UnixDatagram::pair().unwrap();
    let own = Socket::own(socket.as_fd()).unwrap();
    let mut filter = SocketFilter::attach(own, &program, Present::Refuse).unwrap();
    let stats = Stats::start().unwrap();
    program.test_run(&[0; 64], 1000).unwrap();
    (0..5).for_each(|_| sent(sender.send(b"x")));
    filter.replace(&constant_filter(0)).unwrap();
    (0..5).for_each(|_| sent(sender.send(b"x")));
    drop(stats);
    // A test run counts too, and what another one has gone on to counts there.
    assert_eq!((program.info().unwrap().run_count, filter.info().unwrap().run_count), (1000, 10));
    let info = program.info().unwrap();
    assert!(info.id > 0 && info.verified_count >= 2 && info.run_time_ns > 0);
}

/// Is a process that counts datagrams of its own socket.
#[test]
fn counting_child() {
    if role().as_deref() != Some("counting") {
        return;
    }
    let (sender, socket) = UnixDatagram::pair().unwrap();
    let (program, _counters) = first_byte(b'd', 0);
    let _filter = SocketFilter::attach(Socket::own(socket.as_fd()).unwrap(), &program, Present::Refuse).unwrap();
    ["d", "k", "d"].iter().for_each(|text| sent(sender.send(text.as_bytes())));
    println!("ready {}", program.info().unwrap().id);
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn what_another_process_counts_can_be_read() {
    if !may_load("what_another_process_counts_can_be_read") {
        return;
    }
    let mut counting = Role::start(command("attach::counting_child", "counting"));
    let id: u32 = counting.said.trim().parse().unwrap();
    let find = |prefix: &str| loaded(prefix).unwrap().into_iter().find(|program| program.info.id == id);
    let program = find("test").expect("it is there");
    assert_eq!((program.info.name.as_str(), program.info.is_native, find("other").is_none()), ("test", true, true));
    let counters = Counters::over(program.map("counts").unwrap(), vec!["kept".into(), "dropped".into()]).unwrap();
    assert_eq!(counters.named().unwrap()[1], ("dropped", Count { records: 2, bytes: 2 }));
    assert!(program.map("nothing").is_none());
    counting.kill();
    // Looking at its counts does not keep the program.
    assert!(eventually(|| !has_program(id).unwrap()), "the program stays");
    assert_eq!(counters.get(KEPT).unwrap().records, 1);
}

#[test]
fn sockets_that_share_an_address_are_all_found() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
    let make = |address: SocketAddr| {
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseport(&socket, true).unwrap();
        bind(&socket, &address).unwrap();
        UdpSocket::from(socket)
    };
    let first = make("127.0.0.1:0".parse().unwrap());
    let address = first.local_addr().unwrap();
    let second = make(address);
    let cookie = |socket: &UdpSocket| sockopt::socket_cookie(socket).unwrap();
    let mut found: Vec<u64> = find(&SocketName::Udp(address)).unwrap().iter().map(Socket::cookie).collect();
    let mut expected = [cookie(&first), cookie(&second)];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Sends 27 bytes as three datagrams in one call (`UDP_SEGMENT`, 103 at level 17).
const SEND_SEGMENTS: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(17, 103, 9)
s.send(b"d23456789" + b"k23456789" + b"d23456789")
"#;

#[test]
fn datagrams_that_are_sent_together_are_filtered_one_by_one() {
    let test = "datagrams_that_are_sent_together_are_filtered_one_by_one";
    if !may_load(test) {
        return;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (program, counters) = first_byte(b'd', SocketKind::Udp4.payload_offset());
    let _filter = SocketFilter::attach(Socket::own(socket.as_fd()).unwrap(), &program, Present::Refuse).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let sent = std::process::Command::new("python3").args(["-c", SEND_SEGMENTS, &port]).status();
    if !sent.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: {test}: python3 is not here, or the kernel does not cut datagrams");
        return;
    }
    socket.set_read_timeout(Some(crate::filters::DEADLINE)).unwrap();
    let mut buffer = [0; 64];
    let size = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..size], b"k23456789");
    assert!(eventually(|| counters.get(DROPPED).unwrap().records == 2));
    assert_eq!(counters.get(KEPT).unwrap().records, 1);
}

/// Has a UDP socket that is told to take several datagrams as one (`UDP_GRO`, 104 at level 17) when a line comes, and says
/// the sizes that it gets.
const COALESCING: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
s.settimeout(20)
print("ready", s.fileno(), s.getsockname()[1], flush=True)
sys.stdin.readline()
s.setsockopt(17, 104, 1)
print("set", flush=True)
print(len(s.recv(100)), flush=True)
"#;

#[test]
fn a_program_sees_that_datagrams_were_taken_as_one() {
    use dtq_ebpf::insn::{Cond, Reg, Size};
    use std::io::{BufRead, BufReader, Write};
    let test = "a_program_sees_that_datagrams_were_taken_as_one";
    if !may_load(test) {
        return;
    }
    let mut command = std::process::Command::new("python3");
    command.args(["-c", COALESCING]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED: {test}: python3 is not here");
        return;
    };
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said = lines.next().unwrap();
    let words: Vec<&str> = said.split(' ').collect();
    let socket = Socket::of_process(child.id(), words[1].parse().unwrap()).unwrap();
    // Keeps what was put together, which `gso_size` of `struct __sk_buff` tells, and drops all else.
    let mut asm = dtq_ebpf::asm::Assembler::default();
    let end = asm.label();
    asm.load(Size::Word, Reg::R2, Reg::R1, 176);
    asm.mov(Reg::R0, -1);
    asm.branch(Cond::Ne, Reg::R2, 0, end);
    asm.mov(Reg::R0, 0);
    asm.bind(end);
    asm.exit();
    let _filter = SocketFilter::attach(socket, &load(&asm.finish(), &[]), Present::Refuse).unwrap();
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap(), "set");
    let again = Socket::of_process(child.id(), words[1].parse().unwrap()).unwrap_err();
    assert!(matches!(again, AttachError::Coalesced), "{again}");
    let sent = std::process::Command::new("python3").args(["-c", SEND_SEGMENTS, words[2]]).status().unwrap();
    assert!(sent.success());
    assert_eq!(lines.next().unwrap(), "27", "three datagrams as one");
    child.wait().unwrap();
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
    // One of IPv6 that takes IPv4 too.
    let Ok(both) = UdpSocket::bind("[::]:0") else { return };
    let address = SocketAddr::from(([127, 0, 0, 1], both.local_addr().unwrap().port()));
    assert_eq!(find(&SocketName::Udp(address)).unwrap()[0].kind(), SocketKind::Udp6);
}
