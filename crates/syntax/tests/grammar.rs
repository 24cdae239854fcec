//! `grammar/kql.ebnf` against the parser: every sentence made from the grammar parses, and the grammar recognises every
//! text that the parser takes.

use dtq_source::Limits;
use dtq_syntax::lexer;
use dtq_syntax::token::{Token, TokenKind};
use dtq_syntax::words;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand_of_bytes::Choices;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// What a rule consists of.
#[derive(Clone, Debug)]
enum Form {
    Literal(String),
    Rule(String),
    Class(String),
    Sequence(Vec<Form>),
    Choice(Vec<Form>),
    Maybe(Box<Form>),
    Many(Box<Form>),
}

type Grammar = HashMap<String, Form>;

/// Reads the grammar; panics where it is malformed or names a rule that does not exist.
fn grammar() -> Grammar {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grammar/kql.ebnf");
    let text = std::fs::read_to_string(path).expect("the grammar stands in the repository");
    let mut lexemes = lexemes(&text);
    lexemes.reverse();
    let mut grammar = Grammar::new();
    while let Some(name) = lexemes.pop() {
        assert_eq!(lexemes.pop().as_deref(), Some("="), "after {name}");
        let form = choice(&mut lexemes);
        assert_eq!(lexemes.pop().as_deref(), Some(";"), "at the end of {name}");
        assert!(grammar.insert(name.clone(), form).is_none(), "{name} is defined twice");
    }
    grammar.values().for_each(|form| check_rules(form, &grammar));
    grammar
}

fn check_rules(form: &Form, grammar: &Grammar) {
    match form {
        Form::Rule(name) => assert!(grammar.contains_key(name), "no rule is called {name}"),
        Form::Sequence(forms) | Form::Choice(forms) => forms.iter().for_each(|form| check_rules(form, grammar)),
        Form::Maybe(form) | Form::Many(form) => check_rules(form, grammar),
        Form::Literal(_) | Form::Class(_) => {}
    }
}

/// Cuts the grammar's text into names, quoted texts and signs, without comments.
fn lexemes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let size = match char {
            '(' if rest.starts_with("(*") => rest.find("*)").expect("the comment is closed") + 2,
            '"' => rest[1..].find('"').expect("the text is closed") + 2,
            _ if char.is_alphanumeric() || char == '_' => {
                rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len())
            }
            _ => char.len_utf8(),
        };
        let lexeme = &rest[..size];
        if !lexeme.trim().is_empty() && !lexeme.starts_with("(*") {
            found.push(lexeme.to_owned());
        }
        rest = &rest[size..];
    }
    found
}

fn choice(lexemes: &mut Vec<String>) -> Form {
    let mut forms = vec![sequence(lexemes)];
    while lexemes.last().is_some_and(|lexeme| lexeme == "|") {
        lexemes.pop();
        forms.push(sequence(lexemes));
    }
    if forms.len() == 1 { forms.remove(0) } else { Form::Choice(forms) }
}

fn sequence(lexemes: &mut Vec<String>) -> Form {
    let mut forms = Vec::new();
    while let Some(lexeme) = lexemes.last().filter(|lexeme| !matches!(lexeme.as_str(), "|" | ")" | "]" | "}" | ";")) {
        let lexeme = lexeme.clone();
        lexemes.pop();
        forms.push(match lexeme.as_str() {
            "(" => bracketed(lexemes, ")"),
            "[" => Form::Maybe(Box::new(bracketed(lexemes, "]"))),
            "{" => Form::Many(Box::new(bracketed(lexemes, "}"))),
            text if text.starts_with('"') => Form::Literal(text.trim_matches('"').to_owned()),
            text if text.chars().all(|char| char.is_ascii_uppercase()) => Form::Class(lexeme),
            _ => Form::Rule(lexeme),
        });
    }
    Form::Sequence(forms)
}

