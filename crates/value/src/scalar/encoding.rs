//! Encodings of text: base64, compression, percent-encoding, Punycode.
//!
//! What does not decode gives `""` (null for an array or guid).

use crate::Value;
use crate::scalar::args::as_long;
use crate::scalar::bounded::{self, Text};
use crate::scalar::{Call, Fault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice;
use dtq_source::Limits;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use std::io::{Read, Write};

fn text_of(bytes: &[u8], limits: &Limits) -> Result<Value, Fault> {
    let mut out = Text::new(limits);
    out.push(bytes)?;
    Ok(out.into_value())
}

fn to_base64(bytes: &[u8], limits: &Limits) -> Result<Value, Fault> {
    if bytes.len() / 3 > limits.value_bytes_max / 4 {
        return Err(bounded::too_large(limits.value_bytes_max));
    }
    text_of(STANDARD.encode(bytes).as_bytes(), limits)
}

/// `base64_encode_tostring(text)`: the bytes of a text in base64.
pub fn base64_encode(call: &mut Call<'_>) -> Result<Value, Fault> {
    to_base64(call.bytes(0), &call.ctx.limits)
}

/// `base64_decode_tostring(text)`: the text of base64, if that is UTF-8.
///
/// # Source
/// Conformance `emu/base64-decode-tostring-function-01`.
pub fn base64_decode(call: &mut Call<'_>) -> Result<Value, Fault> {
    let decoded = STANDARD.decode(call.bytes(0)).ok().filter(|bytes| bytes.to_str().is_ok());
    Ok(Value::string(decoded.unwrap_or_default()))
}

/// `base64_decode_toarray(text)`: the bytes of base64 as an array of longs.
pub fn base64_decode_toarray(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Ok(bytes) = STANDARD.decode(call.bytes(0)) else { return Ok(Value::Null) };
    if bytes.len() > bounded::count_max(&call.ctx.limits) {
        return Err(bounded::too_large(call.ctx.limits.value_bytes_max));
    }
    bounded::array(bytes.into_iter().map(|byte| Value::Long(i64::from(byte))).collect(), &call.ctx.limits)
}

/// `base64_encode_fromarray(array)`: an array of bytes in base64.
pub fn base64_encode_fromarray(call: &mut Call<'_>) -> Result<Value, Fault> {
    let items = call.array(0).unwrap_or_default();
    let bytes: Option<Vec<u8>> = items.iter().map(|item| u8::try_from(as_long(item)?).ok()).collect();
    bytes.map_or(Ok(Value::string("")), |bytes| to_base64(&bytes, &call.ctx.limits))
}

/// Swaps the parts of a guid between the order in which it is written and that of its bytes in memory.
///
/// # Source
/// Microsoft, `Guid.ToByteArray`: the first three parts are little-endian.
fn swapped(id: &[u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *id;
    let mut bytes = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes[8..].copy_from_slice(&rest);
    bytes
}

/// `base64_decode_toguid(text)`: the guid whose bytes are in base64.
pub fn base64_decode_toguid(call: &mut Call<'_>) -> Result<Value, Fault> {
    let bytes = STANDARD.decode(call.bytes(0)).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    Ok(bytes.map_or(Value::Null, |bytes| Value::Guid(swapped(&bytes))))
}

/// `base64_encode_fromguid(guid)`: the bytes of a guid in base64.
pub fn base64_encode_fromguid(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.arg(0) {
        Value::Guid(id) => to_base64(&swapped(id), &call.ctx.limits),
        _ => Ok(Value::string("")),
    }
}

/// Reads a decompressor to its end: `None` when the data are malformed.
///
/// # Errors
/// `E3003` when there is more than a value may have: decompression stops there.
fn inflate(reader: impl Read, limits: &Limits) -> Result<Option<Vec<u8>>, Fault> {
    let mut bytes = Vec::new();
    let bound = limits.value_bytes_max as u64 + 1;
    if reader.take(bound).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    if bytes.len() as u64 == bound {
        return Err(bounded::too_large(limits.value_bytes_max));
    }
    Ok(Some(bytes))
}

/// `zlib_decompress_from_base64_string(text)`: the text of zlib data in base64.
pub fn zlib_decompress(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Ok(packed) = STANDARD.decode(call.bytes(0)) else { return Ok(Value::string("")) };
    Ok(Value::string(inflate(ZlibDecoder::new(&*packed), &call.ctx.limits)?.unwrap_or_default()))
}

/// `gzip_decompress_from_base64_string(text)`: the text of gzip data in base64.
pub fn gzip_decompress(call: &mut Call<'_>) -> Result<Value, Fault> {
    let Ok(packed) = STANDARD.decode(call.bytes(0)) else { return Ok(Value::string("")) };
    Ok(Value::string(inflate(MultiGzDecoder::new(&*packed), &call.ctx.limits)?.unwrap_or_default()))
}

/// `zlib_compress_to_base64_string(text)`: a text as zlib data in base64.
///
/// # Source
/// A text that compression would not shrink is stored: conformance `emu/zlib-base64-compress-function-00`.
pub fn zlib_compress(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let pack = |level| written(ZlibEncoder::new(Vec::new(), level), text, ZlibEncoder::finish);
    let packed = pack(Compression::fast());
    let packed = if packed.len() < text.len() { packed } else { pack(Compression::none()) };
    to_base64(&packed, &call.ctx.limits)
}

/// `gzip_compress_to_base64_string(text)`: a text as gzip data in base64.
///
/// # Source
/// RFC 1952; no time, unknown system, stored when that is not larger: conformance `emu/gzip-base64-decompress-00`.
pub fn gzip_compress(call: &mut Call<'_>) -> Result<Value, Fault> {
    let text = call.bytes(0);
    let pack = |level| written(DeflateEncoder::new(Vec::new(), level), text, DeflateEncoder::finish);
    let body = pack(Compression::fast());
    let body = if body.len() < text.len() { body } else { pack(Compression::none()) };
    let mut crc = Crc::new();
    crc.update(text);
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    packed.extend_from_slice(&body);
    packed.extend_from_slice(&crc.sum().to_le_bytes());
    packed.extend_from_slice(&crc.amount().to_le_bytes());
    to_base64(&packed, &call.ctx.limits)
}

fn written<W: Write>(mut writer: W, text: &[u8], finish: fn(W) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    writer.write_all(text).expect("writing to memory does not fail");
    finish(writer).expect("writing to memory does not fail")
}

/// The punctuation that percent-encoding leaves as it is.
///
/// # Source
/// Microsoft, `HttpUtility.UrlEncode`, whose lower-case digits the engine shows (`emu/url-encode-component-function-00`).
const UNRESERVED: &[u8] = b"-_.!*()";

/// `url_encode_component(text)`: with everything but letters, digits and a few marks as `%20`.
pub fn url_encode_component(call: &mut Call<'_>) -> Result<Value, Fault> {
    percent_encoded(call, b"%20")
}

/// `url_encode(text)`: as `url_encode_component`, but a space is `+`.
pub fn url_encode(call: &mut Call<'_>) -> Result<Value, Fault> {
    percent_encoded(call, b"+")
}

fn percent_encoded(call: &Call<'_>, space: &[u8]) -> Result<Value, Fault> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Text::new(&call.ctx.limits);
    for byte in call.bytes(0) {
        match byte {
            b' ' => out.push(space)?,
            byte if byte.is_ascii_alphanumeric() || UNRESERVED.contains(byte) => out.push(&[*byte])?,
            byte => out.push(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])?,
        }
    }
    Ok(out.into_value())
}

/// `url_decode(text)`: with `%20` and `+` as a space.
pub fn url_decode(call: &mut Call<'_>) -> Result<Value, Fault> {
    let spaced = call.bytes(0).replace("+", " ");
    Ok(Value::string(percent_encoding::percent_decode(&spaced).collect::<Vec<u8>>()))
}

/// The most characters that Punycode is computed for: its time grows with the square.
const PUNYCODE_MAX: usize = 4_096;

/// `punycode_from_string(text)`: in Punycode, without `xn--`.
pub fn punycode_from_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::string(to_punycode(&call.bytes(0).chars().collect::<Vec<_>>()).unwrap_or_default()))
}

