//! Instructions to the slots that the kernel reads, and back.
//!
//! Little-endian, as on every processor that dtq runs on. What cannot be encoded, such as a branch over more than 32,767
//! slots, is an error and never another instruction; what is decoded encodes to the same bytes. Next: `btf.rs`.
//!
//! # Source
//! RFC 9669, BPF Instruction Set Architecture; the kernel's `include/uapi/linux/bpf.h` for `may_goto` and for the kinds of
//! 64-bit immediates.

use crate::insn::{Alu, AtomicOp, ByteOrder, Callee, Cond, Imm64, Insn, Operand, Reg, Size, Width};
use std::fmt;

/// Holds eight bytes of a program as the kernel reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slot {
    /// What to do.
    pub opcode: u8,
    /// The destination register, by number.
    pub dst: u8,
    /// The source register, by number, or what an immediate or a callee is.
    pub src: u8,
    /// An offset in bytes or in slots.
    pub offset: i16,
    /// A number.
    pub imm: i32,
}

impl Slot {
    /// Returns its bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        let [o0, o1] = self.offset.to_le_bytes();
        let [i0, i1, i2, i3] = self.imm.to_le_bytes();
        [self.opcode, self.dst | self.src << 4, o0, o1, i0, i1, i2, i3]
    }

    /// Returns the slot of these bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [opcode, regs, o0, o1, i0, i1, i2, i3] = bytes;
        Self {
            opcode,
            dst: regs & 0xf,
            src: regs >> 4,
            offset: i16::from_le_bytes([o0, o1]),
            imm: i32::from_le_bytes([i0, i1, i2, i3]),
        }
    }
}

/// Holds a program as the kernel reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Its slots.
    pub slots: Vec<Slot>,
    /// Where the addresses of maps go: position of the first of two slots, and of the map.
    pub relocations: Vec<(usize, u32)>,
}

impl Encoded {
    /// Returns its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.slots.iter().flat_map(|slot| slot.to_bytes()).collect()
    }
}

/// Says why a program cannot be encoded, or bytes not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// The position of the instruction, or of the slot when decoding.
    pub position: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {}", self.position, self.reason)
    }
}

impl std::error::Error for EncodeError {}

mod code {
    pub const LD: u8 = 0x00;
    pub const LDX: u8 = 0x01;
    pub const ST: u8 = 0x02;
    pub const STX: u8 = 0x03;
    pub const ALU: u8 = 0x04;
    pub const JMP: u8 = 0x05;
    pub const JMP32: u8 = 0x06;
    pub const ALU64: u8 = 0x07;
    pub const FROM_REG: u8 = 0x08;
    pub const NEG: u8 = 0x80;
    pub const END: u8 = 0xd0;
    pub const MOV: u8 = 0xb0;
    pub const JA: u8 = 0x00;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const MAY_GOTO: u8 = 0xe0;
    pub const MEM: u8 = 0x60;
    pub const MEM_SIGNED: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
    pub const LOAD_IMM: u8 = LD | 0x18;
    pub const FETCH: i32 = 1;
}

/// Returns the program as the kernel reads it.
///
/// # Errors
/// When a target is no instruction of the program or too far away, or an instruction has parts that do not go together.
pub fn encode(program: &[Insn]) -> Result<Encoded, EncodeError> {
    let starts = starts(program);
    let mut encoded = Encoded::default();
    for (position, insn) in program.iter().enumerate() {
        let error = |reason| EncodeError { position, reason };
        let distance = |target: u32| {
            let at = starts[..program.len()].get(target as usize).ok_or(error("its target is not in the program"))?;
            Ok(*at as i64 - starts[position] as i64 - 1)
        };
        if let Insn::LoadImm { value: Imm64::Map(map) | Imm64::MapValue { map, .. }, .. } = insn {
            encoded.relocations.push((starts[position], *map));
        }
        let slots = encode_one(insn, &distance, &error)?;
        encoded.slots.extend(slots.into_iter().take(insn.slot_count()));
    }
    Ok(encoded)
}

