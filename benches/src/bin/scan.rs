//! What it costs to bring the fields of a record into slots: native code, the filler, and code written by hand.
//!
//! All in one run, thread CPU time, the least of several repetitions. `cache` goes over one request again and again,
//! `stream` over all of them.

use cpu_time::ThreadTime;
use dtq_jit::{Filled, Guard, GuardTest, RecordScan, Target};
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, Level, SlotPlan};
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::logs::column;
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use dtq_workload::{records, requests};
use std::hint::black_box;

const REPETITIONS: usize = 9;
const BANNER: &[u8] = b"LogWelcomeBanner";

fn main() -> Result<(), String> {
    let requests = match std::env::args().nth(1) {
        Some(path) => requests::read(&path)?,
        None => requests::encode(&records::make(100_000)),
    };
    let all = places(&requests, requests.len());
    let one = places(&requests, 1);
    for (name, records, rounds) in [("cache", &one, 200), ("stream", &all, 1)] {
        println!("{name}: {} records", records.len());
        f2(records, rounds)?;
        f3(records, rounds)?;
    }
    Ok(())
}

fn places(requests: &[Vec<u8>], count: usize) -> Vec<&[u8]> {
    let mut index = RequestIndex::default();
    let mut places = Vec::new();
    for request in requests.iter().take(count) {
        index.read(Signal::Logs, request).expect("requests are well-formed");
        places.extend(index.records().iter().map(|record| record.place.content(request)));
    }
    places
}

/// Prints nanoseconds a record, and returns how many were kept.
fn measure(name: &str, records: &[&[u8]], rounds: usize, mut keep: impl FnMut(&[u8]) -> bool) -> usize {
    let mut least = f64::INFINITY;
    let mut kept = 0;
    for _ in 0..REPETITIONS {
        let start = ThreadTime::now();
        kept = 0;
        for _ in 0..rounds {
            for record in records {
                kept += usize::from(keep(black_box(record)));
            }
        }
        least = least.min(start.elapsed().as_nanos() as f64 / (records.len() * rounds) as f64);
    }
    println!("  {name:40} {least:8.1} ns a record");
    kept
}

fn plan(paths: &[(usize, Option<&str>)]) -> SlotPlan {
    let paths: Vec<FieldPath> =
        paths.iter().map(|(column, key)| FieldPath { column: *column, key: key.map(dtq_value::Str::from) }).collect();
    SlotPlan::new(Base::Logs, &paths).expect("these are columns of logs")
}

fn compile(plan: &SlotPlan, guards: &[Guard]) -> Result<RecordScan, String> {
    let target = Target::host().map_err(|error| error.to_string())?;
    let pass = plan.pass(Level::Record, None).expect("logs have records");
    let start = ThreadTime::now();
    let scan = RecordScan::compile(&target, pass, plan.slot_count(), guards).map_err(|error| error.to_string())?;
    println!("  compiled in {} us, {} bytes", start.elapsed().as_micros(), scan.code_size());
    Ok(scan)
}

fn is_text(slot: &Slot, record: &[u8], text: &[u8]) -> bool {
    slot.as_text(&Buffers { record, ..Buffers::default() }) == Some(text)
}

fn f2(records: &[&[u8]], rounds: usize) -> Result<(), String> {
    let plan = plan(&[(column::ATTRIBUTES, Some("EventName"))]);
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    let hand = measure("F2 by hand", records, rounds, |record| hand::keep_f2(record).unwrap_or(true));
    let filler = measure("F2 filler", records, rounds, |record| {
        plan.fill_record(record, &mut slots).expect("records are well-formed");
        !is_text(&slots[0], record, BANNER)
    });
    let scan = compile(&plan, &[])?;
    let native = measure("F2 native", records, rounds, |record| {
        assert_eq!(scan.fill(record, &mut slots, u64::MAX), Filled::Done);
        !is_text(&slots[0], record, BANNER)
    });
    let guarded = compile(&plan, &[Guard { slot: 0, test: GuardTest::TextDiffers(Box::from(BANNER)) }])?;
    let settled = measure("F2 native, guarded", records, rounds, |record| {
        guarded.fill(record, &mut slots, u64::MAX) == Filled::Done
    });
    assert_eq!([filler, native, settled], [hand; 3]);
    Ok(())
}

fn f3(records: &[&[u8]], rounds: usize) -> Result<(), String> {
    let columns = [(column::SEVERITY_NUMBER, None), (column::BODY, None), (column::ATTRIBUTES, Some("http.status_code"))];
    let plan = plan(&columns);
    let finder = memchr::memmem::Finder::new("timeout");
    let mut slots = vec![Slot::MISSING; plan.slot_count()];
    let decide = |slots: &[Slot], record: &[u8], is_checkout: bool| {
        slots[0].as_i64().is_some_and(|number| number >= 9)
            && (is_checkout || slots[2].as_i64().is_some_and(|number| number >= 500))
            && slots[1].as_text(&Buffers { record, ..Buffers::default() }).is_some_and(|text| finder.find(text).is_some())
    };
    let scan = compile(&plan, &[])?;
    let guards = [
        Guard { slot: 0, test: GuardTest::IntAtLeast(9) },
        Guard { slot: 2, test: GuardTest::IntAtLeast(500) },
    ];
    let guarded = compile(&plan, &guards)?;
    for is_checkout in [false, true] {
        let status = scan.layout().bits(2);
        let wanted = if is_checkout { scan.layout().all() & !status } else { scan.layout().all() };
        let end = if is_checkout { ", checkout" } else { "" };
        let hand = measure(&format!("F3 by hand{end}"), records, rounds, |record| {
            hand::keep_f3(record, is_checkout, &finder).unwrap_or(false)
        });
        let filler = measure(&format!("F3 filler{end}"), records, rounds, |record| {
            plan.fill_record(record, &mut slots).expect("records are well-formed");
            decide(&slots, record, is_checkout)
        });
        let native = measure(&format!("F3 native{end}"), records, rounds, |record| {
            assert_eq!(scan.fill(record, &mut slots, wanted), Filled::Done);
            decide(&slots, record, is_checkout)
        });
        let settled = measure(&format!("F3 native, guarded{end}"), records, rounds, |record| {
            guarded.fill(record, &mut slots, wanted) == Filled::Done && decide(&slots, record, is_checkout)
        });
        assert_eq!([filler, native, settled], [hand; 3]);
    }
    Ok(())
}

