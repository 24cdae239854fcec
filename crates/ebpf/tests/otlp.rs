//! OTLP logs in a datagram: what the code reads is what user space reads of the same bytes.
//!
//! `DTQ_CASES=1000000` and `DTQ_SEED=2` make another run.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

#[path = "support/otlp.rs"]
mod requests;

use dtq_ebpf::emit::SCRATCH_MAP;
use dtq_ebpf::layout::{self, Reason};
use dtq_ebpf::payload::otlp;
use dtq_ebpf::vm::Maps;
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_record::wire::append_bytes_field;
use dtq_value::Str;
use requests::{Random, reading};
use support::{Cell, DROPPED, KEPT, Said};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn what_is_read_is_what_user_space_reads() {
    let (cases, seed) = (number("DTQ_CASES", 10_000), number("DTQ_SEED", 1));
    let mut random = Random::new(seed);
    let seeds = requests::requests(&mut random);
    let plans = requests::plans(&mut random);
    let readings: Vec<_> = plans.iter().map(|paths| reading(paths)).collect();
    let mut maps: Vec<_> = readings.iter().map(|reading| Maps::new(&reading.maps)).collect();
    let mut counts = requests::Counts::default();
    for case in 0..cases as usize {
        let mut payload = seeds[case % seeds.len()].clone();
        if case >= seeds.len() {
            requests::damage(&mut payload, &mut random);
        }
        // All fields in every second case.
        let plan = if case % 2 == 0 { 0 } else { random.below(plans.len()) };
        let said = readings[plan].run(&mut maps[plan], &payload);
        if let Err(difference) = requests::compare(&plans[plan], &payload, &said, &mut counts) {
            panic!("case {case}: {difference}\n{payload:02x?}");
        }
        if case < seeds.len() {
            assert_eq!(said.result, DROPPED, "case {case}: {payload:02x?}");
        }
        if case % 8 < 2 {
            // What earlier payloads left in the scratch changes nothing, whatever it is.
            let garbage = if case % 16 < 8 { 0xFF } else { 0x0A };
            assert!(maps[plan].set(SCRATCH_MAP as usize, &[0; 4], &[garbage; layout::SIZE]));
            assert_eq!(readings[plan].run(&mut maps[plan], &payload), said, "case {case}: {payload:02x?}");
        }
    }
    println!("{counts:?}");
    assert!(counts.dropped * 2 > counts.payloads && counts.undecided * 20 < counts.fields, "{counts:?}");
}

/// Returns a message's field with a message in it.
fn field_of(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_bytes_field(&mut out, number, content);
    out
}

/// Returns a request of one record.
fn request_of(record: &[u8]) -> Vec<u8> {
    field_of(1, &field_of(2, &field_of(2, record)))
}

fn path(column: usize, key: Option<&str>) -> FieldPath {
    FieldPath { column, key: key.map(|key| Str::from(key.as_bytes())) }
}

/// Returns what is said of a payload where these fields are wanted.
fn said(paths: &[FieldPath], payload: &[u8]) -> Said {
    let reading = reading(paths);
    let said = reading.run(&mut Maps::new(&reading.maps), payload);
    requests::compare(paths, payload, &said, &mut requests::Counts::default()).unwrap();
    said
}

/// Returns what is said of one field of one record.
fn cell(path: &FieldPath, record: &[u8]) -> Result<Cell, u32> {
    let said = said(std::slice::from_ref(path), &request_of(record));
    if said.result == DROPPED { Ok(said.records[0][0].clone()) } else { Err(said.result - KEPT) }
}

fn text(text: &str) -> Result<Cell, u32> {
    Ok(Cell::Text(text.as_bytes().to_vec()))
}

const MALFORMED: Result<Cell, u32> = Err(Reason::Malformed as u32);

#[test]
fn of_a_repeated_field_or_key_the_first_counts() {
    let twice = |number: u32, first: &[u8], second: &[u8]| [field_of(number, first), field_of(number, second)].concat();
    assert_eq!(cell(&path(column::SEVERITY_TEXT, None), &twice(3, b"a", b"b")), text("a"));
    assert_eq!(cell(&path(column::EVENT_NAME, None), &twice(12, b"a", b"b")), text("a"));
    assert_eq!(cell(&path(column::SEVERITY_NUMBER, None), &[0x10, 0, 0x10, 9]), Ok(Cell::Long(0)));
    assert_eq!(cell(&path(column::TRACE_FLAGS, None), &[0x45, 1, 2, 0, 0, 0x45, 9, 0, 0, 0]), Ok(Cell::Long(1)));
    assert_eq!(cell(&path(column::BODY, None), &twice(5, b"\x0a\x01a", b"\x0a\x01b")), text("a"));
    assert_eq!(cell(&path(column::BODY, None), &twice(5, b"", b"\x0a\x01b")), Ok(Cell::Missing));
    let key = path(column::ATTRIBUTES, Some("k"));
    assert_eq!(cell(&key, &twice(6, b"\x0a\x01k\x12\x03\x0a\x01a", b"\x0a\x01k\x12\x03\x0a\x01b")), text("a"));
    assert_eq!(cell(&key, &twice(6, b"\x0a\x01k", b"\x0a\x01k\x12\x03\x0a\x01b")), Ok(Cell::Missing));
    assert_eq!(cell(&key, &twice(6, b"\x0a\x01k\x12\x00", b"\x0a\x01k\x12\x03\x0a\x01b")), Ok(Cell::Missing));
}

