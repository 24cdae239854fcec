//! Programs of probes in the interpreter: what they read, decide, write and count. Needs no privileges.

#![allow(clippy::unwrap_used)]

mod kql;

use dtq_ebpf::check::check;
use dtq_ebpf::emit::{Emitter, Outcome, SCRATCH};
use dtq_ebpf::insn::{Cond, Reg, Size};
use dtq_ebpf::layout::{PADDING, REASON, SIZE, State, WORDS, field};
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{Unsupported, text};
use dtq_kernel::trace::arguments::{TEXT_SIZE_MAX, parse};
use dtq_kernel::trace::cost::Cost;
use dtq_kernel::trace::program::{Count, Probe, RING_MAP, Task, probe};
use dtq_kernel::trace::record::{Captured, CapturedValue};
use dtq_kernel::trace::registers::{self, register};
use dtq_kernel::trace::usdt::operands;
use dtq_kernel::trace::{Argument, Column, Condition, Hit, Site, Source};

/// Where memory of the process is.
const MEMORY: u64 = 0x7FFF_0000_1000;

fn site(operands_text: Option<&str>) -> Site {
    Site {
        name: "uprobe:f".to_owned(),
        function: "app::f".to_owned(),
        path: "/a/program".into(),
        address: 0x40_1000,
        offset: 0x1000,
        semaphore_offset: None,
        is_return: false,
        is_inside: false,
        cost: Cost::Emulated,
        is_breakpoint: false,
        machine: registers::Machine::X86_64,
        operands: operands_text.map(operands),
    }
}

/// Holds what a thread is at a hit.
struct Thread {
    registers: [u8; 168],
    memory: Vec<u8>,
}

impl Thread {
    fn new(memory: &[u8]) -> Self {
        Self { registers: [0; 168], memory: memory.to_vec() }
    }

    fn with(mut self, name: &str, value: u64) -> Self {
        let at = register(name).unwrap().offset as usize;
        self.registers[at..at + 8].copy_from_slice(&value.to_le_bytes());
        self
    }
}

/// Holds a probe with its maps.
struct Running {
    probe: Probe,
    maps: Maps,
    arguments: Vec<Argument>,
}

impl Running {
    fn new(site: &Site, list: &str, condition: Option<Condition<'_>>) -> Self {
        let arguments = parse(list).unwrap();
        let task = Task { site, site_index: 1, site_count: 2, arguments: &arguments, ring_size_bytes: 4_096 };
        let mut condition = condition;
        let probe = probe(&task, condition.as_mut()).unwrap();
        check(&probe.insns, &probe.maps).unwrap_or_else(|error| panic!("{error}\n{}", text::print(&probe.insns)));
        let mut maps = Maps::new(&probe.maps);
        (0..4_u32).for_each(|slot| assert!(maps.set(0, &slot.to_le_bytes(), &probe.scratch)));
        Self { probe, maps, arguments }
    }

    /// Runs it at a hit; returns the records.
    fn hit(&mut self, thread: &Thread) -> Vec<Vec<u8>> {
        let input = Input {
            context: &thread.registers,
            user: &[(MEMORY, &thread.memory)],
            pid_tgid: 7 << 32 | 8,
            command: b"worker",
            now_ns: 99,
            steps_max: 100_000,
            ..Input::default()
        };
        let outcome = Machine::new(&self.probe.insns, &mut self.maps).run(&input);
        assert_eq!(outcome.unwrap_or_else(|trap| panic!("{trap}\n{}", text::print(&self.probe.insns))).result, 0);
        self.maps.take_records(RING_MAP as usize)
    }

    /// Returns the arguments of the hit that it delivers.
    fn values(&mut self, thread: &Thread) -> Vec<String> {
        let records = self.hit(thread);
        assert_eq!(records.len(), 1);
        let hit = Hit::parse(&records[0], &self.arguments).unwrap();
        assert_eq!((hit.time_boot_ns, hit.pid, hit.tid, hit.command, hit.site), (99, 7, 8, &b"worker"[..], 1));
        hit.arguments.iter().map(shown).collect()
    }

    fn count(&self, count: Count) -> u64 {
        let value = self.maps.get(1, &count.position(1).to_le_bytes()).unwrap();
        u64::from_le_bytes(value[..8].try_into().unwrap())
    }
}

