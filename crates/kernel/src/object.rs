//! Maps and programs of `dtq-ebpf` to those of the kernel, which are gone when the last descriptor is closed.

use crate::sys;
pub use crate::sys::TestRun;
use dtq_ebpf::check::{Violation, check};
use dtq_ebpf::{EncodeError, Insn, MapDef, MapKind, encode};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// How much of what the verifier says is kept, in bytes.
const LOG_SIZE: usize = 256 << 10;
/// How often a program is loaded where the verifier is disturbed; libbpf tries five times (`PROG_LOAD_ATTEMPTS`).
const LOAD_TRIES_MAX: u32 = 10;

/// Holds a map of the kernel.
#[derive(Debug)]
pub struct Map {
    descriptor: OwnedFd,
    def: MapDef,
    /// How many values a key has: one, or one for each processor.
    value_count: usize,
}

impl Map {
    /// Makes a map.
    ///
    /// # Errors
    /// What the kernel says, such as that this process may not.
    pub fn create(def: &MapDef) -> io::Result<Self> {
        let spec = sys::MapSpec {
            kind: def.kind.number(),
            key_size: def.key_size,
            value_size: def.value_size,
            entries_max: def.entries_max,
            name: &def.name,
        };
        let value_count = value_count(def.kind)?;
        let map = Self { descriptor: sys::create_map(&spec)?, def: def.clone(), value_count };
        if !def.initial.is_empty() {
            let mut value = def.initial.clone();
            value.resize(def.value_size as usize, 0);
            map.set(&[0; 4], &value)?;
        }
        Ok(map)
    }

    /// Returns the map of a descriptor; `None` when it is of a kind that dtq does not make.
    pub(crate) fn of_descriptor(descriptor: OwnedFd) -> io::Result<Option<Self>> {
        let info = sys::info::map_info(&descriptor)?;
        let Some(kind) = MapKind::ALL.into_iter().find(|kind| kind.number() == info.kind) else { return Ok(None) };
        let def = MapDef {
            name: sys::info::text(&info.name),
            kind,
            key_size: info.key_size,
            value_size: info.value_size,
            entries_max: info.entries_max,
            initial: Vec::new(),
        };
        Ok(Some(Self { descriptor, value_count: value_count(kind)?, def }))
    }

    /// Returns another descriptor of the same map.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let descriptor = self.descriptor.try_clone()?;
        Ok(Self { descriptor, def: self.def.clone(), value_count: self.value_count })
    }

    /// Returns what it was made from.
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Returns the values of a key: one, or one for each processor; `None` when there is none.
    ///
    /// # Errors
    /// When the key has another size, and what the kernel says.
    pub fn get(&self, key: &[u8]) -> io::Result<Option<Vec<Vec<u8>>>> {
        self.check_key(key)?;
        if self.def.kind == MapKind::RingBuffer {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a ring buffer has no keys"));
        }
        let (size, stride) = (self.def.value_size as usize, self.stride());
        let mut values = vec![0; stride * self.value_count];
        let is_there = sys::lookup(&self.descriptor, key, &mut values)?;
        Ok(is_there.then(|| values.chunks(stride).map(|value| value[..size].to_vec()).collect()))
    }

    /// Sets the value of a key, on all processors where each has its own.
    ///
    /// # Errors
    /// When key or value have another size, and what the kernel says, such as that the map is full.
    pub fn set(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.check_key(key)?;
        if self.def.kind == MapKind::RingBuffer || value.len() != self.def.value_size as usize {
            let message =
                format!("a value of `{}` has {} bytes, not {}", self.def.name, self.def.value_size, value.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut values = vec![0; self.stride() * self.value_count];
        values.chunks_mut(self.stride()).for_each(|place| place[..value.len()].copy_from_slice(value));
        sys::update(&self.descriptor, key, &values)
    }

    /// Removes a key; says whether it was there.
    ///
    /// # Errors
    /// When the key has another size, and what the kernel says.
    pub fn remove(&self, key: &[u8]) -> io::Result<bool> {
        self.check_key(key)?;
        sys::delete(&self.descriptor, key)
    }

    /// Returns the keys, of which some may be missing or stand twice where programs change the map meanwhile.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn keys(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut next = vec![0; self.def.key_size as usize];
        // A map that changes under the walk may lead in a circle.
        while keys.len() <= self.def.entries_max as usize
            && sys::next_key(&self.descriptor, keys.last().map(Vec::as_slice), &mut next)?
        {
            keys.push(next.clone());
        }
        Ok(keys)
    }

    /// Returns how far the values of processors lie apart (`round_up(value_size, 8)` in `kernel/bpf/syscall.c`).
    fn stride(&self) -> usize {
        let size = self.def.value_size as usize;
        if self.value_count == 1 { size } else { size.next_multiple_of(8) }
    }

    fn check_key(&self, key: &[u8]) -> io::Result<()> {
        if key.len() == self.def.key_size as usize {
            return Ok(());
        }
        let message = format!("a key of `{}` has {} bytes, not {}", self.def.name, self.def.key_size, key.len());
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Returns how many values a key of a map has.
fn value_count(kind: MapKind) -> io::Result<usize> {
    match kind {
        MapKind::PerCpuHash | MapKind::PerCpuArray => cpu_count(),
        MapKind::Hash | MapKind::Array | MapKind::LruHash | MapKind::RingBuffer => Ok(1),
    }
}

/// Returns for how many processors a map has values: all that there may ever be.
fn cpu_count() -> io::Result<usize> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<usize>().ok());
    last.map(|last| last + 1)
        .ok_or_else(|| io::Error::other(format!("cannot tell the processors of `{}`", text.trim())))
}

