//! What rules ask for of one request: records and resources that go, become others or are cut, and new ones.
//!
//! Positions and bytes in plain lists, so that one of them serves request after request without allocating. Nothing is
//! written here. Next: `otlp/assemble.rs`.

use std::borrow::Cow;
use std::ops::Range;

/// What `Changes` notes for a record that stays.
const KEEP: u32 = 0;
const DROP: u32 = 1;
/// From here on positions of contents, and with the highest bit positions of splices.
const CONTENTS: u32 = 2;
const SPLICED: u32 = 1 << 31;
/// Content of a cut in whose place nothing stands.
const NOTHING: u32 = u32::MAX;

/// Holds a range of a record, in bytes from the start of its message, and what stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut<'c> {
    /// Where it begins.
    pub start: u32,
    /// Where it ends; what is put between two bytes has an empty range.
    pub end: u32,
    /// The bytes that are there instead.
    pub put: &'c [u8],
}

/// Collects what happens to the records of one request, in any order; of two changes to one record the later counts.
///
/// Positions are those of the request's [`RequestIndex`](crate::otlp::index::RequestIndex); a record of metrics is a
/// data point. A position that the index does not have changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// For each record up to the last changed one.
    records: Vec<u32>,
    /// For each resource up to the last changed one.
    resources: Vec<u32>,
    /// Records after which new ones stand.
    pub(super) inserts: Vec<(u32, u32)>,
    /// Scopes at whose end new ones stand.
    pub(super) appends: Vec<(u32, u32)>,
    /// Points that get another metric, and its head.
    pub(super) moves: Vec<(u32, u32)>,
    /// Ranges of `bytes`.
    contents: Vec<Range<usize>>,
    bytes: Vec<u8>,
    /// For each record that is spliced the range of its cuts.
    splices: Vec<Range<usize>>,
    cuts: Vec<Splice>,
}

/// Holds a cut whose bytes are a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splice {
    pub start: u32,
    pub end: u32,
    content: u32,
}

impl Splice {
    /// Returns the content that is put in, if there is one.
    pub fn put(&self) -> Option<u32> {
        Some(self.content).filter(|content| *content != NOTHING)
    }
}

