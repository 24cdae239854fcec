//! The reference work on bytes: each record is read only as far as its question needs.
//!
//! Strings are compared as bytes. Of a repeated field the last is read, as prost does, unless the question is settled
//! before.

use crate::hand::decoded::F5Memo;
use crate::hand::splice::{Edits, Fate, Judge, RESOURCE};
use crate::hand::wire::{Malformed, Place, Read, Reader, message_tag};
use crate::records::BANNER;
use memchr::memmem::Finder;

/// `LogRecord.severity_number`.
const SEVERITY: u64 = 2 << 3;
/// `LogRecord.body`.
const BODY: u64 = message_tag(5);
/// `LogRecord.attributes`.
const ATTRIBUTES: u64 = message_tag(6);
/// `Resource.attributes`, `KeyValue.key` and `AnyValue.string_value`.
const FIRST: u64 = message_tag(1);
/// `KeyValue.value`.
const VALUE: u64 = message_tag(2);
/// `AnyValue.int_value`.
const INTEGER: u64 = 3 << 3;
/// `AnyValue.double_value`.
const REAL: u64 = 4 << 3 | 1;

/// `tier` = `gold` as an attribute of a record.
const TIER_GOLD: &[u8] = b"\x32\x0e\x0a\x04tier\x12\x06\x0a\x04gold";

fn content<'a>(request: &'a [u8], place: Place) -> &'a [u8] {
    &request[place.start..place.end]
}

fn fate(keeps: bool) -> Fate {
    if keeps { Fate::Keep } else { Fate::Drop }
}

/// Returns key and value of a `KeyValue`.
#[inline(always)]
fn key_value(pair: &[u8]) -> Read<(&[u8], &[u8])> {
    let mut reader = Reader::new(pair);
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    while let Some(tag) = reader.tag()? {
        match tag {
            FIRST => key = reader.content()?,
            VALUE => value = reader.content()?,
            _ => reader.skip(tag)?,
        }
    }
    Ok((key, value))
}

/// Returns the text of an `AnyValue`.
#[inline(always)]
fn text(any: &[u8]) -> Read<Option<&[u8]>> {
    let mut reader = Reader::new(any);
    let mut text = None;
    while let Some(tag) = reader.tag()? {
        match tag {
            FIRST => text = Some(reader.content()?),
            _ => reader.skip(tag)?,
        }
    }
    Ok(text)
}

/// Returns the integer of an `AnyValue`.
#[inline(always)]
fn integer(any: &[u8]) -> Read<Option<i64>> {
    let mut reader = Reader::new(any);
    let mut integer = None;
    while let Some(tag) = reader.tag()? {
        match tag {
            INTEGER => integer = Some(reader.varint()? as i64),
            _ => reader.skip(tag)?,
        }
    }
    Ok(integer)
}