/// Returns the first slot of each instruction, and behind them the number of slots.
fn starts(program: &[Insn]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(program.len() + 1);
    let mut next = 0;
    for insn in program {
        starts.push(next);
        next += insn.slot_count();
    }
    starts.push(next);
    starts
}

type Distance<'d> = &'d dyn Fn(u32) -> Result<i64, EncodeError>;

/// Returns the slots of an instruction, of which the second counts only where it takes two.
fn encode_one(
    insn: &Insn,
    distance: Distance<'_>,
    error: &dyn Fn(&'static str) -> EncodeError,
) -> Result<[Slot; 2], EncodeError> {
    let near = |target: u32| i16::try_from(distance(target)?).map_err(|_| error("its target is too far away"));
    let far = |target: u32| i32::try_from(distance(target)?).map_err(|_| error("its target is too far away"));
    let one = |slot: Slot| Ok([slot, Slot::default()]);
    match *insn {
        Insn::Alu { width, op, dst, src } => {
            let (operation, offset) = alu_code(op);
            let slot = Slot { opcode: alu_class(width) | operation, dst: dst.number(), offset, ..Slot::default() };
            one(with_operand(slot, src))
        }
        Insn::Neg { width, dst } => {
            one(Slot { opcode: alu_class(width) | code::NEG, dst: dst.number(), ..Slot::default() })
        }
        Insn::MovSigned { width, from, dst, src } => {
            if from == Size::Double || (from == Size::Word && width == Width::Word) {
                return Err(error("a sign is extended from fewer bytes than are written"));
            }
            let opcode = alu_class(width) | code::MOV | code::FROM_REG;
            let offset = from.bytes() as i16 * 8;
            one(Slot { opcode, dst: dst.number(), src: src.number(), offset, imm: 0 })
        }
        Insn::Swap { order, size, dst } => {
            if size == Size::Byte {
                return Err(error("one byte has no order"));
            }
            let opcode = code::END | swap_class(order);
            one(Slot { opcode, dst: dst.number(), imm: size.bytes() as i32 * 8, ..Slot::default() })
        }
        Insn::LoadImm { dst, value } => load_imm(dst, value, &far),
        Insn::Load { .. } | Insn::Store { .. } | Insn::Atomic { .. } => one(access(insn, error)?),
        Insn::Jump { target } => one(match near(target) {
            Ok(offset) => Slot { opcode: code::JMP | code::JA, offset, ..Slot::default() },
            Err(_) => Slot { opcode: code::JMP32 | code::JA, imm: far(target)?, ..Slot::default() },
        }),
        Insn::Branch { width, cond, dst, src, target } => {
            let opcode = jump_class(width) | cond_code(cond);
            let slot = Slot { opcode, dst: dst.number(), offset: near(target)?, ..Slot::default() };
            one(with_operand(slot, src))
        }
        Insn::MayGoto { target } => {
            one(Slot { opcode: code::JMP | code::MAY_GOTO, offset: near(target)?, ..Slot::default() })
        }
        Insn::Call(callee) => {
            let (src, imm) = match callee {
                Callee::Helper(number) => (0, number as i32),
                Callee::Function(function) => (1, far(function)?),
                Callee::Kfunc(id) => (2, id as i32),
            };
            one(Slot { opcode: code::JMP | code::CALL, src, imm, ..Slot::default() })
        }
        Insn::Exit => one(Slot { opcode: code::JMP | code::EXIT, ..Slot::default() }),
    }
}

/// Returns the slot of an instruction that reads or writes memory.
fn access(insn: &Insn, error: &dyn Fn(&'static str) -> EncodeError) -> Result<Slot, EncodeError> {
    Ok(match *insn {
        Insn::Load { size, is_signed, dst, base, offset } => {
            if is_signed && size == Size::Double {
                return Err(error("eight bytes have no sign to extend"));
            }
            let mode = if is_signed { code::MEM_SIGNED } else { code::MEM };
            let opcode = code::LDX | mode | size_code(size);
            Slot { opcode, dst: dst.number(), src: base.number(), offset, imm: 0 }
        }
        Insn::Store { size, base, offset, value } => {
            let slot = Slot { dst: base.number(), offset, ..Slot::default() };
            let common = code::MEM | size_code(size);
            match value {
                Operand::Reg(src) => Slot { opcode: code::STX | common, src: src.number(), ..slot },
                Operand::Imm(imm) => Slot { opcode: code::ST | common, imm, ..slot },
            }
        }
        Insn::Atomic { size, op, is_fetched, base, offset, src } => {
            if matches!(size, Size::Byte | Size::Half) {
                return Err(error("four or eight bytes are changed in one step"));
            }
            if op.always_fetches() && !is_fetched {
                return Err(error("an exchange always gives what was there"));
            }
            let opcode = code::STX | code::ATOMIC | size_code(size);
            let imm = atomic_code(op) | if is_fetched { code::FETCH } else { 0 };
            Slot { opcode, dst: base.number(), src: src.number(), offset, imm }
        }
        _ => unreachable!("the caller gives those that read or write memory"),
    })
}

fn load_imm(dst: Reg, value: Imm64, far: &dyn Fn(u32) -> Result<i32, EncodeError>) -> Result<[Slot; 2], EncodeError> {
    let (src, low, high) = match value {
        Imm64::Value(value) => (0, value as u32 as i32, (value >> 32) as u32 as i32),
        // The loader puts the map's descriptor here.
        Imm64::Map(map) => (1, map as i32, 0),
        Imm64::MapValue { map, offset } => (2, map as i32, offset as i32),
        Imm64::Function(function) => (4, far(function)?, 0),
    };
    let first = Slot { opcode: code::LOAD_IMM, dst: dst.number(), src, offset: 0, imm: low };
    Ok([first, Slot { imm: high, ..Slot::default() }])
}

fn with_operand(slot: Slot, operand: Operand) -> Slot {
    match operand {
        Operand::Reg(src) => Slot { opcode: slot.opcode | code::FROM_REG, src: src.number(), ..slot },
        Operand::Imm(imm) => Slot { imm, ..slot },
    }
}

fn alu_class(width: Width) -> u8 {
    if width == Width::Word { code::ALU } else { code::ALU64 }
}

fn jump_class(width: Width) -> u8 {
    if width == Width::Word { code::JMP32 } else { code::JMP }
}

fn swap_class(order: ByteOrder) -> u8 {
    match order {
        ByteOrder::Little => code::ALU,
        ByteOrder::Big => code::ALU | code::FROM_REG,
        ByteOrder::Swapped => code::ALU64,
    }
}

/// Returns the code of an operation, and its offset, which tells signed division from unsigned.
fn alu_code(op: Alu) -> (u8, i16) {
    match op {
        Alu::Add => (0x00, 0),
        Alu::Sub => (0x10, 0),
        Alu::Mul => (0x20, 0),
        Alu::Div => (0x30, 0),
        Alu::SignedDiv => (0x30, 1),
        Alu::Or => (0x40, 0),
        Alu::And => (0x50, 0),
        Alu::Lsh => (0x60, 0),
        Alu::Rsh => (0x70, 0),
        Alu::Mod => (0x90, 0),
        Alu::SignedMod => (0x90, 1),
        Alu::Xor => (0xa0, 0),
        Alu::Mov => (code::MOV, 0),
        Alu::Arsh => (0xc0, 0),
    }
}

fn cond_code(cond: Cond) -> u8 {
    match cond {
        Cond::Eq => 0x10,
        Cond::Gt => 0x20,
        Cond::Ge => 0x30,
        Cond::Set => 0x40,
        Cond::Ne => 0x50,
        Cond::SignedGt => 0x60,
        Cond::SignedGe => 0x70,
        Cond::Lt => 0xa0,
        Cond::Le => 0xb0,
        Cond::SignedLt => 0xc0,
        Cond::SignedLe => 0xd0,
    }
}

fn size_code(size: Size) -> u8 {
    match size {
        Size::Word => 0x00,
        Size::Half => 0x08,
        Size::Byte => 0x10,
        Size::Double => 0x18,
    }
}

fn atomic_code(op: AtomicOp) -> i32 {
    match op {
        AtomicOp::Add => 0x00,
        AtomicOp::Or => 0x40,
        AtomicOp::And => 0x50,
        AtomicOp::Xor => 0xa0,
        AtomicOp::Exchange => 0xe0,
        AtomicOp::CompareExchange => 0xf0,
    }
}

/// Returns the program that slots are; addresses of maps are taken for positions of maps.
///
/// # Errors
/// When a slot is no instruction, has bits that mean nothing, or goes on at what is no instruction.
pub fn decode(slots: &[Slot]) -> Result<Vec<Insn>, EncodeError> {
    let mut positions = vec![None; slots.len()];
    let (mut program, mut starts, mut at) = (Vec::new(), Vec::new(), 0);
    while at < slots.len() {
        let insn = decode_one(slots, at)?;
        positions[at] = u32::try_from(program.len()).ok();
        starts.push(at);
        at += insn.slot_count();
        program.push(insn);
    }
    for (insn, start) in program.iter_mut().zip(starts) {
        let mut is_found = true;
        let found = insn.retargeted(|slot| {
            let position = positions.get(slot as usize).copied().flatten();
            is_found &= position.is_some();
            position.unwrap_or_default()
        });
        if !is_found {
            return Err(EncodeError { position: start, reason: "its target is no instruction" });
        }
        *insn = found;
    }
    Ok(program)
}

/// Returns the instruction that starts at a slot, with slots for targets.
fn decode_one(slots: &[Slot], at: usize) -> Result<Insn, EncodeError> {
    let error = |reason| EncodeError { position: at, reason };
    let slot = slots[at];
    let target =
        |distance: i64| u32::try_from(at as i64 + 1 + distance).map_err(|_| error("its target is in front of it"));
    let candidate = match slot.opcode & 0x07 {
        _ if slot.opcode == code::LOAD_IMM => {
            let high = slots.get(at + 1).ok_or(error("the second half of a 64-bit number is missing"))?;
            decode_load_imm(slot, *high, &target)?
        }
        code::LDX => decode_load(slot),
        code::ST | code::STX => decode_store(slot),
        code::ALU | code::ALU64 => decode_alu(slot),
        code::JMP | code::JMP32 => decode_jump(slot, &target)?,
        _ => None,
    };
    let insn = candidate.ok_or(error("is no instruction"))?;
    if slot == (Slot { opcode: code::JMP32 | code::JA, imm: slot.imm, ..Slot::default() }) {
        // A near target is written in the shorter way, but may come in this one.
        return Ok(insn);
    }
    // What means nothing has to be zero: then the same bytes come out again.
    let same = encode_one(&insn, &|target| Ok(i64::from(target) - at as i64 - 1), &error)?;
    let is_same = same[0] == slot && (insn.slot_count() == 1 || slots.get(at + 1) == Some(&same[1]));
    if is_same { Ok(insn) } else { Err(error("has bits that mean nothing")) }
}

type Target<'t> = &'t dyn Fn(i64) -> Result<u32, EncodeError>;

fn decode_load_imm(slot: Slot, high: Slot, target: Target<'_>) -> Result<Option<Insn>, EncodeError> {
    let (low_bits, high_bits) = (slot.imm as u32, high.imm as u32);
    let value = match slot.src {
        0 => Imm64::Value(u64::from(high_bits) << 32 | u64::from(low_bits)),
        1 => Imm64::Map(low_bits),
        2 => Imm64::MapValue { map: low_bits, offset: high_bits },
        4 => Imm64::Function(target(i64::from(slot.imm))?),
        _ => return Ok(None),
    };
    Ok(Reg::new(slot.dst).map(|dst| Insn::LoadImm { dst, value }))
}

fn decode_load(slot: Slot) -> Option<Insn> {
    let (dst, base) = (Reg::new(slot.dst)?, Reg::new(slot.src)?);
    let is_signed = slot.opcode & 0xe0 == code::MEM_SIGNED;
    Some(Insn::Load { size: size_of(slot.opcode), is_signed, dst, base, offset: slot.offset })
}

fn decode_store(slot: Slot) -> Option<Insn> {
    let (base, size, offset) = (Reg::new(slot.dst)?, size_of(slot.opcode), slot.offset);
    if slot.opcode & 0x07 == code::ST {
        return Some(Insn::Store { size, base, offset, value: Operand::Imm(slot.imm) });
    }
    let src = Reg::new(slot.src)?;
    if slot.opcode & 0xe0 != code::ATOMIC {
        return Some(Insn::Store { size, base, offset, value: Operand::Reg(src) });
    }
    let op = AtomicOp::ALL.into_iter().find(|op| atomic_code(*op) == slot.imm & !code::FETCH)?;
    Some(Insn::Atomic { size, op, is_fetched: slot.imm & code::FETCH != 0, base, offset, src })
}

fn decode_alu(slot: Slot) -> Option<Insn> {
    let dst = Reg::new(slot.dst)?;
    let width = if slot.opcode & 0x07 == code::ALU { Width::Word } else { Width::Double };
    let operation = slot.opcode & 0xf0;
    if operation == code::END {
        let orders = [ByteOrder::Little, ByteOrder::Big, ByteOrder::Swapped];
        let order = orders.into_iter().find(|order| swap_class(*order) == slot.opcode & 0x0f)?;
        return Some(Insn::Swap { order, size: size_of_bits(slot.imm.into())?, dst });
    }
    if operation == code::NEG {
        return Some(Insn::Neg { width, dst });
    }
    if operation == code::MOV && slot.offset != 0 {
        let from = size_of_bits(slot.offset.into())?;
        return Some(Insn::MovSigned { width, from, dst, src: Reg::new(slot.src)? });
    }
    let op = Alu::ALL.into_iter().find(|op| alu_code(*op) == (operation, slot.offset))?;
    Some(Insn::Alu { width, op, dst, src: operand_of(slot)? })
}

fn decode_jump(slot: Slot, target: Target<'_>) -> Result<Option<Insn>, EncodeError> {
    let width = if slot.opcode & 0x07 == code::JMP { Width::Double } else { Width::Word };
    Ok(match (slot.opcode & 0xf0, width) {
        (code::JA, Width::Double) => Some(Insn::Jump { target: target(slot.offset.into())? }),
        (code::JA, Width::Word) => Some(Insn::Jump { target: target(slot.imm.into())? }),
        (code::MAY_GOTO, Width::Double) => Some(Insn::MayGoto { target: target(slot.offset.into())? }),
        (code::EXIT, Width::Double) => Some(Insn::Exit),
        (code::CALL, Width::Double) => match slot.src {
            0 => Some(Insn::Call(Callee::Helper(slot.imm as u32))),
            1 => Some(Insn::Call(Callee::Function(target(slot.imm.into())?))),
            2 => Some(Insn::Call(Callee::Kfunc(slot.imm as u32))),
            _ => None,
        },
        (operation, _) => {
            let cond = Cond::ALL.into_iter().find(|cond| cond_code(*cond) == operation);
            let (dst, src) = (Reg::new(slot.dst), operand_of(slot));
            let target = target(slot.offset.into())?;
            let branch = |((cond, dst), src)| Insn::Branch { width, cond, dst, src, target };
            cond.zip(dst).zip(src).map(branch)
        }
    })
}

fn operand_of(slot: Slot) -> Option<Operand> {
    match slot.opcode & code::FROM_REG {
        0 => Some(Operand::Imm(slot.imm)),
        _ => Reg::new(slot.src).map(Operand::Reg),
    }
}

fn size_of(opcode: u8) -> Size {
    match opcode & 0x18 {
        0x00 => Size::Word,
        0x08 => Size::Half,
        0x10 => Size::Byte,
        _ => Size::Double,
    }
}

fn size_of_bits(bits: i64) -> Option<Size> {
    Size::ALL.into_iter().find(|size| size.bytes() as i64 * 8 == bits)
}
