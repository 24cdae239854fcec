//! One needle in a haystack, with or without ASCII case.

use memchr::{memchr, memchr2, memmem};

/// Says whether the needle is in the haystack.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memmem::find(haystack, needle).is_some()
}

/// Says whether the needle is in the haystack, ASCII case aside.
pub fn contains_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    find_ignore_case(haystack, needle, 0).is_some()
}

/// Says whether the haystack begins with the needle, ASCII case aside.
pub fn starts_with_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.get(..needle.len()).is_some_and(|start| start.eq_ignore_ascii_case(needle))
}

/// Says whether the haystack ends with the needle, ASCII case aside.
pub fn ends_with_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    let start = haystack.len().checked_sub(needle.len());
    start.is_some_and(|start| haystack[start..].eq_ignore_ascii_case(needle))
}

/// Returns where the needle first occurs at or after `from`, ASCII case aside.
///
/// # Cost
/// Looks for the rarest byte of the needle; the worst case is the product of both sizes.
pub fn find_ignore_case(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    if needle.is_empty() {
        return (from <= haystack.len()).then_some(from);
    }
    let last_start = haystack.len().checked_sub(needle.len())?;
    let rare = rarest(needle);
    let (lower, upper) = (needle[rare].to_ascii_lowercase(), needle[rare].to_ascii_uppercase());
    let mut start = from;
    while start <= last_start {
        // The rare byte of an occurrence lies between these two.
        let window = &haystack[start + rare..=last_start + rare];
        let skip = if lower == upper { memchr(lower, window) } else { memchr2(lower, upper, window) }?;
        start += skip;
        if haystack[start..start + needle.len()].eq_ignore_ascii_case(needle) {
            return Some(start);
        }
        start += 1;
    }
    None
}

/// Returns the position of the byte that is least common in logs, as a guess.
fn rarest(needle: &[u8]) -> usize {
    let best = needle.iter().enumerate().min_by_key(|(_, byte)| commonness(**byte));
    best.map_or(0, |(index, _)| index)
}

/// Returns how common a byte is in logs, as a guess from 0 to 4.
pub fn commonness(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 4,
        b'0'..=b'9' | b'l' | b'd' | b'c' | b'u' | b'm' | b'h' | b'p' => 3,
        b'.' | b',' | b':' | b'/' | b'-' | b'_' | b'"' | b'f' | b'g' | b'y' | b'b' | b'w' => 2,
        b'v' | b'k' => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_case_finds_what_lower_case_finds() {
        let texts = ["", "a", "A", "ab", "xAb", "aaaab", "The quick brown FOX", "k\u{212A}", "\u{e9}E"];
        for haystack in texts {
            for needle in texts {
                let expected = haystack.to_ascii_lowercase().find(&needle.to_ascii_lowercase());
                assert_eq!(
                    find_ignore_case(haystack.as_bytes(), needle.as_bytes(), 0),
                    expected,
                    "{haystack} {needle}"
                );
            }
        }
    }

    #[test]
    fn later_occurrences() {
        assert_eq!(find_ignore_case(b"abAB", b"ab", 1), Some(2));
        assert_eq!(find_ignore_case(b"abAB", b"ab", 3), None);
        assert_eq!(find_ignore_case(b"ab", b"", 2), Some(2));
        assert_eq!(find_ignore_case(b"ab", b"", 3), None);
    }

    #[test]
    fn documented_examples() {
        // Kusto documentation, "String operators".
        assert!(contains_ignore_case(b"FabriKam", b"BRik"));
        assert!(!contains(b"Fabrikam", b"Kam"));
        assert!(starts_with_ignore_case(b"Fabrikam", b"fab"));
        assert!(!starts_with_ignore_case(b"Fabrikam", b"kam"));
        assert!(ends_with_ignore_case(b"Fabrikam", b"Kam"));
        assert!(!ends_with_ignore_case(b"am", b"Kam"));
    }
}