/// `punycode_to_string(text)`: decoded from Punycode without `xn--`.
pub fn punycode_to_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::string(from_punycode(call.bytes(0)).unwrap_or_default()))
}

/// `punycode_domain_from_string(text)`: a domain name with the labels that start with `xn--` decoded.
pub fn punycode_domain_from_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    let decoded: Option<Vec<String>> = call.bytes(0).split_str(".").map(decoded_label).collect();
    Ok(Value::string(decoded.unwrap_or_default().join(".")))
}

fn decoded_label(label: &[u8]) -> Option<String> {
    match label.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"xn--") => from_punycode(&label[4..]),
        _ => Some(label.to_str().ok()?.to_owned()),
    }
}

/// `punycode_domain_to_string(text)`: a domain name with the labels that are not ASCII in Punycode.
///
/// # Source
/// Kusto documentation, `punycode_domain_to_string()`: its example, where ideographic full stops separate labels too.
pub fn punycode_domain_to_string(call: &mut Call<'_>) -> Result<Value, Fault> {
    let characters: Vec<char> = call.bytes(0).chars().collect();
    let labels = characters.split(|character| matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}'));
    let encoded: Option<Vec<String>> = labels
        .map(|label| match label.iter().all(char::is_ascii) {
            true => Some(label.iter().collect()),
            false => to_punycode(label).map(|label| format!("xn--{label}")),
        })
        .collect();
    Ok(Value::string(encoded.unwrap_or_default().join(".")))
}

