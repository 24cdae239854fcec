//! One request to the places of its resources, scopes, metrics and records: framing, checked down to each record.
//!
//! Looks into no record and into no resource or scope message. Fields may come in any order; unknown ones are read past.
//! Of a repeated `resource`, `scope` or data of a metric the first is the one that is read. The index is plain numbers,
//! so that one of them serves request after request without allocating. Next: `otlp/assemble.rs`.

use super::Signal;
use super::metrics::Kind;
use crate::wire::{Cursor, WireError, WireValue};
use std::ops::Range;

/// Resources, scopes and metrics that a request may have: each costs up to 48 bytes here and may be two bytes there.
const CONTAINERS_MAX: usize = 1 << 20;

/// Why a request with more records than [`RequestIndex::read_within`] allows is not read.
pub const TOO_MANY_RECORDS: &str = "a request has more records than are allowed";

/// Holds where a field with a message stands in a request, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePlace {
    /// Offset of its tag.
    pub tag: u32,
    /// Offset of the message itself.
    pub start: u32,
    /// Offset just behind it.
    pub end: u32,
}

impl MessagePlace {
    /// Returns the message's bytes.
    pub fn content<'a>(&self, request: &'a [u8]) -> &'a [u8] {
        &request[self.start as usize..self.end as usize]
    }

    /// Returns the whole field: tag, length and message.
    pub fn field<'a>(&self, request: &'a [u8]) -> &'a [u8] {
        &request[self.tag as usize..self.end as usize]
    }
}

/// Holds a range of positions in one of the index's lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The first.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

impl Positions {
    /// Returns the range.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// Holds a `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceEntry {
    /// Where it stands.
    pub place: MessagePlace,
    /// Its first `Resource` message.
    pub resource: Option<MessagePlace>,
    /// Its scopes, in [`RequestIndex::scopes`].
    pub scopes: Positions,
}

/// Holds a `ScopeLogs`, `ScopeSpans` or `ScopeMetrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// Where it stands.
    pub place: MessagePlace,
    /// Its first `InstrumentationScope` message.
    pub scope: Option<MessagePlace>,
    /// The resource it belongs to.
    pub resource: u32,
    /// Its metrics, in [`RequestIndex::metrics`]; none for other signals.
    pub metrics: Positions,
    /// Its records (for metrics the points of all its metrics), in [`RequestIndex::records`].
    pub records: Positions,
}

/// Holds a `Metric`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricEntry {
    /// Where it stands.
    pub place: MessagePlace,
    /// Its first data: `Gauge`, `Sum` or another kind's message.
    pub data: Option<(Kind, MessagePlace)>,
    /// The scope it belongs to.
    pub scope: u32,
    /// Its points, in [`RequestIndex::records`].
    pub points: Positions,
}

/// Holds a `LogRecord`, a `Span` or a data point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// Where it stands.
    pub place: MessagePlace,
    /// The scope it belongs to; for a data point the metric.
    pub parent: u32,
}

/// Holds the places in one request.
#[derive(Clone, Debug, Default)]
pub struct RequestIndex {
    resources: Vec<ResourceEntry>,
    scopes: Vec<ScopeEntry>,
    metrics: Vec<MetricEntry>,
    records: Vec<RecordEntry>,
    reads_along: bool,
    /// Records that the request may have.
    records_max: usize,
    /// Up to where the request has been fetched.
    fetched: usize,
}

impl RequestIndex {
    /// Says whether records are going to be read right after; then they are fetched on the way.
    pub fn set_reads_along(&mut self, reads_along: bool) {
        self.reads_along = reads_along;
    }

    /// Forgets the request and keeps the memory.
    pub fn clear(&mut self) {
        self.resources.clear();
        self.scopes.clear();
        self.metrics.clear();
        self.records.clear();
        self.fetched = 0;
    }

    /// Reads the places of a request in the place of those of the one before.
    ///
    /// # Errors
    /// When something in it is malformed down to the boundaries of its records, when it has 4 GiB or more, or over a
    /// million resources, scopes and metrics. The index is empty then. How large a request may be is the caller's bound.
    ///
    /// # Cost
    /// One look at each tag and length in front of a record; 16 bytes a record.
    pub fn read(&mut self, signal: Signal, request: &[u8]) -> Result<(), WireError> {
        self.read_within(signal, request, usize::MAX)
    }

