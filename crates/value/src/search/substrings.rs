//! Many needles as substrings, all in one pass.
//!
//! Of each needle the few bytes are chosen that should be rarest; only where they stand is the needle compared. Up to 16
//! such windows are looked for by vector code, more by a table of their hashes. Needles too short for a window, and those
//! that share one with too many others, go into an automaton. Next: the functions of `value::scalar::string_match`.

use super::substring::commonness;
use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Span};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Bytes that the windows of needles have, all the same number.
const WINDOW_SIZES: std::ops::RangeInclusive<usize> = 4..=8;

/// Needles that share a window, so that what is compared at one place has a bound.
const SHARED_MAX: usize = 16;

/// Windows that vector code looks for: with 10 it takes a third of what the table takes, with 50 almost twice as much
/// (bodies of some 110 bytes, AMD EPYC).
const PACKED_MAX: usize = 16;

/// Bits of the table of hashes: it stays in the cache next to the processor, and few of them are set.
const HASH_BITS: u32 = 16;

/// Holds needles that are looked for as substrings, all in one pass.
#[derive(Clone, Debug)]
pub struct Substrings {
    windows: Option<Windows>,
    /// The others, with their positions among all.
    rest: Option<(AhoCorasick, Vec<usize>)>,
}

impl Substrings {
    /// Returns the finder of some needles, or `None` when one is empty or it would be too large.
    pub fn new<'a>(needles: impl IntoIterator<Item = &'a [u8]>, is_case_ignored: bool) -> Option<Self> {
        let needles: Vec<&[u8]> = needles.into_iter().collect();
        if needles.iter().any(|needle| needle.is_empty()) {
            return None;
        }
        let (windows, rest) = Windows::new(&needles, is_case_ignored);
        let rest = match rest.is_empty() {
            true => None,
            false => {
                let texts = rest.iter().map(|position| needles[*position]);
                let automaton = AhoCorasick::builder().ascii_case_insensitive(is_case_ignored).build(texts).ok()?;
                Some((automaton, rest))
            }
        };
        Some(Self { windows, rest })
    }

    /// Calls `found` with the position of each needle in the haystack; with the same one more than once, perhaps.
    ///
    /// # Cost
    /// One pass in the size of the haystack, and one more where there are needles of less than four bytes; where the
    /// window of a needle stands, a comparison of each needle that has it.
    pub fn find_each(&self, haystack: &[u8], mut found: impl FnMut(usize)) {
        if let Some(windows) = &self.windows {
            windows.find_each(haystack, &mut found);
        }
        if let Some((automaton, positions)) = &self.rest {
            for one in automaton.find_overlapping_iter(haystack) {
                found(positions[one.pattern().as_usize()]);
            }
        }
    }
}

/// Holds needles by their windows.
#[derive(Clone, Debug)]
struct Windows {
    size: usize,
    /// For each window the needles that have it.
    groups: Vec<Vec<Anchored>>,
    finder: Finder,
    is_case_ignored: bool,
}

/// Holds a needle and where in it its window stands.
#[derive(Clone, Debug)]
struct Anchored {
    needle: Box<[u8]>,
    offset: usize,
    /// Its position among all.
    position: usize,
}

/// Finds windows.
#[derive(Clone, Debug)]
enum Finder {
    /// By vector code; the number of a pattern is that of the group.
    Packed(Searcher),
    Hashed(Hashed),
}

