//! Names of registers to where they are in what the kernel saves of a thread.
//!
//! Next: `image.rs`.
//!
//! # Source
//! `arch/x86/include/uapi/asm/ptrace.h`, `struct pt_regs`; `arch/arm64/include/uapi/asm/ptrace.h`, `struct user_pt_regs`.
//! Arguments: System V ABI, AMD64 supplement, "Parameter Passing"; Procedure Call Standard for the Arm 64-bit Architecture.

/// Names a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Machine {
    /// Returns the processor that this program runs on, if it is one of those.
    pub fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Machine::X86_64),
            "aarch64" => Some(Machine::Aarch64),
            _ => None,
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86-64",
            Machine::Aarch64 => "aarch64",
        }
    }

    /// Returns where the argument of a position is when a function begins; `None` for those on the stack.
    pub fn argument(self, position: usize) -> Option<Register> {
        match self {
            Machine::X86_64 => register(["rdi", "rsi", "rdx", "rcx", "r8", "r9"].get(position)?),
            Machine::Aarch64 => (position < 8).then(|| Register::whole(8 * position as i16)),
        }
    }

    /// Returns where the result is when a function ends.
    pub fn result(self) -> Register {
        match self {
            Machine::X86_64 => Register::whole(80),
            Machine::Aarch64 => Register::whole(0),
        }
    }
}

/// Says where a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// Bytes from the beginning of what the kernel saves: a multiple of eight.
    pub offset: i16,
    /// Whether it is the second byte of that register, such as `ah` of `rax`.
    pub is_second_byte: bool,
}

impl Register {
    fn whole(offset: i16) -> Self {
        Self { offset, is_second_byte: false }
    }
}

/// Registers of x86-64 in the order of `struct pt_regs`; those without a name of the program are left out by `""`.
const X86_64: [&str; 20] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "", "ip", "", "",
    "sp",
];

/// Returns where the register of a name of x86-64 is, such as `rax`, `eax`, `ax`, `al`, `r8d`.
pub fn register(name: &str) -> Option<Register> {
    let at = |known: &str| {
        let index = X86_64.iter().position(|register| *register == known && !known.is_empty())?;
        Some(8 * index as i16)
    };
    if let Some(number) = name.strip_prefix('r').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())) {
        let number = number.strip_suffix(['d', 'w', 'b']).unwrap_or(number);
        return at(&format!("r{number}")).map(Register::whole);
    }
    let whole = name.strip_prefix(['r', 'e']).unwrap_or(name);
    if let Some(offset) = at(whole) {
        return Some(Register::whole(offset));
    }
    // `al`, `ah`, `sil`: a byte of `ax`, `si`.
    let pair = |letters: &str| if letters.len() == 1 { format!("{letters}x") } else { letters.to_owned() };
    match name.as_bytes() {
        [b'a'..=b'd', b'h'] => at(&pair(&name[..1])).map(|offset| Register { offset, is_second_byte: true }),
        [.., b'l'] => at(&pair(&name[..name.len() - 1])).map(Register::whole),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets of `struct pt_regs` as `bpf_tracing.h` and gdb name them.
    #[test]
    fn names_of_all_widths_are_one_register() {
        for (names, offset) in [
            (&["rax", "eax", "ax", "al"][..], 80),
            (&["rdi", "edi", "di", "dil"], 112),
            (&["rsp", "esp"], 152),
            (&["rbp", "ebp", "bpl"], 32),
            (&["rip", "eip"], 128),
            (&["r8", "r8d", "r8w", "r8b"], 72),
            (&["r15", "r15d"], 0),
            (&["rcx", "cl"], 88),
        ] {
            for name in names {
                assert_eq!(register(name), Some(Register::whole(offset)), "{name}");
            }
        }
        assert_eq!(register("ah"), Some(Register { offset: 80, is_second_byte: true }));
        for bad in ["", "r", "r16", "xmm0", "rl", "l", "h", "ffl", "r8x", "eflags", "fs", "\u{e9}l", "\u{e9}h"] {
            assert_eq!(register(bad), None, "{bad}");
        }
    }

    #[test]
    fn arguments_are_where_the_abi_has_them() {
        let offsets: Vec<Option<i16>> =
            (0..7).map(|position| Machine::X86_64.argument(position).map(|register| register.offset)).collect();
        assert_eq!(offsets, [Some(112), Some(104), Some(96), Some(88), Some(72), Some(64), None]);
        assert_eq!(Machine::Aarch64.argument(7), Some(Register::whole(56)));
        assert_eq!(Machine::Aarch64.argument(8), None);
    }
}
