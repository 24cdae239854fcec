//! Programs and maps of the kernel tier, in the running kernel.
//!
//! They are loaded, attached to sockets and control groups, run on packets of a test, and read. What a program is and does
//! is `dtq-ebpf`. Nothing stays in the kernel when its owner has ended: maps and programs are held by descriptors, and what
//! is attached to a socket of another process has a guard and a lease. Read in order: `sys`, [`object`], [`ring`],
//! [`attach`], [`lease`], [`counters`], [`share`], [`trace`].

mod sys;

pub mod object;

pub mod ring;

pub mod attach;

pub mod lease;

pub mod counters;

pub mod share;

pub mod trace;

pub use attach::{AttachError, CgroupEgress, Guard, Owner, Socket, SocketFilter, SocketKind, SocketName};
pub use counters::{Count, Counters};
pub use lease::Lease;
pub use object::{LoadError, Map, Program, ProgramInfo, ProgramKind, Stats, TestRun};
pub use ring::{RingError, RingReader};
