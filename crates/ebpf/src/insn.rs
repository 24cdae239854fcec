//! The instructions of eBPF, each with its parts by name.
//!
//! Names and meanings are those of RFC 9669. What an instruction looks like in memory is `encode.rs`; a target is the
//! position of an instruction in its program, so that what takes two slots in memory counts as one here. Next:
//! `encode.rs`.

use std::fmt;

/// Names a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(u8);

impl Reg {
    /// What a call returns, and what the program returns.
    pub const R0: Self = Self(0);
    /// The first argument of a call; the context when the program starts.
    pub const R1: Self = Self(1);
    /// The second argument of a call.
    pub const R2: Self = Self(2);
    /// The third argument of a call.
    pub const R3: Self = Self(3);
    /// The fourth argument of a call.
    pub const R4: Self = Self(4);
    /// The fifth argument of a call.
    pub const R5: Self = Self(5);
    /// Kept over calls.
    pub const R6: Self = Self(6);
    /// Kept over calls.
    pub const R7: Self = Self(7);
    /// Kept over calls.
    pub const R8: Self = Self(8);
    /// Kept over calls.
    pub const R9: Self = Self(9);
    /// The end of the stack frame; cannot be written.
    pub const FRAME: Self = Self(10);

    /// Returns the register of this number, of which there are eleven.
    pub fn new(number: u8) -> Option<Self> {
        (number <= 10).then_some(Self(number))
    }

    /// Returns its number.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Says how much of a register an instruction works on; where it writes a word, the upper half becomes zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The lower 32 bits.
    Word,
    /// All 64 bits.
    Double,
}

/// Says how many bytes of memory an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// One byte.
    Byte,
    /// Two.
    Half,
    /// Four.
    Word,
    /// Eight.
    Double,
}

impl Size {
    /// All sizes.
    pub const ALL: [Self; 4] = [Self::Byte, Self::Half, Self::Word, Self::Double];

    /// Returns the number of bytes.
    pub fn bytes(self) -> usize {
        match self {
            Size::Byte => 1,
            Size::Half => 2,
            Size::Word => 4,
            Size::Double => 8,
        }
    }
}

/// Holds the second operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// What a register holds.
    Reg(Reg),
    /// A number, sign-extended.
    Imm(i32),
}

impl From<Reg> for Operand {
    fn from(reg: Reg) -> Self {
        Operand::Reg(reg)
    }
}

impl From<i32> for Operand {
    fn from(imm: i32) -> Self {
        Operand::Imm(imm)
    }
}

/// Names an operation on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alu {
    /// Sum, wrapping.
    Add,
    /// Difference, wrapping.
    Sub,
    /// Product, wrapping.
    Mul,
    /// Unsigned quotient; 0 where the divisor is 0.
    Div,
    /// Signed quotient; 0 where the divisor is 0, and the least number by -1 is itself.
    SignedDiv,
    /// Unsigned remainder; the dividend where the divisor is 0.
    Mod,
    /// Signed remainder; the dividend where the divisor is 0, and 0 of the least number by -1.
    SignedMod,
    /// Bits in either.
    Or,
    /// Bits in both.
    And,
    /// Bits in one.
    Xor,
    /// Shift to the left, by the lower bits of the second operand.
    Lsh,
    /// Shift to the right that brings in zeros.
    Rsh,
    /// Shift to the right that brings in the sign.
    Arsh,
    /// The second operand itself.
    Mov,
}

impl Alu {
    /// All operations.
    pub const ALL: [Self; 14] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::SignedDiv,
        Self::Mod,
        Self::SignedMod,
        Self::Or,
        Self::And,
        Self::Xor,
        Self::Lsh,
        Self::Rsh,
        Self::Arsh,
        Self::Mov,
    ];
}

/// Names a comparison that a branch asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Some bit is in both.
    Set,
    /// Unsigned greater.
    Gt,
    /// Unsigned greater or equal.
    Ge,
    /// Unsigned less.
    Lt,
    /// Unsigned less or equal.
    Le,
    /// Signed greater.
    SignedGt,
    /// Signed greater or equal.
    SignedGe,
    /// Signed less.
    SignedLt,
    /// Signed less or equal.
    SignedLe,
}

impl Cond {
    /// All comparisons.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Ne,
        Self::Set,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::SignedGt,
        Self::SignedGe,
        Self::SignedLt,
        Self::SignedLe,
    ];
}

/// Names an operation on memory that no other processor sees half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Adds.
    Add,
    /// Sets bits.
    Or,
    /// Keeps bits.
    And,
    /// Flips bits.
    Xor,
    /// Exchanges; always gives what was there.
    Exchange,
    /// Stores the operand where `r0` is what is there; always gives what was there, in `r0`.
    CompareExchange,
}

impl AtomicOp {
    /// All operations.
    pub const ALL: [Self; 6] = [Self::Add, Self::Or, Self::And, Self::Xor, Self::Exchange, Self::CompareExchange];

    /// Says whether what was there is given whether or not that is asked.
    pub fn always_fetches(self) -> bool {
        matches!(self, Self::Exchange | Self::CompareExchange)
    }
}

