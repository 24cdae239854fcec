//! String literals as written to the text they mean.
//!
//! Next: `lexer.rs`, which finds where a literal ends, and `parse/primary.rs`, which joins adjacent ones.

use dtq_source::{Code, Diagnostic, Span};

/// Returns the text that a string literal means, quotes and prefixes removed, escapes replaced.
///
/// What is not a valid escape stands as written; [`check_escapes`] reports it.
///
/// # Source
/// npm `@kusto/language-service-next` 12.4.1, `KustoFacts.GetStringLiteralValue`; UTF-16 surrogate pairs join.
pub fn decode(written: &str) -> String {
    let body = written.strip_prefix(['h', 'H']).unwrap_or(written);
    for fence in ["```", "~~~"] {
        if let Some(inner) = body.strip_prefix(fence) {
            return inner.strip_suffix(fence).unwrap_or(inner).to_owned();
        }
    }
    let (body, is_verbatim) = body.strip_prefix('@').map_or((body, false), |body| (body, true));
    let Some(quote) = body.chars().next() else { return String::new() };
    let inner = &body[quote.len_utf8()..];
    if is_verbatim {
        let inner = inner.strip_suffix(quote).unwrap_or(inner);
        return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
    }
    if is_smart_quote(quote) {
        return inner.strip_suffix(is_smart_quote).unwrap_or(inner).to_owned();
    }
    unescape(inner, quote)
}

/// Says whether the literal is marked to be kept out of logs.
pub fn is_hidden(written: &str) -> bool {
    written.starts_with(['h', 'H'])
}

/// Reports every escape of a string literal that has no meaning.
pub fn check_escapes(text: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) {
    let written = &text[span.range()];
    let body = written.strip_prefix(['h', 'H']).unwrap_or(written);
    if !body.starts_with(['\'', '"']) || !body.contains('\\') {
        return;
    }
    let mut offset = written.len() - body.len() + 1;
    while let Some(found) = written[offset..].find('\\') {
        offset += found;
        match escape(&written[offset..]) {
            Escape::Char(_, size) | Escape::Unit(_, size) => offset += size,
            Escape::Unknown => {
                let next = written[offset + 1..].chars().next().map_or(0, char::len_utf8);
                let start = span.start as usize + offset;
                diagnostics.push(unknown_escape(text, Span::new(start, start + 1 + next)));
                offset += 1 + next;
            }
        }
    }
}

fn unknown_escape(text: &str, span: Span) -> Diagnostic {
    let written = &text[span.range()];
    let diagnostic = Diagnostic::error(Code::E1005, span, format!("`{written}` is not an escape"));
    match written {
        "\\u" => diagnostic.label("write four hexadecimal digits after `\\u`"),
        "\\U" => diagnostic.label("write eight hexadecimal digits after `\\U`"),
        "\\x" => diagnostic.label("write two hexadecimal digits after `\\x`"),
        _ => diagnostic.fix(span, format!("\\{written}")).note(
            "in a verbatim string, @\"...\", a backslash stands for itself; regexes and paths are best written so",
        ),
    }
}

/// What stands at a backslash.
enum Escape {
    /// A character and the size of the escape in bytes.
    Char(char, usize),
    /// A UTF-16 unit that is half of a pair.
    Unit(u16, usize),
    /// No escape.
    Unknown,
}

/// Returns what the escape at the start of `text`, a backslash, means.
fn escape(text: &str) -> Escape {
    let bytes = text.as_bytes();
    let plain = |char: char| Escape::Char(char, 2);
    match bytes.get(1) {
        Some(byte @ (b'\\' | b'\'' | b'"')) => plain(char::from(*byte)),
        Some(b'a') => plain('\u{7}'),
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'v') => plain('\u{b}'),
        Some(b'u') => coded(bytes.get(2..6), 16, 6),
        Some(b'U') => coded(bytes.get(2..10), 16, 10),
        Some(b'x') => coded(bytes.get(2..4), 16, 4),
        Some(b'0'..=b'7') => {
            let most = if bytes[1] <= b'3' { 3 } else { 2 };
            let digits = bytes[1..].iter().take(most).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            coded(bytes.get(1..1 + digits), 8, 1 + digits)
        }
        _ => Escape::Unknown,
    }
}

/// Returns the character with the number written in these digits.
fn coded(digits: Option<&[u8]>, radix: u32, size: usize) -> Escape {
    let number = digits
        .filter(|digits| digits.iter().all(|digit| char::from(*digit).is_digit(radix)))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let Some(number) = number else { return Escape::Unknown };
    match (char::from_u32(number), u16::try_from(number)) {
        (Some(char), _) => Escape::Char(char, size),
        (None, Ok(unit)) => Escape::Unit(unit, size),
        (None, Err(_)) => Escape::Unknown,
    }
}

/// Returns the text up to the closing quote with its escapes replaced.
fn unescape(inner: &str, quote: char) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut high: Option<u16> = None;
    while let Some(char) = rest.chars().next() {
        let (text, size, unit) = match (char, escape(rest)) {
            ('\\', Escape::Char(char, size)) => (Some(char), size, None),
            ('\\', Escape::Unit(unit, size)) => (None, size, Some(unit)),
            _ if char == quote => break,
            _ => (Some(char), char.len_utf8(), None),
        };
        if let Some(pair) = high.take() {
            let joined = unit.and_then(|low| char::decode_utf16([pair, low]).next()?.ok());
            out.push(joined.unwrap_or(char::REPLACEMENT_CHARACTER));
            if joined.is_some() {
                rest = &rest[size..];
                continue;
            }
        }
        out.extend(text);
        high = unit;
        rest = &rest[size..];
    }
    if high.is_some() {
        out.push(char::REPLACEMENT_CHARACTER);
    }
    out
}

fn is_smart_quote(char: char) -> bool {
    matches!(char, '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_string_decodes() {
        assert_eq!(decode(r#""a\tb""#), "a\tb");
        assert_eq!(decode(r#"'it\'s'"#), "it's");
        assert_eq!(decode(r#"@"a""b\c""#), "a\"b\\c");
        assert_eq!(decode("h@'x''y'"), "x'y");
        assert_eq!(decode("```\na'b\"\n```"), "\na'b\"\n");
        assert_eq!(decode(r#""A\x42\103""#), "ABC");
        assert_eq!(decode(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(decode(r#""\ud83dx""#), "\u{fffd}x");
    }

    #[test]
    fn unknown_escapes_are_reported_once_each() {
        let mut found = Vec::new();
        let text = r#""\d+ \\ \q""#;
        check_escapes(text, Span::new(0, text.len()), &mut found);
        assert_eq!(found.len(), 2);
    }
}
