//! Whether an occurrence stands between edges of terms, by the bytes beside it.
//!
//! Letters and digits of ASCII are told apart from what delimits; a byte beyond ASCII beside an occurrence leaves it in
//! doubt, and then only another occurrence may decide. Next: `set`.

use super::contains::{DOUBT, LAST, START};
use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use dtq_value::search::TermEdges;
use dtq_value::search::term::is_between_edges;

/// Says at which edges of an occurrence no term may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edges {
    is_start_checked: bool,
    is_end_checked: bool,
}

impl Edges {
    /// Returns the edges of a constant that matter; `None` where none does, as where it begins and ends with what delimits.
    pub(super) fn new(text: &[u8], edges: TermEdges) -> Option<Self> {
        // Beside a letter, only an edge that is none itself is one of a term.
        let between_letters = [b"a", text, b"a"].concat();
        let is_checked =
            |edge: TermEdges, other: TermEdges| edges != other && !is_between_edges(&between_letters, 1, text, edge);
        let found = Self {
            is_start_checked: is_checked(TermEdges::Start, TermEdges::End),
            is_end_checked: is_checked(TermEdges::End, TermEdges::Start),
        };
        (found.is_start_checked || found.is_end_checked).then_some(found)
    }
}

/// Adds a jump to `counts` if the occurrence at the offset in `r6` stands between edges, else to `next`.
pub(super) fn emit_check(e: &mut Emitter, edges: &Edges, length: usize, next: Label, counts: Label) {
    let doubt = e.asm.label();
    if edges.is_start_checked {
        let is_free = e.asm.label();
        e.load(Reg::R0, START);
        e.asm.branch(Cond::Eq, Reg::R6, Reg::R0, is_free);
        e.asm.mov(Reg::R1, Reg::R6);
        e.asm.alu(Alu::Sub, Reg::R1, 1);
        emit_neighbour(e, next, doubt);
        e.asm.bind(is_free);
    }
    if edges.is_end_checked {
        // What lies behind the last occurrence that there may be is no longer the text.
        e.load(Reg::R0, LAST);
        e.asm.branch(Cond::Eq, Reg::R6, Reg::R0, counts);
        e.asm.mov(Reg::R1, Reg::R6);
        e.asm.alu(Alu::Add, Reg::R1, length as i32);
        emit_neighbour(e, next, doubt);
    }
    e.asm.jump(counts);
    e.asm.bind(doubt);
    e.store(DOUBT, 1);
    e.asm.jump(next);
}

/// Adds jumps by the byte at the offset in `r1`: to `term` if it is a letter or a digit, to `doubt` if it is beyond ASCII.
fn emit_neighbour(e: &mut Emitter, term: Label, doubt: Label) {
    e.address(Reg::R1, Reg::R1);
    e.asm.load(Size::Byte, Reg::R1, Reg::R1, 0);
    e.asm.branch(Cond::Ge, Reg::R1, 0x80, doubt);
    e.asm.mov(Reg::R2, Reg::R1);
    e.asm.alu(Alu::Sub, Reg::R2, i32::from(b'0'));
    e.asm.branch(Cond::Lt, Reg::R2, 10, term);
    e.asm.alu(Alu::Or, Reg::R1, 0x20);
    e.asm.alu(Alu::Sub, Reg::R1, i32::from(b'a'));
    e.asm.branch(Cond::Lt, Reg::R1, 26, term);
}
