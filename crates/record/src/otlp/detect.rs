//! The beginning of a file to "this is OTLP protobuf, framed so, carrying that signal", or "it is not".
//!
//! The three requests have the same field numbers down to their records; only there do wire types and contents tell
//! them apart. Each signal gets a score over the records at hand; contradictions weigh more than agreement.

use super::Signal;
use super::any::value_of;
use super::frames::Framing;
use super::metrics::Kind;
use crate::wire::{Field, Fields, read_varint};

/// How many records are looked at.
const SAMPLED_RECORDS_MAX: usize = 64;
/// How much a record that contradicts a signal weighs against fields that agree with it.
const CONTRADICTION_WEIGHT: i64 = 10;
/// Nesting of values within the sample; deeper says nothing about the signal.
const NESTING_MAX: usize = 100;

/// Returns framing and signal of an input that begins with `prefix`, or `None` when it is not OTLP protobuf.
///
/// `is_whole` says that the input ends with the prefix. An input without any record counts as logs.
pub(crate) fn detect(prefix: &[u8], is_whole: bool) -> Option<(Framing, Signal)> {
    let bare = bare_resources(prefix, is_whole).and_then(|resources| best_signal(&resources));
    let delimited = delimited_resources(prefix, is_whole).and_then(|resources| best_signal(&resources));
    match (bare, delimited) {
        (Some((signal, score)), Some((_, other))) if score >= other => Some((Framing::Bare, signal)),
        (_, Some((signal, _))) => Some((Framing::Delimited, signal)),
        (Some((signal, _)), None) => Some((Framing::Bare, signal)),
        (None, None) => None,
    }
}

/// Holds a message of the sample; `is_cut` when the sample ends within it.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    is_cut: bool,
}

fn bare_resources(prefix: &[u8], is_whole: bool) -> Option<Vec<Part<'_>>> {
    let request = Part { bytes: prefix, is_cut: !is_whole };
    children(request, 1, |number| number == 1)
}

fn delimited_resources(prefix: &[u8], is_whole: bool) -> Option<Vec<Part<'_>>> {
    let mut resources = Vec::new();
    let mut rest = prefix;
    while !rest.is_empty() && resources.len() < SAMPLED_RECORDS_MAX {
        let Some((size, head_size)) = read_varint(rest) else { break };
        let size = usize::try_from(size).ok()?;
        rest = &rest[head_size..];
        let is_cut = size > rest.len();
        if is_cut && is_whole && resources.is_empty() {
            return None;
        }
        let (bytes, behind) = rest.split_at(size.min(rest.len()));
        resources.extend(children(Part { bytes, is_cut }, 1, |number| number == 1)?);
        rest = behind;
    }
    Some(resources)
}

/// Returns the messages in field `number`, or `None` when the part is malformed or has a field that is not allowed.
fn children<'a>(part: Part<'a>, number: u32, is_allowed: impl Fn(u32) -> bool) -> Option<Vec<Part<'a>>> {
    let mut found = Vec::new();
    for field in Fields::new(part.bytes) {
        match field {
            Ok(field) if !is_allowed(field.number) => return None,
            Ok(field) if field.number == number => found.push(Part { bytes: field.bytes().ok()?, is_cut: false }),
            Ok(field) => drop(field.bytes().ok()?),
            Err(error) if part.is_cut => {
                let tail = &part.bytes[error.offset..];
                found.extend(cut_child(tail, number));
                break;
            }
            Err(_) => return None,
        }
    }
    Some(found)
}

/// Returns what is there of a message in field `number` that the sample's end cuts.
pub(crate) fn cut_content(tail: &[u8], number: u32) -> Option<&[u8]> {
    let (tag, tag_size) = read_varint(tail)?;
    let (size, length_size) = read_varint(&tail[tag_size..])?;
    let content = &tail[tag_size + length_size..];
    (tag == u64::from(number) << 3 | 2 && size > content.len() as u64).then_some(content)
}

fn cut_child(tail: &[u8], number: u32) -> Option<Part<'_>> {
    cut_content(tail, number).map(|bytes| Part { bytes, is_cut: true })
}

