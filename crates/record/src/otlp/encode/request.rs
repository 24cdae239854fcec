//! Records, each with what sent it, to a request: grouped by equal Resource and Scope in order of first appearance.
//!
//! Knows records as bytes or as rows; looks into neither. Next: `to_json.rs`.

use super::fields::append_bytes;
use super::points::MetricHead;
use super::{EncodeError, append_log_record, append_resource, append_scope, append_span, cell};
use crate::otlp::{Signal, logs, metrics, spans};
use crate::wire::append_bytes_field;
use dtq_value::Value;
use indexmap::IndexMap;

/// Says what sent a record: contents of the messages and schema URLs as they stand in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The content of the `Resource`.
    pub resource: &'a [u8],
    /// The schema of the resource.
    pub resource_schema_url: &'a [u8],
    /// The content of the `InstrumentationScope`.
    pub scope: &'a [u8],
    /// The schema of the scope's records.
    pub scope_schema_url: &'a [u8],
}

/// Collects records and gives them as one request.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    signal: Signal,
    /// By the fields of `ResourceLogs` (and its siblings) other than the scopes.
    resources: IndexMap<Vec<u8>, Scopes>,
    size_bytes: usize,
}

/// By the fields of `ScopeLogs` (and its siblings) other than the records.
type Scopes = IndexMap<Vec<u8>, Records>;

#[derive(Clone, Debug, Default)]
struct Records {
    /// Fields 2: records, or metrics that came whole.
    whole: Vec<u8>,
    /// Points of metrics that came as rows.
    points: IndexMap<MetricHead, Vec<u8>>,
}

impl RequestBuilder {
    /// Returns a request without records.
    pub fn new(signal: Signal) -> Self {
        Self { signal, resources: IndexMap::new(), size_bytes: 0 }
    }

    /// Says whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Returns about how many bytes the request will have: records and what sent them.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Adds a record: the content of a `LogRecord`, `Span` or `Metric`.
    pub fn push(&mut self, origin: &Origin<'_>, record: &[u8]) {
        let mut field = Vec::with_capacity(record.len() + 6);
        append_bytes_field(&mut field, 2, record);
        let records = self.records(origin);
        records.whole.extend_from_slice(&field);
        self.size_bytes += field.len();
    }

    /// Adds a row of the signal's standard table; columns that it lacks are left out.
    ///
    /// # Errors
    /// When a value has no place in OTLP; nothing is added then.
    pub fn push_row(&mut self, row: &[Value]) -> Result<(), EncodeError> {
        let (resource_column, scope_column) = match self.signal {
            Signal::Logs => (logs::column::RESOURCE, logs::column::SCOPE),
            Signal::Metrics => (metrics::column::RESOURCE, metrics::column::SCOPE),
            Signal::Spans => (spans::column::RESOURCE, spans::column::SCOPE),
        };
        let (mut resource, mut scope, mut record) = (Vec::new(), Vec::new(), Vec::new());
        append_resource(&mut resource, cell(row, resource_column))?;
        append_scope(&mut scope, cell(row, scope_column))?;
        let origin = Origin { resource: &resource, scope: &scope, ..Origin::default() };
        match self.signal {
            Signal::Logs => append_log_record(&mut record, row)?,
            Signal::Spans => append_span(&mut record, row)?,
            Signal::Metrics => {
                let head = MetricHead::of_row(row)?;
                head.append_point(&mut record, row)?;
                self.records(&origin).points.entry(head).or_default().extend_from_slice(&record);
                self.size_bytes += record.len();
                return Ok(());
            }
        }
        self.push(&origin, &record);
        Ok(())
    }

    fn records(&mut self, origin: &Origin<'_>) -> &mut Records {
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        append_bytes(&mut resource, 1, origin.resource);
        append_bytes(&mut resource, 3, origin.resource_schema_url);
        append_bytes(&mut scope, 1, origin.scope);
        append_bytes(&mut scope, 3, origin.scope_schema_url);
        let (resource_size, scope_size) = (resource.len(), scope.len());
        let size_bytes = &mut self.size_bytes;
        let scopes = self.resources.entry(resource).or_insert_with(|| {
            *size_bytes += resource_size;
            Scopes::new()
        });
        scopes.entry(scope).or_insert_with(|| {
            *size_bytes += scope_size;
            Records::default()
        })
    }

    /// Returns the request, of the kind that the signal's export service takes, and is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.size_bytes + self.size_bytes / 8);
        self.size_bytes = 0;
        for (mut resource, scopes) in std::mem::take(&mut self.resources) {
            for (mut scope, records) in scopes {
                scope.extend_from_slice(&records.whole);
                for (head, points) in records.points {
                    let mut metric = Vec::new();
                    head.append(&mut metric, &points);
                    append_bytes_field(&mut scope, 2, &metric);
                }
                append_bytes_field(&mut resource, 2, &scope);
            }
            append_bytes_field(&mut request, 1, &resource);
        }
        request
    }
}
