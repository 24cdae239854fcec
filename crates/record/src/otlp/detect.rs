//! The beginning of a file to "this is OTLP protobuf, framed so, carrying that signal", or "it is not".
//!
//! The three requests have the same field numbers down to their records; only there do wire types and contents tell
//! them apart. Each signal gets a score over the records at hand; contradictions weigh more than agreement.

use super::Signal;
use super::frames::Framing;
use super::metrics::Kind;
use crate::wire::{Field, Fields, read_varint};

/// How many records are looked at.
const SAMPLED_RECORDS_MAX: usize = 64;
/// How much a record or container that contradicts a signal weighs against fields that agree with it: little enough that
/// a few broken records among whole ones don't hide what a file is.
const CONTRADICTION_WEIGHT: i64 = 2;
/// Returns framing and signal of an input that begins with `prefix`, or `None` when it is not OTLP protobuf.
///
/// `is_whole` says that the input ends with the prefix. An input without any record counts as logs.
pub(crate) fn detect(prefix: &[u8], is_whole: bool) -> Option<(Framing, Signal)> {
    let bare = best_signal(bare_resources(prefix, is_whole));
    let delimited = best_signal(delimited_resources(prefix, is_whole));
    match (bare, delimited) {
        (Some(bare), Some(delimited)) if bare.rank() < delimited.rank() => Some((Framing::Delimited, delimited.signal)),
        (None, Some(delimited)) => Some((Framing::Delimited, delimited.signal)),
        (Some(bare), _) => Some((Framing::Bare, bare.signal)),
        (None, None) => None,
    }
}

/// Holds a signal and what speaks for it.
#[derive(Clone, Copy)]
struct Finding {
    signal: Signal,
    score: i64,
    /// Whether all containers are well-formed and have known fields only.
    is_clean: bool,
}

impl Finding {
    fn rank(&self) -> (bool, i64) {
        (self.is_clean, self.score)
    }
}

/// Holds a message of the sample; `is_cut` when the sample ends within it.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    is_cut: bool,
}

/// Holds messages of one level of the sample and how often the level above them contradicts OTLP.
#[derive(Default)]
struct Parts<'a> {
    list: Vec<Part<'a>>,
    fault_count: i64,
    /// Whether there were fields that OTLP does not have.
    has_unknown: bool,
}

impl<'a> Parts<'a> {
    /// Takes the messages in field `number` of a part in; `known` are the other fields, all of them messages or texts.
    fn take(&mut self, part: Part<'a>, number: u32, known: &[u32]) {
        for field in Fields::new(part.bytes) {
            match field {
                Ok(field) if field.number == number => match field.bytes() {
                    Ok(bytes) => self.list.push(Part { bytes, is_cut: false }),
                    Err(_) => self.fault_count += 1,
                },
                Ok(field) if known.contains(&field.number) => self.fault_count += i64::from(field.bytes().is_err()),
                Ok(_) => self.has_unknown = true,
                Err(error) => {
                    let cut = cut_content(&part.bytes[error.offset..], number);
                    self.list.extend(cut.map(|bytes| Part { bytes, is_cut: true }));
                    self.fault_count += i64::from(!part.is_cut);
                }
            }
        }
    }
}

fn bare_resources(prefix: &[u8], is_whole: bool) -> Parts<'_> {
    let mut resources = Parts::default();
    resources.take(Part { bytes: prefix, is_cut: !is_whole }, 1, &[]);
    resources
}

fn delimited_resources(prefix: &[u8], is_whole: bool) -> Parts<'_> {
    let mut resources = Parts::default();
    let mut rest = prefix;
    while !rest.is_empty() && resources.list.len() < SAMPLED_RECORDS_MAX {
        let Some((size, head_size)) = read_varint(rest) else { break };
        rest = &rest[head_size..];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let is_cut = size > rest.len();
        let (bytes, behind) = rest.split_at(size.min(rest.len()));
        resources.take(Part { bytes, is_cut }, 1, &[]);
        resources.fault_count += i64::from(is_cut && is_whole);
        rest = behind;
    }
    resources
}

/// Returns what is there of a message in field `number` that the sample's end cuts.
pub(crate) fn cut_content(tail: &[u8], number: u32) -> Option<&[u8]> {
    let (tag, tag_size) = read_varint(tail)?;
    let (size, length_size) = read_varint(&tail[tag_size..])?;
    let content = &tail[tag_size + length_size..];
    (tag == u64::from(number) << 3 | 2 && size > content.len() as u64).then_some(content)
}

/// Returns the signal that the records below the resources speak for.
fn best_signal(resources: Parts<'_>) -> Option<Finding> {
    let (mut scopes, mut records) = (Parts::default(), Parts::default());
    for resource in resources.list.iter().take(SAMPLED_RECORDS_MAX) {
        // Resource, schema URL, and a number that is reserved (logs.proto, `ResourceLogs`).
        scopes.take(*resource, 2, &[1, 3, 1000]);
    }
    for scope in scopes.list.iter().take(SAMPLED_RECORDS_MAX) {
        records.take(*scope, 2, &[1, 3]);
    }
    let levels = [&resources, &scopes, &records];
    let is_clean = levels.iter().all(|level| level.fault_count == 0 && !level.has_unknown);
    let fault_count: i64 = levels.iter().map(|level| level.fault_count).sum();
    let whole: Vec<&[u8]> = records
        .list
        .iter()
        .filter(|record| !record.is_cut)
        .take(SAMPLED_RECORDS_MAX)
        .map(|record| record.bytes)
        .collect();
    if whole.is_empty() {
        // Only what is beyond doubt counts then: resources, nothing unknown, nothing malformed.
        let has_resource = resources.list.iter().any(|resource| has_attributes(resource.bytes));
        return (is_clean && has_resource).then_some(Finding { signal: Signal::Logs, score: 0, is_clean });
    }
    let score = |judge: fn(&Field<'_>) -> Option<bool>| -> i64 {
        whole.iter().map(|record| record_score(record, judge)).sum::<i64>() - CONTRADICTION_WEIGHT * fault_count
    };
    let findings = [
        Finding { signal: Signal::Logs, score: score(judge_log_field), is_clean },
        Finding { signal: Signal::Spans, score: score(judge_span_field), is_clean },
        Finding { signal: Signal::Metrics, score: score(judge_metric_field), is_clean },
    ];
    // Of equal scores the first wins; none above zero means that nothing fits.
    let best = findings.into_iter().reduce(|best, other| if other.score > best.score { other } else { best })?;
    let is_all_empty = whole.iter().all(|record| record.is_empty()) && fault_count == 0;
    (best.score > 0 || is_all_empty).then_some(best)
}

/// Says whether the first field of resource is a `Resource` with attributes.
fn has_attributes(resource: &[u8]) -> bool {
    Fields::new(resource).any(|field| {
        field.is_ok_and(|field| {
            field.number == 1
                && field.message().is_ok_and(|fields| {
                    fields.into_iter().any(|field| field.is_ok_and(|field| field.number == 1 && is_key_value(&field)))
                })
        })
    })
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
        5 => is_message(field),
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
                2 => is_message(&part),
                _ => true,
            })
        })
    })
}
