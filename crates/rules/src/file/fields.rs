//! A YAML mapping to its known keys, and scalars to typed values; what does not fit is reported and left out.
//!
//! Knows [`KEYS`](crate::file::keys::KEYS) and nothing about rules: which keys go together is `read.rs`'s. Next:
//! `scalar.rs`.

use crate::file::keys::{Key, Place};
use crate::file::rule::Spanned;
use crate::file::yaml::{Kind, Node, Scalar};
use dtq_source::{Code, Diagnostic, SourceText, Span};

/// Collects diagnostics, up to a count of errors and the same count of warnings.
pub(crate) struct Report {
    source: SourceText,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    count_max: usize,
    has_more: bool,
}

impl Report {
    /// Returns a report of nothing about a text, that holds this many.
    pub fn new(source: SourceText, count_max: usize) -> Self {
        Self { source, errors: Vec::new(), warnings: Vec::new(), count_max, has_more: false }
    }

    /// Returns the text of the rule file.
    pub fn source(&self) -> &SourceText {
        &self.source
    }

    /// Adds that something stands twice.
    pub fn twice(&mut self, what: &str, span: Span, first: Span) {
        let (line, _) = self.source.line_column(first.start);
        let diagnostic = Diagnostic::error(Code::E5005, span, format!("{what} stands twice"));
        self.add(diagnostic.label("remove one of the two").note(format!("the first is on line {line}")));
    }

    /// Adds a diagnostic, unless there are too many to be read.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        // Warnings never take the place of an error: a file with an error must be known for one.
        let list = if diagnostic.is_error() { &mut self.errors } else { &mut self.warnings };
        if list.len() < self.count_max {
            list.push(diagnostic);
        } else {
            self.has_more = true;
        }
    }

    /// Says whether no further error will be said, so that what to say need not be worked out.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= self.count_max
    }

    /// Adds an error with a remedy.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.add(Diagnostic::error(code, span, message).label(label));
    }

    /// Adds a warning with a remedy.
    pub fn warning(&mut self, code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.add(Diagnostic::warning(code, span, message).label(label));
    }

    /// Returns all, in the order of the file; the last says when there are more.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let mut all = self.errors;
        all.append(&mut self.warnings);
        all.sort_by_key(|diagnostic| diagnostic.span);
        // An alias shows the same mistake again.
        all.dedup();
        if let Some(last) = all.last_mut().filter(|_| self.has_more) {
            last.notes.push("there are more, which are not shown".to_owned());
        }
        all
    }
}

/// Holds the known keys of a mapping.
pub(crate) struct Fields<'n> {
    /// The place that says which keys are known.
    pub place: Place,
    /// All of the mapping.
    pub span: Span,
    entries: Vec<(&'static Key, Span, &'n Node)>,
    /// Keys that are surely meant by unknown ones, which are reported already.
    misspelt: Vec<&'static str>,
    has_unknown: bool,
}

impl<'n> Fields<'n> {
    /// Returns the known keys; unknown, repeated and missing ones are reported. `None` when it is no mapping.
    pub fn open(node: &'n Node, what: &str, place: Place, report: &mut Report) -> Option<Self> {
        let Kind::Map(pairs) = &node.kind else {
            let keys: Vec<&str> = place.keys().map(|key| key.name).take(4).collect();
            let label = format!("write a mapping, with keys such as {}", listed(&keys));
            report.error(Code::E5007, node.span, format!("{what} is a mapping, not {}", described(node)), label);
            return None;
        };
        let mut fields = Self { place, span: node.span, entries: Vec::new(), misspelt: Vec::new(), has_unknown: false };
        for (key, value) in pairs.iter() {
            fields.entry(key, value, report);
        }
        if report.is_full() {
            return Some(fields);
        }
        let is_missing = |key: &&Key| key.is_required && fields.get(key.name).is_none();
        for key in place.keys().filter(is_missing).filter(|key| !fields.misspelt.contains(&key.name)) {
            let span = fields.head();
            let label = format!("add `{}: {}`", key.name, key.example);
            report.error(Code::E5006, span, format!("{what} needs the key `{}`", key.name), label);
        }
        Some(fields)
    }

    fn entry(&mut self, key: &Node, value: &'n Node, report: &mut Report) {
        let Some(name) = key_text(key) else {
            report.error(Code::E5003, key.span, "a key of a rule file is a plain word", "write `key: value`");
            return;
        };
        let Some(known) = self.place.key(name) else {
            self.has_unknown = true;
            if report.is_full() {
                report.has_more = true;
                return;
            }
            self.misspelt.extend(nearest_key(self.place, name));
            report.add(unknown_key(self.place, name, key.span));
            return;
        };
        if let Some((_, first, _)) = self.entries.iter().find(|(other, ..)| other.name == name) {
            report.twice(&format!("the key `{name}`"), key.span, *first);
            return;
        }
        self.entries.push((known, key.span, value));
    }

    /// Says whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.has_unknown
    }

    /// Returns the value of a key.
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        debug_assert!(self.place.key(name).is_some(), "`{name}` is no key of {:?}", self.place);
        self.entries.iter().find(|(key, ..)| key.name == name).map(|(.., value)| *value)
    }

    /// Returns the place of a key itself.
    pub fn key_span(&self, name: &str) -> Option<Span> {
        self.entries.iter().find(|(key, ..)| key.name == name).map(|(_, span, _)| *span)
    }

    /// Returns the keys that are there, with their places.
    pub fn keys(&self) -> impl Iterator<Item = (&'static Key, Span)> + '_ {
        self.entries.iter().map(|(key, span, _)| (*key, *span))
    }

    /// Returns the place that stands for the whole mapping in a message: its first key.
    pub fn head(&self) -> Span {
        self.entries.first().map_or(Span { start: self.span.start, end: self.span.start }, |(_, span, _)| *span)
    }
}

