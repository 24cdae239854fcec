//! OTLP logs in a datagram, read in the kernel: it loads, gives what the interpreter gives, and what it costs.
#![allow(clippy::unwrap_used)]

#[path = "../../../ebpf/tests/support/otlp.rs"]
mod requests;

use crate::support::{self, DROPPED, Said};
use crate::{ETHERNET_SIZE, load, may_load, number};
use dtq_ebpf::asm::Label;
use dtq_ebpf::emit::Emitter;
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::layout::{State, field};
use dtq_ebpf::payload::{Wanted, otlp};
use dtq_ebpf::vm::Maps;
use dtq_ebpf::{Insn, MapDef};
use dtq_kernel::{Map, Program};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_value::Str;
use requests::{Random, reading};

/// Bytes of a payload in a test run: the packet has one page with what the kernel puts around it.
const PACKET_SIZE_MAX: usize = 3_400;

fn loaded(program: &[Insn], maps: &[MapDef]) -> (Program, Vec<Map>) {
    let maps: Vec<Map> = maps.iter().map(|def| Map::create(def).unwrap()).collect();
    (load(program, &maps), maps)
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&[0; ETHERNET_SIZE][..], payload].concat()
}

#[test]
fn requests_are_read_as_by_the_interpreter() {
    if !may_load("requests_are_read_as_by_the_interpreter") {
        return;
    }
    let (cases, seed) = (number("DTQ_CASES", 5_000), number("DTQ_SEED", 1));
    let mut random = Random::new(seed);
    let seeds = requests::requests(&mut random);
    let plans = requests::plans(&mut random);
    let readings: Vec<_> = plans.iter().map(|paths| reading(paths)).collect();
    let programs: Vec<_> = readings.iter().map(|reading| loaded(&reading.program, &reading.maps)).collect();
    let mut own: Vec<_> = readings.iter().map(|reading| Maps::new(&reading.maps)).collect();
    let mut dropped = 0;
    for case in 0..cases as usize {
        let mut payload = seeds[case % seeds.len()].clone();
        if case >= seeds.len() {
            requests::damage(&mut payload, &mut random);
        }
        if payload.is_empty() || payload.len() > PACKET_SIZE_MAX {
            continue;
        }
        let plan = random.below(plans.len());
        let (reading, (program, maps)) = (&readings[plan], &programs[plan]);
        let expected = reading.run(&mut own[plan], &payload);
        let result = program.test_run(&framed(&payload), 1).unwrap().result;
        let trace = maps[reading.trace].get(&0u32.to_le_bytes()).unwrap().unwrap();
        let judged = expected.records.len() * reading.record_size();
        let found: Said = reading.said(result, judged, &trace[0], &payload);
        assert_eq!(found, expected, "case {case}: {payload:02x?}");
        dropped += usize::from(result == DROPPED);
    }
    println!("{cases} payloads, {dropped} read to the end: the kernel reads what the interpreter reads");
}

/// Writes the judge that drops a record where a field is this text.
fn drop_if_is(e: &mut Emitter, next: Label, text: &[u8]) {
    let kept = e.kept();
    e.load_state(Reg::R1, field(0));
    e.asm.branch(Cond::Ne, Reg::R1, State::Text as i32, kept);
    e.load_text(Reg::R1, Reg::R2, field(0));
    e.asm.branch(Cond::Ne, Reg::R2, text.len() as i32, kept);
    e.address(Reg::R1, Reg::R1);
    for (index, chunk) in text.as_chunks::<8>().0.iter().enumerate() {
        e.asm.load(Size::Double, Reg::R2, Reg::R1, index as i16 * 8);
        e.asm.mov_imm(Reg::R3, u64::from_le_bytes(*chunk));
        e.asm.branch(Cond::Ne, Reg::R2, Reg::R3, kept);
    }
    e.asm.jump(next);
}

/// Returns the times of a run of each program in nanoseconds, the means over the requests of the least of several; the
/// programs take turns, since others use the machine too.
fn costs_ns(programs: [&Program; 2], requests: &[Vec<u8>]) -> [u32; 2] {
    let mut sums = [0; 2];
    for request in requests {
        let mut least = [u32::MAX; 2];
        for _ in 0..10 {
            for (program, least) in programs.iter().zip(&mut least) {
                *least = program.test_run(request, 2_000).unwrap().duration_ns.min(*least);
            }
        }
        sums.iter_mut().zip(least).for_each(|(sum, least)| *sum += least);
    }
    sums.map(|sum| sum / requests.len() as u32)
}

#[test]
fn what_reading_costs() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("what_reading_costs") {
        return;
    }
    let path = FieldPath { column: column::ATTRIBUTES, key: Some(Str::from(&b"EventName"[..])) };
    let wanted = [Wanted { path, field: field(0) }];
    let mut judge = |e: &mut Emitter, next: Label| drop_if_is(e, next, b"LogWelcomeBanner");
    let (program, defs) = support::filter(|e, dropped| otlp::emit(e, &wanted, &mut judge, dropped));
    let (filter, _maps) = loaded(&program, &defs);
    let (program, defs) = support::filter(|_, _| Ok(()));
    let (only, _only_maps) = loaded(&program, &defs);
    let mut random = Random::new(1);
    for count in [1, 5, 12] {
        let requests: Vec<_> = (0..20).map(|_| framed(&requests::reference(count, &mut random))).collect();
        requests.iter().for_each(|request| assert_eq!(filter.test_run(request, 1).unwrap().result, DROPPED));
        let [cost, load] = costs_ns([&filter, &only], &requests);
        let size = requests[0].len() - ETHERNET_SIZE;
        println!("{count} records, {size} bytes: {cost} ns, {load} ns to load it only");
    }
}
