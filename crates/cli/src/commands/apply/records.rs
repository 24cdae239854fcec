//! Records that are not OTLP through the rules for `logs`: what no rule changed leaves as the line that came.

use super::{Run, unreadable};
use crate::failure::{Failure, Outcome};
use dtq_record::input::originals::Original;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::otlp::logs::{LogView, column};
use dtq_record::stream::Row;
use dtq_record::text::rewrite::rewrite;
use dtq_record::{Format, Inputs, WireError};
use dtq_rules::engine::Output;
use std::io::Write;

/// Size of the requests that records are collected in, when they leave as requests.
const REQUEST_BYTES: usize = 1 << 20;

/// Why a record whose row has no place in OTLP is not judged.
const NO_REQUEST: &str = "a record has a value that OTLP cannot hold";

impl Run {
    /// Applies the rules to the records of an input, which go on as requests.
    pub(super) fn converted(&mut self, inputs: &Inputs, index: usize) -> Outcome {
        let Some(mut originals) = inputs.originals(index).map_err(unreadable)? else { return Ok(()) };
        let mut builder = RequestBuilder::new(Signal::Logs);
        while let Some(original) = originals.next_record().map_err(unreadable)? {
            let Some(row) = &original.row else { continue };
            if builder.push_row(row).is_err() {
                let outcome = self.apply_unreadable(Signal::Logs, original.bytes.len(), NO_REQUEST);
                self.emit(outcome)?;
            }
            if builder.size_bytes() >= REQUEST_BYTES {
                self.send(builder.take())?;
            }
        }
        if builder.is_empty() { Ok(()) } else { self.send(builder.take()) }
    }

    fn send(&mut self, request: Vec<u8>) -> Outcome {
        let outcome = self.apply(Signal::Logs, &request);
        let main = self.main.as_mut().expect("records go on as requests");
        main.admits(Signal::Logs);
        match &outcome.output {
            Output::Unchanged => main.write(Signal::Logs, &request)?,
            Output::Bytes(bytes) => main.write(Signal::Logs, bytes)?,
            Output::Empty => {}
        }
        Ok(self.emit(outcome)?)
    }

    /// Applies the rules to the records of an input, which keep its format.
    pub(super) fn originals(&mut self, inputs: &Inputs, index: usize, format: Format, out: &mut dyn Write) -> Outcome {
        let Some(mut originals) = inputs.originals(index).map_err(unreadable)? else { return Ok(()) };
        let name = inputs.descriptions()[index].name;
        let mut layout = Layout::new(format, originals.is_array().map_err(unreadable)?);
        let mut builder = RequestBuilder::new(Signal::Logs);
        while let Some(original) = originals.next_record().map_err(unreadable)? {
            let mut changed = None;
            let leaves = match &original.row {
                None if original.is_malformed => self.pass(&original)?,
                None => true,
                Some(row) => {
                    let request = builder.push_row(row).ok().map(|()| builder.take());
                    match request {
                        None => self.pass(&original)?,
                        Some(request) => self.judge(&request, format, name, &original, &mut changed)?,
                    }
                }
            };
            if leaves {
                layout.write(out, changed.as_deref().unwrap_or(original.bytes), original.end)?;
            }
        }
        Ok(layout.finish(out)?)
    }

    /// Says whether a record leaves that cannot be judged.
    fn pass(&mut self, original: &Original<'_>) -> Result<bool, Failure> {
        let reason = if original.is_malformed { "a record is malformed" } else { NO_REQUEST };
        let outcome = self.apply_unreadable(Signal::Logs, original.bytes.len(), reason);
        let leaves = outcome.output == Output::Unchanged;
        self.emit(outcome)?;
        Ok(leaves)
    }

    /// Says whether a record leaves, and puts what it has become into `changed`.
    fn judge(
        &mut self,
        request: &[u8],
        format: Format,
        name: &str,
        original: &Original<'_>,
        changed: &mut Option<Vec<u8>>,
    ) -> Result<bool, Failure> {
        let outcome = self.apply(Signal::Logs, request);
        let leaves = match &outcome.output {
            Output::Unchanged => true,
            Output::Empty => false,
            Output::Bytes(bytes) => {
                let nesting_max = self.limits.value_nesting_max;
                let rows = (row_of(request, nesting_max), row_of(bytes, nesting_max));
                let result = match rows {
                    (Ok(before), Ok(after)) => rewrite(format, original.bytes, &before, &after),
                    (Err(error), _) | (_, Err(error)) => Err(error.reason.to_owned()),
                };
                *changed = Some(result.map_err(|reason| self.no_place(name, original, &reason))?);
                true
            }
        };
        self.emit(outcome)?;
        Ok(leaves)
    }

    /// An edit that the format cannot hold ends the run: passing the record on as it was would undo the rule.
    fn no_place(&self, name: &str, original: &Original<'_>, reason: &str) -> Failure {
        let accounts = self.processor.accounts();
        let rules = self.processor.rules().rules.iter().zip(&accounts).filter(|(_, account)| account.edited > 0);
        let rules: Vec<String> = rules.map(|(rule, _)| format!("`{}`", rule.name.as_text())).collect();
        let (place, rules) = (original.place, rules.join(", "));
        Failure::Row(format!(
            "{name}: {place}: edited by {rules}, and the edit cannot be written in this format: {reason}; \
             use --output otlp-json, which holds every edit"
        ))
    }
}

/// Returns the row of `logs` of a request with one record.
fn row_of(request: &[u8], nesting_max: usize) -> Result<Row, WireError> {
    let mut index = RequestIndex::default();
    index.read(Signal::Logs, request)?;
    let (Some(record), Some(resource)) = (index.records().first(), index.resources().first()) else {
        return Err(WireError { offset: 0, reason: "the request has no record" });
    };
    let view = LogView::parse(record.place.content(request), 0)?;
    let own = |at: usize| !matches!(at, column::RESOURCE | column::SCOPE);
    let value = |at: usize| if own(at) { view.value(at, nesting_max) } else { Ok(dtq_value::Value::Null) };
    let mut row = (0..column::COUNT).map(value).collect::<Result<Row, _>>()?;
    // Only whether it changed counts.
    let own = resource.resource.map_or(&[][..], |place| place.content(request));
    row[column::RESOURCE] = dtq_value::Value::string(own);
    Ok(row)
}

/// Writes records behind each other as their format has them.
struct Layout {
    is_document: bool,
    is_array: bool,
    is_empty: bool,
}

impl Layout {
    fn new(format: Format, is_array: bool) -> Self {
        let is_document = format == Format::Json;
        Self { is_document, is_array: is_document && is_array, is_empty: true }
    }

    fn write(&mut self, out: &mut dyn Write, record: &[u8], end: &[u8]) -> std::io::Result<()> {
        let is_first = std::mem::replace(&mut self.is_empty, false);
        if self.is_array {
            out.write_all(if is_first { b"[\n" } else { b",\n" })?;
            return out.write_all(record);
        }
        out.write_all(record)?;
        out.write_all(if self.is_document { b"\n" } else { end })
    }

    fn finish(&self, out: &mut dyn Write) -> std::io::Result<()> {
        match (self.is_array, self.is_empty) {
            (true, true) => out.write_all(b"[]\n"),
            (true, false) => out.write_all(b"\n]\n"),
            (false, _) => Ok(()),
        }
    }
}
