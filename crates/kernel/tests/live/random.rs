//! A seed to a program that the verifier accepts: numbers in registers and on the stack, and branches forward.

use dtq_ebpf::asm::{Assembler, Label};
use dtq_ebpf::callee::Helper;
use dtq_ebpf::insn::{Alu, AtomicOp, ByteOrder, Cond, Insn, Operand, Reg, Size, Width};

/// Registers with numbers; the last ones keep the context and a result.
const REGS: [Reg; 8] = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R7, Reg::R8];
/// Bytes of the stack that hold numbers.
const STACK: i16 = 32;

/// Makes decisions: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Returns a number, of which many are near a bound.
    fn number(&mut self) -> u64 {
        let near =
            self.pick(&[0, 1, u64::MAX, 1 << 31, 1 << 32, u64::from(u32::MAX), 1 << 63, i64::MAX as u64, 255, 64]);
        match self.below(3) {
            0 => near,
            1 => near.wrapping_add(self.next() % 5).wrapping_sub(2),
            _ => self.next(),
        }
    }

    fn width(&mut self) -> Width {
        self.pick(&[Width::Word, Width::Double])
    }

    fn operand(&mut self) -> Operand {
        match self.below(2) {
            0 => self.pick(&REGS).into(),
            _ => (self.number() as i32).into(),
        }
    }
}

/// Returns the program of a seed.
pub fn program(seed: u64) -> Vec<Insn> {
    let mut random = Random(seed);
    let mut asm = Assembler::default();
    // The packet goes on the stack, so that what is read there is not known beforehand.
    asm.mov(Reg::R2, 0);
    asm.mov(Reg::R3, Reg::FRAME);
    asm.alu(Alu::Add, Reg::R3, -i32::from(STACK));
    asm.mov(Reg::R4, i32::from(STACK));
    asm.call(Helper::SkbLoadBytes);
    for reg in REGS {
        match random.below(2) {
            0 => asm.mov_imm(reg, random.number()),
            _ => asm.load(Size::Double, reg, Reg::FRAME, -8 * (1 + random.below(4) as i16)),
        }
    }
    // With both, the verifier of Linux 6.18 leaves out code that runs: it does not follow a number that an atomic operation
    // fetched from the stack back to where it was stored, and takes one way there for the other.
    let has_branches = random.below(4) > 0;
    let mut open: Vec<(usize, Label)> = Vec::new();
    for at in 0..40 {
        while let Some(index) = open.iter().position(|(end, _)| *end <= at) {
            asm.bind(open.remove(index).1);
        }
        if has_branches && random.below(8) == 0 && open.len() < 4 {
            let label = asm.label();
            let (cond, dst, src) = (random.pick(&Cond::ALL), random.pick(&REGS), random.operand());
            match random.width() {
                Width::Double => asm.branch(cond, dst, src, label),
                Width::Word => asm.branch32(cond, dst, src, label),
            }
            open.push((at + 1 + random.below(6), label));
        } else {
            let insn = insn(&mut random, !has_branches);
            asm.add(insn);
        }
    }
    open.into_iter().for_each(|(_, label)| asm.bind(label));
    fold(&mut asm);
    asm.finish()
}

/// Brings what all registers and the stack hold into the 32 bits of the result.
fn fold(asm: &mut Assembler) {
    for reg in &REGS[1..] {
        asm.alu(Alu::Mul, Reg::R0, 31);
        asm.alu(Alu::Add, Reg::R0, *reg);
    }
    for at in 1..=STACK / 8 {
        asm.load(Size::Double, Reg::R1, Reg::FRAME, -8 * at);
        asm.alu(Alu::Mul, Reg::R0, 31);
        asm.alu(Alu::Add, Reg::R0, Reg::R1);
    }
    asm.mov(Reg::R1, Reg::R0);
    asm.alu(Alu::Rsh, Reg::R1, 32);
    asm.alu(Alu::Xor, Reg::R0, Reg::R1);
    asm.exit();
}

/// Returns an instruction that goes on at the next one.
fn insn(random: &mut Random, may_fetch: bool) -> Insn {
    let (dst, src) = (random.pick(&REGS), random.pick(&REGS));
    let size = random.pick(&Size::ALL);
    let offset = -(size.bytes() as i16) * (1 + random.below(STACK as usize / size.bytes()) as i16);
    match random.below(10) {
        0 => Insn::Neg { width: random.width(), dst },
        1 => {
            let (width, from) = random.pick(&[
                (Width::Double, Size::Byte),
                (Width::Double, Size::Half),
                (Width::Double, Size::Word),
                (Width::Word, Size::Byte),
                (Width::Word, Size::Half),
            ]);
            Insn::MovSigned { width, from, dst, src }
        }
        2 => {
            let order = random.pick(&[ByteOrder::Little, ByteOrder::Big, ByteOrder::Swapped]);
            Insn::Swap { order, size: random.pick(&[Size::Half, Size::Word, Size::Double]), dst }
        }
        3 => {
            let is_signed = size != Size::Double && random.below(2) == 0;
            Insn::Load { size, is_signed, dst, base: Reg::FRAME, offset }
        }
        4 => Insn::Store { size, base: Reg::FRAME, offset, value: random.operand() },
        5 => {
            let op = random.pick(&AtomicOp::ALL);
            let op = if op.always_fetches() && !may_fetch { AtomicOp::Add } else { op };
            let is_fetched = op.always_fetches() || may_fetch && random.below(2) == 0;
            let (size, offset) =
                random.pick(&[(Size::Double, -8), (Size::Double, -24), (Size::Word, -4), (Size::Word, -12)]);
            Insn::Atomic { size, op, is_fetched, base: Reg::FRAME, offset, src }
        }
        _ => alu(random, dst),
    }
}

fn alu(random: &mut Random, dst: Reg) -> Insn {
    let (width, op) = (random.width(), random.pick(&Alu::ALL));
    let bits = if width == Width::Word { 32 } else { 64 };
    let src = match (op, random.operand()) {
        (Alu::Lsh | Alu::Rsh | Alu::Arsh, Operand::Imm(imm)) => Operand::Imm(imm.rem_euclid(bits)),
        (Alu::Div | Alu::SignedDiv | Alu::Mod | Alu::SignedMod, Operand::Imm(0)) => Operand::Imm(7),
        (_, operand) => operand,
    };
    Insn::Alu { width, op, dst, src }
}
