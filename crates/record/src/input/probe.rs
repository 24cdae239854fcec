//! The beginning of an input to its shape: format, signal or columns.

use super::bytes::Window;
use super::report::Tracker;
use super::split::{Split, Splitter};
use super::{Input, Options};
use crate::format::{Format, csv_delimiter, is_otlp_key};
use crate::infer::Sampler;
use crate::otlp::Signal;
use crate::otlp::detect;
use crate::otlp::frames::Framing;
use crate::otlp::requests::Envelope;
use crate::stream::Column;
use crate::text::{Decoder, LINE_KEY, csv::Dialect, syslog};
use dtq_source::Limits;
use dtq_value::Type;
use std::io;

/// Bytes from which the format is told.
const PREFIX_BYTES: usize = 64 << 10;
/// Bytes at most that are read for a sample, whatever the number of records.
const SAMPLE_BYTES_MAX: u64 = 8 << 20;

/// Holds what is known of an input before it is read.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Its format.
    pub format: Format,
    /// How it is read.
    pub reading: Reading,
    /// Columns of its own table; empty for OTLP.
    pub columns: Vec<Column>,
}

/// Says how an input is read.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// OTLP protobuf.
    Otlp(Framing, Signal),
    /// OTLP JSON, with the signal of the first request.
    OtlpJson(Split, Signal),
    /// Records with keys of their own.
    Records(Split, Decoder),
}

impl Shape {
    /// Says whether the input fills a table with its own columns.
    pub fn has_own_table(&self) -> bool {
        matches!(self.reading, Reading::Records(..))
    }

    /// Says how requests stand in the input, when it is OTLP.
    pub fn envelope(&self) -> Option<Envelope> {
        match self.reading {
            Reading::Otlp(Framing::Bare, _) => Some(Envelope::Bare),
            Reading::Otlp(Framing::Delimited, _) => Some(Envelope::Delimited),
            Reading::OtlpJson(..) => Some(Envelope::Json),
            Reading::Records(..) => None,
        }
    }

    /// Says whether the columns are top-level keys of the file, and so columns of `logs`, too.
    pub fn has_keys(&self) -> bool {
        matches!(self.reading, Reading::Records(..)) && self.format != Format::Text
    }

    /// Returns the signals that the input holds as far as is known.
    pub fn signals(&self) -> Vec<Signal> {
        match self.reading {
            Reading::Otlp(_, signal) | Reading::OtlpJson(_, signal) => vec![signal],
            Reading::Records(..) => vec![Signal::Logs],
        }
    }
}

/// Looks at the beginning of an input.
///
/// # Errors
/// When it cannot be opened or read.
pub(super) fn probe(input: &Input, options: &Options, limits: &Limits) -> io::Result<Shape> {
    let mut window = Window::new(input.open_for_probing()?, limits)?;
    window.fill(PREFIX_BYTES)?;
    let is_whole = window.is_finished();
    let size = window.bytes().len().min(4 * PREFIX_BYTES);
    let prefix = window.bytes()[..size].to_vec();
    let is_whole = is_whole && size == window.bytes().len();
    let format = input.format.unwrap_or_else(|| Format::detect_part(&prefix, is_whole));
    let reading = reading_of(format, &prefix, is_whole, options, limits);
    let columns = match &reading {
        Reading::Otlp(..) | Reading::OtlpJson(..) => Vec::new(),
        Reading::Records(split, decoder) => {
            let sampled = columns_of(&mut window, *split, decoder, limits)?;
            with_schema(sampled, &input.schema)
        }
    };
    Ok(Shape { format, reading, columns })
}

