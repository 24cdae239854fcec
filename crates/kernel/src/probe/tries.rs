//! Each feature to whether it works here, by using it once.
//!
//! # Source
//! `capabilities(7)`; `kernel/bpf/syscall.c`, `bpf_prog_load` and `map_create`; `kernel/bpf/verifier.c`,
//! `sanitize_ptr_alu`; `Documentation/admin-guide/sysctl/{kernel,net}.rst`.

use super::{Answer, Feature, Settings};
use crate::attach::cgroup::{CgroupEgress, cgroup_of};
use crate::attach::filter::{Present, SocketFilter};
use crate::attach::process::{Owner, open_process, take_descriptor};
use crate::attach::{AttachError, Socket};
use crate::object::{LoadError, Map, Program, ProgramKind};
use crate::ring::RingReader;
use crate::sys;
use dtq_ebpf::asm::{Assembler, Label};
use dtq_ebpf::callee::Helper;
use dtq_ebpf::insn::{Alu, Cond, Imm64, Insn, Reg, Size};
use dtq_ebpf::{MapDef, MapKind};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// Bits of the capabilities (`include/uapi/linux/capability.h`).
const CAPABILITIES: [(u32, &str); 6] = [
    (39, "CAP_BPF"),
    (38, "CAP_PERFMON"),
    (12, "CAP_NET_ADMIN"),
    (21, "CAP_SYS_ADMIN"),
    (19, "CAP_SYS_PTRACE"),
    (24, "CAP_SYS_RESOURCE"),
];
/// The kind of programs on probes (`BPF_PROG_TYPE_KPROBE`).
const KIND_KPROBE: u32 = 2;
/// How many processes are tried at most.
const PROCESSES_MAX: usize = 1000;
/// Bytes of the map in which a search is tried: a power of two.
const WINDOW: u32 = 64;
/// Where they begin, behind a cursor.
const TEXT: i32 = 8;

/// Says why something does not work.
enum Refusal {
    /// The kernel says no.
    System(io::Error),
    /// The verifier says no.
    Verifier(String),
    /// Something else is missing.
    Other { reason: String, remedy: &'static str },
    /// This process may not find out.
    Unknown(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Kernel { error, log } if log.is_empty() => Self::System(error),
            error => Self::Verifier(error.to_string()),
        }
    }
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::System { error, .. } => Self::System(error),
            error => Self::Other { reason: error.to_string(), remedy: "see the reason" },
        }
    }
}

/// Says whether a feature works.
pub(super) fn answer(feature: Feature, inherited: Option<&Program>, settings: &Settings) -> Answer {
    let tried = match feature {
        Feature::Maps => make(MapKind::Array).map(|_| ()),
        Feature::PerCpuMaps => make(MapKind::PerCpuArray).map(|_| ()),
        Feature::RingBuffer => ring_buffer(),
        Feature::SocketFilter => socket_filter(),
        Feature::CountedLoops => load(&counted_loop(), &[]).map(|_| ()),
        Feature::Search => make(MapKind::Array).and_then(|map| load(&search(), &[map])).map(|_| ()),
        Feature::TableSearch => make(MapKind::Array).and_then(|map| load(&table_search(), &[map])).map(|_| ()),
        Feature::NativeCode => native_code(settings),
        Feature::CgroupEgress => cgroup_egress(),
        Feature::Uprobes => uprobes(),
        Feature::OtherSockets => other_sockets(settings),
        Feature::InheritedProgram => inherited_program(inherited),
        Feature::ClassicFilter => classic_filter(),
    };
    match tried {
        Ok(()) => Answer::Yes,
        Err(Refusal::Unknown(reason)) => Answer::Unknown { reason },
        Err(Refusal::Other { reason, remedy }) => Answer::No { reason, remedy: remedy.into() },
        Err(Refusal::System(error)) => said_by_kernel(feature, &error, settings),
        Err(Refusal::Verifier(words)) => Answer::No { reason: words, remedy: verifier_remedy(settings).into() },
    }
}

