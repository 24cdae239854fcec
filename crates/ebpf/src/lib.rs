//! eBPF: instructions, their form in memory, their text, a check of our own, and an interpreter for tests.
//!
//! Nothing here loads a program into a kernel or opens anything. Read in order: [`insn`], [`callee`], [`map`], [`asm`],
//! [`mod@encode`], `btf`, [`elf`], [`text`], [`check`], [`vm`]; then what makes filters: [`layout`], [`emit`], [`search`],
//! [`payload`], [`predicate`], [`tally`], [`reached`], [`filter`].

pub mod insn;

pub mod callee;

pub mod map;

pub mod asm;

pub mod encode;

mod btf;

pub mod elf;

pub mod text;

pub mod check;

pub mod vm;

pub mod layout;

pub mod emit;

pub mod search;

pub mod payload;

pub mod predicate;

pub mod tally;

pub mod reached;

pub mod filter;

pub use encode::{EncodeError, Encoded, decode, encode};
pub use insn::Insn;
pub use map::{MapDef, MapKind};

use std::borrow::Cow;
use std::fmt;

/// Says what keeps something from being done in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    reason: Cow<'static, str>,
}

impl Unsupported {
    /// Returns a refusal with a reason, which reads on behind "not in the kernel: ".
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }

    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsupported {}
