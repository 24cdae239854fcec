//! Strings: joining, cutting, finding and replacing text.
//!
//! Positions and lengths count Unicode characters (a byte that is not UTF-8 counts as one), except where a function
//! says bytes. Next: [`crate::scalar::regex`] for patterns.

use crate::scalar::args::as_long;
use crate::scalar::bounded::{self, Text};
use crate::scalar::{Call, Fault, format};
use crate::{Str, Value};
use bstr::ByteSlice;
use memchr::memmem;

/// `strcat(a, b, ...)`: the texts one after the other.
pub fn strcat(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    (0..call.args.len()).try_for_each(|index| out.push(call.bytes(index)))?;
    Ok(out.into_value())
}

/// `strcat_delim(delimiter, a, b, ...)`: the texts with the delimiter between them.
pub fn strcat_delim(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    for index in 1..call.args.len() {
        if index > 1 {
            out.push(call.bytes(0))?;
        }
        out.push(call.bytes(index))?;
    }
    Ok(out.into_value())
}

/// `strcat_array(array, delimiter)`: the texts of the elements with the delimiter between them.
pub fn strcat_array(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    for (index, item) in call.array(0).unwrap_or_default().iter().enumerate() {
        if index > 0 {
            out.push(call.bytes(1))?;
        }
        out.push(&format::dynamic_text(item))?;
    }
    Ok(out.into_value())
}

/// The most times that `strrep` repeats.
///
/// # Source
/// Kusto documentation, `strrep()`: "maximal allowed value of 1024".
const REPEAT_MAX: i64 = 1024;

/// `strrep(text, count, delimiter)`: the text so many times, at most 1024, with the delimiter between.
pub fn strrep(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    for index in 0..call.long(1).unwrap_or(0).min(REPEAT_MAX) {
        if index > 0 {
            out.push(call.bytes(2))?;
        }
        out.push(call.bytes(0))?;
    }
    Ok(out.into_value())
}

/// `strlen(text)`: the count of characters.
pub fn strlen(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = format::dynamic_text(call.arg(0));
    Ok(Value::Long(character_count(&text) as i64))
}

/// `string_size(text)`: the size in bytes.
pub fn string_size(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Long(format::dynamic_text(call.arg(0)).len() as i64))
}

/// `substring(text, start, length)`: from a character on, counted from the end when negative; null when a position is.
///
/// # Source
/// Kusto documentation, `substring()`; null positions: conformance `trap/854`, `trap/855`.
pub fn substring(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let Some(start) = call.long(1) else { return Ok(Value::Null) };
    let length = match call.args.get(2) {
        None => i64::MAX,
        Some(length) => match as_long(length) {
            None => return Ok(Value::Null),
            Some(length) => length.max(0),
        },
    };
    let count = character_count(text) as i64;
    let from = if start < 0 { count.saturating_add(start).max(0) } else { start.min(count) };
    let to = from.saturating_add(length).min(count);
    let part = &text[byte_offset(text, from as usize)..byte_offset(text, to as usize)];
    Ok(if part.len() == text.len() { call.arg(0).clone() } else { Value::string(part) })
}

/// `tolower(text)`: in lower case, by Unicode's simple and special mappings.
pub fn tolower(call: &mut Call<'_>) -> Result<Value, Fault> {
    mapped(call, |text| text.to_lowercase())
}

/// `toupper(text)`: in upper case.
pub fn toupper(call: &mut Call<'_>) -> Result<Value, Fault> {
    mapped(call, |text| text.to_uppercase())
}

fn mapped(call: &Call<'_>, map: fn(&[u8]) -> Vec<u8>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    out.push(&map(call.bytes(0)))?;
    Ok(out.into_value())
}

/// `reverse(text)`: the characters in reverse order.
pub fn reverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let mut out = Vec::with_capacity(text.len());
    let mut end = text.len();
    for (start, _, _) in text.char_indices().rev() {
        out.extend_from_slice(&text[start..end]);
        end = start;
    }
    Ok(Value::string(out))
}