impl Windows {
    /// Returns the windows of needles, and the positions of those that have none.
    fn new(needles: &[&[u8]], is_case_ignored: bool) -> (Option<Self>, Vec<usize>) {
        let sizes = needles.iter().map(|needle| needle.len()).filter(|size| *size >= *WINDOW_SIZES.start());
        let Some(size) = sizes.min().map(|size| size.min(*WINDOW_SIZES.end())) else {
            return (None, (0..needles.len()).collect());
        };
        let (mut by_window, mut rest): (BTreeMap<Vec<u8>, Vec<Anchored>>, Vec<usize>) = Default::default();
        for (position, needle) in needles.iter().enumerate() {
            let Some(offset) = window_offset(needle, size) else {
                rest.push(position);
                continue;
            };
            let window = &needle[offset..offset + size];
            let window =
                if is_case_ignored { window.iter().map(|byte| byte | CASE_BIT).collect() } else { window.to_vec() };
            let group = by_window.entry(window).or_default();
            if group.len() < SHARED_MAX {
                group.push(Anchored { needle: (*needle).into(), offset, position });
            } else {
                rest.push(position);
            }
        }
        let (windows, groups): (Vec<_>, Vec<_>) = by_window.into_iter().unzip();
        let packed = match is_case_ignored || windows.len() > PACKED_MAX {
            true => None,
            false => Config::new().match_kind(MatchKind::LeftmostFirst).builder().extend(&windows).build(),
        };
        let finder = match packed {
            Some(searcher) => Finder::Packed(searcher),
            None => Finder::Hashed(Hashed::new(&windows, size, is_case_ignored)),
        };
        (Some(Self { size, groups, finder, is_case_ignored }), rest)
    }

    fn find_each(&self, haystack: &[u8], found: &mut impl FnMut(usize)) {
        match &self.finder {
            Finder::Packed(searcher) => {
                let mut span = Span { start: 0, end: haystack.len() };
                while span.start + self.size <= span.end
                    && let Some(window) = searcher.find_in(haystack, span)
                {
                    self.compare(haystack, window.start(), window.pattern().as_usize(), found);
                    span.start = window.start() + 1;
                }
            }
            Finder::Hashed(hashed) => {
                hashed.find_each(haystack, self.size, |at, group| self.compare(haystack, at, group, found));
            }
        }
    }

    /// Compares the needles whose window stands at a place.
    fn compare(&self, haystack: &[u8], at: usize, group: usize, found: &mut impl FnMut(usize)) {
        for Anchored { needle, offset, position } in &self.groups[group] {
            let there = at.checked_sub(*offset).and_then(|start| haystack.get(start..start + needle.len()));
            let is_there = there.is_some_and(|there| match self.is_case_ignored {
                true => there.eq_ignore_ascii_case(needle),
                false => *there == **needle,
            });
            if is_there {
                found(*position);
            }
        }
    }
}

/// Returns where the window of a needle begins that should be the rarest; `None` for a needle that is too short.
///
/// Words come again and again, so what reaches from one into the next is rarer than what is inside one.
fn window_offset(needle: &[u8], size: usize) -> Option<usize> {
    let last = needle.len().checked_sub(size)?;
    let cost = |at: &usize| {
        let window = &needle[*at..*at + size];
        let is_edge = |byte: &u8| !byte.is_ascii_alphanumeric();
        let crosses = if window[1..3].iter().any(is_edge) { 0 } else { 8 };
        let crosses_later = if window[1..size - 1].iter().any(is_edge) { 0 } else { 8 };
        crosses + crosses_later + window.iter().map(|byte| commonness(*byte)).sum::<u32>()
    };
    (0..=last).min_by_key(cost)
}

/// The bit that a lower-case letter of ASCII has and the upper-case one has not.
const CASE_BIT: u8 = 0x20;

/// Odd, without a pattern in its bits: the golden ratio's, as Fibonacci hashing takes it (Knuth, 6.4).
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Holds windows by their hashes.
#[derive(Clone, Debug)]
struct Hashed {
    /// A bit for each hash that some window has.
    bits: Box<[u64; 1 << (HASH_BITS - 6)]>,
    /// Set where case is ignored.
    case_bits: u64,
    /// The bytes of a window.
    mask: u64,
    groups: HashMap<u64, usize>,
}

impl Hashed {
    fn new(windows: &[Vec<u8>], size: usize, is_case_ignored: bool) -> Self {
        let mut hashed = Self {
            bits: Box::new([0; 1 << (HASH_BITS - 6)]),
            case_bits: if is_case_ignored { u64::from_le_bytes([CASE_BIT; 8]) } else { 0 },
            mask: u64::MAX >> (64 - 8 * size as u32),
            groups: HashMap::new(),
        };
        for (group, window) in windows.iter().enumerate() {
            let key = hashed.key(padded(window));
            let hash = hash(key);
            hashed.bits[hash / 64] |= 1 << (hash % 64);
            hashed.groups.insert(key, group);
        }
        hashed
    }

