//! What was read and what was not: counts and the first places, for exit codes, `--stats` and messages on stderr.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// How many skips, misfits and notes are kept with their place; further ones are only counted.
const KEPT_MAX: usize = 100;
/// How many places are remembered, so that a second reading of the same input counts nothing twice.
const REMEMBERED_MAX: usize = 100_000;

/// Says where in an input something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Number of a line, from 1.
    Line(u64),
    /// Offset in bytes from the beginning of the decompressed input.
    Byte(u64),
    /// Number of a row of an alias, from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(number) => write!(f, "line {number}"),
            Place::Byte(offset) => write!(f, "byte {offset}"),
            Place::Row(number) => write!(f, "row {number}"),
        }
    }
}

/// Holds one record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Name of the input.
    pub input: String,
    /// Where it begins.
    pub place: Place,
    /// Why, in a few words without a full stop.
    pub reason: String,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.input, self.place, self.reason)
    }
}

/// Holds the values of one column that did not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Name of the input, or of the alias whose column it is.
    pub input: String,
    /// Name of the column.
    pub column: String,
    /// Name of the column's type.
    pub ty: &'static str,
    /// How many values became null.
    pub count: u64,
    /// Where the first of them stands.
    pub place: Place,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misfit { input, column, ty, count, place } = self;
        write!(f, "{input}: {place}: column `{column}` is {ty}; values that are not became null: {count}")
    }
}

/// Holds what happened while inputs were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records were skipped.
    pub skipped_count: u64,
    /// The first of them.
    pub skips: Vec<Skip>,
    /// Columns with values that did not fit, at most 100.
    pub misfits: Vec<Misfit>,
    /// How many values did not fit.
    pub misfit_count: u64,
    /// What else a user should know, each once.
    pub notes: Vec<String>,
    /// How many records were read, counting each reading of an input.
    pub records_read: u64,
    /// How many bytes were read after decompression, counting each reading of an input.
    pub bytes_read: u64,
    /// How many records were passed over because they lack a text that the query needs.
    pub records_passed_over: u64,
}

/// Collects a [`Report`] from any number of readers on one thread.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    report: Report,
    seen: HashSet<(String, Place)>,
    /// Notes by input and text, without their place.
    noted: HashSet<(String, String)>,
}

impl Collector {
    /// Returns what was collected so far.
    pub fn report(&self) -> Report {
        self.state.borrow().report.clone()
    }

    fn skip(&self, input: &str, place: Place, reason: String) {
        let state = &mut *self.state.borrow_mut();
        if state.seen.len() < REMEMBERED_MAX && !state.seen.insert((input.to_owned(), place)) {
            return;
        }
        state.report.skipped_count += 1;
        if state.report.skips.len() < KEPT_MAX {
            state.report.skips.push(Skip { input: input.to_owned(), place, reason });
        }
    }

    fn misfit(&self, input: &str, column: &str, ty: &'static str, place: Place, count: u64) {
        let report = &mut self.state.borrow_mut().report;
        report.misfit_count += count;
        let found = report.misfits.iter_mut().find(|known| known.input == input && known.column == column);
        if let Some(known) = found {
            known.count += count;
        } else if report.misfits.len() < KEPT_MAX {
            let (input, column) = (input.to_owned(), column.to_owned());
            report.misfits.push(Misfit { input, column, ty, count, place });
        }
    }

    fn note(&self, input: &str, place: Place, text: &str) {
        let state = &mut *self.state.borrow_mut();
        if state.report.notes.len() < KEPT_MAX && state.noted.insert((input.to_owned(), text.to_owned())) {
            state.report.notes.push(format!("{input}: {place}: {text}"));
        }
    }
}

/// Holds what happened in a part of an input, to be told to a [`Collector`] later; places count from the part's begin.
#[derive(Debug, Default)]
pub(crate) struct Events {
    skips: Vec<(Place, String)>,
    misfits: Vec<(String, dtq_value::Type, Place, u64)>,
    notes: Vec<(Place, String)>,
}

