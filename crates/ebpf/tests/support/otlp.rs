//! Requests of OTLP logs, as encoders write them and damaged, and what user space reads of them.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used)]

use crate::support::{Cell, DROPPED, KEPT, Reading, Said};
use dtq_ebpf::layout::field;
use dtq_ebpf::payload::{Wanted, otlp};
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, SlotPlan};
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::logs::{LogView, column};
use dtq_record::slot::{Buffers, Slot, Tag};
use dtq_record::tables::Base;
use dtq_record::wire::{
    Fields, append_bytes_field, append_fixed32_field, append_fixed64_field, append_message_field, append_varint_field,
    read_varint,
};
use dtq_value::Str;
use std::path::PathBuf;

/// Gives the numbers of a xorshift generator (Marsaglia 2003).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound.max(1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Keys that occur, some of one size and some that begin with another.
const KEYS: [&str; 12] = [
    "EventName",
    "k",
    "kk",
    "http.status_code",
    "http.request.method",
    "service.name",
    "host.name",
    "n",
    "abc",
    "abd",
    "service.namf",
    "eventname",
];

/// Returns the fields that tests read.
pub fn paths() -> Vec<FieldPath> {
    let path = |column, key: Option<&str>| FieldPath { column, key: key.map(|key| Str::from(key.as_bytes())) };
    let columns = [
        column::TIMESTAMP,
        column::OBSERVED_TIMESTAMP,
        column::SEVERITY_NUMBER,
        column::SEVERITY_TEXT,
        column::EVENT_NAME,
        column::TRACE_FLAGS,
        column::TRACE_ID,
        column::SPAN_ID,
        column::BODY,
    ];
    let mut paths: Vec<FieldPath> = columns.into_iter().map(|column| path(column, None)).collect();
    for key in ["EventName", "k", "kk", "http.status_code", "http.request.method", "abc", "abd", "n"] {
        paths.push(path(column::ATTRIBUTES, Some(key)));
    }
    for key in ["service.name", "service.namf", "k", "host.name"] {
        paths.push(path(column::RESOURCE, Some(key)));
    }
    for key in ["Name", "Version", "Other"] {
        paths.push(path(column::SCOPE, Some(key)));
    }
    // Twice.
    paths.push(path(column::ATTRIBUTES, Some("EventName")));
    paths.push(path(column::SEVERITY_NUMBER, None));
    paths
}

/// Returns sets of these fields: all, none, and some.
pub fn plans(random: &mut Random) -> Vec<Vec<FieldPath>> {
    let mut plans = vec![paths(), Vec::new()];
    for _ in 0..10 {
        let share = 1 + random.below(8);
        plans.push(paths().into_iter().filter(|_| random.below(share) == 0).collect());
    }
    plans
}

/// Returns the program that reads fields.
pub fn reading(paths: &[FieldPath]) -> Reading {
    let wanted: Vec<Wanted> =
        paths.iter().enumerate().map(|(index, path)| Wanted { path: path.clone(), field: field(index) }).collect();
    Reading::new(paths.len(), |e, judge, dropped| otlp::emit(e, &wanted, judge, dropped))
}

/// Returns requests that encoders write: recorded ones, and made ones.
pub fn requests(random: &mut Random) -> Vec<Vec<u8>> {
    let mut requests = recorded();
    requests.extend((0..300).map(|_| request(random)));
    requests.retain(|request| request.len() <= 4096);
    requests
}

/// Returns the recorded requests, whole and resource by resource.
fn recorded() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/telemetry");
    let bytes = std::fs::read(folder.join("logs.otlp")).unwrap();
    let mut requests = Vec::new();
    let mut rest = &bytes[..];
    while let Some((size, head)) = read_varint(rest) {
        let (request, after) = rest[head..].split_at(size as usize);
        requests.push(request.to_vec());
        requests.extend(Fields::new(request).map(|field| {
            let field = field.unwrap();
            request[field.offset..field.end].to_vec()
        }));
        rest = after;
    }
    requests
}

/// Returns a request with at least one record.
pub fn request(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for index in 0..=random.below(3) {
        append_message_field(&mut out, 1, |out| resource_logs(out, random, index == 0));
    }
    out
}

fn resource_logs(out: &mut Vec<u8>, random: &mut Random, is_full: bool) {
    if random.below(4) > 0 {
        append_message_field(out, 1, |out| {
            for _ in 0..random.below(4) {
                append_message_field(out, 1, |out| key_value(out, random));
            }
            if random.below(3) == 0 {
                append_varint_field(out, 2, random.next() >> random.below(64));
            }
        });
    }
    for index in 0..random.below(3) + usize::from(is_full) {
        append_message_field(out, 2, |out| scope_logs(out, random, is_full && index == 0));
    }
    if random.below(3) == 0 {
        append_bytes_field(out, 3, b"https://opentelemetry.io/schemas/1.26.0");
    }
}

