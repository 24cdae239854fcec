//! JSON text to values and back, in Kusto's compact form.
//!
//! The reader works on bytes, never recurses deeper than it is told, and never fails on a number: what does not fit a
//! long is a real. The writer has no spaces, keeps the order of keys and escapes only what JSON requires.

use crate::scalar::format;
use crate::{Bag, Str, Value};

/// Says why text is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It is malformed at this byte offset.
    Malformed(usize),
    /// Arrays and objects are nested deeper than the bound.
    TooDeep,
}

/// Returns the value of a JSON text; of a key that occurs twice the first is kept.
///
/// # Errors
/// When it is not JSON, or is nested deeper than `depth_max`.
pub fn parse(text: &[u8], depth_max: usize) -> Result<Value, JsonError> {
    let mut reader = Reader { text, offset: 0 };
    reader.skip_space();
    let value = reader.value(depth_max)?;
    reader.skip_space();
    if reader.offset == text.len() { Ok(value) } else { Err(reader.malformed()) }
}

/// Returns the JSON text of a value.
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

/// Appends the JSON text of a value.
///
/// # Source
/// Conformance `trap/331` (datetime), `trap/337` (guid), `trap/340` (escapes). Infinities and NaN, which JSON lacks, are
/// written as strings.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(_) | Value::Int(_) | Value::Long(_) => out.extend_from_slice(&format::dynamic_text(value)),
        Value::Real(number) => write_real(*number, out),
        Value::String(text) => write_string(text.as_bytes(), out),
        Value::Decimal(_) | Value::DateTime(_) | Value::TimeSpan(_) | Value::Guid(_) => {
            write_string(&format::dynamic_text(value), out);
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Bag(bag) => {
            out.push(b'{');
            for (index, (key, item)) in bag.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(key.as_bytes(), out);
                out.push(b':');
                write(item, out);
            }
            out.push(b'}');
        }
    }
}

fn write_real(number: f64, out: &mut Vec<u8>) {
    let text = match number {
        n if n.is_nan() => "\"NaN\"".to_owned(),
        f64::INFINITY => "\"Infinity\"".to_owned(),
        f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
        finite => format::finite_real(finite),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends a quoted and escaped string.
pub fn write_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let mut start = 0;
    for (index, byte) in text.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0C => b"\\f",
            0..0x20 => &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]],
            _ => continue,
        };
        out.extend_from_slice(&text[start..index]);
        out.extend_from_slice(escape);
        start = index + 1;
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}

struct Reader<'a> {
    text: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn malformed(&self) -> JsonError {
        JsonError::Malformed(self.offset)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.offset += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.offset += usize::from(is_there);
        is_there
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => self.bag(depth.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'[') => self.array(depth.checked_sub(1).ok_or(JsonError::TooDeep)?),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.malformed()),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, JsonError> {
        if !self.text[self.offset..].starts_with(word) {
            return Err(self.malformed());
        }
        self.offset += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.offset += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::array(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::array(items));
            }
            if !self.take(b',') {
                return Err(self.malformed());
            }
        }
    }

    fn bag(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.offset += 1;
        let mut bag = Bag::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::bag(bag));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.malformed());
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.malformed());
            }
            self.skip_space();
            bag.set_if_absent(key, self.value(depth)?);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::bag(bag));
            }
            if !self.take(b',') {
                return Err(self.malformed());
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.offset;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.malformed());
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            if self.digits() == 0 {
                return Err(self.malformed());
            }
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.malformed());
            }
        }
        let text = std::str::from_utf8(&self.text[start..self.offset]).expect("digits, signs and points are ASCII");
        if is_integer && let Ok(number) = text.parse() {
            return Ok(Value::Long(number));
        }
        Ok(Value::Real(text.parse().expect("the grammar of JSON numbers is part of that of f64")))
    }

    fn digits(&mut self) -> usize {
        let start = self.offset;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.offset += 1;
        }
        self.offset - start
    }

    fn string(&mut self) -> Result<Str, JsonError> {
        self.offset += 1;
        let start = self.offset;
        let Some(plain) = memchr::memchr2(b'"', b'\\', &self.text[start..]) else {
            self.offset = self.text.len();
            return Err(self.malformed());
        };
        self.offset += plain;
        if self.take(b'"') {
            return Ok(Str::from(&self.text[start..start + plain]));
        }
        let mut out = self.text[start..self.offset].to_vec();
        loop {
            match self.peek() {
                None => return Err(self.malformed()),
                Some(b'"') => {
                    self.offset += 1;
                    return Ok(Str::from(out));
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(byte) => {
                    out.push(byte);
                    self.offset += 1;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        self.offset += 1;
        let byte = self.peek().ok_or_else(|| self.malformed())?;
        self.offset += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0C,
            b'u' => return self.unicode(out),
            _ => return Err(self.malformed()),
        });
        Ok(())
    }

    /// Reads the digits after `\u`; a lone surrogate becomes U+FFFD.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let mut code = self.hex4()?;
        if (0xD800..0xDC00).contains(&code) && self.text[self.offset..].starts_with(b"\\u") {
            let before = self.offset;
            self.offset += 2;
            let low = self.hex4()?;
            if (0xDC00..0xE000).contains(&low) {
                code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            } else {
                self.offset = before;
            }
        }
        let decoded = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(|| self.malformed())?;
            code = code * 16 + digit;
            self.offset += 1;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        String::from_utf8(to_bytes(&parse(text.as_bytes(), 100).unwrap())).unwrap()
    }

    #[test]
    fn compact_text_comes_back() {
        for text in [
            r#"{"a":1,"b":[1,2.5,-3.0,1e300],"c":{"d":null}}"#,
            r#"["a\\b","q\"x","\n\r\t\b\f\u0001"]"#,
            "[]",
            "{}",
            "9223372036854775807",
            "-9223372036854775808",
            "118.0",
            "true",
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(round_trip(" { \"a\" : [ 1 , 2 ] } "), r#"{"a":[1,2]}"#);
        assert_eq!(round_trip("9223372036854775808"), "9223372036854776000.0");
        assert_eq!(round_trip(r#""\ud83d\ude00\u00e9\ud800""#), "\"\u{1F600}\u{e9}\u{FFFD}\"");
        assert_eq!(round_trip(r#"{"a":1,"a":2}"#), r#"{"a":1}"#);
    }

    #[test]
    fn accepts_what_another_parser_accepts() {
        for text in [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "-",
            "--1",
            "1e",
            "1e+",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "nul",
            "truex",
            "1 2",
            "[1 2]",
            "{\"a\":1,}",
            "NaN",
            "-0",
            "-0.0e-0",
            "1E5",
            "[[[]]]",
            "\"/\\/\"",
        ] {
            let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(parse(text.as_bytes(), 100).is_ok(), theirs, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |count: usize| [vec![b'['; count], vec![b']'; count]].concat();
        assert!(parse(&deep(100), 100).is_ok());
        assert_eq!(parse(&deep(101), 100), Err(JsonError::TooDeep));
        assert_eq!(parse(&deep(1_000_000), 100), Err(JsonError::TooDeep));
    }
}
