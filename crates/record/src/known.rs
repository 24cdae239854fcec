//! The well-known keys of log records, from `tables/known_keys.json`: which key is the time, the severity, the message.

use crate::convert::text_of;
use crate::time::{ticks_from_epoch_integer, ticks_from_epoch_number, ticks_from_iso};
use dtq_value::Value;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Names what a well-known key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Fills Timestamp.
    Time,
    /// Fills SeverityText and SeverityNumber.
    Severity,
    /// Fills Body.
    Message,
    /// Fills TraceId.
    TraceId,
    /// Fills SpanId.
    SpanId,
}

impl Role {
    /// Every role, in the order of their discriminants.
    pub const ALL: [Role; 5] = [Role::Time, Role::Severity, Role::Message, Role::TraceId, Role::SpanId];
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "documentation")]
    _documentation: String,
    time: Vec<String>,
    severity: Vec<String>,
    message: Vec<String>,
    trace_id: Vec<String>,
    span_id: Vec<String>,
    severity_words: HashMap<String, i32>,
    severity_numbers: HashMap<String, i32>,
}

static FILE: LazyLock<File> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../tables/known_keys.json")).expect("the file is tested to be well-formed")
});

/// Returns what a key stands for and its rank among the keys of that role, 0 first.
pub(crate) fn role_of(key: &[u8]) -> Option<(Role, usize)> {
    Role::ALL.into_iter().find_map(|role| {
        let rank = known_keys(role).iter().position(|known| known.as_bytes() == key)?;
        Some((role, rank))
    })
}

/// Returns the keys that fill what a role stands for, the best first.
pub fn known_keys(role: Role) -> &'static [String] {
    match role {
        Role::Time => &FILE.time,
        Role::Severity => &FILE.severity,
        Role::Message => &FILE.message,
        Role::TraceId => &FILE.trace_id,
        Role::SpanId => &FILE.span_id,
    }
}

/// Returns the texts that name a severity, lower-case, and its SeverityNumber, sorted; other texts have 0.
pub fn severity_words() -> Vec<(&'static str, i32)> {
    let numbers = FILE.severity_numbers.iter().filter(|(text, _)| !FILE.severity_words.contains_key(*text));
    let mut words: Vec<_> =
        FILE.severity_words.iter().chain(numbers).map(|(text, number)| (text.as_str(), *number)).collect();
    words.sort_unstable();
    words
}

/// Returns the SeverityNumber for a word such as `warn` or a number as syslog, GELF, Bunyan and Pino write it; 0 when
/// the text says nothing.
///
/// # Source
/// OpenTelemetry, Logs Data Model, Appendix B; Bunyan's levels 10 to 60.
pub(crate) fn severity_number(text: &[u8]) -> i32 {
    let word = String::from_utf8_lossy(text.trim_ascii()).to_ascii_lowercase();
    FILE.severity_words.get(&word).or_else(|| FILE.severity_numbers.get(&word)).copied().unwrap_or(0)
}

/// Returns the time that the value of a time key stands for, or `None`.
pub(crate) fn ticks_of(value: &Value) -> Option<i64> {
    match value {
        Value::DateTime(ticks) => Some(*ticks),
        Value::Long(number) => ticks_from_epoch_integer(*number),
        Value::Real(number) => ticks_from_epoch_number(*number),
        Value::String(text) => {
            let text = text.as_bytes().trim_ascii();
            ticks_from_iso(text).or_else(|| {
                let number = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
                match std::str::from_utf8(text).ok()?.parse::<i64>() {
                    Ok(number) => ticks_from_epoch_integer(number),
                    Err(_) => ticks_from_epoch_number(number),
                }
            })
        }
        _ => None,
    }
}

/// Returns the id that the value of an id key stands for: lower-case hex of `size` bytes, or `None`.
pub(crate) fn id_of(value: &Value, size: usize) -> Option<Vec<u8>> {
    let text = text_of(value).to_ascii_lowercase();
    let is_id = text.len() == 2 * size && text.iter().all(u8::is_ascii_hexdigit);
    (is_id && text.iter().any(|digit| *digit != b'0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_roles_and_ranks_and_words_have_numbers() {
        assert_eq!(role_of(b"timestamp"), Some((Role::Time, 0)));
        assert!(role_of(b"msg").unwrap().1 > role_of(b"message").unwrap().1);
        assert_eq!(role_of(b"user"), None);
        assert_eq!(severity_number(b"WARN"), 13);
        assert_eq!(severity_number(b"30"), 9);
        assert_eq!(severity_number(b"whatever"), 0);
        assert_eq!(id_of(&Value::string("00F067AA0BA902B7"), 8), Some(b"00f067aa0ba902b7".to_vec()));
        assert_eq!(id_of(&Value::string("0000000000000000"), 8), None);
    }
}
