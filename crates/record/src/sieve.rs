//! Texts that a row needs to bytes that its record has to hold, so that records without them are passed over unread.
//!
//! A record is passed over only when no spelling of the text can stand in it: JSON may spell a character as an escape,
//! so that lines with such escapes are read. What is passed over is checked as far as the bounds of the record only.
//! Next: `input/lines.rs`, which asks. Tests: `engine/tests/pushdown.rs`.

use crate::otlp::logs::column;
use crate::stream::{Column, Projection};
use crate::text::Decoder;
use dtq_value::Type;
use dtq_value::search::{contains_ignore_case, find_ignore_case};
use memchr::{memchr, memmem};
use std::ops::Range;

/// Texts of one group; a group with more is not looked for.
const TEXTS_MAX: usize = 8;
/// Bytes of the shortest text that is looked for: shorter ones are everywhere.
const TEXT_BYTES_MIN: usize = 3;

/// Holds what has to be found in a record.
#[derive(Clone, Debug)]
pub(crate) struct Sieve {
    form: Form,
    /// Groups of texts, one of each of which a record needs; the first is looked for in many records at once.
    groups: Vec<Vec<Needle>>,
}

/// Says how a text stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it is, unless some of its characters are escaped.
    Json {
        /// Whether an escaped slash may belong to a text.
        has_slash: bool,
    },
    /// As it is.
    Verbatim,
}

#[derive(Clone, Debug)]
enum Needle {
    Exact(Box<memmem::Finder<'static>>),
    IgnoringCase(Box<[u8]>),
}

impl Needle {
    fn size(&self) -> usize {
        match self {
            Needle::Exact(finder) => finder.needle().len(),
            Needle::IgnoringCase(text) => text.len(),
        }
    }

    fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match self {
            Needle::Exact(finder) => finder.find(&bytes[from..]).map(|at| from + at),
            Needle::IgnoringCase(text) => find_ignore_case(bytes, text, from),
        }
    }
}

impl Sieve {
    /// Returns what records of a format need for the texts of a projection of `table`, or `None` when that is nothing.
    pub fn new(decoder: &Decoder, table: &[Column], is_logs: bool, projection: &Projection) -> Option<Self> {
        let run_of: fn(&[u8]) -> Option<&[u8]> = match decoder {
            Decoder::Json { .. } => json_run,
            Decoder::Text => whole_line_text,
            Decoder::Csv(_) | Decoder::Syslog { .. } | Decoder::Logfmt => return None,
        };
        let is_json = matches!(decoder, Decoder::Json { .. });
        let mut groups: Vec<Vec<Needle>> = Vec::new();
        for group in projection.texts.iter().filter(|group| !group.is_empty() && group.len() <= TEXTS_MAX) {
            let needle_of = |needed: &crate::stream::NeededText| {
                let is_given = is_given(needed.column, table, is_logs, is_json);
                let run = run_of(needed.text.as_bytes()).filter(|run| is_given && run.len() >= TEXT_BYTES_MIN)?;
                Some(match needed.is_case_ignored {
                    true => Needle::IgnoringCase(Box::from(run)),
                    false => Needle::Exact(Box::new(memmem::Finder::new(run).into_owned())),
                })
            };
            groups.extend(group.iter().map(needle_of).collect::<Option<Vec<Needle>>>());
        }
        // The fewest searches first, and of those the one for the longest text, which is likely the rarest.
        groups.sort_by_key(|group| (cost(group), usize::MAX - group.iter().map(Needle::size).min().unwrap_or(0)));
        let has_slash = groups.iter().flatten().any(|needle| match needle {
            Needle::Exact(finder) => finder.needle().contains(&b'/'),
            Needle::IgnoringCase(text) => text.contains(&b'/'),
        });
        let form = if is_json { Form::Json { has_slash } } else { Form::Verbatim };
        (!groups.is_empty()).then_some(Self { form, groups })
    }

    /// Begins to look at records that lie in `bytes`.
    pub fn over<'s>(&'s self, bytes: &'s [u8]) -> Sifting<'s> {
        let hits = vec![Next::Unknown; self.groups[0].len()];
        Sifting { sieve: self, bytes, hits, escape: Next::Unknown }
    }
}

fn cost(group: &[Needle]) -> usize {
    group.iter().map(|needle| if matches!(needle, Needle::Exact(_)) { 1 } else { 4 }).sum()
}

/// Says whether the text of a column is made of what stands in the record, and of that alone.
fn is_given(index: usize, table: &[Column], is_logs: bool, is_json: bool) -> bool {
    let is_text = table.get(index).is_some_and(|column| matches!(column.ty, Type::String | Type::Dynamic));
    let is_standard = is_logs && index < column::COUNT;
    is_text
        && match index {
            column::BODY if is_standard => true,
            column::SEVERITY_TEXT | column::ATTRIBUTES if is_standard => is_json,
            _ => !is_standard,
        }
}

