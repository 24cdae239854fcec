//! A program to what is wrong with it, before a kernel sees it.
//!
//! Checks what follows from the instructions alone: where they go, which registers they read, how much stack the calls
//! of a program need together. What pointers point to is left to the kernel's verifier; what is refused here, it would
//! refuse with less to say. Next: `vm`.
//!
//! # Source
//! The kernel's `Documentation/bpf/verifier.rst`; bounds of `include/linux/bpf_verifier.h` and `include/linux/filter.h`.

use crate::callee::Helper;
use crate::insn::{Alu, AtomicOp, Callee, Imm64, Insn, Operand, Reg, Width};
use crate::map::MapDef;
use std::collections::BTreeMap;
use std::fmt;

/// Instructions of a program at most (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const INSNS_MAX: usize = 1_000_000;
/// Bytes of stack that a function and those that called it have together (`MAX_BPF_STACK`).
pub const STACK_SIZE_MAX: u32 = 512;
/// How deep calls nest at most (`MAX_CALL_FRAMES`).
pub const CALL_DEPTH_MAX: usize = 8;

/// Says what is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The position of the instruction.
    pub position: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {}", self.position, self.reason)
    }
}

impl std::error::Error for Violation {}

/// Checks a program over these maps.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(program: &[Insn], maps: &[MapDef]) -> Result<(), Violation> {
    if program.is_empty() || program.len() > INSNS_MAX {
        return Err(violation(0, format!("a program has 1 to {INSNS_MAX} instructions, not {}", program.len())));
    }
    for (position, insn) in program.iter().enumerate() {
        check_operands(insn, maps).map_err(|reason| violation(position, reason))?;
    }
    let functions = functions(program)?;
    for (entry, end) in &functions {
        check_flow(program, *entry, *end)?;
    }
    let mut calls = Calls { program, functions: &functions, known: BTreeMap::new() };
    calls.stack_of(0, 1).map(|_| ())
}

fn violation(position: usize, reason: impl Into<String>) -> Violation {
    Violation { position, reason: reason.into() }
}

/// Checks what can be said of an instruction by itself.
fn check_operands(insn: &Insn, maps: &[MapDef]) -> Result<(), String> {
    match insn {
        Insn::Alu { width, op, src: Operand::Imm(imm), .. } => {
            let bits = if *width == Width::Word { 32 } else { 64 };
            match op {
                Alu::Div | Alu::SignedDiv | Alu::Mod | Alu::SignedMod if *imm == 0 => return Err("divides by 0".into()),
                Alu::Lsh | Alu::Rsh | Alu::Arsh if !(0..bits).contains(imm) => {
                    return Err(format!("shifts by {imm} of {bits} bits"));
                }
                _ => {}
            }
        }
        Insn::LoadImm { value: Imm64::Map(map) | Imm64::MapValue { map, .. }, .. } if *map as usize >= maps.len() => {
            return Err(format!("names map {map} of {}", maps.len()));
        }
        Insn::LoadImm { value: Imm64::MapValue { map, offset }, .. } => {
            let def = &maps[*map as usize];
            if !def.kind.is_array() || def.entries_max != 1 || *offset >= def.value_size {
                return Err(format!("names byte {offset} of `{}`, which is no array of one value so large", def.name));
            }
        }
        Insn::Call(Callee::Helper(number)) if Helper::of_number(*number).is_none() => {
            return Err(format!("calls helper {number}, which is not in the table"));
        }
        _ => {}
    }
    if written(insn) == Some(Reg::FRAME) {
        return Err("writes the register of the stack frame".into());
    }
    match stack_offset(insn) {
        Some((offset, size)) if offset < -(STACK_SIZE_MAX as i32) || offset + size > 0 => {
            Err(format!("reads or writes {size} bytes at {offset} of a stack of {STACK_SIZE_MAX}"))
        }
        _ => Ok(()),
    }
}

/// Returns where beside the end of the stack an instruction reads or writes, and how many bytes.
fn stack_offset(insn: &Insn) -> Option<(i32, i32)> {
    match insn {
        Insn::Load { size, base: Reg::FRAME, offset, .. }
        | Insn::Store { size, base: Reg::FRAME, offset, .. }
        | Insn::Atomic { size, base: Reg::FRAME, offset, .. } => Some((i32::from(*offset), size.bytes() as i32)),
        _ => None,
    }
}

/// Returns the functions of a program: where each starts and ends.
fn functions(program: &[Insn]) -> Result<Vec<(usize, usize)>, Violation> {
    let mut entries: Vec<usize> = vec![0];
    for (position, insn) in program.iter().enumerate() {
        if let Some(function) = insn.function() {
            if function as usize >= program.len() {
                return Err(violation(
                    position,
                    format!("names a function at {function}, where the program has ended"),
                ));
            }
            entries.push(function as usize);
        }
    }
    entries.sort_unstable();
    entries.dedup();
    let ends = entries.iter().skip(1).copied().chain([program.len()]);
    Ok(entries.iter().copied().zip(ends).collect())
}