fn bracketed(lexemes: &mut Vec<String>, close: &str) -> Form {
    let form = choice(lexemes);
    assert_eq!(lexemes.pop().as_deref(), Some(close));
    form
}

/// Choices from random bytes; the shortest ones when the bytes are used up.
mod rand_of_bytes {
    pub struct Choices<'a>(pub &'a [u8]);

    impl Choices<'_> {
        pub fn below(&mut self, count: usize) -> usize {
            let Some((first, rest)) = self.0.split_first() else { return 0 };
            self.0 = rest;
            usize::from(*first) % count
        }
    }
}

/// Makes sentences.
struct Generator<'g, 'b> {
    grammar: &'g Grammar,
    choices: Choices<'b>,
    out: Vec<String>,
    depth: usize,
}

impl Generator<'_, '_> {
    fn push(&mut self, text: &str) {
        self.out.push(text.to_owned());
    }

    fn write(&mut self, form: &Form) {
        match form {
            Form::Literal(text) => self.push(text),
            Form::Class(name) => self.class(name),
            Form::Rule(name) => {
                self.depth += 1;
                let form = self.grammar[name].clone();
                self.write(&form);
                self.depth -= 1;
            }
            Form::Sequence(forms) => forms.iter().for_each(|form| self.write(form)),
            Form::Choice(forms) => {
                let open: Vec<&Form> = forms.iter().filter(|form| !is_open(form)).collect();
                let at = if self.depth > 60 || self.choices.0.is_empty() {
                    shallowest(&open)
                } else {
                    self.choices.below(open.len())
                };
                self.write(open[at]);
            }
            Form::Maybe(form) => {
                if self.depth < 60 && self.choices.below(3) == 2 && !is_open(form) {
                    self.write(form);
                }
            }
            Form::Many(form) => {
                while self.depth < 60 && self.choices.below(4) == 3 {
                    self.write(form);
                }
            }
        }
    }

    fn class(&mut self, name: &str) {
        let texts: &[&str] = match name {
            "NAME" | "DECLARED" | "DEFINED" | "WORD" => &["a", "b", "T", "['x y']", "[\"z\"]", "f1", "_c"],
            "PLAIN" => &["a", "inner1", "x"],
            "PATTERN" => &["*", "a*", "*b", "a*b*"],
            "STRING" => &["\"s\"", "'t'", "@\"v\"", "h\"p\""],
            "INTEGER" => &["1", "0x1F"],
            "REAL" => &["1.5", "1e3"],
            "TIMESPAN" => &["5m", "1.5h"],
            "TYPED" => &["datetime(2024-01-01)", "int(null)"],
            "TYPE" => &["long", "string", "dynamic"],
            "REFUSED" => &["make-graph", "graph-match"],
            "OTHER" => &["a", "-", ">", "\"s\""],
            _ => panic!("no class is called {name}"),
        };
        let at = self.choices.below(texts.len());
        self.push(texts[at]);
    }
}

/// Says whether an alternative is a rule that takes every comma it can.
fn is_open(form: &Form) -> bool {
    match form {
        Form::Rule(name) => name == "open_piped",
        Form::Sequence(forms) => forms.iter().any(is_open),
        _ => false,
    }
}

/// Returns the alternative with the least below it: one without rules if there is one.
fn shallowest(forms: &[&Form]) -> usize {
    fn weight(form: &Form) -> usize {
        match form {
            Form::Rule(name)
                if matches!(name.as_str(), "literal" | "strings" | "piped" | "expr" | "where" | "relation") =>
            {
                1
            }
            Form::Rule(_) => 3,
            Form::Sequence(forms) => forms.iter().map(weight).sum(),
            Form::Choice(forms) => forms.iter().map(weight).min().unwrap_or(0),
            Form::Literal(_) | Form::Class(_) | Form::Maybe(_) | Form::Many(_) => 0,
        }
    }
    (0..forms.len()).min_by_key(|at| weight(forms[*at])).unwrap_or(0)
}

