//! Instructions as text, in the form in which the kernel's verifier and bpftool write them.
//!
//! For people and fixtures; nothing reads it back. Next: `check.rs`.

use crate::callee::Helper;
use crate::insn::{Alu, AtomicOp, ByteOrder, Callee, Cond, Imm64, Insn, Operand, Reg, Size, Width};
use std::fmt::{self, Display, Write};

/// Returns a program, an instruction a line, each behind its position.
pub fn print(program: &[Insn]) -> String {
    let mut out = String::new();
    for (position, insn) in program.iter().enumerate() {
        writeln!(out, "{position:5}: {insn}").expect("a string can be written to");
    }
    out
}

impl Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Insn::Alu { width, op, dst, src } => {
                write!(f, "{} {}= {}", reg(width, dst), alu(op), operand(width, src))
            }
            Insn::Neg { width, dst } => write!(f, "{0} = -{0}", reg(width, dst)),
            Insn::MovSigned { width, from, dst, src } => {
                write!(f, "{} = (s{}){}", reg(width, dst), bits(from), reg(width, src))
            }
            Insn::Swap { order, size, dst } => write!(f, "{dst:?} = {}{} {dst:?}", order_name(order), bits(size)),
            Insn::LoadImm { dst, value } => write!(f, "{dst:?} = {} ll", Address(value)),
            Insn::Load { size, is_signed, dst, base, offset } => {
                let sign = if is_signed { "s" } else { "u" };
                write!(f, "{dst:?} = *({sign}{} *)({})", bits(size), place(base, offset))
            }
            Insn::Store { size, base, offset, value } => {
                write!(f, "*(u{} *)({}) = {}", bits(size), place(base, offset), operand(Width::Double, value))
            }
            Insn::Atomic { size, op, is_fetched, base, offset, src } => {
                let place = format!("(u{} *)({})", bits(size), place(base, offset));
                match op {
                    AtomicOp::CompareExchange => write!(f, "r0 = cmpxchg({place}, r0, {src:?})"),
                    AtomicOp::Exchange => write!(f, "{src:?} = xchg({place}, {src:?})"),
                    _ if is_fetched => write!(f, "{src:?} = atomic_fetch_{}({place}, {src:?})", atomic(op).0),
                    _ => write!(f, "lock *{place} {}= {src:?}", atomic(op).1),
                }
            }
            Insn::Jump { target } => write!(f, "goto {target}"),
            Insn::Branch { width, cond, dst, src, target } => {
                write!(f, "if {} {} {} goto {target}", reg(width, dst), comparison(cond), operand(width, src))
            }
            Insn::MayGoto { target } => write!(f, "may_goto {target}"),
            Insn::Call(Callee::Helper(number)) => match Helper::of_number(number) {
                Some(helper) => write!(f, "call {}#{number}", helper.name()),
                None => write!(f, "call #{number}"),
            },
            Insn::Call(Callee::Function(function)) => write!(f, "call {function}"),
            Insn::Call(Callee::Kfunc(id)) => write!(f, "call kfunc#{id}"),
            Insn::Exit => f.write_str("exit"),
        }
    }
}

/// Writes what 64 bits are loaded with.
struct Address(Imm64);

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Imm64::Value(value) => write!(f, "{value:#x}"),
            Imm64::Map(map) => write!(f, "map[{map}]"),
            Imm64::MapValue { map, offset } => write!(f, "map[{map}][0]+{offset}"),
            Imm64::Function(function) => write!(f, "func {function}"),
        }
    }
}

fn reg(width: Width, reg: Reg) -> String {
    format!("{}{}", if width == Width::Word { 'w' } else { 'r' }, reg.number())
}

fn operand(width: Width, operand: Operand) -> String {
    match operand {
        Operand::Reg(src) => reg(width, src),
        Operand::Imm(imm) => imm.to_string(),
    }
}

fn place(base: Reg, offset: i16) -> String {
    format!("{base:?} {} {}", if offset < 0 { '-' } else { '+' }, i32::from(offset).abs())
}

fn bits(size: Size) -> usize {
    size.bytes() * 8
}

fn order_name(order: ByteOrder) -> &'static str {
    match order {
        ByteOrder::Little => "le",
        ByteOrder::Big => "be",
        ByteOrder::Swapped => "bswap",
    }
}

fn alu(op: Alu) -> &'static str {
    match op {
        Alu::Add => "+",
        Alu::Sub => "-",
        Alu::Mul => "*",
        Alu::Div => "/",
        Alu::SignedDiv => "s/",
        Alu::Mod => "%",
        Alu::SignedMod => "s%",
        Alu::Or => "|",
        Alu::And => "&",
        Alu::Xor => "^",
        Alu::Lsh => "<<",
        Alu::Rsh => ">>",
        Alu::Arsh => "s>>",
        Alu::Mov => "",
    }
}

fn atomic(op: AtomicOp) -> (&'static str, &'static str) {
    match op {
        AtomicOp::Add => ("add", "+"),
        AtomicOp::Or => ("or", "|"),
        AtomicOp::And => ("and", "&"),
        AtomicOp::Xor => ("xor", "^"),
        AtomicOp::Exchange => ("xchg", ""),
        AtomicOp::CompareExchange => ("cmpxchg", ""),
    }
}

fn comparison(cond: Cond) -> &'static str {
    match cond {
        Cond::Eq => "==",
        Cond::Ne => "!=",
        Cond::Set => "&",
        Cond::Gt => ">",
        Cond::Ge => ">=",
        Cond::Lt => "<",
        Cond::Le => "<=",
        Cond::SignedGt => "s>",
        Cond::SignedGe => "s>=",
        Cond::SignedLt => "s<",
        Cond::SignedLe => "s<=",
    }
}
