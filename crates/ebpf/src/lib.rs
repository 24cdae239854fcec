//! eBPF: instructions, their form in memory, their text, a check of our own, and an interpreter for tests.
//!
//! Nothing here loads a program into a kernel or opens anything. Read in order: [`insn`], [`callee`], [`map`], [`asm`],
//! [`mod@encode`], `btf`, [`elf`], [`text`], [`check`], [`vm`].

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

pub use encode::{EncodeError, Encoded, decode, encode};
pub use insn::Insn;
pub use map::{MapDef, MapKind};
