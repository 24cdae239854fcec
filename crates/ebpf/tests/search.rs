//! Texts and numbers tested in the interpreter, beside what `dtq_value::search` says of them.
//!
//! `DTQ_CASES=100000` and `DTQ_SEED=2` make another run.
#![allow(clippy::unwrap_used)]

#[path = "support/part.rs"]
mod part;

#[path = "support/questions.rs"]
mod questions;

use dtq_ebpf::layout::Reason;
use dtq_ebpf::search::{TermEdges, TextTest, emit_long_in, emit_test, emit_text_in};
use dtq_ebpf::vm::Maps;
use dtq_value::search::has_ignore_case;
use part::{FALSE, Part, Subject, TRUE, packet_of_number, packet_of_text, unknown};
use questions::{Question, Random};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_questions_are_answered_as_in_user_space() {
    let (cases, seed) = (number("DTQ_CASES", 2_000), number("DTQ_SEED", 1));
    let (mut answers, mut unknowns) = ([0; 2], 0);
    for case in 0..cases {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9).wrapping_add(case));
        let question = Question::random(&mut random);
        let part = question.part();
        let mut maps = Maps::new(&part.maps);
        for _ in 0..8 {
            let (packet, expected) = question.packet(&mut random);
            let found = part.run(&mut maps, &packet);
            match expected {
                _ if found == unknown(Reason::NonAscii) && question.may_be_unknown() => unknowns += 1,
                _ => {
                    let wanted = if expected { TRUE } else { FALSE };
                    assert_eq!(found, wanted, "case {case}: {question:?}\n{:?}", String::from_utf8_lossy(&packet));
                    answers[usize::from(expected)] += 1;
                }
            }
        }
    }
    println!("{} true, {} false, {unknowns} unknown", answers[1], answers[0]);
    let all = 8 * cases as usize;
    assert!(answers.iter().all(|count| *count > all / 5) && unknowns < all / 20, "{answers:?} {unknowns}");
}

/// Returns what is found out of a text between others.
fn answer(test: &TextTest, before: &[u8], text: &[u8], behind: &[u8]) -> u32 {
    let part = Part::new(Subject::Text, |e, outcome| emit_test(e, test, outcome)).unwrap();
    part.run(&mut Maps::new(&part.maps), &packet_of_text(before, text, behind))
}

#[test]
fn what_lies_beside_a_text_is_not_the_text() {
    let text = b"err".to_vec();
    for is_case_ignored in [false, true] {
        let text = text.clone();
        let contains = TextTest::Contains { text: text.clone(), is_case_ignored };
        assert_eq!(answer(&contains, b"xx", b"xxer", b"r error"), FALSE);
        assert_eq!(answer(&contains, b"e", b"rr xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx er", b"r"), FALSE);
        assert_eq!(answer(&contains, b"err", b"", b"err"), FALSE);
        let has = TextTest::Has { text: text.clone(), is_case_ignored, edges: TermEdges::Both };
        assert_eq!(answer(&has, b"an", b"err", b"or"), TRUE);
        assert_eq!(answer(&has, b"an", b"err", "\u{e9}".as_bytes()), TRUE);
        assert_eq!(answer(&has, b"an", b"an err", b"or"), TRUE);
        assert_eq!(answer(&has, b"an ", b"error", b" or"), FALSE);
        let equals = TextTest::Equals { text: text.clone(), is_case_ignored };
        assert_eq!(answer(&equals, b"", b"er", b"r"), FALSE);
        let ends = TextTest::EndsWith { text, is_case_ignored };
        assert_eq!(answer(&ends, b"e", b"rr", b""), FALSE);
    }
}

#[test]
fn a_neighbour_beyond_ascii_leaves_it_open_unless_another_occurrence_decides() {
    let has = |edges| TextTest::Has { text: b"ab".to_vec(), is_case_ignored: true, edges };
    let non_ascii = unknown(Reason::NonAscii);
    assert_eq!(answer(&has(TermEdges::Both), b"", "\u{e9}ab".as_bytes(), b""), non_ascii);
    assert_eq!(answer(&has(TermEdges::Both), b"", "ab\u{2192} abc".as_bytes(), b""), non_ascii);
    assert_eq!(answer(&has(TermEdges::Both), b"", "\u{e9}ab and ab".as_bytes(), b""), TRUE);
    assert_eq!(answer(&has(TermEdges::End), b"", "\u{e9}ab".as_bytes(), b""), TRUE);
    assert_eq!(answer(&has(TermEdges::Start), b"", "ab\u{e9}".as_bytes(), b""), TRUE);
    // An edge beyond ASCII of the constant itself is known beforehand.
    let has = |text: &str| TextTest::Has { text: text.into(), is_case_ignored: false, edges: TermEdges::Both };
    assert_eq!(answer(&has("\u{2192}"), b"", "a\u{2192}\u{e9}".as_bytes(), b""), TRUE);
    assert_eq!(answer(&has("\u{e9}"), b"", "a\u{e9}".as_bytes(), b""), FALSE);
    assert_eq!(answer(&has("\u{e9}"), b"", "a \u{e9}!".as_bytes(), b""), TRUE);
}

