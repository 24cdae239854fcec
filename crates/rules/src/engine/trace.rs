//! What became of each record of the last request, for hosts that keep records in a format of their own.
//!
//! Such a host writes edits itself, and may find that its format has no place for one: [`Processor::unwritten`]. Nothing
//! here runs unless it was asked for.

use crate::compile::rule::{Action, Failure};
use crate::engine::frame::Frame;
use crate::engine::notice::NoticeKind;
use crate::engine::processor::Processor;
use crate::file::rule::Mode;
use dtq_record::otlp::assemble::Changes;
use dtq_record::otlp::index::RequestIndex;
use dtq_record::tables::Base;
use dtq_record::tables::derive::Write;
use dtq_value::{Str, Value};
use std::borrow::Cow;

/// Names what a rule edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A record by its position in the request.
    Record(usize),
    /// A resource by its position in the request; its columns are those of `resources`.
    Resource(usize),
}

/// Says that a rule wrote a column or a key of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Of what.
    pub subject: Subject,
    /// Position of the rule.
    pub rule: usize,
    /// Position of the column in the standard table.
    pub column: usize,
    /// The key; `None` when the whole column was written.
    pub key: Option<Str>,
}

/// Collects the edits of a request.
#[derive(Debug)]
pub(crate) struct EditLog {
    /// What is judged now.
    subject: Subject,
    edits: Vec<Edit>,
}

impl Frame<'_> {
    /// Says what is judged from now on; requests that rules make are not told apart.
    pub(crate) fn log_subject(&mut self, subject: Subject) {
        if let Some(log) = self.edits.as_mut().filter(|_| self.depth == 0) {
            log.subject = subject;
        }
    }

    /// Notes what a rule wrote.
    pub(crate) fn log_edit(&mut self, rule: usize, column: usize, key: Option<&Str>) {
        if let Some(log) = self.edits.as_mut().filter(|_| self.depth == 0) {
            log.edits.push(Edit { subject: log.subject, rule, column, key: key.cloned() });
        }
    }

    /// Notes what a rule writes into a record with these columns: of a bag that is written whole the keys that differ.
    pub(crate) fn log_write(&mut self, rule: usize, write: &Write, held: &[Value]) {
        let (column, new) = match write {
            Write::Key(column, key, _) => return self.log_edit(rule, *column, Some(key)),
            Write::Column(column, new) => (*column, new),
        };
        let (Value::Bag(new), Some(Value::Bag(old))) = (new, held.get(column)) else {
            return self.log_edit(rule, column, None);
        };
        for (key, _) in new.iter().filter(|(key, value)| old.get(key.as_bytes()) != Some(value)) {
            self.log_edit(rule, column, Some(key));
        }
        for (key, _) in old.iter().filter(|(key, _)| new.get(key.as_bytes()).is_none()) {
            self.log_edit(rule, column, Some(key));
        }
    }

    /// Forgets what was noted of a subject, because it was undone.
    pub(crate) fn log_undone(&mut self, subject: Subject) {
        if let Some(log) = self.edits.as_mut().filter(|_| self.depth == 0) {
            log.edits.retain(|edit| edit.subject != subject);
        }
    }
}

/// Holds a record and its resource, each as the content of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'t> {
    /// The record.
    pub record: Cow<'t, [u8]>,
    /// Its resource.
    pub resource: &'t [u8],
}

/// Says what became of each record of a request.
pub struct Trace<'t> {
    request: &'t [u8],
    index: &'t RequestIndex,
    changes: &'t Changes,
    edits: &'t [Edit],
}

impl<'t> Trace<'t> {
    /// Returns how many records the request had; 0 when it could not be read.
    pub fn record_count(&self) -> usize {
        self.index.records().len()
    }

    /// Returns a log record or span as it came.
    pub fn came(&self, record: usize) -> Parts<'t> {
        let place = self.index.resources()[self.resource_of(record)].resource;
        let resource = place.map_or(&[][..], |place| place.content(self.request));
        Parts { record: Cow::Borrowed(self.came_record(record)), resource }
    }

    /// Returns a log record or span as it goes on; `None` when it does not.
    pub fn left(&self, record: usize) -> Option<Parts<'t>> {
        let came = self.came(record);
        let resource = self.changes.resource_becomes(self.resource_of(record), came.resource)?;
        let record = self.changes.record_becomes(record, self.came_record(record))?;
        Some(Parts { record, resource })
    }

    fn came_record(&self, record: usize) -> &'t [u8] {
        self.index.records()[record].place.content(self.request)
    }

    /// Returns what rules wrote of a record and of its resource.
    pub fn edits(&self, record: usize) -> impl Iterator<Item = &'t Edit> {
        let subjects = [Subject::Record(record), Subject::Resource(self.resource_of(record))];
        self.edits.iter().filter(move |edit| subjects.contains(&edit.subject))
    }

    fn resource_of(&self, record: usize) -> usize {
        let scope = self.index.records()[record].parent;
        self.index.scopes()[scope as usize].resource as usize
    }
}

impl Processor {
    /// Notes from now on what rules write, so that [`Processor::trace`] can say it.
    pub fn keep_trace(&mut self) {
        self.edits.get_or_insert(EditLog { subject: Subject::Record(0), edits: Vec::new() });
    }

    /// Returns what became of the records of the request that was applied last, which has logs or spans.
    pub fn trace<'t>(&'t self, request: &'t [u8]) -> Trace<'t> {
        let edits = self.edits.as_ref().map_or(&[][..], |log| &log.edits);
        Trace { request, index: &self.scratch.index, changes: &self.scratch.changes, edits }
    }

    /// Forgets the edits of the request before.
    pub(crate) fn clear_trace(&mut self) {
        if let Some(log) = &mut self.edits {
            log.edits.clear();
        }
    }

    /// Counts a record whose edits the host cannot write and has undone; says whether the record is dropped for that.
    ///
    /// `rules` are those whose edits were undone. The record goes on without them, unless one of the rules is
    /// protective. `size` is the record's as it would have gone on, in bytes. Of each rule the first is reported.
    pub fn unwritten(&mut self, rules: &[usize], size: usize, reason: &str, now_ticks: i64) -> bool {
        let set = &self.set;
        let is_protective = |rule: &&usize| {
            let rule = &set.rules[**rule];
            rule.on_error != Failure::Pass && rule.mode == Mode::Enforce
        };
        let dropped_by = rules.iter().find(is_protective);
        for rule in rules {
            let compiled = &set.rules[*rule];
            let account = &mut self.state.accounts[*rule];
            account.errors += 1;
            // A resource was edited once for all its records.
            let counts_records = compiled.base != Base::Resources && matches!(compiled.action, Action::Replace { .. });
            account.edited = account.edited.saturating_sub(u64::from(counts_records));
            if account.first_error.is_none() {
                account.first_error = Some(reason.to_owned());
                let what = match dropped_by {
                    Some(_) => "the record is dropped, as a protective rule says",
                    None => "the record goes on without what the rule wrote",
                };
                let message = format!("an edit cannot be written: {reason}; {what}, and further ones are only counted");
                let kind = NoticeKind::FirstError;
                self.state.notice(Some(&compiled.name), kind, now_ticks, message);
            }
        }
        if let Some(rule) = dropped_by {
            let account = &mut self.state.accounts[*rule];
            account.dropped += 1;
            account.dropped_bytes += size as u64;
            let totals = &mut self.state.totals;
            totals.dropped += 1;
            totals.records_out = totals.records_out.saturating_sub(1);
            totals.bytes_out = totals.bytes_out.saturating_sub(size as u64);
        }
        dropped_by.is_some()
    }
}
