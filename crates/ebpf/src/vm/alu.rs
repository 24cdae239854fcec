//! What operations on numbers give. Next: `machine.rs`.
//!
//! # Source
//! RFC 9669, section 4.1 (arithmetic), 4.2 (byte swaps) and 4.3 (jumps).

use crate::insn::{Alu, ByteOrder, Cond, Size, Width};

/// Returns what an operation gives; the upper half of what is written by one on a word is zero.
pub fn compute(width: Width, op: Alu, left: u64, right: u64) -> u64 {
    if width == Width::Double {
        return double(op, left, right);
    }
    let is_signed = matches!(op, Alu::SignedDiv | Alu::SignedMod | Alu::Arsh);
    let widened = |number: u64| if is_signed { sign_extended(Size::Word, number) } else { u64::from(number as u32) };
    let right = if matches!(op, Alu::Lsh | Alu::Rsh | Alu::Arsh) { right & 31 } else { widened(right) };
    u64::from(double(op, widened(left), right) as u32)
}

fn double(op: Alu, left: u64, right: u64) -> u64 {
    match op {
        Alu::Add => left.wrapping_add(right),
        Alu::Sub => left.wrapping_sub(right),
        Alu::Mul => left.wrapping_mul(right),
        Alu::Div => left.checked_div(right).unwrap_or(0),
        Alu::SignedDiv if right == 0 => 0,
        Alu::SignedDiv => (left as i64).wrapping_div(right as i64) as u64,
        Alu::Mod => left.checked_rem(right).unwrap_or(left),
        Alu::SignedMod if right == 0 => left,
        Alu::SignedMod => (left as i64).wrapping_rem(right as i64) as u64,
        Alu::Or => left | right,
        Alu::And => left & right,
        Alu::Xor => left ^ right,
        Alu::Lsh => left.wrapping_shl(right as u32),
        Alu::Rsh => left.wrapping_shr(right as u32),
        Alu::Arsh => (left as i64).wrapping_shr(right as u32) as u64,
        Alu::Mov => right,
    }
}

/// Says whether a comparison holds.
pub fn holds(width: Width, cond: Cond, left: u64, right: u64) -> bool {
    let (left, right) = match width {
        Width::Double => (left, right),
        Width::Word => (u64::from(left as u32), u64::from(right as u32)),
    };
    let signed = |number: u64| if width == Width::Word { i64::from(number as u32 as i32) } else { number as i64 };
    match cond {
        Cond::Eq => left == right,
        Cond::Ne => left != right,
        Cond::Set => left & right != 0,
        Cond::Gt => left > right,
        Cond::Ge => left >= right,
        Cond::Lt => left < right,
        Cond::Le => left <= right,
        Cond::SignedGt => signed(left) > signed(right),
        Cond::SignedGe => signed(left) >= signed(right),
        Cond::SignedLt => signed(left) < signed(right),
        Cond::SignedLe => signed(left) <= signed(right),
    }
}

/// Returns the lower bytes of a number in another order.
pub fn swapped(order: ByteOrder, size: Size, number: u64) -> u64 {
    let is_kept = order == ByteOrder::Little;
    match size {
        Size::Byte => number & 0xff,
        Size::Half if is_kept => u64::from(number as u16),
        Size::Half => u64::from((number as u16).swap_bytes()),
        Size::Word if is_kept => u64::from(number as u32),
        Size::Word => u64::from((number as u32).swap_bytes()),
        Size::Double if is_kept => number,
        Size::Double => number.swap_bytes(),
    }
}

/// Returns the lower bytes of a number with their sign extended to all 64 bits.
pub fn sign_extended(size: Size, number: u64) -> u64 {
    match size {
        Size::Byte => number as u8 as i8 as i64 as u64,
        Size::Half => number as u16 as i16 as i64 as u64,
        Size::Word => number as u32 as i32 as i64 as u64,
        Size::Double => number,
    }
}
