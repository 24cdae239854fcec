//! Values to the text of a cell, and any text to text that a terminal can show.
//!
//! Telemetry is written by others: whatever could move a cursor, change a colour or turn the direction of writing is
//! shown as an escape instead. Next: `table.rs`.

use dtq_value::{Type, Value, json, scalar::format};
use std::borrow::Cow;
use std::fmt::Write;

/// Returns the text of a value in a cell: null is `None`, true is `true`, a datetime has as many fraction digits as it
/// needs, a dynamic string is without quotes and any other dynamic is JSON.
pub fn cell(value: &Value, ty: Type) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Null => return None,
        Value::String(text) => text.as_text(),
        _ if ty == Type::Dynamic => Cow::Owned(dynamic(value)),
        Value::Bool(is_true) => Cow::Borrowed(if *is_true { "true" } else { "false" }),
        Value::DateTime(ticks) => Cow::Owned(datetime(*ticks)),
        other => Cow::Owned(String::from_utf8_lossy(&format::text(other)).into_owned()),
    })
}

/// Returns the JSON text of a dynamic value, always valid UTF-8.
pub fn dynamic(value: &Value) -> String {
    lossy(json::to_bytes(value))
}

/// Returns bytes as text, with U+FFFD for what is not UTF-8.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Returns ISO 8601 text with `Z`, and with a fraction only when it is not zero, without trailing zeros.
///
/// # Source
/// Conformance `kusto_engine.jsonl`: `2018-07-01T00:00:00Z`, `2015-12-31T23:59:59.9Z`.
pub fn datetime(ticks: i64) -> String {
    let full = format::datetime(ticks);
    let short = full.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    // A whole minute such as `10:00:00.0000000` has lost zeros only behind its point.
    debug_assert!(full.contains('.'), "the full form has a fraction");
    format!("{short}Z")
}

/// Says whether a character could act on a terminal instead of being shown by it.
///
/// # Source
/// Unicode 16, general category Cc (C0, DEL, C1); UAX #9 for the characters that turn the direction; U+2028 and U+2029,
/// which break lines.
pub fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns text that a terminal shows as it stands: on one line, each acting character as an escape (`\n`, `\x1b`).
pub fn neutral(text: &str) -> Cow<'_, str> {
    neutral_except(text, |_| false)
}

/// Returns text that a terminal shows as it stands, lines kept.
pub fn neutral_lines(text: &str) -> Cow<'_, str> {
    neutral_except(text, |c| c == '\n')
}

fn neutral_except(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| acts_on_terminal(c) && !is_kept(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts_on_terminal(c) && !is_kept(c) {
            push_escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn push_escape(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if (c as u32) < 0x100 => write!(out, "\\x{:02x}", c as u32).expect("writing to a string cannot fail"),
        c => write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail"),
    }
}

/// Returns JSON text that means the same, with every acting character that JSON allows inside strings as `\uXXXX`.
pub fn neutral_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(acts_on_terminal) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if acts_on_terminal(c) {
            write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail");
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_lose_only_the_zeros_behind_the_point() {
        let day = 864_000_000_000;
        assert_eq!(datetime(0), "0001-01-01T00:00:00Z");
        assert_eq!(datetime(day + 10 * 36_000_000_000), "0001-01-02T10:00:00Z");
        assert_eq!(datetime(9_000_000), "0001-01-01T00:00:00.9Z");
        assert_eq!(datetime(1), "0001-01-01T00:00:00.0000001Z");
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        let hostile = "a\x1b[31mred\u{9b}2J\u{7f}\r\n\t\u{202e}x\u{2066}";
        let shown = neutral(hostile);
        assert!(!shown.chars().any(acts_on_terminal), "{shown}");
        assert_eq!(shown, "a\\x1b[31mred\\x9b2J\\x7f\\r\\n\\t\\u202ex\\u2066");
        assert_eq!(neutral_lines("a\nb\x07"), "a\nb\\x07");
        assert_eq!(neutral_json("\"\u{9b}\u{e9}\""), "\"\\u009b\u{e9}\"");
    }

    #[test]
    fn cells_know_null_from_empty() {
        assert_eq!(cell(&Value::Null, Type::Long), None);
        assert_eq!(cell(&Value::string(""), Type::String).as_deref(), Some(""));
        assert_eq!(cell(&Value::string("a"), Type::Dynamic).as_deref(), Some("a"));
        assert_eq!(cell(&Value::Bool(true), Type::Bool).as_deref(), Some("true"));
    }
}
