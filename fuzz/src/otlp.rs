//! A fuzzer's bytes to an OTLP request: messages with the right field numbers, and here and there a wrong one.
//!
//! Bytes that are used up give the shortest choice, hence it always ends.

use arbitrary::{Result, Unstructured};
use dtq_record::otlp::Signal;
use dtq_record::wire::{append_bytes_field, append_fixed64_field, append_message_field, append_varint_field};

/// Returns a request and what it carries.
pub fn request(bytes: &[u8]) -> (Signal, Vec<u8>) {
    let mut source = Unstructured::new(bytes);
    let signal = match source.arbitrary::<u8>().unwrap_or(0) % 3 {
        0 => Signal::Logs,
        1 => Signal::Spans,
        _ => Signal::Metrics,
    };
    let mut out = Vec::new();
    // Running out of bytes ends the request early, which is an input like any other.
    let _ = append_resources(&mut out, signal, &mut source);
    damage(&mut out, &mut source);
    (signal, out)
}

/// Changes a byte in one request of eight.
fn damage(out: &mut [u8], source: &mut Unstructured<'_>) {
    let is_damaged = source.arbitrary::<u8>().is_ok_and(|byte| byte % 8 == 7);
    if let (true, Ok(at), Ok(byte)) = (is_damaged && !out.is_empty(), source.arbitrary::<u16>(), source.arbitrary()) {
        let at = usize::from(at) % out.len();
        out[at] = byte;
    }
}

fn count(source: &mut Unstructured<'_>, max: u8) -> Result<u8> {
    Ok(source.arbitrary::<u8>()? % (max + 1))
}

fn append_resources(out: &mut Vec<u8>, signal: Signal, source: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..=count(source, 2)? {
        let mut resource = Vec::new();
        let result = append_resource(&mut resource, signal, source);
        append_bytes_field(out, 1, &resource);
        result?;
    }
    Ok(())
}

fn append_resource(out: &mut Vec<u8>, signal: Signal, source: &mut Unstructured<'_>) -> Result<()> {
    let is_late = source.arbitrary::<bool>()?;
    if !is_late {
        append_attributes(out, 1, 1, source)?;
    }
    for _ in 0..=count(source, 2)? {
        let mut scope = Vec::new();
        let result = append_scope(&mut scope, signal, source);
        append_bytes_field(out, 2, &scope);
        result?;
    }
    if is_late {
        append_attributes(out, 1, 1, source)?;
    }
    append_unknown(out, source)
}

fn append_scope(out: &mut Vec<u8>, signal: Signal, source: &mut Unstructured<'_>) -> Result<()> {
    append_message_field(out, 1, |scope| append_bytes_field(scope, 1, b"scope"));
    for _ in 0..=count(source, 3)? {
        let mut record = Vec::new();
        let result = match signal {
            Signal::Logs => append_log(&mut record, source),
            Signal::Spans => append_span(&mut record, source),
            Signal::Metrics => append_metric(&mut record, source),
        };
        append_bytes_field(out, 2, &record);
        result?;
    }
    Ok(())
}

fn append_log(out: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    append_fixed64_field(out, 1, source.arbitrary()?);
    append_varint_field(out, 2, u64::from(count(source, 25)?));
    append_bytes_field(out, 3, text(source)?);
    append_any(out, 5, source, 3)?;
    append_keys(out, 6, source)?;
    append_bytes_field(out, 9, source.bytes(16)?);
    append_bytes_field(out, 12, text(source)?);
    append_unknown(out, source)
}

fn append_span(out: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    append_bytes_field(out, 1, source.bytes(16)?);
    append_bytes_field(out, 5, text(source)?);
    append_varint_field(out, 6, u64::from(count(source, 7)?));
    append_fixed64_field(out, 7, source.arbitrary()?);
    append_fixed64_field(out, 8, source.arbitrary()?);
    append_keys(out, 9, source)?;
    for _ in 0..count(source, 2)? {
        append_attributes(out, 11, 3, source)?;
    }
    append_message_field(out, 15, |status| append_varint_field(status, 3, 2));
    append_unknown(out, source)
}

fn append_metric(out: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    append_bytes_field(out, 1, text(source)?);
    let kind = *source.choose(&[5_u32, 7, 9, 10, 11])?;
    let keys = if kind == 9 { 9 } else if kind == 10 { 1 } else { 7 };
    let mut data = Vec::new();
    for _ in 0..=count(source, 2)? {
        let mut point = Vec::new();
        append_fixed64_field(&mut point, 3, source.arbitrary()?);
        append_keys(&mut point, keys, source)?;
        append_bytes_field(&mut data, 1, &point);
    }
    append_varint_field(&mut data, 2, u64::from(count(source, 2)?));
    append_bytes_field(out, kind, &data);
    Ok(())
}

/// Appends a message in field `number` whose field `keys` holds attributes.
fn append_attributes(out: &mut Vec<u8>, number: u32, keys: u32, source: &mut Unstructured<'_>) -> Result<()> {
    let mut message = Vec::new();
    let result = append_keys(&mut message, keys, source);
    append_bytes_field(out, number, &message);
    result
}

fn append_keys(out: &mut Vec<u8>, number: u32, source: &mut Unstructured<'_>) -> Result<()> {
    for _ in 0..count(source, 4)? {
        let mut pair = Vec::new();
        append_bytes_field(&mut pair, 1, text(source)?);
        let result = append_any(&mut pair, 2, source, 3);
        append_bytes_field(out, number, &pair);
        result?;
    }
    Ok(())
}

fn append_any(out: &mut Vec<u8>, number: u32, source: &mut Unstructured<'_>, depth: u8) -> Result<()> {
    let mut any = Vec::new();
    let result = (|| {
        match count(source, 7)? {
            0 => {}
            1 => append_bytes_field(&mut any, 1, text(source)?),
            2 => append_varint_field(&mut any, 2, 1),
            3 => append_varint_field(&mut any, 3, source.arbitrary()?),
            4 => append_fixed64_field(&mut any, 4, source.arbitrary()?),
            5 if depth > 0 => {
                let mut list = Vec::new();
                for _ in 0..count(source, 3)? {
                    append_any(&mut list, 1, source, depth - 1)?;
                }
                append_bytes_field(&mut any, 5, &list);
            }
            6 if depth > 0 => append_attributes(&mut any, 6, 1, source)?,
            _ => append_bytes_field(&mut any, 7, source.bytes(3)?),
        }
        Ok(())
    })();
    append_bytes_field(out, number, &any);
    result
}

fn append_unknown(out: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    if source.arbitrary::<u8>()? % 8 == 0 {
        append_varint_field(out, 900, source.arbitrary()?);
    }
    Ok(())
}

fn text<'a>(source: &mut Unstructured<'a>) -> Result<&'a [u8]> {
    const WORDS: &[&[u8]] =
        &[b"EventName", b"LogWelcomeBanner", b"secret", b"http.route", b"ERROR", b"", b"checkout", b"4111111111111111"];
    match source.arbitrary::<u8>()? % 4 {
        0 => {
            let size = source.arbitrary::<u8>()? % 9;
            source.bytes(usize::from(size))
        }
        _ => source.choose(WORDS).copied(),
    }
}
