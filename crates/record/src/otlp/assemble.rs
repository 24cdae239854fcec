//! A request, its index and changes to its records: the request that leaves.
//!
//! Encodes nothing anew but tags and lengths: what no change touches is copied as it stands, in as few pieces as there
//! are, and fields that dtq does not know stay on every level. Containers that the changes empty disappear; those that
//! came empty stay. What goes into a changed record is `otlp/edit.rs`'s.

use super::changes::Change;
pub use super::changes::{Changes, Cut};
use super::index::{MessagePlace, MetricEntry, RecordEntry, RequestIndex, ResourceEntry, ScopeEntry};
use super::metrics::Kind;
use crate::wire::{Fields, append_varint, varint_size};
use std::collections::HashMap;
use std::ops::Range;

/// Holds what became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The bytes that came are the bytes that leave.
    Unchanged,
    /// The changes emptied every resource: nothing is left to send.
    Empty,
    /// The request that leaves.
    Bytes(Vec<u8>),
}

/// Applies changes to a request that the index was read from.
///
/// # Cost
/// One look at each change and one copy of the output; a request without changes costs nothing.
pub fn assemble(request: &[u8], index: &RequestIndex, changes: &Changes) -> Assembled {
    assemble_into(request, index, changes, &mut Vec::new())
}

/// Does what [`assemble`] does, and takes the memory of `spare` for the request that leaves, if there is one.
pub fn assemble_into(request: &[u8], index: &RequestIndex, changes: &Changes, spare: &mut Vec<u8>) -> Assembled {
    if changes.is_empty() {
        return Assembled::Unchanged;
    }
    let mut assembler = Assembler::new(request, index, changes);
    let mut at = 0;
    let mut count = 0;
    for (position, resource) in index.resources().iter().enumerate() {
        if !assembler.is_resource_changed(position, resource) {
            count += 1;
            continue;
        }
        assembler.is_changed = true;
        assembler.copy(at, resource.place.tag);
        at = resource.place.end;
        if assembler.resource_change(position) != Change::Drop {
            count += usize::from(assembler.write_resource(position, resource));
        }
    }
    if !assembler.is_changed {
        return Assembled::Unchanged;
    }
    if count == 0 {
        return Assembled::Empty;
    }
    assembler.copy(at, u32::try_from(request.len()).expect("the index was read from it"));
    Assembled::Bytes(assembler.write(std::mem::take(spare)))
}

/// Holds a piece of the output.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Bytes of the request.
    Copy { start: u32, end: u32 },
    /// A content of the changes.
    Made(u32),
    /// Tag and length of a message.
    Header { number: u32, size: usize },
}

/// Holds a message whose length is not known yet.
struct Open {
    piece: usize,
    size: usize,
    number: u32,
}

struct Assembler<'a> {
    request: &'a [u8],
    index: &'a RequestIndex,
    changes: &'a Changes,
    /// The changes with a position, in its order.
    inserts: Vec<(u32, u32)>,
    appends: Vec<(u32, u32)>,
    moves: Vec<(u32, u32)>,
    pieces: Vec<Piece>,
    /// Size of all pieces.
    size: usize,
    is_changed: bool,
}

impl<'a> Assembler<'a> {
    fn new(request: &'a [u8], index: &'a RequestIndex, changes: &'a Changes) -> Self {
        let sorted = |list: &[(u32, u32)]| {
            let mut list = list.to_vec();
            list.sort_by_key(|(position, _)| *position);
            list
        };
        Self {
            request,
            index,
            changes,
            inserts: sorted(&changes.inserts),
            appends: sorted(&changes.appends),
            moves: sorted(&changes.moves),
            pieces: Vec::new(),
            size: 0,
            is_changed: false,
        }
    }

    // --- what changes ---

    #[inline]
    fn record_change(&self, record: usize) -> Change {
        let old = self.index.records()[record].place;
        self.changes.of_record(record, || old.content(self.request))
    }

