//! A constant found anywhere in a text: 32 places at once are ruled out by two of its bytes, the others are compared.
//!
//! Eight bytes of the text are one number, from which the places where a byte stands are found by arithmetic (Warren,
//! Hacker's Delight, 6-1). Bytes behind the text's end are looked at too, and count for nothing: an occurrence is one only
//! when all of it lies in the text. Next: `edges`.

use super::compare::emit_compare;
use super::edges::{self, Edges};
use crate::asm::Label;
use crate::emit::{Emitter, Outcome};
use crate::insn::{Alu, Cond, Insn, Reg, Size, Width};
use crate::layout::{self, Reason};
use dtq_value::search::substring::commonness;
use std::cmp::Reverse;

/// The last place where an occurrence may begin.
pub(super) const LAST: i16 = layout::SEARCH;
/// The first of the places that are looked at.
const CURSOR: i16 = layout::SEARCH + 8;
/// Which of the eight places from there on are not yet compared, by the highest bit of each byte.
const PLACES: i16 = layout::SEARCH + 16;
/// How many places may still be compared.
const COMPARES: i16 = layout::SEARCH + 24;
/// Where the text begins, for [`edges`].
pub(super) const START: i16 = layout::SEARCH + 32;
/// Whether an occurrence was met of which [`edges`] cannot tell whether it counts.
pub(super) const DOUBT: i16 = layout::SEARCH + 40;

/// Places that are ruled out in one step.
const STEP: usize = 32;
/// How far into the constant the bytes are that are looked for, so that they can be read behind one address.
const DEPTH_MAX: usize = 128;
/// How many places may be compared; a text that asks for more is undecided. A place at which more than [`CHEAP_SIZE`] bytes
/// are those of the constant counts for as many more as it takes to compare all of them eight at once.
const COMPARES_MAX: i32 = 1_024;
/// So many bytes are compared for the price of a place.
const CHEAP_SIZE: usize = 32;

/// A byte in each of the eight of a number.
const EACH: u64 = 0x0101_0101_0101_0101;
const CURSOR_REG: Reg = Reg::R6;
/// All bits of each byte but the highest.
const LOW_BITS_REG: Reg = Reg::R4;
/// The bits of each byte that are compared.
const COMPARED_BITS_REG: Reg = Reg::R5;

/// Holds what is looked for, and how.
struct Needle<'t> {
    text: &'t [u8],
    is_case_ignored: bool,
    /// Where in the text the bytes are that rule places out: one, or two that are not the same place.
    probes: Vec<usize>,
}

/// Holds the places of the code.
struct Places {
    resume: Label,
    hit: Label,
    candidate: Label,
    missed: Label,
    over: Label,
}

/// Adds a test whether the constant, which is not empty, occurs in the text at `r6` with the length in `r7`.
pub(super) fn emit_contains(
    e: &mut Emitter,
    text: &[u8],
    is_case_ignored: bool,
    edges: Option<&Edges>,
    outcome: &Outcome,
) {
    let needle = Needle { text, is_case_ignored, probes: probes(text, is_case_ignored) };
    let places = Places {
        resume: e.asm.label(),
        hit: e.asm.label(),
        candidate: e.asm.label(),
        missed: if edges.is_some() { e.asm.label() } else { outcome.is_false },
        over: e.asm.label(),
    };
    e.asm.branch(Cond::Lt, Reg::R7, text.len() as i32, outcome.is_false);
    e.store(CURSOR, Reg::R6);
    e.asm.alu(Alu::Add, Reg::R7, Reg::R6);
    e.asm.alu(Alu::Sub, Reg::R7, text.len() as i32);
    e.store(LAST, Reg::R7);
    e.store(COMPARES, COMPARES_MAX);
    if edges.is_some() {
        e.store(START, Reg::R6);
        e.store(DOUBT, 0);
    }
    emit_sweep(e, &needle, &places);
    emit_places(e, &needle, &places);
    emit_candidate(e, &places);
    emit_whole(e, &needle, &places);
    match edges {
        Some(edges) => edges::emit_check(e, edges, text.len(), places.candidate, outcome.is_true),
        None => e.asm.jump(outcome.is_true),
    }
    if edges.is_some() {
        e.asm.bind(places.missed);
        e.load(Reg::R0, DOUBT);
        e.asm.branch(Cond::Eq, Reg::R0, 0, outcome.is_false);
        e.unknown(Reason::NonAscii, outcome.unknown);
    }
    e.asm.bind(places.over);
    e.unknown(Reason::Budget, outcome.unknown);
}

