//! Texts of JSON: where one ends, and whether it is well-formed.
//!
//! Escapes are checked and not resolved. Next: `number.rs`.

use super::{FLAGS, START};
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::Reason;
use crate::payload::scan::{CURSOR, Stop, find};

/// The bit of [`FLAGS`] for escapes.
pub(super) const HAS_ESCAPES: i32 = 1;
/// The bit of [`FLAGS`] for bytes beyond ASCII.
pub(super) const IS_BEYOND: i32 = 2;

/// Adds the reading of a text whose quote is at `r1`: it goes from [`START`] to `r1`, and the cursor behind its quote.
pub(super) fn read(e: &mut Emitter, bad: Label, words: i16) {
    let [turn, is_beyond, escape, done] = std::array::from_fn(|_| e.asm.label());
    let stops = [Stop::Byte(b'"'), Stop::Byte(b'\\'), Stop::Below(b' '), Stop::NonAscii];
    e.asm.alu(Alu::Add, Reg::R1, 1);
    e.store(START, Reg::R1);
    e.store(CURSOR, Reg::R1);
    e.store(FLAGS, 0);
    e.asm.bind(turn);
    find(e, &stops, words);
    load_stop(e);
    e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), done);
    e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'\\'), escape);
    e.asm.branch(Cond::Ge, Reg::R3, 0x80, is_beyond);
    e.asm.jump(bad);
    e.asm.bind(is_beyond);
    set(e, IS_BEYOND);
    find(e, &stops[..3], words);
    load_stop(e);
    e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), done);
    e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'\\'), bad);
    e.asm.bind(escape);
    read_escape(e, bad);
    e.asm.jump(turn);
    e.asm.bind(done);
    e.asm.mov(Reg::R4, Reg::R1);
    e.asm.alu(Alu::Add, Reg::R4, 1);
    e.store(CURSOR, Reg::R4);
}

/// Adds the load of the byte at `r1`, where the search has stopped. At the end of the payload it is zero.
fn load_stop(e: &mut Emitter) {
    e.store(CURSOR, Reg::R1);
    e.address(Reg::R2, Reg::R1);
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
}

fn set(e: &mut Emitter, flag: i32) {
    e.load(Reg::R4, FLAGS);
    e.asm.alu(Alu::Or, Reg::R4, flag);
    e.store(FLAGS, Reg::R4);
}

/// Adds the reading of an escape at `r1`, with its address in `r2`.
///
/// One half of a pair of surrogates is an error only where user space reads the text: none is decided here.
fn read_escape(e: &mut Emitter, bad: Label) {
    let (is_short, is_fine, done) = (e.asm.label(), e.asm.label(), e.asm.label());
    set(e, HAS_ESCAPES);
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 1);
    for byte in *b"\"\\/bfnrt" {
        e.asm.branch(Cond::Eq, Reg::R3, i32::from(byte), is_short);
    }
    e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'u'), bad);
    for at in 2..6 {
        read_hex(e, at, bad);
    }
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 2);
    e.asm.alu(Alu::Or, Reg::R3, 0x20);
    e.asm.branch(Cond::Ne, Reg::R3, i32::from(b'd'), is_fine);
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 3);
    let escaped = e.undecided(Reason::Escaped);
    e.asm.branch(Cond::Ge, Reg::R3, i32::from(b'8'), escaped);
    e.asm.bind(is_fine);
    e.asm.alu(Alu::Add, Reg::R1, 6);
    e.asm.jump(done);
    e.asm.bind(is_short);
    e.asm.alu(Alu::Add, Reg::R1, 2);
    e.asm.bind(done);
    e.store(CURSOR, Reg::R1);
}

fn read_hex(e: &mut Emitter, at: i16, bad: Label) {
    let done = e.asm.label();
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, at);
    e.asm.mov(Reg::R4, Reg::R3);
    e.asm.alu(Alu::Sub, Reg::R4, i32::from(b'0'));
    e.asm.branch(Cond::Le, Reg::R4, 9, done);
    e.asm.alu(Alu::Or, Reg::R3, 0x20);
    e.asm.alu(Alu::Sub, Reg::R3, i32::from(b'a'));
    e.asm.branch(Cond::Gt, Reg::R3, 5, bad);
    e.asm.bind(done);
}
