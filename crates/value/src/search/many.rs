//! Many needles: a set of whole strings, and one automaton for many terms. Next: `substrings.rs`.

use super::term::{TermEdges, is_between_edges};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use hashbrown::HashSet;
use std::borrow::Cow;

/// Holds strings to look a whole string up in, with or without ASCII case.
#[derive(Clone, Debug)]
pub struct WordSet {
    words: HashSet<Box<[u8]>>,
    is_case_ignored: bool,
}

impl WordSet {
    /// Returns a set of words.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a [u8]>, is_case_ignored: bool) -> Self {
        let words = words.into_iter().map(|word| Box::from(&*folded(word, is_case_ignored)));
        Self { words: words.collect(), is_case_ignored }
    }

    /// Says whether the text is one of the words.
    pub fn contains(&self, text: &[u8]) -> bool {
        self.words.contains(&*folded(text, self.is_case_ignored))
    }
}

fn folded(text: &[u8], is_case_ignored: bool) -> Cow<'_, [u8]> {
    if is_case_ignored && text.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Holds needles that are looked for as whole terms, all in one pass.
#[derive(Clone, Debug)]
pub struct Needles {
    automaton: AhoCorasick,
    needles: Vec<Box<[u8]>>,
    has_empty: bool,
}

impl Needles {
    /// Returns the automaton of some needles, or `None` when it would be too large.
    ///
    /// Overlapping occurrences are all seen: the first one at a place may not stand between edges of terms.
    pub fn new<'a>(needles: impl IntoIterator<Item = &'a [u8]>, is_case_ignored: bool) -> Option<Self> {
        let mut unique: Vec<Box<[u8]>> =
            needles.into_iter().map(|needle| Box::from(&*folded(needle, is_case_ignored))).collect();
        unique.sort();
        unique.dedup();
        let has_empty = unique.first().is_some_and(|needle| needle.is_empty());
        if has_empty {
            unique.remove(0);
        }
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(is_case_ignored)
            .build(&unique)
            .ok()?;
        Some(Self { automaton, needles: unique, has_empty })
    }

    /// Says whether at least one needle is a term of the haystack.
    pub fn has_any(&self, haystack: &[u8]) -> bool {
        self.has_empty || self.occurrences(haystack).next().is_some()
    }

    /// Says whether every needle is a term of the haystack; that of none is true.
    pub fn has_all(&self, haystack: &[u8]) -> bool {
        let mut is_missing = vec![true; self.needles.len()];
        let mut missing = is_missing.len();
        let mut found = self.occurrences(haystack);
        while missing > 0 {
            let Some(index) = found.next() else { return false };
            missing -= usize::from(std::mem::take(&mut is_missing[index]));
        }
        true
    }

    fn occurrences<'a>(&'a self, haystack: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let found = self.automaton.find_overlapping_iter(haystack);
        found.filter_map(move |one| {
            let index = one.pattern().as_usize();
            is_between_edges(haystack, one.start(), &self.needles[index], TermEdges::Both).then_some(index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let set = WordSet::new([&b"Alpha"[..], b"beta"], true);
        assert!(set.contains(b"ALPHA") && set.contains(b"beta") && !set.contains(b"bet"));
        let exact = WordSet::new([&b"Alpha"[..]], false);
        assert!(exact.contains(b"Alpha") && !exact.contains(b"alpha"));
    }

    #[test]
    fn terms() {
        // Kusto documentation, "String operators"; TRANSLATION.md for the empty ones.
        let needles = |words: &[&str]| Needles::new(words.iter().map(|word| word.as_bytes()), true).unwrap();
        assert!(needles(&["south", "north"]).has_all(b"North and South America"));
        assert!(!needles(&["south", "east"]).has_all(b"North and South America"));
        assert!(needles(&["CAROLINA", "east"]).has_any(b"North Carolina"));
        assert!(!needles(&["car", "nor"]).has_any(b"North Carolina"));
        assert!(needles(&[]).has_all(b"x") && !needles(&[]).has_any(b"x"));
        assert!(needles(&["", "y"]).has_any(b"x"));
        // The longer needle occurs first but not as a term; the shorter one does.
        assert!(needles(&["b c", "c"]).has_any(b"ab c"));
    }
}
