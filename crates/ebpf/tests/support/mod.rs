//! A reader of payloads to a program of its own that says what it read: for tests, with and without a kernel.
//!
//! The program begins as a filter does. Its judge writes the cells of each record's fields into a map, one record behind
//! the other, and drops the record; so that a payload is gone through to its end.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(clippy::unwrap_used)]

use dtq_ebpf::asm::Label;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::{Emitter, SCRATCH, SCRATCH_MAP};
use dtq_ebpf::insn::{Alu, Cond, Reg, Size};
use dtq_ebpf::layout::{self, FIELD_SIZE, State};
use dtq_ebpf::map::{MapDef, MapKind};
use dtq_ebpf::payload::Judge;
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{Insn, Unsupported};

/// What the program returns when all records were dropped.
pub const DROPPED: u32 = 0;
/// What it returns when the payload is kept and nothing says why; else this and the reason.
pub const KEPT: u32 = 1;

/// Bytes of the map that records are written into; a mask and some bytes behind it.
const TRACE_MASK: i32 = 0x3_FFFF;
const TRACE_BEYOND: u32 = 4_096;
/// Bytes that are written of each text, for those that are in no payload.
const TEXT_SIZE: i16 = 32;
/// Bytes that are written of a record in front of its fields: its size.
const HEAD_SIZE: i16 = 8;
/// Bytes that are written of each field.
const ENTRY_SIZE: i16 = FIELD_SIZE + TEXT_SIZE;

/// Holds a program and its maps.
pub struct Reading {
    pub program: Vec<Insn>,
    pub maps: Vec<MapDef>,
    /// The position of the map with what was read.
    pub trace: usize,
    field_count: usize,
}

/// Holds what a cell says.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Missing,
    Text(Vec<u8>),
    Long(i64),
    Bool(bool),
    Real(u64),
    DateTime(i64),
    Undecided(u32),
}

/// Holds what a program said of a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub result: u32,
    /// How large each record is that was judged, of the records that there was room for.
    pub sizes: Vec<u64>,
    /// The fields of these records.
    pub records: Vec<Vec<Cell>>,
}

/// Returns a filter around a reader: `write` is given where dropped payloads go.
pub fn filter(write: impl FnOnce(&mut Emitter, Label) -> Result<(), Unsupported>) -> (Vec<Insn>, Vec<MapDef>) {
    let mut e = Emitter::new(1);
    let dropped = e.asm.label();
    prologue(&mut e);
    write(&mut e, dropped).unwrap();
    e.asm.bind(dropped);
    e.asm.mov(Reg::R0, DROPPED as i32);
    e.asm.exit();
    e.bind_undecided();
    let kept = e.kept();
    e.asm.bind(kept);
    e.load(Reg::R0, layout::REASON);
    e.asm.alu(Alu::Add, Reg::R0, KEPT as i32);
    e.asm.exit();
    e.finish()
}

/// Writes the beginning of a filter: the scratch, and the payload in it.
fn prologue(e: &mut Emitter) {
    let kept = e.kept();
    e.asm.mov(Reg::R6, Reg::R1);
    e.asm.store(Size::Word, Reg::FRAME, -4, 0);
    e.asm.mov_map(Reg::R1, SCRATCH_MAP);
    e.asm.mov_frame(Reg::R2, -4);
    e.asm.call(Helper::MapLookup);
    let found = e.asm.label();
    e.asm.branch(Cond::Ne, Reg::R0, 0, found);
    e.asm.exit();
    e.asm.bind(found);
    e.asm.mov(SCRATCH, Reg::R0);
    e.store(layout::REASON, 0);
    e.store(layout::STEPS, layout::STEPS_MAX);
    e.store(layout::JUDGE, 0);
    e.asm.load(Size::Word, Reg::R4, Reg::R6, 0);
    e.asm.branch(Cond::Eq, Reg::R4, 0, kept);
    e.asm.branch(Cond::Gt, Reg::R4, layout::PAYLOAD_MAX as i32, kept);
    e.store(layout::LENGTH, Reg::R4);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.mov(Reg::R2, 0);
    e.asm.mov(Reg::R3, SCRATCH);
    e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
    e.asm.call(Helper::SkbLoadBytes);
    e.asm.branch(Cond::Ne, Reg::R0, 0, kept);
    e.load(Reg::R1, layout::LENGTH);
    e.asm.alu(Alu::Add, Reg::R1, i32::from(layout::PAYLOAD));
    e.address(Reg::R1, Reg::R1);
    for at in (0..layout::PADDING as i16).step_by(8) {
        e.asm.store(Size::Double, Reg::R1, at, 0);
    }
}

