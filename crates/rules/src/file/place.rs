//! Places in the text of a YAML scalar to places in the file, so that a query's mistakes show where they are written.
//!
//! Exact for `|` blocks, for plain and quoted text, and for text folded over lines as far as characters stand
//! unchanged. Where no exact place is known it names the whole scalar, never a wrong part of it. Next: `rule.rs`.

use dtq_source::{Fix, Span};
use granit_parser::ScalarStyle;

/// Holds, for a text that YAML gave, where each part of it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextMap {
    /// Pieces that stand unchanged in the file, in order.
    pieces: Vec<Piece>,
    /// The whole scalar, for what is in no piece.
    whole: Span,
    /// Whether no character has a meaning to YAML: in a `|` block, and in a file that is all text.
    is_verbatim: bool,
}

/// A run of bytes that is the same in the text and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    text_start: u32,
    file_start: u32,
    size: u32,
}

impl TextMap {
    /// Returns the map of a scalar that the file holds at `span` in the given style.
    pub(crate) fn of_scalar(file: &str, span: Span, text: &str, style: ScalarStyle) -> Self {
        let pieces = match style {
            ScalarStyle::Literal => literal(file, span, text),
            _ => aligned(file, span, text, style),
        };
        Self { pieces: pieces.unwrap_or_default(), whole: span, is_verbatim: style == ScalarStyle::Literal }
    }

    /// Returns the map of a text that is a whole file.
    pub(crate) fn of_file(text: &str) -> Self {
        let whole = Span::new(0, text.len());
        Self { pieces: vec![Piece { text_start: 0, file_start: 0, size: whole.end }], whole, is_verbatim: true }
    }

    /// Returns the offset in the file of an offset in the text, or `None` when it is not known exactly.
    pub fn offset(&self, text_offset: u32) -> Option<u32> {
        let after = self.pieces.partition_point(|piece| piece.text_start <= text_offset);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        let within = text_offset - piece.text_start;
        (within <= piece.size).then_some(piece.file_start + within)
    }

    /// Returns the place in the file of a place in the text: the whole scalar when it is not known exactly.
    pub fn span(&self, text_span: Span) -> Span {
        // The end of a place belongs to the character before it, which may be the last of its line.
        let end = match text_span.end.checked_sub(1) {
            Some(last) if text_span.end > text_span.start => self.offset(last).map(|offset| offset + 1),
            _ => self.offset(text_span.end),
        };
        match (self.offset(text_span.start), end) {
            (Some(start), Some(end)) if start <= end => Span { start, end },
            _ => self.whole,
        }
    }

    /// Returns a fix of the text as a fix of the file, or `None` where YAML would read the result as something else.
    pub fn fix(&self, fix: &Fix) -> Option<Fix> {
        let span = self.span(fix.span);
        let is_same_size = span.end - span.start == fix.span.end - fix.span.start;
        let is_exact = self.offset(fix.span.start) == Some(span.start) && is_same_size;
        let is_safe = match self.is_verbatim {
            true => !fix.replacement.contains(['\n', '\r']),
            false => !fix.replacement.contains(['\n', '\r', '"', '\'', '\\', '#', ':']),
        };
        (is_exact && is_safe).then(|| Fix { span, replacement: fix.replacement.clone() })
    }

    /// Returns the place of the whole scalar.
    pub fn whole(&self) -> Span {
        self.whole
    }
}

fn piece(text_start: usize, file_start: usize, size: usize) -> Piece {
    let clip = |offset: usize| Span::new(0, offset).end;
    Piece { text_start: clip(text_start), file_start: clip(file_start), size: clip(size) }
}