/// Returns the signal that the records below the resources speak for, and how much they do.
fn best_signal(resources: &[Part<'_>]) -> Option<(Signal, i64)> {
    let mut records = Vec::new();
    let mut container_count = 0;
    for resource in resources {
        // Resource, scopes, schema URL, and one number that is reserved (logs.proto, `ResourceLogs`).
        let scopes = children(*resource, 2, |number| matches!(number, 1..=3 | 1000))?;
        container_count += 1;
        for scope in scopes {
            let found = children(scope, 2, |number| matches!(number, 1..=3))?;
            records.extend(found.into_iter().filter(|record| !record.is_cut).map(|record| record.bytes));
        }
        if records.len() > SAMPLED_RECORDS_MAX {
            break;
        }
    }
    if records.is_empty() {
        let has_content = resources.iter().any(|resource| !resource.bytes.is_empty());
        return (container_count > 0 && has_content).then_some((Signal::Logs, 0));
    }
    let score = |judge: fn(&Field<'_>) -> Option<bool>| -> i64 {
        records.iter().take(SAMPLED_RECORDS_MAX).map(|record| record_score(record, judge)).sum()
    };
    let scores = [
        (Signal::Logs, score(judge_log_field)),
        (Signal::Spans, score(judge_span_field)),
        (Signal::Metrics, score(judge_metric_field)),
    ];
    // Of equal scores the first wins; all negative means that nothing fits.
    let best = scores.into_iter().reduce(|best, other| if other.1 > best.1 { other } else { best })?;
    (best.1 >= 0).then_some(best)
}

/// Counts the fields that agree; a single contradiction makes the whole record speak against the signal.
fn record_score(record: &[u8], judge: fn(&Field<'_>) -> Option<bool>) -> i64 {
    let mut score = 0;
    for field in Fields::new(record) {
        match field.ok().as_ref().map(judge) {
            Some(Some(true)) => score += 1,
            Some(Some(false)) | None => return -CONTRADICTION_WEIGHT,
            Some(None) => {}
        }
    }
    score
}

/// Says whether a field agrees with `LogRecord`; `None` when the number is not known there.
fn judge_log_field(field: &Field<'_>) -> Option<bool> {
    Some(match field.number {
        1 | 11 => field.fixed64().is_ok(),
        2 => field.varint().is_ok_and(|number| number <= 24),
        3 | 12 => is_text(field),
        5 => field.message().is_ok_and(|value| value_of(value, NESTING_MAX).is_ok()),
        6 => is_key_value(field),
        7 => field.varint().is_ok(),
        8 => field.fixed32().is_ok(),
        9 => has_size(field, 16),
        10 => has_size(field, 8),
        _ => return None,
    })
}

/// Says whether a field agrees with `Span`.
fn judge_span_field(field: &Field<'_>) -> Option<bool> {
    Some(match field.number {
        1 => has_size(field, 16),
        2 | 4 => has_size(field, 8),
        3 | 5 => is_text(field),
        6 => field.varint().is_ok_and(|number| number <= 5),
        7 | 8 => field.fixed64().is_ok(),
        9 => is_key_value(field),
        10 | 12 | 14 => field.varint().is_ok(),
        11 | 13 | 15 => is_message(field),
        16 => field.fixed32().is_ok(),
        _ => return None,
    })
}

/// Says whether a field agrees with `Metric`.
fn judge_metric_field(field: &Field<'_>) -> Option<bool> {
    Some(match field.number {
        1..=3 => is_text(field),
        12 => is_key_value(field),
        number if Kind::from_field_number(number).is_some() => field.message().is_ok_and(|mut fields| {
            fields.all(|field| field.is_ok_and(|field| field.number != 1 || is_message(&field)))
        }),
        _ => return None,
    })
}

fn has_size(field: &Field<'_>, size: usize) -> bool {
    field.bytes().is_ok_and(|bytes| bytes.is_empty() || bytes.len() == size)
}

fn is_text(field: &Field<'_>) -> bool {
    field.bytes().is_ok_and(|bytes| std::str::from_utf8(bytes).is_ok())
}

fn is_message(field: &Field<'_>) -> bool {
    field.message().is_ok_and(|mut fields| fields.all(|field| field.is_ok()))
}

fn is_key_value(field: &Field<'_>) -> bool {
    field.message().is_ok_and(|mut fields| {
        fields.all(|part| {
            part.is_ok_and(|part| match part.number {
                1 => is_text(&part),
                2 => part.message().is_ok_and(|value| value_of(value, NESTING_MAX).is_ok()),
                _ => true,
            })
        })
    })
}
