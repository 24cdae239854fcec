//! Instructions one after the other to a program, with labels for places that are not there yet. Next: `encode.rs`.

use crate::callee::Helper;
use crate::insn::{Alu, Callee, Cond, Imm64, Insn, Operand, Reg, Size, Width};

/// Names a place in a program that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u32);

/// Makes a program.
///
/// # Example
/// ```
/// use dtq_ebpf::asm::Assembler;
/// use dtq_ebpf::insn::{Cond, Reg, Size};
///
/// // A socket filter that keeps packets of at least 100 bytes whole and drops the others.
/// let mut asm = Assembler::default();
/// let short = asm.label();
/// asm.load(Size::Word, Reg::R2, Reg::R1, 0);
/// asm.branch(Cond::Lt, Reg::R2, 100, short);
/// asm.mov(Reg::R0, -1);
/// asm.exit();
/// asm.bind(short);
/// asm.mov(Reg::R0, 0);
/// asm.exit();
/// assert_eq!(dtq_ebpf::text::print(&asm.finish()).lines().count(), 6);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// With labels for targets.
    insns: Vec<Insn>,
    /// Where each label is.
    places: Vec<Option<u32>>,
}

impl Assembler {
    /// Returns a new label, which is to be bound once.
    pub fn label(&mut self) -> Label {
        self.places.push(None);
        Label(u32::try_from(self.places.len() - 1).expect("a program has fewer labels than instructions are allowed"))
    }

    /// Puts a label in front of the next instruction.
    ///
    /// # Panics
    /// When it has been bound before.
    pub fn bind(&mut self, label: Label) {
        let place = u32::try_from(self.insns.len()).expect("a program is far shorter");
        let known = self.places[label.0 as usize].replace(place);
        assert!(known.is_none(), "a label stands for one place");
    }

    /// Returns how many instructions there are.
    pub fn len(&self) -> usize {
        self.insns.len()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }

    /// Adds an instruction without a target.
    pub fn add(&mut self, insn: Insn) {
        debug_assert!(insn.target().is_none() && insn.function().is_none(), "targets are labels");
        self.insns.push(insn);
    }

    /// Adds an operation on all 64 bits.
    pub fn alu(&mut self, op: Alu, dst: Reg, src: impl Into<Operand>) {
        self.add(Insn::Alu { width: Width::Double, op, dst, src: src.into() });
    }

    /// Adds an operation on the lower 32 bits.
    pub fn alu32(&mut self, op: Alu, dst: Reg, src: impl Into<Operand>) {
        self.add(Insn::Alu { width: Width::Word, op, dst, src: src.into() });
    }

    /// Adds a copy, or a load of a number that 32 bits hold.
    pub fn mov(&mut self, dst: Reg, src: impl Into<Operand>) {
        self.alu(Alu::Mov, dst, src);
    }

    /// Adds a load of 64 bits that are known, in the shortest form.
    pub fn mov_imm(&mut self, dst: Reg, value: u64) {
        match i32::try_from(value as i64) {
            Ok(short) => self.mov(dst, short),
            Err(_) => self.add(Insn::LoadImm { dst, value: Imm64::Value(value) }),
        }
    }

    /// Adds a load of a map's address.
    pub fn mov_map(&mut self, dst: Reg, map: u32) {
        self.add(Insn::LoadImm { dst, value: Imm64::Map(map) });
    }

    /// Adds a load of an address in the stack frame.
    pub fn mov_frame(&mut self, dst: Reg, offset: i32) {
        self.mov(dst, Reg::FRAME);
        self.alu(Alu::Add, dst, offset);
    }

    /// Adds a load of the address of a function that starts at a label.
    pub fn mov_function(&mut self, dst: Reg, function: Label) {
        self.insns.push(Insn::LoadImm { dst, value: Imm64::Function(function.0) });
    }

    /// Adds a read of memory that brings in zeros.
    pub fn load(&mut self, size: Size, dst: Reg, base: Reg, offset: i16) {
        self.add(Insn::Load { size, is_signed: false, dst, base, offset });
    }

    /// Adds a write of memory.
    pub fn store(&mut self, size: Size, base: Reg, offset: i16, value: impl Into<Operand>) {
        self.add(Insn::Store { size, base, offset, value: value.into() });
    }

    /// Adds a jump.
    pub fn jump(&mut self, target: Label) {
        self.insns.push(Insn::Jump { target: target.0 });
    }

    /// Adds a branch on all 64 bits.
    pub fn branch(&mut self, cond: Cond, dst: Reg, src: impl Into<Operand>, target: Label) {
        self.insns.push(Insn::Branch { width: Width::Double, cond, dst, src: src.into(), target: target.0 });
    }

    /// Adds a branch on the lower 32 bits.
    pub fn branch32(&mut self, cond: Cond, dst: Reg, src: impl Into<Operand>, target: Label) {
        self.insns.push(Insn::Branch { width: Width::Word, cond, dst, src: src.into(), target: target.0 });
    }

    /// Adds a way out of a loop for when the kernel has counted too many steps.
    pub fn may_goto(&mut self, target: Label) {
        self.insns.push(Insn::MayGoto { target: target.0 });
    }

    /// Adds a call of a helper.
    pub fn call(&mut self, helper: Helper) {
        self.add(Insn::Call(Callee::Helper(helper.number())));
    }

    /// Adds a call of a function that starts at a label.
    pub fn call_function(&mut self, function: Label) {
        self.insns.push(Insn::Call(Callee::Function(function.0)));
    }

    /// Adds the end of a function.
    pub fn exit(&mut self) {
        self.add(Insn::Exit);
    }

    /// Returns the program.
    ///
    /// # Panics
    /// When a label that is used has not been bound.
    pub fn finish(self) -> Vec<Insn> {
        let Self { insns, places } = self;
        let place = |label: u32| places[label as usize].expect("every label that is used is bound");
        insns.into_iter().map(|insn| insn.retargeted(place)).collect()
    }
}