fn scope_logs(out: &mut Vec<u8>, random: &mut Random, is_full: bool) {
    if random.below(4) > 0 {
        append_message_field(out, 1, |out| {
            text(out, 1, random, 20);
            text(out, 2, random, 5);
            if random.below(4) == 0 {
                append_message_field(out, 3, |out| key_value(out, random));
            }
        });
    }
    for _ in 0..random.below(4) + usize::from(is_full) {
        append_message_field(out, 2, |out| record(out, random));
    }
    if random.below(3) == 0 {
        append_bytes_field(out, 3, b"https://opentelemetry.io/schemas/1.26.0");
    }
}

/// Appends a record in the order of one encoder or another, or in none.
fn record(out: &mut Vec<u8>, random: &mut Random) {
    let mut numbers: Vec<u32> = match random.below(3) {
        0 => vec![1, 11, 2, 3, 5, 6, 7, 8, 9, 10, 12],
        1 => vec![1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12],
        _ => (0..random.below(14)).map(|_| 1 + random.below(16) as u32).collect(),
    };
    numbers.retain(|_| random.below(5) > 0);
    for number in numbers {
        match number {
            1 | 11 => {
                let time = random.pick(&[0, 1, 99, 100, 1_760_000_000_123_456_789, u64::MAX]);
                append_fixed64_field(out, number, time);
            }
            2 => append_varint_field(out, 2, random.below(25) as u64),
            3 | 12 => text(out, number, random, 12),
            5 => append_message_field(out, 5, |out| any(out, random)),
            6 => {
                for _ in 0..random.below(7) {
                    append_message_field(out, 6, |out| key_value(out, random));
                }
            }
            7 => append_varint_field(out, 7, random.next() >> random.below(64)),
            8 => append_fixed32_field(out, 8, random.next() as u32),
            9 | 10 => id(out, number, random),
            13 => append_varint_field(out, 13 + random.below(2_000) as u32, random.next() >> random.below(64)),
            14 => append_fixed64_field(out, 13 + random.below(2_000) as u32, random.next()),
            15 => text(out, 13 + random.below(2_000) as u32, random, 300),
            _ => append_fixed32_field(out, 13 + random.below(2_000) as u32, random.next() as u32),
        }
    }
}

/// Appends an id of a trace or a span, a few of them not set or of another size.
fn id(out: &mut Vec<u8>, number: u32, random: &mut Random) {
    let bytes: Vec<u8> = (0..16).map(|_| random.next() as u8).collect();
    let size = if number == 9 { 16 } else { 8 };
    match random.below(12) {
        0 => append_bytes_field(out, number, &[0; 16][..size]),
        1 => append_bytes_field(out, number, &bytes[..random.below(16)]),
        2 => append_bytes_field(out, number, b""),
        _ => append_bytes_field(out, number, &bytes[..size]),
    }
}

fn text(out: &mut Vec<u8>, number: u32, random: &mut Random, size_max: usize) {
    let text: Vec<u8> = (0..random.below(size_max)).map(|_| random.pick(b"abcKL \xc3\xa9\xff\x00")).collect();
    append_bytes_field(out, number, &text);
}

fn key_value(out: &mut Vec<u8>, random: &mut Random) {
    if random.below(30) == 0 {
        return;
    }
    match random.below(30) {
        0 => {}
        1 => append_bytes_field(out, 1, &[b'k'; 130]),
        _ => append_bytes_field(out, 1, random.pick(&KEYS).as_bytes()),
    }
    if random.below(20) > 0 {
        append_message_field(out, 2, |out| any(out, random));
    }
}

fn any(out: &mut Vec<u8>, random: &mut Random) {
    match random.below(16) {
        0 => {}
        1 => append_varint_field(out, 2, random.below(2) as u64),
        2..5 => append_varint_field(out, 3, random.next() >> random.below(64)),
        5 => append_fixed64_field(out, 4, random.next()),
        6 => append_message_field(out, 5, |out| append_message_field(out, 1, |out| append_varint_field(out, 3, 7))),
        7 => append_message_field(out, 6, |out| append_message_field(out, 1, |out| append_bytes_field(out, 1, b"k"))),
        8 => append_bytes_field(out, 7, &[1, 2, 3]),
        9 => text(out, 1, random, 400),
        _ => text(out, 1, random, 30),
    }
}

