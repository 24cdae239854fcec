//! One request to the rows of its signal's standard table, all columns filled.
//!
//! For those who show or compare what a request holds; queries over files read only the columns that they need.
//! Next: `otlp/metric.rs`.

use super::Signal;
use super::frames::Frame;
use super::reader::{OtlpRows, RequestSource, Target};
use crate::input::report::{Collector, Tracker};
use crate::stream::{Projection, Row, StreamError};
use crate::tables;
use dtq_source::{Code, Limits};
use std::io;

/// Gives one request that is held already.
struct Held(Option<Frame>);

impl RequestSource for Held {
    fn next(&mut self, frame: &mut Frame, _: &Tracker<'_>) -> io::Result<bool> {
        match self.0.take() {
            Some(held) => {
                *frame = held;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Returns the rows of a request, one a record or data point, in order.
///
/// # Errors
/// [`Code::E3008`] when a part of it is malformed.
pub fn rows(signal: Signal, request: &[u8], limits: &Limits) -> Result<Vec<Row>, StreamError> {
    const NAME: &str = "request";
    let columns = tables::standard(signal.table()).map_or(0, |table| table.columns.len());
    let collector = Collector::default();
    let tracker = Tracker::new(&collector, NAME);
    let frame = Frame { bytes: request.to_vec(), signal: Some(signal), ..Frame::default() };
    let source = Box::new(Held(Some(frame)));
    let mut reader = OtlpRows::new(source, signal, Target::Records, &Projection::all(columns), limits, tracker);
    let mut rows = Vec::new();
    let failed = |message: String| StreamError { code: Code::E3008, message };
    while reader.read(&mut rows).map_err(|error| failed(error.to_string()))? {}
    match collector.report().skips.first() {
        Some(skip) => Err(failed(format!("{}: {}", skip.place, skip.reason))),
        None => Ok(rows),
    }
}
