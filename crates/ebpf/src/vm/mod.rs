//! Programs run in user space, for tests: what a program does is known where nothing may be loaded into a kernel.
//!
//! Every access to memory is checked, and a register that nothing was written to cannot be read, so that what runs here
//! without a trap asks nothing of luck. Not fast, and not for telemetry. Read in order: `memory`, `maps`, `alu`,
//! `machine`.

mod memory;

mod maps;

mod alu;

mod machine;

pub use machine::{Input, Machine, Outcome};
pub use maps::Maps;

use std::fmt;

/// Says why a program was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The position of the instruction.
    pub position: usize,
    /// What was wrong.
    pub reason: TrapReason,
}

/// Says what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrapReason {
    /// It took more steps than it was given.
    OutOfSteps,
    /// It went on behind its last instruction.
    NoInstruction,
    /// It read a register that nothing was written to.
    Uninitialized(u8),
    /// It wrote the register of the stack frame.
    FrameWritten,
    /// It read or wrote so many bytes at an address where they are not.
    Access {
        /// The address.
        address: u64,
        /// How many bytes.
        size: usize,
    },
    /// It called what is not known here.
    Callee(u32),
    /// It gave a helper an argument that the helper does not take.
    Argument(&'static str),
    /// Its calls are nested deeper than eight.
    CallDepth,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {:?}", self.position, self.reason)
    }
}

impl std::error::Error for Trap {}
