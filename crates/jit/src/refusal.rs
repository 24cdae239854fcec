//! Why there is no native code: the one answer that every build of this crate can give.
//!
//! Never says what to do instead; that is the caller's choice. Next: `entry.rs`.

use std::fmt;

/// Says why there is no native code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This build has no code generator: the feature `cranelift` of this crate, `jit` of those above it, is off.
    Build,
    /// The host, or the named target, is none that code can be generated for.
    Target(String),
    /// The system gives no executable memory.
    Memory(String),
    /// This construct has no native code; the interpreter has it.
    Construct(String),
    /// The code would be larger than a bound; the interpreter has no such bound.
    Size(String),
    /// The program is not well typed; a defect of whoever made it, which is no reason to stop.
    Program(String),
    /// The code generator failed; a defect, which is no reason to stop.
    Generator(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Build => f.write_str("this build has no native code: the feature `jit` is off"),
            Refusal::Target(reason) => write!(f, "no native code for this machine: {reason}"),
            Refusal::Memory(reason) => write!(f, "the system gives no executable memory: {reason}"),
            Refusal::Construct(reason) => write!(f, "no native code: {reason}"),
            Refusal::Size(reason) => write!(f, "no native code, it would be too large: {reason}"),
            Refusal::Program(reason) => write!(f, "no native code for a program that is not well typed: {reason}"),
            Refusal::Generator(reason) => write!(f, "the code generator failed: {reason}"),
        }
    }
}

impl std::error::Error for Refusal {}
