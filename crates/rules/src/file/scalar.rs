//! Scalars of a rule file to words, counts, lengths of time, sizes, rates and names.
//!
//! A thing that does not fit is reported with how to write it, and gives `None`; no value is guessed. Next: `beside.rs`.

use crate::file::fields::{Plain, Report, described, listed, nearest, plain, shortened, text};
use crate::file::rule::{Rate, Spanned};
use crate::file::yaml::{Kind, Node};
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::scalar::time;

/// The longest name of a rule, recorder, table or route.
const NAME_SIZE_MAX: usize = 100;

/// Returns the value of the word, one of `words`.
pub(crate) fn word<T: Copy>(
    node: &Node,
    what: &str,
    words: &[(&'static str, T)],
    report: &mut Report,
) -> Option<Spanned<T>> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let label = match names.as_slice() {
        [only] => format!("write `{only}`"),
        _ => format!("write one of {}", listed(&names)),
    };
    let Kind::Scalar(scalar) = &node.kind else {
        report.error(Code::E5007, node.span, format!("{what} is a word, not {}", described(node)), label);
        return None;
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == &*scalar.text) {
        return Some(Spanned { value: *value, span: node.span });
    }
    if plain(scalar) == Plain::Bool(false) && names.contains(&"off") {
        let diagnostic = Diagnostic::error(Code::E5008, node.span, format!("{what} is `false`"));
        report.add(
            diagnostic.fix(node.span, "off").note("older YAML tools turn `off` into `false`: write \"off\" for them"),
        );
        return None;
    }
    let message = format!("{what} cannot be `{}`", shortened(&scalar.text));
    let diagnostic = Diagnostic::error(Code::E5008, node.span, message);
    report.add(match nearest(&scalar.text, &names) {
        Some(near) => diagnostic.fix(node.span, near),
        None => diagnostic.label(label),
    });
    None
}

/// Returns `true` or `false`.
pub(crate) fn flag(node: &Node, what: &str, report: &mut Report) -> Option<bool> {
    if let Kind::Scalar(scalar) = &node.kind {
        if let Plain::Bool(value) = plain(scalar) {
            return Some(value);
        }
        let meant = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" => Some("true"),
            "no" | "off" | "false" => Some("false"),
            _ => None,
        };
        if let Some(meant) = meant {
            let message = format!("{what} is `true` or `false`, not {}", described(node));
            report.add(Diagnostic::error(Code::E5007, node.span, message).fix(node.span, meant));
            return None;
        }
    }
    let message = format!("{what} is `true` or `false`, not {}", described(node));
    report.error(Code::E5007, node.span, message, "write `true` or `false`");
    None
}

/// Returns a whole number of the range.
pub(crate) fn count(node: &Node, what: &str, min: i64, max: i64, report: &mut Report) -> Option<Spanned<i64>> {
    let label = match max {
        i64::MAX => format!("write a whole number, {min} or more"),
        _ => format!("write a whole number from {min} to {max}"),
    };
    let number = match &node.kind {
        Kind::Scalar(scalar) => plain(scalar),
        _ => Plain::Text,
    };
    let Plain::Long(value) = number else {
        report.error(Code::E5007, node.span, format!("{what} is a whole number, not {}", described(node)), label);
        return None;
    };
    if !(min..=max).contains(&value) {
        report.error(Code::E5010, node.span, format!("{what} cannot be {value}"), label);
        return None;
    }
    Some(Spanned { value, span: node.span })
}

/// Returns a finite number.
pub(crate) fn number(node: &Node, what: &str, report: &mut Report) -> Option<f64> {
    let value = match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Long(value) => Some(value as f64),
            Plain::Real(value) => Some(value),
            _ => None,
        },
        _ => None,
    };
    match value {
        Some(value) if value.is_finite() => Some(value),
        _ => {
            let message = format!("{what} is a finite number, not {}", described(node));
            report.error(Code::E5007, node.span, message, "write a number such as `0.5`");
            None
        }
    }
}

/// Returns a length of time in ticks, at least `min_ticks`.
pub(crate) fn duration(node: &Node, what: &str, min_ticks: i64, report: &mut Report) -> Option<Spanned<i64>> {
    let ticks = match &node.kind {
        Kind::Scalar(scalar) if scalar.text.contains(|one: char| one.is_alphabetic() || one == ':') => {
            time::parse_timespan(scalar.text.as_bytes())
        }
        // A bare number is days in KQL, and seconds to most readers.
        _ => None,
    };
    let Some(ticks) = ticks else {
        let message = format!("{what} is a length of time, not {}", described(node));
        report.error(Code::E5009, node.span, message, "write a number and one unit: `30s`, `5m`, `1.5h`, `2d`");
        return None;
    };
    if ticks < min_ticks {
        let objection = if min_ticks > 0 { "must be longer than nothing" } else { "cannot be negative" };
        report.error(Code::E5010, node.span, format!("{what} {objection}"), "write a length of time such as `30s`");
        return None;
    }
    Some(Spanned { value: ticks, span: node.span })
}

