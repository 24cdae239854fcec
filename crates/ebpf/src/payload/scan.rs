//! What readers of text ask of bytes, eight at a time: where one of some bytes stands next, and whether digits stand where
//! they belong.
//!
//! What is found at or behind the end of a payload counts as not found, so that bytes left of another payload decide
//! nothing. Next: `syslog.rs`, `json.rs`.

use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout;

/// The offset at which a reader is.
pub(super) const CURSOR: i16 = layout::READER;
/// The offset behind the last byte of the record.
pub(super) const END: i16 = layout::READER + 8;
/// The first cell that a reader has for itself.
pub(super) const OWN: i16 = layout::READER + 16;

/// The lowest bit of each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Names what ends a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// This byte, of ASCII.
    Byte(u8),
    /// A byte below this one, of ASCII.
    Below(u8),
    /// A byte of ASCII above this one; only beside [`Stop::NonAscii`].
    Above(u8),
    /// A byte beyond ASCII.
    NonAscii,
}

/// Adds a search from the cursor on; so many times eight bytes are looked at in a turn of the loop.
///
/// Leaves in `r1` the offset of the first stop, or one that is not below the end; moves the cursor, and not to there.
pub(super) fn find(e: &mut Emitter, stops: &[Stop], words: i16) {
    debug_assert!(words as usize * 8 <= layout::PADDING, "the first turn stays in the padding");
    let (turn, found, done) = (e.asm.label(), e.asm.label(), e.asm.label());
    e.asm.bind(turn);
    e.step();
    e.load(Reg::R1, CURSOR);
    e.address(Reg::R2, Reg::R1);
    e.asm.mov_imm(Reg::R6, ONES);
    e.asm.mov(Reg::R7, Reg::R6);
    e.asm.alu(Alu::Lsh, Reg::R7, 7);
    for word in 0..words {
        e.asm.load(Size::Double, Reg::R3, Reg::R2, 8 * word);
        mark(e, stops);
        e.asm.branch(Cond::Ne, Reg::R4, 0, found);
        e.asm.alu(Alu::Add, Reg::R1, 8);
    }
    e.store(CURSOR, Reg::R1);
    e.load(Reg::R5, END);
    e.asm.branch(Cond::Ge, Reg::R1, Reg::R5, done);
    e.asm.jump(turn);
    e.asm.bind(found);
    // The bits below the lowest one that is set: the top bits of whole bytes among them, counted by a product.
    e.asm.mov(Reg::R5, Reg::R4);
    e.asm.alu(Alu::Sub, Reg::R5, 1);
    e.asm.alu(Alu::Xor, Reg::R4, -1);
    e.asm.alu(Alu::And, Reg::R4, Reg::R5);
    e.asm.alu(Alu::And, Reg::R4, Reg::R7);
    e.asm.alu(Alu::Rsh, Reg::R4, 7);
    e.asm.alu(Alu::Mul, Reg::R4, Reg::R6);
    e.asm.alu(Alu::Rsh, Reg::R4, 56);
    e.asm.alu(Alu::Add, Reg::R1, Reg::R4);
    e.asm.bind(done);
}

/// Adds what marks stops among the eight bytes in `r3`: the lowest bit that is set in `r4` is the top bit of the first
/// one. Above it there may be marks that are none: a difference borrows only from what is behind a stop.
fn mark(e: &mut Emitter, stops: &[Stop]) {
    let has_beyond = stops.contains(&Stop::NonAscii);
    let mut is_first = true;
    for stop in stops {
        let to = if is_first { Reg::R4 } else { Reg::R5 };
        let (op, operand) = match stop {
            Stop::Byte(byte) => (Alu::Xor, *byte),
            Stop::Below(byte) => (Alu::Sub, *byte),
            Stop::Above(byte) => (Alu::Add, 0x7F - *byte),
            Stop::NonAscii => continue,
        };
        debug_assert!(op != Alu::Add || has_beyond, "a byte beyond ASCII carries into the next one");
        e.asm.mov(to, Reg::R3);
        e.asm.mov_imm(Reg::R8, ONES * u64::from(operand));
        e.asm.alu(op, to, Reg::R8);
        if op == Alu::Xor {
            e.asm.alu(Alu::Sub, to, Reg::R6);
        }
        if !is_first {
            e.asm.alu(Alu::Or, Reg::R4, Reg::R5);
        }
        is_first = false;
    }
    match (is_first, has_beyond) {
        (true, _) => e.asm.mov(Reg::R4, Reg::R3),
        (false, true) => e.asm.alu(Alu::Or, Reg::R4, Reg::R3),
        (false, false) => {
            e.asm.alu(Alu::Xor, Reg::R3, -1);
            e.asm.alu(Alu::And, Reg::R4, Reg::R3);
        }
    }
    e.asm.alu(Alu::And, Reg::R4, Reg::R7);
}

/// Adds the load of eight bytes `offset` behind the address in `r2`, of which those that `form` has as `0` must be digits,
/// those it has as `?` may be anything, and others must be as they are there.
///
/// Leaves in `to` what the digits say, and 0 for what is as it should be; clobbers `r8` and `r0`.
pub(super) fn load_digits(e: &mut Emitter, to: Reg, offset: i16, form: &[u8; 8], bad: Label) {
    let number = |of: &dyn Fn(u8) -> u8| u64::from_le_bytes(form.map(of));
    e.asm.load(Size::Double, to, Reg::R2, offset);
    e.asm.mov_imm(Reg::R0, number(&|byte| if byte == b'?' { 0 } else { byte }));
    e.asm.alu(Alu::Xor, to, Reg::R0);
    // A digit is below 10, so that with 6 more it stays below 16.
    e.asm.mov_imm(Reg::R0, number(&|byte| if byte == b'0' { 6 } else { 0 }));
    e.asm.alu(Alu::Add, Reg::R0, to);
    e.asm.alu(Alu::Or, Reg::R0, to);
    let mask = number(&|byte| match byte {
        b'0' => 0xF0,
        b'?' => 0,
        _ => 0xFF,
    });
    e.asm.mov_imm(Reg::R8, mask);
    e.asm.alu(Alu::And, Reg::R0, Reg::R8);
    e.asm.branch(Cond::Ne, Reg::R0, 0, bad);
}

/// Adds the number of two digits, the first of which is a byte of what [`load_digits`] left; clobbers `r8`.
pub(super) fn pair(e: &mut Emitter, to: Reg, digits: Reg, index: i32) {
    e.asm.mov(to, digits);
    e.asm.alu(Alu::Rsh, to, 8 * index);
    e.asm.mov(Reg::R8, to);
    e.asm.alu(Alu::And, to, 15);
    e.asm.alu(Alu::Mul, to, 10);
    e.asm.alu(Alu::Rsh, Reg::R8, 8);
    e.asm.alu(Alu::And, Reg::R8, 15);
    e.asm.alu(Alu::Add, to, Reg::R8);
}
