//! OTLP logs in a datagram, read in the kernel: it loads, gives what the interpreter gives, and what it costs.

#[path = "../../../ebpf/tests/support/otlp.rs"]
mod requests;

use crate::support::{self, DROPPED, Said};
use crate::{ETHERNET_SIZE, load, may_load, number};
use dtq_ebpf::asm::Label;
use dtq_ebpf::emit::Emitter;
use dtq_ebpf::insn::{Alu, Cond, Reg, Size};
use dtq_ebpf::layout::{FIELD_SIZE, State, field};
use dtq_ebpf::payload::{Wanted, otlp};
use dtq_ebpf::vm::Maps;
use dtq_ebpf::{Insn, MapDef};
use dtq_kernel::{Map, Program};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_value::Str;
use requests::{Random, paths, reading};

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
    let paths = paths();
    let reading = reading(&paths);
    let (program, maps) = loaded(&reading.program, &reading.maps);
    let mut own = Maps::new(&reading.maps);
    let mut dropped = 0;
    for case in 0..cases as usize {
        let mut payload = seeds[case % seeds.len()].clone();
        if case >= seeds.len() {
            requests::damage(&mut payload, &mut random);
        }
        if payload.is_empty() || payload.len() > PACKET_SIZE_MAX {
            continue;
        }
        let expected = reading.run(&mut own, &payload);
        let result = program.test_run(&framed(&payload), 1).unwrap().result;
        let trace = maps[reading.trace].get(&0u32.to_le_bytes()).unwrap().unwrap();
        let judged = expected.records.len() * paths.len() * FIELD_SIZE as usize;
        let found: Said = reading.said(result, judged, &trace[0], &payload);
        assert_eq!(found, expected, "case {case}: {payload:02x?}");
        dropped += usize::from(result == DROPPED);
    }
    println!("{cases} payloads, {dropped} read to the end: the kernel reads what the interpreter reads");
}

/// Writes the judge of `Attributes["EventName"] == "x"`, which drops when `is_equal` is what it finds.
fn name_is(e: &mut Emitter, next: Label, name: &[u8]) {
    let cell = field(0);
    let kept = e.kept();
    e.load_state(Reg::R1, cell);
    e.asm.branch(Cond::Ne, Reg::R1, State::Text as i32, kept);
    e.load_text(Reg::R1, Reg::R2, cell);
    e.asm.branch(Cond::Ne, Reg::R2, name.len() as i32, kept);
    e.address(Reg::R1, Reg::R1);
    for (index, chunk) in name.chunks(8).enumerate() {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        e.asm.load(Size::Double, Reg::R2, Reg::R1, index as i16 * 8);
        e.asm.mov_imm(Reg::R3, u64::from_le_bytes(bytes));
        if chunk.len() < 8 {
            e.asm.alu(Alu::Lsh, Reg::R2, 64 - 8 * chunk.len() as i32);
            e.asm.alu(Alu::Lsh, Reg::R3, 64 - 8 * chunk.len() as i32);
        }
        e.asm.branch(Cond::Ne, Reg::R2, Reg::R3, kept);
    }
    e.asm.jump(next);
}

/// Returns the least time of a run in nanoseconds.
fn cost_ns(program: &Program, payload: &[u8]) -> u32 {
    let framed = framed(payload);
    (0..20).map(|_| program.test_run(&framed, 20_000).unwrap().duration_ns).min().unwrap()
}

#[test]
fn reading_costs_little() {
    if !may_load("reading_costs_little") {
        return;
    }
    let path = FieldPath { column: column::ATTRIBUTES, key: Some(Str::from(&b"EventName"[..])) };
    let wanted = [Wanted { path, field: field(0) }];
    let mut judge = |e: &mut Emitter, next: Label| name_is(e, next, b"LogWelcomeBanner");
    let (program, defs) = support::filter(|e, dropped| otlp::emit(e, &wanted, &mut judge, dropped));
    println!("{} instructions", program.len());
    let (filter, _maps) = loaded(&program, &defs);
    let (program, defs) = support::filter(|_, _| Ok(()));
    let (only, _only_maps) = loaded(&program, &defs);
    for count in [1, 5, 14] {
        let request = requests::reference(count);
        assert_eq!(filter.test_run(&framed(&request), 1).unwrap().result, DROPPED);
        let (cost, load) = (cost_ns(&filter, &request), cost_ns(&only, &request));
        println!("{count} records, {} bytes: {cost} ns, {load} ns to load it only", request.len());
    }
}