    /// Does the same with a request of at most so many records: each costs 16 bytes here and may be two bytes there.
    ///
    /// # Errors
    /// As [`RequestIndex::read`], and [`TOO_MANY_RECORDS`] as the reason.
    pub fn read_within(&mut self, signal: Signal, request: &[u8], records_max: usize) -> Result<(), WireError> {
        self.clear();
        self.records_max = records_max;
        if u32::try_from(request.len()).is_err() {
            return Err(WireError { offset: 0, reason: "a request of 4 GiB or more" });
        }
        let whole = MessagePlace { tag: 0, start: 0, end: request.len() as u32 };
        let read = walk(request, whole, |number, field| match number {
            1 => self.read_resource(signal, request, field.message()?),
            _ => Ok(()),
        });
        read.inspect_err(|_| self.clear())
    }

    /// Returns the resources in order.
    pub fn resources(&self) -> &[ResourceEntry] {
        &self.resources
    }

    /// Returns the scopes in order.
    pub fn scopes(&self) -> &[ScopeEntry] {
        &self.scopes
    }

    /// Returns the metrics in order.
    pub fn metrics(&self) -> &[MetricEntry] {
        &self.metrics
    }

    /// Returns the records in order; for metrics the data points.
    pub fn records(&self) -> &[RecordEntry] {
        &self.records
    }

    fn check_count(&self, place: MessagePlace) -> Result<(), WireError> {
        if self.resources.len() + self.scopes.len() + self.metrics.len() < CONTAINERS_MAX {
            return Ok(());
        }
        let reason = "a request has over a million resources, scopes and metrics";
        Err(WireError { offset: place.tag as usize, reason })
    }

    fn read_resource(&mut self, signal: Signal, request: &[u8], place: MessagePlace) -> Result<(), WireError> {
        let position = self.resources.len() as u32;
        let first = self.scopes.len() as u32;
        let mut resource = None;
        walk(request, place, |number, field| {
            match number {
                1 => drop(resource.get_or_insert(field.message()?)),
                2 => self.read_scope(signal, request, field.message()?, position)?,
                _ => {}
            }
            Ok(())
        })?;
        let scopes = Positions { start: first, end: self.scopes.len() as u32 };
        self.check_count(place)?;
        self.resources.push(ResourceEntry { place, resource, scopes });
        Ok(())
    }

    fn read_scope(
        &mut self,
        signal: Signal,
        request: &[u8],
        place: MessagePlace,
        resource: u32,
    ) -> Result<(), WireError> {
        let position = self.scopes.len() as u32;
        let (first_metric, first_record) = (self.metrics.len() as u32, self.records.len() as u32);
        let mut scope = None;
        let mut rest = place;
        while rest.start < rest.end {
            if signal != Signal::Metrics {
                rest.start = self.read_records(request, rest, position)?;
                if rest.start == rest.end {
                    break;
                }
            }
            let (number, field) = field_at(request, rest)?;
            match (number, signal) {
                (1, _) => drop(scope.get_or_insert(field.message()?)),
                (2, Signal::Metrics) => self.read_metric(request, field.message()?, position)?,
                (2, _) => self.read_record(request, field.message()?, position)?,
                _ => {}
            }
            rest.start = field.end;
        }
        let metrics = Positions { start: first_metric, end: self.metrics.len() as u32 };
        let records = Positions { start: first_record, end: self.records.len() as u32 };
        self.check_count(place)?;
        self.scopes.push(ScopeEntry { place, scope, resource, metrics, records });
        Ok(())
    }

    /// Reads records that follow each other at the beginning of what is left of a scope, each with a length of one or two
    /// bytes; returns where the first field begins that is none.
    fn read_records(&mut self, request: &[u8], rest: MessagePlace, scope: u32) -> Result<u32, WireError> {
        const TAG: u8 = 2 << 3 | 2;
        let (mut tag, end) = (rest.start, rest.end);
        let content = &request[..end as usize];
        while let Some([TAG, first, second]) = content.get(tag as usize..).and_then(<[u8]>::first_chunk) {
            let [first, second] = [*first, *second].map(u32::from);
            let (start, size) = match first < 0x80 {
                true => (tag + 2, first),
                false if second < 0x80 => (tag + 3, first & 0x7F | second << 7),
                false => break,
            };
            if size > end - start {
                break;
            }
            self.read_record(request, MessagePlace { tag, start, end: start + size }, scope)?;
            tag = start + size;
        }
        Ok(tag)
    }