/// Returns the longest part of a text that stands in a JSON record as it is whenever the text is in a value's text.
///
/// That leaves out what is written with escapes, what `tostring` writes between values, and numbers and the like, which
/// it may write otherwise than the record does.
fn json_run(text: &[u8]) -> Option<&[u8]> {
    let is_break = |byte: &u8| matches!(byte, 0..=0x1F | b'"' | b'\\' | b',' | b'[' | b']' | b'{' | b'}');
    let is_numeric = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let is_word = |run: &[u8]| ["true", "false", "null"].iter().any(|word| contains_ignore_case(word.as_bytes(), run));
    let text_of_run = |run: &&[u8]| {
        // Of bytes that are not UTF-8 this is what is read.
        std::str::from_utf8(run).is_ok_and(|text| !text.contains(char::REPLACEMENT_CHARACTER))
    };
    let runs = text.split(is_break).filter(|run| !run.iter().all(is_numeric) && !is_word(run)).filter(text_of_run);
    runs.max_by_key(|run| run.len())
}

fn whole_line_text(text: &[u8]) -> Option<&[u8]> {
    (!text.contains(&b'\n')).then_some(text)
}

/// Holds where something is found next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Unknown,
    At(usize),
    Never,
}

impl Next {
    /// Says whether it is found in the range; ranges must be asked for in order.
    fn is_in(&mut self, range: &Range<usize>, find: impl FnOnce(usize) -> Option<usize>) -> bool {
        let is_stale = match self {
            Next::Unknown => true,
            Next::At(at) => *at < range.start,
            Next::Never => return false,
        };
        if is_stale {
            *self = find(range.start).map_or(Next::Never, Next::At);
        }
        matches!(self, Next::At(at) if *at < range.end)
    }
}

/// Looks at records one behind the other: what is searched for is searched for once in all of them.
#[derive(Debug)]
pub(crate) struct Sifting<'s> {
    sieve: &'s Sieve,
    bytes: &'s [u8],
    hits: Vec<Next>,
    escape: Next,
}

impl Sifting<'_> {
    /// Says whether the record need not be read: it lacks a text, and its bounds are those of a record.
    pub fn passes_over(&mut self, record: Range<usize>) -> bool {
        let bytes = self.bytes;
        let Some((first, others)) = self.sieve.groups.split_first() else { return false };
        let mut is_found = false;
        for (needle, next) in first.iter().zip(&mut self.hits) {
            is_found |= next.is_in(&record, |from| needle.find(bytes, from));
        }
        let whole = &bytes[record.clone()];
        if is_found && others.iter().all(|group| group.iter().any(|needle| needle.find(whole, 0).is_some())) {
            return false;
        }
        match self.sieve.form {
            Form::Verbatim => !whole.trim_ascii().is_empty(),
            Form::Json { has_slash } => {
                let trimmed = whole.trim_ascii();
                let is_object = trimmed.first() == Some(&b'{') && trimmed.len() > 1 && trimmed.last() == Some(&b'}');
                is_object && !self.escape.is_in(&record, |from| find_escape(bytes, from, has_slash))
            }
        }
    }
}

/// Returns where the next escape stands that may spell a character of a text, or that `tostring` may write otherwise.
fn find_escape(bytes: &[u8], from: usize, has_slash: bool) -> Option<usize> {
    let mut from = from;
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr(b'\\', rest)).map(|at| from + at) {
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'n' | b'r' | b't') => from = at + 2,
            Some(b'/') if !has_slash => from = at + 2,
            _ => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_json_writes_as_it_is() {
        let run = |text: &str| json_run(text.as_bytes()).map(|run| String::from_utf8_lossy(run).into_owned());
        assert_eq!(run("timeout"), Some("timeout".to_owned()));
        assert_eq!(run(r#"a "quoted" b"#), Some("quoted".to_owned()));
        assert_eq!(run("1.5e3"), None);
        assert_eq!(run("12 ms"), Some("12 ms".to_owned()));
        assert_eq!(run("1,2"), None);
        assert_eq!(run("\u{FFFD}abc"), None);
        assert_eq!(run("gr\u{fc}n"), Some("gr\u{fc}n".to_owned()));
    }

    #[test]
    fn escapes_that_may_spell_a_text_are_found() {
        assert_eq!(find_escape(br#"a\"b\\u\n"#, 0, false), None);
        assert_eq!(find_escape(br#"a\\\u0074"#, 0, false), Some(3));
        assert_eq!(find_escape(br"a\/b", 0, false), None);
        assert_eq!(find_escape(br"a\/b", 0, true), Some(1));
        assert_eq!(find_escape(br"a\b", 0, false), Some(1));
        assert_eq!(find_escape(br"a\", 0, false), Some(1));
    }
}
