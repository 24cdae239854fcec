//! What no work on bytes can beat: copying them, finding where records begin, looking at every field.

use crate::hand::splice::{LOG_RECORDS, RESOURCE, RESOURCE_LOGS, SCOPE_LOGS};
use crate::hand::wire::{Read, Reader, message_tag};

/// `LogRecord.body`.
const BODY: u64 = message_tag(5);
/// `LogRecord.attributes`.
const ATTRIBUTES: u64 = message_tag(6);
/// `Resource.attributes`.
const FIRST: u64 = message_tag(1);
/// `KeyValue.value`.
const VALUE: u64 = message_tag(2);

/// Copies a request; returns its size.
pub fn copy(request: &[u8], out: &mut Vec<u8>) -> usize {
    out.clear();
    out.extend_from_slice(request);
    out.len()
}

/// Returns how many records a request has: reads tags and lengths down to the records.
///
/// # Errors
/// When the request is malformed as far as it is read.
pub fn walk_records(request: &[u8]) -> Read<u64> {
    let mut count = 0;
    let mut resources = Reader::new(request);
    while let Some(tag) = resources.tag()? {
        if tag != RESOURCE_LOGS {
            resources.skip(tag)?;
            continue;
        }
        let mut scopes = Reader::new(resources.content()?);
        while let Some(tag) = scopes.tag()? {
            if tag != SCOPE_LOGS {
                scopes.skip(tag)?;
                continue;
            }
            let mut records = Reader::new(scopes.content()?);
            while let Some(tag) = records.tag()? {
                records.skip(tag)?;
                count += u64::from(tag == LOG_RECORDS);
            }
        }
    }
    Ok(count)
}

/// Returns how many fields a request has, down to the values of attributes.
///
/// # Errors
/// When the request is malformed.
pub fn walk_fields(request: &[u8]) -> Read<u64> {
    each(request, |tag, reader| if tag == RESOURCE_LOGS { resource_logs(reader.content()?) } else { pass(tag, reader) })
}

fn resource_logs(message: &[u8]) -> Read<u64> {
    each(message, |tag, reader| match tag {
        SCOPE_LOGS => scope_logs(reader.content()?),
        RESOURCE => resource(reader.content()?),
        _ => pass(tag, reader),
    })
}

fn resource(message: &[u8]) -> Read<u64> {
    each(message, |tag, reader| if tag == FIRST { key_value(reader.content()?) } else { pass(tag, reader) })
}

fn scope_logs(message: &[u8]) -> Read<u64> {
    each(message, |tag, reader| if tag == LOG_RECORDS { log_record(reader.content()?) } else { pass(tag, reader) })
}

fn log_record(message: &[u8]) -> Read<u64> {
    each(message, |tag, reader| match tag {
        ATTRIBUTES => key_value(reader.content()?),
        BODY => any_value(reader.content()?),
        _ => pass(tag, reader),
    })
}

fn key_value(message: &[u8]) -> Read<u64> {
    each(message, |tag, reader| if tag == VALUE { any_value(reader.content()?) } else { pass(tag, reader) })
}

fn any_value(message: &[u8]) -> Read<u64> {
    each(message, pass)
}

#[inline(always)]
fn pass(tag: u64, reader: &mut Reader<'_>) -> Read<u64> {
    reader.skip(tag).map(|()| 0)
}

/// Returns the fields of a message and of those inside, which `visit` goes into.
#[inline(always)]
fn each(message: &[u8], visit: impl Fn(u64, &mut Reader<'_>) -> Read<u64>) -> Read<u64> {
    let mut count = 0;
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        count += 1 + visit(tag, &mut reader)?;
    }
    Ok(count)
}