    fn key(&self, eight: u64) -> u64 {
        (eight | self.case_bits) & self.mask
    }

    /// Calls `found` with each place of a window and the window's group.
    fn find_each(&self, haystack: &[u8], size: usize, mut found: impl FnMut(usize, usize)) {
        let mut look = |at: usize, eight: u64| {
            let key = self.key(eight);
            let hash = hash(key);
            if self.bits[hash / 64] >> (hash % 64) & 1 != 0
                && let Some(group) = self.groups.get(&key)
            {
                found(at, *group);
            }
        };
        for (at, eight) in haystack.windows(8).enumerate() {
            look(at, u64::from_le_bytes(eight.try_into().expect("windows have eight bytes")));
        }
        // Behind the last eight bytes there is room for shorter windows.
        let first = haystack.len().saturating_sub(7);
        for at in first..(haystack.len() + 1).saturating_sub(size) {
            look(at, padded(&haystack[at..]));
        }
    }
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(MULTIPLIER) >> (64 - HASH_BITS)) as usize
}

/// Returns at most eight bytes as a number, zeros behind them.
fn padded(bytes: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(needles: &[&str], is_case_ignored: bool, haystack: &str) -> Vec<usize> {
        let substrings = Substrings::new(needles.iter().map(|needle| needle.as_bytes()), is_case_ignored).unwrap();
        let mut found = Vec::new();
        substrings.find_each(haystack.as_bytes(), |index| found.push(index));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn expected(needles: &[&str], is_case_ignored: bool, haystack: &str) -> Vec<usize> {
        let folded = |text: &str| if is_case_ignored { text.to_ascii_lowercase() } else { text.to_owned() };
        let haystack = folded(haystack);
        (0..needles.len()).filter(|index| haystack.contains(&folded(needles[*index]))).collect()
    }

    #[test]
    fn substrings_that_overlap_are_all_found() {
        assert_eq!(found(&["abc", "b", "bcd", "x", "abcd"], false, "zabcdz"), [0, 1, 2, 4]);
        assert_eq!(found(&["abc", "ABC"], true, "xAbC"), [0, 1]);
        assert_eq!(found(&["abc", "ABC"], false, "xABC"), [1]);
        assert_eq!(found(&[], false, "x"), [0; 0]);
        assert!(Substrings::new([&b""[..]], false).is_none());
    }

    #[test]
    fn few_and_many_needles_are_found_as_one_by_one() {
        let many: Vec<String> = (0..200).map(|index| format!("fault-{index} of {}", index % 7)).collect();
        let few = ["timeout", "time", "out", "meout ", "rollback snapshot", "ab", "\u{e9}t\u{e9} x", "TIMEOUT", "-1 o"];
        let all: Vec<&str> = few.into_iter().chain(many.iter().map(String::as_str)).collect();
        let same_window: Vec<String> = (0..40).map(|index| format!("{index:02}xx zz yy")).collect();
        let same_window: Vec<&str> = same_window.iter().map(String::as_str).collect();
        let texts = [
            "",
            "ab",
            "time",
            "a timeout of 5 s, TimeOut and a rollback snapshot and time",
            "fault-11 of 4fault-12 of 5",
            "fault-1 of 1",
            "07xx zz yy and 39xx zz yy",
            "\u{e9}t\u{e9} x",
        ];
        for text in texts {
            let long = format!("{text} and what is between them {text}");
            for haystack in [text, &long] {
                for needles in [&few[..], &all, &all[3..5], &same_window] {
                    for is_case_ignored in [false, true] {
                        assert_eq!(
                            found(needles, is_case_ignored, haystack),
                            expected(needles, is_case_ignored, haystack),
                            "{haystack:?} {is_case_ignored}"
                        );
                    }
                }
            }
        }
    }
}
