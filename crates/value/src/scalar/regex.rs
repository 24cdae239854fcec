//! Regular expressions: extracting, replacing and trimming.
//!
//! Text is matched as bytes, so what is not UTF-8 is kept. Patterns: [`crate::scalar::pool`].

use crate::Value;
use crate::scalar::bounded::{self, Text};
use crate::scalar::pool::{Pooled, RegexCache, compile, prepare_regex};
use crate::scalar::string::{SearchRange, character_count, count_overlapping};
use crate::scalar::{Call, Fault};
use dtq_source::{Code, Limits};
use regex::bytes::{Captures, Regex};

/// The most groups that a pattern of `extract_all` may have.
///
/// # Source
/// Kusto documentation, `extract_all()`: "between one and 16 capture groups".
const GROUPS_MAX: usize = 16;

/// `extract(regex, group, text)`: what a group matched first, `""` when there is no match or no such group.
pub fn extract(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (group, text) = (call.long(1), call.bytes(2));
    let Some(group) = group.and_then(|group| usize::try_from(group).ok()) else { return Ok(Value::string("")) };
    let regex = call.regex(0)?;
    // Without groups no submatches need to be tracked, which is several times faster.
    let found = match group {
        0 => regex.find(text),
        _ => regex.captures(text).and_then(|captures| captures.get(group)),
    };
    Ok(Value::string(found.map_or(&b""[..], |found| found.as_bytes())))
}

/// Builds the pattern of `extract_all`, which must have between one and sixteen groups.
///
/// # Errors
/// [`Code::E2011`] when it does not compile, or has none or too many.
pub fn prepare_extract_all(args: &[Option<&Value>], limits: &Limits) -> Result<Option<Pooled>, Fault> {
    let pooled = prepare_regex::<0>(args, limits)?;
    if let Some(Pooled::Regex(regex)) = &pooled {
        check_groups(regex).map_err(|message| Fault::new(Code::E2011, message))?;
    }
    Ok(pooled)
}

fn check_groups(regex: &Regex) -> Result<(), String> {
    let count = regex.captures_len() - 1;
    if (1..=GROUPS_MAX).contains(&count) {
        return Ok(());
    }
    Err(format!("the regular expression has {count} capture groups; `extract_all` takes 1 to {GROUPS_MAX}"))
}

/// `extract_all(regex, groups, text)`: every match; of several groups each match is an array. Null when there is none.
///
/// # Source
/// Kusto documentation, `extract_all()`. Numbers that name no group are left out, and when none is left all groups are
/// taken: conformance `trap/420`, `trap/421`.
pub fn extract_all(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (wanted, text) = match call.args.len() {
        0..=2 => (None, call.bytes(1)),
        _ => (call.array(1), call.bytes(2)),
    };
    let limits = call.ctx.limits.clone();
    let regex = call.regex(0)?;
    check_groups(regex).map_err(|message| Fault::new(Code::E3004, message))?;
    let groups = chosen_groups(regex, wanted);
    let count_max = bounded::count_max(&limits) / groups.len();
    let found = regex.captures_iter(text).take(count_max + 1).map(|captures| match groups.as_slice() {
        [group] => group_value(&captures, *group),
        groups => Value::array(groups.iter().map(|group| group_value(&captures, *group)).collect()),
    });
    let items: Vec<Value> = found.collect();
    if items.is_empty() { Ok(Value::Null) } else { bounded::array(items, &limits) }
}

fn chosen_groups(regex: &Regex, wanted: Option<&[Value]>) -> Vec<usize> {
    let all = 1..regex.captures_len();
    let chosen = wanted.unwrap_or_default().iter().filter_map(|group| match group {
        Value::Int(number) => usize::try_from(*number).ok(),
        Value::Long(number) => usize::try_from(*number).ok(),
        Value::String(name) => {
            regex.capture_names().position(|known| known.is_some_and(|known| known.as_bytes() == name.as_bytes()))
        }
        _ => None,
    });
    let chosen: Vec<usize> = chosen.filter(|group| all.contains(group)).collect();
    if chosen.is_empty() { all.collect() } else { chosen }
}

fn group_value(captures: &Captures<'_>, group: usize) -> Value {
    Value::string(captures.get(group).map_or(&b""[..], |found| found.as_bytes()))
}

/// `replace_regex(text, regex, rewrite)`: every match replaced; `\0` in the rewrite is the match, `\1` its first group.
pub fn replace_regex(call: &mut Call<'_>) -> Result<Value, Fault> {
    replaced(call, 0, 1, 2)
}