/// Says what a program is attached to, and with that what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgramKind {
    /// Packets that a socket receives.
    SocketFilter,
    /// Packets that a control group sends.
    CgroupEgress,
    /// Hits of a place in a file that is mapped into processes.
    Probe,
}

impl ProgramKind {
    /// Returns the kernel's number (`enum bpf_prog_type`).
    pub(crate) fn number(self) -> u32 {
        match self {
            ProgramKind::SocketFilter => 1,
            ProgramKind::CgroupEgress => 8,
            // `BPF_PROG_TYPE_KPROBE`, which uprobes are too.
            ProgramKind::Probe => 2,
        }
    }

    /// Returns the kernel's number of the place (`enum bpf_attach_type`), which says what may be returned.
    pub(crate) fn attach_type(self) -> u32 {
        match self {
            ProgramKind::SocketFilter | ProgramKind::Probe => 0,
            ProgramKind::CgroupEgress => sys::CGROUP_INET_EGRESS,
        }
    }
}

/// Holds a program of the kernel.
#[derive(Debug)]
pub struct Program {
    descriptor: OwnedFd,
    kind: ProgramKind,
    /// Whether another process has loaded it.
    is_inherited: bool,
}

impl Program {
    /// Loads a program, whose map of a position is that of the same position in `maps`.
    ///
    /// # Errors
    /// What is wrong with the program, by our own check or by that of the kernel.
    pub fn load(name: &str, kind: ProgramKind, program: &[Insn], maps: &[Map]) -> Result<Self, LoadError> {
        let defs: Vec<MapDef> = maps.iter().map(|map| map.def.clone()).collect();
        check(program, &defs).map_err(LoadError::Check)?;
        let mut encoded = encode(program).map_err(LoadError::Encode)?;
        for (slot, map) in encoded.relocations {
            encoded.slots[slot].imm = maps[map as usize].descriptor.as_raw_fd();
        }
        let insns: Vec<[u8; 8]> = encoded.slots.iter().map(|slot| slot.to_bytes()).collect();
        let spec = sys::ProgSpec { kind: kind.number(), attach_type: kind.attach_type(), insns: &insns, name };
        // What the verifier says costs time, and is wanted only where it refuses.
        match load_again(&spec, &mut []) {
            Ok(descriptor) => Ok(Self { descriptor, kind, is_inherited: false }),
            Err(error) => Err(refusal(&spec, error)),
        }
    }

    /// Returns the program of a descriptor that another process has loaded and handed on, which needs no right.
    ///
    /// # Errors
    /// When the descriptor is no program, or one for another place.
    pub fn inherit(descriptor: OwnedFd, kind: ProgramKind) -> io::Result<Self> {
        let found = sys::info::program_info(&descriptor)?.kind;
        if found != kind.number() {
            let message = format!("the program is of kind {found}, not {} ({kind:?})", kind.number());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { descriptor, kind, is_inherited: true })
    }

