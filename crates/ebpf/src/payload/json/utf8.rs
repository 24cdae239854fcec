//! Texts beyond ASCII: whether one is UTF-8, as user space takes it as it stands only then.
//!
//! # Source
//! RFC 3629, section 4.

use super::START;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::payload::scan::{CURSOR, Stop, find};

/// Holds the forms of characters by their first byte: from, to, what the second byte is from and to, how many follow it.
const FORMS: [(u8, u8, u8, u8, i16); 8] = [
    (0xC2, 0xDF, 0x80, 0xBF, 0),
    (0xE0, 0xE0, 0xA0, 0xBF, 1),
    (0xE1, 0xEC, 0x80, 0xBF, 1),
    (0xED, 0xED, 0x80, 0x9F, 1),
    (0xEE, 0xEF, 0x80, 0xBF, 1),
    (0xF0, 0xF0, 0x90, 0xBF, 2),
    (0xF1, 0xF3, 0x80, 0xBF, 2),
    (0xF4, 0xF4, 0x80, 0x8F, 2),
];

/// Adds what goes on at `other` unless the text from [`START`] to its quote, in which nothing is escaped, is UTF-8. Leaves
/// in `r1` the offset of the quote, and the cursor behind it; at `other` the cursor is somewhere else.
pub(super) fn check(e: &mut Emitter, other: Label) {
    let (turn, done) = (e.asm.label(), e.asm.label());
    e.load(Reg::R1, START);
    e.store(CURSOR, Reg::R1);
    e.asm.bind(turn);
    find(e, &[Stop::Byte(b'"'), Stop::NonAscii], 2);
    e.address(Reg::R2, Reg::R1);
    e.asm.load(Size::Byte, Reg::R3, Reg::R2, 0);
    e.asm.branch(Cond::Eq, Reg::R3, i32::from(b'"'), done);
    e.asm.branch(Cond::Lt, Reg::R3, i32::from(FORMS[0].0), other);
    let forms = FORMS.map(|form| (form, e.asm.label()));
    for ((_, last, ..), label) in &forms {
        e.asm.branch(Cond::Le, Reg::R3, i32::from(*last), *label);
    }
    e.asm.jump(other);
    for ((_, _, from, to, more), label) in forms {
        e.asm.bind(label);
        check_byte(e, 1, from, to, other);
        for at in 2..2 + more {
            check_byte(e, at, 0x80, 0xBF, other);
        }
        e.asm.alu(Alu::Add, Reg::R1, i32::from(more) + 2);
        e.store(CURSOR, Reg::R1);
        e.asm.jump(turn);
    }
    e.asm.bind(done);
    e.asm.mov(Reg::R4, Reg::R1);
    e.asm.alu(Alu::Add, Reg::R4, 1);
    e.store(CURSOR, Reg::R4);
}

/// Adds what goes on at `other` unless the byte so far behind `r2` is in a range.
fn check_byte(e: &mut Emitter, at: i16, from: u8, to: u8, other: Label) {
    e.asm.load(Size::Byte, Reg::R4, Reg::R2, at);
    e.asm.alu(Alu::Sub, Reg::R4, i32::from(from));
    e.asm.branch(Cond::Gt, Reg::R4, i32::from(to - from), other);
}
