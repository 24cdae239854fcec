//! Automata find what `dtq_value::search` and `matches regex` find, and the code made from them finds what they find.
//!
//! `DTQ_CASES=100000` and `DTQ_SEED=2` make another run.

#[path = "support/automata_cases.rs"]
mod automata_cases;
#[path = "support/text_program.rs"]
mod text_program;

use automata_cases::{FALSE, REAL, Random, TRUE, UNKNOWN, large, match_program, pass_program, pattern, regex, text};
use dtq_ebpf::search::TextTest;
use dtq_ebpf::search::dfa::{Automaton, NON_ASCII, PASS_DONE};
use dtq_ebpf::vm::{Input, Machine, Maps};
use dtq_ebpf::{Insn, check, text as listing};
use dtq_source::Limits;
use dtq_value::scalar::pool::compile;
use dtq_value::search;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What user space says of a text.
fn holds(test: &TextTest, text: &[u8]) -> bool {
    match test {
        TextTest::Equals { text: other, is_case_ignored: false } => text == other,
        TextTest::Equals { text: other, .. } => text.eq_ignore_ascii_case(other),
        TextTest::StartsWith { text: other, is_case_ignored: false } => text.starts_with(other),
        TextTest::StartsWith { text: other, .. } => search::starts_with_ignore_case(text, other),
        TextTest::EndsWith { text: other, is_case_ignored: false } => text.ends_with(other),
        TextTest::EndsWith { text: other, .. } => search::ends_with_ignore_case(text, other),
        TextTest::Contains { text: other, is_case_ignored: false } => search::contains(text, other),
        TextTest::Contains { text: other, .. } => search::contains_ignore_case(text, other),
        TextTest::Has { text: other, is_case_ignored: false, edges } => search::has(text, other, *edges),
        TextTest::Has { text: other, edges, .. } => search::has_ignore_case(text, other, *edges),
    }
}

#[test]
fn patterns_are_found_as_in_user_space() {
    let (cases, seed) = (number("DTQ_CASES", 400), number("DTQ_SEED", 1));
    let (mut found_count, mut unclear_count, mut asked_count) = (0, 0, 0);
    for case in 0..cases {
        let mut random = Random::new(seed << 32 | case);
        let patterns: Vec<TextTest> = (0..random.below(20)).map(|_| pattern(&mut random)).collect();
        let Ok(automaton) = Automaton::of_patterns(&patterns) else { continue };
        for _ in 0..20 {
            let text = text(&mut random, 60);
            let bits = automaton.run(&text);
            assert!(bits & NON_ASCII == 0 || !text.is_ascii());
            for (index, pattern) in patterns.iter().enumerate() {
                let (expected, found) = (holds(pattern, &text), bits >> index & 1 == 1);
                // What was found holds; what was not found does not, or it was said that it cannot be told.
                let is_unclear = !found && expected;
                assert!(!found || expected, "case {case}: {pattern:?} {:?}", text.escape_ascii().to_string());
                assert!(!is_unclear || bits & NON_ASCII != 0, "case {case}: {pattern:?} {}", text.escape_ascii());
                found_count += usize::from(found);
                unclear_count += usize::from(is_unclear);
                asked_count += 1;
            }
        }
    }
    println!("{asked_count} asked, {found_count} found, {unclear_count} not told");
    assert!(found_count * 20 > asked_count && unclear_count * 20 < asked_count);
}

#[test]
fn regular_expressions_match_as_in_user_space() {
    let (cases, seed) = (number("DTQ_CASES", 300), number("DTQ_SEED", 1));
    let (mut built_count, mut compiled_count, mut unclear_count, mut asked_count) = (0, 0, 0, 0);
    for case in 0..cases {
        let mut random = Random::new(seed << 33 | case);
        let pattern = match REAL.get(case as usize) {
            Some(pattern) => (*pattern).to_owned(),
            None => regex(&mut random, 4),
        };
        let compiled = compile(pattern.as_bytes(), &Limits::default());
        let automaton = Automaton::of_regex(&pattern);
        let Ok(compiled) = compiled else {
            assert!(automaton.is_err(), "{pattern}");
            continue;
        };
        compiled_count += 1;
        let Ok(automaton) = automaton else { continue };
        built_count += 1;
        for _ in 0..40 {
            let text = text(&mut random, 50);
            let (expected, bits) = (compiled.is_match(&text), automaton.run(&text));
            asked_count += 1;
            match bits {
                0 | 1 => assert_eq!(bits == 1, expected, "case {case}: {pattern} {}", text.escape_ascii()),
                _ => {
                    assert!(bits == NON_ASCII && !text.is_ascii(), "case {case}: {pattern} {}", text.escape_ascii());
                    unclear_count += 1;
                }
            }
        }
    }
    println!("{built_count} of {compiled_count} built, {unclear_count} of {asked_count} not told");
    assert!(built_count * 10 > compiled_count * 9 && unclear_count * 4 < asked_count);
}

/// Returns what the program of a pass gives.
pub fn folded(bits: u64) -> u32 {
    let bits = bits | PASS_DONE;
    bits as u32 | (bits >> 32) as u32
}