impl Changes {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.resources.clear();
        self.inserts.clear();
        self.appends.clear();
        self.moves.clear();
        self.contents.clear();
        self.bytes.clear();
        self.splices.clear();
        self.cuts.clear();
    }

    /// Says whether nothing has been asked for.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.resources.is_empty() && self.inserts.is_empty() && self.appends.is_empty()
    }

    /// Returns how many bytes of new content there are.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Removes a record.
    pub fn drop_record(&mut self, record: usize) {
        note(&mut self.records, record, DROP);
    }

    /// Removes those of the records from a position on for which it is said.
    pub fn drop_records(
        &mut self,
        first: usize,
        is_dropped: impl DoubleEndedIterator<Item = bool> + ExactSizeIterator,
    ) {
        let mut is_dropped = is_dropped.enumerate();
        let Some((last, _)) = is_dropped.by_ref().rfind(|(_, is_dropped)| *is_dropped) else { return };
        let end = first + last + 1;
        if self.records.len() < end {
            self.records.resize(end, KEEP);
        }
        self.records[end - 1] = DROP;
        for (noted, (_, is_dropped)) in self.records[first..end - 1].iter_mut().zip(is_dropped) {
            *noted = if is_dropped { DROP } else { *noted };
        }
    }

    /// Puts another message in the place of a record's.
    pub fn replace_record(&mut self, record: usize, content: &[u8]) {
        let content = self.add(content);
        note(&mut self.records, record, content + CONTENTS);
    }

    /// Changes ranges of a record's message, which stand in order and do not overlap; at least one is given.
    ///
    /// The record is copied only when the request is assembled. A cut that reaches beyond the record ends with it.
    pub fn splice_record<'c>(&mut self, record: usize, cuts: impl IntoIterator<Item = Cut<'c>>) {
        let first = self.cuts.len();
        for Cut { start, end, put } in cuts {
            let content = if put.is_empty() { NOTHING } else { self.add(put) };
            self.cuts.push(Splice { start, end, content });
        }
        let position = u32::try_from(self.splices.len()).ok().filter(|position| position & SPLICED == 0);
        self.splices.push(first..self.cuts.len());
        note(&mut self.records, record, SPLICED | position.expect("a request has fewer than 2^31 records"));
    }

    /// Puts a new record right behind another, which may itself be dropped; those behind one record keep their order.
    pub fn insert_after(&mut self, record: usize, content: &[u8]) {
        let content = self.add(content);
        self.inserts.extend(u32::try_from(record).map(|record| (record, content)));
    }

    /// Puts a new record at the end of a scope; for metrics a whole `Metric`.
    pub fn append_to_scope(&mut self, scope: usize, content: &[u8]) {
        let content = self.add(content);
        self.appends.extend(u32::try_from(scope).map(|scope| (scope, content)));
    }

    /// Removes a resource with all its records, new ones too.
    pub fn drop_resource(&mut self, resource: usize) {
        note(&mut self.resources, resource, DROP);
    }

    /// Puts another `Resource` message in the place of a resource's first; further ones are removed.
    pub fn replace_resource(&mut self, resource: usize, message: &[u8]) {
        let content = self.add(message);
        note(&mut self.resources, resource, content + CONTENTS);
    }

    /// Moves a point to a metric of its own kind with another head, which comes right behind its old one.
    ///
    /// The head is a `Metric` without data, as `otlp::edit::edit_metric_head` gives it. Points of one metric that get
    /// equal heads share the new metric. The point may be replaced as well.
    pub fn move_point(&mut self, point: usize, head: &[u8]) {
        let content = self.add(head);
        self.moves.extend(u32::try_from(point).map(|point| (point, content)));
        if self.records.len() <= point {
            note(&mut self.records, point, KEEP);
        }
    }

    /// Returns what a record becomes whose message is `came`; `None` when it is dropped.
    pub fn record_becomes<'a>(&'a self, record: usize, came: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let noted = self.records.get(record);
        match noted {
            Some(noted) if noted & SPLICED != 0 => Some(Cow::Owned(self.spliced(noted & !SPLICED, came))),
            _ => self.becomes(noted, came).map(Cow::Borrowed),
        }
    }

    fn spliced(&self, position: u32, came: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        for cut in self.cuts_of(position) {
            out.extend_from_slice(came.get(at..cut.start as usize).unwrap_or_default());
            out.extend_from_slice(cut.put().map_or(&[], |content| self.content(content)));
            at = cut.end as usize;
        }
        out.extend_from_slice(came.get(at..).unwrap_or_default());
        out
    }

    /// Returns the cuts of a record that is spliced.
    pub(super) fn cuts_of(&self, position: u32) -> &[Splice] {
        &self.cuts[self.splices[position as usize].clone()]
    }

    /// Returns what a resource becomes whose message is `came`; `None` when it is dropped with its records.
    pub fn resource_becomes<'a>(&'a self, resource: usize, came: &'a [u8]) -> Option<&'a [u8]> {
        self.becomes(self.resources.get(resource), came)
    }

    fn becomes<'a>(&'a self, noted: Option<&u32>, came: &'a [u8]) -> Option<&'a [u8]> {
        match noted {
            None | Some(&KEEP) => Some(came),
            Some(&DROP) => None,
            Some(content) => Some(self.content(content - CONTENTS)),
        }
    }

    /// Returns what happens to a record whose message is what `old` gives.
    #[inline]
    pub(super) fn of_record<'a>(&self, record: usize, old: impl Fn() -> &'a [u8]) -> Change {
        self.change(self.records.get(record), old)
    }

    /// Returns what happens to a resource whose message is what `old` gives.
    pub(super) fn of_resource<'a>(&self, resource: usize, old: impl Fn() -> &'a [u8]) -> Change {
        self.change(self.resources.get(resource), old)
    }

    /// Returns up to which record something may happen.
    pub(super) fn noted_record_count(&self) -> usize {
        self.records.len()
    }

    #[inline]
    fn change<'a>(&self, noted: Option<&u32>, old: impl Fn() -> &'a [u8]) -> Change {
        match noted {
            None | Some(&KEEP) => Change::Keep,
            Some(&DROP) => Change::Drop,
            Some(noted) if noted & SPLICED != 0 => Change::Splice(noted & !SPLICED),
            Some(content) => self.replacement(content - CONTENTS, old()),
        }
    }

    /// What was replaced by the same bytes was not touched.
    fn replacement(&self, content: u32, old: &[u8]) -> Change {
        if self.content(content) == old { Change::Keep } else { Change::Replace(content) }
    }

    fn add(&mut self, content: &[u8]) -> u32 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(content);
        self.contents.push(start..self.bytes.len());
        let position = u32::try_from(self.contents.len() - 1).ok();
        position.filter(|position| *position < SPLICED - CONTENTS).expect("what changes is bounded by the request")
    }

    /// Returns the bytes of a content.
    pub(super) fn content(&self, position: u32) -> &[u8] {
        &self.bytes[self.contents[position as usize].clone()]
    }
}

fn note(changes: &mut Vec<u32>, position: usize, change: u32) {
    if changes.len() <= position {
        changes.resize(position + 1, KEEP);
    }
    changes[position] = change;
}

/// Names what happens to a record or resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Keep,
    Drop,
    /// By a content.
    Replace(u32),
    /// By the cuts at a position.
    Splice(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_dropped_together_are_those_dropped_one_by_one() {
        for (bits, first) in (0..64_u32).flat_map(|bits| [(bits, 0), (bits, 3)]) {
            let is_dropped = |at: usize| bits >> at & 1 != 0;
            let (mut one_by_one, mut together) = (Changes::default(), Changes::default());
            for changes in [&mut one_by_one, &mut together] {
                changes.replace_record(2, b"other");
                changes.drop_record(4);
            }
            (0..6).filter(|at| is_dropped(*at)).for_each(|at| one_by_one.drop_record(first + at));
            together.drop_records(first, (0..6).map(is_dropped));
            assert_eq!(together.records, one_by_one.records, "{bits:06b} from {first}");
        }
    }
}
