//! Texts with an inner structure: URLs, paths, CSV records, versions, command lines.

use crate::scalar::bounded;
use crate::scalar::{Call, Fault, format};
use crate::{Bag, Decimal, Str, Value};
use bstr::ByteSlice;

fn bag_of(pairs: &[(&str, &[u8])]) -> Bag {
    pairs.iter().map(|(key, text)| (Str::from(*key), Value::string(*text))).collect()
}

/// `parse_url(text)`: the parts of an absolute URL; all are empty when it has no scheme.
///
/// # Source
/// Kusto documentation, `parse_url()`. The path keeps its slash, parameters are in the order of their names and a user
/// without a password belongs to the host: conformance `trap/734` to `trap/808`.
pub fn parse_url(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (scheme, rest) = split_scheme(call.bytes(0)).unwrap_or_default();
    let (rest, fragment) = cut(rest, b'#');
    let (rest, query) = cut(rest, b'?');
    let (authority, path) = rest.split_at(rest.find_byte(b'/').unwrap_or(rest.len()));
    let (user, host) = split_user(authority);
    let (username, password) = cut(user, b':');
    let (host, port) = split_port(host);
    let mut bag = bag_of(&[
        ("Scheme", scheme),
        ("Host", host),
        ("Port", port),
        ("Path", path),
        ("Username", username),
        ("Password", password),
    ]);
    bag.set(Str::from("Query Parameters"), Value::bag(parameters(query)));
    bag.set(Str::from("Fragment"), Value::string(fragment));
    bounded::bag(bag, &call.ctx.limits)
}

/// `parse_urlquery(text)`: the parameters of the query part of a URL.
pub fn parse_urlquery(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut bag = Bag::new();
    bag.set(Str::from("Query Parameters"), Value::bag(parameters(call.bytes(0))));
    bounded::bag(bag, &call.ctx.limits)
}

/// Returns what is before the first such byte and what is after it.
fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    text.find_byte(at).map_or((text, &b""[..]), |index| (&text[..index], &text[index + 1..]))
}

fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.find(b"://")?;
    let scheme = &text[..end];
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, &text[end + 3..]))
}

fn split_user(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.rfind_byte(b'@') {
        Some(at) if authority[..at].contains(&b':') => (&authority[..at], &authority[at + 1..]),
        _ => (b"", authority),
    }
}

fn split_port(host: &[u8]) -> (&[u8], &[u8]) {
    match host.rfind_byte(b':') {
        Some(colon) if host[colon + 1..].iter().all(u8::is_ascii_digit) => (&host[..colon], &host[colon + 1..]),
        _ => (host, b""),
    }
}

/// Returns the parameters that have a name and a value, in the order of their names.
fn parameters(query: &[u8]) -> Bag {
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    for part in query.split(|byte| *byte == b'&') {
        if let Some(equals) = part.find_byte(b'=').filter(|equals| *equals > 0) {
            pairs.push((&part[..equals], &part[equals + 1..]));
        }
    }
    pairs.sort_by_key(|(name, _)| *name);
    pairs.into_iter().map(|(name, value)| (Str::from(name), Value::string(value))).collect()
}

/// `parse_path(text)`: the parts of a file path.
///
/// # Source
/// Kusto documentation, `parse_path()`; conformance `emu/parse-path-function-00`.
pub fn parse_path(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (scheme, path) = split_scheme(call.bytes(0)).unwrap_or((b"", call.bytes(0)));
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let root = match path {
        [letter, b':', separator, ..] if letter.is_ascii_alphabetic() && is_separator(separator) => &path[..3],
        _ => b"",
    };
    let (directory, file) = match path.iter().rposition(&is_separator) {
        Some(last) => (&path[..last], &path[last + 1..]),
        None => (&b""[..], path),
    };
    let (file, stream) = cut(file, b':');
    let name_start = directory.iter().rposition(&is_separator).map_or(0, |last| last + 1);
    let extension = file.rfind_byte(b'.').map_or(&b""[..], |dot| &file[dot + 1..]);
    let bag = bag_of(&[
        ("Scheme", scheme),
        ("RootPath", root),
        ("DirectoryPath", directory),
        ("DirectoryName", &directory[name_start..]),
        ("Filename", file),
        ("Extension", extension),
        ("AlternateDataStreamName", stream),
    ]);
    bounded::bag(bag, &call.ctx.limits)
}