/// Recognises token sequences: for a rule and a place, every place where it can end.
struct Recogniser<'g, 't> {
    grammar: &'g Grammar,
    text: &'t str,
    tokens: &'t [Token],
    memo: HashMap<(&'g str, usize), BTreeSet<usize>>,
}

impl<'g> Recogniser<'g, '_> {
    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.text[token.span.range()])
    }

    fn kind(&self, at: usize) -> TokenKind {
        self.tokens.get(at).map_or(TokenKind::End, |token| token.kind)
    }

    fn ends(&mut self, form: &'g Form, at: usize) -> BTreeSet<usize> {
        match form {
            Form::Literal(text) => {
                let is_sign = !matches!(self.kind(at), TokenKind::String | TokenKind::Typed | TokenKind::End);
                if is_sign && self.word(at) == text { BTreeSet::from([at + 1]) } else { BTreeSet::new() }
            }
            Form::Class(name) => self.class(name, at).into_iter().collect(),
            Form::Rule(name) => {
                if let Some(found) = self.memo.get(&(name.as_str(), at)) {
                    return found.clone();
                }
                let found = self.ends(&self.grammar[name], at);
                self.memo.insert((name.as_str(), at), found.clone());
                found
            }
            Form::Sequence(forms) => forms.iter().fold(BTreeSet::from([at]), |places, form| {
                places.into_iter().flat_map(|place| self.ends(form, place)).collect()
            }),
            Form::Choice(forms) => forms.iter().flat_map(|form| self.ends(form, at)).collect(),
            Form::Maybe(form) => {
                let mut found = self.ends(form, at);
                found.insert(at);
                found
            }
            Form::Many(form) => {
                let mut found = BTreeSet::from([at]);
                let mut fresh = found.clone();
                while !fresh.is_empty() {
                    let next: BTreeSet<usize> = fresh.into_iter().flat_map(|place| self.ends(form, place)).collect();
                    fresh = next.difference(&found).copied().collect();
                    found.extend(next);
                }
                found
            }
        }
    }

    /// Returns where a token of a class ends.
    fn class(&self, name: &str, at: usize) -> Option<usize> {
        let (kind, word) = (self.kind(at), self.word(at));
        let is_bracketed = kind == TokenKind::BracketOpen
            && self.kind(at + 1) == TokenKind::String
            && self.kind(at + 2) == TokenKind::BracketClose;
        let is_word = kind == TokenKind::Word;
        let named = |is_allowed: bool| match (is_bracketed, is_word && is_allowed) {
            (true, _) => Some(at + 3),
            (_, true) => Some(at + 1),
            _ => None,
        };
        let one = |is_class: bool| is_class.then_some(at + 1);
        match name {
            "NAME" => named(words::is_name(word)),
            "DECLARED" => named(words::is_declarable(word)),
            "DEFINED" => named(words::is_name(word) && words::is_declarable(word)),
            "WORD" => named(true),
            "PLAIN" => one(is_word),
            "PATTERN" => self.pattern(at),
            "STRING" => one(kind == TokenKind::String),
            "INTEGER" => one(kind == TokenKind::Integer),
            "REAL" => one(kind == TokenKind::Real),
            "TIMESPAN" => one(kind == TokenKind::TimeSpan),
            "TYPED" => one(kind == TokenKind::Typed),
            "TYPE" => one(is_word && words::TYPES.contains(&word)),
            "REFUSED" => one(is_word && words::UNSUPPORTED.contains(&word)),
            "OTHER" => {
                let is_bracket = kind.closing().is_some() || kind.is_closing();
                one(!is_bracket && !matches!(kind, TokenKind::Pipe | TokenKind::Semicolon | TokenKind::End))
            }
            _ => panic!("no class is called {name}"),
        }
    }

    fn pattern(&self, at: usize) -> Option<usize> {
        let is_part = |at| matches!(self.kind(at), TokenKind::Word | TokenKind::Star | TokenKind::Integer);
        let mut end = at;
        while is_part(end) && (end == at || self.tokens[end - 1].span.end == self.tokens[end].span.start) {
            end += 1;
        }
        (at..end).any(|at| self.kind(at) == TokenKind::Star).then_some(end)
    }
}

