//! Texts and numbers tested in the kernel: the answers of user space, and what they cost beside the kernel's own search.
#![allow(clippy::unwrap_used)]

use crate::part::{self, FALSE, Part, Subject, TRUE, packet_of_number, packet_of_text};
use crate::questions::{Question, Random};
use crate::{ETHERNET_SIZE, load, may_load, number};
use dtq_ebpf::Unsupported;
use dtq_ebpf::insn::{Callee, Cond, Insn, Reg};
use dtq_ebpf::layout::Reason;
use dtq_ebpf::search::{TextTest, emit_long_in, emit_test, emit_text_in};
use dtq_kernel::{Map, Program};

/// Returns the program of a part, loaded, with its maps.
fn load_part(part: &Part) -> (Program, Vec<Map>) {
    let maps: Vec<Map> = part.maps.iter().map(|def| Map::create(def).unwrap()).collect();
    (load(&part.program, &maps), maps)
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&[0; ETHERNET_SIZE][..], packet].concat()
}

#[test]
fn random_questions_are_answered_as_in_user_space() {
    if !may_load("random_questions_are_answered_as_in_user_space") {
        return;
    }
    let (cases, seed) = (number("DTQ_CASES", 300), number("DTQ_SEED", 1));
    let (mut answers, mut unknowns) = ([0; 2], 0);
    for case in 0..cases {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9).wrapping_add(case));
        let question = Question::random(&mut random);
        let (program, _maps) = load_part(&question.part());
        for _ in 0..20 {
            let (packet, expected) = question.packet(&mut random);
            let found = program.test_run(&framed(&packet), 1).unwrap().result;
            if found == part::unknown(Reason::NonAscii) && question.may_be_unknown() {
                unknowns += 1;
                continue;
            }
            let wanted = if expected { TRUE } else { FALSE };
            assert_eq!(found, wanted, "case {case}: {question:?}\n{:?}", String::from_utf8_lossy(&packet));
            answers[usize::from(expected)] += 1;
        }
    }
    println!("{} true, {} false, {unknowns} unknown", answers[1], answers[0]);
    assert!(answers.iter().all(|count| *count > 20 * cases as usize / 5), "{answers:?}");
}

/// Returns the BTF id of one of the kernel's own functions.
fn kfunc(name: &str) -> Option<u32> {
    let btf = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    let word = |at: usize| btf.get(at..at + 4).map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")));
    let (head, types, size, strings) = (word(4)?, word(8)?, word(12)?, word(16)?);
    let (mut at, end) = ((head + types) as usize, (head + types + size) as usize);
    let mut id = 1;
    while at < end {
        let (said, info) = (word(at)?, word(at + 4)?);
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        let start = (head + strings + said) as usize;
        if kind == 12 && btf.get(start..)?.strip_prefix(name.as_bytes()).is_some_and(|rest| rest[0] == 0) {
            return Some(id);
        }
        // Bytes behind the head of a type, by its kind (`Documentation/bpf/btf.rst`).
        at += 12
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * count,
                6 | 13 => 8 * count,
                _ => 0,
            };
        id += 1;
    }
    None
}

/// Returns the program that asks the kernel's own search for the constant, which ends with a zero.
fn by_the_kernel(id: u32, constant: &[u8], size: usize) -> Part {
    let text = [constant, &[0]].concat();
    let part = Part::new(Subject::Text, |e, outcome| {
        let table = e.add_table("constant", text);
        e.address(Reg::R1, Reg::R6);
        e.load_table(Reg::R2, table, 0);
        e.asm.mov(Reg::R3, size as i32);
        e.asm.add(Insn::Call(Callee::Kfunc(id)));
        e.asm.branch32(Cond::SignedLt, Reg::R0, 0, outcome.is_false);
        e.asm.jump(outcome.is_true);
        Ok(())
    });
    part.unwrap()
}