    /// Says whether another process has loaded it.
    pub fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Returns what it is attached to.
    pub fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// Returns its number and what it has done. Runs to which another program went on count to that one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn info(&self) -> io::Result<ProgramInfo> {
        ProgramInfo::of(self)
    }

    /// Runs it over a packet so many times; the first fourteen bytes are an Ethernet header, which a socket filter does not
    /// see.
    ///
    /// # Errors
    /// What the kernel says, such as that the packet is too short.
    pub fn test_run(&self, packet: &[u8], repeat: u32) -> io::Result<TestRun> {
        sys::test_run(&self.descriptor, packet, repeat)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Holds what the kernel says of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProgramInfo {
    /// Its number, which no other program has until the next start.
    pub id: u32,
    /// Its name, of at most fifteen bytes.
    pub name: String,
    /// The user who loaded it.
    pub uid: u32,
    /// Whether it runs as machine code. Also false where this process may not know.
    pub is_native: bool,
    /// How many instructions the verifier looked at.
    pub verified_count: u32,
    /// How often it ran while a [`Stats`] was there.
    pub run_count: u64,
    /// How long it ran while a [`Stats`] was there.
    pub run_time_ns: u64,
}

impl ProgramInfo {
    /// Returns what the kernel says of the program of a descriptor.
    pub(crate) fn of(program: &impl AsFd) -> io::Result<Self> {
        let info = sys::info::program_info(program)?;
        Ok(Self {
            id: info.id,
            name: sys::info::text(&info.name),
            uid: info.uid,
            is_native: info.native_size > 0,
            verified_count: info.verified_count,
            run_count: info.run_count,
            run_time_ns: info.run_time_ns,
        })
    }
}

/// Says whether a program of this number is in the kernel.
///
/// # Errors
/// What the kernel says: it asks for `CAP_SYS_ADMIN`.
pub fn has_program(id: u32) -> io::Result<bool> {
    Ok(sys::info::open_program(id)?.is_some())
}

/// Has the kernel measure how often all programs run and for how long, until it is dropped.
///
/// # Cost
/// Two looks at the clock for each run of a program, some tens of nanoseconds.
#[derive(Debug)]
pub struct Stats {
    _descriptor: OwnedFd,
}

impl Stats {
    /// Starts measuring.
    ///
    /// # Errors
    /// What the kernel says: it asks for `CAP_SYS_ADMIN`.
    pub fn start() -> io::Result<Self> {
        Ok(Self { _descriptor: sys::enable_stats()? })
    }
}

/// Loads a program, again where the verifier was disturbed: it gives up with `EAGAIN` when a signal waits for the process.
fn load_again(spec: &sys::ProgSpec<'_>, log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut tries_left = LOAD_TRIES_MAX;
    loop {
        tries_left -= 1;
        match sys::load_program(spec, log) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries_left > 0 => {}
            loaded => return loaded,
        }
    }
}

/// Loads a program that was refused once more, for the verifier's words.
fn refusal(spec: &sys::ProgSpec<'_>, error: io::Error) -> LoadError {
    if error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error() == Some(libc::EPERM) {
        return LoadError::Kernel { error, log: String::new() };
    }
    let mut log = vec![0; LOG_SIZE];
    let error = load_again(spec, &mut log).err().unwrap_or(error);
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    LoadError::Kernel { error, log: String::from_utf8_lossy(&log[..end]).into_owned() }
}

/// Says why a program was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// It is wrong by our own check.
    Check(Violation),
    /// It cannot be encoded.
    Encode(EncodeError),
    /// The kernel refuses it.
    Kernel {
        /// With this.
        error: io::Error,
        /// And these words of its verifier.
        log: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Check(violation) => write!(f, "the program is wrong: {violation}"),
            LoadError::Encode(error) => write!(f, "the program cannot be encoded: {error}"),
            LoadError::Kernel { error, log } => {
                let last =
                    log.trim_end().lines().rev().find(|line| !line.starts_with("processed ")).unwrap_or_default();
                let separator = if last.is_empty() { "" } else { ": " };
                write!(f, "the kernel refuses the program: {error}{separator}{last}")
            }
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Check(violation) => Some(violation),
            LoadError::Encode(error) => Some(error),
            LoadError::Kernel { error, .. } => Some(error),
        }
    }
}