    fn resource_change(&self, resource: usize) -> Change {
        let old = self.index.resources()[resource].resource;
        self.changes.of_resource(resource, || old.map_or(&[][..], |old| old.content(self.request)))
    }

    fn is_resource_changed(&self, position: usize, resource: &ResourceEntry) -> bool {
        self.resource_change(position) != Change::Keep
            || self.index.scopes()[resource.scopes.range()]
                .iter()
                .zip(resource.scopes.range())
                .any(|(scope, position)| self.is_scope_changed(position, scope))
    }

    fn is_scope_changed(&self, position: usize, scope: &ScopeEntry) -> bool {
        self.are_records_changed(scope.records.range()) || !within(&self.appends, position..position + 1).is_empty()
    }

    fn are_records_changed(&self, records: Range<usize>) -> bool {
        let noted = records.start..records.end.min(self.changes.noted_record_count());
        noted.into_iter().any(|record| self.record_change(record) != Change::Keep)
            || !within(&self.inserts, records.clone()).is_empty()
            || !within(&self.moves, records).is_empty()
    }

    // --- writing ---

    /// Writes a resource that changed; says whether it is still there.
    fn write_resource(&mut self, position: usize, resource: &ResourceEntry) -> bool {
        let open = self.open(1);
        let replaced = match self.resource_change(position) {
            Change::Replace(content) => Some(content),
            _ => None,
        };
        let mut holes = Holes::default();
        if let Some(content) = replaced {
            holes.places = self.fields_of(resource.place, |number| number == 1);
            if holes.places.is_empty() {
                self.write_made_field(1, content);
            }
        }
        let mut at = resource.place.start;
        let mut count = 0;
        for position in resource.scopes.range() {
            let scope = self.index.scopes()[position];
            if !self.is_scope_changed(position, &scope) {
                count += 1;
                continue;
            }
            self.copy_around(at, scope.place.tag, &mut holes, replaced);
            at = scope.place.end;
            count += usize::from(self.write_scope(position, &scope));
        }
        self.copy_around(at, resource.place.end, &mut holes, replaced);
        self.close_if(open, count > 0 || resource.scopes.is_empty())
    }

    /// Writes a scope that changed; says whether it is still there.
    fn write_scope(&mut self, position: usize, scope: &ScopeEntry) -> bool {
        let open = self.open(2);
        let mut at = scope.place.start;
        let (count, was_empty) = if scope.metrics.is_empty() {
            (self.write_records(scope.records.range(), 2, &mut at), scope.records.is_empty())
        } else {
            (self.write_metrics(scope.metrics.range(), &mut at), false)
        };
        self.copy(at, scope.place.end);
        let appended: Vec<u32> = within(&self.appends, position..position + 1).iter().map(|(_, made)| *made).collect();
        appended.iter().for_each(|made| self.write_made_field(2, *made));
        self.close_if(open, count + appended.len() > 0 || was_empty)
    }

    /// Writes the records of a message, up to and with the last that changed, each as field `number`; `at` is where the
    /// message has been copied to. Returns how many records there are now.
    fn write_records(&mut self, records: Range<usize>, number: u32, at: &mut u32) -> usize {
        let has_moves = !within(&self.moves, records.clone()).is_empty();
        let has_inserts = !within(&self.inserts, records.clone()).is_empty();
        let (index, mut count) = (self.index, 0);
        for (record, RecordEntry { place, .. }) in records.clone().zip(&index.records()[records]) {
            let is_moved = has_moves && !within(&self.moves, record..record + 1).is_empty();
            match self.record_change(record) {
                Change::Keep if !is_moved => count += 1,
                Change::Replace(content) if !is_moved => {
                    self.copy(*at, place.tag);
                    self.write_made_field(number, content);
                    *at = place.end;
                    count += 1;
                }
                Change::Splice(cuts) if !is_moved => {
                    self.copy(*at, place.tag);
                    self.write_spliced_field(number, *place, cuts);
                    *at = place.end;
                    count += 1;
                }
                _ => {
                    self.copy(*at, place.tag);
                    *at = place.end;
                }
            }
            if has_inserts {
                count += self.write_inserted(record, place.end, number, at);
            }
        }
        count
    }

