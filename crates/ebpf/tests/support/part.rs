//! A part of a filter by itself: a program that fetches a packet into the scratch, runs the part and gives its outcome.
#![allow(dead_code, reason = "each test takes its part of it")]

use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::{Emitter, Outcome, SCRATCH, SCRATCH_MAP};
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::layout::{self, Reason};
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{Insn, MapDef, Unsupported, check, text};

/// What a program gives for each outcome; an unknown one has its reason in the bits above.
pub const TRUE: u32 = 1;
pub const FALSE: u32 = 2;
pub const NULL: u32 = 3;
pub const UNKNOWN: u32 = 4;
/// What it gives where a payload is kept as a whole.
pub const KEPT: u32 = 5;
/// What it gives for a packet that it cannot take.
pub const UNFIT: u32 = 99;

/// Bytes of a packet in front of the text: its offset in the packet and its length, two bytes each, and a number of eight.
pub const HEADER_SIZE: usize = 12;

/// Returns what a program gives where something is unknown for a reason.
pub fn unknown(reason: Reason) -> u32 {
    UNKNOWN | (reason as u32) << 8
}

/// Returns the packet of a text that stands between other bytes.
pub fn packet_of_text(before: &[u8], text: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut packet = ((HEADER_SIZE + before.len()) as u16).to_le_bytes().to_vec();
    packet.extend((text.len() as u16).to_le_bytes());
    [&packet, &[0; 8][..], before, text, behind].concat()
}

/// Returns the packet of a number.
pub fn packet_of_number(number: i64) -> Vec<u8> {
    [&[0; 4][..], &number.to_le_bytes()].concat()
}

/// Says what a part is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The text of the packet: its offset in `r6`, its length in `r7`.
    Text,
    /// The number of the packet, in `r6`.
    Number,
}

/// Holds a program and its maps.
#[derive(Debug)]
pub struct Part {
    pub program: Vec<Insn>,
    pub maps: Vec<MapDef>,
}

impl Part {
    /// Returns the program of a part.
    pub fn new(
        subject: Subject,
        write: impl FnOnce(&mut Emitter, &Outcome) -> Result<(), Unsupported>,
    ) -> Result<Self, Unsupported> {
        let mut e = Emitter::new(1);
        emit_fetch(&mut e);
        match subject {
            Subject::Text => {
                e.asm.load(Size::Half, Reg::R6, SCRATCH, layout::PAYLOAD);
                e.asm.alu(dtq_ebpf::insn::Alu::Add, Reg::R6, i32::from(layout::PAYLOAD));
                e.asm.load(Size::Half, Reg::R7, SCRATCH, layout::PAYLOAD + 2);
                // As from the cell of a field.
                e.store_text(layout::field(0), Reg::R6, Reg::R7);
                e.load_text(Reg::R6, Reg::R7, layout::field(0));
            }
            Subject::Number => e.asm.load(Size::Double, Reg::R6, SCRATCH, layout::PAYLOAD + 4),
        }
        let mut label = || e.asm.label();
        let outcome = Outcome { is_true: label(), is_false: label(), is_null: label(), unknown: label() };
        write(&mut e, &outcome)?;
        e.bind_undecided();
        for (label, result) in
            [(outcome.is_true, TRUE), (outcome.is_false, FALSE), (outcome.is_null, NULL), (e.kept(), KEPT)]
        {
            e.asm.bind(label);
            e.asm.mov(Reg::R0, result as i32);
            e.asm.exit();
        }
        e.asm.bind(outcome.unknown);
        e.load(Reg::R0, layout::REASON);
        e.asm.alu(dtq_ebpf::insn::Alu::Lsh, Reg::R0, 8);
        e.asm.alu(dtq_ebpf::insn::Alu::Or, Reg::R0, UNKNOWN as i32);
        e.asm.exit();
        let (program, maps) = e.finish();
        let program = reached(program);
        if let Err(violation) = check::check(&program, &maps) {
            panic!("{violation}\n{}", text::print(&program));
        }
        Ok(Self { program, maps })
    }

    /// Runs it by the interpreter, over maps that keep what runs before have left.
    pub fn run(&self, maps: &mut Maps, packet: &[u8]) -> u32 {
        let mut context = [0; 192];
        context[..4].copy_from_slice(&(packet.len() as u32).to_le_bytes());
        let input = Input { context: &context, packet, steps_max: 10_000_000, ..Input::default() };
        match Machine::new(&self.program, maps).run(&input) {
            Ok(outcome) => outcome.result as u32,
            Err(trap) => panic!("{trap}\n{}", text::print(&self.program)),
        }
    }
}

/// Adds what brings the packet into the scratch and zeros behind it.
fn emit_fetch(e: &mut Emitter) {
    let (fits, unfit) = (e.asm.label(), e.asm.label());
    e.asm.mov(Reg::R6, Reg::R1);
    e.asm.store(Size::Word, Reg::FRAME, -4, 0);
    e.asm.mov_map(Reg::R1, SCRATCH_MAP);
    e.asm.mov_frame(Reg::R2, -4);
    e.asm.call(Helper::MapLookup);
    e.asm.branch(Cond::Eq, Reg::R0, 0, unfit);
    e.asm.mov(SCRATCH, Reg::R0);
    e.asm.load(Size::Word, Reg::R7, Reg::R6, 0);
    e.asm.branch(Cond::Eq, Reg::R7, 0, unfit);
    e.asm.branch(Cond::Gt, Reg::R7, layout::PAYLOAD_MAX as i32, unfit);
    e.store(layout::LENGTH, Reg::R7);
    e.store(layout::STEPS, layout::STEPS_MAX);
    e.store(layout::REASON, 0);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.mov(Reg::R2, 0);
    e.asm.mov(Reg::R3, SCRATCH);
    e.asm.alu(dtq_ebpf::insn::Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
    e.asm.mov(Reg::R4, Reg::R7);
    e.asm.call(Helper::SkbLoadBytes);
    e.asm.branch(Cond::Eq, Reg::R0, 0, fits);
    e.asm.bind(unfit);
    e.asm.mov(Reg::R0, UNFIT as i32);
    e.asm.exit();
    e.asm.bind(fits);
    e.asm.alu(dtq_ebpf::insn::Alu::Add, Reg::R7, i32::from(layout::PAYLOAD));
    e.address(Reg::R1, Reg::R7);
    for at in (0..layout::PADDING as i16).step_by(8) {
        e.asm.store(Size::Double, Reg::R1, at, 0);
    }
}

/// Returns a program without what is never reached, such as the ends of outcomes that a part does not have.
fn reached(program: Vec<Insn>) -> Vec<Insn> {
    let mut is_reached = vec![false; program.len()];
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut is_reached[at], true) {
            continue;
        }
        open.extend(program[at].target().map(|target| target as usize));
        if !program[at].ends_block() {
            open.push(at + 1);
        }
    }
    let place = |target: u32| is_reached[..target as usize].iter().filter(|is_reached| **is_reached).count() as u32;
    let kept = program.iter().zip(&is_reached).filter(|(_, is_reached)| **is_reached);
    kept.map(|(insn, _)| insn.retargeted(place)).collect()
}
