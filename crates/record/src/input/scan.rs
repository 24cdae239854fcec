//! Files one after the other to the rows of one table.

use super::bytes::Window;
use super::lines::{LineReader, LineRows};
use super::probe::Reading;
use super::report::Tracker;
use super::split::{Split, Splitter};
use super::{File, Inputs, cannot_read};
use crate::format::Format;
use crate::otlp::Signal;
use crate::otlp::json::JsonSource;
use crate::otlp::reader::{OtlpRows, ProtobufSource, RequestSource, Target};
use crate::record::{Plan, RowBuilder};
use crate::sieve::Sieve;
use crate::stream::{Column, Projection, Row, RowStream, StreamError};
use crate::tables::Base;
use crate::text::Decoder;
use dtq_value::Value;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Rows given at a time.
const BATCH_ROWS: usize = 1024;
/// Bytes of input read at a time.
const BATCH_BYTES: u64 = 4 << 20;

/// Gives the rows of one file.
trait FileRows {
    /// Appends rows; says whether more may follow.
    fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool>;

    /// As [`RowStream::narrow`].
    fn narrow(&mut self, _may_pass_over: bool) {}

    /// As [`RowStream::take_passed_over`].
    fn take_passed_over(&mut self) -> u64 {
        0
    }
}

impl FileRows for LineRows<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        LineRows::read(self, batch)
    }

    fn narrow(&mut self, may_pass_over: bool) {
        LineRows::narrow(self, may_pass_over);
    }

    fn take_passed_over(&mut self) -> u64 {
        LineRows::take_passed_over(self)
    }
}

impl FileRows for OtlpRows<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        OtlpRows::read(self, batch)
    }

    fn narrow(&mut self, may_pass_over: bool) {
        OtlpRows::narrow(self, may_pass_over);
    }

    fn take_passed_over(&mut self) -> u64 {
        OtlpRows::take_passed_over(self)
    }
}

/// Reads a table from all files that fill it.
pub(crate) struct Scan<'i> {
    inputs: &'i Inputs,
    base: Option<Base>,
    columns: Vec<Column>,
    projection: Projection,
    files: VecDeque<&'i File>,
    current: Option<(&'i File, Box<dyn FileRows + 'i>)>,
    /// Whether the projection is followed, and whether records may be passed over then.
    narrowed: Option<bool>,
    /// Records passed over in files that have ended.
    passed_over: u64,
}

impl<'i> Scan<'i> {
    /// Returns the rows of a standard table.
    pub fn of_base(inputs: &'i Inputs, base: Base, projection: Projection) -> Self {
        let columns = inputs.base_columns(base);
        let is_source = |file: &&File| match &file.shape.reading {
            Reading::Otlp(_, signal) => base.is_filled_by(*signal),
            // Requests of another signal are passed over one by one.
            Reading::OtlpJson(..) => true,
            Reading::Records(..) => base == Base::Logs,
        };
        let files = inputs.files.iter().filter(is_source).collect();
        Self { inputs, base: Some(base), columns, projection, files, current: None, narrowed: None, passed_over: 0 }
    }

    /// Returns the rows of the table with the columns of the files themselves.
    pub fn of_own(inputs: &'i Inputs, table: &str, columns: Vec<Column>, projection: Projection) -> Self {
        let is_source = |file: &&File| file.input.table == table && file.shape.has_own_table();
        let files = inputs.files.iter().filter(is_source).collect();
        Self { inputs, base: None, columns, projection, files, current: None, narrowed: None, passed_over: 0 }
    }

