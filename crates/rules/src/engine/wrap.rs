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

/// Returns what a record is sent with: its resource and scope, each with its schema, and for a point its metric.
pub(crate) struct Heads {
    pub(crate) resource: Vec<u8>,
    pub(crate) scope: Vec<u8>,
    pub(crate) metric: Option<Vec<u8>>,
}

/// Returns the heads of a record; the resource is as rules have left it.
pub(crate) fn heads(unit: &Unit<'_>) -> Result<Heads, WireError> {
    let resource_entry = unit.index.resources()[unit.resource];
    let container = resource_entry.place.content(unit.request);
    let mut resource = without(container, SCOPES)?;
    let own = resource_entry.resource.map_or(&[][..], |place| place.content(unit.request));
    if own != unit.buffers.resource {
        let rest = without(&resource, RESOURCES)?;
        resource.clear();
        append_bytes_field(&mut resource, RESOURCES, unit.buffers.resource);
        resource.extend_from_slice(&rest);
    }
    let scope = without(unit.index.scopes()[unit.scope].place.content(unit.request), RECORDS)?;
    let metric = match unit.kind {
        Some(kind) => Some(metric_head(unit.buffers.metric, kind)?),
        None => None,
    };
    Ok(Heads { resource, scope, metric })
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

/// Returns a metric head, as [`heads`] gives it, with one point.
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
pub(crate) fn held(unit: &Unit<'_>, record: &[u8]) -> Result<HeldRecord, WireError> {
    let heads = heads(unit)?;
    Ok(HeldRecord {
        signal: unit.signal,
        resource: Arc::from(heads.resource),
        scope: Arc::from(heads.scope),
        metric: heads.metric.map(Arc::from),
        record: record.to_vec(),
        time_ticks: unit.time_ticks,
    })
}

/// Returns a request with a record that was held.
pub(crate) fn released(held: &HeldRecord) -> Result<(Signal, Vec<u8>), WireError> {
    let request = request(&held.resource, &held.scope, held.metric.as_deref(), &held.record)?;
    Ok((held.signal, request))
}
