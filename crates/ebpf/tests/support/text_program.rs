//! A program for tests: it copies its packet into the scratch, and one part of a filter looks at a text in it.

use dtq_ebpf::callee::Helper;
use dtq_ebpf::emit::{Emitter, SCRATCH, SCRATCH_MAP};
use dtq_ebpf::insn::{Alu, Cond, Reg, Size};
use dtq_ebpf::{Insn, MapDef, layout};

/// Bytes of a packet in front of the text, and behind it.
pub const BEFORE: usize = 3;
pub const BEHIND: usize = 5;

/// What programs return that could not even look.
pub const FAILED: u32 = 1_000;

/// Returns a program and its maps: `part` finds the text's offset in `r6` and its length in `r7`, and ends in `exit`.
pub fn text_program(part: impl FnOnce(&mut Emitter)) -> (Vec<Insn>, Vec<MapDef>) {
    let mut e = Emitter::new(1);
    let failed = e.asm.label();
    e.asm.mov(Reg::R6, Reg::R1);
    e.asm.store(Size::Word, Reg::FRAME, -4, 0);
    e.asm.mov_map(Reg::R1, SCRATCH_MAP);
    e.asm.mov_frame(Reg::R2, -4);
    e.asm.call(Helper::MapLookup);
    e.asm.branch(Cond::Eq, Reg::R0, 0, failed);
    e.asm.mov(SCRATCH, Reg::R0);
    e.asm.load(Size::Word, Reg::R7, Reg::R6, 0);
    e.asm.branch(Cond::Lt, Reg::R7, (BEFORE + BEHIND) as i32, failed);
    e.asm.branch(Cond::Gt, Reg::R7, layout::PAYLOAD_MAX as i32, failed);
    e.store(layout::STEPS, layout::STEPS_MAX);
    e.asm.mov(Reg::R1, Reg::R6);
    e.asm.mov(Reg::R2, 0);
    e.asm.mov(Reg::R3, SCRATCH);
    e.asm.alu(Alu::Add, Reg::R3, i32::from(layout::PAYLOAD));
    e.asm.mov(Reg::R4, Reg::R7);
    e.asm.call(Helper::SkbLoadBytes);
    e.asm.branch(Cond::Ne, Reg::R0, 0, failed);
    // Through memory, as a filter has them: the verifier knows nothing of them then.
    e.store(layout::field(0) + 8, i32::from(layout::PAYLOAD) + BEFORE as i32);
    e.asm.alu(Alu::Sub, Reg::R7, (BEFORE + BEHIND) as i32);
    e.asm.store(Size::Word, SCRATCH, layout::field(0) + 4, Reg::R7);
    e.load_text(Reg::R6, Reg::R7, layout::field(0));
    part(&mut e);
    let kept = e.kept();
    e.asm.bind(kept);
    e.asm.bind(failed);
    e.asm.mov(Reg::R0, FAILED as i32);
    e.asm.exit();
    e.bind_undecided();
    e.finish()
}

/// Returns the packet of a text: around it stands what would change an outcome if it were looked at.
pub fn packet(text: &[u8], around: u8) -> Vec<u8> {
    [&[around; BEFORE][..], text, &[around; BEHIND]].concat()
}