/// Returns the text of a key, or `None` when it is a list or a mapping.
pub(crate) fn key_text(key: &Node) -> Option<&str> {
    match &key.kind {
        Kind::Scalar(scalar) => Some(&scalar.text),
        Kind::List(_) | Kind::Map(_) => None,
    }
}

/// Returns the key of the place that is surely meant.
fn nearest_key(place: Place, name: &str) -> Option<&'static str> {
    let names: Vec<&'static str> = place.keys().map(|key| key.name).collect();
    nearest(name, &names)
}

fn unknown_key(place: Place, name: &str, span: Span) -> Diagnostic {
    let names: Vec<&str> = place.keys().map(|key| key.name).collect();
    let message = format!("{} has no key `{}`", place.title(), shortened(name));
    let diagnostic = Diagnostic::error(Code::E5004, span, message);
    if name == "<<" {
        return diagnostic.label("rule files have no merge keys: write the keys out");
    }
    if let Some(near) = nearest_key(place, name) {
        return diagnostic.fix(span, near);
    }
    let elsewhere = Place::ALL.iter().find(|other| **other != place && other.key(name).is_some());
    match elsewhere {
        Some(other) => diagnostic.label(format!("`{name}` is a key of {}", other.title())),
        None => diagnostic.label(format!("its keys are {}", listed(&names))),
    }
}

/// Returns the candidate that is surely meant: equal but for case and dashes, or few edits away.
pub(crate) fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let folded = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let name = folded(name);
    let distance_max = match name.len() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        10..=100 => 3,
        // Nobody means a key with a text of that size, and comparing costs its size.
        _ => return None,
    };
    let scored = candidates.iter().map(|candidate| (strsim::osa_distance(&name, &folded(candidate)), *candidate));
    let best = scored.filter(|(distance, _)| *distance <= distance_max).min_by_key(|(distance, _)| *distance);
    best.map(|(_, candidate)| candidate)
}

/// Returns words in backquotes, joined by commas.
pub(crate) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Returns a text for a message: on one line, not endless.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).map(|one| if one.is_control() { ' ' } else { one }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Returns what a node is, for a message.
pub(crate) fn described(node: &Node) -> String {
    match &node.kind {
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Null => "nothing".to_owned(),
            Plain::Bool(_) | Plain::Long(_) | Plain::Real(_) => format!("`{}`", shortened(&scalar.text)),
            Plain::Text => format!("the text `{}`", shortened(&scalar.text)),
        },
    }
}

/// Says what YAML's core schema makes of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Plain {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// A number.
    Real(f64),
    /// All else.
    Text,
}

/// Returns what a scalar is by YAML 1.2's core schema.
///
/// # Source
/// YAML 1.2.2, section 10.3.2, "Tag Resolution".
pub(crate) fn plain(scalar: &Scalar) -> Plain {
    if !scalar.is_plain {
        return Plain::Text;
    }
    match &*scalar.text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Plain::Real(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Plain::Real(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Plain::Real(f64::NEG_INFINITY),
        _ => {}
    }
    let text = &*scalar.text;
    let based = |digits: &str, base| i64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with(['+', '-']));
    let whole = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => based(digits, 16),
        (_, Some(digits)) => based(digits, 8),
        _ => text.parse().ok(),
    };
    if let Some(number) = whole {
        return Plain::Long(number);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text.parse::<f64>() {
        Ok(number) if is_number && text.bytes().any(|byte| byte.is_ascii_digit()) => Plain::Real(number),
        _ => Plain::Text,
    }
}

/// Returns the items of a list; a thing that is no list is reported.
pub(crate) fn list<'n>(node: &'n Node, what: &str, report: &mut Report) -> Option<&'n [Node]> {
    match &node.kind {
        Kind::List(items) => Some(items),
        _ => {
            let message = format!("{what} is a list, not {}", described(node));
            let diagnostic = Diagnostic::error(Code::E5007, node.span, message);
            report.add(match &node.kind {
                Kind::Scalar(scalar) if is_simple_word(scalar) => {
                    diagnostic.fix(node.span, format!("[{}]", scalar.text))
                }
                _ => diagnostic.label("write a list: `[a, b]`, or lines that begin with `-`"),
            });
            None
        }
    }
}

/// Says whether a scalar is a word that means the same inside of a list.
fn is_simple_word(scalar: &Scalar) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    plain(scalar) == Plain::Text && !scalar.text.is_empty() && scalar.text.bytes().all(is_inner)
}

/// Returns a text; anything that YAML reads as something else is reported.
pub(crate) fn text<'n>(node: &'n Node, what: &str, report: &mut Report) -> Option<(&'n Scalar, Spanned<String>)> {
    let Kind::Scalar(scalar) = &node.kind else {
        report.error(Code::E5007, node.span, format!("{what} is a text, not {}", described(node)), "write one text");
        return None;
    };
    match plain(scalar) {
        Plain::Text => Some((scalar, Spanned { value: scalar.text.to_string(), span: node.span })),
        Plain::Null => {
            report.error(Code::E5007, node.span, format!("{what} has no value"), "write a text, or remove the key");
            None
        }
        _ => {
            let message = format!("{what} is a text, but YAML reads `{}` as something else", scalar.text);
            report
                .add(Diagnostic::error(Code::E5007, node.span, message).fix(node.span, format!("\"{}\"", scalar.text)));
            None
        }
    }
}
