//! Many datagrams through real sockets with a filter that changes meanwhile: each is decided once, and none is lost.
//!
//! `DTQ_CASES=1000000` sends a million over a unix socket and a fifth of that over UDP.

use crate::filters::{DEADLINE, DROPPED, KEPT, first_byte};
use crate::{may_load, number};
use dtq_kernel::{Address, Counters, Program, Relay, RelayOptions, SocketKind, Target};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often the filter is replaced.
const SWAP_INTERVAL: Duration = Duration::from_millis(2);
/// How many datagrams are under way at most over UDP, where the kernel drops what finds no room.
const UNDER_WAY_MAX: u64 = 100;

/// Two filters of which each drops other datagrams: the first bytes `a` and `b`.
struct Filters {
    programs: [Program; 2],
    counters: [Counters; 2],
}

impl Filters {
    fn load(kind: SocketKind) -> Self {
        let [(a, a_counters), (b, b_counters)] = [b'a', b'b'].map(|byte| first_byte(byte, kind.payload_offset()));
        Self { programs: [a, b], counters: [a_counters, b_counters] }
    }

    fn count(&self, position: u32) -> u64 {
        self.counters.iter().map(|counters| counters.get(position).unwrap().records).sum()
    }
}

/// Returns the datagram of a number: of ten, four begin with `a`, five with `b`, and one that is always kept with `k`.
fn datagram(number: u64) -> [u8; 9] {
    let mut datagram = [0; 9];
    datagram[0] = match number % 10 {
        0..4 => b'a',
        4..9 => b'b',
        _ => b'k',
    };
    datagram[1..].copy_from_slice(&number.to_le_bytes());
    datagram
}

/// How far sender and receiver are.
#[derive(Default)]
struct Progress {
    /// How many datagrams were dropped or came.
    decided: AtomicU64,
    /// Whether all were sent.
    is_sent: AtomicBool,
}

/// Sends so many; waits where more are under way than may be.
fn send_all(count: u64, progress: &Progress, under_way_max: u64, send: &dyn Fn(&[u8])) {
    for number in 0..count {
        while number - progress.decided.load(Ordering::Relaxed) >= under_way_max {
            std::thread::yield_now();
        }
        send(&datagram(number));
    }
}

/// Relays so many; replaces the filter meanwhile if asked. Returns how many came.
fn run(address: &Address, count: u64, is_swapped: bool, under_way_max: u64) -> u64 {
    let kind = if matches!(address, Address::Udp(_)) { SocketKind::Udp4 } else { SocketKind::UnixDatagram };
    let filters = Filters::load(kind);
    let (sender, received) = channel();
    let take = move |bytes: &[u8]| sender.send(<[u8; 9]>::try_from(bytes).unwrap()).map_err(std::io::Error::other);
    let target = Target::Call(Box::new(take));
    let mut relay = Relay::bind(address, Some(&filters.programs[0]), target, RelayOptions::default()).unwrap();
    let progress = Progress::default();
    let swap_count = std::thread::scope(|scope| {
        let address = relay.address().clone();
        let progress = &progress;
        scope.spawn(move || {
            match &address {
                Address::Unix(path) => {
                    let socket = UnixDatagram::unbound().unwrap();
                    socket.connect(path).unwrap();
                    send_all(count, progress, under_way_max, &|bytes| assert_eq!(socket.send(bytes).unwrap(), 9));
                }
                Address::Udp(address) => {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(address).unwrap();
                    send_all(count, progress, under_way_max, &|bytes| assert_eq!(socket.send(bytes).unwrap(), 9));
                }
            }
            progress.is_sent.store(true, Ordering::Release);
        });
        relay_all(&mut relay, &filters, count, progress, is_swapped)
    });
    drop(relay);
    let came = check(&received, if is_swapped { b"" } else { b"a" });
    let (kept, dropped) = (filters.count(KEPT), filters.count(DROPPED));
    assert_eq!((kept + dropped, kept), (count, came), "each is seen by one program, and what is kept comes");
    if is_swapped {
        assert!(swap_count > 2, "{swap_count} swaps");
        assert!(filters.counters.iter().all(|counters| counters.get(DROPPED).unwrap().records > 0));
    } else {
        assert_eq!(dropped, count / 10 * 4);
    }
    println!("{count} datagrams over {address}: {dropped} dropped, {came} came, {swap_count} swaps");
    came
}