// RFC 3492, section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

/// RFC 3492, section 6.1.
fn adapt(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / count;
    let mut bias = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        bias += BASE;
    }
    bias + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

fn threshold(position: u32, bias: u32) -> u32 {
    position.saturating_sub(bias).clamp(T_MIN, T_MAX)
}

fn digit(value: u32) -> char {
    char::from(if value < 26 { b'a' + value as u8 } else { b'0' + (value - 26) as u8 })
}

/// RFC 3492, section 6.3; `None` on overflow or when the text is too long.
fn to_punycode(text: &[char]) -> Option<String> {
    if text.len() > PUNYCODE_MAX {
        return None;
    }
    let mut out: String = text.iter().filter(|character| character.is_ascii()).collect();
    let basic = out.len() as u32;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (INITIAL_N, 0_u32, INITIAL_BIAS, basic);
    while (handled as usize) < text.len() {
        let next = text.iter().map(|character| u32::from(*character)).filter(|code| *code >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for code in text.iter().map(|character| u32::from(*character)) {
            if code < n {
                delta = delta.checked_add(1)?;
            }
            if code == n {
                push_variable_length(delta, bias, &mut out);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

fn push_variable_length(delta: u32, bias: u32, out: &mut String) {
    let (mut rest, mut position) = (delta, BASE);
    loop {
        let threshold = threshold(position, bias);
        if rest < threshold {
            break;
        }
        out.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
        position += BASE;
    }
    out.push(digit(rest));
}

/// RFC 3492, section 6.2; `None` when it is malformed or too long.
fn from_punycode(text: &[u8]) -> Option<String> {
    if text.len() > PUNYCODE_MAX || !text.is_ascii() {
        return None;
    }
    let (basic, extended) = match text.rfind_byte(b'-') {
        Some(dash) => (&text[..dash], &text[dash + 1..]),
        None => (&b""[..], text),
    };
    let mut out: Vec<char> = basic.iter().map(|byte| char::from(*byte)).collect();
    let (mut n, mut index, mut bias) = (INITIAL_N, 0_u32, INITIAL_BIAS);
    let mut digits = extended.iter();
    while digits.len() > 0 {
        let before = index;
        let (mut weight, mut position) = (1_u32, BASE);
        loop {
            let value = char::from(*digits.next()?).to_digit(36)?;
            // Letters stand for 0 to 25 and digits for 26 to 35.
            let value = if value >= 10 { value - 10 } else { value + 26 };
            index = index.checked_add(value.checked_mul(weight)?)?;
            let threshold = threshold(position, bias);
            if value < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            position += BASE;
        }
        let count = out.len() as u32 + 1;
        bias = adapt(index - before, count, before == 0);
        n = n.checked_add(index / count)?;
        index %= count;
        out.insert(index as usize, char::from_u32(n)?);
        index += 1;
    }
    Some(out.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Context, Eval, convert, format};
    use dtq_source::Code;

    fn eval(function: Eval, arg: Value) -> String {
        let mut ctx = Context::new(Limits::default(), 0, 0);
        let result = function(&mut Call { args: &[arg], pooled: None, ctx: &mut ctx }).unwrap();
        String::from_utf8(format::dynamic_text(&result).into_owned()).unwrap()
    }

    // The documentation's examples, confirmed by the conformance cases that bear the functions' names.
    #[test]
    fn documented_examples() {
        let cases: &[(Eval, &str, &str)] = &[
            (base64_encode, "Kusto", "S3VzdG8="),
            (base64_decode, "S3VzdG8=", "Kusto"),
            (base64_decode, "U3RyaW5n0KHR0tGA0L7Rh9C60LA=", ""),
            (base64_decode, "S3VzdG8", ""),
            (base64_decode_toarray, "S3VzdG8=", "[75,117,115,116,111]"),
            (base64_decode_toarray, "U3RyaW5n0KHR0tGA0L7Rh9C60LA", ""),
            (base64_decode_toguid, "JpbpECu8dUy7Pv5gbeJXAA==", "10e99626-bc2b-4c75-bb3e-fe606de25700"),
            (zlib_decompress, "eJwLSS0uUSguKcrMS1cwNDIGACxqBQ4=", "Test string 123"),
            (zlib_decompress, "x0x0x0", ""),
            (zlib_compress, "1234567890qwertyuiop", "eAEBFADr/zEyMzQ1Njc4OTBxd2VydHl1aW9wOAkGdw=="),
            (gzip_decompress, "H4sIAAAAAAAA/wEUAOv/MTIzNDU2Nzg5MHF3ZXJ0eXVpb3A6m7f2FAAAAA==", "1234567890qwertyuiop"),
            (gzip_compress, "1234567890qwertyuiop", "H4sIAAAAAAAA/wEUAOv/MTIzNDU2Nzg5MHF3ZXJ0eXVpb3A6m7f2FAAAAA=="),
            (
                url_encode_component,
                "https://www.bing.com/hello world/",
                "https%3a%2f%2fwww.bing.com%2fhello%20world%2f",
            ),
            (url_encode, "hello world", "hello+world"),
            (url_decode, "https%3a%2f%2fwww.bing.com%2f", "https://www.bing.com/"),
            (punycode_from_string, "acad\u{e9}mie-fran\u{e7}aise", "acadmie-franaise-npb1a"),
            (punycode_from_string, "\u{827a}\u{672f}", "cqv902d"),
            (punycode_to_string, "acadmie-franaise-npb1a", "acad\u{e9}mie-fran\u{e7}aise"),
            (punycode_to_string, "\u{e9}", ""),
            (punycode_domain_from_string, "xn--Ge-mia.Bulg.edu", "G\u{e1}e.Bulg.edu"),
            (
                punycode_domain_from_string,
                "xn--Ry-lja8c.xn--Jng-uta63a.xn--Bng-9ka.com",
                "R\u{fa}y\u{ec}.J\u{12b}ng\u{16b}.B\u{e0}ng.com",
            ),
            (
                punycode_domain_to_string,
                "Ri\u{f0}ill\u{ff61}Sk\u{e1}ldskaparm\u{e1}l\u{ff61}org",
                "xn--Riill-jta.xn--Skldskaparml-dbbj.org",
            ),
        ];
        for (function, text, expected) in cases {
            assert_eq!(eval(*function, Value::string(*text)), *expected, "{text}");
        }
        let id = convert::parse_guid(b"ae3133f2-6e22-49ae-b06a-16e6a9b212eb").unwrap();
        assert_eq!(eval(base64_encode_fromguid, Value::Guid(id)), "8jMxriJurkmwahbmqbIS6w==");
    }

    #[test]
    fn a_decompression_bomb_is_refused() {
        let mut ctx = Context::new(Limits { value_bytes_max: 1 << 16, ..Limits::default() }, 0, 0);
        let zeros = vec![0; 1 << 20];
        let bomb = written(ZlibEncoder::new(Vec::new(), Compression::best()), &zeros, ZlibEncoder::finish);
        let args = [Value::string(STANDARD.encode(bomb))];
        let result = zlib_decompress(&mut Call { args: &args, pooled: None, ctx: &mut ctx });
        assert_eq!(result.map_err(|fault| fault.code), Err(Code::E3003));
    }

    #[test]
    fn punycode_takes_any_bytes() {
        for length in 0..40_usize {
            let text: Vec<u8> = (0..length).map(|index| (index * 37 % 95 + 32) as u8).collect();
            let _ = from_punycode(&text);
        }
        assert_eq!(from_punycode(&[b'9'; 4000]), None);
        let all: Vec<char> = (0x10F000..0x10FFFF).filter_map(char::from_u32).collect();
        assert!(to_punycode(&all).is_some());
    }
}