    fn open(&self, file: &'i File) -> io::Result<Box<dyn FileRows + 'i>> {
        let limits = &self.inputs.limits;
        let tracker = Tracker::new(&self.inputs.collector, &file.input.name);
        let window = Window::new(file.input.open()?, limits)?;
        Ok(match (&file.shape.reading, self.base) {
            (Reading::Records(Split::Lines, decoder), _) => {
                let whole = Projection::columns(self.projection.is_read.clone());
                let line_bytes_max = limits.record_bytes_max;
                let sieve = Sieve::new(decoder, &self.columns, self.base.is_some(), &self.projection);
                let plan = Arc::new(self.plan(file, &whole));
                let whole = LineReader { decoder: decoder.clone(), plan, sieve: None, line_bytes_max };
                let plan = Arc::new(self.plan(file, &self.projection));
                let narrow = LineReader { decoder: decoder.clone(), plan, sieve, line_bytes_max };
                let workers = self.inputs.workers.as_deref();
                let parts = file.input.parts.as_ref().filter(|_| workers.is_some());
                let parts = parts.map(|open| open()).transpose()?;
                Box::new(LineRows::new((window, parts), (whole, narrow), tracker, workers))
            }
            (Reading::Records(split, decoder), _) => {
                let plan = Arc::new(self.plan(file, &self.projection));
                let splitter = Splitter::new(*split, limits.record_bytes_max);
                let is_at_header = matches!(decoder, Decoder::Csv(dialect) if dialect.has_header);
                let decoder = decoder.reading(|key| plan.reads_key(key));
                let builder = RowBuilder::new(plan);
                Box::new(RecordRows { window, splitter, decoder, builder, tracker, is_at_header })
            }
            (Reading::Otlp(framing, signal), base) => {
                let source = ProtobufSource { window, framing: *framing, limits: limits.clone() };
                self.otlp_rows(Box::new(source), *signal, base, tracker)
            }
            (Reading::OtlpJson(split, _), base) => {
                let source = |window, signal| JsonSource::new(window, *split, limits, signal);
                match base.and_then(Base::signal) {
                    Some(signal) => self.otlp_rows(Box::new(source(window, Some(signal))), signal, base, tracker),
                    None => self.otlp_rows(Box::new(source(window, None)), Signal::Logs, base, tracker),
                }
            }
        })
    }

    fn plan(&self, file: &File, projection: &Projection) -> Plan {
        match self.base {
            Some(_) => Plan::logs(&file.shape.columns, &self.columns, projection, is_mapped(file.shape.format)),
            None => Plan::own(&file.shape.columns, &self.columns, projection),
        }
    }

    fn otlp_rows(
        &self,
        source: Box<dyn RequestSource + 'i>,
        signal: Signal,
        base: Option<Base>,
        tracker: Tracker<'i>,
    ) -> Box<dyn FileRows + 'i> {
        let target = if base == Some(Base::Resources) { Target::Resources } else { Target::Records };
        Box::new(OtlpRows::new(source, signal, target, &self.projection, &self.inputs.limits, tracker))
    }

    /// Gives rows of OTLP the columns that only other files have.
    fn pad(&self, rows: &mut [Row]) {
        for row in rows {
            for column in row.len()..self.columns.len() {
                row.push(Value::missing(self.columns[column].ty));
            }
        }
    }
}

/// Says whether the keys of a format become well-known columns and attributes of `logs`.
pub(crate) fn is_mapped(format: Format) -> bool {
    !matches!(format, Format::Syslog | Format::Text)
}

impl RowStream for Scan<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        if self.current.is_none() {
            let Some(file) = self.files.pop_front() else { return Ok(false) };
            let mut rows = self.open(file).map_err(|error| cannot_read(&file.input.name, &error))?;
            if let Some(may_pass_over) = self.narrowed {
                rows.narrow(may_pass_over);
            }
            self.current = Some((file, rows));
        }
        let before = batch.len();
        if let Some((file, rows)) = &mut self.current {
            let has_more = rows.read(batch).map_err(|error| cannot_read(&file.input.name, &error))?;
            if !has_more {
                self.passed_over += rows.take_passed_over();
                self.current = None;
            }
        }
        self.pad(&mut batch[before..]);
        Ok(self.current.is_some() || !self.files.is_empty())
    }

    fn narrow(&mut self, may_pass_over: bool) {
        self.narrowed = Some(may_pass_over);
        if let Some((_, rows)) = &mut self.current {
            rows.narrow(may_pass_over);
        }
    }

    fn take_passed_over(&mut self) -> u64 {
        let current = self.current.as_mut().map_or(0, |(_, rows)| rows.take_passed_over());
        current + std::mem::take(&mut self.passed_over)
    }
}

/// Reads rows from records that stand one behind the other.
struct RecordRows<'i> {
    window: Window<'i>,
    splitter: Splitter,
    decoder: Decoder,
    builder: RowBuilder,
    tracker: Tracker<'i>,
    is_at_header: bool,
}

impl FileRows for RecordRows<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> io::Result<bool> {
        let (begin, before) = (self.window.offset, batch.len());
        let mut has_more = true;
        while has_more && batch.len() - before < BATCH_ROWS && self.window.offset - begin < BATCH_BYTES {
            let piece = self.splitter.next(&mut self.window, &self.tracker)?;
            has_more = piece.is_some();
            let Some(piece) = piece else { break };
            let record = &self.window.bytes()[..piece.size];
            let is_record = !piece.is_malformed && !record.trim_ascii().is_empty();
            if is_record && !std::mem::take(&mut self.is_at_header) {
                match self.decoder.decode(record, &mut self.builder) {
                    Ok(()) => batch.push(self.builder.finish(piece.place, &self.tracker)),
                    Err(reason) => {
                        self.builder.discard();
                        self.tracker.skip(piece.place, reason);
                    }
                }
            }
            self.splitter.advance(&mut self.window, piece);
        }
        self.tracker.count((batch.len() - before) as u64, self.window.offset - begin);
        Ok(has_more)
    }
}