#[test]
fn the_time_is_the_observed_one_where_it_is_not_set() {
    let time = |number: u8, time_ns: u64| [&[number << 3 | 1][..], &time_ns.to_le_bytes()].concat();
    let ticks = |time_ns: u64| Ok(Cell::DateTime(621_355_968_000_000_000 + (time_ns / 100) as i64));
    let read = |times: &[Vec<u8>]| cell(&path(column::TIMESTAMP, None), &times.concat());
    assert_eq!(read(&[time(1, 500), time(11, 900)]), ticks(500));
    assert_eq!(read(&[time(11, 900), time(1, 500)]), ticks(500));
    assert_eq!(read(&[time(11, 900), time(1, 0)]), ticks(900));
    assert_eq!(read(&[time(1, 0), time(11, 900), time(1, 500), time(11, 700)]), ticks(900));
    assert_eq!(read(&[time(1, u64::MAX)]), ticks(u64::MAX));
    assert_eq!(read(&[time(1, 0), time(11, 0)]), Ok(Cell::Missing));
    let observed = path(column::OBSERVED_TIMESTAMP, None);
    assert_eq!(cell(&observed, &[time(1, 500), time(11, 0), time(11, 900)].concat()), Ok(Cell::Missing));
}

#[test]
fn ids_are_texts_in_hex() {
    let (trace, span) = (path(column::TRACE_ID, None), path(column::SPAN_ID, None));
    let id: Vec<u8> = vec![0x00, 0x19, 0x9A, 0xA0, 0x0F, 0xFF, 0xDE, 0xAD, 1, 2, 3, 4, 5, 6, 0x78, 0x90];
    assert_eq!(cell(&trace, &field_of(9, &id)), text("00199aa00fffdead0102030405067890"));
    assert_eq!(cell(&span, &field_of(10, &id[..8])), text("00199aa00fffdead"));
    assert_eq!(cell(&span, &[field_of(10, &[0; 8]), field_of(10, &id[..8])].concat()), Ok(Cell::Missing));
    assert_eq!(cell(&trace, &[field_of(9, b""), field_of(9, &id)].concat()), Ok(Cell::Missing));
    assert_eq!(cell(&trace, &field_of(9, &id[..8])), Ok(Cell::Undecided(Reason::Type as u32)));
    assert_eq!(cell(&trace, &field_of(10, &id[..8])), Ok(Cell::Missing));
}

