//! The calls of `bpf(2)` that dtq makes, each with its arguments checked; other calls stand in `sys/`.
//!
//! The kernel reads and writes memory at the addresses it is given, as far as the sizes say that it is told beside them or
//! knows from a map; what is handed in here is as long as that, or the call is not made. Next: `object.rs`.
//!
//! # Source
//! `include/uapi/linux/bpf.h`, `union bpf_attr`; `bpf(2)`.
#![allow(unsafe_code, reason = "a system call that takes addresses; nothing else in the crate makes one")]

pub mod info;

pub mod wait;

pub mod ring;

pub mod socket;

pub mod process;

pub mod perf;

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Commands (`enum bpf_cmd`).
mod command {
    pub const MAP_CREATE: libc::c_int = 0;
    pub const MAP_LOOKUP: libc::c_int = 1;
    pub const MAP_UPDATE: libc::c_int = 2;
    pub const MAP_DELETE: libc::c_int = 3;
    pub const MAP_NEXT_KEY: libc::c_int = 4;
    pub const PROG_LOAD: libc::c_int = 5;
    pub const PROG_TEST_RUN: libc::c_int = 10;
    pub const PROG_NEXT_ID: libc::c_int = 11;
    pub const PROG_FD_BY_ID: libc::c_int = 13;
    pub const MAP_FD_BY_ID: libc::c_int = 14;
    pub const OBJECT_INFO: libc::c_int = 15;
    pub const LINK_CREATE: libc::c_int = 28;
    pub const LINK_UPDATE: libc::c_int = 29;
    pub const ENABLE_STATS: libc::c_int = 32;
    pub const LINK_DETACH: libc::c_int = 34;
}

/// The place of a program on what a control group sends (`BPF_CGROUP_INET_EGRESS`).
pub const CGROUP_INET_EGRESS: u32 = 1;
/// What `BPF_ENABLE_STATS` switches on: how often programs run and for how long (`BPF_STATS_RUN_TIME`).
const STATS_RUN_TIME: u32 = 0;

/// Bytes of a name (`BPF_OBJ_NAME_LEN`).
pub const NAME_SIZE: usize = 16;

/// Arguments of `BPF_MAP_CREATE`, as far as they are used.
#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    entries_max: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; NAME_SIZE],
}

/// Arguments of the commands on a key.
#[repr(C)]
#[derive(Default)]
struct MapElement {
    map: u32,
    padding: u32,
    key: u64,
    /// The value, or the next key.
    value: u64,
    flags: u64,
}

/// Arguments of `BPF_PROG_LOAD`, as far as they are used.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_SIZE],
    interface: u32,
    attach_type: u32,
}

/// Arguments of `BPF_PROG_TEST_RUN`, as far as they are used.
#[repr(C)]
#[derive(Default)]
struct ProgTestRun {
    prog: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration_ns: u32,
}