/// `replace(regex, rewrite, text)`: the old order of the arguments of `replace_regex`.
pub fn replace(call: &mut Call<'_>) -> Result<Value, Fault> {
    replaced(call, 2, 0, 1)
}

fn replaced(call: &mut Call<'_>, text: usize, pattern: usize, rewrite: usize) -> Result<Value, Fault> {
    let (unchanged, text, rewrite) = (call.arg(text), call.bytes(text), call.bytes(rewrite));
    let limits = call.ctx.limits.clone();
    let replaced = replace_matches(call.regex(pattern)?, text, rewrite, &limits)?;
    Ok(replaced.map_or_else(|| unchanged.clone(), Value::string))
}

/// Returns the text with every match replaced, or `None` when there is none.
///
/// # Errors
/// [`Code::E3003`] when it would be too large.
pub fn replace_matches(regex: &Regex, text: &[u8], rewrite: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, Fault> {
    let mut out = Text::new(limits);
    let mut copied = 0;
    let mut is_changed = false;
    for captures in regex.captures_iter(text) {
        let whole = captures.get(0).expect("group 0 is the match");
        out.push(&text[copied..whole.start()])?;
        expand(rewrite, &captures, &mut out)?;
        copied = whole.end();
        is_changed = true;
    }
    if !is_changed {
        return Ok(None);
    }
    out.push(&text[copied..])?;
    Ok(Some(out.into_bytes()))
}

/// Appends a rewrite: `\` and a digit is a group, `\\` is `\`, anything else is itself.
fn expand(rewrite: &[u8], captures: &Captures<'_>, out: &mut Text) -> Result<(), Fault> {
    let mut rest = rewrite;
    while let Some(position) = memchr::memchr(b'\\', rest) {
        out.push(&rest[..position])?;
        match rest.get(position + 1) {
            Some(digit) if digit.is_ascii_digit() => {
                let group = captures.get(usize::from(digit - b'0'));
                out.push(group.map_or(&b""[..], |group| group.as_bytes()))?;
            }
            Some(b'\\') => out.push(b"\\")?,
            Some(_) => out.push(&rest[position..position + 2])?,
            None => out.push(b"\\")?,
        }
        rest = &rest[(position + 2).min(rest.len())..];
    }
    out.push(rest)
}

/// Builds the anchored patterns of `trim`, `trim_start` and `trim_end`, whose pattern is argument 0.
///
/// # Errors
/// [`Code::E2011`] when it does not compile.
pub fn prepare_trim(args: &[Option<&Value>], limits: &Limits) -> Result<Option<Pooled>, Fault> {
    let Some(Some(Value::String(pattern))) = args.first() else { return Ok(None) };
    let fault = |message| Fault::new(Code::E2011, message);
    compile(pattern.as_bytes(), limits).map_err(fault)?;
    let either =
        |forms: [Vec<u8>; 2]| compile(&forms[0], limits).or_else(|_| compile(&forms[1], limits)).map_err(fault);
    Ok(Some(Pooled::Trim {
        start: either(anchored_start(pattern.as_bytes()))?,
        end: either(anchored_end(pattern.as_bytes()))?,
    }))
}

// The second form is for patterns in verbose mode that end in a comment, which swallows the parenthesis of the first.
fn anchored_start(pattern: &[u8]) -> [Vec<u8>; 2] {
    [[br"\A(?:", pattern, b")"].concat(), [br"\A(?:", pattern, b"\n)"].concat()]
}

fn anchored_end(pattern: &[u8]) -> [Vec<u8>; 2] {
    [[br"(?:", pattern, br")\z"].concat(), [br"(?:", pattern, b"\n)\\z"].concat()]
}

/// `trim(regex, text)`: without one match at the start and one at the end.
///
/// # Source
/// Kusto documentation, `trim()`; one match a side: conformance `trap/1146` to `trap/1166`.
pub fn trim(call: &mut Call<'_>) -> Result<Value, Fault> {
    trimmed(call, true, true)
}

/// `trim_start(regex, text)`: without one match at the start.
pub fn trim_start(call: &mut Call<'_>) -> Result<Value, Fault> {
    trimmed(call, true, false)
}

/// `trim_end(regex, text)`: without one match at the end.
pub fn trim_end(call: &mut Call<'_>) -> Result<Value, Fault> {
    trimmed(call, false, true)
}

fn trimmed(call: &mut Call<'_>, at_start: bool, at_end: bool) -> Result<Value, Fault> {
    let (pattern, mut text) = (call.bytes(0), call.bytes(1));
    let size = text.len();
    match call.pooled {
        Some(Pooled::Trim { start, end }) => {
            text = if at_start { without_start(text, start) } else { text };
            text = if at_end { without_end(text, end) } else { text };
        }
        _ => {
            let (cache, limits): (&mut RegexCache, &Limits) = (&mut call.ctx.regexes, &call.ctx.limits);
            cache.get(pattern, limits)?;
            if at_start {
                text = without_start(text, cached(cache, anchored_start(pattern), limits)?);
            }
            if at_end {
                text = without_end(text, cached(cache, anchored_end(pattern), limits)?);
            }
        }
    }
    Ok(if text.len() == size { call.arg(1).clone() } else { Value::string(text) })
}

fn cached<'c>(cache: &'c mut RegexCache, forms: [Vec<u8>; 2], limits: &Limits) -> Result<&'c Regex, Fault> {
    let form = if cache.get(&forms[0], limits).is_ok() { &forms[0] } else { &forms[1] };
    cache.get(form, limits)
}

