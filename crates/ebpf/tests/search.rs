//! Texts and numbers tested in the interpreter, beside what `dtq_value::search` says of them.
//!
//! `DTQ_CASES=100000` and `DTQ_SEED=2` make another run.

#[path = "support/part.rs"]
mod part;

#[path = "support/questions.rs"]
mod questions;

use dtq_ebpf::layout::Reason;
use dtq_ebpf::search::{TermEdges, TextTest, emit_test};
use dtq_ebpf::vm::Maps;
use part::{FALSE, Part, Subject, TRUE, packet_of_text, unknown};
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