impl Events {
    /// Tells everything, with `lines_before` lines in front of the part.
    pub fn tell(self, tracker: &Tracker<'_>, lines_before: u64) {
        let moved = |place| match place {
            Place::Line(number) => Place::Line(lines_before + number),
            other => other,
        };
        for (place, reason) in self.skips {
            tracker.skip(moved(place), reason);
        }
        for (column, ty, place, count) in self.misfits {
            tracker.misfits(&column, ty, moved(place), count);
        }
        for (place, text) in self.notes {
            tracker.note_at(moved(place), &text);
        }
    }

    fn skip(&mut self, place: Place, reason: String) {
        // No more reasons are ever shown than are kept.
        let reason = if self.skips.len() < KEPT_MAX { reason } else { String::new() };
        self.skips.push((place, reason));
    }

    fn misfit(&mut self, column: &str, ty: dtq_value::Type, place: Place, count: u64) {
        match self.misfits.iter_mut().find(|(known, ..)| known == column) {
            Some((.., known)) => *known += count,
            None => self.misfits.push((column.to_owned(), ty, place, count)),
        }
    }

    fn note(&mut self, place: Place, text: &str) {
        if self.notes.len() < KEPT_MAX && self.notes.iter().all(|(_, known)| known != text) {
            self.notes.push((place, text.to_owned()));
        }
    }
}

/// Reports about one input; a silent one, used while probing, drops everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracker<'i> {
    target: Target<'i>,
    /// Name of the input.
    pub input: &'i str,
}

#[derive(Clone, Copy, Debug)]
enum Target<'i> {
    Nobody,
    Collector(&'i Collector),
    Events(&'i RefCell<Events>),
}

impl<'i> Tracker<'i> {
    /// Returns a tracker that adds to `collector`.
    pub fn new(collector: &'i Collector, input: &'i str) -> Self {
        Self { target: Target::Collector(collector), input }
    }

    /// Returns a tracker that drops everything.
    pub fn silent(input: &'i str) -> Self {
        Self { target: Target::Nobody, input }
    }

    /// Returns a tracker that keeps what happens.
    pub fn keeping(events: &'i RefCell<Events>) -> Self {
        Self { target: Target::Events(events), input: "" }
    }

    /// Counts a record that could not be read.
    pub fn skip(&self, place: Place, reason: impl Into<String>) {
        match self.target {
            Target::Nobody => {}
            Target::Collector(collector) => collector.skip(self.input, place, reason.into()),
            Target::Events(events) => events.borrow_mut().skip(place, reason.into()),
        }
    }

    /// Counts a value that did not fit its column.
    pub fn misfit(&self, column: &str, ty: dtq_value::Type, place: Place) {
        self.misfits(column, ty, place, 1);
    }

    fn misfits(&self, column: &str, ty: dtq_value::Type, place: Place, count: u64) {
        match self.target {
            Target::Nobody => {}
            Target::Collector(collector) => collector.misfit(self.input, column, ty.name(), place, count),
            Target::Events(events) => events.borrow_mut().misfit(column, ty, place, count),
        }
    }

    /// Adds a note, unless the same was noted of the input before.
    pub fn note_at(&self, place: Place, text: &str) {
        match self.target {
            Target::Nobody => {}
            Target::Collector(collector) => collector.note(self.input, place, text),
            Target::Events(events) => events.borrow_mut().note(place, text),
        }
    }

    /// Counts records and bytes read.
    pub fn count(&self, records: u64, bytes: u64) {
        if let Target::Collector(collector) = self.target {
            let report = &mut collector.state.borrow_mut().report;
            report.records_read += records;
            report.bytes_read += bytes;
        }
    }

    /// Counts records that were passed over.
    pub fn count_passed_over(&self, records: u64) {
        if let Target::Collector(collector) = self.target {
            collector.state.borrow_mut().report.records_passed_over += records;
        }
    }
}
