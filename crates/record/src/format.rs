//! The beginning of an input to its format.

use crate::input::report::Tracker;
use crate::otlp;
use crate::text::{csv, logfmt, syslog};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// How many lines are looked at.
const SAMPLED_LINES_MAX: usize = 20;

/// Names the format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OTLP protobuf: one request, or requests with a length in front of each.
    Otlp,
    /// OTLP JSON: one request a line, or one document.
    OtlpJson,
    /// A JSON object a line.
    Ndjson,
    /// JSON objects behind each other or in an array, over any number of lines.
    Json,
    /// Fields with a delimiter, with or without a header.
    Csv,
    /// Fields with tabs, with or without a header.
    Tsv,
    /// RFC 5424, RFC 3164, or lines of a syslog file.
    Syslog,
    /// `key=value` lines.
    Logfmt,
    /// Any lines.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 9] = [
        Format::Otlp,
        Format::OtlpJson,
        Format::Ndjson,
        Format::Json,
        Format::Csv,
        Format::Tsv,
        Format::Syslog,
        Format::Logfmt,
        Format::Text,
    ];

    /// Returns the name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Otlp => "otlp",
            Format::OtlpJson => "otlp-json",
            Format::Ndjson => "ndjson",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Syslog => "syslog",
            Format::Logfmt => "logfmt",
            Format::Text => "text",
        }
    }

    /// Returns the format with this name, or `None`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Returns the format of an input that begins with `prefix`, decompressed; what is nothing else is text.
    pub fn detect(prefix: &[u8]) -> Self {
        Self::detect_part(prefix, false)
    }

    /// Does what [`Format::detect`] does; `is_whole` says that the input ends with the prefix.
    pub(crate) fn detect_part(prefix: &[u8], is_whole: bool) -> Self {
        let text = prefix.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(prefix);
        let start = text.trim_ascii_start();
        if matches!(start.first(), Some(b'{' | b'['))
            && let Some(format) = detect_json(start, is_whole)
        {
            return format;
        }
        if otlp::detect::detect(prefix, is_whole).is_some() {
            return Format::Otlp;
        }
        detect_lines(text, is_whole)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tells the JSON formats apart, and JSON from lines that begin with a bracket.
fn detect_json(start: &[u8], is_whole: bool) -> Option<Format> {
    let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has_newline = first_line.len() < start.len();
    let look = |json: &[u8]| {
        let mut keys = TopKeys::default();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let result = (&mut keys).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        (keys, result)
    };
    let (keys, result) = look(if start[0] == b'{' { first_line } else { start });
    let is_line = start[0] == b'{' && result.is_ok();
    if keys.has_otlp_key {
        return Some(Format::OtlpJson);
    }
    if is_line || (start[0] == b'{' && !has_newline && !is_whole) {
        return Some(Format::Ndjson);
    }
    let (keys, result) = look(start);
    let is_json = match &result {
        Ok(()) => true,
        // A document that goes on behind the prefix, or several of them.
        Err(error) => error.is_eof() || keys.is_complete,
    };
    let other_lines = || start.split(|byte| *byte == b'\n').skip(1).take(SAMPLED_LINES_MAX);
    if keys.has_otlp_key {
        Some(Format::OtlpJson)
    } else if start[0] == b'{' && other_lines().any(|line| line.starts_with(b"{") && look(line).1.is_ok()) {
        // The first line is malformed, the others are not.
        Some(Format::Ndjson)
    } else if is_json {
        Some(Format::Json)
    } else {
        None
    }
}

/// Looks at the keys of the first object, alone or in an array.
#[derive(Default)]
struct TopKeys {
    has_otlp_key: bool,
    is_complete: bool,
}

impl<'de> DeserializeSeed<'de> for &mut TopKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut TopKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            self.has_otlp_key |= is_otlp_key(&key);
            entries.next_value::<IgnoredAny>()?;
        }
        self.is_complete = true;
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }
}

/// Says whether a key is that of a request in OTLP JSON.
pub(crate) fn is_otlp_key(key: &str) -> bool {
    matches!(
        key,
        "resourceLogs" | "resourceSpans" | "resourceMetrics" | "resource_logs" | "resource_spans" | "resource_metrics"
    )
}

/// Tells line formats apart by the first lines.
fn detect_lines(text: &[u8], is_whole: bool) -> Format {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    // What follows the last newline is cut, or empty.
    if lines.len() > 1 && (!is_whole || text.ends_with(b"\n")) {
        lines.pop();
    }
    let lines: Vec<&[u8]> = lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .take(SAMPLED_LINES_MAX)
        .collect();
    let is_majority = |is_such: &dyn Fn(&[u8]) -> bool| {
        let count = lines.iter().filter(|line| is_such(line)).count();
        count > 0 && 2 * count > lines.len()
    };
    if is_majority(&syslog::is_syslog) {
        Format::Syslog
    } else if is_majority(&is_logfmt) {
        Format::Logfmt
    } else if is_majority(&|line| line.starts_with(b"{") && is_json_object(line)) {
        Format::Ndjson
    } else {
        match csv_delimiter(text, is_whole) {
            Some(b'\t') => Format::Tsv,
            Some(_) => Format::Csv,
            None => Format::Text,
        }
    }
}

fn is_json_object(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Says whether a line is logfmt: at least two pairs, and hardly a word that is none.
fn is_logfmt(line: &[u8]) -> bool {
    let is_key = |key: &[u8]| key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/@".contains(byte));
    logfmt::pairs(line).is_ok_and(|pairs| {
        let with_value = pairs.iter().filter(|pair| pair.value.is_some() && is_key(pair.key)).count();
        with_value >= 2 && with_value * 4 >= pairs.len() * 3
    })
}

/// Returns the delimiter when the first records all have the same number of fields.
pub(crate) fn csv_delimiter(text: &[u8], is_whole: bool) -> Option<u8> {
    use crate::input::bytes::Window;
    use crate::input::split::{Split, Splitter};
    let mut window = Window::new(Box::new(text), &dtq_source::Limits::default()).ok()?;
    let mut splitter = Splitter::new(Split::Csv, text.len() + 1);
    let mut records: Vec<Vec<u8>> = Vec::new();
    while records.len() < SAMPLED_LINES_MAX {
        let Some(piece) = splitter.next(&mut window, &Tracker::silent("")).ok()? else { break };
        let is_cut = piece.whole == window.bytes().len() && piece.whole == piece.size && !is_whole;
        if piece.size > 0 && !is_cut {
            records.push(window.bytes()[..piece.size].to_vec());
        }
        splitter.advance(&mut window, piece);
    }
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    if records.len() < 2 { None } else { csv::delimiter_of(&records) }
}
