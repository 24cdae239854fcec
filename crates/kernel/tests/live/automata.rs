//! Automata over texts in the running kernel: what they find, and what that costs.
//!
//! `DTQ_MEASURE=1` prints nanoseconds; a program that only copies the packet stands beside them.

use crate::automata_cases::{REAL, Random, large, match_program, pass_program, pattern, regex, text};
use crate::text_program::{packet, text_program};
use crate::{ETHERNET_SIZE, load, may_load, number};
use dtq_ebpf::insn::Reg;
use dtq_ebpf::search::TextTest;
use dtq_ebpf::search::dfa::Automaton;
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{Insn, MapDef};
use dtq_kernel::{Map, Program};

fn loaded((program, defs): &(Vec<Insn>, Vec<MapDef>)) -> Program {
    let maps: Vec<Map> =
        defs.iter().map(|def| Map::create(def).expect("maps can be made where programs load")).collect();
    load(program, &maps)
}

/// Runs a program over a text in the kernel; returns what it gives, and what it takes on average.
fn run(program: &Program, text: &[u8], repeat: u32) -> (u32, u32) {
    let framed = [&[0; ETHERNET_SIZE][..], &packet(text, b'a')].concat();
    let run = program.test_run(&framed, repeat).expect("the packet is short enough");
    (run.result, run.duration_ns)
}

fn interpreted((program, _): &(Vec<Insn>, Vec<MapDef>), maps: &mut Maps, text: &[u8]) -> u32 {
    let packet = packet(text, b'a');
    let context = [&(packet.len() as u32).to_le_bytes()[..], &[0; 188]].concat();
    let input = Input { context: &context, packet: &packet, steps_max: 1_000_000, ..Input::default() };
    Machine::new(program, maps).run(&input).expect("what loads does not trap").result as u32
}

#[test]
fn automata_find_in_the_kernel_what_they_find_in_the_interpreter() {
    if !may_load("automata_find_in_the_kernel_what_they_find_in_the_interpreter") {
        return;
    }
    let (cases, seed) = (number("DTQ_CASES", 60), number("DTQ_SEED", 1));
    for case in 0..cases {
        let mut random = Random::new(seed << 36 | case);
        let real = REAL.get(case as usize / 2).map(|pattern| (*pattern).to_owned());
        let automaton = match case % 2 {
            0 => Automaton::of_regex(&real.unwrap_or_else(|| regex(&mut random, 4))),
            _ => {
                let patterns: Vec<TextTest> = (0..1 + random.below(20)).map(|_| pattern(&mut random)).collect();
                Automaton::of_patterns(&patterns)
            }
        };
        let Ok(automaton) = automaton else { continue };
        check_kernel(&automaton, &mut random, &format!("case {case}"));
    }
}

#[test]
fn large_automata_load() {
    if !may_load("large_automata_load") {
        return;
    }
    let mut random = Random::new(number("DTQ_SEED", 1));
    for automaton in large(&mut random) {
        let what = format!("{} x {}", automaton.state_count(), automaton.class_count());
        check_kernel(&automaton, &mut random, &what);
    }
}

fn check_kernel(automaton: &Automaton, random: &mut Random, what: &str) {
    for program in [pass_program(automaton), match_program(automaton)] {
        let (kernel, mut maps) = (loaded(&program), Maps::new(&program.1));
        // The kernel takes no more than a page, less what it needs itself.
        for size in [8, 40, 80, 200, 500, 2_000, 3_600] {
            let text = text(random, size);
            let expected = interpreted(&program, &mut maps, &text);
            assert_eq!(run(&kernel, &text, 1).0, expected, "{what}: {}", text.escape_ascii());
        }
    }
}

