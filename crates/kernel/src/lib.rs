//! Programs and maps of the kernel tier, in the running kernel.
//!
//! They are loaded, attached to sockets and control groups, run on packets of a test, and read. What a program is and does
//! is `dtq-ebpf`. Nothing stays in the kernel when its owner has ended: maps and programs are held by descriptors, and what
//! is attached to a socket of another process is emptied by the kernel and removed by a guard. Read in order: `sys`, [`object`],
//! [`mod@share`], [`counts`], [`meter`], [`ring`], [`attach`], [`lease`], [`counters`], [`inlet`], [`relay`],
//! [`mod@loaded`], [`probe`], [`host`], [`trace`].
//!
//! # Example
//! ```no_run
//! use dtq_ebpf::asm::Assembler;
//! use dtq_ebpf::insn::{Cond, Reg, Size};
//! use dtq_kernel::{Address, Program, ProgramKind, Relay, RelayOptions, Target};
//!
//! // Drops what is longer than a kilobyte, and hands on the rest to another socket.
//! let mut asm = Assembler::default();
//! let end = asm.label();
//! asm.load(Size::Word, Reg::R2, Reg::R1, 0);
//! asm.mov(Reg::R0, -1);
//! asm.branch(Cond::Le, Reg::R2, 1024, end);
//! asm.mov(Reg::R0, 0);
//! asm.bind(end);
//! asm.exit();
//! let program = Program::load("short_ones", ProgramKind::SocketFilter, &asm.finish(), &[])?;
//! let (from, to) = (Address::Unix("/run/in".into()), Address::Unix("/run/out".into()));
//! let mut relay = Relay::bind(&from, Some(&program), Target::Socket(to), RelayOptions::default())?;
//! loop {
//!     relay.run_once(std::time::Duration::from_secs(1))?;
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod sys;

pub mod object;

pub mod share;

pub mod counts;

pub mod meter;

pub mod ring;

pub mod attach;

pub mod lease;

pub mod counters;

pub mod inlet;

pub mod relay;

pub mod loaded;

pub mod probe;

pub mod host;

pub mod trace;

pub use attach::{AttachError, CgroupEgress, Guard, Owner, Socket, SocketFilter, SocketKind, SocketName};
pub use counters::{Count, Counters};
pub use counts::Counts;
pub use host::Ends;
pub use inlet::{Inlet, InletOptions};
pub use lease::Lease;
pub use loaded::{Loaded, loaded};
pub use meter::Meter;
pub use object::{LoadError, Map, Program, ProgramInfo, ProgramKind, Stats, TestRun};
pub use probe::Probe;
pub use relay::{Address, Relay, RelayCounts, RelayError, RelayOptions, Target};
pub use ring::{RingError, RingReader};
