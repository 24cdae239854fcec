//! `parse-kv`: columns taken from a text of keys and values.
//!
//! The text is read once from left to right into pairs; the first pair of a wanted key gives its value.

use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use dtq_ir::rel::ParseKv;
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::scalar::convert::convert;
use dtq_value::scalar::pool::compile;
use dtq_value::{Str, Type, Value};
use regex::bytes::Regex;

/// Parses the pairs in a text of each row.
pub(crate) struct ParsePairs<'a> {
    input: BoxedOperator<'a>,
    parse: &'a ParseKv,
    types: Vec<Type>,
    regex: Option<Regex>,
}

impl<'a> ParsePairs<'a> {
    /// Returns the operator.
    ///
    /// # Errors
    /// [`Code::E2011`] when the regular expression does not compile or has not two groups.
    pub(crate) fn new(
        env: &Env<'a>,
        input: BoxedOperator<'a>,
        parse: &'a ParseKv,
        types: Vec<Type>,
    ) -> Result<Self, Fault> {
        let regex = parse.regex.as_ref().map(|pattern| compile(pattern.as_bytes(), &env.ctx.scalar.limits)).transpose();
        let regex = regex.map_err(|message| Fault::new(Code::E2011, message))?;
        if regex.as_ref().is_some_and(|regex| regex.captures_len() != 3) {
            let message = "the regular expression of `parse-kv` needs exactly two groups: the key and the value";
            return Err(Fault::new(Code::E2011, message));
        }
        Ok(Self { input, parse, types, regex })
    }

    fn parse(&self, env: &mut Env<'a>, mut row: Row) -> Result<Row, Fault> {
        let value = env.eval(self.parse.value, &row)?;
        row.extend(self.types[row.len().min(self.types.len())..].iter().map(|ty| Value::missing(*ty)));
        let mut found: Vec<Option<Str>> = vec![None; self.parse.keys.len()];
        if let Value::String(text) = &value {
            let mut take = |key: &[u8], value: Str| {
                let wanted = self.parse.keys.iter().position(|(name, _, _)| name.as_bytes() == key);
                if let Some(index) = wanted {
                    found[index].get_or_insert(value);
                }
            };
            match &self.regex {
                Some(regex) => read_regex(regex, text.as_bytes(), &mut take),
                None => Pairs::new(self.parse, text.as_bytes()).read(&mut take),
            }
        }
        let depth_max = env.ctx.scalar.limits.value_nesting_max;
        for ((_, column, ty), value) in self.parse.keys.iter().zip(found) {
            let value = value.map(|value| convert(&Value::String(value), Type::String, *ty, depth_max));
            row[*column as usize] = value.unwrap_or_else(|| Value::missing(*ty));
        }
        Ok(row)
    }
}

impl<'a> Operator<'a> for ParsePairs<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        batch.into_iter().map(|row| self.parse(env, row)).collect::<Result<_, _>>().map(Some)
    }
}

/// Gives each pair that a regular expression finds.
fn read_regex(regex: &Regex, text: &[u8], take: &mut impl FnMut(&[u8], Str)) {
    for captures in regex.captures_iter(text) {
        let group = |index: usize| captures.get(index).map_or(&b""[..], |group| group.as_bytes());
        take(group(1).trim_ascii(), Str::from(group(2).trim_ascii()));
    }
}

/// Reads pairs from left to right.
struct Pairs<'p, 't> {
    parse: &'p ParseKv,
    text: &'t [u8],
    at: usize,
}

impl<'p, 't> Pairs<'p, 't> {
    fn new(parse: &'p ParseKv, text: &'t [u8]) -> Self {
        Self { parse, text, at: 0 }
    }

    /// Says whether any character that is no letter, digit or part of a word separates; true when none were named.
    fn has_default_delimiters(&self) -> bool {
        self.parse.pair_delimiter.is_empty() && self.parse.kv_delimiter.is_empty()
    }

    fn read(mut self, take: &mut impl FnMut(&[u8], Str)) {
        if self.has_default_delimiters() {
            return self.read_words(take);
        }
        while self.at < self.text.len() {
            let before = self.at;
            self.read_pair(take);
            if self.at == before {
                self.at += 1;
            }
        }
    }

    /// Reads `key kv_delimiter value pair_delimiter`; a piece without a value is skipped.
    fn read_pair(&mut self, take: &mut impl FnMut(&[u8], Str)) {
        let (pair, kv) = (self.parse.pair_delimiter.as_bytes(), self.parse.kv_delimiter.as_bytes());
        self.skip_blanks(pair);
        let key = match self.read_quoted() {
            Some(key) => key,
            None => self.read_until(&[kv, pair]),
        };
        self.skip_blanks(kv);
        if !self.skip(kv) {
            let _ = self.read_until(&[pair]);
            self.skip(pair);
            return;
        }
        self.skip_blanks(pair);
        let value = match self.read_quoted() {
            Some(value) => value,
            None if self.parse.is_greedy => self.read_greedy(),
            None => self.read_until(&[pair]),
        };
        take(key.as_bytes(), value);
        let _ = self.read_until(&[pair]);
        self.skip(pair);
    }