/// Calls the kernel with arguments of one command; returns what it returns.
fn call<A>(command: libc::c_int, arguments: &mut A) -> io::Result<libc::c_long> {
    let size = size_of::<A>() as libc::c_long;
    // SAFETY: the kernel reads and writes `size` bytes at `arguments`, which is so large and borrowed for the call; bytes
    // that it knows of and that are not there count as zero. What its fields point to is seen to by the callers below.
    // Test: `tests/live`, under AddressSanitizer.
    let result = unsafe { libc::syscall(libc::SYS_bpf, libc::c_long::from(command), arguments as *mut A, size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Calls the kernel with a command that makes a descriptor.
fn call_for_descriptor<A>(command: libc::c_int, arguments: &mut A) -> io::Result<OwnedFd> {
    let descriptor = call(command, arguments)?;
    let descriptor = libc::c_int::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has made this descriptor for us just now, so that nobody else closes it. Test: `tests/live`.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Returns an address as the kernel takes it.
fn address<T>(items: &[T]) -> u64 {
    items.as_ptr() as u64
}

fn size(count: usize) -> io::Result<u32> {
    u32::try_from(count).map_err(io::Error::other)
}

fn number(descriptor: &impl AsFd) -> u32 {
    descriptor.as_fd().as_raw_fd() as u32
}

/// Says what a new map is.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'n> {
    /// Its kind, as the kernel numbers it.
    pub kind: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries at most.
    pub entries_max: u32,
    /// Its name, cut to fifteen bytes.
    pub name: &'n str,
}

/// Makes a map.
///
/// # Errors
/// What the kernel says, such as that this process may not.
pub fn create_map(spec: &MapSpec<'_>) -> io::Result<OwnedFd> {
    let mut arguments = MapCreate {
        map_type: spec.kind,
        key_size: spec.key_size,
        value_size: spec.value_size,
        entries_max: spec.entries_max,
        name: name(spec.name),
        ..MapCreate::default()
    };
    call_for_descriptor(command::MAP_CREATE, &mut arguments)
}

/// Returns a name with the zero that ends it.
fn name(text: &str) -> [u8; NAME_SIZE] {
    let mut name = [0; NAME_SIZE];
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'.';
    let bytes = text.bytes().map(|byte| if is_fine(&byte) { byte } else { b'_' });
    name.iter_mut().take(NAME_SIZE - 1).zip(bytes).for_each(|(place, byte)| *place = byte);
    name
}

/// Reads the value of a key into `value`, which is as long as a value of the map, for all processors where it has one for
/// each; says whether there is one.
///
/// # Errors
/// What the kernel says.
pub fn lookup(map: &impl AsFd, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    let value = value.as_mut_ptr() as u64;
    let mut arguments = MapElement { map: number(map), key: address(key), value, ..MapElement::default() };
    found(call(command::MAP_LOOKUP, &mut arguments))
}

/// Sets the value of a key.
///
/// # Errors
/// What the kernel says, such as that the map is full.
pub fn update(map: &impl AsFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut arguments =
        MapElement { map: number(map), key: address(key), value: address(value), ..MapElement::default() };
    call(command::MAP_UPDATE, &mut arguments).map(|_| ())
}

/// Removes a key; says whether it was there.
///
/// # Errors
/// What the kernel says.
pub fn delete(map: &impl AsFd, key: &[u8]) -> io::Result<bool> {
    let mut arguments = MapElement { map: number(map), key: address(key), ..MapElement::default() };
    found(call(command::MAP_DELETE, &mut arguments))
}

/// Writes the key behind `key`, or the first one, into `next`; says whether there is one.
///
/// # Errors
/// What the kernel says.
pub fn next_key(map: &impl AsFd, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    let value = next.as_mut_ptr() as u64;
    let mut arguments = MapElement { map: number(map), key: key.map_or(0, address), value, ..MapElement::default() };
    found(call(command::MAP_NEXT_KEY, &mut arguments))
}

fn found(result: io::Result<libc::c_long>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says what is loaded.
#[derive(Clone, Copy, Debug)]
pub struct ProgSpec<'p> {
    /// Its kind, as the kernel numbers it.
    pub kind: u32,
    /// Where it will be attached, as the kernel numbers it, for kinds that have several places.
    pub attach_type: u32,
    /// Its slots of eight bytes.
    pub insns: &'p [[u8; 8]],
    /// Its name, cut to fifteen bytes.
    pub name: &'p str,
}

/// Loads a program; `log` is where the verifier writes why it refuses one, if it is not empty.
///
/// # Errors
/// What the kernel says.
pub fn load_program(spec: &ProgSpec<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    // The kernel lets programs of this licence call all helpers.
    let license = b"GPL\0";
    let mut arguments = ProgLoad {
        prog_type: spec.kind,
        attach_type: spec.attach_type,
        insn_count: size(spec.insns.len())?,
        insns: address(spec.insns),
        license: address(license),
        log_level: u32::from(!log.is_empty()),
        log_size: size(log.len())?,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        name: name(spec.name),
        ..ProgLoad::default()
    };
    call_for_descriptor(command::PROG_LOAD, &mut arguments)
}

/// Holds what a test run gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub result: u32,
    /// What a run took, on average.
    pub duration_ns: u32,
}

/// Runs a program over a packet so many times; the first fourteen bytes are an Ethernet header, which a socket filter does
/// not see.
///
/// # Errors
/// What the kernel says, such as that the packet is too short.
pub fn test_run(program: &impl AsFd, packet: &[u8], repeat: u32) -> io::Result<TestRun> {
    let mut arguments = ProgTestRun {
        prog: number(program),
        data_size_in: size(packet.len())?,
        data_in: address(packet),
        repeat,
        ..ProgTestRun::default()
    };
    call(command::PROG_TEST_RUN, &mut arguments)?;
    Ok(TestRun { result: arguments.result, duration_ns: arguments.duration_ns })
}

/// Arguments of `BPF_LINK_CREATE`, as far as they are used.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to a control group, for as long as the descriptor is open.
///
/// # Errors
/// What the kernel says.
pub fn create_link(program: &impl AsFd, target: &impl AsFd, attach_type: u32) -> io::Result<OwnedFd> {
    let mut arguments = LinkCreate { prog: number(program), target: number(target), attach_type, flags: 0 };
    call_for_descriptor(command::LINK_CREATE, &mut arguments)
}

/// Arguments of `BPF_LINK_UPDATE` and `BPF_LINK_DETACH`, as far as they are used.
#[repr(C)]
#[derive(Default)]
struct LinkChange {
    link: u32,
    prog: u32,
    flags: u32,
    previous_prog: u32,
}

/// Replaces the program of a link.
///
/// # Errors
/// What the kernel says.
pub fn update_link(link: &impl AsFd, program: &impl AsFd) -> io::Result<()> {
    let mut arguments = LinkChange { link: number(link), prog: number(program), ..LinkChange::default() };
    call(command::LINK_UPDATE, &mut arguments).map(|_| ())
}

/// Detaches the program of a link, also where others have the link open.
///
/// # Errors
/// What the kernel says.
pub fn detach_link(link: &impl AsFd) -> io::Result<()> {
    let mut link = number(link);
    call(command::LINK_DETACH, &mut link).map(|_| ())
}

/// Has the kernel measure how often programs run and for how long, while the descriptor is open.
///
/// # Errors
/// What the kernel says.
pub fn enable_stats() -> io::Result<OwnedFd> {
    let mut kind = STATS_RUN_TIME;
    call_for_descriptor(command::ENABLE_STATS, &mut kind)
}