/// `split(text, delimiter, index)`: the parts between delimiters, or an array of the one at an index.
///
/// # Source
/// Kusto documentation, `split()`. An empty delimiter splits nothing and an index past the end gives `[]`: our choices.
pub fn split(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (text, delimiter) = (call.bytes(0), call.bytes(1));
    if call.args.len() > 2 {
        let index = call.long(2).and_then(|index| usize::try_from(index).ok());
        let part = index.and_then(|index| parts(text, delimiter).nth(index));
        return Ok(Value::array(part.map(Value::string).into_iter().collect()));
    }
    let count_max = bounded::count_max(&call.ctx.limits);
    let items: Vec<Value> = parts(text, delimiter).take(count_max + 1).map(Value::string).collect();
    bounded::array(items, &call.ctx.limits)
}

fn parts<'a>(text: &'a [u8], delimiter: &'a [u8]) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    if delimiter.is_empty() { Box::new(std::iter::once(text)) } else { Box::new(text.split_str(delimiter)) }
}

/// `indexof(text, match, start, length, occurrence)`: the position of a text, -1 when it is not there.
///
/// # Source
/// Kusto documentation, `indexof()`; conformance `emu/indexof-function-00`, where `length` bounds where an occurrence
/// starts, not where it ends. Occurrences may overlap, as for `countof`: our choice.
pub fn indexof(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (text, needle) = (call.bytes(0), call.bytes(1));
    let Some(range) = SearchRange::of(call, text) else { return Ok(Value::Null) };
    let (mut start, mut remaining) = (range.start, range.occurrence);
    while start <= text.len() {
        let Some(found) = memmem::find(&text[start..], needle).map(|found| start + found) else { break };
        if !range.holds(text, found) {
            break;
        }
        remaining -= 1;
        if remaining == 0 {
            return Ok(Value::Long(character_count(&text[..found]) as i64));
        }
        start = next_character(text, found);
    }
    Ok(Value::Long(-1))
}

/// Holds where `indexof` and `indexof_regex` look, in bytes.
pub(super) struct SearchRange {
    /// Where the first search starts.
    pub(super) start: usize,
    /// Which occurrence is wanted, from 1.
    pub(super) occurrence: i64,
    length: Option<usize>,
}

impl SearchRange {
    /// Reads arguments 2, 3 and 4; `None` when one is out of its range.
    pub(super) fn of(call: &Call<'_>, text: &[u8]) -> Option<Self> {
        let optional = |index: usize, default: i64| {
            if call.args.len() > index { call.long(index) } else { Some(default) }
        };
        let (start, length, occurrence) = (optional(2, 0)?, optional(3, -1)?, optional(4, 1)?);
        if length < -1 || occurrence < 1 {
            return None;
        }
        let count = character_count(text) as i64;
        let start = if start < 0 { count.saturating_add(start).max(0) } else { start.min(count) };
        let length = usize::try_from(length).ok();
        Some(Self { start: byte_offset(text, start as usize), occurrence, length })
    }

    /// Says whether an occurrence may start at a byte offset.
    pub(super) fn holds(&self, text: &[u8], found: usize) -> bool {
        self.length.is_none_or(|length| found < self.start + byte_offset(&text[self.start..], length))
    }
}