/// Returns the answer for what the kernel refuses.
fn said_by_kernel(feature: Feature, error: &io::Error, settings: &Settings) -> Answer {
    let has = |name: &str| settings.capabilities.contains(&name) || settings.capabilities.contains(&"CAP_SYS_ADMIN");
    let needed: &[&str] = match feature {
        Feature::CgroupEgress => &["CAP_BPF", "CAP_NET_ADMIN"],
        Feature::Uprobes => &["CAP_BPF", "CAP_PERFMON"],
        Feature::OtherSockets => &["CAP_SYS_PTRACE"],
        Feature::ClassicFilter | Feature::InheritedProgram => &[],
        _ => &["CAP_BPF"],
    };
    let missing: Vec<&str> = needed.iter().copied().filter(|name| !has(name)).collect();
    let (reason, remedy) = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if !missing.is_empty() => (
            format!("this process lacks {}", missing.join(" and ")),
            format!(
                "give it {} (setcap, AmbientCapabilities= of systemd, --cap-add of a container), or have a process with more \
                 rights load the program",
                missing.join(" and ")
            ),
        ),
        Some(libc::EPERM | libc::EACCES) => (
            format!("{error}, though no capability is missing"),
            "look at the seccomp filter, the security module and the lockdown of the kernel that this process runs under"
                .to_owned(),
        ),
        Some(libc::ENOSYS) => ("the kernel has no bpf(2)".to_owned(), "a kernel with CONFIG_BPF_SYSCALL".to_owned()),
        Some(libc::ENOMEM) => (error.to_string(), "raise the limit of locked memory (ulimit -l, LimitMEMLOCK=)".to_owned()),
        _ => (error.to_string(), "a newer kernel: dtq is tested on Linux 6.18".to_owned()),
    };
    Answer::No { reason, remedy }
}

/// Returns what helps where the verifier refuses.
fn verifier_remedy(settings: &Settings) -> &'static str {
    let has = |name: &str| settings.capabilities.contains(&name);
    if has("CAP_PERFMON") || has("CAP_SYS_ADMIN") {
        return "a newer kernel: dtq is tested on Linux 6.18";
    }
    "give this process CAP_PERFMON besides CAP_BPF: without it the verifier guards against Spectre and refuses more"
}

fn make(kind: MapKind) -> Result<Map, Refusal> {
    Ok(Map::create(&MapDef::new("probe", kind, 4, 2 * WINDOW, 1))?)
}

fn load(program: &[Insn], maps: &[Map]) -> Result<Program, Refusal> {
    Ok(Program::load("dtq_probe", ProgramKind::SocketFilter, program, maps)?)
}

/// Returns a program that returns a number.
fn constant(number: i32) -> Vec<Insn> {
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, number);
    asm.exit();
    asm.finish()
}

fn ring_buffer() -> Result<(), Refusal> {
    let size = u32::try_from(rustix::param::page_size()).map_err(io::Error::other)?;
    let map = Map::create(&MapDef::new("probe", MapKind::RingBuffer, 0, 0, size))?;
    RingReader::new(&map)?;
    let mut asm = Assembler::default();
    asm.store(Size::Double, Reg::FRAME, -8, 0);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, -8);
    asm.mov(Reg::R3, 8);
    asm.mov(Reg::R4, 0);
    asm.call(Helper::RingbufOutput);
    asm.exit();
    load(&asm.finish(), &[map]).map(|_| ())
}

/// Attaches a program that drops, and looks whether it does.
fn socket_filter() -> Result<(), Refusal> {
    let program = load(&constant(0), &[])?;
    drops_when(|socket| {
        let own = Socket::own(socket.as_fd())?;
        Ok(SocketFilter::attach(own, &program, Present::Refuse)?)
    })
}

fn inherited_program(inherited: Option<&Program>) -> Result<(), Refusal> {
    let Some(program) = inherited else {
        return Err(Refusal::Other {
            reason: "no program was handed on to this process".into(),
            remedy: "have a process with CAP_BPF load it and hand on its descriptor",
        });
    };
    let (_, socket) = UnixDatagram::pair()?;
    let own = Socket::own(socket.as_fd())?;
    SocketFilter::attach(own, program, Present::Refuse)?.detach()?;
    Ok(())
}

fn classic_filter() -> Result<(), Refusal> {
    let drop_all = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    drops_when(|socket| Ok(sys::socket::attach_classic(socket, &[drop_all])?))
}

