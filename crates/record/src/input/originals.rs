//! An input that is not OTLP to its records as they stand in it, each with its row of `logs`: for those who write it out
//! again in its format.
//!
//! Nothing is left out, also not blank lines, headers and what is malformed; only what is longer than its bound is skipped
//! and counted. Next: `text/rewrite.rs`.

use super::bytes::Window;
use super::cannot_read;
use super::report::{Place, Tracker};
use super::scan::is_mapped;
use super::split::{Piece, Split, Splitter};
use crate::format::Format;
use crate::record::{Plan, RowBuilder};
use crate::stream::{Column, Projection, Row, StreamError};
use crate::tables;
use crate::text::Decoder;
use crate::text::rewrite::Rewriter;
use dtq_source::Limits;
use std::sync::Arc;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Holds a record as it stands in its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Original<'r> {
    /// Where it begins.
    pub place: Place,
    /// The record, without the line end.
    pub bytes: &'r [u8],
    /// What separates it from the next.
    pub end: &'r [u8],
    /// Its row of `logs`, standard columns only; `None` for a header, a blank line, and what is malformed.
    pub row: Option<Row>,
    /// Whether it is malformed, which was counted.
    pub is_malformed: bool,
}

/// Reads the records of one input.
pub struct Originals<'i> {
    window: Window<'i>,
    splitter: Splitter,
    decoder: &'i Decoder,
    split: Split,
    plan: Arc<Plan>,
    builder: RowBuilder,
    tracker: Tracker<'i>,
    is_at_header: bool,
    /// The record given last, which is still in the window.
    given: Option<Piece>,
}

impl<'i> Originals<'i> {
    pub(super) fn new(
        window: Window<'i>,
        split: Split,
        decoder: &'i Decoder,
        format: Format,
        columns: &[Column],
        limits: &Limits,
        tracker: Tracker<'i>,
    ) -> Self {
        let standard = tables::standard("logs").map(|table| table.columns.clone()).unwrap_or_default();
        let plan = Arc::new(Plan::logs(columns, &standard, &Projection::all(standard.len()), is_mapped(format)));
        let builder = RowBuilder::new(Arc::clone(&plan));
        let is_at_header = matches!(decoder, Decoder::Csv(dialect) if dialect.has_header);
        let splitter = Splitter::new(split, limits.record_bytes_max);
        Self { window, splitter, decoder, split, plan, builder, tracker, is_at_header, given: None }
    }

    /// Returns what writes edits into these records.
    pub fn rewriter(&self) -> Rewriter<'i> {
        Rewriter::new(self.decoder, self.split, RowBuilder::new(Arc::clone(&self.plan)))
    }

    /// Returns the mark in front of the first record, which says that the input is UTF-8; to be asked before it is read.
    ///
    /// # Errors
    /// `E3008` when the input cannot be read.
    pub fn mark(&mut self) -> Result<&'static [u8], StreamError> {
        self.window.fill(MARK.len()).map_err(|error| cannot_read(self.tracker.input, &error))?;
        Ok(if self.given.is_none() && self.window.bytes().starts_with(MARK) { MARK } else { b"" })
    }

    /// Says whether the records are the elements of an array.
    ///
    /// # Errors
    /// `E3008` when the input cannot be read.
    pub fn is_array(&mut self) -> Result<bool, StreamError> {
        self.window.fill(64).map_err(|error| cannot_read(self.tracker.input, &error))?;
        let bytes = self.window.bytes();
        let begin = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
        Ok(self.given.is_none() && begin.first() == Some(&b'['))
    }

    /// Returns the next record.
    ///
    /// # Errors
    /// `E3008` when the input cannot be read.
    pub fn next_record(&mut self) -> Result<Option<Original<'_>>, StreamError> {
        if let Some(piece) = self.given.take() {
            self.splitter.advance(&mut self.window, piece);
            self.tracker.count(0, piece.whole as u64);
        }
        let piece = self.splitter.next(&mut self.window, &self.tracker);
        let Some(piece) = piece.map_err(|error| cannot_read(self.tracker.input, &error))? else { return Ok(None) };
        self.given = Some(piece);
        let (bytes, end) = self.window.bytes()[..piece.whole].split_at(piece.size);
        let (mut row, mut is_malformed) = (None, piece.is_malformed);
        if !is_malformed && !bytes.trim_ascii().is_empty() && !std::mem::take(&mut self.is_at_header) {
            match self.decoder.decode(bytes, &mut self.builder) {
                Ok(()) => {
                    row = Some(self.builder.finish(piece.place, &self.tracker));
                    self.tracker.count(1, 0);
                }
                Err(reason) => {
                    self.builder.discard();
                    self.tracker.skip(piece.place, reason);
                    is_malformed = true;
                }
            }
        }
        Ok(Some(Original { place: piece.place, bytes, end, row, is_malformed }))
    }
}
