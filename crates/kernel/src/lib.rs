//! Programs and maps of the kernel tier, in the running kernel.
//!
//! So far they are loaded, run on packets of a test, and read; attaching them to sockets comes next (issue 5). What a
//! program is and does is `dtq-ebpf`. Read in order: `sys`, [`object`], [`ring`], [`trace`].

mod sys;

pub mod object;

pub mod ring;

pub mod trace;

pub use object::{LoadError, Map, Program, ProgramKind, TestRun};
pub use ring::{RingError, RingReader};
