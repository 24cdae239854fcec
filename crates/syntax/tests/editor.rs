//! `grammar/kql.tmLanguage.json`, the editor grammar: made from the lists of words that the parser uses.

use dtq_syntax::words;
use std::path::Path;

/// Words of operators' clauses and statements, which editors show as keywords.
const CLAUSES: &[&str] = &[
    "let", "set", "declare", "by", "on", "with", "to", "from", "step", "of", "as", "asc", "desc", "nulls", "first",
    "last", "default", "limit", "and", "or", "not", "view",
];

/// Returns an alternation of words, longest first so that none hides another; `!` and `~` are no word characters.
fn alternation(words: impl Iterator<Item = &'static str>) -> String {
    let mut words: Vec<String> = words.map(|word| word.replace(' ', "\\\\s+")).collect();
    words.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    words.dedup();
    words.join("|")
}

/// Returns the whole file.
fn editor_grammar() -> String {
    let operators = alternation(words::OPERATORS.iter().chain(words::SOURCES).chain(words::UNSUPPORTED).copied());
    let word_operators = alternation(words::STRING_OPERATORS.iter().chain(words::LIST_OPERATORS).copied());
    let clauses = alternation(CLAUSES.iter().copied());
    let types = alternation(words::TYPES.iter().copied());
    let units = alternation(words::TIME_UNITS.iter().copied());
    let edge = |inner: &str| format!("(?<![\\\\w!-])(?:{inner})(?![\\\\w~-])");
    let rules = [
        ("comment.line.double-slash.kql", "//.*$".to_owned()),
        ("constant.numeric.timespan.kql", format!("\\\\b\\\\d+(?:\\\\.\\\\d+)?(?:{units})\\\\b")),
        (
            "constant.numeric.kql",
            "\\\\b(?:0[xX][0-9a-fA-F]+|\\\\d+(?:\\\\.\\\\d*)?(?:[eE][+-]?\\\\d+)?)\\\\b".to_owned(),
        ),
        ("constant.language.kql", "\\\\b(?:true|false|null)\\\\b".to_owned()),
        ("keyword.other.operator.kql", edge(&operators)),
        ("keyword.operator.word.kql", edge(&word_operators)),
        ("keyword.control.kql", edge(&clauses)),
        ("storage.type.kql", edge(&types)),
        ("entity.name.function.kql", "\\\\b[A-Za-z_]\\\\w*(?=\\\\s*\\\\()".to_owned()),
        ("keyword.operator.kql", "==|!=|=~|!~|<=|>=|<>|=>|\\\\.\\\\.|[=<>+*/%|-]".to_owned()),
    ];
    let strings = [
        ("string.quoted.triple.kql", "[hH]?```", "```", ""),
        ("string.quoted.triple.kql", "[hH]?~~~", "~~~", ""),
        ("string.quoted.verbatim.kql", "[hH]?@\\\"", "\\\"(?!\\\")", "\\\"\\\""),
        ("string.quoted.verbatim.kql", "[hH]?@'", "'(?!')", "''"),
        ("string.quoted.double.kql", "[hH]?\\\"", "\\\"|$", "\\\\\\\\."),
        ("string.quoted.single.kql", "[hH]?'", "'|$", "\\\\\\\\."),
    ];
    let mut patterns: Vec<String> = Vec::new();
    let (comment, others) = rules.split_first().expect("the list is not empty");
    let matched = |(name, pattern): &(&str, String)| format!("    {{\"name\": \"{name}\", \"match\": \"{pattern}\"}}");
    patterns.push(matched(comment));
    patterns.extend(strings.iter().map(|(name, begin, end, escape)| {
        let inner = if escape.is_empty() {
            String::new()
        } else {
            format!(", \"patterns\": [{{\"name\": \"constant.character.escape.kql\", \"match\": \"{escape}\"}}]")
        };
        format!("    {{\"name\": \"{name}\", \"begin\": \"{begin}\", \"end\": \"{end}\"{inner}}}")
    }));
    patterns.extend(others.iter().map(matched));
    format!(
        "{{\n  \"name\": \"KQL\",\n  \"scopeName\": \"source.kql\",\n  \"fileTypes\": [\"kql\", \"csl\"],\n  \"patterns\": [\n{}\n  ]\n}}\n",
        patterns.join(",\n")
    )
}

#[test]
fn the_file_is_what_the_lists_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/kql.tmLanguage.json");
    let made = editor_grammar();
    if std::env::var_os("DTQ_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the file can be written");
    }
    let written = std::fs::read_to_string(&path).expect("the grammar stands in the repository");
    assert!(written == made, "run DTQ_BLESS=1 cargo test -p dtq-syntax --test editor");
}

#[test]
fn every_word_of_the_grammar_is_coloured() {
    let grammar = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/kql.ebnf"))
        .expect("the grammar stands in the repository");
    let made = editor_grammar();
    for operator in words::OPERATORS {
        assert!(grammar.contains(&format!("\"{operator}\"")), "{operator} is not in kql.ebnf");
        assert!(made.contains(operator), "{operator} is not coloured");
    }
}