    /// Writes what stands right behind a record that ends at `end`; returns how many records that are.
    fn write_inserted(&mut self, record: usize, end: u32, number: u32, at: &mut u32) -> usize {
        let inserted: Vec<u32> = within(&self.inserts, record..record + 1).iter().map(|(_, made)| *made).collect();
        if !inserted.is_empty() {
            self.copy(*at, end);
            *at = end;
            inserted.iter().for_each(|made| self.write_made_field(number, *made));
        }
        inserted.len()
    }

    fn write_metrics(&mut self, metrics: Range<usize>, at: &mut u32) -> usize {
        let mut count = 0;
        for position in metrics {
            let metric = self.index.metrics()[position];
            match metric.data {
                Some((kind, data)) if self.are_records_changed(metric.points.range()) => {
                    self.copy(*at, metric.place.tag);
                    *at = metric.place.end;
                    count += usize::from(self.write_metric(&metric, kind, data));
                    count += self.write_moved(&metric, kind, data);
                }
                _ => count += 1,
            }
        }
        count
    }

    /// Writes a metric with the points that stay in it; says whether it is still there.
    fn write_metric(&mut self, metric: &MetricEntry, kind: Kind, data: MessagePlace) -> bool {
        let open = self.open(2);
        // Data of a second kind, or of the same a second time, was not read and does not outlive a change.
        let places = self.fields_of(metric.place, |number| Kind::from_field_number(number).is_some());
        let mut holes = Holes { places, ..Holes::default() };
        self.copy_around(metric.place.start, data.tag, &mut holes, None);
        let open_data = self.open(kind.field_number());
        let mut at = data.start;
        let count = self.write_records(metric.points.range(), 1, &mut at);
        self.copy(at, data.end);
        self.close_if(open_data, true);
        self.copy_around(data.end, metric.place.end, &mut holes, None);
        self.close_if(open, count > 0)
    }

    /// Writes the metrics that points of a metric move to; returns how many there are.
    fn write_moved(&mut self, metric: &MetricEntry, kind: Kind, data: MessagePlace) -> usize {
        let mut groups: Vec<(u32, Vec<usize>)> = Vec::new();
        let mut positions: HashMap<&[u8], usize> = HashMap::new();
        let moves = within(&self.moves, metric.points.range());
        for (index, (point, head)) in moves.iter().enumerate() {
            let is_last = moves.get(index + 1).is_none_or(|(next, _)| next != point);
            if !is_last || self.record_change(*point as usize) == Change::Drop {
                continue;
            }
            let position = *positions.entry(self.changes.content(*head)).or_insert(groups.len());
            match groups.get_mut(position) {
                Some((_, points)) => points.push(*point as usize),
                None => groups.push((*head, vec![*point as usize])),
            }
        }
        for (head, points) in &groups {
            let open = self.open(2);
            self.write_made(*head);
            let open_data = self.open(kind.field_number());
            let mut at = data.start;
            for point in metric.points.range() {
                let place = self.index.records()[point].place;
                self.copy(at, place.tag);
                at = place.end;
            }
            self.copy(at, data.end);
            for point in points {
                let place = self.index.records()[*point].place;
                match self.record_change(*point) {
                    Change::Replace(content) => self.write_made_field(1, content),
                    Change::Splice(cuts) => self.write_spliced_field(1, place, cuts),
                    _ => self.copy(place.tag, place.end),
                }
            }
            self.close_if(open_data, true);
            self.close_if(open, true);
        }
        groups.len()
    }

    /// Returns where the fields with certain numbers stand in a message.
    fn fields_of(&self, place: MessagePlace, is_wanted: impl Fn(u32) -> bool) -> Vec<MessagePlace> {
        Fields::at(place.content(self.request), place.start as usize)
            .map_while(Result::ok)
            .filter(|field| is_wanted(field.number))
            .map(|field| MessagePlace { tag: field.offset as u32, start: field.offset as u32, end: field.end as u32 })
            .collect()
    }