/// Returns a date and time in ticks.
pub(crate) fn moment(node: &Node, what: &str, report: &mut Report) -> Option<Spanned<i64>> {
    let ticks = match &node.kind {
        Kind::Scalar(scalar) => time::parse_datetime(scalar.text.as_bytes()),
        _ => None,
    };
    if ticks.is_none() {
        let message = format!("{what} is a date and time, not {}", described(node));
        report.error(Code::E5009, node.span, message, "write it as `2027-03-31T00:00:00Z`");
    }
    ticks.map(|value| Spanned { value, span: node.span })
}

/// Returns a count of bytes, at least 1.
pub(crate) fn size(node: &Node, what: &str, report: &mut Report) -> Option<u64> {
    let bytes = match &node.kind {
        Kind::Scalar(scalar) => size_of_text(scalar.text.trim()),
        _ => None,
    };
    match bytes {
        Some(bytes) if bytes > 0 => Some(bytes),
        Some(_) => {
            report.error(
                Code::E5010,
                node.span,
                format!("{what} must be 1 byte or more"),
                "write a size such as `1MiB`",
            );
            None
        }
        None => {
            let message = format!("{what} is a size, not {}", described(node));
            report.error(
                Code::E5009,
                node.span,
                message,
                "write bytes or a number with a unit: `64KiB`, `1MiB`, `2GB`",
            );
            None
        }
    }
}

fn size_of_text(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Returns a rate.
pub(crate) fn rate(node: &Node, what: &str, report: &mut Report) -> Option<Rate> {
    let rate = match &node.kind {
        Kind::Scalar(scalar) => rate_of_text(&scalar.text),
        _ => None,
    };
    if rate.is_none() {
        let message = format!("{what} is a count for a length of time, not {}", described(node));
        report.error(Code::E5009, node.span, message, "write it as `500/s`, `30/m` or `1/5m`");
    }
    rate
}

fn rate_of_text(text: &str) -> Option<Rate> {
    let (count, period) = text.split_once('/')?;
    let count = count.trim().parse::<u64>().ok().filter(|count| *count > 0)?;
    let period = period.trim();
    let is_unit = period.starts_with(|first: char| first.is_ascii_alphabetic());
    let has_unit = period.contains(|one: char| one.is_ascii_alphabetic());
    let written = if is_unit { format!("1{period}") } else { period.to_owned() };
    let period_ticks = time::parse_timespan(written.as_bytes()).filter(|ticks| *ticks > 0 && has_unit)?;
    Some(Rate { count, period_ticks })
}

/// Returns the name of a rule or of another thing that only rule files name.
pub(crate) fn name(node: &Node, what: &str, report: &mut Report) -> Option<Spanned<String>> {
    let (_, name) = text(node, what, report)?;
    checked_name(name.value, name.span, what, report)
}

/// Returns the name when it is one.
pub(crate) fn checked_name(name: String, span: Span, what: &str, report: &mut Report) -> Option<Spanned<String>> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = name.bytes().all(is_inner) && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if is_name && name.len() <= NAME_SIZE_MAX {
        return Some(Spanned { value: name, span });
    }
    let message = format!("{what} cannot be `{}`", shortened(&name));
    let label = format!("write letters, digits, `-`, `_` and `.`, at most {NAME_SIZE_MAX}, a letter or digit first");
    report.error(Code::E5009, span, message, label);
    None
}

/// Returns the name of a table or column.
pub(crate) fn identifier(node: &Node, what: &str, report: &mut Report) -> Option<Spanned<String>> {
    let (_, name) = text(node, what, report)?;
    checked_identifier(name.value, name.span, what, report)
}

/// Returns the name when KQL takes it without brackets.
pub(crate) fn checked_identifier(name: String, span: Span, what: &str, report: &mut Report) -> Option<Spanned<String>> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = name.bytes().all(is_inner) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if is_name && name.len() <= NAME_SIZE_MAX {
        return Some(Spanned { value: name, span });
    }
    let message = format!("{what} cannot be `{}`", shortened(&name));
    report.error(Code::E5009, span, message, "write letters, digits and `_`, as KQL takes a name without brackets");
    None
}
