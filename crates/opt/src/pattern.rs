//! A regular expression to the plain search that it is, if it is one.
//!
//! `ab` is found where `contains_cs "ab"` is true, `^ab` where `startswith_cs "ab"` is. Whatever does more than find a
//! text, at the start, at the end or anywhere, is left alone. Ignoring case is taken over only for letters whose case is
//! that of ASCII alone: `(?i)k` also finds the Kelvin sign, `(?i)s` the long s. Next: `strings.rs`.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Holds a text and where it must stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// What is looked for; in lower case when case is ignored.
    pub text: Vec<u8>,
    /// Whether it stands at the start.
    pub is_at_start: bool,
    /// Whether it stands at the end.
    pub is_at_end: bool,
    /// Whether ASCII case is ignored.
    pub is_case_ignored: bool,
}

/// A part of a regular expression.
enum Piece {
    Start,
    End,
    Text(Vec<u8>),
    /// A letter of either case.
    Letter(u8),
    /// Something that may be nothing.
    Skip,
}

impl Plain {
    /// Returns the plain search that a regular expression is, or `None`.
    pub fn of(pattern: &[u8]) -> Option<Self> {
        let pattern = std::str::from_utf8(pattern).ok()?;
        // As the engine parses it: `regex::bytes` with its defaults.
        let hir = ParserBuilder::new().utf8(false).build().parse(pattern).ok()?;
        let mut pieces = Vec::new();
        collect(&hir, &mut pieces)?;
        let mut pieces = pieces.as_slice();
        // What may be nothing decides nothing at an open end.
        while let [Piece::Skip, rest @ ..] = pieces {
            pieces = rest;
        }
        while let [rest @ .., Piece::Skip] = pieces {
            pieces = rest;
        }
        let (mut is_at_start, mut is_at_end) = (false, false);
        while let [Piece::Start, rest @ ..] = pieces {
            (is_at_start, pieces) = (true, rest);
        }
        while let [rest @ .., Piece::End] = pieces {
            (is_at_end, pieces) = (true, rest);
        }
        let (text, is_case_ignored) = text_of(pieces)?;
        Some(Self { text, is_at_start, is_at_end, is_case_ignored })
    }

    /// Returns the operator that searches like this.
    pub fn operator(&self) -> &'static str {
        match (self.is_at_start, self.is_at_end, self.is_case_ignored) {
            (true, true, false) => "==",
            (true, true, true) => "=~",
            (true, false, false) => "startswith_cs",
            (true, false, true) => "startswith",
            (false, true, false) => "endswith_cs",
            (false, true, true) => "endswith",
            (false, false, false) => "contains_cs",
            (false, false, true) => "contains",
        }
    }
}

/// Adds the parts of an expression; `None` when one is none of them. Nesting is bounded by the parser.
fn collect(hir: &Hir, pieces: &mut Vec<Piece>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => pieces.push(Piece::Text(literal.0.to_vec())),
        HirKind::Class(class) => pieces.push(Piece::Letter(letter(class)?)),
        HirKind::Look(Look::Start) => pieces.push(Piece::Start),
        HirKind::Look(Look::End) => pieces.push(Piece::End),
        HirKind::Repetition(repetition) if repetition.min == 0 => pieces.push(Piece::Skip),
        HirKind::Capture(capture) => collect(&capture.sub, pieces)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| collect(part, pieces))?,
        HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => return None,
    }
    Some(())
}

/// Returns the lower case of a letter when a class is its two cases and nothing else.
fn letter(class: &Class) -> Option<u8> {
    let Class::Unicode(class) = class else { return None };
    let [upper, lower] = class.ranges() else { return None };
    let of = |range: &regex_syntax::hir::ClassUnicodeRange| {
        (range.start() == range.end()).then(|| u8::try_from(range.start()).ok()).flatten()
    };
    let (upper, lower) = (of(upper)?, of(lower)?);
    (upper.is_ascii_uppercase() && lower == upper.to_ascii_lowercase()).then_some(lower)
}

/// Returns the text that pieces are and whether its case is ignored.
fn text_of(pieces: &[Piece]) -> Option<(Vec<u8>, bool)> {
    let is_case_ignored = pieces.iter().any(|piece| matches!(piece, Piece::Letter(_)));
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(part) if is_case_ignored && part.iter().any(u8::is_ascii_alphabetic) => return None,
            Piece::Text(part) => text.extend_from_slice(part),
            Piece::Letter(letter) => text.push(*letter),
            Piece::Start | Piece::End | Piece::Skip => return None,
        }
    }
    Some((text, is_case_ignored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_value::search::{contains_ignore_case, ends_with_ignore_case, starts_with_ignore_case};

    /// Every text up to four characters of these against every pattern made of them, by the engine itself.
    #[test]
    fn plain_searches_find_what_the_expressions_find() {
        let letters = ["a", "b", "K", "k", "s", "\u{17f}", "\u{212a}", "\n", "\u{e9}"];
        let mut texts: Vec<Vec<u8>> = vec![Vec::new(), b"\xffab\xe9".to_vec(), b"ab\n".to_vec()];
        for one in letters {
            for two in letters {
                texts.push([one, two].concat().into_bytes());
                texts.push([one, "a", two].concat().into_bytes());
                texts.push([two, "ab", one].concat().into_bytes());
            }
        }
        let cores =
            ["", "a", "ab", "(a)b", "k", "s", r"a\.b", "a.b", "[a]", "[ab]", "a|b", "a*", "a?b", "a+", "\u{e9}"];
        let (mut plain_count, mut count) = (0, 0);
        for flags in ["", "(?i)", "(?m)", "(?s)", "(?-u)", "(?x)"] {
            for core in cores {
                for (start, end) in
                    [("", ""), ("^", ""), ("", "$"), ("^", "$"), (".*", ".*"), ("^.*", ".*$"), (r"\A", r"\z")]
                {
                    let pattern = format!("{flags}{start}{core}{end}");
                    let Ok(regex) =
                        dtq_value::scalar::pool::compile(pattern.as_bytes(), &dtq_source::Limits::default())
                    else {
                        continue;
                    };
                    count += 1;
                    let Some(plain) = Plain::of(pattern.as_bytes()) else { continue };
                    plain_count += 1;
                    for text in &texts {
                        assert_eq!(finds(&plain, text), regex.is_match(text), "{pattern} {plain:?} {text:?}");
                    }
                }
            }
        }
        assert!(plain_count * 3 > count, "{plain_count} of {count}");
    }

    fn finds(plain: &Plain, text: &[u8]) -> bool {
        let needle = plain.text.as_slice();
        match plain.operator() {
            "==" => text == needle,
            "=~" => text.eq_ignore_ascii_case(needle),
            "startswith_cs" => text.starts_with(needle),
            "startswith" => starts_with_ignore_case(text, needle),
            "endswith_cs" => text.ends_with(needle),
            "endswith" => ends_with_ignore_case(text, needle),
            "contains_cs" => dtq_value::search::contains(text, needle),
            _ => contains_ignore_case(text, needle),
        }
    }
}
