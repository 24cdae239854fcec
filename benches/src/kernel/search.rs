//! Programs written by hand that rules are compared with: one that only loads the payload, one that has the kernel's own
//! function search it, and one that looks at one byte.

use dtq_ebpf::asm::Assembler;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::{Emitter, SCRATCH, SCRATCH_MAP};
use dtq_ebpf::insn::{Alu, Callee, Cond, Insn, Reg, Size};
use dtq_ebpf::{MapDef, layout};

/// Returns the program that copies the payload into the scratch and keeps it.
pub fn load_only() -> (Vec<Insn>, Vec<MapDef>) {
    let mut e = Emitter::new(1);
    emit_load(&mut e, |_| {});
    e.finish()
}

/// Returns the program that drops a payload in which the kernel's `bpf_strnstr` finds a text; `id` is the function's.
pub fn by_the_kernel(id: u32, text: &str) -> (Vec<Insn>, Vec<MapDef>) {
    let mut e = Emitter::new(1);
    let table = e.add_table("constant", [text.as_bytes(), &[0]].concat());
    emit_load(&mut e, |e| {
        let missing = e.asm.label();
        e.asm.mov(Reg::R1, SCRATCH);
        e.asm.alu(Alu::Add, Reg::R1, i32::from(layout::PAYLOAD));
        e.load_table(Reg::R2, table, 0);
        e.load(Reg::R3, layout::LENGTH);
        e.asm.add(Insn::Call(Callee::Kfunc(id)));
        e.asm.branch32(Cond::SignedLt, Reg::R0, 0, missing);
        e.asm.mov(Reg::R0, 0);
        e.asm.exit();
        e.asm.bind(missing);
    });
    e.finish()
}

/// Returns the program that drops a packet with this byte at an offset.
pub fn drop_by_byte(offset: i32, byte: u8) -> Vec<Insn> {
    let mut asm = Assembler::default();
    let kept = asm.label();
    asm.store(Size::Double, Reg::FRAME, -8, 0);
    asm.mov(Reg::R2, offset);
    asm.mov_frame(Reg::R3, -8);
    asm.mov(Reg::R4, 1);
    asm.call(Helper::SkbLoadBytes);
    asm.branch(Cond::Ne, Reg::R0, 0, kept);
    asm.load(Size::Byte, Reg::R1, Reg::FRAME, -8);
    asm.branch(Cond::Ne, Reg::R1, i32::from(byte), kept);
    asm.mov(Reg::R0, 0);
    asm.exit();
    asm.bind(kept);
    asm.mov(Reg::R0, -1);
    asm.exit();
    asm.finish()
}

fn emit_load(e: &mut Emitter, then: impl FnOnce(&mut Emitter)) {
    let unfit = e.asm.label();
    e.asm.mov(Reg::R6, Reg::R1);
    e.asm.store(Size::Word, Reg::FRAME, -4, 0);
    e.asm.mov_map(Reg::R1, SCRATCH_MAP);
    e.asm.mov_frame(Reg::R2, -4);
    e.asm.call(Helper::MapLookup);
    e.asm.branch(Cond::Eq, Reg::R0, 0, unfit);
    e.asm.mov(SCRATCH, Reg::R0);
    e.asm.load(Size::Word, Reg::R4, Reg::R6, 0);
    e.asm.branch(Cond::Eq, Reg::R4, 0, unfit);
    e.asm.branch(Cond::Gt, Reg::R4, layout::PAYLOAD_MAX as i32, unfit);
    e.store(layout::LENGTH, Reg::R4);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.mov(Reg::R2, 0);
    e.asm.mov(Reg::R3, SCRATCH);
    e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
    e.asm.call(Helper::SkbLoadBytes);
    e.asm.branch(Cond::Ne, Reg::R0, 0, unfit);
    then(e);
    e.asm.bind(unfit);
    e.asm.mov(Reg::R0, -1);
    e.asm.exit();
}

/// Returns the number by which programs call one of the kernel's own functions; `None` when this kernel has it not.
///
/// # Source
/// Linux, `Documentation/bpf/btf.rst`: the numbers of types are their positions.
pub fn kernel_function(name: &str) -> Option<u32> {
    let btf = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    let word = |at: usize| btf.get(at..at + 4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let (head, types, size, strings) = (word(4)?, word(8)?, word(12)?, word(16)?);
    let (mut at, end) = ((head + types) as usize, (head + types + size) as usize);
    let mut id = 1;
    while at < end {
        let (said, info) = (word(at)?, word(at + 4)?);
        let (kind, count) = (info >> 24 & 0x1F, (info & 0xFFFF) as usize);
        let start = (head + strings + said) as usize;
        // `BTF_KIND_FUNC`.
        if kind == 12 && btf.get(start..)?.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0)) {
            return Some(id);
        }
        at += 12
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * count,
                6 | 13 => 8 * count,
                _ => 0,
            };
        id += 1;
    }
    None
}
