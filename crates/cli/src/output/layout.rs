//! Widths of columns and of the terminal to what each column gets, and text to text of a width.
//!
//! Widths count terminal columns, not characters: a CJK character takes two, a combining mark none.
//! Next: `table.rs`.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What stands in place of the rest of a cell.
const ELLIPSIS: char = '\u{2026}';

/// The space between two columns.
pub const GAP: usize = 2;

/// The least width to which a column is cut; rather than going below, rows are laid out one value a line.
const WIDTH_MIN: usize = 8;

/// Returns how many terminal columns the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns a width for each column so that all fit into `total`, or `None` when they cannot.
///
/// The widest columns give way first, down to the width at which all that were cut are equally wide.
pub fn fit(natural: &[usize], total: usize) -> Option<Vec<usize>> {
    let gaps = GAP * natural.len().saturating_sub(1);
    let available = total.checked_sub(gaps)?;
    if natural.iter().sum::<usize>() <= available {
        return Some(natural.to_vec());
    }
    let mut ascending = natural.to_vec();
    ascending.sort_unstable();
    let mut left = available;
    let mut bound = 0;
    for (index, width) in ascending.iter().enumerate() {
        bound = left / (ascending.len() - index);
        if *width > bound {
            break;
        }
        left -= width;
    }
    let is_legible = natural.iter().all(|width| *width <= bound || bound >= WIDTH_MIN);
    is_legible.then(|| natural.iter().map(|width| (*width).min(bound)).collect())
}

/// Returns the text if it fits into `limit`, else its beginning with an ellipsis, never wider than `limit`.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > limit {
            break;
        }
        out.push(c);
    }
    out.push(ELLIPSIS);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_keeps_its_width() {
        assert_eq!(fit(&[3, 4], 9), Some(vec![3, 4]));
        assert_eq!(fit(&[], 0), Some(vec![]));
    }

    #[test]
    fn the_widest_give_way_first() {
        assert_eq!(fit(&[3, 100, 50], 47), Some(vec![3, 20, 20]));
        assert_eq!(fit(&[10, 100], 40), Some(vec![10, 28]));
    }

    #[test]
    fn what_would_be_illegible_does_not_fit() {
        assert_eq!(fit(&[30; 12], 80), None);
        assert_eq!(fit(&[30, 30], 1), None);
    }

    #[test]
    fn cuts_count_terminal_columns() {
        assert_eq!(cut("abcdef", 4), "abc\u{2026}");
        assert_eq!(cut("\u{6f22}\u{5b57}\u{6f22}", 4), "\u{6f22}\u{2026}");
        assert_eq!(cut("e\u{301}e\u{301}", 2), "e\u{301}e\u{301}");
        for limit in 1..10 {
            assert!(width(&cut("\u{6f22}a\u{6f22}b\u{6f22}c", limit)) <= limit);
        }
    }
}
