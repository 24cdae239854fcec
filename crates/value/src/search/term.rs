//! Whole terms: a term is a run of Unicode letters and digits; everything else, `_` too, delimits.
//!
//! An occurrence counts when no term character stands right outside an edge of the needle that is itself one. An edge of
//! the needle that is not a term character delimits by itself.

use super::substring::find_ignore_case;
use bstr::ByteSlice;
use memchr::memmem;

/// Says which edges of an occurrence must be edges of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermEdges {
    /// Both: `has`.
    Both,
    /// The first: `hasprefix`.
    Start,
    /// The last: `hassuffix`.
    End,
}

/// Says whether the needle occurs between edges of terms; the empty needle always does.
pub fn has(haystack: &[u8], needle: &[u8], edges: TermEdges) -> bool {
    let finder = memmem::Finder::new(needle);
    any_occurrence(haystack, needle, edges, |from| finder.find(&haystack[from..]).map(|index| from + index))
}

/// As [`has`], ASCII case aside.
pub fn has_ignore_case(haystack: &[u8], needle: &[u8], edges: TermEdges) -> bool {
    any_occurrence(haystack, needle, edges, |from| find_ignore_case(haystack, needle, from))
}

/// Goes through the occurrences, which may overlap, until one stands between edges.
fn any_occurrence(
    haystack: &[u8],
    needle: &[u8],
    edges: TermEdges,
    mut find: impl FnMut(usize) -> Option<usize>,
) -> bool {
    if needle.is_empty() {
        return true;
    }
    let mut from = 0;
    while from <= haystack.len() {
        let Some(start) = find(from) else { return false };
        if is_between_edges(haystack, start, needle, edges) {
            return true;
        }
        from = start + 1;
    }
    false
}

/// Says whether the occurrence of the needle at `start` stands between edges of terms.
pub fn is_between_edges(haystack: &[u8], start: usize, needle: &[u8], edges: TermEdges) -> bool {
    let end = start + needle.len();
    let is_start_free = edges == TermEdges::End || !(starts_with_term(needle) && ends_with_term(&haystack[..start]));
    is_start_free && (edges == TermEdges::Start || !(ends_with_term(needle) && starts_with_term(&haystack[end..])))
}

fn starts_with_term(text: &[u8]) -> bool {
    match text.first() {
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text.chars().next().is_some_and(is_term_char),
        None => false,
    }
}

fn ends_with_term(text: &[u8]) -> bool {
    match text.last() {
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric(),
        Some(_) => text.chars().next_back().is_some_and(is_term_char),
        None => false,
    }
}

/// Says whether a character is part of terms: a letter or a digit.
pub fn is_term_char(character: char) -> bool {
    character.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes_of_terms() {
        // Conformance trap/443 to trap/454.
        for (haystack, needle, edges, expected) in [
            ("xa b", "a ", TermEdges::Start, false),
            ("a b", "a ", TermEdges::Start, true),
            ("x ab y", " a", TermEdges::Start, true),
            ("x ab y", " a", TermEdges::End, false),
            ("x-error", "err", TermEdges::Start, true),
            ("x-error", "-err", TermEdges::Start, true),
            ("x-error", "err", TermEdges::End, false),
            ("err or", "r o", TermEdges::Start, false),
            ("b .b-", " ", TermEdges::Start, true),
            ("abc", "", TermEdges::Start, true),
            ("a_error", "err", TermEdges::Start, true),
            ("ERROR", "err", TermEdges::Start, true),
            ("an errorlog", "or", TermEdges::End, false),
            // Kusto documentation, "String operators".
            ("North America", "america", TermEdges::Both, true),
            ("North America", "amer", TermEdges::Both, false),
            ("North America", "ame", TermEdges::Start, true),
            ("North America", "mer", TermEdges::Start, false),
            ("North America", "ica", TermEdges::End, true),
            // Overlapping occurrences: the first fails at its end, the second does not.
            ("a aaa aa", "aa", TermEdges::Both, true),
            ("xaa a", "a a", TermEdges::Both, false),
            // Letters beyond ASCII belong to terms.
            ("\u{e9}t\u{e9}", "t", TermEdges::Both, false),
            ("\u{65e5}\u{672c}", "\u{672c}", TermEdges::Both, false),
            ("\u{65e5} \u{672c}", "\u{672c}", TermEdges::Both, true),
        ] {
            let found = has_ignore_case(haystack.as_bytes(), needle.as_bytes(), edges);
            assert_eq!(found, expected, "{haystack:?} {needle:?} {edges:?}");
        }
        assert!(has(b"North America", b"America", TermEdges::Both));
        assert!(!has(b"North America", b"america", TermEdges::Both));
    }

    #[test]
    fn bytes_that_are_not_utf8_delimit() {
        assert!(has(b"\xffab\xff", b"ab", TermEdges::Both));
    }
}
