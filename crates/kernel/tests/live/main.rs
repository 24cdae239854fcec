//! Programs in the running kernel: they give what the interpreter in user space gives.
//!
//! Needs the right to load programs. Without it every test says loudly that it did nothing. `DTQ_CASES=100000` and
//! `DTQ_SEED=2` make another run.

#![expect(clippy::print_stderr, reason = "its numbers are for people")]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod random;

#[path = "../../../ebpf/tests/support/reading.rs"]
mod reading;

#[path = "../../../ebpf/tests/support/lines.rs"]
mod lines;

#[path = "../../../ebpf/tests/support/syslog_lines.rs"]
mod syslog_lines;

#[path = "../../../ebpf/tests/support/json_objects.rs"]
mod json_objects;

mod reader;

mod syslog;

mod json;

mod eligible;

mod real;

mod search;

mod tables;

#[path = "../../../ebpf/tests/support/mod.rs"]
mod support;

#[path = "../../../ebpf/tests/support/part.rs"]
mod part;

mod otlp;

#[path = "../../../ebpf/tests/support/questions.rs"]
mod questions;

mod ring;

mod filters;

mod attach;

mod guard;

mod cgroup;

mod relay;

mod inlet;

mod rsyslog;

mod sockets;

mod host;

mod counts;

mod probe;

mod trace;

mod trace_gone;

mod trace_cost;

mod automata;

#[path = "../../../ebpf/tests/support/text_program.rs"]
mod text_program;

#[path = "../../../ebpf/tests/support/automata_cases.rs"]
mod automata_cases;

use dtq_ebpf::asm::Assembler;
use dtq_ebpf::callee::Helper;
use dtq_ebpf::insn::{AtomicOp, Cond, Insn, Reg, Size};
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{MapDef, MapKind, text};
use dtq_kernel::{LoadError, Map, Program, ProgramKind};

/// Bytes in front of what a socket filter sees in a test run.
const ETHERNET_SIZE: usize = 14;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Says whether programs may be loaded here; says loudly when not.
fn may_load(test: &str) -> bool {
    let mut asm = Assembler::default();
    asm.mov(Reg::R0, 0);
    asm.exit();
    match Program::load("probe", ProgramKind::SocketFilter, &asm.finish(), &[]) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("SKIPPED: {test}: no program can be loaded here ({error}); run it as root");
            false
        }
    }
}

fn load(program: &[Insn], maps: &[Map]) -> Program {
    Program::load("test", ProgramKind::SocketFilter, program, maps).unwrap_or_else(|error| {
        let log = if let LoadError::Kernel { log, .. } = &error { log.as_str() } else { "" };
        panic!("{error}\n{log}\n{}", text::print(program))
    })
}

#[test]
fn random_programs_give_the_same() {
    if !may_load("random_programs_give_the_same") {
        return;
    }
    let (cases, seed) = (number("DTQ_CASES", 1_000), number("DTQ_SEED", 1));
    let mut step_count = 0;
    for case in 0..cases {
        let program = random::program(seed.wrapping_mul(0x9e37_79b9).wrapping_add(case));
        let packet: Vec<u8> = (0..64_u8).map(|byte| byte.wrapping_mul(37) ^ case as u8).collect();
        let mut maps = Maps::new(&[]);
        let input = Input { context: &[0; 192], packet: &packet, steps_max: 10_000, ..Input::default() };
        let expected = Machine::new(&program, &mut maps).run(&input);
        let expected = expected.unwrap_or_else(|trap| panic!("case {case}: {trap}\n{}", text::print(&program)));
        step_count += expected.step_count;
        let framed = [&[0; ETHERNET_SIZE][..], &packet].concat();
        let found = load(&program, &[]).test_run(&framed, 1).unwrap();
        assert_eq!(found.result, expected.result as u32, "case {case}\n{}", text::print(&program));
    }
    println!("{cases} programs, {step_count} steps: the kernel gives what the interpreter gives");
}

