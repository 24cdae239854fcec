//! Records that are not OTLP through the rules for `logs`: what no rule changed leaves as the line that came.

use super::gather::Gathered;
use super::{Run, unreadable};
use crate::failure::{Failure, Outcome};
use dtq_record::input::Place;
use dtq_record::input::originals::Original;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::logs::{self, column};
use dtq_record::stream::Row;
use dtq_record::text::rewrite::{NoPlace, Rewriter, RowPart, Rows};
use dtq_record::{Format, Inputs};
use dtq_rules::engine::Output;
use dtq_rules::engine::trace::{Edit, Parts, Subject};
use dtq_value::{Bag, Value};
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
        let is_array = originals.is_array().map_err(unreadable)?;
        out.write_all(originals.mark().map_err(unreadable)?)?;
        let name = inputs.descriptions()[index].name;
        let mut line = Line { name, rewriter: originals.rewriter(), layout: Layout::new(format, is_array), out };
        let mut gathered = Gathered::new();
        self.processor.keep_trace();
        while let Some(mut original) = originals.next_record().map_err(unreadable)? {
            let row = original.row.take();
            let leaves_as_is = match row {
                None if original.is_malformed => self.pass(&original)?,
                None => true,
                Some(row) => gathered.push_record(&original, row).is_err() && self.pass(&original)?,
            };
            if leaves_as_is {
                gathered.push_as_is(&original);
            }
            if gathered.is_full() {
                self.judge(&mut gathered, &mut line)?;
            }
        }
        self.judge(&mut gathered, &mut line)?;
        Ok(line.layout.finish(line.out)?)
    }

    /// Says whether a record leaves that cannot be judged.
    fn pass(&mut self, original: &Original<'_>) -> Result<bool, Failure> {
        let reason = if original.is_malformed { "a record is malformed" } else { NO_REQUEST };
        let outcome = self.apply_unreadable(Signal::Logs, original.bytes.len(), reason);
        let leaves = outcome.output == Output::Unchanged;
        self.emit(outcome)?;
        Ok(leaves)
    }

    /// Judges the records that were gathered, and writes everything that leaves.
    fn judge(&mut self, gathered: &mut Gathered, line: &mut Line<'_, '_>) -> Outcome {
        let request = gathered.take_request().unwrap_or_default();
        let outcome = (!request.is_empty()).then(|| self.apply(Signal::Logs, &request));
        let mut record = 0;
        for entry in gathered.entries() {
            let (bytes, end) = gathered.original(entry);
            let Some(row) = &entry.row else {
                line.layout.write(line.out, bytes, end)?;
                continue;
            };
            let trace = self.processor.trace(&request);
            let (came, left) = (trace.came(record), trace.left(record));
            record += 1;
            match left {
                None => {}
                Some(left) if left == came => line.layout.write(line.out, bytes, end)?,
                Some(left) => {
                    let edits: Vec<Edit> = trace.edits(record - 1).cloned().collect();
                    let edited = Edited { bytes, row, came, left, edits };
                    let rewritten = edited.rewritten(&mut line.rewriter, self.limits.value_nesting_max);
                    let size = edited.left.record.len();
                    if !self.lacks(&rewritten, size, (line.name, entry.place)) {
                        line.layout.write(line.out, &rewritten.bytes, end)?;
                    }
                }
            }
        }
        gathered.clear();
        match outcome {
            Some(outcome) => Ok(self.emit(outcome)?),
            None => Ok(()),
        }
    }

    /// Counts a record of which something cannot be written; says whether it is dropped for that.
    fn lacks(&mut self, rewritten: &Rewritten, size: usize, (name, place): (&str, Place)) -> bool {
        let Some(reason) = &rewritten.lacks else { return false };
        self.unwritten_count += 1;
        let arrival = self.arrival();
        self.processor.unwritten(&rewritten.undone, size, &format!("{name}: {place}: {reason}"), arrival)
    }
}

