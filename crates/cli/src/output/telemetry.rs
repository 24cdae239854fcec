//! Requests to bytes of an output: protobuf bare or delimited, JSON documents, or the rows of their table.
//!
//! What came in the same encoding can pass as it stood. Which output a request goes to is `commands/apply.rs`'s.

use crate::console::Console;
use crate::failure::Failure;
use crate::output::otlp::write_delimited;
use crate::output::{self, Form, Header, Sink, text};
use dtq_record::otlp::Signal;
use dtq_record::otlp::requests::{Envelope, Piece};
use dtq_record::otlp::to_json::append_json;
use dtq_record::stream::{Catalog, Projection};
use dtq_record::{Format, Input, Inputs};
use dtq_source::Limits;
use std::io::{self, Write};

/// Holds an output of requests.
pub struct RequestWriter {
    out: Box<dyn Write>,
    encoding: Encoding,
    limits: Limits,
    /// The last byte written: documents stand on lines of their own.
    last: u8,
    /// The signal of what was written: protobuf does not say it, so that one output holds one.
    signal: Option<Signal>,
    /// Requests that have no form in the encoding, because they cannot be read.
    pub unwritable_count: u64,
}

/// Says how requests are written.
pub enum Encoding {
    /// As OTLP.
    Otlp(Envelope),
    /// As rows of the table of a signal.
    Rows(Box<dyn Sink>, Signal, bool),
}

impl Encoding {
    /// Returns the encoding that a form names.
    ///
    /// # Errors
    /// [`Failure::Usage`] when the form cannot hold telemetry.
    pub fn of_form(form: Form, signal: Signal, console: &Console) -> Result<Self, Failure> {
        Ok(match form {
            Form::Otlp => Encoding::Otlp(Envelope::Delimited),
            Form::OtlpJson => Encoding::Otlp(Envelope::Json),
            _ => Encoding::Rows(output::sink(form, 1, console)?, signal, false),
        })
    }

    /// Says whether the bytes are no text.
    pub fn is_binary(&self) -> bool {
        matches!(self, Encoding::Otlp(Envelope::Bare | Envelope::Delimited))
    }
}

impl RequestWriter {
    /// Returns a writer that has written nothing.
    pub fn new(out: Box<dyn Write>, encoding: Encoding, limits: &Limits) -> Self {
        Self { out, encoding, limits: limits.clone(), last: b'\n', signal: None, unwritable_count: 0 }
    }

    /// Says whether a piece of an input with this envelope can pass as it stands.
    pub fn takes_as_is(&self, envelope: Envelope) -> bool {
        matches!(self.encoding, Encoding::Otlp(own) if own == envelope)
    }

    /// Says whether a request of this signal can stand in the output, and from then on that it does.
    pub fn admits(&mut self, signal: Signal) -> bool {
        match &self.encoding {
            Encoding::Otlp(Envelope::Json) => true,
            Encoding::Rows(_, own, _) => *own == signal,
            Encoding::Otlp(Envelope::Bare | Envelope::Delimited) => *self.signal.get_or_insert(signal) == signal,
        }
    }

    /// Writes a piece as it stands in its input.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write_piece(&mut self, piece: &Piece<'_>) -> io::Result<()> {
        self.out.write_all(piece.head)?;
        if matches!(self.encoding, Encoding::Otlp(Envelope::Json)) {
            self.begin_line()?
        }
        self.write_bytes(piece.original)
    }

    /// Writes a request.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&mut self, signal: Signal, request: &[u8]) -> io::Result<()> {
        match &mut self.encoding {
            Encoding::Otlp(Envelope::Bare) => self.write_bytes(request),
            Encoding::Otlp(Envelope::Delimited) => write_delimited(&mut self.out, request),
            Encoding::Otlp(Envelope::Json) => {
                let Some(json) = self.json(signal, request) else { return Ok(()) };
                self.begin_line()?;
                self.write_bytes(text::neutral_json(&json).as_bytes())?;
                self.write_bytes(b"\n")
            }
            Encoding::Rows(..) => self.write_rows(signal, request),
        }
    }

    /// Has what was written go out, for who watches.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the output.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Encoding::Rows(sink, signal, has_begun) = &mut self.encoding {
            if !std::mem::replace(has_begun, true) {
                begin(sink.as_mut(), &mut self.out, *signal)?;
            }
            sink.end(&mut self.out)?;
            sink.finish(&mut self.out)?;
        }
        self.out.flush()
    }

    fn json(&mut self, signal: Signal, request: &[u8]) -> Option<String> {
        let mut json = String::new();
        match append_json(&mut json, signal, request, self.limits.value_nesting_max) {
            Ok(()) => Some(json),
            Err(_) => {
                self.unwritable_count += 1;
                None
            }
        }
    }

    fn begin_line(&mut self) -> io::Result<()> {
        if self.last == b'\n' { Ok(()) } else { self.write_bytes(b"\n") }
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.last = bytes.last().copied().unwrap_or(self.last);
        self.out.write_all(bytes)
    }

    /// The rows are read from JSON, which says its signal.
    fn write_rows(&mut self, signal: Signal, request: &[u8]) -> io::Result<()> {
        let Some(json) = self.json(signal, request) else { return Ok(()) };
        let Encoding::Rows(sink, _, has_begun) = &mut self.encoding else { unreachable!("the caller has looked") };
        if !std::mem::replace(has_begun, true) {
            begin(sink.as_mut(), &mut self.out, signal)?;
        }
        let input = Input::from_bytes("request", "request", json.into_bytes()).with_format(Format::OtlpJson);
        let failed = |error: dtq_record::stream::StreamError| io::Error::other(error.message);
        let inputs = Inputs::probe(vec![input], &dtq_record::Options::default(), &self.limits).map_err(failed)?;
        let width = inputs.schema(signal.table()).map_or(0, |schema| schema.columns.len());
        let mut stream = inputs.scan(signal.table(), &Projection::all(width)).map_err(failed)?;
        let mut has_more = true;
        while has_more {
            let mut rows = Vec::new();
            has_more = stream.read(&mut rows).map_err(failed)?;
            sink.rows(&mut self.out, &rows)?;
        }
        Ok(())
    }
}

fn begin(sink: &mut dyn Sink, out: &mut dyn Write, signal: Signal) -> io::Result<()> {
    let columns = dtq_record::tables::standard(signal.table()).map(|table| table.columns.clone()).unwrap_or_default();
    sink.begin(out, &Header { name: signal.table(), columns: &columns, is_one_of_several: false })
}