fn without_start<'t>(text: &'t [u8], regex: &Regex) -> &'t [u8] {
    regex.find(text).map_or(text, |found| &text[found.end()..])
}

fn without_end<'t>(text: &'t [u8], regex: &Regex) -> &'t [u8] {
    regex.find(text).map_or(text, |found| &text[..found.start()])
}

/// `indexof_regex(text, regex, start, length, occurrence)`: the position of a match, -1 when there is none.
///
/// # Source
/// Kusto documentation, `indexof_regex()`: its five examples; matches do not overlap, a negative start gives null.
pub fn indexof_regex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let Some(range) = SearchRange::of(call, text) else { return Ok(Value::Null) };
    if call.long(2).is_some_and(|start| start < 0) {
        return Ok(Value::Null);
    }
    let regex = call.regex(1)?;
    let (mut start, mut remaining) = (range.start, range.occurrence);
    while start <= text.len() {
        let Some(found) = regex.find_at(text, start).filter(|found| range.holds(text, found.start())) else { break };
        remaining -= 1;
        if remaining == 0 {
            return Ok(Value::Long(character_count(&text[..found.start()]) as i64));
        }
        start = if found.is_empty() { super::string::next_character(text, found.end()) } else { found.end() };
    }
    Ok(Value::Long(-1))
}

/// Builds the pattern of `countof` when its kind is `regex`.
///
/// # Errors
/// [`Code::E2011`] when it does not compile.
pub fn prepare_countof(args: &[Option<&Value>], limits: &Limits) -> Result<Option<Pooled>, Fault> {
    match args.get(2) {
        Some(Some(Value::String(kind))) if kind.as_bytes() == b"regex" => prepare_regex::<1>(args, limits),
        _ => Ok(None),
    }
}

/// `countof(text, search, kind)`: how often a text occurs, overlapping, or a pattern matches, not overlapping.
pub fn countof(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (text, search) = (call.bytes(0), call.bytes(1));
    let count = match call.bytes(2) {
        b"regex" => call.regex(1)?.find_iter(text).count() as i64,
        _ => count_overlapping(text, search),
    };
    Ok(Value::Long(count))
}

