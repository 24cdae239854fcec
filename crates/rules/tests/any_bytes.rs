//! Any bytes as a rule file: never a panic, places that exist, and text that stands where its place says.

use dtq_fixture::{Case, load, root};
use dtq_rules::file::{NoFiles, Options, RuleFile, check_together, order, read};
use dtq_source::{Diagnostic, Span};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Rule files to damage: those of the fixtures.
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let cases: Vec<Case> = load(&root().join("rules"));
    cases.iter().flat_map(|case| case.rules().map(|block| block.text.clone())).collect()
});

/// Pieces of YAML and of rule files.
const PIECES: &[&str] = &[
    "\n",
    "\n  ",
    "\n    ",
    "\n  - ",
    "- ",
    ": ",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "|",
    ">",
    "|2-",
    "#",
    " # ",
    "&a ",
    "*a",
    "!!str ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "? ",
    "<<: ",
    "~",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{e9}",
    "\0",
    "apiVersion: dtq/v1\n",
    "rules:\n",
    "  - name: r\n",
    "    to: drop\n",
    "    kql: ",
    "logs | where x",
    "table:t",
    "for: 5m",
    "tests:",
    "given:",
    "then:",
    "metrics:",
    "type: sum",
    "-5",
    "1e999",
    "0x",
    "99999999999999999999",
    "strip:",
    "/",
    "''",
    "null",
    ".nan",
];

fn check(bytes: &[u8]) -> (RuleFile, Vec<Diagnostic>) {
    let (file, found) = read("r", bytes, &NoFiles, &Options::default());
    let text = file.source.text();
    for diagnostic in &found {
        assert!(text.get(diagnostic.span.range()).is_some() || text.is_empty(), "{diagnostic:?}");
        assert!(!diagnostic.label.is_empty(), "{diagnostic:?}");
    }
    for rule in &file.rules {
        for query in [Some(&rule.query), rule.key.as_ref()].into_iter().flatten() {
            places(&query.text, |span| query.map.span(span), text);
        }
    }
    let files = [file];
    for located in check_together(&files) {
        assert!(files[0].source.text().get(located.diagnostic.span.range()).is_some(), "{located:?}");
    }
    assert_eq!(order(&files).len(), files[0].rules.len());
    let [file] = files;
    (file, found)
}

/// A character stands where its place says, unless YAML writes it another way or the place is the whole text.
fn places(query: &str, place: impl Fn(Span) -> Span, file: &str) {
    for (offset, one) in query.char_indices() {
        let size = one.len_utf8();
        let span = place(Span::new(offset, offset + size));
        let written = file.get(span.start as usize..).unwrap_or("");
        let is_other = span.end - span.start != Span::new(0, size).end || one.is_whitespace();
        let is_escape = written.starts_with(['\\', '\'']);
        assert!(is_other || is_escape || written.starts_with(one), "{one:?} of {query:?} at {span:?} in {file:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn pieces_of_rule_files(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn damaged_rule_files(
        file in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec(
            (any::<proptest::sample::Index>(), 0_usize..20, proptest::sample::select(PIECES)), 1..6),
    ) {
        let mut bytes = file.get(&FILES).clone().into_bytes();
        for (place, cut, piece) in damage {
            let start = place.index(bytes.len() + 1);
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, piece.bytes());
        }
        check(&bytes);
    }
}

#[test]
fn large_files_are_read_in_time_that_their_size_explains() {
    let head = "apiVersion: dtq/v1\nrules:\n";
    let many =
        |entry: &dyn Fn(usize) -> String, count: usize| head.to_owned() + &(0..count).map(entry).collect::<String>();
    // Many rules; names that do not exist; blanks in quotes; keys that are not known; one endless line.
    check(many(&|i| format!("  - {{name: r{i}, to: 'flush:x{i}', kql: logs}}\n"), 5_000).as_bytes());
    check(
        many(&|i| format!("  - {{name: r{i}, to: 'recorder:x{i}', recorder: {{keep: 1m}}, kql: logs}}\n"), 5_000)
            .as_bytes(),
    );
    check(format!("{head}  - {{name: r, to: drop, kql: \"{}\"}}\n", " ".repeat(1 << 20)).as_bytes());
    check(format!("{head}  - {{name: r, to: drop, kql: \"{}\"}}\n", "\n ".repeat(1 << 19)).as_bytes());
    check(many(&|i| format!("  - {{k{i}: v}}\n"), 50_000).as_bytes());
    check("[".repeat(1 << 20).as_bytes());
    check("- ".repeat(1 << 20).as_bytes());
    check("{a: ".repeat(1 << 19).as_bytes());
    check(&vec![b'a'; 1 << 20]);
}
