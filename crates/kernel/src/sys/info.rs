//! What the kernel says of programs and maps, by descriptor or by number. Next: `object.rs`.
//!
//! # Source
//! `include/uapi/linux/bpf.h`, `struct bpf_prog_info` and `struct bpf_map_info`.

use super::{NAME_SIZE, call, call_for_descriptor, command, number, size};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// How many maps of a program are looked at (`MAX_USED_MAPS` in `include/linux/bpf_verifier.h`).
const MAPS_MAX: usize = 64;

/// Arguments of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
#[derive(Default)]
struct ObjectInfo {
    descriptor: u32,
    info_size: u32,
    info: u64,
}

/// What `BPF_OBJ_GET_INFO_BY_FD` says of a program (`struct bpf_prog_info`); the kernel fills as much as it knows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgInfo {
    /// Its kind.
    pub kind: u32,
    /// Its number, which no other program has until the next start.
    pub id: u32,
    tag: [u8; 8],
    /// Bytes of machine code; 0 where it is interpreted.
    pub native_size: u32,
    translated_size: u32,
    native: u64,
    translated: u64,
    load_time: u64,
    /// The user who loaded it.
    pub uid: u32,
    map_count: u32,
    maps: u64,
    /// Its name, with the zero that ends it.
    pub name: [u8; NAME_SIZE],
    interface: u32,
    bits: u32,
    netns: [u64; 2],
    symbol_counts: [u32; 2],
    symbols: [u64; 2],
    btf: u32,
    function_record_size: u32,
    functions: u64,
    function_count: u32,
    line_count: u32,
    lines: [u64; 2],
    native_line_count: u32,
    line_record_sizes: [u32; 2],
    tag_count: u32,
    tags: u64,
    /// How long it ran, while that was measured.
    pub run_time_ns: u64,
    /// How often it ran, while that was measured.
    pub run_count: u64,
    recursion_misses: u64,
    /// How many instructions the verifier looked at.
    pub verified_count: u32,
    attach: [u32; 2],
    /// So that no byte has no value: the kernel looks at those that it does not know.
    padding: u32,
}

/// Returns what the kernel says of a program.
///
/// # Errors
/// What the kernel says, such as that the descriptor is of something else.
pub fn program_info(program: &impl AsFd) -> io::Result<ProgInfo> {
    let mut info = ProgInfo::default();
    fill(program, &mut info)?;
    Ok(info)
}

/// Returns the numbers of the maps of a program.
///
/// # Errors
/// What the kernel says.
pub fn program_maps(program: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MAPS_MAX];
    // The kernel writes as many numbers as it is told that there is room for, and says how many there are.
    let mut info = ProgInfo { map_count: MAPS_MAX as u32, maps: ids.as_mut_ptr() as u64, ..ProgInfo::default() };
    fill(program, &mut info)?;
    Ok(ids[..(info.map_count as usize).min(MAPS_MAX)].to_vec())
}

/// What `BPF_OBJ_GET_INFO_BY_FD` says of a map (`struct bpf_map_info`), as far as it is used.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MapInfo {
    /// Its kind.
    pub kind: u32,
    /// Its number.
    pub id: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries at most.
    pub entries_max: u32,
    flags: u32,
    /// Its name, with the zero that ends it.
    pub name: [u8; NAME_SIZE],
}

/// Returns what the kernel says of a map.
///
/// # Errors
/// What the kernel says, such as that the descriptor is of something else.
pub fn map_info(map: &impl AsFd) -> io::Result<MapInfo> {
    let mut info = MapInfo::default();
    fill(map, &mut info)?;
    Ok(info)
}

/// Has the kernel write what it says of a descriptor's program or map.
fn fill<I>(object: &impl AsFd, info: &mut I) -> io::Result<()> {
    let info_size = size(size_of::<I>())?;
    let info = std::ptr::from_mut(info) as u64;
    let mut arguments = ObjectInfo { descriptor: number(object), info_size, info };
    call(command::OBJECT_INFO, &mut arguments).map(|_| ())
}

/// Returns the number of the program behind that of `id`, or of the first one behind 0.
///
/// # Errors
/// What the kernel says: it asks for `CAP_SYS_ADMIN`.
pub fn next_program(id: u32) -> io::Result<Option<u32>> {
    let mut arguments = [id, 0, 0];
    let is_there = super::found(call(command::PROG_NEXT_ID, &mut arguments))?;
    Ok(is_there.then_some(arguments[1]))
}

/// Returns the program of a number, if there is one.
///
/// # Errors
/// What the kernel says: it asks for `CAP_SYS_ADMIN`.
pub fn open_program(id: u32) -> io::Result<Option<OwnedFd>> {
    open(command::PROG_FD_BY_ID, id)
}

/// Returns the map of a number, if there is one.
///
/// # Errors
/// What the kernel says: it asks for `CAP_SYS_ADMIN`.
pub fn open_map(id: u32) -> io::Result<Option<OwnedFd>> {
    open(command::MAP_FD_BY_ID, id)
}

fn open(command: libc::c_int, id: u32) -> io::Result<Option<OwnedFd>> {
    let mut arguments = [id, 0, 0];
    match call_for_descriptor(command, &mut arguments) {
        Ok(descriptor) => Ok(Some(descriptor)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a name without the zeros behind it.
pub fn text(name: &[u8; NAME_SIZE]) -> String {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
    String::from_utf8_lossy(&name[..end]).into_owned()
}
