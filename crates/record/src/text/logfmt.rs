//! logfmt: `key=value key="quoted \"value\"" flag`.

use crate::record::Sink;
use std::borrow::Cow;

/// Reads one line.
///
/// # Errors
/// When a quote does not end or nothing is a pair.
pub(crate) fn decode(line: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
    let pairs = pairs(line)?;
    if !pairs.is_empty() && pairs.iter().all(|pair| pair.value.is_none()) {
        return Err("the line has no key=value pair".to_owned());
    }
    for pair in &pairs {
        // A key alone is a flag (kr/logfmt, "Grammar").
        sink.text(pair.name().as_bytes(), pair.value.as_deref().unwrap_or(b"true"));
    }
    Ok(())
}

/// Holds a key and its value.
pub(crate) struct Pair<'a> {
    /// The key as it stands.
    pub key: &'a [u8],
    /// The value without quotes; `None` for a key alone.
    pub value: Option<Cow<'a, [u8]>>,
    /// The whole pair as it stands.
    pub raw: &'a [u8],
}

impl<'a> Pair<'a> {
    /// Returns the key as the name of a column, which is text: two keys that differ only in what is not UTF-8 are one.
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.key)
    }
}

/// Returns the pairs of a line in order.
pub(crate) fn pairs(line: &[u8]) -> Result<Vec<Pair<'_>>, String> {
    let mut pairs = Vec::new();
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let key_size = rest.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(key_size);
        if key.is_empty() {
            return Err("a value has no key".to_owned());
        }
        let (value, behind) = match behind {
            [b'=', b'"', quoted @ ..] => read_quoted(quoted).map(|(value, behind)| (Some(value), behind))?,
            [b'=', plain @ ..] => {
                let size = plain.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(plain.len());
                (Some(Cow::Borrowed(&plain[..size])), &plain[size..])
            }
            _ => (None, behind),
        };
        pairs.push(Pair { key, value, raw: &rest[..rest.len() - behind.len()] });
        rest = behind.trim_ascii_start();
    }
    Ok(pairs)
}

/// Reads to the closing quote, undoing backslashes; gives what is behind, too.
fn read_quoted(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), String> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((Cow::Owned(value), &text[at + 1..])),
            b'\\' => match bytes.next() {
                Some((_, b'n')) => value.push(b'\n'),
                Some((_, b't')) => value.push(b'\t'),
                Some((_, b'r')) => value.push(b'\r'),
                Some((_, b'u')) => push_unicode(&mut value, &mut bytes),
                Some((_, other)) => value.push(*other),
                None => break,
            },
            other => value.push(*other),
        }
    }
    Err("a quote does not end".to_owned())
}

/// Reads the four hex digits of `\uXXXX`; what is none of that is kept as U+FFFD.
fn push_unicode<'a>(value: &mut Vec<u8>, bytes: &mut impl Iterator<Item = (usize, &'a u8)>) {
    let mut code = Some(0u32);
    for _ in 0..4 {
        let digit = bytes.next().and_then(|(_, byte)| (*byte as char).to_digit(16));
        code = code.zip(digit).map(|(code, digit)| code << 4 | digit);
    }
    let character = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_flags_and_quotes() {
        let line = br#"level=info msg="a \"b\"\nc" ok empty= n=1"#;
        let found: Vec<(String, Option<String>)> = pairs(line)
            .unwrap()
            .into_iter()
            .map(|pair| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(pair.key), pair.value.map(|value| text(&value)))
            })
            .collect();
        let expected =
            [("level", Some("info")), ("msg", Some("a \"b\"\nc")), ("ok", None), ("empty", Some("")), ("n", Some("1"))];
        assert_eq!(found.len(), expected.len());
        for ((key, value), (expected_key, expected_value)) in found.iter().zip(expected) {
            assert_eq!((key.as_str(), value.as_deref()), (expected_key, expected_value));
        }
        assert!(pairs(b"a=\"x").is_err());
        assert!(pairs(b"=x").is_err());
    }
}