    /// Skips blanks, unless they are what separates.
    fn skip_blanks(&mut self, delimiter: &[u8]) {
        while self.text[self.at..].first().is_some_and(u8::is_ascii_whitespace)
            && !self.text[self.at..].starts_with(delimiter)
        {
            self.at += 1;
        }
    }

    fn skip(&mut self, delimiter: &[u8]) -> bool {
        let is_here = !delimiter.is_empty() && self.text[self.at..].starts_with(delimiter);
        if is_here {
            self.at += delimiter.len();
        }
        is_here
    }

    /// Reads up to the first of some delimiters, or the end, without blanks around.
    fn read_until(&mut self, delimiters: &[&[u8]]) -> Str {
        let rest = &self.text[self.at..];
        let ends = delimiters.iter().filter(|delimiter| !delimiter.is_empty());
        let end = ends.filter_map(|delimiter| memchr::memmem::find(rest, delimiter)).min().unwrap_or(rest.len());
        self.at += end;
        Str::from(rest[..end].trim_ascii())
    }

    /// Reads up to the last pair delimiter before the next key, or the end.
    fn read_greedy(&mut self) -> Str {
        let (pair, kv) = (self.parse.pair_delimiter.as_bytes(), self.parse.kv_delimiter.as_bytes());
        let rest = &self.text[self.at..];
        let next_key = memchr::memmem::find(rest, kv).unwrap_or(rest.len());
        let end = if next_key == rest.len() {
            rest.len()
        } else {
            memchr::memmem::rfind(&rest[..next_key], pair).unwrap_or(next_key)
        };
        self.at += end;
        Str::from(rest[..end].trim_ascii())
    }

    /// Reads a quoted text if one begins here; one that is not closed ends with the text.
    fn read_quoted(&mut self) -> Option<Str> {
        let first = next_char(&self.text[self.at..])?;
        let (_, close) = self.parse.quotes.iter().find(|(open, _)| *open == first)?;
        let mut content = Vec::new();
        self.at += first.len_utf8();
        while let Some(character) = next_char(&self.text[self.at..]) {
            let size = char_size(&self.text[self.at..]);
            if Some(character) == self.parse.escape
                && let escaped = char_size(&self.text[self.at + size..])
                && escaped > 0
            {
                content.extend_from_slice(&self.text[self.at + size..self.at + size + escaped]);
                self.at += size + escaped;
                continue;
            }
            if character == *close {
                self.at += size;
                break;
            }
            content.extend_from_slice(&self.text[self.at..self.at + size]);
            self.at += size;
        }
        Some(Str::from(content))
    }

    /// Reads words; each is the value of the one before and the key of the one after.
    ///
    /// # Source
    /// Kusto documentation, "parse-kv operator": without delimiters "any nonalphanumeric character is considered a
    /// delimiter".
    fn read_words(mut self, take: &mut impl FnMut(&[u8], Str)) {
        let mut key: Option<Str> = None;
        while self.at < self.text.len() {
            let word = match self.read_quoted() {
                Some(word) => word,
                None => {
                    let rest = &self.text[self.at..];
                    let size = rest.iter().take_while(|byte| is_word(**byte)).count();
                    if size == 0 {
                        self.at += char_size(rest);
                        continue;
                    }
                    self.at += size;
                    Str::from(&rest[..size])
                }
            };
            let is_wanted = |text: &Str| self.parse.keys.iter().any(|(name, _, _)| name.as_bytes() == text.as_bytes());
            match key.take() {
                Some(key) => take(key.as_bytes(), word),
                None if is_wanted(&word) => key = Some(word),
                None => {}
            }
        }
    }
}

/// Says whether a byte belongs to a word; bytes of characters beyond ASCII do.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Returns the size in bytes of the first character; 1 for a byte that is not UTF-8, 0 at the end.
fn char_size(text: &[u8]) -> usize {
    let chunk = &text[..text.len().min(4)];
    match (1..=chunk.len()).find(|size| std::str::from_utf8(&chunk[..*size]).is_ok()) {
        Some(size) => size,
        None => chunk.len().min(1),
    }
}

/// Returns the first character, U+FFFD for a byte that is not UTF-8.
fn next_char(text: &[u8]) -> Option<char> {
    let size = char_size(text);
    let first = std::str::from_utf8(&text[..size]).ok().and_then(|text| text.chars().next());
    first.or((size > 0).then_some(char::REPLACEMENT_CHARACTER))
}