/// The same by hand: one loop over the fields, nothing looked at that the question does not need.
mod hand {
    use memchr::memmem::Finder;

    /// Says that a record is cut or malformed.
    pub struct Malformed;

    type Read<T> = Result<T, Malformed>;

    #[inline(always)]
    fn varint(bytes: &[u8], at: &mut usize) -> Read<u64> {
        let first = *bytes.get(*at).ok_or(Malformed)?;
        *at += 1;
        if first < 0x80 { Ok(u64::from(first)) } else { long_varint(bytes, at, first) }
    }

    #[inline(always)]
    fn long_varint(bytes: &[u8], at: &mut usize, first: u8) -> Read<u64> {
        let mut number = u64::from(first & 0x7F);
        for shift in (7..64).step_by(7) {
            let byte = *bytes.get(*at).ok_or(Malformed)?;
            *at += 1;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    #[inline(always)]
    fn skip(bytes: &[u8], at: &mut usize, wire_type: u64) -> Read<()> {
        match wire_type {
            0 => drop(varint(bytes, at)?),
            1 => *at += 8,
            2 => {
                let size = varint(bytes, at)? as usize;
                *at = at.checked_add(size).ok_or(Malformed)?;
            }
            5 => *at += 4,
            _ => return Err(Malformed),
        }
        if *at > bytes.len() { Err(Malformed) } else { Ok(()) }
    }

    #[inline(always)]
    fn content<'a>(bytes: &'a [u8], at: &mut usize) -> Read<&'a [u8]> {
        let size = varint(bytes, at)? as usize;
        let end = at.checked_add(size).ok_or(Malformed)?;
        let content = bytes.get(*at..end).ok_or(Malformed)?;
        *at = end;
        Ok(content)
    }

    #[inline(always)]
    fn key_value(bytes: &[u8]) -> Read<(&[u8], &[u8])> {
        let (mut at, mut key, mut value): (usize, &[u8], &[u8]) = (0, &[], &[]);
        while at < bytes.len() {
            match varint(bytes, &mut at)? {
                0x0A => key = content(bytes, &mut at)?,
                0x12 => value = content(bytes, &mut at)?,
                tag => skip(bytes, &mut at, tag & 7)?,
            }
        }
        Ok((key, value))
    }

    #[inline(always)]
    fn text(any: &[u8]) -> Read<Option<&[u8]>> {
        let (mut at, mut text) = (0, None);
        while at < any.len() {
            match varint(any, &mut at)? {
                0x0A => text = Some(content(any, &mut at)?),
                tag => skip(any, &mut at, tag & 7)?,
            }
        }
        Ok(text)
    }

    #[inline(always)]
    fn int(any: &[u8]) -> Read<Option<i64>> {
        let (mut at, mut number) = (0, None);
        while at < any.len() {
            match varint(any, &mut at)? {
                0x18 => number = Some(varint(any, &mut at)? as i64),
                tag => skip(any, &mut at, tag & 7)?,
            }
        }
        Ok(number)
    }

    #[inline(always)]
    pub fn keep_f2(record: &[u8]) -> Read<bool> {
        let mut at = 0;
        while at < record.len() {
            let tag = varint(record, &mut at)?;
            if tag != 0x32 {
                skip(record, &mut at, tag & 7)?;
                continue;
            }
            let (key, value) = key_value(content(record, &mut at)?)?;
            if key == b"EventName" {
                return Ok(text(value)? != Some(b"LogWelcomeBanner"));
            }
        }
        Ok(true)
    }

    #[inline(always)]
    pub fn keep_f3(record: &[u8], is_checkout: bool, finder: &Finder<'_>) -> Read<bool> {
        let (mut at, mut severity, mut is_right) = (0, 0, is_checkout);
        let mut body: &[u8] = &[];
        while at < record.len() {
            match varint(record, &mut at)? {
                0x10 => {
                    severity = varint(record, &mut at)?;
                    if severity < 9 {
                        return Ok(false);
                    }
                }
                0x2A => {
                    body = content(record, &mut at)?;
                    if is_checkout {
                        break;
                    }
                }
                0x32 => {
                    let (key, value) = key_value(content(record, &mut at)?)?;
                    if key == b"http.status_code" {
                        is_right = int(value)?.is_some_and(|number| number >= 500);
                        break;
                    }
                }
                tag => skip(record, &mut at, tag & 7)?,
            }
        }
        if severity < 9 || !is_right {
            return Ok(false);
        }
        Ok(text(body)?.is_some_and(|text| finder.find(text).is_some()))
    }
}