    // --- pieces ---

    fn copy(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        self.size += (end - start) as usize;
        match self.pieces.last_mut() {
            Some(Piece::Copy { end: last, .. }) if *last == start => *last = end,
            _ => self.pieces.push(Piece::Copy { start, end }),
        }
    }

    /// Copies a range without its holes; in the place of the first hole stands `made`, if anything.
    fn copy_around(&mut self, mut start: u32, end: u32, holes: &mut Holes, made: Option<u32>) {
        while let Some(hole) = holes.places.get(holes.position).copied().filter(|hole| hole.tag < end) {
            self.copy(start, hole.tag);
            start = hole.end.max(start);
            if let Some(made) = made.filter(|_| holes.position == 0) {
                self.write_made_field(1, made);
            }
            holes.position += 1;
        }
        self.copy(start, end);
    }

    fn write_made(&mut self, content: u32) {
        self.size += self.changes.content(content).len();
        self.pieces.push(Piece::Made(content));
    }

    fn write_made_field(&mut self, number: u32, content: u32) {
        let open = self.open(number);
        self.write_made(content);
        self.close_if(open, true);
    }

    fn write_spliced_field(&mut self, number: u32, place: MessagePlace, cuts: u32) {
        let open = self.open(number);
        let changes = self.changes;
        let mut at = place.start;
        for cut in changes.cuts_of(cuts) {
            self.copy(at, place.start.saturating_add(cut.start).min(place.end));
            if let Some(content) = cut.put() {
                self.write_made(content);
            }
            at = place.start.saturating_add(cut.end);
        }
        self.copy(at, place.end);
        self.close_if(open, true);
    }

    fn open(&mut self, number: u32) -> Open {
        let open = Open { piece: self.pieces.len(), size: self.size, number };
        self.pieces.push(Piece::Header { number, size: 0 });
        open
    }

    /// Gives a message its length, or takes it away again when it is not to stay; says which.
    fn close_if(&mut self, open: Open, stays: bool) -> bool {
        if stays {
            let size = self.size - open.size;
            self.pieces[open.piece] = Piece::Header { number: open.number, size };
            self.size += varint_size(u64::from(open.number) << 3) + varint_size(size as u64);
        } else {
            self.pieces.truncate(open.piece);
            self.size = open.size;
        }
        stays
    }

    fn write(&self, mut out: Vec<u8>) -> Vec<u8> {
        out.clear();
        out.reserve_exact(self.size);
        for piece in &self.pieces {
            match piece {
                Piece::Copy { start, end } => out.extend_from_slice(&self.request[*start as usize..*end as usize]),
                Piece::Made(content) => out.extend_from_slice(self.changes.content(*content)),
                // Of most records: a tag of one byte, a length of two.
                Piece::Header { number: number @ ..16, size: size @ 0x80..0x4000 } => {
                    out.extend_from_slice(&[(number << 3 | 2) as u8, *size as u8 | 0x80, (size >> 7) as u8]);
                }
                Piece::Header { number, size } => {
                    append_varint(&mut out, u64::from(*number) << 3 | 2);
                    append_varint(&mut out, *size as u64);
                }
            }
        }
        debug_assert_eq!(out.len(), self.size);
        out
    }
}

/// Holds fields that are not copied, in order, and how many have been passed.
#[derive(Default)]
struct Holes {
    places: Vec<MessagePlace>,
    position: usize,
}

/// Returns the entries of a sorted list with positions in a range.
fn within(list: &[(u32, u32)], range: Range<usize>) -> &[(u32, u32)] {
    if list.is_empty() {
        return list;
    }
    let start = list.partition_point(|(position, _)| (*position as usize) < range.start);
    let end = list.partition_point(|(position, _)| (*position as usize) < range.end);
    &list[start..end]
}