    #[inline(always)]
    fn read_record(&mut self, request: &[u8], place: MessagePlace, scope: u32) -> Result<(), WireError> {
        self.fetch(request, place);
        self.push_record(RecordEntry { place, parent: scope })
    }

    #[inline]
    fn push_record(&mut self, record: RecordEntry) -> Result<(), WireError> {
        if self.records.len() >= self.records_max {
            return Err(WireError { offset: record.place.tag as usize, reason: TOO_MANY_RECORDS });
        }
        self.records.push(record);
        Ok(())
    }

    /// Reads a byte of each cache line up to some way behind a record, of the record itself only where it is read along.
    ///
    /// The walk goes from record to record, each behind the length of the one before, so that memory would be waited for at
    /// every step. What is read here depends on nothing, so that many lines are on their way at once; whoever reads the
    /// record next finds it in the cache.
    #[inline]
    fn fetch(&mut self, request: &[u8], record: MessagePlace) {
        const LINE_BYTES: usize = 64;
        const AHEAD_BYTES: usize = 2_048;
        let needed = if self.reads_along { record.start } else { record.end };
        self.fetched = self.fetched.max(needed as usize);
        // Blocks, since how many lines one record has varies, and a loop that ends unforeseen costs as much as the lines.
        while self.fetched < record.end as usize + AHEAD_BYTES {
            if let Some(lines) = request.get(self.fetched..).and_then(<[u8]>::first_chunk::<{ 8 * LINE_BYTES }>) {
                let line = |at: usize| lines[at * LINE_BYTES];
                std::hint::black_box(line(0) ^ line(1) ^ line(2) ^ line(3) ^ line(4) ^ line(5) ^ line(6) ^ line(7));
            }
            self.fetched += 8 * LINE_BYTES;
        }
    }

    fn read_metric(&mut self, request: &[u8], place: MessagePlace, scope: u32) -> Result<(), WireError> {
        let position = self.metrics.len() as u32;
        let mut data = None;
        walk(request, place, |number, field| {
            if let Some(kind) = Kind::from_field_number(number) {
                let place = field.message()?;
                data.get_or_insert((kind, place));
            }
            Ok(())
        })?;
        let first = self.records.len() as u32;
        if let Some((_, data)) = data {
            walk(request, data, |number, field| {
                if number == 1 {
                    self.push_record(RecordEntry { place: field.message()?, parent: position })?;
                }
                Ok(())
            })?;
        }
        let points = Positions { start: first, end: self.records.len() as u32 };
        self.check_count(place)?;
        self.metrics.push(MetricEntry { place, data, scope, points });
        Ok(())
    }
}

/// Holds a field while a message is walked.
struct Visited<'a> {
    value: WireValue<'a>,
    tag: u32,
    end: u32,
}

impl Visited<'_> {
    fn message(&self) -> Result<MessagePlace, WireError> {
        match self.value {
            WireValue::Bytes(bytes) => {
                Ok(MessagePlace { tag: self.tag, start: self.end - bytes.len() as u32, end: self.end })
            }
            _ => Err(WireError { offset: self.tag as usize, reason: "a known field has the wrong wire type" }),
        }
    }
}