fn shown(captured: &Captured<'_>) -> String {
    let value = match captured.value {
        None => "null".to_owned(),
        Some(CapturedValue::Long(number)) => number.to_string(),
        Some(CapturedValue::Text(text)) => format!("'{}'", String::from_utf8_lossy(text)),
        Some(CapturedValue::Bytes(bytes)) => format!("{bytes:?}"),
    };
    let cut = if captured.is_cut { " cut" } else { "" };
    let failed = if captured.has_failed { " failed" } else { "" };
    value + cut + failed
}

#[test]
fn arguments_of_a_function_are_read_by_the_abi() {
    let thread = Thread::new(b"\x01\x02one\0two")
        .with("rdi", -5_i64 as u64)
        .with("rsi", 0xFFFF_FFFF_FFFF_FFFE)
        .with("rdx", MEMORY + 2)
        .with("rcx", MEMORY + 6)
        .with("r8", 3)
        .with("r9", MEMORY);
    for (list, expected) in [
        ("arg0: long", &["-5"][..]),
        ("arg1: int, arg0: int", &["-2", "-5"]),
        ("arg2: string", &["'one'"]),
        ("arg3: string(arg4)", &["'two'"]),
        ("arg5: bytes(arg4), arg2: string, arg4: long", &["[1, 2, 111]", "'one'", "3"]),
        // It ends at the end of memory, without a zero.
        ("arg3: string", &["null failed"]),
        ("arg0: string", &["null failed"]),
        ("arg3: string(arg1)", &["null failed"]),
        ("arg3: bytes(arg2), arg4: int", &["null cut failed", "3"]),
        ("", &[]),
    ] {
        assert_eq!(Running::new(&site(None), list, None).values(&thread), expected, "{list}");
    }
    let null = Thread::new(b"");
    let mut running = Running::new(&site(None), "arg0: string, arg1: bytes(arg2)", None);
    assert_eq!((running.values(&null), running.count(Count::FailedReads)), (vec!["null".to_owned(); 2], 0));
}

#[test]
fn operands_of_probes_are_read_in_all_their_forms() {
    let mut memory = vec![0; 64];
    memory[16..24].copy_from_slice(&[0x80, 0xFF, 1, 2, 3, 4, 5, 0xF6]);
    let thread = Thread::new(&memory)
        .with("rax", 0x1122_3344_5566_F7F8)
        .with("rbp", MEMORY + 24)
        .with("rbx", 4)
        .with("rip", MEMORY);
    for (operand, expected) in [
        ("8@%rax", 0x1122_3344_5566_F7F8),
        ("-4@%eax", 0x5566_F7F8),
        ("2@%ax", 0xF7F8),
        ("-2@%ax", -0x0808),
        ("-1@%al", -8),
        ("1@%al", 0xF8),
        ("1@%ah", 0xF7),
        ("-1@%ah", -9),
        ("8@-8(%rbp)", i64::from_le_bytes([0x80, 0xFF, 1, 2, 3, 4, 5, 0xF6])),
        ("-4@-8(%rbp)", 0x0201_FF80),
        ("-4@-4(%rbp)", -0x09FA_FBFD),
        ("4@-4(%rbp)", 0xF605_0403),
        ("-2@-8(%rbp)", -0x80),
        ("1@16(%rip)", 0x80),
        ("1@-7(%rbp,%rbx)", 4),
        ("1@-24(%rbp,%rbx,4)", 0x80),
        ("8@$5", 5),
        ("-4@$-1", -1),
        ("4@$-1", 0xFFFF_FFFF),
    ] {
        let mut running = Running::new(&site(Some(operand)), "arg0: long", None);
        assert_eq!(running.values(&thread), [expected.to_string()], "{operand}");
    }
    let mut running = Running::new(&site(Some("8@(%rbx) 8@%rbp 8@8(%rbx)")), "arg0: long, arg1: bytes(arg2)", None);
    assert_eq!((running.values(&thread), running.count(Count::FailedReads)), (vec!["null failed".to_owned(); 2], 2));
}

