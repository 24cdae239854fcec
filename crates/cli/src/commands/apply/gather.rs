//! Records that are not OTLP, gathered into requests of many: the engine's cost of a request is paid once for all.
//!
//! The order stays: records whose resource and scope differ from those before begin a new resource in the same request.
//! What is no record (blank lines, headers) is gathered, too, so that everything leaves in the order in which it came.

use dtq_record::input::Place;
use dtq_record::input::originals::Original;
use dtq_record::otlp::Signal;
use dtq_record::otlp::encode::EncodeError;
use dtq_record::otlp::encode::request::RequestBuilder;
use dtq_record::otlp::logs::column;
use dtq_record::stream::Row;
use dtq_value::Value;
use std::ops::Range;

/// Records of a request at most. The engine bounds what rules make of one request, so that it must not be very large.
const RECORDS_MAX: usize = 256;
/// Bytes of records after which a request is judged.
const BYTES_MAX: usize = 1 << 20;
/// What is gathered at most, records or not.
const ENTRIES_MAX: usize = 1_024;

/// Holds what stands in the input, in order, until the records among it are judged.
pub struct Gathered {
    entries: Vec<Entry>,
    /// All of it one behind the other.
    bytes: Vec<u8>,
    record_count: usize,
    /// The resources before the current one.
    request: Vec<u8>,
    /// The current resource with its records.
    current: RequestBuilder,
    /// The resource and the scope of the record before.
    origin: Option<(Value, Value)>,
}

/// Holds what stands in one place.
pub struct Entry {
    /// Where it began in its input.
    pub place: Place,
    /// Its row; `None` when it leaves as it is.
    pub row: Option<Row>,
    bytes: Range<usize>,
    end: Range<usize>,
}

impl Gathered {
    /// Returns a place where nothing is gathered.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            bytes: Vec::new(),
            record_count: 0,
            request: Vec::new(),
            current: RequestBuilder::new(Signal::Logs),
            origin: None,
        }
    }

    /// Says whether it is time to judge the records.
    pub fn is_full(&self) -> bool {
        self.record_count >= RECORDS_MAX || self.bytes.len() >= BYTES_MAX || self.entries.len() >= ENTRIES_MAX
    }

    /// Adds something that leaves as it is.
    pub fn push_as_is(&mut self, original: &Original<'_>) {
        self.push(original, None);
    }

    /// Adds a record that is to be judged.
    ///
    /// # Errors
    /// When OTLP cannot hold it; then nothing is added.
    pub fn push_record(&mut self, original: &Original<'_>, row: Row) -> Result<(), EncodeError> {
        let origin = (row[column::RESOURCE].clone(), row[column::SCOPE].clone());
        if self.origin.as_ref() != Some(&origin) && !self.current.is_empty() {
            // Requests one behind the other are one request to protobuf.
            self.request.append(&mut self.current.take());
        }
        self.current.push_row(&row)?;
        self.origin = Some(origin);
        self.record_count += 1;
        self.push(original, Some(row));
        Ok(())
    }

    fn push(&mut self, original: &Original<'_>, row: Option<Row>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(original.bytes);
        let end = self.bytes.len();
        self.bytes.extend_from_slice(original.end);
        let (bytes, end) = (begin..end, end..self.bytes.len());
        self.entries.push(Entry { place: original.place, row, bytes, end });
    }

    /// Returns the request with the records; `None` when there are none.
    pub fn take_request(&mut self) -> Option<Vec<u8>> {
        if self.record_count == 0 {
            return None;
        }
        self.record_count = 0;
        self.origin = None;
        let mut request = std::mem::take(&mut self.request);
        request.append(&mut self.current.take());
        Some(request)
    }

    /// Returns what was gathered, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns an entry as it stood in the input, and what separated it from the next.
    pub fn original(&self, entry: &Entry) -> (&[u8], &[u8]) {
        (&self.bytes[entry.bytes.clone()], &self.bytes[entry.end.clone()])
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }
}