/// Looks whether a socket that something was attached to drops a datagram.
fn drops_when<T>(attach: impl FnOnce(&UnixDatagram) -> Result<T, Refusal>) -> Result<(), Refusal> {
    let (sender, socket) = UnixDatagram::pair()?;
    socket.set_nonblocking(true)?;
    let _attached = attach(&socket)?;
    sender.send(b"probe")?;
    match socket.recv(&mut [0; 8]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Refusal::Other {
            reason: "the filter was attached and does not run".into(),
            remedy: "a kernel that runs filters on unix sockets; a sandbox may not",
        }),
    }
}

/// Starts a program that copies the packet into a map behind a cursor, with the map's value in `r6` and the size of the
/// packet in `r8`, and then walks over it: the cursor stands in the map, since the verifier would follow it in a register.
fn walk(body: impl FnOnce(&mut Assembler, Label)) -> Vec<Insn> {
    let mut asm = Assembler::default();
    let (again, end) = (asm.label(), asm.label());
    asm.load(Size::Word, Reg::R8, Reg::R1, 0);
    asm.add(Insn::LoadImm { dst: Reg::R6, value: Imm64::MapValue { map: 0, offset: 0 } });
    asm.mov(Reg::R9, 0);
    asm.mov(Reg::R2, 0);
    asm.mov(Reg::R3, Reg::R6);
    asm.alu(Alu::Add, Reg::R3, TEXT);
    asm.mov(Reg::R4, WINDOW as i32);
    asm.call(Helper::SkbLoadBytes);
    asm.branch(Cond::Ne, Reg::R0, 0, end);
    asm.store(Size::Double, Reg::R6, 0, 0);
    asm.bind(again);
    asm.may_goto(end);
    asm.load(Size::Double, Reg::R7, Reg::R6, 0);
    asm.branch(Cond::Ge, Reg::R7, Reg::R8, end);
    asm.alu(Alu::And, Reg::R7, WINDOW as i32 - 1);
    asm.mov(Reg::R1, Reg::R6);
    asm.alu(Alu::Add, Reg::R1, Reg::R7);
    body(&mut asm, end);
    asm.store(Size::Double, Reg::R6, 0, Reg::R7);
    asm.jump(again);
    asm.bind(end);
    asm.mov(Reg::R0, Reg::R9);
    asm.exit();
    asm.finish()
}

/// Returns a program that searches for a zero byte, sixteen bytes a step.
fn search() -> Vec<Insn> {
    walk(|asm, end| {
        for offset in [0, 8] {
            asm.load(Size::Double, Reg::R2, Reg::R1, TEXT as i16 + offset);
            asm.mov_imm(Reg::R3, 0x0101_0101_0101_0101);
            asm.mov(Reg::R4, Reg::R2);
            asm.alu(Alu::Sub, Reg::R4, Reg::R3);
            asm.alu(Alu::Xor, Reg::R2, -1);
            asm.alu(Alu::And, Reg::R4, Reg::R2);
            asm.mov_imm(Reg::R3, 0x8080_8080_8080_8080);
            asm.alu(Alu::And, Reg::R4, Reg::R3);
            asm.alu(Alu::Or, Reg::R9, Reg::R4);
        }
        asm.branch(Cond::Ne, Reg::R9, 0, end);
        asm.alu(Alu::Add, Reg::R7, 16);
    })
}

/// Returns a program that goes from state to state by a table.
fn table_search() -> Vec<Insn> {
    walk(|asm, end| {
        asm.load(Size::Byte, Reg::R2, Reg::R1, TEXT as i16);
        asm.alu(Alu::Lsh, Reg::R9, 2);
        asm.alu(Alu::Xor, Reg::R9, Reg::R2);
        asm.alu(Alu::And, Reg::R9, WINDOW as i32 - 1);
        asm.mov(Reg::R1, Reg::R6);
        asm.alu(Alu::Add, Reg::R1, Reg::R9);
        asm.load(Size::Byte, Reg::R9, Reg::R1, TEXT as i16);
        asm.branch(Cond::Eq, Reg::R9, 255, end);
        asm.alu(Alu::Add, Reg::R7, 1);
    })
}

/// Returns a program with a loop that the kernel counts.
fn counted_loop() -> Vec<Insn> {
    let mut asm = Assembler::default();
    let (again, end) = (asm.label(), asm.label());
    asm.load(Size::Word, Reg::R1, Reg::R1, 0);
    asm.mov(Reg::R0, 0);
    asm.bind(again);
    asm.may_goto(end);
    asm.branch(Cond::Ge, Reg::R0, Reg::R1, end);
    asm.alu(Alu::Add, Reg::R0, 1);
    asm.jump(again);
    asm.bind(end);
    asm.exit();
    asm.finish()
}

