//! What holds for any text: no panic, bounded work, and a formatter that changes white space only.

use dtq_source::Limits;
use dtq_syntax::{dump, format, lexer, parse};
use proptest::prelude::*;

/// Pieces that queries consist of, so that random sequences get deep into the parser.
const PIECES: &[&str] = &[
    "T",
    "a",
    "b",
    "['c d']",
    "x.y",
    "1",
    "2.5",
    "0x1f",
    "5m",
    "\"s\"",
    "@'v'",
    "h\"p\"",
    "datetime(2024-01-01)",
    "int(null)",
    "dynamic([1, {\"k\": null}])",
    "|",
    "|",
    "where",
    "extend",
    "project",
    "project-away",
    "summarize",
    "by",
    "take",
    "sort",
    "top",
    "join",
    "on",
    "union",
    "print",
    "let",
    ";",
    "=",
    "==",
    "!=",
    "<",
    ">=",
    "and",
    "or",
    "has",
    "!has",
    "in",
    "!in~",
    "between",
    "..",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    ".",
    ":",
    "=>",
    "count()",
    "strcat(",
    "iff(",
    "not(",
    "mv-expand",
    "parse",
    "with",
    "to",
    "typeof(long)",
    "kind=inner",
    "hint.x=y",
    "asc",
    "nulls last",
    "// note\n",
    "\n",
    "&&",
    "||",
    "!",
    "like",
    "\u{201c}q\u{201d}",
    "'open",
    "#",
    "5mins",
    "render timechart",
    "make-series",
    "step",
    "from",
    "scan",
    "datatable(a:long)[1]",
    "range x from 1 to 2 step 1",
    "facet",
    "fork",
    "evaluate",
    "search",
    "$left.a",
];

/// Returns the texts of the tokens.
fn tokens(text: &str) -> Vec<&str> {
    lexer::lex(text, &Limits::default()).tokens.iter().map(|token| &text[token.span.range()]).collect()
}

/// Returns the texts of the comments, in an order that does not depend on their place.
fn comments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        lexer::lex(text, &Limits::default()).comments.iter().map(|span| text[span.range()].trim_end()).collect();
    found.sort_unstable();
    found
}

/// Checks everything that holds for any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let (query, diagnostics) = parse(text, &limits);
    for diagnostic in &diagnostics {
        prop_assert!(text.get(diagnostic.span.range()).is_some(), "{text:?}: {diagnostic:?}");
    }
    match format(text, &limits) {
        Ok(once) => {
            prop_assert_eq!(tokens(text), tokens(&once), "{}", text);
            prop_assert_eq!(comments(text), comments(&once), "{}", text);
            let (again, left) = parse(&once, &limits);
            prop_assert!(left.is_empty(), "{text:?} became {once:?}: {left:?}");
            prop_assert_eq!(dump(&query), dump(&again));
            prop_assert_eq!(format(&once, &limits).expect("it parsed"), once.clone(), "{}", text);
        }
        Err(_) => prop_assert!(!diagnostics.is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,80}") {
        check(&text)?;
    }

    #[test]
    fn any_sequence_of_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        check(&pieces.join(" "))?;
    }

    #[test]
    fn any_sequence_of_glued_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        check(&pieces.concat())?;
    }

    /// A fixture's query with some of its tokens removed, doubled or swapped.
    #[test]
    fn any_damaged_query(pick in 0usize..10_000, damages in prop::collection::vec((0usize..10_000, 0u8..4), 0..4)) {
        let cases = dtq_fixture::load(&dtq_fixture::root().join("syntax"));
        let text = cases[pick % cases.len()].query();
        let mut pieces = tokens(text);
        for (at, kind) in damages {
            let at = at % pieces.len().max(1);
            match kind {
                _ if pieces.is_empty() => {}
                0 => drop(pieces.remove(at)),
                1 => pieces.insert(at, pieces[at]),
                2 => pieces.swap(at, 0),
                _ => pieces.insert(at, PIECES[(at * 7) % PIECES.len()]),
            }
        }
        check(&pieces.join(" "))?;
    }
}

#[test]
fn every_fixture_keeps_its_meaning_when_formatted() {
    for case in dtq_fixture::load(&dtq_fixture::root()) {
        if case.query().len() < 10_000 {
            check(case.query()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
    }
}
