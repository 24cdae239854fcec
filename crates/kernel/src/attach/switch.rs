//! A small program that goes on to another one, which can be replaced, and which the kernel takes away with this process.
//!
//! What stands on a socket is the small one. It calls the program that stands in a map (`bpf_tail_call`), and keeps
//! everything where there is none. Three things follow. The program is replaced in the map, in one step, without reaching
//! for the socket again. Its size does not count to the memory that a socket may have for options
//! (`net.core.optmem_max`), of which replacing a program directly takes twice its size. And the kernel empties the map
//! when the last descriptor of it is closed, however this process ends: what another process's socket is left with
//! drops nothing.
//!
//! Next: `filter.rs`.
//!
//! # Source
//! `kernel/bpf/arraymap.c`, `prog_array_map_ops.map_release_uref`; `net/core/filter.c`, `__sk_filter_charge`.

use crate::object::Program;
use crate::sys;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The kind of the map (`BPF_MAP_TYPE_PROG_ARRAY`).
const PROGRAM_ARRAY: u32 = 3;
/// The only key.
const KEY: [u8; 4] = [0; 4];

/// Holds a program that goes on to another one.
#[derive(Debug)]
pub(crate) struct Switch {
    /// Holds the other program; nobody else may have a descriptor of it.
    programs: OwnedFd,
    stub: OwnedFd,
}

impl Switch {
    /// Returns one that goes on to a program of this kind.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn new(program: &Program) -> io::Result<Self> {
        let spec = sys::MapSpec { kind: PROGRAM_ARRAY, key_size: 4, value_size: 4, entries_max: 1, name: "dtq_switch" };
        let programs = sys::create_map(&spec)?;
        let insns = stub(programs.as_raw_fd());
        let kind = program.kind();
        let (kind, attach_type) = (kind.number(), kind.attach_type());
        let stub = sys::load_program(&sys::ProgSpec { kind, attach_type, insns: &insns, name: "dtq_switch" }, &mut [])?;
        let switch = Self { programs, stub };
        switch.set(program)?;
        Ok(switch)
    }

    /// Puts a program in the place of the one that is there, in one step.
    ///
    /// # Errors
    /// What the kernel says, such as that it is one of another kind.
    pub(crate) fn set(&self, program: &Program) -> io::Result<()> {
        sys::update(&self.programs, &KEY, &program.as_fd().as_raw_fd().to_ne_bytes())
    }
}

impl AsFd for Switch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stub.as_fd()
    }
}

/// Returns the program that calls the first one of a map, and else keeps everything.
fn stub(map: i32) -> [[u8; 8]; 6] {
    let slot = |opcode: u8, registers: u8, imm: i32| {
        let [a, b, c, d] = imm.to_ne_bytes();
        [opcode, registers, 0, 0, a, b, c, d]
    };
    [
        // r2 = the map (`BPF_PSEUDO_MAP_FD`), in two slots.
        slot(0x18, 0x12, map),
        slot(0, 0, 0),
        // r3 = 0, the position.
        slot(0xb7, 0x03, 0),
        // bpf_tail_call(r1, r2, r3), which comes back only where there is none.
        slot(0x85, 0, 12),
        // r0 = -1: the whole packet.
        slot(0xb7, 0, -1),
        slot(0x95, 0, 0),
    ]
}
