//! Any text as a rule file: places that exist, remedies, and queries that stand where their places say.
#![no_main]

use dtq_fuzz::Share;
use dtq_rules::file::{NoFiles, Options, check_together, order, read};
use dtq_source::Span;
use libfuzzer_sys::fuzz_target;

static SHARE: Share = Share::new();

/// What rule files are made of: random text seldom gets past YAML.
const PIECES: &[&str] = &[
    "apiVersion: dtq/v1\nrules:\n",
    "  - name: r\n    to: drop\n    kql: logs\n",
    "  - {name: q, kql: logs, to: replace}\n",
    "    kql: |\n      logs\n        | where x\n",
    "    kql: \"logs\\n\\u00e9\"\n",
    "    kql: 'it''s\n\n      x'\n",
    "    kql: >-\n      a\n      b\n\n",
    "    to: table:t\n    for: 5m\n",
    "    to: recorder:h\n    recorder: {keep: 1m}\n",
    "    to: flush:h\n    after: 1m\n",
    "    to: metrics\n    metrics: {n: {name: n, type: sum}}\n",
    "    to: route:x\n    copy: true\n",
    "    key: a\n",
    "    above: {rate: 5/s}\n",
    "    on_error: strip:Body,Attributes\n",
    "    tiers: [kernel, gateway]\n",
    "    expires: 2024-01-01\n",
    "    limits: {state_bytes: 1MiB}\n",
    "    tests:\n      - {given: [{Body: &a {b: [1, .inf]}}], then: {dropped: 1}}\n",
    "      - {steps: [{after: 5m, given: {table: t, rows: [{x: *a}]}}]}\n",
    "tables: {t: {file: x.csv}}\n",
    "    ",
    "\n",
    "# c\n",
    "[",
    "}",
    "|",
    "'",
];

/// Returns the text for an input: as it is, or pieces that its bytes choose.
fn text(kind: u8, rest: &[u8]) -> Vec<u8> {
    if kind % 4 == 0 {
        return rest.to_vec();
    }
    // More pieces seldom fit together: with twelve, a third still does.
    let chosen = rest.iter().take(12).map(|byte| PIECES[usize::from(*byte) % PIECES.len()]);
    std::iter::once(PIECES[0]).chain(chosen).collect::<String>().into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (file, found) = read("rules.yaml", &text(*kind, rest), &NoFiles, &Options::default());
    let source = file.source.text();
    for diagnostic in &found {
        assert!(source.get(diagnostic.span.range()).is_some(), "{diagnostic:?}");
        assert!(!diagnostic.label.is_empty(), "{diagnostic:?}");
    }
    SHARE.count(!found.iter().any(|diagnostic| diagnostic.code == dtq_source::Code::E5002));
    for rule in &file.rules {
        for (offset, one) in rule.query.text.char_indices() {
            let span = rule.query.map.span(Span::new(offset, offset + one.len_utf8()));
            let written = source.get(span.start as usize..).expect("a place is in the text");
            let is_exact = span.end - span.start == Span::new(0, one.len_utf8()).end && !one.is_whitespace();
            assert!(!is_exact || written.starts_with(['\\', '\'', one]), "{one:?} at {span:?} in {source:?}");
        }
    }
    let files = [file];
    for located in check_together(&files) {
        assert!(files[0].source.text().get(located.diagnostic.span.range()).is_some(), "{located:?}");
    }
    assert_eq!(order(&files).len(), files[0].rules.len());
});
