//! One run of a program: registers, frames, calls.

use crate::callee::Helper;
use crate::insn::{AtomicOp, Callee, Imm64, Insn, Operand, Reg, Size, Width};
use crate::map::MapKind;
use crate::vm::alu::{compute, holds, sign_extended, swapped};
use crate::vm::maps::Maps;
use crate::vm::memory::{FRAME_SIZE, Piece};
use crate::vm::{Trap, TrapReason};
use smallvec::SmallVec;

/// How deep calls nest at most (`MAX_CALL_FRAMES` of the kernel's verifier).
const FRAMES_MAX: usize = 8;
/// How often a loop that ends by `may_goto` may turn (`BPF_MAX_LOOPS`).
const LOOPS_MAX: u64 = 8 << 20;
/// The most that `bpf_loop` turns.
const LOOP_COUNT_MAX: u64 = 8 << 20;
/// `-EFAULT`
const EFAULT: i64 = -14;
/// `-E2BIG`
const E2BIG: i64 = -7;

/// Holds what a run is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'i> {
    /// The bytes that `r1` points to, such as a `struct __sk_buff`.
    pub context: &'i [u8],
    /// The packet, for `skb_load_bytes`.
    pub packet: &'i [u8],
    /// Memory of the process for `probe_read_user`: addresses and the bytes there.
    pub user: &'i [(u64, &'i [u8])],
    /// The process in the upper half, the thread in the lower one.
    pub pid_tgid: u64,
    /// The name of the thread.
    pub command: &'i [u8],
    /// What the clocks say.
    pub now_ns: u64,
    /// What randomness gives.
    pub random: u32,
    /// How many instructions may be executed.
    pub steps_max: u64,
}

/// Holds what a run gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the program returned.
    pub result: u64,
    /// How many instructions were executed.
    pub step_count: u64,
}

/// Runs a program.
///
/// # Example
/// ```
/// use dtq_ebpf::insn::{Insn, Operand, Reg};
/// use dtq_ebpf::vm::{Input, Machine, Maps};
/// use dtq_ebpf::{asm::Assembler, insn::Size};
///
/// let mut asm = Assembler::default();
/// asm.load(Size::Word, Reg::R0, Reg::R1, 0);
/// asm.exit();
/// let program = asm.finish();
/// let mut maps = Maps::new(&[]);
/// let input = Input { context: &7u32.to_le_bytes(), steps_max: 100, ..Input::default() };
/// assert_eq!(Machine::new(&program, &mut maps).run(&input).unwrap().result, 7);
/// ```
#[derive(Debug)]
pub struct Machine<'m> {
    program: &'m [Insn],
    maps: &'m mut Maps,
}

impl<'m> Machine<'m> {
    /// Returns a machine for a program and its maps.
    pub fn new(program: &'m [Insn], maps: &'m mut Maps) -> Self {
        Self { program, maps }
    }

    /// Runs the program from its first instruction.
    ///
    /// # Errors
    /// Why it was stopped: it took too many steps, or did what the kernel's verifier would not have let through.
    pub fn run(&mut self, input: &Input<'_>) -> Result<Outcome, Trap> {
        let mut run = Run {
            program: self.program,
            maps: self.maps,
            input,
            frames: Vec::new(),
            step_count: 0,
            loops_left: LOOPS_MAX,
            position: 0,
        };
        match run.call(0, &[Piece::Context.address(0)]) {
            Ok(result) => Ok(Outcome { result, step_count: run.step_count }),
            Err(reason) => Err(Trap { position: run.position, reason }),
        }
    }
}

struct Run<'r> {
    program: &'r [Insn],
    maps: &'r mut Maps,
    input: &'r Input<'r>,
    frames: Vec<[u8; FRAME_SIZE]>,
    step_count: u64,
    loops_left: u64,
    /// The instruction that is executed, for the trap.
    position: usize,
}

/// Holds the registers of a call; those that nothing was written to are not known.
struct Registers([Option<u64>; 11]);