#[test]
fn every_neighbour_delimits_or_not_as_in_user_space() {
    for edges in [TermEdges::Both, TermEdges::Start, TermEdges::End] {
        let has = TextTest::Has { text: b"a-1".to_vec(), is_case_ignored: true, edges };
        let part = Part::new(Subject::Text, |e, outcome| emit_test(e, &has, outcome)).unwrap();
        let mut maps = Maps::new(&part.maps);
        for neighbour in 0..=u8::MAX {
            for text in [[neighbour, b'a', b'-', b'1', b'.'], [b'.', b'A', b'-', b'1', neighbour]] {
                let found = part.run(&mut maps, &packet_of_text(b"x", &text, b"x"));
                let expected = if has_ignore_case(&text, b"a-1", edges) { TRUE } else { FALSE };
                let is_open = neighbour >= 0x80 && found == unknown(Reason::NonAscii);
                assert!(found == expected || is_open, "{text:?} {edges:?}");
            }
        }
    }
}

#[test]
fn a_text_that_asks_for_too_much_is_undecided() {
    // Every place of the text seems to be one, until the rare byte of the constant is asked for.
    let constant = [&[b'a'; 100][..], b"b"].concat();
    let contains = |text: &[u8]| TextTest::Contains { text: text.to_vec(), is_case_ignored: false };
    let text = b"ab".repeat(1_500);
    assert_eq!(answer(&contains(&constant), b"", &[b'a'; 3_000], b""), FALSE);
    let constant = [&b"ab".repeat(200)[..], b"c"].concat();
    assert_eq!(answer(&contains(&constant), b"", &text, b""), unknown(Reason::Budget));
    // What is found before is found.
    assert_eq!(answer(&contains(&constant), b"", &[&constant, &text[..]].concat(), b""), TRUE);
}

#[test]
fn constants_that_are_too_long_are_refused() {
    let test = |size: usize| TextTest::Contains { text: vec![b'a'; size], is_case_ignored: false };
    let write = |size| Part::new(Subject::Text, move |e, outcome| emit_test(e, &test(size), outcome));
    assert!(write(1_024).is_ok());
    assert_eq!(
        write(1_025).unwrap_err().reason(),
        "texts are tested for at most 1024 bytes, and this constant has 1025"
    );
}

#[test]
fn every_byte_of_a_constant_counts() {
    for length in (1..40).chain([255, 256, 257, 264, 300, 1_024]) {
        let constant: Vec<u8> = (0..length).map(|at| b'A' + (at * 7 % 58) as u8).collect();
        for is_case_ignored in [false, true] {
            let text = || constant.clone();
            let tests = [
                TextTest::Equals { text: text(), is_case_ignored },
                TextTest::Contains { text: text(), is_case_ignored },
            ];
            for test in tests {
                let part = Part::new(Subject::Text, |e, outcome| emit_test(e, &test, outcome)).unwrap();
                let mut maps = Maps::new(&part.maps);
                assert_eq!(part.run(&mut maps, &packet_of_text(b"", &constant, b"")), TRUE);
                for at in 0..length {
                    let mut other = constant.clone();
                    other[at] ^= 0x20;
                    let is_letter = constant[at].is_ascii_alphabetic();
                    let expected = if is_case_ignored && is_letter { TRUE } else { FALSE };
                    let found = part.run(&mut maps, &packet_of_text(b"", &other, b""));
                    assert_eq!(found, expected, "{test:?} {at}");
                }
            }
        }
    }
}

/// Returns what is found out of texts that may be among others.
fn answers_in(texts: &[Vec<u8>], is_case_ignored: bool, asked: &[&[u8]]) -> Vec<u32> {
    let part = Part::new(Subject::Text, |e, outcome| emit_text_in(e, texts, is_case_ignored, outcome)).unwrap();
    let mut maps = Maps::new(&part.maps);
    asked.iter().map(|text| part.run(&mut maps, &packet_of_text(b"x", text, b"x"))).collect()
}

