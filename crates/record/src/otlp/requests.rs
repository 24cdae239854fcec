//! An OTLP input to its requests as bytes, each beside what stands in the input: for those who write it out again.
//!
//! Whatever can be framed is given, also what is no request or malformed, so that nothing is lost on the way through;
//! what cannot be framed is skipped and counted. One request of any size comes resource by resource: each is a request
//! of its own, and one behind the other they are the whole again. Reads no record. Next: `index.rs`.

use super::Signal;
use super::frames::{Frame, Framing, read_any_frame};
use super::json::{Transcribed, transcribe};
use crate::input::bytes::Window;
use crate::input::cannot_read;
use crate::input::report::{Place, Tracker};
use crate::input::split::{Split, Splitter};
use crate::stream::StreamError;
use dtq_source::Limits;
use std::io;

/// Names how requests stand in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Protobuf, one request; its resources come one by one.
    Bare,
    /// Protobuf, each request with its length in front.
    Delimited,
    /// A JSON document each.
    Json,
}

/// Holds a request in protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it carries.
    pub signal: Signal,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Says what is wrong with a JSON document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFault {
    /// Bytes from the beginning of the document.
    pub offset: usize,
    /// What is wrong.
    pub reason: String,
}

/// Returns the request of a signal that a document of OTLP JSON is.
///
/// # Errors
/// When anything in it is wrong, were it one value of one record: a sender can be told.
pub fn from_json(document: &[u8], signal: Signal, nesting_max: usize) -> Result<Vec<u8>, JsonFault> {
    let transcribed = transcribe(document, nesting_max, Some(signal));
    match transcribed.faults.into_iter().next() {
        None => Ok(transcribed.bytes),
        Some((offset, reason)) => Err(JsonFault { offset, reason }),
    }
}

/// Holds a part of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'r> {
    /// Where it begins.
    pub place: Place,
    /// The length in front of it as it stands in the input; empty unless requests are delimited.
    pub head: &'r [u8],
    /// What stands in the input: protobuf, or a JSON document with the line end behind it.
    pub original: &'r [u8],
    /// The requests in it: one; none in what is no request; in JSON perhaps one of each signal.
    pub requests: &'r [Request],
    /// Whether it is cut or malformed, which was counted; the requests are then what could be read of it.
    pub is_malformed: bool,
}

/// Reads the pieces of one input.
pub struct Requests<'i> {
    window: Window<'i>,
    source: Source,
    limits: Limits,
    tracker: Tracker<'i>,
    frame: Frame,
    original: Vec<u8>,
    requests: Vec<Request>,
}

enum Source {
    Protobuf(Framing, Signal),
    Json(Splitter),
}

impl<'i> Requests<'i> {
    pub(crate) fn of_protobuf(
        window: Window<'i>,
        framing: Framing,
        signal: Signal,
        limits: &Limits,
        tracker: Tracker<'i>,
    ) -> Self {
        Self::new(window, Source::Protobuf(framing, signal), limits, tracker)
    }

    pub(crate) fn of_json(window: Window<'i>, split: Split, limits: &Limits, tracker: Tracker<'i>) -> Self {
        Self::new(window, Source::Json(Splitter::new(split, limits.document_bytes_max)), limits, tracker)
    }

    fn new(window: Window<'i>, source: Source, limits: &Limits, tracker: Tracker<'i>) -> Self {
        let (frame, original, requests) = (Frame::default(), Vec::new(), Vec::new());
        Self { window, source, limits: limits.clone(), tracker, frame, original, requests }
    }

    /// Returns the next piece.
    ///
    /// # Errors
    /// `E3008` when the input cannot be read.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, StreamError> {
        let before = self.window.offset;
        let found = match &mut self.source {
            Source::Protobuf(..) => self.next_frame(),
            Source::Json(_) => self.next_document(),
        };
        self.tracker.count(0, self.window.offset - before);
        let found = found.map_err(|error| cannot_read(self.tracker.input, &error))?;
        Ok(found.map(|(place, is_malformed)| {
            let original = match self.source {
                Source::Protobuf(..) => self.requests.first().map_or(&self.frame.bytes, |request| &request.bytes),
                Source::Json(_) => &self.original,
            };
            Piece { place, head: &self.frame.head, original, requests: &self.requests, is_malformed }
        }))
    }

    /// Reads a piece of protobuf: a request, or a field that requests do not have.
    fn next_frame(&mut self) -> io::Result<Option<(Place, bool)>> {
        let Source::Protobuf(framing, signal) = self.source else { unreachable!("the source is protobuf") };
        // The buffer goes round, so that requests of the same size need no new one.
        if let Some(request) = self.requests.pop() {
            self.frame.bytes = request.bytes;
        }
        let is_read = read_any_frame(&mut self.window, framing, &self.limits, &self.tracker, &mut self.frame)?;
        if let Some(defect) = self.window.defect.take() {
            self.tracker.skip(Place::Byte(self.window.offset), defect);
        }
        if !is_read {
            return Ok(None);
        }
        if !self.frame.is_unknown {
            self.requests.push(Request { signal, bytes: std::mem::take(&mut self.frame.bytes) });
        }
        Ok(Some((Place::Byte(self.frame.offset), self.frame.is_cut)))
    }

    fn next_document(&mut self) -> io::Result<Option<(Place, bool)>> {
        let Source::Json(splitter) = &mut self.source else { unreachable!("the source is JSON") };
        self.requests.clear();
        let Some(piece) = splitter.next(&mut self.window, &self.tracker)? else { return Ok(None) };
        let offset = self.window.offset;
        let mut whole = piece.whole;
        if whole == piece.size {
            // A document that is no line has its line end behind it, if any.
            self.window.fill(whole + 2)?;
            let behind = &self.window.bytes()[whole..];
            whole += [&b"\n"[..], b"\r\n"].into_iter().find(|end| behind.starts_with(end)).map_or(0, <[u8]>::len);
        }
        self.original.clear();
        self.original.extend_from_slice(&self.window.bytes()[..whole]);
        splitter.advance(&mut self.window, crate::input::split::Piece { whole, ..piece });
        let document = &self.original[..piece.size];
        if document.trim_ascii().is_empty() {
            return Ok(Some((piece.place, false)));
        }
        let nesting_max = self.limits.value_nesting_max;
        let Transcribed { bytes, signal, has_several, faults } = transcribe(document, nesting_max, None);
        for (at, reason) in &faults {
            self.tracker.skip(Place::Byte(offset + *at as u64), reason.as_str());
        }
        if has_several {
            self.requests.extend([Signal::Logs, Signal::Metrics, Signal::Spans].into_iter().filter_map(|signal| {
                let part = transcribe(document, nesting_max, Some(signal));
                part.signal.map(|signal| Request { signal, bytes: part.bytes })
            }));
        } else if let Some(signal) = signal {
            self.requests.push(Request { signal, bytes });
        }
        Ok(Some((piece.place, !faults.is_empty())))
    }
}