impl Registers {
    fn get(&self, reg: Reg) -> Result<u64, TrapReason> {
        self.0[usize::from(reg.number())].ok_or(TrapReason::Uninitialized(reg.number()))
    }

    fn operand(&self, operand: Operand) -> Result<u64, TrapReason> {
        match operand {
            Operand::Reg(reg) => self.get(reg),
            Operand::Imm(imm) => Ok(i64::from(imm) as u64),
        }
    }

    fn set(&mut self, reg: Reg, value: u64) -> Result<(), TrapReason> {
        if reg == Reg::FRAME {
            return Err(TrapReason::FrameWritten);
        }
        self.0[usize::from(reg.number())] = Some(value);
        Ok(())
    }

    fn arguments(&self, count: u8) -> Result<SmallVec<[u64; 5]>, TrapReason> {
        (1..=count).map(|number| self.get(Reg::new(number).expect("there are five arguments at most"))).collect()
    }

    /// Puts the result of a call where it belongs, and forgets the arguments.
    fn return_from_call(&mut self, result: u64) {
        self.0[0] = Some(result);
        self.0[1..=5].fill(None);
    }
}

impl Run<'_> {
    /// Runs a function to its end.
    fn call(&mut self, entry: usize, arguments: &[u64]) -> Result<u64, TrapReason> {
        if self.frames.len() == FRAMES_MAX {
            return Err(TrapReason::CallDepth);
        }
        let depth = self.frames.len() as u8;
        self.frames.push([0; FRAME_SIZE]);
        let mut registers = Registers([None; 11]);
        arguments.iter().zip(&mut registers.0[1..]).for_each(|(argument, reg)| *reg = Some(*argument));
        registers.0[10] = Some(Piece::Frame(depth).address(FRAME_SIZE));
        let mut position = entry;
        loop {
            self.position = position;
            self.step_count += 1;
            if self.step_count > self.input.steps_max {
                return Err(TrapReason::OutOfSteps);
            }
            let insn = *self.program.get(position).ok_or(TrapReason::NoInstruction)?;
            position += 1;
            match insn {
                Insn::Exit => break,
                Insn::Jump { target } => position = target as usize,
                Insn::Branch { width, cond, dst, src, target } => {
                    if holds(width, cond, registers.get(dst)?, registers.operand(src)?) {
                        position = target as usize;
                    }
                }
                Insn::MayGoto { target } => match self.loops_left.checked_sub(1) {
                    Some(left) => self.loops_left = left,
                    None => position = target as usize,
                },
                Insn::Call(callee) => {
                    let result = self.call_callee(callee, &registers)?;
                    registers.return_from_call(result);
                }
                other => self.step(other, &mut registers)?,
            }
        }
        self.frames.pop();
        registers.get(Reg::R0)
    }

    fn call_callee(&mut self, callee: Callee, registers: &Registers) -> Result<u64, TrapReason> {
        match callee {
            Callee::Function(function) => {
                // How many arguments it takes is not written down: those that are there.
                let arguments: SmallVec<[u64; 5]> = registers.0[1..=5].iter().map_while(|argument| *argument).collect();
                let at = self.position;
                let result = self.call(function as usize, &arguments)?;
                self.position = at;
                Ok(result)
            }
            Callee::Helper(number) => {
                let helper = Helper::of_number(number).ok_or(TrapReason::Callee(number))?;
                let arguments = registers.arguments(helper.argument_count())?;
                self.call_helper(helper, &arguments)
            }
            Callee::Kfunc(id) => Err(TrapReason::Callee(id)),
        }
    }

    /// Executes an instruction that goes on at the next one.
    fn step(&mut self, insn: Insn, registers: &mut Registers) -> Result<(), TrapReason> {
        match insn {
            Insn::Alu { width, op, dst, src } => {
                let left = if op == crate::insn::Alu::Mov { 0 } else { registers.get(dst)? };
                let right = registers.operand(src)?;
                registers.set(dst, compute(width, op, left, right))
            }
            Insn::Neg { width, dst } => {
                let number = registers.get(dst)?;
                registers.set(dst, compute(width, crate::insn::Alu::Sub, 0, number))
            }
            Insn::MovSigned { width, from, dst, src } => {
                let number = sign_extended(from, registers.get(src)?);
                registers.set(dst, if width == Width::Word { u64::from(number as u32) } else { number })
            }
            Insn::Swap { order, size, dst } => {
                let number = registers.get(dst)?;
                registers.set(dst, swapped(order, size, number))
            }
            Insn::LoadImm { dst, value } => registers.set(dst, self.address(value)?),
            Insn::Load { size, is_signed, dst, base, offset } => {
                let number = self.read(moved(registers.get(base)?, offset), size)?;
                registers.set(dst, if is_signed { sign_extended(size, number) } else { number })
            }
            Insn::Store { size, base, offset, value } => {
                let value = registers.operand(value)?;
                self.write(moved(registers.get(base)?, offset), size, value)
            }
            Insn::Atomic { size, op, is_fetched, base, offset, src } => {
                let address = moved(registers.get(base)?, offset);
                let operand = registers.get(src)?;
                let found = self.read(address, size)?;
                let expected = if op == AtomicOp::CompareExchange { registers.get(Reg::R0)? } else { 0 };
                self.write(address, size, changed(op, size, found, operand, expected))?;
                match op {
                    AtomicOp::CompareExchange => registers.set(Reg::R0, found),
                    _ if is_fetched => registers.set(src, found),
                    _ => Ok(()),
                }
            }
            Insn::Jump { .. } | Insn::Branch { .. } | Insn::MayGoto { .. } | Insn::Call(_) | Insn::Exit => {
                unreachable!("what goes on elsewhere is executed by the caller")
            }
        }
    }

    fn address(&self, value: Imm64) -> Result<u64, TrapReason> {
        let map = |map: u32| match self.maps.def(map as usize) {
            Some(_) => u8::try_from(map).map_err(|_| TrapReason::Argument("there are 256 maps at most")),
            None => Err(TrapReason::Argument("there is no such map")),
        };
        Ok(match value {
            Imm64::Value(value) => value,
            Imm64::Map(at) => Piece::Map(map(at)?).address(0),
            Imm64::MapValue { map: at, offset } => Piece::Value { map: map(at)?, index: 0 }.address(offset as usize),
            Imm64::Function(function) => Piece::Function(function).address(0),
        })
    }

    /// Returns bytes of memory.
    fn bytes(&self, address: u64, size: usize) -> Result<&[u8], TrapReason> {
        let piece = Piece::of(address).and_then(|(piece, offset)| {
            let bytes = match piece {
                Piece::Context => self.input.context,
                Piece::Frame(depth) => self.frames.get(usize::from(depth))?,
                Piece::Value { map, index } => self.maps.value(usize::from(map), index)?,
                Piece::Map(_) | Piece::Function(_) => return None,
            };
            bytes.get(offset..offset + size)
        });
        piece.ok_or(TrapReason::Access { address, size })
    }

    /// Returns bytes of memory that may be written; the context may not.
    fn bytes_mut(&mut self, address: u64, size: usize) -> Result<&mut [u8], TrapReason> {
        let piece = Piece::of(address).and_then(|(piece, offset)| {
            let bytes = match piece {
                Piece::Frame(depth) => self.frames.get_mut(usize::from(depth))?,
                Piece::Value { map, index } => self.maps.value_mut(usize::from(map), index)?,
                Piece::Context | Piece::Map(_) | Piece::Function(_) => return None,
            };
            bytes.get_mut(offset..offset + size)
        });
        piece.ok_or(TrapReason::Access { address, size })
    }

    fn read(&self, address: u64, size: Size) -> Result<u64, TrapReason> {
        let bytes = self.bytes(address, size.bytes())?;
        let mut number = [0; 8];
        number[..bytes.len()].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    fn write(&mut self, address: u64, size: Size, number: u64) -> Result<(), TrapReason> {
        let bytes = self.bytes_mut(address, size.bytes())?;
        bytes.copy_from_slice(&number.to_le_bytes()[..size.bytes()]);
        Ok(())
    }

    fn call_helper(&mut self, helper: Helper, arguments: &[u64]) -> Result<u64, TrapReason> {
        match (helper, arguments) {
            (Helper::KtimeGetNs | Helper::KtimeGetBootNs, _) => Ok(self.input.now_ns),
            (Helper::GetPrandomU32, _) => Ok(self.input.random.into()),
            (Helper::GetSmpProcessorId, _) => Ok(0),
            (Helper::GetCurrentPidTgid, _) => Ok(self.input.pid_tgid),
            (Helper::GetCurrentComm, [to, size]) => self.write_command(*to, *size),
            (Helper::ProbeReadUser, [to, size, address]) => self.read_user(*to, *size, *address),
            (Helper::ProbeReadUserStr, [to, size, address]) => self.read_user_text(*to, *size, *address),
            (Helper::MapLookup, [map, key]) => {
                let map = self.map(*map)?;
                let key = self.bytes(*key, self.key_size(map))?;
                let found = self.maps.find(usize::from(map), key);
                Ok(found.map_or(0, |index| Piece::Value { map, index }.address(0)))
            }
            (Helper::MapUpdate, [map, key, value, flags]) => {
                let map = self.map(*map)?;
                let value_size = self.maps.def(usize::from(map)).map_or(0, |def| def.value_size as usize);
                let key = self.bytes(*key, self.key_size(map))?.to_vec();
                let value = self.bytes(*value, value_size)?.to_vec();
                Ok(self.maps.update(usize::from(map), &key, &value, *flags) as u64)
            }
            (Helper::MapDelete, [map, key]) => {
                let map = self.map(*map)?;
                let key = self.bytes(*key, self.key_size(map))?.to_vec();
                Ok(self.maps.delete(usize::from(map), &key) as u64)
            }
            (Helper::SkbLoadBytes, [context, offset, to, size]) => self.load_packet(*context, *offset, *to, *size),
            (Helper::RingbufOutput, [map, data, size, 0]) => {
                let map = usize::from(self.map_of(*map, true)?);
                let record = self.bytes(*data, *size as usize)?.to_vec();
                self.maps.push_record(map, &record);
                Ok(0)
            }
            (Helper::Loop, [count, function, argument, 0]) => self.turn(*count, *function, *argument),
            _ => Err(TrapReason::Argument("flags are 0")),
        }
    }

    fn load_packet(&mut self, context: u64, offset: u64, to: u64, size: u64) -> Result<u64, TrapReason> {
        if context != Piece::Context.address(0) {
            return Err(TrapReason::Argument("the first argument is the context"));
        }
        let (start, size) = (offset as u32 as usize, size as u32 as usize);
        let packet = self.input.packet;
        let target = self.bytes_mut(to, size)?;
        match packet.get(start..start.saturating_add(size)) {
            Some(bytes) => {
                target.copy_from_slice(bytes);
                Ok(0)
            }
            // As the kernel does where the copy fails.
            None => {
                target.fill(0);
                Ok(EFAULT as u64)
            }
        }
    }

    /// Writes the name of the thread, cut so that a zero stands behind it.
    fn write_command(&mut self, to: u64, size: u64) -> Result<u64, TrapReason> {
        let command = self.input.command;
        let target = self.bytes_mut(to, size as u32 as usize)?;
        target.fill(0);
        let kept = command.len().min(target.len().saturating_sub(1));
        target[..kept].copy_from_slice(&command[..kept]);
        Ok(0)
    }

    /// Returns the memory of the process from an address on; `None` where there is none.
    fn user_bytes(&self, address: u64) -> Option<&[u8]> {
        self.input
            .user
            .iter()
            .find_map(|(start, bytes)| bytes.get(usize::try_from(address.checked_sub(*start)?).ok()?..))
    }

    fn read_user(&mut self, to: u64, size: u64, address: u64) -> Result<u64, TrapReason> {
        let size = size as u32 as usize;
        let found = self.user_bytes(address).and_then(|bytes| bytes.get(..size)).map(<[u8]>::to_vec);
        let target = self.bytes_mut(to, size)?;
        match found {
            Some(bytes) => {
                target.copy_from_slice(&bytes);
                Ok(0)
            }
            // As the kernel does where the copy fails.
            None => {
                target.fill(0);
                Ok(EFAULT as u64)
            }
        }
    }

    fn read_user_text(&mut self, to: u64, size: u64, address: u64) -> Result<u64, TrapReason> {
        let size = size as u32 as usize;
        let Some(room) = size.checked_sub(1) else { return Err(TrapReason::Argument("a text has a size")) };
        let text = self.user_bytes(address).and_then(|bytes| {
            let text = &bytes[..bytes.len().min(room)];
            match text.iter().position(|byte| *byte == 0) {
                Some(end) => Some(text[..end].to_vec()),
                // A text that goes on where there is no memory cannot be read.
                None => (text.len() == room).then(|| text.to_vec()),
            }
        });
        let target = self.bytes_mut(to, size)?;
        match text {
            Some(text) => {
                target[..text.len()].copy_from_slice(&text);
                target[text.len()] = 0;
                Ok(text.len() as u64 + 1)
            }
            None => {
                target.fill(0);
                Ok(EFAULT as u64)
            }
        }
    }

    /// Calls a function back.
    fn turn(&mut self, count: u64, function: u64, argument: u64) -> Result<u64, TrapReason> {
        let Some((Piece::Function(entry), 0)) = Piece::of(function) else {
            return Err(TrapReason::Argument("the second argument is a function"));
        };
        let count = u64::from(count as u32);
        if count > LOOP_COUNT_MAX {
            return Ok(E2BIG as u64);
        }
        let at = self.position;
        for index in 0..count {
            match self.call(entry as usize, &[index, argument])? {
                0 => {}
                1 => return Ok(index + 1),
                _ => return Err(TrapReason::Argument("a function that is called back gives 0 or 1")),
            }
        }
        self.position = at;
        Ok(count)
    }

    fn key_size(&self, map: u8) -> usize {
        self.maps.def(usize::from(map)).map_or(0, |def| def.key_size as usize)
    }

    fn map(&self, address: u64) -> Result<u8, TrapReason> {
        self.map_of(address, false)
    }

    fn map_of(&self, address: u64, is_ring: bool) -> Result<u8, TrapReason> {
        match Piece::of(address) {
            Some((Piece::Map(map), 0)) => match self.maps.def(usize::from(map)) {
                Some(def) if (def.kind == MapKind::RingBuffer) == is_ring => Ok(map),
                _ => Err(TrapReason::Argument("the first argument is a map of another kind")),
            },
            _ => Err(TrapReason::Argument("the first argument is a map")),
        }
    }
}

fn moved(address: u64, offset: i16) -> u64 {
    address.wrapping_add(i64::from(offset) as u64)
}

/// Returns what memory holds behind an atomic operation.
fn changed(op: AtomicOp, size: Size, found: u64, operand: u64, expected: u64) -> u64 {
    let is_expected = match size {
        Size::Double => found == expected,
        _ => found as u32 == expected as u32,
    };
    match op {
        AtomicOp::Add => found.wrapping_add(operand),
        AtomicOp::Or => found | operand,
        AtomicOp::And => found & operand,
        AtomicOp::Xor => found ^ operand,
        AtomicOp::Exchange => operand,
        AtomicOp::CompareExchange if is_expected => operand,
        AtomicOp::CompareExchange => found,
    }
}
