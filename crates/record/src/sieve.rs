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
use memchr::{memchr_iter, memchr2_iter, memmem};

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

    /// Begins to look at the lines of `bytes`; longer ones than `line_bytes_max` are not passed over.
    pub fn over<'s>(&'s self, bytes: &'s [u8], line_bytes_max: usize) -> Sifting<'s> {
        let hits = vec![Next::Unknown; self.groups[0].len()];
        Sifting { sieve: self, bytes, line_bytes_max, hits }
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
    /// Returns where it is found at `from` or behind; `usize::MAX` is nowhere. Places must be asked for in order.
    fn at_or_behind(&mut self, from: usize, find: impl FnOnce(usize) -> Option<usize>) -> usize {
        let is_stale = match self {
            Next::Unknown => true,
            Next::At(at) => *at < from,
            Next::Never => false,
        };
        if is_stale {
            *self = find(from).map_or(Next::Never, Next::At);
        }
        if let Next::At(at) = self { *at } else { usize::MAX }
    }
}

/// Looks at lines one behind the other: what is searched for is searched for once in all of them.
#[derive(Debug)]
pub(crate) struct Sifting<'s> {
    sieve: &'s Sieve,
    bytes: &'s [u8],
    line_bytes_max: usize,
    /// Where each text of the first group stands next.
    hits: Vec<Next>,
}

/// Counts the lines that were passed over and says where the next one begins; there is none at the end of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// How many there were.
    pub count: u64,
    /// Where the line begins that has to be looked at.
    pub next: usize,
}

impl Sifting<'_> {
    /// Passes over the lines that need not be read: each lacks all texts of a group, and its bounds are those of a record.
    ///
    /// A line begins at `start`; places must be asked for in order. Ends of lines and escapes are searched for together
    /// and texts across lines, so that what is passed over costs its bytes and next to nothing a line.
    pub fn pass_over(&mut self, start: usize) -> PassedOver {
        let (hit, bytes) = (self.next_hit(start), self.bytes);
        let escape = if self.sieve.form == Form::Verbatim { b'\n' } else { b'\\' };
        let mut passed = PassedOver { count: 0, next: start };
        // Behind the last escape: what is escaped is none itself.
        let mut unseen = start;
        for at in memchr2_iter(b'\n', escape, &bytes[start..]).map(|at| start + at) {
            if at < unseen {
                continue;
            }
            if bytes[at] != b'\n' {
                if self.sieve.may_spell(bytes.get(at + 1)) {
                    return passed;
                }
                unseen = at + 2;
            } else if hit < at || !self.is_whole(&bytes[passed.next..at]) {
                return passed;
            } else {
                passed = PassedOver { count: passed.count + 1, next: at + 1 };
            }
        }
        let rest = &bytes[passed.next..];
        if !rest.is_empty() && hit >= bytes.len() && self.is_whole(rest) {
            passed = PassedOver { count: passed.count + 1, next: bytes.len() };
        }
        passed
    }

    /// Says whether a line at which [`Sifting::pass_over`] stopped need not be read either: it lacks another text.
    pub fn lacks_another(&self, line: &[u8]) -> bool {
        let lacks = |group: &Vec<Needle>| group.iter().all(|needle| needle.find(line, 0).is_none());
        self.sieve.groups[1..].iter().any(lacks) && self.is_whole(line) && !self.sieve.has_escape(line)
    }

    fn next_hit(&mut self, from: usize) -> usize {
        let hits = self.sieve.groups[0].iter().zip(&mut self.hits);
        let hits = hits.map(|(needle, next)| next.at_or_behind(from, |from| needle.find(self.bytes, from)));
        hits.min().unwrap_or(usize::MAX)
    }

    /// Says whether a line has the bounds of a record, so that it can be passed over.
    fn is_whole(&self, line: &[u8]) -> bool {
        let trimmed = match line {
            [b'{', .., b'}'] => line,
            _ => line.trim_ascii(),
        };
        let has_bounds = match self.sieve.form {
            Form::Verbatim => !trimmed.is_empty(),
            Form::Json { .. } => matches!(trimmed, [b'{', .., b'}']),
        };
        has_bounds && line.len() <= self.line_bytes_max
    }
}

impl Sieve {
    /// Says whether an escape with this character may spell one of a text, or be written otherwise by `tostring`.
    fn may_spell(&self, escaped: Option<&u8>) -> bool {
        match (escaped, self.form) {
            (Some(b'"' | b'\\' | b'n' | b'r' | b't'), _) => false,
            (Some(b'/'), Form::Json { has_slash }) => has_slash,
            _ => true,
        }
    }

    /// Says whether a line has such an escape.
    fn has_escape(&self, line: &[u8]) -> bool {
        let mut unseen = 0;
        self.form != Form::Verbatim
            && memchr_iter(b'\\', line).any(|at| {
                let is_escape = at >= unseen;
                unseen = if is_escape { at + 2 } else { unseen };
                is_escape && self.may_spell(line.get(at + 1))
            })
    }
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

    fn sieve(texts: &[&str]) -> Sieve {
        let needle = |text: &&str| vec![Needle::Exact(Box::new(memmem::Finder::new(*text).into_owned()))];
        let has_slash = texts.iter().any(|text| text.contains('/'));
        Sieve { form: Form::Json { has_slash }, groups: texts.iter().map(needle).collect() }
    }

    #[test]
    fn escapes_that_may_spell_a_text_are_found() {
        let has_escape = |line: &[u8], text| sieve(&[text]).has_escape(line);
        assert!(!has_escape(br#"a\"b\\u\n"#, "text"));
        assert!(has_escape(br#"a\\\u0074"#, "text"));
        assert!(!has_escape(br"a\/b", "text"));
        assert!(has_escape(br"a\/b", "te/xt"));
        assert!(has_escape(br"a\b", "text"));
        assert!(has_escape(br"a\", "text"));
    }

    #[test]
    fn lines_are_passed_over_up_to_one_that_matters() {
        let passed = |bytes: &[u8], start| {
            let sieve = sieve(&["timeout", "late"]);
            let mut sifting = sieve.over(bytes, 30);
            let PassedOver { count, next } = sifting.pass_over(start);
            (count, next)
        };
        assert_eq!(passed(b"{}\n{\"a\":1}\r\n{timeout}\n{}", 0), (2, 12));
        assert_eq!(passed(b"{}\n{\"a\":1}\n{}", 0), (3, 13));
        assert_eq!(passed(b"{}\n{}\n", 3), (1, 6));
        assert_eq!(passed(b"{}\n{\"a\n{}", 0), (1, 3));
        assert_eq!(passed(b"{}\n\n{}", 0), (1, 3));
        assert_eq!(passed(b"{}\n{\\\"}\n{\\u0074}\n", 0), (2, 8));
        assert_eq!(passed(b"{}\n{0123456789012345678901234567890}\n", 0), (1, 3));
        assert_eq!(passed(b"{}\n{timeout}", 0), (1, 3));
        assert_eq!(passed(b"", 0), (0, 0));
        let sieve = sieve(&["timeout", "late"]);
        let lacks_another = |line: &[u8]| sieve.over(line, 30).lacks_another(line);
        assert!(lacks_another(b"{timeout}"));
        assert!(!lacks_another(b"{timeout late}"));
        assert!(!lacks_another(b"{timeout"));
        assert!(!lacks_another(b"{timeout \\u0074}"));
    }
}