#[test]
fn maps_hold_what_programs_write() {
    if !may_load("maps_hold_what_programs_write") {
        return;
    }
    let defs = [MapDef::new("counts", MapKind::PerCpuArray, 4, 12, 4), MapDef::new("keyed", MapKind::Hash, 4, 8, 4)];
    let maps: Vec<Map> = defs.iter().map(|def| Map::create(def).unwrap()).collect();
    let mut asm = Assembler::default();
    let missing = asm.label();
    asm.mov(Reg::R6, Reg::R1);
    asm.store(Size::Word, Reg::FRAME, -4, 2);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, -4);
    asm.call(Helper::MapLookup);
    asm.branch(Cond::Eq, Reg::R0, 0, missing);
    asm.mov(Reg::R1, 3);
    let (base, src) = (Reg::R0, Reg::R1);
    asm.add(Insn::Atomic { size: Size::Double, op: AtomicOp::Add, is_fetched: false, base, offset: 0, src });
    asm.mov(Reg::R1, Reg::R6);
    asm.mov(Reg::R2, 0);
    asm.mov_frame(Reg::R3, -16);
    asm.mov(Reg::R4, 8);
    asm.call(Helper::SkbLoadBytes);
    asm.branch(Cond::Ne, Reg::R0, 0, missing);
    asm.mov_map(Reg::R1, 1);
    asm.mov_frame(Reg::R2, -4);
    asm.mov_frame(Reg::R3, -16);
    asm.mov(Reg::R4, 0);
    asm.call(Helper::MapUpdate);
    asm.exit();
    asm.bind(missing);
    asm.mov(Reg::R0, 1);
    asm.exit();
    let program = load(&asm.finish(), &maps);
    let packet = [&[0; ETHERNET_SIZE][..], b"abcdefgh and more"].concat();
    assert_eq!(program.test_run(&packet, 5).unwrap().result, 0);
    let counts = maps[0].get(&2u32.to_le_bytes()).unwrap().unwrap();
    let sum: u64 = counts.iter().map(|value| u64::from_le_bytes(value[..8].try_into().unwrap())).sum();
    assert_eq!((sum, counts[0].len()), (15, 12));
    assert_eq!(maps[1].get(&2u32.to_le_bytes()).unwrap(), Some(vec![b"abcdefgh".to_vec()]));
    assert_eq!(maps[1].get(&1u32.to_le_bytes()).unwrap(), None);
    maps[1].set(&7u32.to_le_bytes(), &[1; 8]).unwrap();
    let mut keys = maps[1].keys().unwrap();
    keys.sort();
    assert_eq!(keys, [2u32.to_le_bytes(), 7u32.to_le_bytes()]);
    assert_eq!(
        (maps[1].remove(&2u32.to_le_bytes()).unwrap(), maps[1].remove(&2u32.to_le_bytes()).unwrap()),
        (true, false)
    );
    assert!(maps[1].get(b"abc").is_err() && maps[1].set(&[0; 4], b"short").is_err());
}

#[test]
fn what_the_verifier_refuses_is_said_in_its_words() {
    if !may_load("what_the_verifier_refuses_is_said_in_its_words") {
        return;
    }
    let mut asm = Assembler::default();
    asm.mov(Reg::R1, 0);
    asm.load(Size::Double, Reg::R0, Reg::R1, 0);
    asm.exit();
    let error = Program::load("bad", ProgramKind::SocketFilter, &asm.finish(), &[]).unwrap_err().to_string();
    assert!(error.contains("R1 invalid mem access"), "{error}");
}

/// Returns a filter that counts packets of at least eight bytes and drops the others, and its maps.
fn counting() -> (Vec<Insn>, Vec<MapDef>) {
    let maps = vec![
        MapDef::new("counts", MapKind::PerCpuArray, 4, 8, 1),
        MapDef::new("kept", MapKind::RingBuffer, 0, 0, 4096),
    ];
    let mut asm = Assembler::default();
    let (short, missing) = (asm.label(), asm.label());
    asm.load(Size::Word, Reg::R1, Reg::R1, 0);
    asm.branch(Cond::Lt, Reg::R1, 8, short);
    asm.store(Size::Word, Reg::FRAME, -4, 0);
    asm.mov_map(Reg::R1, 0);
    asm.mov_frame(Reg::R2, -4);
    asm.call(Helper::MapLookup);
    asm.branch(Cond::Eq, Reg::R0, 0, missing);
    asm.mov(Reg::R1, 1);
    let (base, src) = (Reg::R0, Reg::R1);
    asm.add(Insn::Atomic { size: Size::Double, op: AtomicOp::Add, is_fetched: false, base, offset: 0, src });
    asm.mov_map(Reg::R1, 1);
    asm.mov_frame(Reg::R2, -4);
    asm.mov(Reg::R3, 4);
    asm.mov(Reg::R4, 0);
    asm.call(Helper::RingbufOutput);
    asm.bind(missing);
    asm.mov(Reg::R0, -1);
    asm.exit();
    asm.bind(short);
    asm.mov(Reg::R0, 0);
    asm.exit();
    (asm.finish(), maps)
}

#[test]
fn bpftool_loads_an_object() {
    let (program, maps) = counting();
    let bytes = dtq_ebpf::elf::object("count_packets", &program, &maps).unwrap();
    let run = |arguments: &[&str]| std::process::Command::new("bpftool").args(arguments).output();
    if run(&["version"]).is_err() || !may_load("bpftool_loads_an_object") {
        eprintln!("SKIPPED: bpftool_loads_an_object: bpftool is not here");
        return;
    }
    let folder = std::env::temp_dir();
    let (file, pin) =
        (folder.join(format!("dtq-{}.o", std::process::id())), format!("/sys/fs/bpf/dtq-{}", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    let loaded = run(&["prog", "load", &file.to_string_lossy(), &pin]).unwrap();
    let shown = run(&["prog", "dump", "xlated", "pinned", &pin, "opcodes"]);
    let _ = (std::fs::remove_file(&file), std::fs::remove_file(&pin));
    let said = String::from_utf8_lossy(&loaded.stderr).into_owned();
    assert!(loaded.status.success(), "{said}");
    let shown = String::from_utf8_lossy(&shown.unwrap().stdout).into_owned();
    assert!(shown.contains("lock *(u64 *)") && shown.contains("map[id:"), "{shown}");
}