/// Returns the least of what runs of a part take.
///
/// Of many times few runs, since time counts in which something else runs; and of several maps, since to where a packet is
/// copied makes the copy of it some times slower in one of sixteen.
fn cost_ns(part: &Part, packet: &[u8], expected: u32) -> u32 {
    let loaded: Vec<(Program, Vec<Map>)> = (0..4).map(|_| load_part(part)).collect();
    let run = |at: usize| {
        let run = loaded[at % loaded.len()].0.test_run(&framed(packet), 1_000).unwrap();
        assert_eq!(run.result, expected);
        run.duration_ns
    };
    (0..100).map(run).min().expect("there are runs")
}

/// Returns a text as of a log, of so many bytes.
fn log_text(size: usize) -> Vec<u8> {
    let line = b"2026-01-01T12:00:00Z INFO request from 10.1.2.3 served in 12 ms, status=200 path=/api/v1/items/42; ";
    line.iter().copied().cycle().take(size).collect()
}

#[test]
fn what_searches_cost() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("what_searches_cost") {
        return;
    }
    let Some(id) = kfunc("bpf_strnstr") else {
        eprintln!("SKIPPED: what_searches_cost: this kernel has no bpf_strnstr");
        return;
    };
    let nothing = Part::new(Subject::Text, |e, outcome| {
        e.asm.jump(outcome.is_false);
        Ok(())
    });
    let nothing = nothing.unwrap();
    for size in [16, 128, 1_024, 3_000] {
        let packet = packet_of_text(b"", &log_text(size), b"");
        let base_ns = cost_ns(&nothing, &packet, FALSE);
        println!("{size} bytes, of which the packet alone costs {base_ns} ns:");
        for constant in [&b"timeout"[..], b"connection refused", b"error", b"zq"] {
            let kernel_ns = cost_ns(&by_the_kernel(id, constant, size), &packet, FALSE) - base_ns;
            for is_case_ignored in [false, true] {
                let test = TextTest::Contains { text: constant.to_vec(), is_case_ignored };
                let part = Part::new(Subject::Text, |e, outcome| emit_test(e, &test, outcome));
                let cost_ns = cost_ns(&part.unwrap(), &packet, FALSE).saturating_sub(base_ns).max(1);
                let ratio = f64::from(kernel_ns) / f64::from(cost_ns);
                let name = String::from_utf8_lossy(constant);
                println!(
                    "  {name:?}, case ignored {is_case_ignored}: {cost_ns} ns, {ratio:.1} times faster than {kernel_ns} ns"
                );
            }
        }
    }
}

#[test]
fn what_sets_cost() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("what_sets_cost") {
        return;
    }
    let word = |at: usize| format!("service-{}", at * 7_919 % 100_003).into_bytes();
    let longs: Vec<i64> = (0..1_000).map(|at| at * 7_919 % 100_003).collect();
    let texts: Vec<Vec<u8>> = (0..1_000).map(word).collect();
    let packets = [packet_of_text(b"", &word(77), b""), packet_of_number(77 * 7_919 % 100_003)];
    let nothing = |subject| {
        let part = Part::new(subject, |e, outcome| {
            e.asm.jump(outcome.is_true);
            Ok(())
        });
        part.unwrap()
    };
    let bases = [Subject::Text, Subject::Number].map(nothing);
    for count in [10, 100, 1_000] {
        // Of few numbers, those around that which is asked for.
        let start = 77_usize.saturating_sub(count / 2);
        let end = (start + count).min(longs.len());
        let (longs, texts) = (&longs[start..end], &texts[start..end]);
        let beside = |base: usize, part: Result<Part, Unsupported>| {
            let cost_ns = |part: &Part| cost_ns(part, &packets[base], TRUE);
            cost_ns(&part.unwrap()).saturating_sub(cost_ns(&bases[base]))
        };
        let costs = [
            beside(0, Part::new(Subject::Text, |e, outcome| emit_text_in(e, texts, false, outcome))),
            beside(0, Part::new(Subject::Text, |e, outcome| emit_text_in(e, texts, true, outcome))),
            beside(1, Part::new(Subject::Number, |e, outcome| emit_long_in(e, longs, outcome))),
        ];
        println!("{count}: texts {} ns, case ignored {} ns, numbers {} ns", costs[0], costs[1], costs[2]);
    }
}