/// Holds what the records of one input are written with.
struct Line<'i, 'o> {
    name: &'i str,
    rewriter: Rewriter<'i>,
    layout: Layout,
    out: &'o mut dyn Write,
}

/// Holds a record that rules have edited.
struct Edited<'r> {
    bytes: &'r [u8],
    row: &'r Row,
    came: Parts<'r>,
    left: Parts<'r>,
    edits: Vec<Edit>,
}

/// Holds what a record is written as.
struct Rewritten {
    bytes: Vec<u8>,
    /// What could not be written first, if anything.
    lacks: Option<String>,
    /// The rules whose edits were undone for that.
    undone: Vec<usize>,
}

impl Edited<'_> {
    /// Returns the record with all edits that its format has a place for.
    ///
    /// A rule is undone as a whole: half of its edits, such as a key renamed to one that has no column, would lose data.
    fn rewritten(&self, rewriter: &mut Rewriter<'_>, nesting_max: usize) -> Rewritten {
        let row = |parts: &Parts<'_>| logs::row(&parts.record, parts.resource, nesting_max);
        let mut written = Rewritten { bytes: self.bytes.to_vec(), lacks: None, undone: Vec::new() };
        let (before, mut after) = match (row(&self.came), row(&self.left)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(error), _) | (_, Err(error)) => {
                written.lacks = Some(error.reason.to_owned());
                written.undone = self.rules();
                return written;
            }
        };
        loop {
            let rows = Rows { read: self.row, before: &before, after: &after };
            let no_place = match rewriter.rewrite(self.bytes, &rows) {
                Ok(bytes) => {
                    written.bytes = bytes;
                    return written;
                }
                Err(no_place) => no_place,
            };
            written.lacks.get_or_insert_with(|| no_place.to_string());
            if !self.undo(&no_place, &before, &mut after, &mut written.undone) {
                written.undone = self.rules();
                return written;
            }
        }
    }

    /// Undoes the rules that wrote what has no place, and those whose edits of the same are undone with them; says
    /// whether there was one.
    fn undo(&self, no_place: &NoPlace, before: &Row, after: &mut Row, undone: &mut Vec<usize>) -> bool {
        let Some(part) = &no_place.part else { return false };
        let count = undone.len();
        let mut parts = vec![part.clone()];
        while let Some(part) = parts.pop() {
            undo_part(&part, before, after);
            for edit in self.edits.iter().filter(|edit| overlaps(&part_of(edit), &part)) {
                if !undone.contains(&edit.rule) {
                    undone.push(edit.rule);
                    let of_rule = self.edits.iter().filter(|other| other.rule == edit.rule);
                    parts.extend(of_rule.map(part_of));
                }
            }
        }
        undone.len() > count
    }

    /// Returns all rules that edited the record.
    fn rules(&self) -> Vec<usize> {
        let mut rules: Vec<usize> = self.edits.iter().map(|edit| edit.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

/// Returns the part of a row of `logs` that an edit wrote.
fn part_of(edit: &Edit) -> RowPart {
    let column = match edit.subject {
        Subject::Record(_) => edit.column,
        Subject::Resource(_) => column::RESOURCE,
    };
    RowPart { column, key: edit.key.clone() }
}

fn overlaps(one: &RowPart, other: &RowPart) -> bool {
    one.column == other.column && (one.key.is_none() || other.key.is_none() || one.key == other.key)
}

/// Gives a part of a row the value that it had.
fn undo_part(part: &RowPart, before: &Row, after: &mut Row) {
    let old = before[part.column].clone();
    let (Some(key), Value::Bag(new), Value::Bag(old)) = (&part.key, &after[part.column], &old) else {
        after[part.column] = old;
        return;
    };
    let mut bag = Bag::clone(new);
    match old.get(key.as_bytes()) {
        Some(value) => bag.set(key.clone(), value.clone()),
        None => drop(bag.remove(key.as_bytes())),
    }
    after[part.column] = Value::bag(bag);
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
