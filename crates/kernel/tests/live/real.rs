//! Rules on real sockets that real programs write to: `logger`, Python, and a sender of OTLP; each message is decided once.
//!
//! `DTQ_CASES=1000000` sends a million messages from each program.

use crate::filters::DEADLINE;
use crate::{may_load, number};
use dtq_ebpf::filter::{Filter, Front};
use dtq_ebpf::payload::Format;
use dtq_kernel::share::{ShareOptions, share};
use dtq_kernel::{Address, Count, Counters, Map, Program, ProgramKind, Relay, RelayOptions, Target};
use dtq_record::wire::{append_bytes_field, append_message_field, append_varint_field};
use dtq_rules::compile::{Options, compile};
use dtq_rules::file::{self, NoFiles};
use std::io::Write;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Holds the filter of a rule set in the kernel, and what it counts.
pub struct Filtered {
    pub program: Program,
    counters: Counters,
}

impl Filtered {
    pub fn new(condition: &str, format: Format, front: Front) -> Self {
        let yaml =
            format!("apiVersion: dtq/v1\nrules:\n  - {{name: noise, to: drop, kql: 'logs | where {condition}'}}\n");
        let (read, diagnostics) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
        let set = compile(&[read], &Options { is_unoptimized: true, ..Options::default() }).set;
        let set = set.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let filter =
            share(&set, &ShareOptions { format, front, has_lease: false, reads_counts: false, minds_expiry: true })
                .filter
                .unwrap();
        let maps: Vec<Map> = filter.maps.iter().map(|def| Map::create(def).unwrap()).collect();
        let program = Program::load("noise", ProgramKind::SocketFilter, &filter.program, &maps).unwrap();
        let counts = &maps[Filter::COUNTS_MAP as usize];
        let names = (0..counts.def().entries_max).map(|position| position.to_string()).collect();
        Self { program, counters: Counters::over(counts, names).unwrap() }
    }

    fn count(&self, position: u32) -> Count {
        self.counters.get(position).unwrap()
    }

    /// Returns how many payloads it dropped, and how many it kept for any reason.
    pub fn decided(&self) -> (u64, u64) {
        let dropped = self.count(Filter::dropped_position()).records;
        let all: u64 = (0..Filter::rule_position(0)).map(|position| self.count(position).records).sum();
        (dropped, all - dropped)
    }
}

/// Relays what is sent to an address until `count` messages are decided and all that were kept have come; puts one filter
/// in the place of the other all the time. Returns what came.
pub fn relay(
    address: &Address,
    filters: &[Filtered],
    count: u64,
    progress: &AtomicU64,
    start: impl FnOnce(&Address),
) -> Vec<Vec<u8>> {
    let (sender, received) = std::sync::mpsc::channel();
    let take = move |bytes: &[u8]| sender.send(bytes.to_vec()).map_err(std::io::Error::other);
    let target = Target::Call(Box::new(take));
    let mut relay = Relay::bind(address, Some(&filters[0].program), target, RelayOptions::default()).unwrap();
    start(relay.address());
    let (begin, mut swap_count) = (Instant::now(), 0);
    loop {
        relay.run_once(Duration::from_millis(1)).unwrap();
        let (dropped, kept) =
            filters.iter().map(Filtered::decided).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let came = relay.counts().received.records;
        progress.store(dropped + came, Ordering::Relaxed);
        if dropped + kept == count && came == kept {
            break;
        }
        assert!(begin.elapsed() < DEADLINE * 10, "of {count}, {dropped} were dropped, {kept} kept, and {came} came");
        if filters.len() > 1 && begin.elapsed() > Duration::from_millis(2) * swap_count {
            swap_count += 1;
            relay.replace(&filters[swap_count as usize % filters.len()].program).unwrap();
        }
    }
    drop(relay);
    received.try_iter().collect()
}

fn socket(name: &str) -> (tempfile::TempDir, Address) {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join(name));
    (folder, address)
}

fn path(address: &Address) -> String {
    match address {
        Address::Unix(path) => path.display().to_string(),
        Address::Udp(address) => address.to_string(),
    }
}

/// Starts a program if it is here; says loudly when not.
fn spawn(test: &str, command: &mut Command) -> Option<Child> {
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("SKIPPED: {test}: {:?} cannot be started ({error})", command.get_program());
            None
        }
    }
}

#[test]
fn lines_of_logger_are_dropped_by_severity() {
    let test = "lines_of_logger_are_dropped_by_severity";
    let Some(probe) = spawn(test, Command::new("logger").arg("--version").stdout(Stdio::null())) else { return };
    drop(probe.wait_with_output());
    if !may_load(test) {
        return;
    }
    let count = number("DTQ_CASES", 20_000);
    let filters = [Filtered::new("SeverityNumber between (1 .. 8)", Format::Syslog, Front::UnixDatagram)];
    let (_folder, address) = socket("log");
    let mut logger = None;
    let came = relay(&address, &filters, count, &AtomicU64::new(0), |address| {
        let mut command = Command::new("logger");
        command.args(["--prio-prefix", "-d", "-t", "shop", "-u", &path(address)]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            for line in 0..count {
                let priority = if line % 10 == 0 { 11 } else { 15 };
                writeln!(lines, "<{priority}>message {line} of many").unwrap();
            }
        });
        logger = Some((child, writer));
    });
    let (mut child, writer) = logger.unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    let dropped = filters[0].count(Filter::dropped_position());
    assert_eq!((dropped.records, came.len() as u64), (count - count / 10, count / 10));
    assert_eq!(filters[0].count(Filter::rule_position(0)), dropped);
    assert_eq!(filters[0].count(Filter::kept_position()).records, count / 10, "each of the others is surely kept");
    assert!(
        came.iter().enumerate().all(|(at, line)| line.ends_with(format!("message {} of many", at * 10).as_bytes()))
    );
}