/// Names the order of bytes that a number is brought into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least first.
    Little,
    /// Most first.
    Big,
    /// The other one than now.
    Swapped,
}

/// Holds what 64 bits are loaded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// A number.
    Value(u64),
    /// The address of a map of the program, by its position among them.
    Map(u32),
    /// The address of a byte in the only value of an array map.
    MapValue {
        /// The map, by its position.
        map: u32,
        /// The byte in its value.
        offset: u32,
    },
    /// The address of a function of the program, for a helper that calls it back.
    Function(u32),
}

/// Names what a call of the kernel's own functions does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callee {
    /// A helper by its number.
    Helper(u32),
    /// A function of the program, by the position of its first instruction.
    Function(u32),
    /// A function of the kernel by its BTF id.
    Kfunc(u32),
}

/// Holds one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insn {
    /// Computes into a register.
    Alu {
        /// How much of it.
        width: Width,
        /// What is computed.
        op: Alu,
        /// First operand and result.
        dst: Reg,
        /// Second operand.
        src: Operand,
    },
    /// Negates a register.
    Neg {
        /// How much of it.
        width: Width,
        /// Operand and result.
        dst: Reg,
    },
    /// Copies a register and extends the sign of its lower bytes.
    MovSigned {
        /// How much is written.
        width: Width,
        /// From how many bytes: less than are written.
        from: Size,
        /// What is written.
        dst: Reg,
        /// What is read.
        src: Reg,
    },
    /// Brings the lower bytes of a register into an order; the bytes above become zero.
    Swap {
        /// Which order.
        order: ByteOrder,
        /// How many bytes, more than one.
        size: Size,
        /// Operand and result.
        dst: Reg,
    },
    /// Loads 64 bits that are known beforehand.
    LoadImm {
        /// What is written.
        dst: Reg,
        /// With what.
        value: Imm64,
    },
    /// Reads memory.
    Load {
        /// How many bytes.
        size: Size,
        /// Whether the sign is extended; else zeros are brought in. Never of eight bytes.
        is_signed: bool,
        /// What is written.
        dst: Reg,
        /// Where.
        base: Reg,
        /// How many bytes behind that.
        offset: i16,
    },
    /// Writes memory.
    Store {
        /// How many bytes.
        size: Size,
        /// Where.
        base: Reg,
        /// How many bytes behind that.
        offset: i16,
        /// What.
        value: Operand,
    },
    /// Changes memory in one step.
    Atomic {
        /// Four or eight bytes.
        size: Size,
        /// How.
        op: AtomicOp,
        /// Whether what was there goes into `src`, or into `r0` for a comparison.
        is_fetched: bool,
        /// Where.
        base: Reg,
        /// How many bytes behind that.
        offset: i16,
        /// The operand.
        src: Reg,
    },
    /// Goes on at another place.
    Jump {
        /// The instruction there.
        target: u32,
    },
    /// Goes on at another place if a comparison holds.
    Branch {
        /// How much is compared.
        width: Width,
        /// What is asked.
        cond: Cond,
        /// First operand.
        dst: Reg,
        /// Second operand.
        src: Operand,
        /// The instruction there.
        target: u32,
    },
    /// Goes on at another place once the kernel has counted too many steps, and not before.
    MayGoto {
        /// The instruction there.
        target: u32,
    },
    /// Calls; arguments are in `r1` to `r5`, which are lost, the result is in `r0`.
    Call(Callee),
    /// Ends the function with the result in `r0`.
    Exit,
}

impl Insn {
    /// Returns where it may go on besides at the next instruction.
    pub fn target(&self) -> Option<u32> {
        match self {
            Insn::Jump { target } | Insn::Branch { target, .. } | Insn::MayGoto { target } => Some(*target),
            _ => None,
        }
    }

    /// Returns the function that it calls or names.
    pub fn function(&self) -> Option<u32> {
        match self {
            Insn::Call(Callee::Function(function)) => Some(*function),
            Insn::LoadImm { value: Imm64::Function(function), .. } => Some(*function),
            _ => None,
        }
    }

    /// Says whether the next instruction is never reached from it.
    pub fn ends_block(&self) -> bool {
        matches!(self, Insn::Jump { .. } | Insn::Exit)
    }

    /// Returns the same with its targets and functions somewhere else.
    #[must_use]
    pub fn retargeted(self, mut to: impl FnMut(u32) -> u32) -> Self {
        match self {
            Insn::Jump { target } => Insn::Jump { target: to(target) },
            Insn::Branch { width, cond, dst, src, target } => {
                Insn::Branch { width, cond, dst, src, target: to(target) }
            }
            Insn::MayGoto { target } => Insn::MayGoto { target: to(target) },
            Insn::Call(Callee::Function(function)) => Insn::Call(Callee::Function(to(function))),
            Insn::LoadImm { dst, value: Imm64::Function(function) } => {
                Insn::LoadImm { dst, value: Imm64::Function(to(function)) }
            }
            other => other,
        }
    }

    /// Returns how many slots of eight bytes it takes in memory.
    pub fn slot_count(&self) -> usize {
        match self {
            Insn::LoadImm { .. } => 2,
            _ => 1,
        }
    }
}