fn reading_of(format: Format, prefix: &[u8], is_whole: bool, options: &Options, limits: &Limits) -> Reading {
    let json = Decoder::Json { nesting_max: limits.value_nesting_max };
    match format {
        Format::Otlp => {
            let (framing, signal) = detect::detect(prefix, is_whole).unwrap_or((Framing::Bare, Signal::Logs));
            Reading::Otlp(framing, signal)
        }
        Format::OtlpJson => Reading::OtlpJson(json_split(prefix, is_whole), json_signal(prefix)),
        Format::Ndjson => Reading::Records(Split::Lines, json),
        Format::Json => Reading::Records(Split::Documents, json),
        Format::Csv | Format::Tsv => {
            let delimiter = match format {
                Format::Tsv => b'\t',
                _ => csv_delimiter(prefix, is_whole).unwrap_or(b','),
            };
            let dialect = Dialect::of_first_record(&first_record(prefix, limits), delimiter);
            Reading::Records(Split::Csv, Decoder::Csv(dialect))
        }
        Format::Syslog => Reading::Records(Split::Lines, Decoder::Syslog { now_ticks: options.now_ticks }),
        Format::Logfmt => Reading::Records(Split::Lines, Decoder::Logfmt),
        Format::Text => Reading::Records(Split::Lines, Decoder::Text),
    }
}

/// Says whether requests stand on lines of their own: the first line is a whole value, or longer than the prefix.
fn json_split(prefix: &[u8], is_whole: bool) -> Split {
    let start = prefix.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(prefix).trim_ascii_start();
    let line = memchr::memchr(b'\n', start).map(|at| &start[..at]);
    let is_line = match line {
        Some(line) => serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok(),
        None => !is_whole && start.starts_with(b"{"),
    };
    if is_line { Split::Lines } else { Split::Documents }
}

/// Returns the signal that the first key of a request speaks for.
fn json_signal(prefix: &[u8]) -> Signal {
    let key = prefix.split(|byte| *byte == b'"').filter_map(|part| std::str::from_utf8(part).ok());
    match key.into_iter().find(|key| is_otlp_key(key)) {
        Some("resourceSpans" | "resource_spans") => Signal::Spans,
        Some("resourceMetrics" | "resource_metrics") => Signal::Metrics,
        _ => Signal::Logs,
    }
}

fn first_record(prefix: &[u8], limits: &Limits) -> Vec<u8> {
    let Ok(mut window) = Window::new(Box::new(prefix), limits) else { return Vec::new() };
    let mut splitter = Splitter::new(Split::Csv, prefix.len() + 1);
    while let Ok(Some(piece)) = splitter.next(&mut window, &Tracker::silent("")) {
        if piece.size > 0 && !piece.is_malformed {
            return window.bytes()[..piece.size].to_vec();
        }
        splitter.advance(&mut window, piece);
    }
    Vec::new()
}

/// Samples the first records.
fn columns_of(window: &mut Window<'_>, split: Split, decoder: &Decoder, limits: &Limits) -> io::Result<Vec<Column>> {
    match decoder {
        Decoder::Syslog { .. } => {
            return Ok(syslog::COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty)).collect());
        }
        Decoder::Text => return Ok(vec![Column::new(LINE_KEY, Type::String)]),
        Decoder::Json { .. } | Decoder::Csv(_) | Decoder::Logfmt => {}
    }
    let mut sampler = Sampler::default();
    if let Decoder::Csv(dialect) = decoder {
        sampler.declare(&dialect.names);
    }
    let mut splitter = Splitter::new(split, limits.record_bytes_max);
    let mut sampled = 0;
    let mut is_header = matches!(decoder, Decoder::Csv(dialect) if dialect.has_header);
    while sampled < limits.sampled_records_max && window.offset < SAMPLE_BYTES_MAX {
        let Some(piece) = splitter.next(window, &Tracker::silent(""))? else { break };
        let record = &window.bytes()[..piece.size];
        if !piece.is_malformed && !record.trim_ascii().is_empty() && !std::mem::take(&mut is_header) {
            // A malformed record shows what it shows up to its fault; it is counted when it is read.
            drop(decoder.decode(record, &mut sampler));
            sampled += 1;
        }
        splitter.advance(window, piece);
    }
    Ok(sampler.columns())
}

/// Applies the types that the user gave.
fn with_schema(mut columns: Vec<Column>, schema: &[Column]) -> Vec<Column> {
    for given in schema {
        match columns.iter_mut().find(|column| column.name == given.name) {
            Some(column) => column.ty = given.ty,
            None => columns.push(given.clone()),
        }
    }
    columns
}
