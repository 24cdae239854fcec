//! Fields of a record to a key of a table: the code that copies them.

use crate::emit::{Emitter, SCRATCH};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::{self, Reason, State};
use crate::tally::TEXT_MAX;

/// The address of what is held back for a record, less the offset of the stage.
pub(super) const SLOT: Reg = Reg::R8;

/// Adds the load of the address of the next place that is free.
pub(super) fn load_slot(e: &mut Emitter) {
    e.load(SLOT, layout::TALLY_AT);
    e.asm.alu(Alu::And, SLOT, layout::TALLY_STAGE_MASK);
    e.asm.alu(Alu::Add, SLOT, SCRATCH);
}

/// Adds the store of eight bytes so far behind the beginning of the place.
pub(super) fn store(e: &mut Emitter, offset: usize, value: impl Into<crate::insn::Operand>) {
    e.asm.store(Size::Double, SLOT, place(offset), value);
}

pub(super) fn place(offset: usize) -> i16 {
    layout::TALLY_STAGE + i16::try_from(offset).expect("a place is small")
}

/// Adds the copy of a field as it is; a text that is too long and what cannot be told keep the payload.
pub(super) fn emit_field(e: &mut Emitter, field: i16, offset: usize) {
    let [text, number, is_missing, done] = [(); 4].map(|()| e.asm.label());
    for word in 1..=TEXT_MAX / 8 {
        store(e, offset + 8 * word, 0);
    }
    e.load_state(Reg::R0, field);
    e.asm.branch(Cond::Eq, Reg::R0, State::Text as i32, text);
    e.asm.branch(Cond::Eq, Reg::R0, State::Missing as i32, is_missing);
    e.asm.branch(Cond::Ne, Reg::R0, State::Undecided as i32, number);
    undecided_field(e, field);
    e.asm.bind(is_missing);
    store(e, offset, 0);
    e.asm.jump(done);
    e.asm.bind(number);
    store(e, offset, Reg::R0);
    e.load(Reg::R1, field + 8);
    store(e, offset + 8, Reg::R1);
    e.asm.jump(done);
    e.asm.bind(text);
    e.load_text(Reg::R6, Reg::R7, field);
    let too_long = e.undecided(Reason::Key);
    e.asm.branch(Cond::Gt, Reg::R7, TEXT_MAX as i32, too_long);
    e.asm.mov(Reg::R0, Reg::R7);
    e.asm.alu(Alu::Lsh, Reg::R0, 32);
    e.asm.alu(Alu::Or, Reg::R0, State::Text as i32);
    store(e, offset, Reg::R0);
    e.address(Reg::R6, Reg::R6);
    for word in 0..TEXT_MAX / 8 {
        let is_whole = e.asm.label();
        e.asm.branch(Cond::Le, Reg::R7, 8 * word as i32, done);
        e.asm.load(Size::Double, Reg::R0, Reg::R6, 8 * word as i16);
        e.asm.branch(Cond::Ge, Reg::R7, 8 * (word + 1) as i32, is_whole);
        // What stands behind the text goes out at the top.
        e.asm.mov(Reg::R1, Reg::R7);
        e.asm.alu(Alu::Lsh, Reg::R1, 3);
        e.asm.mov(Reg::R2, 64 * (word + 1) as i32);
        e.asm.alu(Alu::Sub, Reg::R2, Reg::R1);
        e.asm.alu(Alu::Lsh, Reg::R0, Reg::R2);
        e.asm.alu(Alu::Rsh, Reg::R0, Reg::R2);
        e.asm.bind(is_whole);
        store(e, offset + 8 + 8 * word, Reg::R0);
    }
    e.asm.bind(done);
}

/// Adds the window of a time, and leaves the time in `r1`; what has none is for user space.
pub(super) fn emit_window(e: &mut Emitter, field: i16, width: i64, offset: usize) {
    let [is_time, is_other] = [(); 2].map(|()| e.asm.label());
    let no_time = e.undecided(Reason::Key);
    e.load_state(Reg::R0, field);
    e.asm.branch(Cond::Eq, Reg::R0, State::DateTime as i32, is_time);
    e.asm.branch(Cond::Ne, Reg::R0, State::Undecided as i32, is_other);
    undecided_field(e, field);
    e.asm.bind(is_other);
    e.asm.jump(no_time);
    e.asm.bind(is_time);
    e.load(Reg::R1, field + 8);
    // Times begin with year 1, so that rounding down is a matter of numbers without a sign.
    e.asm.branch(Cond::SignedLt, Reg::R1, 0, no_time);
    e.asm.mov_imm(Reg::R2, width.cast_unsigned());
    e.asm.mov(Reg::R0, Reg::R1);
    e.asm.alu(Alu::Mod, Reg::R0, Reg::R2);
    e.asm.mov(Reg::R2, Reg::R1);
    e.asm.alu(Alu::Sub, Reg::R2, Reg::R0);
    store(e, offset, State::DateTime as i32);
    store(e, offset + 8, Reg::R2);
}

/// Adds what keeps a payload for the reason that a field has.
pub(super) fn undecided_field(e: &mut Emitter, field: i16) {
    e.asm.load(Size::Word, Reg::R0, SCRATCH, field + 4);
    e.store(layout::REASON, Reg::R0);
    let kept = e.kept();
    e.asm.jump(kept);
}