#[test]
fn a_text_is_cut_where_it_is_longer_than_what_is_read() {
    for (size, is_cut) in [(0, false), (1, false), (255, false), (256, false), (257, true), (258, true), (900, true)] {
        let mut memory = vec![b'x'; size];
        memory.push(0);
        let thread = Thread::new(&memory).with("rdi", MEMORY).with("rsi", size as u64);
        let kept = "x".repeat(size.min(TEXT_SIZE_MAX));
        let expected = format!("'{kept}'{}", if is_cut { " cut" } else { "" });
        for list in ["arg0: string", "arg0: string(arg1)"] {
            assert_eq!(Running::new(&site(None), list, None).values(&thread), [expected.as_str()], "{list} {size}");
        }
    }
}

/// Adds what goes on where a column is no text, or one that cannot be told.
fn text_or(emitter: &mut Emitter, position: usize, outcome: Outcome) {
    let [told, text] = [(); 2].map(|()| emitter.asm.label());
    emitter.load_state(Reg::R1, field(position));
    emitter.asm.branch(Cond::Eq, Reg::R1, State::Text as i32, text);
    emitter.asm.branch(Cond::Ne, Reg::R1, State::Undecided as i32, told);
    emitter.asm.load(Size::Word, Reg::R1, SCRATCH, field(position) + 4);
    emitter.store(REASON, Reg::R1);
    emitter.asm.jump(outcome.unknown);
    emitter.asm.bind(told);
    emitter.asm.jump(outcome.is_null);
    emitter.asm.bind(text);
}

/// Returns what holds where a text ends with `x` in front of zeros, as many as conditions may look at.
fn ends_padded(column: Column, last: u8) -> Condition<'static> {
    let write = move |emitter: &mut Emitter, outcome: Outcome| {
        text_or(emitter, 0, outcome);
        emitter.load_text(Reg::R1, Reg::R2, field(0));
        emitter.asm.branch(Cond::Eq, Reg::R2, 0, outcome.is_false);
        emitter.asm.alu(dtq_ebpf::insn::Alu::Add, Reg::R1, Reg::R2);
        emitter.asm.alu(dtq_ebpf::insn::Alu::Sub, Reg::R1, 1);
        emitter.address(Reg::R1, Reg::R1);
        emitter.asm.load(Size::Byte, Reg::R2, Reg::R1, 0);
        emitter.asm.branch(Cond::Ne, Reg::R2, i32::from(last), outcome.is_false);
        for at in 1..=PADDING as i16 {
            emitter.asm.load(Size::Byte, Reg::R2, Reg::R1, at);
            emitter.asm.branch(Cond::Ne, Reg::R2, 0, outcome.is_false);
        }
        emitter.asm.jump(outcome.is_true);
        Ok(())
    };
    Condition { columns: vec![column], write: Box::new(write) }
}

#[test]
fn a_condition_finds_every_column_in_its_cell_with_zeros_behind_texts() {
    let thread = Thread::new(b"one\0").with("rdi", MEMORY).with("rsi", MEMORY).with("rdx", 3);
    for (column, last, is_wanted) in [
        (Column::Argument(Source::Position(0)), b'e', true),
        (Column::Argument(Source::Position(0)), b'n', false),
        (Column::Argument(Source::Position(1)), b'e', true),
        // A number is no text.
        (Column::Argument(Source::Position(2)), b'e', false),
        (Column::Command, b'r', true),
        (Column::Function, b'f', true),
        (Column::Pid, b'7', false),
    ] {
        let list = "arg0: string, arg1: string(arg2), arg2: long";
        let mut running = Running::new(&site(None), list, Some(ends_padded(column, last)));
        // Twice, since the second run finds what the first has left.
        for run in 1..=2 {
            let records = running.hit(&thread);
            assert_eq!(records.len(), usize::from(is_wanted), "{column:?}");
            assert_eq!((running.count(Count::Hits), running.count(Count::Undecided)), (run, 0));
            for record in records {
                let hit = Hit::parse(&record, &running.arguments).unwrap();
                let values: Vec<String> = hit.arguments.iter().map(shown).collect();
                assert_eq!((values.join(" "), hit.undecided), ("'one' 'one' 3".to_owned(), None));
            }
        }
    }
    let text = Thread::new(&[b'x'; 300]).with("rdi", MEMORY);
    let mut running =
        Running::new(&site(None), "arg0: string", Some(ends_padded(Column::Argument(Source::Position(0)), b'y')));
    assert_eq!((running.hit(&text).len(), running.count(Count::Undecided), running.count(Count::Matched)), (1, 1, 1));
    let no_text = Thread::new(b"");
    assert_eq!((running.hit(&no_text).len(), running.count(Count::Matched)), (0, 1));
}