/// `regex_quote(text)`: with everything escaped that a pattern would not take as itself.
pub fn regex_quote(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = String::from_utf8_lossy(call.bytes(0));
    let mut out = Text::new(&call.ctx.limits);
    out.push(regex::escape(&text).as_bytes())?;
    Ok(out.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval, Prepare};

    /// Evaluates with and without a pooled pattern, which must agree.
    fn eval(function: Eval, prepare: Prepare, args: &[Value]) -> Value {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let constants: Vec<Option<&Value>> = args.iter().map(Some).collect();
        let pooled = prepare(&constants, &ctx.limits).unwrap();
        let result = function(&mut Call { args, pooled: pooled.as_ref(), ctx: &mut ctx }).unwrap();
        assert_eq!(function(&mut Call { args, pooled: None, ctx: &mut ctx }).unwrap(), result);
        result
    }

    fn text(text: &str) -> Value {
        Value::string(text)
    }

    // Conformance `trap/1146` to `trap/1164`: source, pattern, trim, trim_start, trim_end.
    #[test]
    fn trim_takes_one_match_a_side() {
        let cases = [
            ("aaaa", "a", "aa", "aaa", "aaa"),
            ("bxa", "a|x", "bx", "bxa", "bx"),
            ("aa", "a$", "a", "aa", "a"),
            ("ba", "^b|a", "", "a", "b"),
            ("xaaa", "a+?", "x", "xaaa", "x"),
            ("xaaa", "a|aa", "xa", "xaaa", "xa"),
            ("xa", "|a", "x", "xa", "x"),
            ("abc", "b*", "abc", "abc", "abc"),
            ("abc", ".*", "", "", ""),
            ("   x   ", " ", "  x  ", "  x   ", "   x  "),
            ("aba", "(?<n>a)", "b", "ba", "ab"),
            ("x\u{e9}\u{e9}", "\u{e9}", "x\u{e9}", "x\u{e9}\u{e9}", "x\u{e9}"),
            ("xa\n", "a", "xa\n", "xa\n", "xa\n"),
            ("a\n", ".", "\n", "\n", "a\n"),
            ("", "a", "", "", ""),
        ];
        for (source, pattern, both, start, end) in cases {
            let args = [text(pattern), text(source)];
            assert_eq!(eval(trim, prepare_trim, &args), text(both), "{source} {pattern}");
            assert_eq!(eval(trim_start, prepare_trim, &args), text(start), "{source} {pattern}");
            assert_eq!(eval(trim_end, prepare_trim, &args), text(end), "{source} {pattern}");
        }
        assert_eq!(eval(trim, prepare_trim, &[text("(?x)a #c"), text("axa")]), text("x"));
        assert!(prepare_trim(&[Some(&text("a)|(b"))], &Limits::default()).is_err());
    }

    // Conformance `trap/411` to `trap/421`, `trap/818` to `trap/823`; null when nothing matches: `trap/415`.
    #[test]
    fn extract_all_chooses_groups() {
        let json = |text: &str| crate::json::parse(text.as_bytes(), 9).unwrap();
        let cases = [
            ("(?:^| )([a-z]+)", None, r#"["test","word"]"#),
            ("(?:^| )([a-z])([a-z]+)", Some("[2]"), r#"["est","ord"]"#),
            ("(?:^| )([a-z])([a-z]+)", Some("[1,1]"), r#"[["t","t"],["w","w"]]"#),
            ("(?:^| )([a-z])([a-z]+)", Some("[1,5]"), r#"["t","w"]"#),
            ("(?:^| )([a-z])([a-z]+)", Some("[5]"), r#"[["t","est"],["w","ord"]]"#),
            ("(?<a>[a-z])(?<b>[a-z]+)", Some(r#"["b"]"#), r#"["est","ord"]"#),
            ("([0-9])", None, "null"),
        ];
        for (pattern, groups, expected) in cases {
            let mut args = vec![text(pattern)];
            args.extend(groups.map(json));
            args.push(text(" test word"));
            assert_eq!(eval(extract_all, prepare_extract_all, &args), json(expected), "{pattern} {groups:?}");
        }
        assert!(prepare_extract_all(&[Some(&text("a")), None], &Limits::default()).is_err());
    }

    // The documentation's examples of `replace_regex()` and `indexof_regex()`.
    #[test]
    fn documented_examples() {
        let replaced = |source: &str, pattern: &str, rewrite: &str| {
            eval(replace_regex, prepare_regex::<1>, &[text(source), text(pattern), text(rewrite)])
        };
        assert_eq!(replaced("Number is 1.0", r"is (\d+)", r"was: \1"), text("Number was: 1.0"));
        assert_eq!(replaced("ab", "a|b", r"<\0\\>\"), text(r"<a\>\<b\>\"));
        let position = |source: &str, pattern: &str, numbers: &[i64]| {
            let mut args = vec![text(source), text(pattern)];
            args.extend(numbers.iter().map(|number| Value::Long(*number)));
            eval(indexof_regex, prepare_regex::<1>, &args)
        };
        assert_eq!(position("abcabc", "a.c", &[]), Value::Long(0));
        assert_eq!(position("abcabcdefg", "a.c", &[0, 9, 2]), Value::Long(3));
        assert_eq!(position("abcabc", "a.c", &[1, -1, 2]), Value::Long(-1));
        assert_eq!(position("ababaa", "a.a", &[0, -1, 2]), Value::Long(-1));
        assert_eq!(position("abcabc", "a|ab", &[-1]), Value::Null);
    }

    #[test]
    fn bytes_that_are_not_utf8_survive() {
        let args = [Value::string(&b"a\xffb"[..]), text("b"), text("c")];
        assert_eq!(eval(replace_regex, prepare_regex::<1>, &args), Value::string(&b"a\xffc"[..]));
    }
}