/// `countof(text, search)`: how often a text occurs; occurrences may overlap.
///
/// # Cost
/// Linear in both (Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977), however they overlap.
pub fn count_overlapping(text: &[u8], needle: &[u8]) -> i64 {
    if needle.is_empty() || needle.len() > text.len() {
        return 0;
    }
    let mut borders = vec![0usize; needle.len()];
    let mut matched = 0;
    for index in 1..needle.len() {
        while matched > 0 && needle[index] != needle[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(needle[index] == needle[matched]);
        borders[index] = matched;
    }
    let (mut matched, mut count) = (0, 0);
    for byte in text {
        while matched > 0 && *byte != needle[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(*byte == needle[matched]);
        if matched == needle.len() {
            count += 1;
            matched = borders[matched - 1];
        }
    }
    count
}

/// `replace_string(text, lookup, rewrite)`: every occurrence of a text replaced; an empty one is never found.
pub fn replace_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (text, lookup, rewrite) = (call.bytes(0), call.bytes(1), call.bytes(2));
    if lookup.is_empty() {
        return Ok(call.arg(0).clone());
    }
    let mut out = Text::new(&call.ctx.limits);
    let mut copied = 0;
    for found in memmem::find_iter(text, lookup) {
        out.push(&text[copied..found])?;
        out.push(rewrite)?;
        copied = found + lookup.len();
    }
    if copied == 0 {
        return Ok(call.arg(0).clone());
    }
    out.push(&text[copied..])?;
    Ok(out.into_value())
}

/// `replace_strings(text, lookups, rewrites)`: every occurrence of several texts replaced; earlier ones take precedence.
///
/// # Source
/// Kusto documentation, `replace_strings()`: "the earlier match takes the precedence", and its examples. A lookup whose
/// rewrite is not a string still takes its matches, which stay as they are (conformance `emu/replace-strings-function-03`).
pub fn replace_strings(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let (Some(lookups), Some(rewrites)) = (call.array(1), call.array(2)) else { return Ok(call.arg(0).clone()) };
    // Each piece is text still to be searched (`None`), or was matched and becomes what it holds.
    let mut pieces: Vec<(&[u8], Option<&[u8]>)> = vec![(text, None)];
    for (lookup, rewrite) in lookups.iter().zip(rewrites) {
        let Value::String(lookup) = lookup else { continue };
        if lookup.is_empty() || memmem::find(text, lookup.as_bytes()).is_none() {
            continue;
        }
        pieces = pieces.iter().flat_map(|piece| cut_piece(*piece, lookup, rewrite)).collect();
    }
    let mut out = Text::new(&call.ctx.limits);
    pieces.iter().try_for_each(|(piece, rewrite)| out.push(rewrite.unwrap_or(piece)))?;
    Ok(out.into_value())
}

fn cut_piece<'a>(
    (text, rewritten): (&'a [u8], Option<&'a [u8]>),
    lookup: &Str,
    rewrite: &'a Value,
) -> Vec<(&'a [u8], Option<&'a [u8]>)> {
    if rewritten.is_some() {
        return vec![(text, rewritten)];
    }
    let mut pieces = Vec::new();
    let mut copied = 0;
    for found in memmem::find_iter(text, lookup.as_bytes()) {
        let end = found + lookup.size();
        let matched = &text[found..end];
        let replacement = if let Value::String(rewrite) = rewrite { rewrite.as_bytes() } else { matched };
        pieces.push((&text[copied..found], None));
        pieces.push((matched, Some(replacement)));
        copied = end;
    }
    pieces.push((&text[copied..], None));
    pieces
}

/// `translate(search, replacements, text)`: characters replaced one by one; the last replacement stands for missing ones.
///
/// # Source
/// Kusto documentation, `translate()`: its three examples.
pub fn translate(call: &mut Call<'_>) -> Result<Value, Fault> {
    let search: Vec<char> = call.bytes(0).chars().collect();
    let replacements: Vec<char> = call.bytes(1).chars().collect();
    let text = call.bytes(2);
    let mut map = hashbrown::HashMap::new();
    for (index, character) in search.iter().enumerate() {
        let replacement = replacements.get(index).or(replacements.last()).copied();
        map.entry(*character).or_insert(replacement);
    }
    let mut out = Text::new(&call.ctx.limits);
    for (start, end, character) in text.char_indices() {
        match map.get(&character) {
            None => out.push(&text[start..end])?,
            Some(Some(replacement)) => out.push_char(*replacement)?,
            Some(None) => {}
        }
    }
    Ok(out.into_value())
}

/// `strcmp(a, b)`: -1, 0 or 1 as a text stands before, at or after another, byte by byte.
pub fn strcmp(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Long(call.bytes(0).cmp(call.bytes(1)) as i64))
}

/// `isascii(text)`: whether all bytes are ASCII.
pub fn isascii(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.bytes(0).is_ascii()))
}

/// `isutf8(text)`: whether the bytes are UTF-8.
pub fn isutf8(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.bytes(0).to_str().is_ok()))
}

/// `unicode_codepoints_from_string(text)`: an array of the numbers of the characters.
pub fn codepoints_from_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    let count_max = bounded::count_max(&call.ctx.limits);
    let numbers =
        call.bytes(0).chars().take(count_max + 1).map(|character| Value::Long(i64::from(u32::from(character))));
    bounded::array(numbers.collect(), &call.ctx.limits)
}