/// `parse_csv(text)`: the fields of the first record.
///
/// # Source
/// RFC 4180; Kusto documentation, `parse_csv()`: "only the first record is taken".
pub fn parse_csv(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = format::dynamic_text(call.arg(0));
    let mut fields = Vec::new();
    let mut field = Vec::new();
    let mut is_quoted = false;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.next_if_eq(&b'"').is_some() => field.push(b'"'),
            b'"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            b',' if !is_quoted => fields.push(Value::string(std::mem::take(&mut field))),
            b'\r' if !is_quoted && bytes.peek() == Some(&b'\n') => break,
            b'\n' if !is_quoted => break,
            other => field.push(other),
        }
    }
    fields.push(Value::string(field));
    bounded::array(fields, &call.ctx.limits)
}

/// `parse_version(text)`: one to four numbers of up to eight digits as one decimal that orders as they do.
///
/// Null where the first number is past 79,227, since a [`Decimal`] has 96 bits.
///
/// # Source
/// Kusto documentation, `parse_version()`: its table.
pub fn parse_version(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(version(call.bytes(0)).map_or(Value::Null, Value::Decimal))
}

fn version(text: &[u8]) -> Option<Decimal> {
    let mut total: i128 = 0;
    let mut missing = 4_u32;
    for part in text.split(|byte| *byte == b'.') {
        if part.is_empty() || part.len() > 8 || !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: i128 = std::str::from_utf8(part).ok()?.parse().ok()?;
        // A fifth part makes it null, however many more there are.
        missing = missing.checked_sub(1)?;
        total = total * 100_000_000 + number;
    }
    Decimal::try_from_i128_with_scale(total.checked_mul(100_000_000_i128.checked_pow(missing)?)?, 0).ok()
}

/// `parse_command_line(text, "windows")`: the arguments of a command line; null for any other kind.
///
/// # Source
/// Microsoft, `CommandLineToArgvW`: backslashes escape a quotation mark only, two marks within quotes are one; in the
/// first argument there are no escapes.
pub fn parse_command_line(call: &mut Call<'_>) -> Result<Value, Fault> {
    if call.bytes(1) != b"windows" {
        return Ok(Value::Null);
    }
    let text = call.bytes(0);
    if text.is_empty() {
        return Ok(Value::array(Vec::new()));
    }
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t');
    let (program, mut rest) = match text.strip_prefix(b"\"") {
        Some(quoted) => cut(quoted, b'"'),
        None => text.split_at(text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len())),
    };
    let mut words = vec![Value::string(program)];
    loop {
        let start = rest.iter().position(|byte| !is_space(*byte));
        let Some(start) = start else { break };
        let (word, after) = command_word(&rest[start..]);
        words.push(Value::string(word));
        rest = after;
    }
    bounded::array(words, &call.ctx.limits)
}