/// Relays until all that was sent is decided and has come; returns how often the filter was replaced.
fn relay_all(relay: &mut Relay, filters: &Filters, count: u64, progress: &Progress, is_swapped: bool) -> usize {
    let (start, mut next_swap, mut swap_count) = (Instant::now(), SWAP_INTERVAL, 0);
    loop {
        relay.run_once(Duration::from_millis(1)).unwrap();
        let (received, kept, dropped) = (relay.counts().received.records, filters.count(KEPT), filters.count(DROPPED));
        progress.decided.store(received + dropped, Ordering::Relaxed);
        if progress.is_sent.load(Ordering::Acquire) && (kept + dropped, kept) == (count, received) {
            return swap_count;
        }
        if is_swapped && start.elapsed() > next_swap {
            swap_count += 1;
            relay.replace(&filters.programs[swap_count % 2]).unwrap();
            next_swap += SWAP_INTERVAL;
        }
        let is_late = start.elapsed() > DEADLINE * 10;
        assert!(!is_late, "of {count}, {kept} were kept and {dropped} dropped, and {received} came");
    }
}

/// Checks that what came is in order, holds all that is always kept, and nothing that `never` comes; returns how many came.
fn check(received: &Receiver<[u8; 9]>, never: &[u8]) -> u64 {
    let (mut next, mut count) = (0, 0);
    for found in received.try_iter() {
        let number = u64::from_le_bytes(found[1..].try_into().unwrap());
        assert_eq!(found, datagram(number));
        assert!(number >= next, "{number} comes again, or too late");
        assert!(!(next..number).any(|missing| missing % 10 == 9), "one between {next} and {number} is lost");
        assert!(!never.contains(&found[0]), "{number} is kept");
        (next, count) = (number + 1, count + 1);
    }
    count
}

#[test]
fn many_datagrams_over_a_unix_socket() {
    if !may_load("many_datagrams_over_a_unix_socket") {
        return;
    }
    let count = number("DTQ_CASES", 50_000).next_multiple_of(10);
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("socket"));
    assert_eq!(run(&address, count, false, u64::MAX), count / 10 * 6);
    run(&address, count, true, u64::MAX);
}

#[test]
fn many_datagrams_over_udp() {
    if !may_load("many_datagrams_over_udp") {
        return;
    }
    let count = (number("DTQ_CASES", 50_000) / 5).next_multiple_of(10);
    let address = Address::Udp("127.0.0.1:0".parse().unwrap());
    assert_eq!(run(&address, count, false, UNDER_WAY_MAX), count / 10 * 6);
    run(&address, count, true, UNDER_WAY_MAX);
}

#[test]
fn what_finds_no_room_is_told_apart_from_what_a_filter_drops() {
    if !may_load("what_finds_no_room_is_told_apart_from_what_a_filter_drops") {
        return;
    }
    let filters = Filters::load(SocketKind::Udp4);
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let target = Target::Call(Box::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }));
    let options = RelayOptions { queue_size: Some(4096), ..RelayOptions::default() };
    let address = Address::Udp("127.0.0.1:0".parse().unwrap());
    let mut relay = Relay::bind(&address, Some(&filters.programs[0]), target, options).unwrap();
    let Address::Udp(address) = relay.address().clone() else { panic!("it was UDP") };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Nothing is received meanwhile.
    (0..1000).for_each(|number| assert_eq!(socket.send_to(&datagram(number), address).unwrap(), 9));
    while relay.run_once(Duration::ZERO).unwrap() > 0 {}
    let (kept, dropped, came) = (filters.count(KEPT), filters.count(DROPPED), taken.load(Ordering::Relaxed));
    assert_eq!((kept, dropped), (600, 400));
    assert!(came > 0 && came < kept, "{came} came");
    assert_eq!(u64::from(relay.dropped().unwrap()), dropped + (kept - came));
}
