//! Where an argument is to the code that reads it: a register, memory that registers name, a text that it points to.
//!
//! Memory that is not there, or not in memory now, is not waited for: the read fails, and is counted. Next: `record.rs`.

use crate::trace::arguments::TEXT_SIZE_MAX;
use crate::trace::layout;
use crate::trace::program::{Writer, length_cell};
use crate::trace::registers::Register;
use crate::trace::usdt::{Operand, Place};
use dtq_ebpf::asm::{Assembler, Label};
use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::SCRATCH;
use dtq_ebpf::insn::{Alu, Cond, Insn, Reg, Size, Width};
use dtq_ebpf::layout::{PADDING, State};

/// Holds what the kernel saved of the thread.
pub(super) const CONTEXT: Reg = Reg::R6;
/// Holds where the next text goes, from the beginning of the scratch.
const PLACE: Reg = Reg::R7;
/// Holds what was read.
pub(super) const VALUE: Reg = Reg::R8;
/// Where memory is read to, in the stack.
const STAGED: i16 = -16;

/// Adds what reads an argument into [`VALUE`], or goes on at `failed`; says whether it may. Clobbers `r0` to `r5`.
pub(super) fn read_operand(asm: &mut Assembler, operand: &Operand, failed: Label) -> bool {
    match &operand.place {
        Place::Constant(number) => {
            asm.mov_imm(VALUE, *number as u64);
            narrow(asm, operand.size_bytes, operand.is_signed);
            false
        }
        Place::Register(register) => {
            read_register(asm, VALUE, *register);
            narrow(asm, operand.size_bytes, operand.is_signed);
            false
        }
        Place::Memory { displacement, base, index } => {
            read_memory(asm, operand, (*displacement, *base, *index), failed);
            true
        }
        Place::Global { .. } => unreachable!("a site has no variables by name left"),
    }
}

fn read_register(asm: &mut Assembler, to: Reg, register: Register) {
    asm.load(Size::Double, to, CONTEXT, register.offset);
    if register.is_second_byte {
        asm.alu(Alu::Rsh, to, 8);
    }
}

/// Adds a read of memory at a sum of registers.
fn read_memory(
    asm: &mut Assembler,
    operand: &Operand,
    (displacement, base, index): (i64, Option<Register>, Option<(Register, u8)>),
    failed: Label,
) {
    asm.mov_imm(Reg::R3, displacement as u64);
    for (register, scale) in base.map(|base| (base, 1)).into_iter().chain(index) {
        read_register(asm, Reg::R1, register);
        asm.alu(Alu::Mul, Reg::R1, i32::from(scale));
        asm.alu(Alu::Add, Reg::R3, Reg::R1);
    }
    asm.mov_frame(Reg::R1, i32::from(STAGED));
    asm.mov(Reg::R2, i32::from(operand.size_bytes));
    asm.store(Size::Double, Reg::FRAME, STAGED, 0);
    asm.call(Helper::ProbeReadUser);
    asm.branch(Cond::Ne, Reg::R0, 0, failed);
    asm.load(Size::Double, VALUE, Reg::FRAME, STAGED);
    narrow(asm, operand.size_bytes, operand.is_signed);
}

/// Adds what leaves the lower bytes of [`VALUE`], with zeros or their sign above.
pub(super) fn narrow(asm: &mut Assembler, size_bytes: u8, is_signed: bool) {
    let from = match size_bytes {
        1 => Size::Byte,
        2 => Size::Half,
        4 => Size::Word,
        _ => return,
    };
    if is_signed {
        return asm.add(Insn::MovSigned { width: Width::Double, from, dst: VALUE, src: VALUE });
    }
    let bits = 64 - 8 * i32::from(size_bytes);
    asm.alu(Alu::Lsh, VALUE, bits);
    asm.alu(Alu::Rsh, VALUE, bits);
}