fn command_word(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut is_quoted = false;
    let mut index = 0;
    while index < text.len() {
        let backslashes = text[index..].iter().take_while(|byte| **byte == b'\\').count();
        let next = index + backslashes;
        match text.get(next) {
            Some(b'"') => {
                word.resize(word.len() + backslashes / 2, b'\\');
                index = next + 1;
                if backslashes % 2 == 1 {
                    word.push(b'"');
                } else if is_quoted && text.get(index) == Some(&b'"') {
                    word.push(b'"');
                    index += 1;
                } else {
                    is_quoted = !is_quoted;
                }
            }
            other => {
                word.resize(word.len() + backslashes, b'\\');
                index = next;
                match other {
                    Some(b' ' | b'\t') if !is_quoted => break,
                    Some(byte) => {
                        word.push(*byte);
                        index += 1;
                    }
                    None => {}
                }
            }
        }
    }
    (word, &text[index..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::scalar::{Context, Eval};
    use dtq_source::Limits;

    fn eval(function: Eval, args: &[&str]) -> String {
        let args: Vec<Value> = args.iter().map(|arg| Value::string(*arg)).collect();
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args: &args, pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(json::to_bytes(&result)).unwrap()
    }

    // Conformance `trap/734` to `trap/808`, and the documentation's example but for the slash of its path.
    #[test]
    fn urls() {
        let cases = [
            ("https://user@h.io/p", ["https", "user@h.io", "", "/p", "", ""], "{}", ""),
            ("https://h.io/p?y=2&x=1", ["https", "h.io", "", "/p", "", ""], r#"{"x":"1","y":"2"}"#, ""),
            ("https://h.io/p?=v", ["https", "h.io", "", "/p", "", ""], "{}", ""),
            ("https://h.io/p?flag", ["https", "h.io", "", "/p", "", ""], "{}", ""),
            ("https://[::1]:80/p", ["https", "[::1]", "80", "/p", "", ""], "{}", ""),
            ("//h.io/p", ["", "", "", "", "", ""], "{}", ""),
            ("1.2.3.4", ["", "", "", "", "", ""], "{}", ""),
            (
                "scheme://username:password@host:1234/this/is/a/path?k1=v1&k2=v2#fragment",
                ["scheme", "host", "1234", "/this/is/a/path", "username", "password"],
                r#"{"k1":"v1","k2":"v2"}"#,
                "fragment",
            ),
        ];
        for (url, [scheme, host, port, path, username, password], query, fragment) in cases {
            let expected = format!(
                r#"{{"Scheme":"{scheme}","Host":"{host}","Port":"{port}","Path":"{path}","Username":"{username}","Password":"{password}","Query Parameters":{query},"Fragment":"{fragment}"}}"#
            );
            assert_eq!(eval(parse_url, &[url]), expected, "{url}");
        }
        assert_eq!(eval(parse_urlquery, &["k1=v1&k2=v2"]), r#"{"Query Parameters":{"k1":"v1","k2":"v2"}}"#);
    }

    // Conformance `emu/parse-path-function-00`.
    #[test]
    fn paths() {
        let cases = [
            (r"C:\temp\file.txt", ["", r"C:\\", r"C:\\temp", "temp", "file.txt", "txt", ""]),
            (r"temp\file.txt", ["", "", "temp", "temp", "file.txt", "txt", ""]),
            ("file://C:/temp/file.txt:some.exe", ["file", "C:/", "C:/temp", "temp", "file.txt", "txt", "some.exe"]),
            (r"\\shared\users\temp\file.txt.gz", ["", "", r"\\\\shared\\users\\temp", "temp", "file.txt.gz", "gz", ""]),
            ("/usr/lib/temp/file.txt", ["", "", "/usr/lib/temp", "temp", "file.txt", "txt", ""]),
        ];
        for (path, [scheme, root, directory, name, file, extension, stream]) in cases {
            let expected = format!(
                r#"{{"Scheme":"{scheme}","RootPath":"{root}","DirectoryPath":"{directory}","DirectoryName":"{name}","Filename":"{file}","Extension":"{extension}","AlternateDataStreamName":"{stream}"}}"#
            );
            assert_eq!(eval(parse_path, &[path]), expected, "{path}");
        }
    }

    // The documentation's examples; the last three of the command lines are those of `CommandLineToArgvW`'s page.
    #[test]
    fn records_versions_and_command_lines() {
        assert_eq!(
            eval(parse_csv, &["aa,\"b,b,b\",cc,\"Escaping quotes: \"\"Title\"\"\",\"line1\nline2\""]),
            r#"["aa","b,b,b","cc","Escaping quotes: \"Title\"","line1\nline2"]"#
        );
        assert_eq!(eval(parse_csv, &["record1,a,b,c\r\nrecord2,x,y,z"]), r#"["record1","a","b","c"]"#);
        let versions = [
            ("0.0.0.5", "5"),
            ("0.1.2.0", "10000000200000000"),
            ("1.2.3.4", "1000000020000000300000004"),
            ("1", "1000000000000000000000000"),
            ("1.2.3.4.5", "null"),
            ("99999999.99999999.99999999.99999999.99999999.99999999.99999999", "null"),
            ("1..2", "null"),
            ("123456789", "null"),
            ("v1", "null"),
        ];
        for (text, expected) in versions {
            assert_eq!(eval(parse_version, &[text]).trim_matches('"'), expected, "{text}");
        }
        let lines = [
            (r#"echo "hello world!""#, r#"["echo","hello world!"]"#),
            (r#"x "abc" d e"#, r#"["x","abc","d","e"]"#),
            (r#"x a\\b d"e f"g h"#, r#"["x","a\\\\b","de fg","h"]"#),
            (r#"x a\\\"b c d"#, r#"["x","a\\\"b","c","d"]"#),
            (r#"x a\\\\"b c" d e"#, r#"["x","a\\\\b c","d","e"]"#),
        ];
        for (text, expected) in lines {
            assert_eq!(eval(parse_command_line, &[text, "windows"]), expected, "{text}");
        }
        assert_eq!(eval(parse_command_line, &["a", "linux"]), "null");
    }
}