/// Words of logs, in none of which what is measured occurs.
const WORDS: &[&str] = &[
    "request",
    "served",
    "from",
    "cache",
    "in",
    "12ms",
    "for",
    "tenant",
    "acme",
    "trace",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "GET",
    "/api/v1/items",
    "user",
    "agent",
    "Mozilla/5.0",
    "level=info",
    "status=200",
    "bytes",
    "1532",
    "retry",
    "none",
];

fn log_text(random: &mut Random, size: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < size {
        text += WORDS[random.below(WORDS.len())];
        text.push(' ');
    }
    text.truncate(size);
    text.into_bytes()
}

#[test]
fn what_automata_cost() {
    if number("DTQ_MEASURE", 0) == 0 || !may_load("what_automata_cost") {
        return;
    }
    let copy = loaded(&text_program(|e| {
        e.asm.mov(Reg::R0, 0);
        e.asm.exit();
    }));
    for (name, program) in pattern_costs().into_iter().chain(regex_costs()) {
        let kernel = loaded(&program);
        let mut line = format!("{name:<40} {:>5} insns", program.0.len());
        for size in [32, 128, 1_024, 3_000] {
            let mut text = log_text(&mut Random::new(7), size);
            if name.ends_with("apart") {
                text[..6].copy_from_slice(b"panic ");
            }
            let least = |program: &Program| (0..7).map(|_| run(program, &text, 20_000).1).min().unwrap_or(0);
            let (all, base) = (least(&kernel), least(&copy));
            let each = f64::from(all.saturating_sub(base)) / size as f64;
            line += &format!("  {size} B: {all} ns ({base} copy, {each:.2} ns/B)");
        }
        println!("{line}");
    }
}

type Named = (String, (Vec<Insn>, Vec<MapDef>));

/// Returns programs that look for texts none of which is there, and for some that are everywhere.
fn pattern_costs() -> Vec<Named> {
    let needles = [
        "timeout",
        "refused",
        "panic",
        "deadlock",
        "overflow",
        "denied",
        "expired",
        "corrupt",
        "unreachable",
        "segfault",
        "out of memory",
        "killed",
        "invalid token",
        "checksum",
        "rollback",
        "throttled",
        "unauthorized",
        "conflict",
        "exception",
        "fatal",
    ];
    let of = |needles: &[&str], is_case_ignored: bool| {
        let test = |needle: &&str| TextTest::Contains { text: needle.as_bytes().to_vec(), is_case_ignored };
        Automaton::of_patterns(&needles.iter().map(test).collect::<Vec<_>>()).expect("they are small enough")
    };
    // All of these but the last are in every text, so that a pass meets one in every block.
    let common = of(&["e", "s", "a", " ", "t", "i", "nowhere"], false);
    vec![
        ("1 pattern, pass".to_owned(), pass_program(&of(&needles[..1], false))),
        ("20 patterns, pass".to_owned(), pass_program(&of(&needles, false))),
        ("20 patterns, any case, pass".to_owned(), pass_program(&of(&needles, true))),
        ("7 patterns, 6 of them everywhere, pass".to_owned(), pass_program(&common)),
        ("1 pattern, search".to_owned(), match_program(&of(&needles[..1], false))),
        ("20 patterns, any case, search".to_owned(), match_program(&of(&needles, true))),
    ]
}

/// Returns programs of regular expressions that do not match.
fn regex_costs() -> Vec<Named> {
    let search = |regex: &str| {
        let automaton = Automaton::of_regex(regex).expect("it is small enough");
        let name = format!("{regex}, {} x {}", automaton.state_count(), automaton.class_count());
        (name, match_program(&automaton))
    };
    let regexes = [
        r"status=5\d\d",
        r"user=\w+!",
        r"(?-u)status=5\d\d",
        r"panic.*at \w+",
        r"^GET .*timeout$",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    ];
    // The text begins as a match does, so that no lane comes to the state of the one before it.
    let (name, apart) = search("panic.*at nowhere");
    regexes.into_iter().map(search).chain([(format!("{name}, lanes apart"), apart)]).collect()
}