/// Checks that a function stays in itself, that each instruction is reached, and that what it reads was written.
fn check_flow(program: &[Insn], entry: usize, end: usize) -> Result<(), Violation> {
    // By position, the registers that are known on every way there; `None` where no way has led yet.
    let mut known: Vec<Option<u16>> = vec![None; end - entry];
    known[0] = Some(if entry == 0 { bits([1, 10]) } else { bits([1, 2, 3, 4, 5, 10]) });
    let mut open = vec![entry];
    while let Some(position) = open.pop() {
        let insn = &program[position];
        let mut registers = known[position - entry].expect("what is open was reached");
        for read in reads(insn) {
            if registers & bit(read) == 0 {
                return Err(violation(position, format!("reads {read:?}, to which nothing is written on some way")));
            }
        }
        if let Insn::Call(_) = insn {
            registers = registers & !bits([1, 2, 3, 4, 5]) | bits([0]);
        }
        registers |= written(insn).map_or(0, bit);
        let next = (!insn.ends_block()).then_some(position + 1);
        for target in insn.target().map(|target| target as usize).into_iter().chain(next) {
            if !(entry..end).contains(&target) {
                return Err(violation(position, "goes on outside its function"));
            }
            let there = &mut known[target - entry];
            let merged = there.map_or(registers, |there| there & registers);
            if *there != Some(merged) {
                *there = Some(merged);
                open.push(target);
            }
        }
    }
    match known.iter().position(Option::is_none) {
        Some(offset) => Err(violation(entry + offset, "is never reached")),
        None => Ok(()),
    }
}

fn bit(reg: Reg) -> u16 {
    1 << reg.number()
}

fn bits<const N: usize>(numbers: [u8; N]) -> u16 {
    numbers.into_iter().fold(0, |bits, number| bits | 1 << number)
}

/// Returns the registers that an instruction reads.
fn reads(insn: &Insn) -> Vec<Reg> {
    let operand = |operand: &Operand| if let Operand::Reg(reg) = operand { Some(*reg) } else { None };
    match insn {
        Insn::Alu { op: Alu::Mov, src, .. } => operand(src).into_iter().collect(),
        Insn::Alu { dst, src, .. } | Insn::Branch { dst, src, .. } => {
            std::iter::once(*dst).chain(operand(src)).collect()
        }
        Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => vec![*dst],
        Insn::MovSigned { src, .. } => vec![*src],
        Insn::Load { base, .. } => vec![*base],
        Insn::Store { base, value, .. } => std::iter::once(*base).chain(operand(value)).collect(),
        Insn::Atomic { op: AtomicOp::CompareExchange, base, src, .. } => vec![*base, *src, Reg::R0],
        Insn::Atomic { base, src, .. } => vec![*base, *src],
        Insn::Call(Callee::Helper(number)) => {
            let count = Helper::of_number(*number).map_or(0, Helper::argument_count);
            (1..=count).filter_map(Reg::new).collect()
        }
        Insn::Exit => vec![Reg::R0],
        Insn::LoadImm { .. } | Insn::Jump { .. } | Insn::MayGoto { .. } | Insn::Call(_) => Vec::new(),
    }
}

/// Returns the register that an instruction writes, besides those that a call does.
fn written(insn: &Insn) -> Option<Reg> {
    match insn {
        Insn::Alu { dst, .. }
        | Insn::Neg { dst, .. }
        | Insn::MovSigned { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::LoadImm { dst, .. }
        | Insn::Load { dst, .. } => Some(*dst),
        Insn::Atomic { op: AtomicOp::CompareExchange, .. } => Some(Reg::R0),
        Insn::Atomic { is_fetched: true, src, .. } => Some(*src),
        _ => None,
    }
}

/// Finds how much stack calls need.
struct Calls<'c> {
    program: &'c [Insn],
    functions: &'c [(usize, usize)],
    /// What each function needs with those that it calls, and how deep those nest.
    known: BTreeMap<usize, (u32, usize)>,
}

impl Calls<'_> {
    /// Returns how much stack a function needs with those that it calls, and how deep they nest.
    ///
    /// Nested itself only as deep as calls may be.
    fn stack_of(&mut self, entry: usize, depth: usize) -> Result<(u32, usize), Violation> {
        if let Some(known) = self.known.get(&entry) {
            return Ok(*known);
        }
        if depth > CALL_DEPTH_MAX {
            return Err(violation(entry, format!("is called in itself, or deeper than {CALL_DEPTH_MAX} calls")));
        }
        let end = self.functions.iter().find(|(start, _)| *start == entry).map_or(entry, |(_, end)| *end);
        let program = self.program;
        let lowest = program[entry..end].iter().filter_map(stack_offset).map(|(offset, _)| offset).min();
        // The kernel rounds each frame up to 32 bytes.
        let own = lowest.unwrap_or(0).unsigned_abs().next_multiple_of(32);
        let (mut stack, mut nesting) = (own, 1);
        for (position, insn) in program.iter().enumerate().take(end).skip(entry) {
            let Some(function) = insn.function() else { continue };
            let (inner, inner_nesting) = self.stack_of(function as usize, depth + 1)?;
            (stack, nesting) = (stack.max(own + inner), nesting.max(1 + inner_nesting));
            if stack > STACK_SIZE_MAX || nesting > CALL_DEPTH_MAX {
                let reason = format!("calls that need {stack} bytes of stack, or nest {nesting} deep");
                return Err(violation(position, reason));
            }
        }
        self.known.insert(entry, (stack, nesting));
        Ok((stack, nesting))
    }
}
