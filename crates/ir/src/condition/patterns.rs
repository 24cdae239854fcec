//! Operators that look for a constant text in a subject: which of them follow from which.

use super::term::Term;
use dtq_value::search::{self, TermEdges};
use dtq_value::{Str, Type, Value};

/// Holds that a text has another one somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern<'t> {
    /// What is looked into.
    pub subject: &'t Term,
    /// What is looked for.
    pub needle: &'t Str,
    place: Place,
    is_case_ignored: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Whole,
    Start,
    End,
    Anywhere,
    Term(TermEdges),
}

impl<'t> Pattern<'t> {
    /// Returns the pattern that a term is, or `None`.
    pub fn of(term: &'t Term) -> Option<Self> {
        let Term::Call { function, args, .. } = term else { return None };
        let [subject, Term::Const(Value::String(needle))] = args.as_slice() else { return None };
        // Beside another type, `==` compares values and not texts.
        if function.name == "==" && subject.ty() != Some(Type::String) {
            return None;
        }
        let (name, is_case_ignored) = match function.name.strip_suffix("_cs") {
            Some(name) => (name, false),
            None => (function.name, function.name != "=="),
        };
        let place = match name {
            "==" | "=~" => Place::Whole,
            "startswith" => Place::Start,
            "endswith" => Place::End,
            "contains" => Place::Anywhere,
            "has" => Place::Term(TermEdges::Both),
            "hasprefix" => Place::Term(TermEdges::Start),
            "hassuffix" => Place::Term(TermEdges::End),
            _ => return None,
        };
        Some(Self { subject: subject_of(subject), needle, place, is_case_ignored })
    }

    /// Says whether it is certain that a text with this pattern has the other one too.
    pub fn implies(&self, other: &Pattern<'_>) -> bool {
        let is_comparable = self.subject == other.subject && (other.is_case_ignored || !self.is_case_ignored);
        let (text, needle) = (self.needle.as_bytes(), other.needle.as_bytes());
        let is_case_ignored = other.is_case_ignored;
        let begins =
            || if is_case_ignored { search::starts_with_ignore_case(text, needle) } else { text.starts_with(needle) };
        let ends =
            || if is_case_ignored { search::ends_with_ignore_case(text, needle) } else { text.ends_with(needle) };
        let is_same = || if is_case_ignored { text.eq_ignore_ascii_case(needle) } else { text == needle };
        is_comparable
            && match (self.place, other.place) {
                (_, Place::Anywhere) if is_case_ignored => search::contains_ignore_case(text, needle),
                (_, Place::Anywhere) => search::contains(text, needle),
                (Place::Whole | Place::Start, Place::Start) => begins(),
                (Place::Whole | Place::End, Place::End) => ends(),
                (Place::Whole, Place::Whole) => is_same(),
                (Place::Whole, Place::Term(edges)) if is_case_ignored => search::has_ignore_case(text, needle, edges),
                (Place::Whole, Place::Term(edges)) => search::has(text, needle, edges),
                (Place::Term(given), Place::Term(wanted)) => is_same() && (given == wanted || given == TermEdges::Both),
                _ => false,
            }
    }

    /// Says whether it is certain that no text has both patterns: two beginnings, or two ends, that differ.
    pub fn excludes(&self, other: &Pattern<'_>) -> bool {
        let is_case_ignored = self.is_case_ignored || other.is_case_ignored;
        let (left, right) = (self.needle.as_bytes(), other.needle.as_bytes());
        let (short, long) = if left.len() < right.len() { (left, right) } else { (right, left) };
        let begins =
            if is_case_ignored { search::starts_with_ignore_case(long, short) } else { long.starts_with(short) };
        let ends = if is_case_ignored { search::ends_with_ignore_case(long, short) } else { long.ends_with(short) };
        self.subject == other.subject
            && match (self.place, other.place) {
                (Place::Start, Place::Start) => !begins,
                (Place::End, Place::End) => !ends,
                (Place::Whole, Place::Whole) => !(begins && left.len() == right.len()),
                (Place::Whole, Place::Start) => left.len() < right.len() || !begins,
                (Place::Start, Place::Whole) => right.len() < left.len() || !begins,
                (Place::Whole, Place::End) => left.len() < right.len() || !ends,
                (Place::End, Place::Whole) => right.len() < left.len() || !ends,
                _ => false,
            }
    }
}

/// Returns what is looked into: these operators read a dynamic as its text, so that `tostring` changes nothing.
fn subject_of(term: &Term) -> &Term {
    match term {
        Term::Call { function, args, .. } if function.name == "tostring" && args.len() == 1 => &args[0],
        other => other,
    }
}