/// `unicode_codepoints_to_string(numbers or arrays, ...)`: the characters with these numbers; `""` when one has none.
pub fn codepoints_to_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut out = Text::new(&call.ctx.limits);
    for arg in call.args {
        let numbers = if let Value::Array(items) = arg { items.as_slice() } else { std::slice::from_ref(arg) };
        for number in numbers {
            let character = as_long(number).and_then(|number| u32::try_from(number).ok()).and_then(char::from_u32);
            let Some(character) = character else { return Ok(Value::string("")) };
            out.push_char(character)?;
        }
    }
    Ok(out.into_value())
}

/// The most digits that `tohex` fills up to.
///
/// # Source
/// Kusto documentation, `tohex()`: "Values greater than 16 are truncated to 16".
const HEX_DIGITS_MAX: i64 = 16;

/// `tohex(number, length)`: in hexadecimal, two's complement, with leading zeros up to a length.
pub fn tohex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let width = call.long(1).unwrap_or(1).clamp(1, HEX_DIGITS_MAX) as usize;
    Ok(match call.arg(0) {
        Value::Int(number) => Value::string(format!("{number:0width$x}")),
        Value::Long(number) => Value::string(format!("{number:0width$x}")),
        _ => Value::string(""),
    })
}

/// Returns how many characters a text has.
pub(super) fn character_count(text: &[u8]) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Returns where the character at a position starts, or the end of the text.
pub(super) fn byte_offset(text: &[u8], position: usize) -> usize {
    if position >= text.len() {
        return text.len();
    }
    if text.is_ascii() { position } else { text.char_indices().nth(position).map_or(text.len(), |(start, _, _)| start) }
}