/// Returns the real of an `AnyValue`.
#[inline(always)]
fn real(any: &[u8]) -> Read<Option<f64>> {
    let mut reader = Reader::new(any);
    let mut real = None;
    while let Some(tag) = reader.tag()? {
        if tag == REAL {
            let bytes = any.get(reader.at..reader.at + 8).ok_or(Malformed)?;
            real = Some(f64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        }
        reader.skip(tag)?;
    }
    Ok(real)
}

/// Returns `service.name` of a `ResourceLogs`.
fn service_name(resource_logs: &[u8]) -> Read<&[u8]> {
    let mut reader = Reader::new(resource_logs);
    while let Some(tag) = reader.tag()? {
        if tag != RESOURCE {
            reader.skip(tag)?;
            continue;
        }
        let mut attributes = Reader::new(reader.content()?);
        while let Some(tag) = attributes.tag()? {
            if tag != FIRST {
                attributes.skip(tag)?;
                continue;
            }
            let (key, value) = key_value(attributes.content()?)?;
            if key == b"service.name" {
                return Ok(text(value)?.unwrap_or_default());
            }
        }
    }
    Ok(&[])
}

/// Keeps every record.
pub struct KeepAll;

impl Judge for KeepAll {
    fn enter(&mut self, _resource_logs: &[u8]) -> Read<()> {
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, _request: &[u8], _record: Place, _edits: &mut Edits) -> Read<Fate> {
        Ok(Fate::Keep)
    }
}

/// Keeps errors.
pub struct F1;

impl Judge for F1 {
    fn enter(&mut self, _resource_logs: &[u8]) -> Read<()> {
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, request: &[u8], record: Place, _edits: &mut Edits) -> Read<Fate> {
        let mut reader = Reader::new(content(request, record));
        while let Some(tag) = reader.tag()? {
            if tag == SEVERITY {
                return Ok(fate(reader.varint()? >= 17));
            }
            reader.skip(tag)?;
        }
        Ok(Fate::Drop)
    }
}

/// Drops banners.
pub struct F2;

impl Judge for F2 {
    fn enter(&mut self, _resource_logs: &[u8]) -> Read<()> {
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, request: &[u8], record: Place, _edits: &mut Edits) -> Read<Fate> {
        let mut reader = Reader::new(content(request, record));
        while let Some(tag) = reader.tag()? {
            if tag != ATTRIBUTES {
                reader.skip(tag)?;
                continue;
            }
            let (key, value) = key_value(reader.content()?)?;
            if key == b"EventName" {
                return Ok(fate(text(value)? != Some(BANNER.as_bytes())));
            }
        }
        Ok(Fate::Keep)
    }
}

/// Keeps what F3 holds of.
pub struct F3 {
    timeout: Finder<'static>,
    is_checkout: bool,
}

impl Default for F3 {
    fn default() -> Self {
        Self { timeout: Finder::new("timeout"), is_checkout: false }
    }
}

impl Judge for F3 {
    fn enter(&mut self, resource_logs: &[u8]) -> Read<()> {
        self.is_checkout = service_name(resource_logs)? == b"checkout";
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, request: &[u8], record: Place, _edits: &mut Edits) -> Read<Fate> {
        let mut reader = Reader::new(content(request, record));
        let (mut has_severity, mut is_wanted) = (false, self.is_checkout);
        let mut body: Option<&[u8]> = None;
        while let Some(tag) = reader.tag()? {
            match tag {
                SEVERITY => {
                    has_severity = reader.varint()? >= 9;
                    if !has_severity {
                        return Ok(Fate::Drop);
                    }
                }
                BODY => body = Some(reader.content()?),
                ATTRIBUTES if !is_wanted => {
                    let (key, value) = key_value(reader.content()?)?;
                    if key == b"http.status_code" {
                        is_wanted = integer(value)?.is_some_and(|status| status >= 500);
                        if !is_wanted {
                            return Ok(Fate::Drop);
                        }
                    }
                }
                _ => reader.skip(tag)?,
            }
            if is_wanted && has_severity && body.is_some() {
                break;
            }
        }
        let is_timeout = || Ok(text(body.unwrap_or_default())?.is_some_and(|text| self.timeout.find(text).is_some()));
        Ok(fate(has_severity && is_wanted && is_timeout()?))
    }
}

/// Drops what one of many rules holds of, and counts it for the first that does.
pub struct F5 {
    rules: F5Memo,
    service: Vec<u8>,
    /// Records that each rule dropped.
    pub counts: Vec<u64>,
}

impl F5 {
    /// Returns a judge by these rules.
    pub fn new(rules: &[crate::rules::Rule]) -> Self {
        Self { rules: F5Memo::new(rules), service: Vec::new(), counts: vec![0; rules.len()] }
    }
}

impl Judge for F5 {
    fn enter(&mut self, resource_logs: &[u8]) -> Read<()> {
        self.service.clear();
        self.service.extend_from_slice(service_name(resource_logs)?);
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, request: &[u8], record: Place, _edits: &mut Edits) -> Read<Fate> {
        let mut reader = Reader::new(content(request, record));
        let (mut severity, mut status) = (0, i64::MIN);
        let (mut body, mut has_status): (Option<&[u8]>, bool) = (None, false);
        while let Some(tag) = reader.tag()? {
            match tag {
                SEVERITY => severity = reader.varint()? as i32,
                BODY => body = Some(reader.content()?),
                ATTRIBUTES => {
                    let (key, value) = key_value(reader.content()?)?;
                    if key == b"http.status_code" {
                        (status, has_status) = (integer(value)?.unwrap_or(i64::MIN), true);
                    }
                }
                _ => reader.skip(tag)?,
            }
            // A severity of 0 is not written, but then no rule holds.
            if has_status && severity > 0 && body.is_some() {
                break;
            }
        }
        let body = text(body.unwrap_or_default())?.unwrap_or_default();
        match self.rules.first_of(severity, status, &self.service, body) {
            Some(rule) => {
                self.counts[rule] += 1;
                Ok(Fate::Drop)
            }
            None => Ok(Fate::Keep),
        }
    }
}

/// Takes the secret out of banners and marks slow records.
pub struct T1;

impl Judge for T1 {
    fn enter(&mut self, _resource_logs: &[u8]) -> Read<()> {
        Ok(())
    }

    #[inline(always)]
    fn judge(&mut self, request: &[u8], record: Place, edits: &mut Edits) -> Read<Fate> {
        let mut reader = Reader::inside(request, record.start..record.end);
        let (mut is_banner, mut is_slow) = (false, false);
        let mut secret = None;
        let mut attributes_end = record.end;
        loop {
            let field = reader.at;
            let Some(tag) = reader.tag()? else { break };
            if tag != ATTRIBUTES {
                reader.skip(tag)?;
                continue;
            }
            let (key, value) = key_value(reader.content()?)?;
            attributes_end = reader.at;
            match key {
                b"EventName" => is_banner = text(value)? == Some(BANNER.as_bytes()),
                b"duration_ms" => is_slow = real(value)?.is_some_and(|duration_ms| duration_ms > 500.0),
                b"secret" => secret = Some((field, reader.at)),
                _ => {}
            }
        }
        let secret = secret.filter(|_| is_banner);
        if secret.is_none() && !is_slow {
            return Ok(Fate::Keep);
        }
        let opened = edits.open(record);
        let mut growth = 0;
        if let Some((start, end)) = secret {
            edits.cut(start, end);
            growth -= (end - start) as isize;
        }
        if is_slow {
            edits.insert(attributes_end, TIER_GOLD);
            growth += TIER_GOLD.len() as isize;
        }
        Ok(Fate::Edit(edits.close(opened, record, growth)))
    }
}