impl Reading {
    /// Returns the program around a reader of so many fields.
    pub fn new(
        field_count: usize,
        write: impl FnOnce(&mut Emitter, &mut Judge<'_>, Label) -> Result<(), Unsupported>,
    ) -> Self {
        let mut trace = 0;
        let (program, maps) = filter(|e, dropped| {
            let table = MapDef::new("trace", MapKind::Array, 4, TRACE_MASK as u32 + 1 + TRACE_BEYOND, 1);
            trace = e.add_map(table);
            let mut judge = |e: &mut Emitter, next: Label| {
                e.load_table(Reg::R1, trace, 0);
                e.load(Reg::R2, layout::JUDGE);
                e.asm.alu(Alu::And, Reg::R2, TRACE_MASK);
                e.asm.alu(Alu::Add, Reg::R1, Reg::R2);
                e.load(Reg::R3, layout::RECORD_SIZE);
                e.asm.store(Size::Double, Reg::R1, 0, Reg::R3);
                for index in 0..field_count {
                    let entry = HEAD_SIZE + index as i16 * ENTRY_SIZE;
                    for half in [0, 8] {
                        e.load(Reg::R3, layout::field(index) + half);
                        e.asm.store(Size::Double, Reg::R1, entry + half, Reg::R3);
                    }
                    e.address(Reg::R4, Reg::R3);
                    for at in (0..TEXT_SIZE).step_by(8) {
                        e.asm.load(Size::Double, Reg::R3, Reg::R4, at);
                        e.asm.store(Size::Double, Reg::R1, entry + FIELD_SIZE + at, Reg::R3);
                    }
                }
                e.load(Reg::R2, layout::JUDGE);
                e.asm.alu(Alu::Add, Reg::R2, i32::from(HEAD_SIZE) + field_count as i32 * i32::from(ENTRY_SIZE));
                e.store(layout::JUDGE, Reg::R2);
                // The judge of a filter leaves nothing in registers.
                for number in 0..9 {
                    e.asm.mov(Reg::new(number).unwrap(), -1);
                }
                e.asm.jump(next);
            };
            write(e, &mut judge, dropped)
        });
        Self { program, maps, trace: trace as usize, field_count }
    }

    /// Runs the program over a payload, with what the runs before left in the scratch.
    pub fn run(&self, maps: &mut Maps, payload: &[u8]) -> Said {
        let mut context = [0; 192];
        context[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let input = Input { context: &context, packet: payload, steps_max: 1_000_000, ..Input::default() };
        let outcome = Machine::new(&self.program, maps).run(&input);
        let outcome = outcome.unwrap_or_else(|trap| panic!("{trap}\n{}", dtq_ebpf::text::print(&self.program)));
        let scratch = maps.get(SCRATCH_MAP as usize, &0u32.to_le_bytes()).unwrap();
        let judged = u64::from_le_bytes(scratch[layout::JUDGE as usize..][..8].try_into().unwrap());
        let trace = maps.get(self.trace, &0u32.to_le_bytes()).unwrap();
        self.said(outcome.result as u32, judged as usize, trace, payload)
    }

    /// Returns what the map says.
    pub fn said(&self, result: u32, judged: usize, trace: &[u8], payload: &[u8]) -> Said {
        let judged = judged.min(TRACE_MASK as usize);
        let records =
            || trace[..judged].chunks_exact(self.record_size()).map(|record| record.split_at(HEAD_SIZE as usize));
        let size = |(head, _): (&[u8], &[u8])| u64::from_le_bytes(head.try_into().unwrap());
        let cells =
            |(_, cells): (&[u8], &[u8])| cells.chunks(ENTRY_SIZE as usize).map(|cell| read(cell, payload)).collect();
        Said { result, sizes: records().map(size).collect(), records: records().map(cells).collect() }
    }

    /// Returns how many bytes are written of a record.
    pub fn record_size(&self) -> usize {
        HEAD_SIZE as usize + self.field_count * ENTRY_SIZE as usize
    }
}

fn read(cell: &[u8], payload: &[u8]) -> Cell {
    let state = u32::from_le_bytes(cell[..4].try_into().unwrap());
    let length = u32::from_le_bytes(cell[4..8].try_into().unwrap());
    let number = u64::from_le_bytes(cell[8..16].try_into().unwrap());
    match state {
        state if state == State::Missing as u32 => Cell::Missing,
        state if state == State::Text as u32 => {
            let copied = &cell[FIELD_SIZE as usize..];
            let text = match (number as usize).checked_sub(layout::PAYLOAD as usize) {
                Some(start) => &payload[start..start + length as usize],
                None => &copied[..length as usize],
            };
            Cell::Text(text.to_vec())
        }
        state if state == State::Long as u32 => Cell::Long(number as i64),
        state if state == State::Bool as u32 => Cell::Bool(number != 0),
        state if state == State::Real as u32 => Cell::Real(number),
        state if state == State::DateTime as u32 => Cell::DateTime(number as i64),
        state if state == State::Undecided as u32 => Cell::Undecided(length),
        state => panic!("no state has the number {state}"),
    }
}