fn native_code(settings: &Settings) -> Result<(), Refusal> {
    let is_native = load(&constant(0), &[]).and_then(|program| Ok(program.info()?.is_native));
    match (is_native, settings.bpf_jit_enable) {
        (Ok(true), _) | (Err(_), Some(1..)) => Ok(()),
        (_, Some(0)) | (Ok(false), Some(_)) => Err(Refusal::Other {
            reason: "the kernel interprets programs, which costs several times as much".into(),
            remedy: "sysctl net.core.bpf_jit_enable=1",
        }),
        _ => Err(Refusal::Unknown("net.core.bpf_jit_enable is not readable, and no program can be looked at".into())),
    }
}

/// Attaches a program that keeps everything to this process's own control group, and takes it away.
fn cgroup_egress() -> Result<(), Refusal> {
    let program = Program::load("dtq_probe", ProgramKind::CgroupEgress, &constant(1), &[])?;
    let group = cgroup_of(std::process::id()).map_err(|_| Refusal::Other {
        reason: "there is no file system of control groups of version 2".into(),
        remedy: "mount -t cgroup2 none /sys/fs/cgroup",
    })?;
    CgroupEgress::attach(&group, &program)?.detach()?;
    Ok(())
}

fn uprobes() -> Result<(), Refusal> {
    if !std::path::Path::new("/sys/bus/event_source/devices/uprobe/type").exists() {
        return Err(Refusal::Other {
            reason: "the kernel has no performance counter for uprobes, or /sys is not mounted".into(),
            remedy: "a kernel with CONFIG_UPROBE_EVENTS, and /sys",
        });
    }
    // mov r0, 0; exit.
    let insns = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let spec = sys::ProgSpec { kind: KIND_KPROBE, attach_type: 0, insns: &insns, name: "dtq_probe" };
    sys::load_program(&spec, &mut []).map(|_| ()).map_err(Refusal::from)
}

/// Tries to take a descriptor of other users' processes until that works once.
fn other_sockets(settings: &Settings) -> Result<(), Refusal> {
    let mut is_refused = false;
    for entry in std::fs::read_dir("/proc")?.flatten().take(PROCESSES_MAX) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if Owner::of(pid).uid == settings.uid {
            continue;
        }
        match open_process(pid).and_then(|process| take_descriptor(&process, pid, 0)) {
            Ok(_) | Err(AttachError::NoDescriptor { .. }) => return Ok(()),
            Err(AttachError::NotAllowed { .. }) => is_refused = true,
            // It has ended, or is one of the kernel's.
            Err(_) => {}
        }
    }
    if is_refused {
        return Err(Refusal::System(io::Error::from_raw_os_error(libc::EPERM)));
    }
    if settings.capabilities.contains(&"CAP_SYS_PTRACE") {
        return Ok(());
    }
    Err(Refusal::Unknown("there is no process of another user to try".into()))
}

/// Reads what answers depend on.
pub(super) fn settings() -> Settings {
    let text = |path: &str| std::fs::read_to_string(path).ok();
    let number = |path: &str| text(path).and_then(|text| text.trim().parse::<i64>().ok());
    let status = text("/proc/thread-self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let bits = field("CapEff:").and_then(|bits| u64::from_str_radix(bits, 16).ok()).unwrap_or_default();
    let limits = text("/proc/self/limits").unwrap_or_default();
    let memlock = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    Settings {
        kernel: text("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
        uid: field("Uid:").and_then(|uids| uids.split_whitespace().nth(1)?.parse().ok()),
        capabilities: CAPABILITIES.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect(),
        unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        bpf_jit_enable: number("/proc/sys/net/core/bpf_jit_enable"),
        bpf_jit_harden: number("/proc/sys/net/core/bpf_jit_harden"),
        perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
        ptrace_scope: number("/proc/sys/kernel/yama/ptrace_scope"),
        has_tracefs: ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"]
            .iter()
            .any(|path| std::fs::read_dir(path).is_ok()),
        has_seccomp: field("Seccomp:").is_some_and(|mode| mode != "0"),
        memlock: memlock.and_then(|limits| limits.split_whitespace().next()?.parse().ok()),
    }
}
