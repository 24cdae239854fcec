//! A program to the same without what no way leads to, which the kernel's verifier would refuse.

use crate::insn::Insn;

/// Returns the instructions that some way leads to.
///
/// # Panics
/// When a way leads out of the program; the assembler makes none that does.
pub fn reached(program: &[Insn]) -> Vec<Insn> {
    let mut is_reached = vec![false; program.len()];
    let mut open = vec![0];
    while let Some(position) = open.pop() {
        if std::mem::replace(&mut is_reached[position], true) {
            continue;
        }
        let insn = &program[position];
        open.extend(insn.target().into_iter().chain(insn.function()).map(|target| target as usize));
        open.extend((!insn.ends_block()).then_some(position + 1));
    }
    // Where each instruction goes.
    let mut places = Vec::with_capacity(program.len());
    let mut count = 0_u32;
    for is_reached in &is_reached {
        places.push(count);
        count += u32::from(*is_reached);
    }
    let kept = program.iter().zip(&is_reached).filter(|(_, is_reached)| **is_reached);
    kept.map(|(insn, _)| insn.retargeted(|target| places[target as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::reached;
    use crate::asm::Assembler;
    use crate::insn::{Cond, Reg};
    use crate::text;

    #[test]
    fn what_stands_behind_a_jump_goes_and_targets_move_with_it() {
        let mut asm = Assembler::default();
        let (end, back) = (asm.label(), asm.label());
        asm.mov(Reg::R0, 1);
        asm.jump(back);
        asm.mov(Reg::R0, 2);
        asm.mov(Reg::R0, 3);
        asm.bind(end);
        asm.exit();
        asm.bind(back);
        asm.branch(Cond::Eq, Reg::R0, 1, end);
        asm.exit();
        let program = reached(&asm.finish());
        assert_eq!(program.len(), 5, "{}", text::print(&program));
        assert_eq!((program[1].target(), program[3].target()), (Some(3), Some(2)));
    }
}
