//! Byte positions in a query and their translation to lines and columns.

use serde::Serialize;

/// Names a half-open range of bytes, `start..end`, in the text of one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// Offset in bytes of the first byte.
    pub start: u32,
    /// Offset in bytes just past the last byte.
    pub end: u32,
}

impl Span {
    /// Returns the span of the bytes `start..end`; offsets beyond `u32::MAX` saturate.
    pub fn new(start: usize, end: usize) -> Self {
        let clip = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clip(start), end: clip(end.max(start)) }
    }

    /// Returns the smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Span) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns the empty span just past the end of this one: where something is missing.
    #[must_use]
    pub fn after(self) -> Self {
        Self { start: self.end, end: self.end }
    }

    /// Returns the range of byte offsets, for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Holds the text of one query with its display name and finds lines and columns in it.
#[derive(Clone, Debug)]
pub struct SourceText {
    name: String,
    text: String,
    line_starts: Vec<u32>,
}

impl SourceText {
    /// Returns the text under the name that messages show for it (a file name, or `query`).
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts =
            std::iter::once(0).chain(newlines.map(|(offset, _)| Span::new(offset, offset + 1).end)).collect();
        Self { name: name.into(), text, line_starts }
    }

    /// Returns the display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text a span covers, or `""` when it does not lie on character boundaries of this text.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// Returns the 1-based line and the 1-based column, counted in characters, of a byte offset.
    ///
    /// An offset past the end is taken as the end.
    pub fn line_column(&self, offset: u32) -> (usize, usize) {
        let line_index = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let line_start = self.line_starts[line_index] as usize;
        let end = (offset as usize).min(self.text.len());
        let before = self.text.as_bytes().get(line_start..end).unwrap_or(&[]);
        let chars = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (line_index + 1, chars + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = SourceText::new("query", "a\n\u{e9}\u{e9}x");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(6), (2, 3));
        assert_eq!(source.line_column(99), (2, 4));
    }
}