/// Damages a request: its bytes, and fields of its messages.
pub fn damage(request: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) / 4 {
        if request.is_empty() {
            request.push(0x0A);
        }
        let at = random.below(request.len());
        match random.below(14) {
            0 => request[at] ^= 1 << random.below(8),
            1 => request[at] = random.next() as u8,
            2 => request.insert(at, random.next() as u8),
            3 => drop(request.remove(at)),
            4 if random.below(3) == 0 => request.truncate(at.max(1)),
            5 => {
                let end = (at + random.below(40)).min(request.len());
                let piece = request[at..end].to_vec();
                let to = random.below(request.len());
                request.splice(to..to, piece);
            }
            _ => rearrange(request, random, 0),
        }
    }
    request.truncate(4096);
}

/// Repeats, removes or moves a field of a message somewhere inside, with the lengths around it right, or pads its length.
fn rearrange(message: &mut Vec<u8>, random: &mut Random, depth: usize) {
    let fields: Vec<(u32, usize, usize, usize)> = Fields::new(message)
        .map_while(Result::ok)
        .map(|field| (field.number, field.offset, field.end, field.bytes().map_or(0, <[u8]>::len)))
        .collect();
    if fields.is_empty() {
        return;
    }
    let (number, start, end, size) = random.pick(&fields);
    if size > 0 && depth < 6 && random.below(6) > 0 {
        let mut inner = message[end - size..end].to_vec();
        rearrange(&mut inner, random, depth + 1);
        let mut replaced = Vec::new();
        append_bytes_field(&mut replaced, number, &inner);
        message.splice(start..end, replaced);
        return;
    }
    let piece = message[start..end].to_vec();
    match random.below(6) {
        0 => drop(message.drain(start..end)),
        1 => drop(message.splice(end..end, piece)),
        2 => {
            message.drain(start..end);
            message.extend(piece);
        }
        3 => {
            message.drain(start..end);
            message.splice(0..0, piece);
        }
        4 if size > 0 && size < 128 => {
            let length = end - size - 1;
            message.splice(length..=length, [size as u8 | 0x80, 0]);
        }
        _ => {
            let mut field = Vec::new();
            let number = 1 + random.below(14) as u32;
            match random.below(5) {
                0 => append_varint_field(&mut field, number, random.next() >> random.below(64)),
                1 => append_fixed64_field(&mut field, number, random.next()),
                2 => append_bytes_field(&mut field, number, b"\x0a\x01k"),
                3 => append_fixed32_field(&mut field, number, 5),
                _ => field.extend([(number as u8) << 3 | 3, (number as u8) << 3 | 4]),
            }
            message.splice(end..end, field);
        }
    }
}

/// Counts what was decided.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub payloads: usize,
    pub dropped: usize,
    /// Kept, by reason.
    pub kept: [usize; 16],
    /// Kept, although user space could read it.
    pub kept_readable: usize,
    pub fields: usize,
    pub undecided: usize,
}

/// Compares what a program said with what user space reads.
///
/// # Errors
/// What differs.
pub fn compare(paths: &[FieldPath], payload: &[u8], said: &Said, counts: &mut Counts) -> Result<(), String> {
    counts.payloads += 1;
    let read = read(paths, payload);
    if said.result != DROPPED {
        counts.kept[(said.result - KEPT) as usize] += 1;
        counts.kept_readable += usize::from(read.as_ref().is_ok_and(|records| !records.is_empty()));
        return match &read {
            Ok(records) if said.result == KEPT && !records.is_empty() => Err("kept without a reason".to_owned()),
            _ => Ok(()),
        };
    }
    counts.dropped += 1;
    let records = read.map_err(|error| format!("dropped, and user space cannot read it: {error}"))?;
    if records.len() != said.records.len() || records.is_empty() {
        return Err(format!("{} records of {}", said.records.len(), records.len()));
    }
    let mut index = RequestIndex::default();
    let _ = index.read(Signal::Logs, payload);
    let sizes: Vec<u64> =
        index.records().iter().map(|record| u64::from(record.place.end - record.place.start)).collect();
    if sizes != said.sizes {
        return Err(format!("records of the sizes {:?} and not {sizes:?}", said.sizes));
    }
    for (index, (record, found)) in records.iter().zip(&said.records).enumerate() {
        for (path, (expected, found)) in paths.iter().zip(record.iter().zip(found)) {
            counts.fields += 1;
            if let Cell::Undecided(_) = found {
                counts.undecided += 1;
            } else if expected.as_ref() != Some(if is_none(path, found) { &Cell::Missing } else { found }) {
                return Err(format!("record {index}, {path:?}: {found:?} and not {expected:?}"));
            }
        }
    }
    Ok(())
}