/// Says whether the grammar has this text.
fn recognises(grammar: &Grammar, text: &str) -> bool {
    let lexed = lexer::lex(text, &Limits::default());
    let mut recogniser = Recogniser { grammar, text, tokens: &lexed.tokens, memo: HashMap::new() };
    recogniser.ends(&grammar["query"], 0).contains(&lexed.tokens.len())
}

fn parses(text: &str) -> bool {
    dtq_syntax::parse(text, &Limits::default()).1.is_empty()
}

/// Returns a sentence of the grammar, its tokens joined by spaces.
fn sentence(grammar: &Grammar, bytes: &[u8]) -> String {
    let mut generator = Generator { grammar, choices: Choices(bytes), out: Vec::new(), depth: 0 };
    generator.write(&grammar["query"]);
    generator.out.join(" ")
}

/// Runs a check on many random inputs that are the same in every run.
fn repeat<S: Strategy>(cases: u32, strategy: S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(config, rng).run(&strategy, check).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_sentence_of_the_grammar_parses() {
    let grammar = grammar();
    repeat(6000, prop::collection::vec(any::<u8>(), 0..120), |bytes| {
        let text = sentence(&grammar, &bytes);
        let (_, diagnostics) = dtq_syntax::parse(&text, &Limits::default());
        prop_assert!(diagnostics.is_empty(), "{text}\n{}", dtq_source::render::golden(&diagnostics));
        prop_assert!(recognises(&grammar, &text), "made but not recognised: {text}");
        Ok(())
    });
}

#[test]
fn every_fixture_that_parses_is_recognised() {
    let grammar = grammar();
    let cases = dtq_fixture::load(&dtq_fixture::root());
    let parsing = cases.iter().map(dtq_fixture::Case::query).filter(|text| text.len() < 5_000 && parses(text));
    let mut count = 0;
    for text in parsing {
        assert!(recognises(&grammar, text), "not in the grammar: {text}");
        count += 1;
    }
    assert!(count >= 12, "only {count} fixtures parse");
}

#[test]
fn what_the_parser_takes_after_damage_is_recognised() {
    let grammar = grammar();
    let fixtures: Vec<String> = dtq_fixture::load(&dtq_fixture::root().join("syntax"))
        .iter()
        .map(|case| case.query().to_owned())
        .filter(|text| text.len() < 1_000)
        .collect();
    let damage = prop::collection::vec((any::<u16>(), any::<u16>(), 0u8..4), 0..3);
    let taken = std::cell::Cell::new(0u32);
    repeat(6000, (prop::collection::vec(any::<u8>(), 0..100), any::<u16>(), damage), |(bytes, pick, damages)| {
        let text = match pick % 3 {
            0 => fixtures[usize::from(pick) % fixtures.len()].clone(),
            _ => sentence(&grammar, &bytes),
        };
        let lexed = lexer::lex(&text, &Limits::default());
        let mut pieces: Vec<&str> = lexed.tokens.iter().map(|token| &text[token.span.range()]).collect();
        for (from, to, kind) in damages {
            let Some(last) = pieces.len().checked_sub(1) else { break };
            let (from, to) = (usize::from(from) % (last + 1), usize::from(to) % (last + 1));
            match kind {
                0 => drop(pieces.remove(from)),
                1 => pieces.insert(to, pieces[from]),
                2 => pieces.swap(from, to),
                _ => pieces[to] = pieces[from],
            }
        }
        let text = pieces.join(" ");
        if parses(&text) {
            taken.set(taken.get() + 1);
            prop_assert!(recognises(&grammar, &text), "taken by the parser but not in the grammar: {text}");
        }
        Ok(())
    });
    assert!(taken.get() > 1_000, "only {} damaged texts parse", taken.get());
}
