//! The instruction at a site to what a hit there costs.
//!
//! The kernel replaces the instruction by a breakpoint and does then what it did: nothing, by code of its own, or by
//! running the instruction elsewhere for one step, which takes two exceptions. Next: `site.rs`.
//!
//! # Source
//! `arch/x86/kernel/uprobes.c`: `branch_setup_xol_ops`, `push_setup_xol_ops`, `arch_uprobe_optimize`. Nanoseconds were
//! measured, see `docs/kernel-trace.md`.

use crate::trace::error::Refusal;
use crate::trace::registers::Machine;

/// Bytes of code that are looked at.
pub const CODE_SIZE: usize = 16;

/// Says how the kernel does what the instruction at a site did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cost {
    /// A nop of five bytes, which becomes a call into the kernel without an exception (from Linux 6.18 on).
    Call,
    /// An instruction that the kernel does itself: `push`, jumps, calls, and nops (of more than two bytes from Linux 6.18 on).
    Emulated,
    /// An instruction that is run for one step.
    SingleStep,
    /// An instruction of a processor for which nothing was measured.
    Unknown,
}

impl Cost {
    /// Returns the cost of a site with this code.
    pub fn of_code(machine: Machine, code: &[u8]) -> Self {
        match machine {
            Machine::X86_64 if is_long_nop(code) => Cost::Call,
            Machine::X86_64 if is_emulated(code) => Cost::Emulated,
            Machine::X86_64 => Cost::SingleStep,
            Machine::Aarch64 => Cost::Unknown,
        }
    }

    /// Returns what a hit took where it was measured, in nanoseconds.
    pub fn measured_ns(self) -> Option<u32> {
        match self {
            Cost::Call => Some(550),
            Cost::Emulated => Some(770),
            Cost::SingleStep => Some(9_250),
            Cost::Unknown => None,
        }
    }

    /// Returns what it is, for people.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Call => "a nop that becomes a call",
            Cost::Emulated => "an instruction that the kernel does itself",
            Cost::SingleStep => "an instruction that is run for one step",
            Cost::Unknown => "an instruction of which the cost is not known",
        }
    }

    /// Returns why nothing is attached there unless it is asked for.
    pub fn refusal(self) -> Option<Refusal> {
        let remedy = "take a function that begins with `push` or a nop, or a USDT probe, or ask for slow sites too";
        let reason = match (self, self.measured_ns()) {
            (Cost::SingleStep, Some(cost_ns)) => {
                format!("each hit would take {} us and more, since there is {}", cost_ns / 1_000, self.name())
            }
            _ => return None,
        };
        Some(Refusal { reason, remedy: remedy.to_owned() })
    }
}

/// Says whether it is the nop of five bytes that compilers put at the beginning of functions and at probes.
fn is_long_nop(code: &[u8]) -> bool {
    code.starts_with(&[0x0F, 0x1F, 0x44, 0x00, 0x00])
}

/// Nops that are not the long one (`arch/x86/include/asm/nops.h`).
const NOPS: [&[u8]; 7] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0F, 0x1F, 0x00],
    &[0x0F, 0x1F, 0x40, 0x00],
    &[0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00],
    &[0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// Says whether the kernel emulates the instruction: `push`, relative jumps and calls, and nops.
fn is_emulated(code: &[u8]) -> bool {
    let is_nop = NOPS.iter().any(|nop| code.starts_with(nop));
    let is_branch = matches!(code, [0xE8 | 0xE9 | 0xEB | 0x70..=0x7F, ..] | [0x0F, 0x80..=0x8F, ..]);
    let is_push = matches!(code, [0x50..=0x57, ..] | [0x41, 0x50..=0x57, ..]);
    is_nop || is_branch || is_push
}

/// Says whether somebody else has put a breakpoint there, such as a debugger.
pub(crate) fn is_breakpoint(machine: Machine, code: &[u8]) -> bool {
    machine == Machine::X86_64 && code.first() == Some(&0xCC)
}