/// Calls `visit` for each field of a message.
#[inline]
fn walk(
    request: &[u8],
    mut rest: MessagePlace,
    mut visit: impl FnMut(u32, Visited<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    while rest.start < rest.end {
        let (number, field) = field_at(request, rest)?;
        rest.start = field.end;
        visit(number, field)?;
    }
    Ok(())
}

/// Reads the field at the beginning of what is left of a message; there is something left.
#[inline]
fn field_at(request: &[u8], rest: MessagePlace) -> Result<(u32, Visited<'_>), WireError> {
    let malformed = |reason| WireError { offset: rest.start as usize, reason };
    let mut cursor = Cursor::new(rest.content(request));
    let (number, wire_type) = cursor.read_tag().map_err(malformed)?;
    let value = match wire_type {
        2 => cursor.read_bytes().map(WireValue::Bytes),
        _ => cursor.read_value(number, wire_type),
    };
    let value = value.map_err(malformed)?;
    Ok((number, Visited { value, tag: rest.start, end: rest.start + cursor.position() as u32 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{append_bytes_field, append_varint_field};

    #[test]
    fn more_records_than_are_allowed_are_not_read() {
        let records: Vec<u8> = (0..3).flat_map(|_| message(2, b"")).collect();
        let request = message(1, &message(2, &records));
        let mut index = RequestIndex::default();
        assert_eq!(index.read_within(Signal::Logs, &request, 3).map(|()| index.records().len()), Ok(3));
        let error = index.read_within(Signal::Logs, &request, 2).expect_err("one too many");
        assert_eq!((error.reason, index.records().len()), (TOO_MANY_RECORDS, 0));
        assert!(index.read(Signal::Logs, &request).is_ok());
    }

    fn message(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_bytes_field(&mut out, number, content);
        out
    }

    #[test]
    fn places_of_a_request_with_everything_in_odd_order() {
        let scope = [message(2, b"r0"), message(7, b"?"), message(1, b"s"), message(1, b"t"), message(2, b"")].concat();
        // The length of the scope is padded; the resource stands behind it, twice.
        let padded = [&[0x12, 0x80 | scope.len() as u8, 0x00][..], &scope].concat();
        let container = [padded, message(1, b"res"), message(1, b"not"), message(2, b"")].concat();
        let request = [message(9, b"unknown"), message(1, &container), message(1, b"")].concat();
        let mut index = RequestIndex::default();
        index.read(Signal::Logs, &request).unwrap();
        let contents: Vec<_> = index.records().iter().map(|record| record.place.content(&request)).collect();
        assert_eq!(contents, [&b"r0"[..], b""]);
        assert_eq!(index.records()[1].place.field(&request), [0x12, 0x00]);
        assert_eq!((index.resources().len(), index.scopes().len()), (2, 2));
        assert_eq!(index.resources()[0].resource.unwrap().content(&request), b"res");
        assert_eq!(
            index.resources()[1],
            ResourceEntry { resource: None, scopes: Positions { start: 2, end: 2 }, ..index.resources()[1] }
        );
        assert_eq!(index.scopes()[0].scope.unwrap().content(&request), b"s");
        assert_eq!(index.scopes()[0].records.range(), 0..2);
        assert!(index.scopes()[1].records.is_empty());
    }

    #[test]
    fn points_belong_to_the_first_data_of_their_metric() {
        let gauge = [message(1, b"p0"), message(1, b"p1")].concat();
        let metric = [message(5, &gauge), message(7, &message(1, b"other")), message(1, b"name")].concat();
        let request = message(1, &message(2, &[message(2, &metric), message(2, b"")].concat()));
        let mut index = RequestIndex::default();
        index.read(Signal::Metrics, &request).unwrap();
        assert_eq!(index.records().len(), 2);
        assert_eq!(index.metrics()[0].data.unwrap().0, Kind::Gauge);
        assert_eq!(index.metrics()[0].points.range(), 0..2);
        assert_eq!(index.metrics()[1].data, None);
        assert_eq!(index.scopes()[0].metrics.range(), 0..2);
        assert_eq!(index.scopes()[0].records.range(), 0..2);
    }

    #[test]
    fn malformed_framing_is_an_error_and_leaves_nothing() {
        let mut index = RequestIndex::default();
        let mut wrong_type = Vec::new();
        append_varint_field(&mut wrong_type, 2, 5);
        let good = message(1, &message(2, &message(2, b"r")));
        for (bad, reason) in [
            (message(1, &wrong_type), "a known field has the wrong wire type"),
            (message(1, &message(2, &[0x12, 0x05])), "a length reaches beyond the end"),
            (vec![0x0A, 0x7F], "a length reaches beyond the end"),
            (vec![0x0A], "a varint is cut or over ten bytes"),
            (vec![0x02, 0x00], "a field has number 0"),
        ] {
            let request = [good.clone(), bad].concat();
            let error = index.read(Signal::Logs, &request).unwrap_err();
            assert_eq!(error.reason, reason);
            assert!(error.offset >= good.len());
            assert!(index.resources().is_empty() && index.records().is_empty());
        }
    }
}
