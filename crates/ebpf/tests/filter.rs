//! Filters as a whole: where payloads begin, what is counted, what is kept.
#![allow(clippy::unwrap_used)]

use dtq_ebpf::filter::{Effect, Filter, FilterSpec, Front, Rule, compile};
use dtq_ebpf::layout::Reason;
use dtq_ebpf::payload::Format;
use dtq_ebpf::predicate::field::field_of_logs;
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{check, text};
use dtq_ir::condition::term::Term;
use dtq_ir::functions;
use dtq_ir::reads::Path;
use dtq_value::{Type, Value};

const LINE: &[u8] = b"<15>Oct 11 22:14:15 web su: debug";
const OTHER: &[u8] = b"<11>Oct 11 22:14:15 web su: error";

/// Returns `SeverityNumber < 9`.
fn is_noise() -> Term {
    let path = Path { table: "logs".to_owned(), column: "SeverityNumber".to_owned(), keys: Vec::new() };
    let function = functions::by_name("<").unwrap();
    let args = vec![Term::Field(path, Type::Int), Term::Const(Value::Long(9))];
    Term::Call { function, signature: 0, ty: Type::Bool, args }
}

fn filter(front: Front, has_lease: bool) -> Filter {
    let condition = is_noise();
    let rules =
        [Rule { condition: &condition, whole: &condition, effect: Effect::Drops, tallies: 0, above: None, draw: None }];
    let spec = FilterSpec {
        format: Format::Syslog,
        front,
        rules: &rules,
        tallies: &[],
        source: &field_of_logs,
        also_read: &[],
        has_lease,
    };
    let filter = compile(&spec).unwrap();
    check::check(&filter.program, &filter.maps).unwrap_or_else(|violation| {
        panic!("{violation}\n{}", text::print(&filter.program));
    });
    filter
}

/// Runs a filter on a packet; returns its result.
fn run(filter: &Filter, maps: &mut Maps, packet: &[u8], (now_ns, gso_size): (u64, u32)) -> i32 {
    let mut context = [0; 192];
    context[..4].copy_from_slice(&(packet.len() as u32).to_le_bytes());
    context[176..180].copy_from_slice(&gso_size.to_le_bytes());
    let input = Input { context: &context, packet, now_ns, steps_max: 1_000_000, ..Input::default() };
    let outcome = Machine::new(&filter.program, maps).run(&input);
    outcome.unwrap_or_else(|trap| panic!("{trap}\n{}", text::print(&filter.program))).result as i32
}

fn count(maps: &Maps, position: u32) -> (u64, u64) {
    let value = maps.get(Filter::COUNTS_MAP as usize, &position.to_le_bytes()).unwrap();
    let [records, bytes] = [0, 8].map(|at| u64::from_le_bytes(value[at..at + 8].try_into().unwrap()));
    (records, bytes)
}

#[test]
fn payloads_begin_behind_what_stands_in_front() {
    let v4 = |port: u16, fragment: u8| {
        let mut head = vec![0x45, 0, 0, 0, 0, 0, fragment, 0, 64, 17];
        head.extend([0; 10]);
        head.extend([1, 2]);
        head.extend(port.to_be_bytes());
        head.extend([0; 4]);
        head
    };
    let v6 = |next: u8| {
        let mut head = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        head.extend([0; 32]);
        head.extend([1, 2, 2, 2, 0, 0, 0, 0]);
        head
    };
    let egress = Front::EgressPacket { port: 0x0202 };
    let cases: [(Front, Vec<u8>, [i32; 2]); 7] = [
        (Front::UnixDatagram, vec![], [0, -1]),
        (Front::UdpDatagram, vec![9; 8], [0, -1]),
        (egress, v4(0x0202, 0x40), [2, 1]),
        (egress, v6(17), [2, 1]),
        // Another port, a fragment, another protocol.
        (egress, v4(0x0203, 0), [1, 1]),
        (egress, v4(0x0202, 0x20), [1, 1]),
        (egress, v6(6), [1, 1]),
    ];
    for (front, head, expected) in cases {
        let filter = filter(front, false);
        let mut maps = Maps::new(&filter.maps);
        let mut result = |payload: &[u8]| run(&filter, &mut maps, &[&head[..], payload].concat(), (0, 0));
        assert_eq!([result(LINE), result(OTHER)], expected, "{front:?} {head:?}");
    }
}

#[test]
fn each_payload_is_counted_once() {
    let filter = filter(Front::UdpDatagram, false);
    let mut maps = Maps::new(&filter.maps);
    let packet = |payload: &[u8]| [&[0; 8], payload].concat();
    let mut results = Vec::new();
    for (payload, gso_size) in
        [(LINE, 0), (LINE, 0), (OTHER, 0), (b"".as_slice(), 0), (&[b'x'; 5_000], 0), (LINE, 30), (b"no syslog", 0)]
    {
        results.push(run(&filter, &mut maps, &packet(payload), (0, gso_size)));
    }
    assert_eq!(results, [0, 0, -1, -1, -1, -1, -1]);
    let size = LINE.len() as u64;
    assert_eq!(count(&maps, Filter::dropped_position()), (2, 2 * size));
    assert_eq!(count(&maps, Filter::rule_position(0)), (2, 2 * size));
    assert_eq!(count(&maps, Filter::kept_position()), (1, OTHER.len() as u64));
    assert_eq!(count(&maps, Filter::reason_position(Reason::Length)), (2, 5_000));
    assert_eq!(count(&maps, Filter::reason_position(Reason::Merged)), (1, size));
    assert_eq!(count(&maps, Filter::reason_position(Reason::Malformed)), (1, 9));
}

#[test]
fn without_its_lease_a_filter_keeps_everything() {
    let filter = filter(Front::UnixDatagram, true);
    let mut maps = Maps::new(&filter.maps);
    assert_eq!(run(&filter, &mut maps, LINE, (5, 0)), -1);
    maps.set(filter.lease_map.unwrap() as usize, &[0; 4], &10_u64.to_le_bytes());
    assert_eq!(run(&filter, &mut maps, LINE, (9, 0)), 0);
    assert_eq!(run(&filter, &mut maps, LINE, (10, 0)), -1);
    assert_eq!(count(&maps, Filter::reason_position(Reason::Lease)), (2, 2 * LINE.len() as u64));
}

#[test]
fn a_run_that_finds_another_one_under_way_keeps() {
    let filter = filter(Front::UnixDatagram, false);
    let mut maps = Maps::new(&filter.maps);
    let mut scratch = maps.get(0, &[0; 4]).unwrap().to_vec();
    scratch[0] = 1;
    maps.set(0, &[0; 4], &scratch);
    assert_eq!(run(&filter, &mut maps, LINE, (0, 0)), -1);
    assert_eq!(count(&maps, Filter::reason_position(Reason::Busy)), (1, LINE.len() as u64));
}