/// Returns a piece for each line of a `|` block, or `None` when the lines are not what was expected.
///
/// The parser's span begins with the first character after the indentation; lines lose the same indentation each.
fn literal(file: &str, span: Span, text: &str) -> Option<Vec<Piece>> {
    let start = span.start as usize;
    let line_start = file.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let mut pieces = Vec::new();
    let mut indent = None;
    // The parser's span leaves out empty lines at the beginning.
    let mut text_start = text.len() - text.trim_start_matches('\n').len();
    let mut file_start = line_start;
    for line in text[text_start..].split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        let raw = file.get(file_start..)?.split_inclusive('\n').next().unwrap_or("");
        let raw_content = raw.trim_end_matches('\n').trim_end_matches('\r');
        if indent.is_none() && !content.is_empty() {
            indent = Some(raw_content.len().checked_sub(content.len())?);
        }
        if content.is_empty() {
            pieces.push(piece(text_start, file_start + raw_content.len(), 0));
        } else {
            let cut = indent?;
            if raw_content.get(cut..) != Some(content) || !raw_content.get(..cut)?.bytes().all(|byte| byte == b' ') {
                return None;
            }
            pieces.push(piece(text_start, file_start + cut, content.len()));
        }
        text_start += line.len();
        file_start += raw.len();
    }
    Some(pieces)
}

/// Returns pieces for text that may have escapes and folded lines, or `None` when the two do not fit together.
fn aligned(file: &str, span: Span, text: &str, style: ScalarStyle) -> Option<Vec<Piece>> {
    let raw = file.get(span.range())?;
    let base = span.start as usize;
    let mut at = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
    let mut pieces: Vec<Piece> = Vec::new();
    let mut run = Run { end: 0, is_fold: false };
    for (offset, wanted) in text.char_indices() {
        if at >= run.end {
            run = Run::at(raw, at)?;
        }
        if run.is_fold && wanted.is_whitespace() {
            // Blanks around the end of a line became this and perhaps further blanks or line ends.
            extend(&mut pieces, offset, base + at, 0);
            let next = text[offset + wanted.len_utf8()..].chars().next();
            if !next.is_some_and(char::is_whitespace) {
                at = run.end;
            }
            continue;
        }
        if run.is_fold {
            at = run.end;
        }
        let rest = raw.get(at..)?;
        let size = written_size(rest, wanted, style)?;
        let is_same = rest.starts_with(wanted) && size == wanted.len_utf8();
        extend(&mut pieces, offset, base + at, if is_same { size } else { 0 });
        at += size;
    }
    if pieces.is_empty() {
        pieces.push(piece(0, base + at, 0));
    }
    Some(pieces)
}

/// Blanks and line ends that follow each other in the file.
struct Run {
    end: usize,
    /// Whether a line ends in it.
    is_fold: bool,
}

impl Run {
    fn at(raw: &str, start: usize) -> Option<Self> {
        let rest = raw.get(start..)?;
        let blanks = &rest[..rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()];
        Some(Self { end: start + blanks.len(), is_fold: blanks.contains('\n') })
    }
}

/// Returns how many bytes the character takes in the file, or `None` when something else stands there.
fn written_size(rest: &str, wanted: char, style: ScalarStyle) -> Option<usize> {
    match rest.chars().next()? {
        '\\' if style == ScalarStyle::DoubleQuoted => escape_size(rest),
        '\'' if style == ScalarStyle::SingleQuoted => Some(2),
        next => (next == wanted).then_some(wanted.len_utf8()),
    }
}

/// Adds a character's place: to the last piece where it continues that, else as a new one.
fn extend(pieces: &mut Vec<Piece>, text_start: usize, file_start: usize, size: usize) {
    let next = piece(text_start, file_start, size);
    match pieces.last_mut() {
        Some(last)
            if last.size > 0
                && size > 0
                && last.text_start + last.size == next.text_start
                && last.file_start + last.size == next.file_start =>
        {
            last.size += next.size;
        }
        _ => pieces.push(next),
    }
}

/// Returns how many bytes an escape of a double-quoted text takes.
fn escape_size(rest: &str) -> Option<usize> {
    let second = rest.chars().nth(1)?;
    Some(match second {
        'x' => 4,
        'u' => 6,
        'U' => 10,
        other => 1 + other.len_utf8(),
    })
}