impl Writer<'_> {
    /// Adds what reads the text that an argument points to behind the texts before it. Clobbers `r0` to `r8`.
    pub(super) fn read_text(&mut self, index: usize, is_sized: bool) {
        let cell = layout::cell(index);
        let asm = &mut self.emitter.asm;
        let (failed, done) = (asm.label(), asm.label());
        asm.load(Size::Double, VALUE, SCRATCH, cell + 8);
        // No address is no text, which is not a read that failed.
        asm.branch(Cond::Eq, VALUE, 0, done);
        asm.load(Size::Word, PLACE, SCRATCH, layout::END);
        // The verifier is told by this that all of the text is within the scratch.
        asm.branch(Cond::Gt, PLACE, layout::TEXT_BEGIN_MAX, failed);
        match is_sized {
            true => self.copy_sized(index, failed),
            false => self.copy_terminated(index, failed),
        }
        let asm = &mut self.emitter.asm;
        asm.store(Size::Word, SCRATCH, cell, State::Text as i32);
        asm.store(Size::Word, SCRATCH, cell + 4, Reg::R0);
        asm.store(Size::Double, SCRATCH, cell + 8, PLACE);
        asm.alu(Alu::Add, PLACE, Reg::R0);
        if self.is_in_condition(index) {
            self.pad();
        }
        let asm = &mut self.emitter.asm;
        asm.store(Size::Word, SCRATCH, layout::END, PLACE);
        asm.jump(done);
        asm.bind(failed);
        self.fail(index);
        self.emitter.asm.bind(done);
    }

    /// Copies a text that ends with a zero; its length, of what is kept, is in `r0` then.
    fn copy_terminated(&mut self, index: usize, failed: Label) {
        let asm = &mut self.emitter.asm;
        let fits = asm.label();
        asm.mov(Reg::R1, SCRATCH);
        asm.alu(Alu::Add, Reg::R1, PLACE);
        asm.mov(Reg::R2, layout::TEXT_ROOM as i32);
        asm.mov(Reg::R3, VALUE);
        asm.call(Helper::ProbeReadUserStr);
        // What it wrote ends with a zero, so that 0 is none.
        asm.branch(Cond::SignedLe, Reg::R0, 0, failed);
        asm.alu(Alu::Sub, Reg::R0, 1);
        asm.branch(Cond::Le, Reg::R0, TEXT_SIZE_MAX as i32, fits);
        asm.mov(Reg::R0, TEXT_SIZE_MAX as i32);
        self.mark(index, layout::CUT);
        self.emitter.asm.bind(fits);
    }

    /// Copies a text of known length; the length of what is kept is in `r0` then.
    fn copy_sized(&mut self, index: usize, failed: Label) {
        let cell = layout::cell(index);
        let asm = &mut self.emitter.asm;
        let fits = asm.label();
        asm.load(Size::Double, Reg::R2, SCRATCH, length_cell(index));
        asm.branch(Cond::SignedLt, Reg::R2, 0, failed);
        asm.branch(Cond::Le, Reg::R2, TEXT_SIZE_MAX as i32, fits);
        asm.mov(Reg::R2, TEXT_SIZE_MAX as i32);
        self.mark(index, layout::CUT);
        let asm = &mut self.emitter.asm;
        asm.bind(fits);
        asm.store(Size::Word, SCRATCH, cell + 4, Reg::R2);
        asm.mov(Reg::R1, SCRATCH);
        asm.alu(Alu::Add, Reg::R1, PLACE);
        asm.mov(Reg::R3, VALUE);
        asm.call(Helper::ProbeReadUser);
        asm.branch(Cond::Ne, Reg::R0, 0, failed);
        asm.load(Size::Word, Reg::R0, SCRATCH, cell + 4);
        // It is no more; the verifier has forgotten.
        asm.branch(Cond::Gt, Reg::R0, TEXT_SIZE_MAX as i32, failed);
    }

    /// Writes zeros behind a text that the condition searches, which reads some bytes behind it.
    fn pad(&mut self) {
        let asm = &mut self.emitter.asm;
        asm.mov(Reg::R1, SCRATCH);
        asm.alu(Alu::Add, Reg::R1, PLACE);
        (0..PADDING as i16 / 8).for_each(|at| asm.store(Size::Double, Reg::R1, 8 * at, 0));
        asm.alu(Alu::Add, PLACE, PADDING as i32);
    }
}
