//! What is built once from arguments: regular expressions, from constants at compile time or from values as they come.
//!
//! The dialect is that of the Rust `regex` crate, which Kusto documents; it runs in time linear in the text, and a
//! pattern whose program would pass `regex_bytes_max` is refused.

use crate::Value;
use crate::scalar::{Call, Fault};
use crate::search::{Needles, WordSet};
use dtq_source::{Code, Limits};
use hashbrown::HashSet;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::VecDeque;

/// Holds something costly built once from constant arguments; lives in the constant pool of a program.
#[derive(Clone, Debug)]
pub enum Pooled {
    /// A compiled regular expression.
    Regex(Regex),
    /// The strings of `in`.
    Words(WordSet),
    /// The integers of `in`.
    Longs(HashSet<i64>),
    /// The terms of `has_any` and `has_all`.
    Needles(Needles),
    /// The ranges of `ipv4_is_in_any_range`.
    Ranges(crate::scalar::network::Ranges),
    /// The pattern of `trim`, anchored at either end.
    Trim {
        /// Matches at the start.
        start: Regex,
        /// Matches at the end.
        end: Regex,
    },
}

/// Returns the text that every match of a regular expression begins with, `""` where there is none.
///
/// Where it is not found, nothing matches, and that is known for less than asking the regular expression.
pub fn literal_prefix(regex: &Regex) -> Box<[u8]> {
    // As the engine parses it: `regex::bytes` with its defaults.
    let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(regex.as_str());
    let prefixes = hir.map(|hir| regex_syntax::hir::literal::Extractor::new().extract(&hir));
    prefixes.ok().and_then(|prefixes| prefixes.longest_common_prefix().map(Box::from)).unwrap_or_default()
}

/// Holds the regular expressions compiled most recently for patterns that were not constants.
///
/// At most `regex_cache_max`, and one; the oldest leaves first.
#[derive(Clone, Debug, Default)]
pub struct RegexCache {
    entries: VecDeque<(Box<[u8]>, Regex)>,
}

impl RegexCache {
    /// Returns the compiled pattern, compiling it when it is new.
    ///
    /// # Errors
    /// [`Code::E3004`] when it does not compile.
    pub fn get(&mut self, pattern: &[u8], limits: &Limits) -> Result<&Regex, Fault> {
        let found = self.entries.iter().position(|(known, _)| **known == *pattern);
        let index = match found {
            Some(index) => index,
            None => {
                let regex = compile(pattern, limits).map_err(|message| Fault::new(Code::E3004, message))?;
                if self.entries.len() >= limits.regex_cache_max.max(1) {
                    self.entries.pop_front();
                }
                self.entries.push_back((pattern.into(), regex));
                self.entries.len() - 1
            }
        };
        Ok(&self.entries[index].1)
    }
}

/// Compiles a pattern, or says in one sentence why it can't.
pub fn compile(pattern: &[u8], limits: &Limits) -> Result<Regex, String> {
    let text = std::str::from_utf8(pattern).map_err(|_| "the regular expression is not UTF-8".to_owned())?;
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(limits.regex_bytes_max).dfa_size_limit(limits.regex_bytes_max);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(size) => {
            format!("the compiled regular expression would have more than {size} bytes")
        }
        // The last line of the message is the reason; those before draw the pattern.
        other => {
            let message = other.to_string();
            let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the regular expression does not compile: {reason}")
        }
    })
}

/// Builds the regular expression of a constant argument at `INDEX`.
///
/// # Errors
/// [`Code::E2011`] when it does not compile.
pub fn prepare_regex<const INDEX: usize>(args: &[Option<&Value>], limits: &Limits) -> Result<Option<Pooled>, Fault> {
    let Some(Some(Value::String(pattern))) = args.get(INDEX) else { return Ok(None) };
    let regex = compile(pattern.as_bytes(), limits).map_err(|message| Fault::new(Code::E2011, message))?;
    Ok(Some(Pooled::Regex(regex)))
}

impl Call<'_> {
    /// Returns the regular expression of the call: the pooled one, or the one compiled from the argument at `index`.
    ///
    /// # Errors
    /// [`Code::E3004`] when it does not compile.
    ///
    /// # Cost
    /// A search needs scratch space that belongs to the expression: it is lent, never cloned, to keep that warm.
    pub fn regex(&mut self, index: usize) -> Result<&Regex, Fault> {
        match self.pooled {
            Some(Pooled::Regex(regex)) => Ok(regex),
            _ => self.ctx.regexes.get(self.bytes(index), &self.ctx.limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_is_bounded_and_faults_are_run_time_codes() {
        let limits = Limits { regex_cache_max: 2, ..Limits::default() };
        let mut cache = RegexCache::default();
        for pattern in ["a", "b", "c", "a"] {
            assert!(cache.get(pattern.as_bytes(), &limits).is_ok());
            assert!(cache.entries.len() <= 2);
        }
        assert_eq!(cache.get(b"(", &limits).map_err(|fault| fault.code).err(), Some(Code::E3004));
    }

    #[test]
    fn a_pattern_that_explodes_is_refused() {
        let limits = Limits { regex_bytes_max: 1 << 16, ..Limits::default() };
        let message = compile(br"(\pL{1,100}){1,100}", &limits).err();
        assert!(message.is_some_and(|message| message.contains("65536")));
    }
}