/// Adds the comparison of the constant with what stands at the place in the register of the cursor.
fn emit_whole(e: &mut Emitter, needle: &Needle<'_>, places: &Places) {
    let (cheap, rest) = needle.text.split_at(needle.text.len().min(CHEAP_SIZE));
    emit_compare(e, CURSOR_REG, cheap, needle.is_case_ignored, places.candidate);
    if rest.is_empty() {
        return;
    }
    emit_charge(e, rest.len().div_ceil(8) as i32, places.over);
    e.asm.alu(Alu::Add, CURSOR_REG, CHEAP_SIZE as i32);
    emit_compare(e, CURSOR_REG, rest, needle.is_case_ignored, places.candidate);
    e.asm.alu(Alu::Sub, CURSOR_REG, CHEAP_SIZE as i32);
}

/// Adds what takes so many from the places that may still be compared. Clobbers `r1`.
fn emit_charge(e: &mut Emitter, count: i32, over: Label) {
    e.load(Reg::R1, COMPARES);
    e.asm.branch(Cond::Lt, Reg::R1, count, over);
    e.asm.alu(Alu::Sub, Reg::R1, count);
    e.store(COMPARES, Reg::R1);
}

/// Returns where in a constant the bytes are that stand together least often, as a guess.
fn probes(text: &[u8], is_case_ignored: bool) -> Vec<usize> {
    let text = &text[..text.len().min(DEPTH_MAX)];
    // Capitals are taken for half as common as their small letters.
    let cost = |at: usize| commonness(text[at]) * if !is_case_ignored && text[at].is_ascii_uppercase() { 1 } else { 2 };
    let pairs = (0..text.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    // The same byte twice rules out little where bytes repeat, and neighbours are often neighbours elsewhere too.
    let pair = pairs.min_by_key(|(first, second)| {
        (text[*first] == text[*second], cost(*first) + cost(*second), Reverse(second - first))
    });
    pair.map_or(vec![0], |(first, second)| vec![first, second])
}

/// Adds the loop that goes on as long as none of 32 places can be one; leaves it at `missed` behind the last place, or at
/// `hit`.
///
/// The place is in a register, and the verifier sees that the loop comes back to the same state because a number of which
/// it knows nothing stays one when something is added to it.
fn emit_sweep(e: &mut Emitter, needle: &Needle<'_>, places: &Places) {
    let head = e.asm.label();
    e.asm.bind(places.resume);
    e.load(CURSOR_REG, CURSOR);
    emit_constants(e, needle);
    e.asm.bind(head);
    e.asm.may_goto(places.over);
    e.load(Reg::R0, LAST);
    e.asm.branch(Cond::Gt, CURSOR_REG, Reg::R0, places.missed);
    e.address(Reg::R1, CURSOR_REG);
    for word in 0..STEP / 8 {
        emit_word(e, needle, word * 8);
        match word {
            0 => e.asm.mov(Reg::R8, Reg::R7),
            _ => e.asm.alu(Alu::And, Reg::R8, Reg::R7),
        }
    }
    e.asm.alu(Alu::Or, Reg::R8, LOW_BITS_REG);
    e.asm.branch(Cond::Ne, Reg::R8, -1, places.hit);
    e.asm.alu(Alu::Add, CURSOR_REG, STEP as i32);
    e.asm.jump(head);
}

/// Adds the search for the eight places among which there is a hit: at one of them there is, so that this ends by itself.
fn emit_places(e: &mut Emitter, needle: &Needle<'_>, places: &Places) {
    let (head, found) = (e.asm.label(), e.asm.label());
    e.asm.bind(places.hit);
    e.asm.may_goto(places.over);
    e.address(Reg::R1, CURSOR_REG);
    emit_word(e, needle, 0);
    e.asm.alu(Alu::Or, Reg::R7, LOW_BITS_REG);
    e.asm.alu(Alu::Xor, Reg::R7, -1);
    e.asm.branch(Cond::Ne, Reg::R7, 0, found);
    e.asm.alu(Alu::Add, CURSOR_REG, 8);
    e.asm.jump(places.hit);
    e.asm.bind(head);
    e.load(CURSOR_REG, CURSOR);
    e.asm.alu(Alu::Add, CURSOR_REG, 8);
    e.store(CURSOR, CURSOR_REG);
    e.asm.jump(places.resume);
    e.asm.bind(found);
    e.store(CURSOR, CURSOR_REG);
    e.store(PLACES, Reg::R7);
    e.asm.bind(places.candidate);
    e.asm.may_goto(places.over);
    e.load(Reg::R0, PLACES);
    e.asm.branch(Cond::Eq, Reg::R0, 0, head);
}

/// Adds what takes the first of the places in `r0`, and leaves it in the register of the cursor.
fn emit_candidate(e: &mut Emitter, places: &Places) {
    emit_charge(e, 1, places.over);
    // The lowest bit that is set, alone; without it the number is kept for next time.
    e.asm.mov(Reg::R1, Reg::R0);
    e.asm.add(Insn::Neg { width: Width::Double, dst: Reg::R1 });
    e.asm.alu(Alu::And, Reg::R1, Reg::R0);
    e.asm.alu(Alu::Xor, Reg::R0, Reg::R1);
    e.store(PLACES, Reg::R0);
    // The product has, in its highest byte, the number of the byte in which the bit is.
    e.asm.alu(Alu::Rsh, Reg::R1, 7);
    e.asm.mov_imm(Reg::R2, 0x0001_0203_0405_0607);
    e.asm.alu(Alu::Mul, Reg::R1, Reg::R2);
    e.asm.alu(Alu::Rsh, Reg::R1, 56);
    e.load(CURSOR_REG, CURSOR);
    e.asm.alu(Alu::Add, CURSOR_REG, Reg::R1);
    e.load(Reg::R2, LAST);
    e.asm.branch(Cond::Gt, CURSOR_REG, Reg::R2, places.missed);
}

/// Adds the loads of what does not change in the loop.
fn emit_constants(e: &mut Emitter, needle: &Needle<'_>) {
    for (reg, probe) in [Reg::R2, Reg::R3].into_iter().zip(&needle.probes) {
        e.asm.mov_imm(reg, EACH * u64::from(needle.text[*probe]));
    }
    e.asm.mov_imm(LOW_BITS_REG, EACH * 0x7f);
    // Where case is ignored, the bit that tells capitals from small letters is not looked at; then some places are compared
    // where no occurrence can be.
    let bits = if needle.is_case_ignored { 0x5f } else { 0x7f };
    if bits != 0x7f {
        e.asm.mov_imm(COMPARED_BITS_REG, EACH * bits);
    }
}

/// Adds what brings into `r7`, from eight places of a distance behind the address in `r1`, a number whose bytes have their
/// highest bit where the constant cannot begin. Clobbers `r0`.
fn emit_word(e: &mut Emitter, needle: &Needle<'_>, distance: usize) {
    let load =
        |e: &mut Emitter, reg: Reg, probe: usize| e.asm.load(Size::Double, reg, Reg::R1, (distance + probe) as i16);
    load(e, Reg::R0, needle.probes[0]);
    e.asm.alu(Alu::Xor, Reg::R0, Reg::R2);
    if let Some(second) = needle.probes.get(1) {
        load(e, Reg::R7, *second);
        e.asm.alu(Alu::Xor, Reg::R7, Reg::R3);
        e.asm.alu(Alu::Or, Reg::R0, Reg::R7);
    }
    e.asm.mov(Reg::R7, Reg::R0);
    e.asm.alu(Alu::And, Reg::R7, if needle.is_case_ignored { COMPARED_BITS_REG } else { LOW_BITS_REG });
    e.asm.alu(Alu::Add, Reg::R7, LOW_BITS_REG);
    e.asm.alu(Alu::Or, Reg::R7, Reg::R0);
}