#[test]
fn numbers_of_process_and_thread_are_columns() {
    for (column, number) in [(Column::Pid, 7), (Column::Tid, 8)] {
        for (asked, is_wanted) in [(number, true), (number + 1, false)] {
            let write = move |emitter: &mut Emitter, outcome: Outcome| {
                emitter.load(Reg::R1, field(0) + 8);
                emitter.asm.branch(Cond::Eq, Reg::R1, asked, outcome.is_true);
                emitter.asm.jump(outcome.is_false);
                Ok(())
            };
            let condition = Condition { columns: vec![column], write: Box::new(write) };
            let mut running = Running::new(&site(None), "", Some(condition));
            assert_eq!(running.hit(&Thread::new(b"")).len(), usize::from(is_wanted), "{column:?} {asked}");
        }
    }
}

#[test]
fn a_run_that_finds_all_scratches_taken_is_counted() {
    let mut running = Running::new(&site(None), "arg0: long", None);
    let mut taken = vec![0; SIZE];
    taken[0] = 1;
    for slot in 0..3_u32 {
        assert!(running.maps.set(0, &slot.to_le_bytes(), &taken));
    }
    assert_eq!(running.hit(&Thread::new(b"")).len(), 1);
    assert!(running.maps.set(0, &3_u32.to_le_bytes(), &taken));
    assert_eq!(running.hit(&Thread::new(b"")).len(), 0);
    assert_eq!((running.count(Count::Hits), running.count(Count::Busy), running.count(Count::Matched)), (2, 1, 1));
}

#[test]
fn what_a_condition_cannot_ask_is_refused() {
    let arguments = parse("arg0: bytes(arg1)").unwrap();
    let site = site(None);
    let task = Task { site: &site, site_index: 0, site_count: 1, arguments: &arguments, ring_size_bytes: 4_096 };
    let refused = |column| {
        let write = |_: &mut Emitter, _: Outcome| Err(Unsupported::new("a regex of a million states"));
        let mut condition = Condition { columns: vec![column], write: Box::new(write) };
        probe(&task, Some(&mut condition)).unwrap_err().to_string()
    };
    assert!(refused(Column::Argument(Source::Position(0))).contains("write `arg0: string(...)`"));
    assert!(refused(Column::Argument(Source::Position(1))).contains("not among the arguments"));
    assert!(refused(Column::Pid).contains("a regex of a million states"));
    assert_eq!(Column::of_name("arg0", &arguments), Some(Column::Argument(Source::Position(0))));
    assert_eq!((Column::of_name("arg1", &arguments), Column::of_name("Pid", &arguments)), (None, Some(Column::Pid)));
}

#[test]
fn ten_texts_have_room_in_one_record() {
    let operands: Vec<String> = (0..10).map(|_| "8@%rdi".to_owned()).collect();
    let list: Vec<String> = (0..10).map(|position| format!("arg{position}: string")).collect();
    let columns: Vec<Column> = (0..10).map(|position| Column::Argument(Source::Position(position))).collect();
    let write = |emitter: &mut Emitter, outcome: Outcome| {
        emitter.asm.jump(outcome.is_true);
        Ok(())
    };
    let condition = Condition { columns, write: Box::new(write) };
    let mut running = Running::new(&site(Some(&operands.join(" "))), &list.join(", "), Some(condition));
    let mut memory = vec![b'x'; 256];
    memory.push(0);
    let values = running.values(&Thread::new(&memory).with("rdi", MEMORY));
    assert_eq!(values, vec![format!("'{}'", "x".repeat(256)); 10]);
    assert_eq!(&running.probe.scratch[WORDS as usize..WORDS as usize + 8], &1_u64.to_le_bytes());
}
