//! Hits to bytes on stdout or in a file: lines for people, or logs in any form that `dtq apply` writes.
//!
//! Lines go out at once; logs are gathered for a moment, so that a request holds more than one.

use super::line::Lines;
use crate::args::KernelTraceArguments;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::Form;
use crate::output::telemetry::{Encoding, RequestWriter};
use dtq_kernel::trace::deliver::wall_offset_ns;
use dtq_kernel::trace::{Delivery, Hit, Trace};
use dtq_record::otlp::Signal;
use dtq_source::Limits;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long logs are gathered.
const GATHERED: Duration = Duration::from_millis(200);
/// Bytes of a request from which it goes out at once.
const REQUEST_SIZE: usize = 1 << 18;

/// Holds where hits go.
pub enum Out {
    /// To people.
    Lines {
        /// Writes a line.
        lines: Lines,
        /// What was written and has not gone out.
        text: String,
        /// Where it goes.
        out: Box<dyn Write>,
    },
    /// To programs.
    Logs {
        /// What was gathered.
        delivery: Box<Delivery>,
        /// Since when.
        since: Option<Instant>,
        /// Where it goes.
        writer: Box<RequestWriter>,
    },
}

impl Out {
    /// Opens where the hits of a trace go.
    ///
    /// # Errors
    /// [`Failure::Output`] when the file cannot be made; [`Failure::Usage`] when bytes would go to a terminal.
    pub fn open(arguments: &KernelTraceArguments, trace: &Trace, console: &Console) -> Result<Self, Failure> {
        let is_terminal = arguments.out.is_none() && console.is_out_terminal;
        let form = arguments.output.unwrap_or(if is_terminal { Form::Table } else { Form::Ndjson });
        if form == Form::Otlp && is_terminal {
            let message = "protobuf is no text for a terminal; name a file with --out, or use --output otlp-json";
            return Err(Failure::Usage(message.into()));
        }
        let out: Box<dyn Write> = match &arguments.out {
            Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|error| cannot_write(path, &error))?)),
            None => Box::new(BufWriter::new(io::stdout())),
        };
        let offset_ns = wall_offset_ns();
        if form == Form::Table {
            let width = if is_terminal { console.width() } else { None };
            let lines = Lines::new(trace, offset_ns, width);
            let text = lines.head() + "\n";
            return Ok(Self::Lines { lines, text, out });
        }
        let delivery = Box::new(Delivery::new(trace.sites(), trace.arguments(), offset_ns));
        let encoding = Encoding::of_form(form, Signal::Logs, console)?;
        let writer = Box::new(RequestWriter::new(out, encoding, &Limits::default()));
        Ok(Self::Logs { delivery, since: None, writer })
    }

    /// Adds a hit.
    pub fn push(&mut self, hit: &Hit<'_>) {
        match self {
            Self::Lines { lines, text, .. } => *text += &(lines.hit(hit) + "\n"),
            Self::Logs { delivery, since, .. } => {
                since.get_or_insert_with(Instant::now);
                delivery.push(hit);
            }
        }
    }

    /// Returns when what was gathered is to go out.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Self::Lines { .. } => None,
            Self::Logs { since, .. } => since.map(|since| since + GATHERED),
        }
    }

    /// Has go out what waits no longer: lines, and a request that is large.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn send_full(&mut self) -> Outcome {
        match self {
            Self::Lines { .. } => self.send(),
            Self::Logs { delivery, .. } if delivery.size_bytes() >= REQUEST_SIZE => self.send(),
            Self::Logs { .. } => Ok(()),
        }
    }

    /// Has go out what was gathered long enough.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn send_due(&mut self, now: Instant) -> Outcome {
        if self.due().is_some_and(|due| now >= due) { self.send() } else { Ok(()) }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Outcome {
        self.send()?;
        match self {
            Self::Lines { .. } => Ok(()),
            Self::Logs { writer, .. } => Ok(writer.finish()?),
        }
    }

    fn send(&mut self) -> Outcome {
        match self {
            Self::Lines { text, out, .. } => {
                out.write_all(text.as_bytes())?;
                text.clear();
                out.flush()?;
            }
            Self::Logs { delivery, since, writer } => {
                *since = None;
                if !delivery.is_empty() {
                    writer.write(Signal::Logs, &delivery.take())?;
                    writer.flush()?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the failure of a file that cannot be made or written.
pub fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}