/// Returns where the character after the one at an offset starts; past the end when there is none.
pub(super) fn next_character(text: &[u8], offset: usize) -> usize {
    text[offset.min(text.len())..].char_indices().next().map_or(text.len() + 1, |(_, end, _)| offset + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Context;
    use crate::scalar::regex::countof;
    use dtq_source::{Code, Limits};

    fn eval(function: fn(&mut Call<'_>) -> Result<Value, Fault>, args: &[Value]) -> Value {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::string(text)
    }

    fn texts(items: &[&str]) -> Value {
        Value::array(items.iter().map(|item| text(item)).collect())
    }

    // Conformance `trap/836` to `trap/857`, and the documentation's examples.
    #[test]
    fn substring_counts_characters_from_either_end() {
        let cases: &[(&str, i64, Option<i64>, &str)] = &[
            ("abcdefg", 0, Some(3), "abc"),
            ("abcdefg", 5, Some(10), "fg"),
            ("abcdefg", 10, Some(3), ""),
            ("abcdefg", 1, Some(0), ""),
            ("abc", 3, Some(1), ""),
            ("abcdefg", -3, None, "efg"),
            ("h\u{e9}llo", 1, Some(3), "\u{e9}ll"),
            ("123456", -2, Some(2), "56"),
        ];
        for (source, start, length, expected) in cases {
            let mut args = vec![text(source), Value::Long(*start)];
            args.extend(length.map(Value::Long));
            assert_eq!(eval(substring, &args), text(expected), "{source} {start} {length:?}");
        }
        assert_eq!(eval(substring, &[text("abc"), Value::Null]), Value::Null);
        assert_eq!(eval(substring, &[text("abc"), Value::Long(1), Value::Null]), Value::Null);
    }

    // Conformance `emu/indexof-function-00`, which differs from the documentation's table in the third.
    #[test]
    fn indexof_as_documented() {
        let cases: &[(&str, &[i64], i64)] = &[
            ("abcdefg", &[], 2),
            ("abcdefg", &[1, 4], 2),
            ("abcdefg", &[1, 2], 2),
            ("abcdefg", &[1, 1], -1),
            ("abcdefg", &[3, 4], -1),
            ("abcdefg", &[-5], 2),
            ("abcdefg", &[2, -1], 2),
            ("abcdefgabcdefg", &[1, 10, 2], 9),
            ("abcdefgabcdefg", &[1, -1, 3], -1),
        ];
        for (source, numbers, expected) in cases {
            let mut args = vec![text(source), text("cde")];
            args.extend(numbers.iter().map(|number| Value::Long(*number)));
            assert_eq!(eval(indexof, &args), Value::Long(*expected), "{source} {numbers:?}");
        }
        assert_eq!(eval(indexof, &[text("12345"), text("5"), Value::Long(1), Value::Long(4)]), Value::Long(4));
    }

    // Conformance `trap/126` to `trap/138`; the documentation's table.
    #[test]
    fn countof_overlaps_unless_regex() {
        let cases =
            [("aaaa", "aa", 3), ("aaa", "aa", 2), ("abc", "abc", 1), ("", "a", 0), ("ab", "abc", 0), ("abc", "", 0)];
        for (source, search, expected) in cases {
            assert_eq!(eval(countof, &[text(source), text(search)]), Value::Long(expected), "{source} {search}");
        }
        assert_eq!(eval(countof, &[text("aaaa"), text("aa"), text("regex")]), Value::Long(2));
        assert_eq!(eval(countof, &[text("ababa"), text("aba"), text("regex")]), Value::Long(1));
        assert_eq!(eval(countof, &[text("abcabc"), text("a.c"), text("regex")]), Value::Long(2));
    }

    // The documentation's examples of `split()`, `replace_strings()`, `translate()`, `strrep()` and `strcmp()`.
    #[test]
    fn documented_examples() {
        assert_eq!(eval(split, &[text("aa_bb"), text("_")]), texts(&["aa", "bb"]));
        assert_eq!(eval(split, &[text("aaa_bbb_ccc"), text("_"), Value::Long(1)]), texts(&["bbb"]));
        assert_eq!(eval(split, &[text(""), text("_")]), texts(&[""]));
        assert_eq!(eval(split, &[text("a__b"), text("_")]), texts(&["a", "", "b"]));
        let source = text("This is an example of using replace_strings()");
        let replaced =
            |lookups: &[&str], rewrites: Value| eval(replace_strings, &[source.clone(), texts(lookups), rewrites]);
        let was = text("This was an example of using replace_strings()");
        assert_eq!(replaced(&["This", "is"], texts(&["This", "was"])), was);
        assert_eq!(
            replaced(&["is", "This"], texts(&["was", "This"])),
            text("Thwas was an example of using replace_strings()")
        );
        assert_eq!(replaced(&["This", "is"], Value::array(vec![Value::Long(12345), text("was")])), was);
        assert_eq!(eval(translate, &[text("abc"), text("x"), text("abc")]), text("xxx"));
        assert_eq!(eval(translate, &[text("abc"), text(""), text("ab")]), text(""));
        assert_eq!(eval(translate, &[text("krasp"), text("otsku"), text("spark")]), text("kusto"));
        assert_eq!(eval(strrep, &[text("123"), Value::Long(3), text(".")]), text("123.123.123"));
        assert_eq!(eval(strcmp, &[text("ABC"), text("abc")]), Value::Long(-1));
        assert_eq!(eval(reverse, &[text("2020-01-02T03:04:05.6000000Z")]), text("Z0000006.50:40:30T20-10-0202"));
        assert_eq!(eval(string_size, &[text("\u{24a6}\u{24b0}\u{24ae}\u{24af}\u{24aa}")]), Value::Long(15));
    }

    // The documentation's examples of `tohex()`.
    #[test]
    fn tohex_keeps_the_width_of_the_type() {
        assert_eq!(eval(tohex, &[Value::Long(-256)]), text("ffffffffffffff00"));
        assert_eq!(eval(tohex, &[Value::Int(-256), Value::Long(8)]), text("ffffff00"));
        assert_eq!(eval(tohex, &[Value::Long(256), Value::Long(8)]), text("00000100"));
        assert_eq!(eval(tohex, &[Value::Long(256), Value::Long(2)]), text("100"));
    }

    #[test]
    fn growth_is_bounded() {
        let mut ctx = Context::new(Limits { value_bytes_max: 1000, ..Limits::default() }, 0, 0);
        let long = text(&"a".repeat(900));
        let cases: [(crate::scalar::Eval, Vec<Value>); 4] = [
            (strcat, vec![long.clone(), long.clone()]),
            (replace_string, vec![long.clone(), text("a"), text("bbbb")]),
            (split, vec![long.clone(), text("a")]),
            (codepoints_from_string, vec![long.clone()]),
        ];
        for (function, args) in cases {
            let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx });
            assert_eq!(result.map_err(|fault| fault.code), Err(Code::E3003));
        }
    }
}