/// Runs a program over a text with the same around it.
fn run(program: &[Insn], maps: &mut Maps, text: &[u8], around: u8) -> u32 {
    let packet = text_program::packet(text, around);
    let context = [&(packet.len() as u32).to_le_bytes()[..], &[0; 188]].concat();
    let input = Input { context: &context, packet: &packet, steps_max: 1_000_000, ..Input::default() };
    let outcome = Machine::new(program, maps).run(&input);
    outcome.unwrap_or_else(|trap| panic!("{trap}\n{}", listing::print(program))).result as u32
}

/// Checks that the code of an automaton gives what it gives, over texts short and long; `holds` says of each text which bits
/// user space finds.
///
/// A piece of a text that is looked at by itself may find more than the automaton, which gives up at the first byte beyond
/// ASCII that matters, and may give up where the automaton has found all.
fn check_code(automaton: &Automaton, random: &mut Random, what: &str, holds: impl Fn(&[u8]) -> u64) {
    let (pass, pass_maps) = pass_program(automaton);
    let (search, search_maps) = match_program(automaton);
    check::check(&pass, &pass_maps).expect("code is right");
    check::check(&search, &search_maps).expect("code is right");
    let (mut pass_maps, mut search_maps) = (Maps::new(&pass_maps), Maps::new(&search_maps));
    for size in [0, 8, 20, 50, 50, 80, 80, 120, 200, 400, 700] {
        let text = text(random, size);
        let (bits, expected) = (automaton.run(&text), holds(&text));
        let around = *random.pick(b"a \xffb");
        let told = || format!("{what} {}", text.escape_ascii());
        let passed = run(&pass, &mut pass_maps, &text, around);
        if bits & NON_ASCII == 0 && text.is_ascii() {
            assert_eq!(passed, folded(bits), "pass {}", told());
        }
        let (found, is_unclear) = (u64::from(passed & 0x3fff_ffff), passed >> 30 & 1 == 1);
        assert!(passed >> 31 == 1 && found & !expected == 0, "pass {}", told());
        assert!(found == expected || is_unclear, "pass {}", told());
        match run(&search, &mut search_maps, &text, around) {
            TRUE => assert!(expected != 0, "true {}", told()),
            FALSE => assert!(expected == 0, "false {}", told()),
            UNKNOWN => assert!(bits & NON_ASCII != 0 || !text.is_ascii(), "unknown {}", told()),
            other => panic!("{other} {}", told()),
        }
    }
}

#[test]
fn code_of_patterns_finds_what_the_automaton_finds() {
    let (cases, seed) = (number("DTQ_CASES", 60), number("DTQ_SEED", 1));
    for case in 0..cases {
        let mut random = Random::new(seed << 34 | case);
        let patterns: Vec<TextTest> = (0..random.below(20)).map(|_| pattern(&mut random)).collect();
        if let Ok(automaton) = Automaton::of_patterns(&patterns) {
            let bit = |text: &[u8], index: usize| u64::from(holds(&patterns[index], text)) << index;
            let all = |text: &[u8]| (0..patterns.len()).fold(0, |bits, index| bits | bit(text, index));
            check_code(&automaton, &mut random, &format!("case {case}: {patterns:?}"), all);
        }
    }
}

#[test]
fn code_of_regular_expressions_finds_what_the_automaton_finds() {
    let (cases, seed) = (number("DTQ_CASES", 120), number("DTQ_SEED", 1));
    for case in 0..cases {
        let mut random = Random::new(seed << 35 | case);
        let pattern = match REAL.get(case as usize) {
            Some(pattern) => (*pattern).to_owned(),
            None => regex(&mut random, 4),
        };
        let Ok(compiled) = compile(pattern.as_bytes(), &Limits::default()) else { continue };
        if let Ok(automaton) = Automaton::of_regex(&pattern) {
            let holds = |text: &[u8]| u64::from(compiled.is_match(text));
            check_code(&automaton, &mut random, &format!("case {case}: {pattern}"), holds);
        }
    }
}

#[test]
fn code_of_large_automata_finds_what_they_find() {
    let mut random = Random::new(number("DTQ_SEED", 1));
    for automaton in large(&mut random) {
        let what = format!("{} x {}", automaton.state_count(), automaton.class_count());
        check_code(&automaton, &mut random, &what, |text| automaton.run(text) & !NON_ASCII);
    }
}

#[test]
fn what_would_be_too_large_is_refused() {
    for regex in [
        "(a|b)*a(a|b){12}",
        "[a-z]{1,50}x[a-z]{50}",
        "(((a{100}){100}){100}){100}",
        ".*a.{20}b.{20}c",
        r"(?i)(\pL.){200}",
    ] {
        assert!(Automaton::of_regex(regex).is_err(), "{regex}");
    }
    let contains = |text: &str| TextTest::Contains { text: text.as_bytes().to_vec(), is_case_ignored: false };
    let many: Vec<TextTest> = (0..63).map(|index| contains(&format!("text {index}"))).collect();
    assert!(Automaton::of_patterns(&many).is_err() && Automaton::of_patterns(&many[1..]).is_ok());
    assert!(Automaton::of_patterns(&[contains(&"x".repeat(1_025))]).is_err());
}
