//! One needle for many haystacks, ASCII case aside.
//!
//! A few bytes of the needle are looked for in all the cases that they can have, many positions at once; only where they
//! stand is the whole needle compared. Next: `term.rs`.

use super::substring::{commonness, find_ignore_case};
use aho_corasick::Span;
use aho_corasick::packed::{Config, MatchKind, Searcher};

/// Bytes of the needle that are looked for: with four letters they have sixteen forms, which a searcher takes at once.
const FRAGMENT_SIZE: usize = 4;

/// Holds a needle that is looked for whatever the case of its ASCII letters.
#[derive(Clone, Debug)]
pub struct FoldedFinder {
    needle: Box<[u8]>,
    /// Where there is vector code for it.
    fragment: Option<Fragment>,
}

/// Holds the least common bytes of a needle in all their cases.
#[derive(Clone, Debug)]
struct Fragment {
    searcher: Searcher,
    /// Where in the needle they begin.
    offset: usize,
}

impl FoldedFinder {
    /// Returns the finder of a needle.
    pub fn new(needle: &[u8]) -> Self {
        Self { needle: needle.into(), fragment: Fragment::new(needle) }
    }

    /// Says whether the needle is in the haystack, ASCII case aside; the empty needle always is.
    ///
    /// # Cost
    /// The worst case is the product of both sizes, as for [`find_ignore_case`].
    pub fn is_in(&self, haystack: &[u8]) -> bool {
        match &self.fragment {
            Some(fragment) if haystack.len() >= fragment.searcher.minimum_len() => self.is_in_long(haystack, fragment),
            _ => find_ignore_case(haystack, &self.needle, 0).is_some(),
        }
    }

    fn is_in_long(&self, haystack: &[u8], fragment: &Fragment) -> bool {
        let mut from = fragment.offset;
        while from < haystack.len() {
            let span = Span { start: from, end: haystack.len() };
            let Some(found) = fragment.searcher.find_in(haystack, span) else { return false };
            let start = found.start() - fragment.offset;
            let there = haystack.get(start..start + self.needle.len());
            if there.is_some_and(|there| there.eq_ignore_ascii_case(&self.needle)) {
                return true;
            }
            from = found.start() + 1;
        }
        false
    }
}

impl Fragment {
    /// Returns the fragment of a needle; `None` where the machine has no vector code for it.
    fn new(needle: &[u8]) -> Option<Self> {
        let size = needle.len().min(FRAGMENT_SIZE);
        let cost = |at: &usize| needle[*at..*at + size].iter().map(|byte| commonness(*byte)).sum::<u32>();
        let offset = (0..=needle.len() - size).min_by_key(cost)?;
        let bytes = &needle[offset..offset + size];
        let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
        for bits in 0..1_u32 << size {
            let form = bytes.iter().enumerate().map(|(at, byte)| match bits >> at & 1 {
                0 => byte.to_ascii_lowercase(),
                _ => byte.to_ascii_uppercase(),
            });
            let form: Vec<u8> = form.collect();
            // A byte that is no letter has one form.
            let is_new = bytes.iter().enumerate().all(|(at, byte)| bits >> at & 1 == 0 || byte.is_ascii_alphabetic());
            if is_new {
                builder.add(form);
            }
        }
        builder.build().map(|searcher| Self { searcher, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_search_without_preparation_finds() {
        let long = "the first line of a text that is long enough for vectors, and then: ErRoR at its end";
        let texts =
            ["", "a", "err", "ERROR", "xerrox error", "eRRor", long, "caf\u{e9} and cafe, 1-2 and 1_2 KELVIN \u{212a}"];
        let needles =
            ["", "e", "er", "error", "ERROR", "at its end", "vectors,", "1-2", "1_2", "k", "\u{e9}", "nowhere", "erro"];
        for text in texts {
            let repeated = text.repeat(5);
            for haystack in [text, &repeated] {
                for needle in needles {
                    let expected = find_ignore_case(haystack.as_bytes(), needle.as_bytes(), 0).is_some();
                    let finder = FoldedFinder::new(needle.as_bytes());
                    assert_eq!(finder.is_in(haystack.as_bytes()), expected, "{haystack} {needle}");
                }
            }
        }
    }
}
