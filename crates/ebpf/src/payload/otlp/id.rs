//! Ids of traces and spans to their text in lower-case hex, which stands among the texts that are in no payload.
//!
//! One of another size than ids have is a text of another size in user space; here it is undecided.

use super::plan::Plan;
use super::{AT, Reader};
use crate::Unsupported;
use crate::emit::{Emitter, SCRATCH};
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout::Reason;
use dtq_record::otlp::logs::column;

/// Bytes of a trace's id.
pub(super) const TRACE_SIZE: usize = 16;
/// Bytes of a span's id.
pub(super) const SPAN_SIZE: usize = 8;

/// Returns where the texts of the ids of a trace and of a span are to be, where they are wanted.
///
/// # Errors
/// When there is no room for them.
pub(super) fn texts(e: &mut Emitter, plan: &Plan) -> Result<[i16; 2], Unsupported> {
    // What no text has, so that none is found there.
    let mut place = |column, size, byte| match plan.column(column) {
        Some(_) => e.word(&[byte; 2 * TRACE_SIZE][..2 * size]),
        None => Ok(0),
    };
    Ok([place(column::TRACE_ID, TRACE_SIZE, 0xFF)?, place(column::SPAN_ID, SPAN_SIZE, 0xFE)?])
}

impl Reader<'_> {
    /// Writes the reading of an id of so many bytes, whose text is to be at `text`; or the passing over it.
    pub(super) fn id(&mut self, column: usize, size: usize, text: i16) {
        self.length(AT, Reg::R3);
        if let Some(field) = self.plan.column(column) {
            let [done, unset, other] = std::array::from_fn(|_| self.e.asm.label());
            self.e.load(Reg::R4, field);
            self.e.asm.branch(Cond::Ne, Reg::R4, 0, done);
            self.e.asm.branch(Cond::Eq, Reg::R3, 0, unset);
            self.e.asm.branch(Cond::Ne, Reg::R3, size as i32, other);
            self.e.address(Reg::R1, AT);
            self.e.asm.load(Size::Double, Reg::R4, Reg::R1, 0);
            if size > 8 {
                self.e.asm.load(Size::Double, Reg::R5, Reg::R1, 8);
                self.e.asm.alu(Alu::Or, Reg::R4, Reg::R5);
            }
            // Only zeros: it is not set (W3C Trace Context, "trace-id").
            self.e.asm.branch(Cond::Eq, Reg::R4, 0, unset);
            for at in (0..size as i16).step_by(4) {
                self.hex(at, text + 2 * at);
            }
            self.e.asm.mov(Reg::R4, i32::from(text));
            self.e.asm.mov(Reg::R5, 2 * size as i32);
            self.e.store_text(field, Reg::R4, Reg::R5);
            self.e.asm.jump(done);
            self.e.asm.bind(unset);
            self.e.asm.store(Size::Word, SCRATCH, field + 4, 1);
            self.e.asm.jump(done);
            self.e.asm.bind(other);
            self.e.store_undecided(field, Reason::Type);
            self.e.asm.bind(done);
        }
        self.e.asm.alu(Alu::Add, AT, Reg::R3);
    }

    /// Writes the digits of the four bytes at `at` behind `r1` to `to`. Clobbers `r0`, `r2`, `r4` and `r5`.
    fn hex(&mut self, at: i16, to: i16) {
        const NIBBLES: u64 = 0x000F_000F_000F_000F;
        let asm = &mut self.e.asm;
        asm.load(Size::Word, Reg::R2, Reg::R1, at);
        // The bytes apart, each in the lower half of 16 bits.
        for (shift, mask) in [(16, 0x0000_FFFF_0000_FFFF), (8, 0x00FF_00FF_00FF_00FF)] {
            asm.mov(Reg::R4, Reg::R2);
            asm.alu(Alu::Lsh, Reg::R4, shift);
            asm.alu(Alu::Or, Reg::R2, Reg::R4);
            asm.mov_imm(Reg::R5, mask);
            asm.alu(Alu::And, Reg::R2, Reg::R5);
        }
        // The upper digit first.
        asm.mov_imm(Reg::R5, NIBBLES);
        asm.mov(Reg::R4, Reg::R2);
        asm.alu(Alu::Rsh, Reg::R4, 4);
        asm.alu(Alu::And, Reg::R4, Reg::R5);
        asm.alu(Alu::And, Reg::R2, Reg::R5);
        asm.alu(Alu::Lsh, Reg::R2, 8);
        asm.alu(Alu::Or, Reg::R2, Reg::R4);
        // From ten on a digit is 39 further: `a` - 10 and not `0`.
        asm.mov_imm(Reg::R5, 0x0606_0606_0606_0606);
        asm.mov(Reg::R4, Reg::R2);
        asm.alu(Alu::Add, Reg::R4, Reg::R5);
        asm.alu(Alu::Rsh, Reg::R4, 4);
        asm.mov_imm(Reg::R5, 0x0101_0101_0101_0101);
        asm.alu(Alu::And, Reg::R4, Reg::R5);
        asm.alu(Alu::Mul, Reg::R4, 39);
        asm.alu(Alu::Add, Reg::R2, Reg::R4);
        asm.alu(Alu::Mul, Reg::R5, i32::from(b'0'));
        asm.alu(Alu::Add, Reg::R2, Reg::R5);
        self.e.store(to, Reg::R2);
    }
}