/// Says whether a field is an empty text in a column of texts, which is as good as none.
fn is_none(path: &FieldPath, cell: &Cell) -> bool {
    let is_text = matches!(
        path.column,
        column::SEVERITY_TEXT | column::EVENT_NAME | column::SCOPE | column::TRACE_ID | column::SPAN_ID
    );
    is_text && matches!(cell, Cell::Text(text) if text.is_empty())
}

/// Returns the fields of each record as user space reads them; `None` for what no cell holds.
fn read(paths: &[FieldPath], payload: &[u8]) -> Result<Vec<Vec<Option<Cell>>>, String> {
    let plan = SlotPlan::new(Base::Logs, paths).unwrap();
    let mut index = RequestIndex::default();
    index.read(Signal::Logs, payload).map_err(|error| format!("{error:?}"))?;
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    let mut records = Vec::new();
    for entry in index.records() {
        let scope_entry = &index.scopes()[entry.parent as usize];
        let resource_entry = &index.resources()[scope_entry.resource as usize];
        let content = |place: Option<dtq_record::otlp::index::MessagePlace>| {
            place.map_or(&[][..], |place| place.content(payload))
        };
        let (resource, scope) = (content(resource_entry.resource), content(scope_entry.scope));
        let record = entry.place.content(payload);
        let filled = plan
            .fill_resource(resource, &mut slots)
            .and_then(|()| plan.fill_scope(scope, &mut slots))
            .and_then(|()| plan.fill_record(record, &mut slots))
            // Rows are read with all fields of the record itself.
            .and_then(|()| LogView::parse(record, 0).map(drop));
        filled.map_err(|error| format!("{error:?}"))?;
        let buffers = Buffers { record, resource, scope, ..Buffers::default() };
        records.push((0..paths.len()).map(|at| cell(&paths[at], &slots[at], &buffers)).collect());
    }
    Ok(records)
}

/// Returns the cell that a slot is; `None` for one that no cell holds.
fn cell(path: &FieldPath, slot: &Slot, buffers: &Buffers<'_>) -> Option<Cell> {
    let cell = match slot.tag() {
        Tag::Missing => Cell::Missing,
        Tag::Bool => Cell::Bool(slot.as_i64()? != 0),
        Tag::Int | Tag::Long => Cell::Long(slot.as_i64()?),
        Tag::Real => Cell::Real(slot.as_f64()?.to_bits()),
        Tag::DateTime => Cell::DateTime(slot.as_i64()?),
        Tag::String => Cell::Text(slot.as_text(buffers)?.to_vec()),
        Tag::Id => {
            Cell::Text(slot.as_bytes(buffers)?.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect())
        }
        _ => return None,
    };
    Some(if is_none(path, &cell) { Cell::Missing } else { cell })
}

/// Returns a request of so many records of some 200 bytes, all with the name `LogWelcomeBanner`, among attributes in the
/// order of the seed.
pub fn reference(count: usize, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, number: u32, key: &str, value: &str| {
        append_message_field(out, number, |out| {
            append_bytes_field(out, 1, key.as_bytes());
            append_message_field(out, 2, |out| append_bytes_field(out, 1, value.as_bytes()));
        });
    };
    append_message_field(&mut out, 1, |out| {
        append_message_field(out, 1, |out| text(out, 1, "service.name", "checkout"));
        append_message_field(out, 2, |out| {
            append_message_field(out, 1, |out| append_bytes_field(out, 1, b"shop.logging"));
            for _ in 0..count {
                let mut attributes = [
                    ("http.route", "/api/v1/items"),
                    ("user.id", "u-00c0ffee"),
                    ("thread.name", "worker-7"),
                    ("EventName", "LogWelcomeBanner"),
                ];
                for index in 0..attributes.len() {
                    attributes.swap(index, random.below(4));
                }
                append_message_field(out, 2, |out| {
                    append_fixed64_field(out, 1, 1_760_000_000_123_456_789);
                    append_fixed64_field(out, 11, 1_760_000_000_123_457_789);
                    append_varint_field(out, 2, 9);
                    append_bytes_field(out, 3, b"INFO");
                    append_message_field(out, 5, |out| {
                        append_bytes_field(out, 1, b"welcome to the shop, have a look around");
                    });
                    for (key, value) in attributes {
                        text(out, 6, key, value);
                    }
                    append_fixed32_field(out, 8, 1);
                    append_bytes_field(out, 9, &[7; 16]);
                    append_bytes_field(out, 10, &[7; 8]);
                });
            }
        });
    });
    out
}
