//! Values of the configuration to what they mean: the environment put in, sizes, durations, words.
//!
//! Collects what is wrong with its place and goes on, so that one look shows everything. Next: `mod.rs`.

use super::raw::Text;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Says what is wrong, or looks wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; 0 where it is about the file as a whole.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong and what helps.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "{line}:{}: {}", self.column, self.message),
        }
    }
}

/// Reads values and collects faults.
pub struct Values<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    /// What is wrong.
    pub errors: Vec<Fault>,
    /// What looks wrong.
    pub warnings: Vec<Fault>,
}

impl<'e> Values<'e> {
    /// Returns a reader with an environment, and with what was found wrong already.
    pub fn new(environment: &'e dyn Fn(&str) -> Option<String>, errors: Vec<Fault>) -> Self {
        Self { environment, errors, warnings: Vec::new() }
    }

    /// Notes an error at a value.
    pub fn error(&mut self, at: &Text, message: impl Into<String>) {
        if at.line == 0 {
            // It does not stand there at all, which was said.
            return;
        }
        self.errors.push(fault(at, message.into()));
    }

    /// Notes a warning at a value.
    pub fn warn(&mut self, at: &Text, message: impl Into<String>) {
        self.warnings.push(fault(at, message.into()));
    }

    /// Returns a text with the environment put in: `${NAME}`, `${NAME:-default}`, `$$` for a dollar.
    pub fn text(&mut self, text: &Text) -> String {
        match substitute(&text.value, self.environment) {
            Ok(text) => text,
            Err(message) => {
                self.error(text, message);
                String::new()
            }
        }
    }

    /// Returns a value that is parsed by its type.
    pub fn parse<T: FromStr>(&mut self, text: &Text, what: &str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let value = self.substituted(text)?;
        value.trim().parse().map_err(|error| self.error(text, format!("`{value}` is not {what}: {error}"))).ok()
    }

    /// Returns one of some words, or `default` when nothing is said.
    pub fn word<T: Copy>(&mut self, text: Option<&Text>, words: &[(&str, T)], default: T) -> T {
        let Some(text) = text else { return default };
        let Some(value) = self.substituted(text) else { return default };
        let found = words.iter().find(|(word, _)| *word == value);
        found.map_or_else(
            || {
                let list: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                self.error(text, format!("`{value}` is not one of {}", list.join(", ")));
                default
            },
            |(_, meaning)| *meaning,
        )
    }

    /// Returns a size in bytes, at least 1, or `default` when nothing is said.
    pub fn size(&mut self, text: Option<&Text>, default: usize) -> usize {
        self.read(text, default, "a size such as 64KiB, 16MiB or 1GiB", parse_size)
    }

    /// Returns a duration, more than nothing, or `default` when nothing is said.
    pub fn duration(&mut self, text: Option<&Text>, default: Duration) -> Duration {
        self.read(text, default, "a duration such as 500ms, 10s, 5m or 1h", parse_duration)
    }

    /// Returns a count, at least 1, or `default` when nothing is said.
    pub fn count(&mut self, text: Option<&Text>, default: usize) -> usize {
        let parse = |value: &str| value.parse().ok().filter(|count| (1..=1_000_000).contains(count));
        self.read(text, default, "a count from 1 to 1000000", parse)
    }

    fn read<T>(&mut self, text: Option<&Text>, default: T, what: &str, parse: fn(&str) -> Option<T>) -> T {
        let Some(text) = text else { return default };
        let Some(value) = self.substituted(text) else { return default };
        parse(value.trim()).unwrap_or_else(|| {
            self.error(text, format!("`{value}` is not {what}"));
            default
        })
    }

    fn substituted(&mut self, text: &Text) -> Option<String> {
        let before = self.errors.len();
        let value = self.text(text);
        (self.errors.len() == before).then_some(value)
    }
}

fn fault(at: &Text, message: String) -> Fault {
    Fault { line: at.line, column: at.column, message }
}

/// Returns a text with the environment put in; what was put in is not looked at again.
fn substitute(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('{') {
            let end = behind.find('}').ok_or("`${` has no `}`; a dollar alone is written `$$`")?;
            out.push_str(&variable(&behind[..end], environment)?);
            rest = &behind[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Returns what stands for `NAME` or `NAME:-default`. As in a shell, a default stands for an empty variable, too.
fn variable(inside: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    if !is_name {
        return Err(format!("`{name}` is no name of a variable; write `${{NAME}}` or `${{NAME:-default}}`, or `$${{`"));
    }
    match (environment(name), default) {
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(empty), None) => Ok(empty),
        (None, None) => Err(format!("the environment has no `{name}`; set it, or write a default: `${{{name}:-...}}`")),
    }
}

fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text);
    let factor: usize = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor).filter(|size| *size > 0)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    // A year is more than anyone waits, and far from what clocks can add.
    let ms = number.parse::<u64>().ok()?.checked_mul(factor)?;
    (1..=31_536_000_000).contains(&ms).then(|| Duration::from_millis(ms))
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}