#[test]
fn sets_are_as_large_as_is_said() {
    // 4,096 texts of 64 bytes are 256 KiB.
    let texts = |count: usize| -> Vec<Vec<u8>> { (0..count).map(|at| format!("{at:064}").into_bytes()).collect() };
    let (all, one_more) = (texts(4_096), texts(4_097));
    let mut part = all[77].clone();
    part.pop();
    assert_eq!(
        answers_in(&all, false, &[&all[0], &all[4_095], &one_more[4_096], &part, b""]),
        [TRUE, TRUE, FALSE, FALSE, FALSE]
    );
    let refusal = |texts: &[Vec<u8>]| {
        let part = Part::new(Subject::Text, |e, outcome| emit_text_in(e, texts, false, outcome));
        part.unwrap_err().reason().to_owned()
    };
    let bounds = "a set has at most 4096 texts of 256 KiB together, and this one has";
    assert_eq!(refusal(&one_more), format!("{bounds} 4097 of 262208 bytes"));
    let long: Vec<Vec<u8>> = (0..300).map(|at| format!("{at:01024}").into_bytes()).collect();
    assert_eq!(refusal(&long), format!("{bounds} 300 of 307200 bytes"));
    assert!(refusal(&[vec![b'a'; 1_025]]).contains("has 1025"));
    let values: Vec<i64> = (0..4_097).map(|at| at * 2).collect();
    let long_in = |values: &[i64]| Part::new(Subject::Number, |e, outcome| emit_long_in(e, values, outcome));
    assert!(long_in(&values[..4_096]).is_ok());
    assert_eq!(long_in(&values).unwrap_err().reason(), "a set has at most 4096 numbers, and this one has 4097");
    // Those that follow each other are few ranges.
    let values: Vec<i64> = (-20_000..20_000).collect();
    let part = long_in(&values).unwrap();
    let mut maps = Maps::new(&part.maps);
    let found =
        [-20_001, -20_000, 19_999, 20_000, i64::MIN].map(|number| part.run(&mut maps, &packet_of_number(number)));
    assert_eq!(found, [FALSE, TRUE, TRUE, FALSE, FALSE]);
}

#[test]
fn a_set_ignores_the_case_of_letters_alone() {
    let mut texts: Vec<Vec<u8>> = (0..20).map(|at| format!("Word@[{at}").into_bytes()).collect();
    let asked: [&[u8]; 6] = [b"wORD@[7", b"word`[7", b"word@{7", b"word@[20", b"", "w\u{d6}rd".as_bytes()];
    assert_eq!(answers_in(&texts, true, &asked), [TRUE, FALSE, FALSE, FALSE, FALSE, FALSE]);
    texts.extend([Vec::new(), "W\u{d6}RD".into(), "w\u{d6}rd, and more behind it".into()]);
    assert_eq!(answers_in(&texts, true, &asked), [TRUE, FALSE, FALSE, FALSE, TRUE, TRUE]);
    let long: [&[u8]; 2] = ["W\u{d6}Rd, And more behind it".as_bytes(), "w\u{f6}rd, and more behind it".as_bytes()];
    assert_eq!(answers_in(&texts, true, &long), [TRUE, FALSE]);
    assert_eq!(answers_in(&texts, false, &[b"Word@[7", b"word@[7", b""]), [TRUE, FALSE, TRUE]);
}

#[test]
fn a_text_with_the_hash_of_another_is_not_in_the_set() {
    // The hash of `search/set/texts.rs` is no secret: a longer text that begins with a shorter one can be made to have its hash.
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let scrambled = |hash: u64| hash ^ hash >> 32;
    let mix = |hash: u64, word: u64| scrambled((hash ^ word).wrapping_mul(MULTIPLIER));
    // Each round of Newton's doubles the bits of the inverse that are right.
    let inverse = (0..6)
        .fold(MULTIPLIER, |inverse, _| inverse.wrapping_mul(2_u64.wrapping_sub(MULTIPLIER.wrapping_mul(inverse))));
    let first = |length: u64| length.wrapping_mul(MULTIPLIER);
    let (short, other) = (*b"payments", *b"Payments");
    let word = u64::from_le_bytes(short);
    let wanted = mix(first(8), word);
    let last = scrambled(wanted).wrapping_mul(inverse) ^ mix(first(16), word);
    assert_eq!(mix(mix(first(16), word), last), wanted);
    let long = [short, last.to_le_bytes()].concat();
    let mut texts: Vec<Vec<u8>> = (0..20).map(|at| format!("service {at}").into_bytes()).collect();
    texts.extend([long.clone(), other.to_vec()]);
    assert_eq!(answers_in(&texts, false, &[&short, &long, &other]), [FALSE, TRUE, TRUE]);
}