#[test]
fn values_are_what_they_hold() {
    let read = |any: &[u8]| cell(&path(column::BODY, None), &field_of(5, any));
    assert_eq!(read(b"\x0a\x00"), text(""));
    assert_eq!(read(&field_of(1, &[b'x'; 300])), text(&"x".repeat(300)));
    assert_eq!(read(b"\x10\x00"), Ok(Cell::Bool(false)));
    assert_eq!(read(b"\x10\x80\x01"), Ok(Cell::Bool(true)));
    assert_eq!(read(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(Cell::Long(-1)));
    assert_eq!(read(b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), Ok(Cell::Long(i64::MIN)));
    assert_eq!(read(b"\x21\x00\x00\x00\x00\x00\x00\xf8\x3f"), Ok(Cell::Real(1.5_f64.to_bits())));
    for other in [&b"\x2a\x00"[..], b"\x32\x00", b"\x3a\x01x"] {
        assert_eq!(read(other), Ok(Cell::Undecided(Reason::Type as u32)));
    }
    // Malformed, or of a form that is left to user space.
    let odd: [&[u8]; 8] = [
        b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x18\x80",
        b"\x0a\x05abc",
        b"\x0a\x01a\x0a\x01b",
        b"\x21\x00",
        b"\x09\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x40\x01",
        b"\x00",
    ];
    odd.iter().for_each(|any| assert_eq!(read(any), MALFORMED, "{any:02x?}"));
}

#[test]
fn a_key_is_told_from_its_neighbours() {
    for key in ["k", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghi", "http.request.method"]
    {
        let wanted = path(column::ATTRIBUTES, Some(key));
        let read = |name: &[u8]| {
            let pair = [field_of(1, name), field_of(2, b"\x0a\x01v")].concat();
            cell(&wanted, &field_of(6, &pair))
        };
        assert_eq!(read(key.as_bytes()), text("v"));
        for position in 0..key.len() {
            let mut other = key.as_bytes().to_vec();
            other[position] ^= 0x20;
            assert_eq!(read(&other), Ok(Cell::Missing), "{key}, {position}");
        }
        assert_eq!(read(&key.as_bytes()[1..]), Ok(Cell::Missing));
        assert_eq!(read(format!("{key}x").as_bytes()), Ok(Cell::Missing));
    }
}

#[test]
fn odd_key_values_are_passed_over_or_keep_the_payload() {
    let wanted = path(column::ATTRIBUTES, Some("k"));
    let read = |pair: &[u8]| cell(&wanted, &[field_of(6, pair), field_of(6, b"\x0a\x01k\x12\x02\x18\x07")].concat());
    let long = [field_of(1, &[b'k'; 200]), field_of(2, b"\x0a\x01v")].concat();
    for unwanted in [&b""[..], b"\x0a\x00", b"\x12\x03\x0a\x01v", b"\x0a\x01x\xff\xff", &long] {
        assert_eq!(read(unwanted), Ok(Cell::Long(7)), "{unwanted:02x?}");
    }
    let odd: [&[u8]; 7] = [
        b"\x12\x03\x0a\x01v\x0a\x01k",
        b"\x0a\x81\x00k\x12\x03\x0a\x01v",
        b"\x0a\x01k\x12\x03\x0a\x01v\x12\x00",
        b"\x0a\x01k\x18\x01",
        b"\x0a\x05k",
        b"\x18\x01",
        b"\x08\x01",
    ];
    odd.iter().for_each(|pair| assert_eq!(read(pair), MALFORMED, "{pair:02x?}"));
}

#[test]
fn resources_and_scopes_are_those_of_their_records() {
    let paths = [path(column::RESOURCE, Some("k")), path(column::SCOPE, Some("Name"))];
    let resource = |value: &str| field_of(1, &field_of(1, &[b"\x0a\x01k\x12\x03\x0a\x01", value.as_bytes()].concat()));
    let scope = |name: &str| field_of(1, &field_of(1, name.as_bytes()));
    let record = field_of(2, b"");
    let around = |parts: &[&[u8]]| field_of(1, &parts.concat());
    let within = |parts: &[&[u8]]| field_of(2, &parts.concat());
    let named = |name: &str| Cell::Text(name.as_bytes().to_vec());
    let request = [
        around(&[&resource("a"), &within(&[&scope("x"), &record, &record]), &within(&[&record])]),
        around(&[&within(&[&scope("y"), &scope("z"), &record])]),
        around(&[&resource("b"), &resource("c"), &within(&[&record, b"\x1a\x01s"]), b"\x1a\x01s"]),
    ];
    let said_of = said(&paths, &request.concat());
    let expected = [
        vec![named("a"), named("x")],
        vec![named("a"), named("x")],
        vec![named("a"), Cell::Missing],
        vec![Cell::Missing, named("y")],
        vec![named("b"), Cell::Missing],
    ];
    assert_eq!((said_of.result, &said_of.records[..]), (DROPPED, &expected[..]));
    let late = [around(&[&within(&[&record]), &resource("a")]), around(&[&within(&[&record, &scope("x")])])];
    for request in late {
        assert_eq!(said(&paths, &request).result, KEPT + Reason::Order as u32);
        // Nobody asks for them.
        assert_eq!(said(&[path(column::BODY, None)], &request).result, DROPPED);
    }
}

#[test]
fn what_has_no_record_or_too_much_is_kept() {
    let paths = [path(column::BODY, None)];
    for empty in [field_of(1, b""), field_of(1, &field_of(1, b"")), field_of(1, &field_of(2, b""))] {
        assert_eq!(said(&paths, &empty).result, KEPT);
    }
    assert_eq!(said(&paths, &request_of(b"")).result, DROPPED);
    let many = field_of(1, &field_of(2, &field_of(2, b"").repeat(1_500)));
    assert_eq!(said(&paths, &many).result, KEPT + Reason::Budget as u32);
    let traces = request_of(&field_of(1, &[7; 16]));
    assert_eq!(said(&paths, &traces).result, KEPT + Reason::Malformed as u32);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let refused = [
        (column::ATTRIBUTES, None),
        (column::RESOURCE, None),
        (column::SCOPE, None),
        (column::SCOPE, Some("Attributes")),
        (column::ATTRIBUTES, Some("")),
        (column::TRACE_ID, Some("k")),
        (column::BODY, Some("k")),
        (99, None),
    ];
    for (column, key) in refused {
        assert!(otlp::supports(&path(column, key)).is_err(), "{column}, {key:?}");
    }
    assert!(otlp::supports(&path(column::ATTRIBUTES, Some(&"k".repeat(121)))).is_err());
    requests::paths().iter().for_each(|path| otlp::supports(path).unwrap());
}
