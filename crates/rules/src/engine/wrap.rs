//! One record to a request of its own: with its resource and scope, for those who send, hold or judge it apart.

use crate::engine::frame::Unit;
use crate::state::recorder::HeldRecord;
use dtq_record::WireError;
use dtq_record::otlp::Signal;
use dtq_record::otlp::edit::edit_metric_head;
use dtq_record::otlp::metrics::Kind;
use dtq_record::wire::{Fields, append_bytes_field};
use std::sync::Arc;

/// Field of records in a scope, of scopes in a resource, and of resources in a request; the same for all signals.
const RESOURCES: u32 = 1;
const SCOPES: u32 = 2;
const RECORDS: u32 = 2;
/// Field of points in every kind of data.
const POINTS: u32 = 1;

/// Returns a message without the fields of a number.
fn without(message: &[u8], number: u32) -> Result<Vec<u8>, WireError> {
    let mut head = Vec::new();
    for field in Fields::new(message) {
        let field = field?;
        if field.number != number {
            head.extend_from_slice(&message[field.offset..field.end]);
        }
    }
    Ok(head)
}

/// Returns what a message like `ResourceLogs` has besides its resource and scopes: the URL of its schema.
pub(crate) fn container_head(container: &[u8]) -> Result<Vec<u8>, WireError> {
    without(&without(container, SCOPES)?, RESOURCES)
}

/// Holds what a record is sent with: its resource and scope, each with its schema, and for a point its metric.
pub(crate) struct Heads {
    pub(crate) resource: Arc<[u8]>,
    pub(crate) scope: Arc<[u8]>,
    pub(crate) metric: Option<Arc<[u8]>>,
}

/// Holds a head that was made, with what it is the head of.
type Made<K> = Option<(K, Arc<[u8]>)>;

/// Makes the heads of the records of one request, each once for the records that share it: to find a head all siblings of
/// a record are passed by, which for each record anew would take the square of their count.
#[derive(Default)]
pub(crate) struct HeadMaker {
    /// Containers like `ResourceLogs` without their scopes, by position of the resource.
    container: Made<usize>,
    /// By where the content of the resource stands, too: rules make versions of it.
    resource: Made<(usize, *const u8, usize)>,
    scope: Made<usize>,
    metric: Made<u32>,
}

impl HeadMaker {
    /// Returns the heads of a record; the resource is as rules have left it.
    pub(crate) fn heads(&mut self, unit: &Unit<'_>) -> Result<Heads, WireError> {
        let place = unit.index.resources()[unit.resource].place;
        let container = made(&mut self.container, unit.resource, || without(place.content(unit.request), SCOPES))?;
        let content = unit.buffers.resource;
        let key = (unit.resource, content.as_ptr(), content.len());
        let resource = made(&mut self.resource, key, || resource_head(unit, &container))?;
        let scope = unit.index.scopes()[unit.scope].place;
        let scope = made(&mut self.scope, unit.scope, || without(scope.content(unit.request), RECORDS))?;
        let metric = match unit.kind {
            Some(kind) => {
                let key = unit.index.records()[unit.position].parent;
                Some(made(&mut self.metric, key, || metric_head(unit.buffers.metric, kind))?)
            }
            None => None,
        };
        Ok(Heads { resource, scope, metric })
    }
}

/// Returns the head that is there, if it is of `key`, or makes it.
fn made<K: PartialEq>(
    place: &mut Made<K>,
    key: K,
    make: impl FnOnce() -> Result<Vec<u8>, WireError>,
) -> Result<Arc<[u8]>, WireError> {
    if let Some((_, head)) = place.as_ref().filter(|(own, _)| *own == key) {
        return Ok(Arc::clone(head));
    }
    let head: Arc<[u8]> = Arc::from(make()?);
    *place = Some((key, Arc::clone(&head)));
    Ok(head)
}

/// Returns the head of a resource from what its container has besides scopes: with the resource as rules have left it.
fn resource_head(unit: &Unit<'_>, container: &[u8]) -> Result<Vec<u8>, WireError> {
    let own = unit.index.resources()[unit.resource].resource.map_or(&[][..], |place| place.content(unit.request));
    if own == unit.buffers.resource {
        return Ok(container.to_vec());
    }
    let mut resource = Vec::with_capacity(container.len() + unit.buffers.resource.len());
    append_bytes_field(&mut resource, RESOURCES, unit.buffers.resource);
    resource.extend_from_slice(&without(container, RESOURCES)?);
    Ok(resource)
}

/// Returns a metric without its points.
fn metric_head(metric: &[u8], kind: Kind) -> Result<Vec<u8>, WireError> {
    let mut head = edit_metric_head(metric, &[], 0)?;
    let data = Fields::new(metric).find_map(|field| match field {
        Ok(field) if field.number == kind.field_number() => Some(field.bytes()),
        _ => None,
    });
    let data = without(data.transpose()?.unwrap_or_default(), POINTS)?;
    append_bytes_field(&mut head, kind.field_number(), &data);
    Ok(head)
}

/// Returns a metric head, as [`HeadMaker::heads`] gives it, with one point.
fn metric_with(head: &[u8], point: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut metric = Vec::with_capacity(head.len() + point.len() + 8);
    for field in Fields::new(head) {
        let field = field?;
        match Kind::from_field_number(field.number) {
            Some(_) => {
                let mut data = field.bytes()?.to_vec();
                append_bytes_field(&mut data, POINTS, point);
                append_bytes_field(&mut metric, field.number, &data);
            }
            None => metric.extend_from_slice(&head[field.offset..field.end]),
        }
    }
    Ok(metric)
}

/// Returns a request with one record.
pub(crate) fn request(
    resource: &[u8],
    scope: &[u8],
    metric: Option<&[u8]>,
    record: &[u8],
) -> Result<Vec<u8>, WireError> {
    let metric = metric.map(|head| metric_with(head, record)).transpose()?;
    let mut scopes = scope.to_vec();
    append_bytes_field(&mut scopes, RECORDS, metric.as_deref().unwrap_or(record));
    let mut resources = resource.to_vec();
    append_bytes_field(&mut resources, SCOPES, &scopes);
    let mut request = Vec::with_capacity(resources.len() + 6);
    append_bytes_field(&mut request, RESOURCES, &resources);
    Ok(request)
}

/// Returns a record as a recorder holds it.
pub(crate) fn held(unit: &Unit<'_>, heads: Heads, record: &[u8]) -> HeldRecord {
    let Heads { resource, scope, metric } = heads;
    HeldRecord { signal: unit.signal, resource, scope, metric, record: record.to_vec(), time_ticks: unit.time_ticks }
}

/// Returns a request with a record that was held.
pub(crate) fn released(held: &HeldRecord) -> Result<(Signal, Vec<u8>), WireError> {
    let request = request(&held.resource, &held.scope, held.metric.as_deref(), &held.record)?;
    Ok((held.signal, request))
}
