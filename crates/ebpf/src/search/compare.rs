//! Bytes of a text compared with those of a constant, up to eight at once, by numbers in the code itself.
//!
//! Where case is ignored, the bit that tells capitals from small letters is set in a byte of the text only where the constant
//! has a letter: with that bit, no other byte is the same as a letter. Next: `contains`.

use crate::asm::Label;
use crate::emit::Emitter;
use crate::insn::{Alu, Cond, Reg, Size};
use crate::layout;

/// The bit that tells capitals from small letters of ASCII.
const CASE_BIT: u8 = 0x20;

/// Adds a jump to `differs` unless the bytes from the offset in `at` on are these.
///
/// Keeps `at`, which is none of `r1` to `r3`; those are clobbered.
pub(super) fn emit_compare(e: &mut Emitter, at: Reg, text: &[u8], is_case_ignored: bool, differs: Label) {
    let size = Size::ALL.into_iter().rev().find(|size| size.bytes() <= text.len());
    let Some(size) = size else { return };
    // So far behind the address in `r1` may be read; it is made again for what lies further on.
    let mut base = None;
    for start in piece_starts(text.len(), size.bytes()) {
        let from = match base {
            Some(base) if start - base + size.bytes() <= layout::BEYOND => base,
            _ => {
                e.asm.mov(Reg::R1, at);
                if start > 0 {
                    e.asm.alu(Alu::Add, Reg::R1, start as i32);
                }
                e.address(Reg::R1, Reg::R1);
                *base.insert(start)
            }
        };
        e.asm.load(size, Reg::R2, Reg::R1, (start - from) as i16);
        emit_piece(e, &text[start..start + size.bytes()], is_case_ignored, differs);
    }
}

/// Returns where pieces of one size start, which together make up so many bytes; the last one overlaps that before it where
/// they do not add up.
fn piece_starts(length: usize, size: usize) -> impl Iterator<Item = usize> {
    let last = length - size;
    (0..last).step_by(size).chain([last])
}

/// Adds a jump unless what was loaded into `r2` are these bytes: one, two, four or eight.
fn emit_piece(e: &mut Emitter, piece: &[u8], is_case_ignored: bool, differs: Label) {
    let is_letter = |byte: &u8| is_case_ignored && byte.is_ascii_alphabetic();
    let bits = number(piece.iter().map(|byte| if is_letter(byte) { CASE_BIT } else { 0 }));
    let expected = number(piece.iter().map(|byte| if is_letter(byte) { byte | CASE_BIT } else { *byte }));
    if piece.len() < 8 {
        if bits != 0 {
            e.asm.alu32(Alu::Or, Reg::R2, bits as u32 as i32);
        }
        e.asm.branch32(Cond::Ne, Reg::R2, expected as u32 as i32, differs);
        return;
    }
    if bits != 0 {
        e.asm.mov_imm(Reg::R3, bits);
        e.asm.alu(Alu::Or, Reg::R2, Reg::R3);
    }
    e.asm.mov_imm(Reg::R3, expected);
    e.asm.branch(Cond::Ne, Reg::R2, Reg::R3, differs);
}

/// Returns the number that up to eight bytes are in memory, the first one least.
fn number(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.enumerate().fold(0, |number, (at, byte)| number | u64::from(byte) << (8 * at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_bytes_and_no_other() {
        for length in 1..40 {
            for size in Size::ALL.into_iter().map(Size::bytes).filter(|size| *size <= length) {
                let mut is_covered = vec![false; length];
                piece_starts(length, size).for_each(|start| is_covered[start..start + size].fill(true));
                assert!(is_covered.iter().all(|is_covered| *is_covered), "{length} {size}");
            }
        }
    }
}