/// Sends JSON objects like those of a metrics client, each its number.
const PYTHON: &str = "
import json, socket, sys
path, count = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(path)
for i in range(count):
    kind = ['c', 'g', 'ms'][i % 3]
    s.send(json.dumps({'name': 'shop.cart.add', 'type': kind, 'value': i, 'level': 'info', 'tags': {'host': 'web-1'}}).encode())
";

#[test]
fn objects_of_python_are_dropped_while_rules_change() {
    let test = "objects_of_python_are_dropped_while_rules_change";
    let Some(probe) = spawn(test, Command::new("python3").arg("--version").stdout(Stdio::null())) else { return };
    drop(probe.wait_with_output());
    if !may_load(test) {
        return;
    }
    let count = number("DTQ_CASES", 30_000) / 3 * 3;
    let conditions =
        ["Attributes[\"type\"] == \"c\"", "Attributes[\"type\"] in (\"c\", \"g\") and Attributes[\"value\"] >= 0"];
    let filters = conditions.map(|condition| Filtered::new(condition, Format::Json, Front::UnixDatagram));
    let (_folder, address) = socket("metrics");
    let mut python = None;
    let came = relay(&address, &filters, count, &AtomicU64::new(0), |address| {
        let count = count.to_string();
        python = Some(Command::new("python3").args(["-c", PYTHON, &path(address), &count]).spawn().unwrap());
    });
    assert!(python.unwrap().wait().unwrap().success());
    // Of the three kinds the first always goes, the last never, and of the second what the rule of the moment says.
    let numbers: Vec<u64> = came.iter().map(|object| value(object)).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "none comes twice or late");
    assert_eq!(numbers.iter().filter(|number| *number % 3 == 2).count() as u64, count / 3, "none is lost");
    assert!(numbers.iter().all(|number| number % 3 != 0), "none is kept that both rules drop");
    let second = numbers.iter().filter(|number| *number % 3 == 1).count() as u64;
    let (dropped, kept) = filters.iter().map(Filtered::decided).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((dropped, kept), (count / 3 + count / 3 - second, count / 3 + second));
    assert!(filters.iter().all(|filter| filter.decided().0 > 0), "both rules were there for a while");
}

fn value(object: &[u8]) -> u64 {
    let text = std::str::from_utf8(object).unwrap();
    let (_, rest) = text.split_once("\"value\": ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// Returns a request of two records, of which as many are noise as the number says.
fn request(number: u64) -> Vec<u8> {
    let mut request = Vec::new();
    append_message_field(&mut request, 1, |resource_logs| {
        append_message_field(resource_logs, 2, |scope_logs| {
            for record in 0..2 {
                let name: &[u8] = if record < number % 3 { b"LogWelcomeBanner" } else { b"OrderPlaced" };
                append_message_field(scope_logs, 2, |out| {
                    append_varint_field(out, 2, 9);
                    append_message_field(out, 6, |pair| {
                        append_bytes_field(pair, 1, b"EventName");
                        append_message_field(pair, 2, |any| append_bytes_field(any, 1, name));
                    });
                });
            }
        });
    });
    request
}

#[test]
fn requests_over_udp_go_where_all_their_records_go() {
    let test = "requests_over_udp_go_where_all_their_records_go";
    if !may_load(test) {
        return;
    }
    let count = number("DTQ_CASES", 15_000) / 3 * 3;
    let condition = "Attributes[\"EventName\"] == \"LogWelcomeBanner\"";
    let filters = [Filtered::new(condition, Format::Otlp, Front::UdpDatagram)];
    let (progress, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut sender = None;
    let came = relay(&Address::Udp("127.0.0.1:0".parse().unwrap()), &filters, count, &progress, |address| {
        let Address::Udp(address) = *address else { unreachable!("it was bound over UDP") };
        let (progress, is_over) = (Arc::clone(&progress), Arc::clone(&is_over));
        sender = Some(std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(address).unwrap();
            for number in 0..count {
                // What finds no room in the receiver's buffer is lost, filter or not.
                while number - progress.load(Ordering::Relaxed) >= 100 && !is_over.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                socket.send(&request(number)).unwrap();
            }
        }));
    });
    is_over.store(true, Ordering::Relaxed);
    sender.unwrap().join().unwrap();
    let dropped = filters[0].count(Filter::dropped_position());
    assert_eq!((dropped.records, came.len() as u64), (count / 3, count / 3 * 2));
    assert_eq!(filters[0].count(Filter::rule_position(0)).records, 2 * dropped.records, "each request has two records");
    let expected = (0..count).filter(|number| number % 3 != 2).map(request);
    assert!(
        came.iter().zip(expected).all(|(came, expected)| *came == expected),
        "those that are kept come as they were sent"
    );
}
