//! Ended spans of the SDK through the rules to the processor that exports them.
//!
//! Dropping a span may leave children without a parent that is exported; the rules decide about each span alone.

use super::metrics::panicked;
use super::{decode, encode};
use crate::rules::{Attachment, Rules};
use crate::seat::Fate;
use crate::subject::{Subject, Wants};
use dtq_record::otlp::Signal;
use dtq_record::otlp::spans::column;
use dtq_record::wire::{
    Fields, append_bytes_field, append_fixed32_field, append_fixed64_field, append_message_field, append_varint_field,
};
use dtq_rules::engine::Emission;
use opentelemetry::trace::{Event, Link, SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanEvents, SpanLinks, SpanProcessor};
use std::time::Duration;

/// `SpanFlags` (trace.proto): whether it is known that the parent is remote, and whether it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Runs the rules on spans that have ended, in front of the processor that exports them.
#[derive(Debug)]
pub struct RulesSpanProcessor<P> {
    rules: Rules,
    attachment: Attachment,
    inner: P,
    resource: Vec<u8>,
}

impl<P: SpanProcessor> RulesSpanProcessor<P> {
    /// Returns the processor that does what `inner` does with the spans that rules leave.
    pub fn new(rules: Rules, inner: P) -> Self {
        Self { attachment: rules.attach(Signal::Spans), rules, inner, resource: Vec::new() }
    }

    fn send(&self, emissions: Vec<Emission>) {
        let (spans, others): (Vec<_>, Vec<_>) =
            emissions.into_iter().partition(|one| one.signal == Signal::Spans && one.destination.is_none());
        spans.iter().for_each(|one| self.end_all(&one.request));
        self.end_all(&self.rules.waiting(Signal::Spans));
        if !others.is_empty() {
            self.rules.send(others);
        }
    }

    /// Hands all spans of a request to the inner processor.
    fn end_all(&self, request: &[u8]) {
        let sent = decode::each_record(request, |scope, content| {
            let span = span(scope, content)?;
            self.rules.calling(|| self.inner.on_end(span));
            Some(())
        });
        if sent.is_none() {
            self.rules.note_unfit();
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for RulesSpanProcessor<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.rules.calling(|| self.inner.on_start(span, cx));
    }

    fn on_end(&self, span: SpanData) {
        let (fate, emissions) = self.rules.judge(&SpanSubject { span: &span, resource: &self.resource });
        match fate {
            Fate::Pass => _ = self.rules.calling(|| self.inner.on_end(span)),
            Fate::Drop => {}
            Fate::Changed(request) => self.end_all(&request),
        }
        if !emissions.is_empty() || self.rules.is_waiting(Signal::Spans) {
            self.send(emissions);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.send(self.rules.tick());
        self.rules.calling(|| self.inner.force_flush()).unwrap_or_else(panicked)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.send(self.rules.shutdown());
        self.attachment.end();
        self.rules.calling(|| self.inner.shutdown_with_timeout(timeout)).unwrap_or_else(panicked)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = encode::resource(resource);
        let inner = &mut self.inner;
        self.rules.calling(|| inner.set_resource(resource));
    }
}

/// A span of the SDK.
struct SpanSubject<'s> {
    span: &'s SpanData,
    resource: &'s [u8],
}

impl Subject for SpanSubject<'_> {
    fn signal(&self) -> Signal {
        Signal::Spans
    }

    fn append_record(&self, out: &mut Vec<u8>, wants: &Wants) {
        let span = self.span;
        let context = &span.span_context;
        append_bytes_field(out, 1, &context.trace_id().to_bytes());
        append_bytes_field(out, 2, &context.span_id().to_bytes());
        if wants.column(column::TRACE_STATE) {
            append_text(out, 3, &context.trace_state().header());
        }
        if span.parent_span_id != SpanId::INVALID {
            append_bytes_field(out, 4, &span.parent_span_id.to_bytes());
        }
        append_text(out, 5, &span.name);
        append_varint_field(out, 6, kind_number(&span.span_kind));
        append_fixed64_field(out, 7, encode::nanos(span.start_time));
        append_fixed64_field(out, 8, encode::nanos(span.end_time));
        if wants.any(column::ATTRIBUTES) {
            for one in span.attributes.iter().filter(|one| wants.key(column::ATTRIBUTES, one.key.as_str().as_bytes())) {
                encode::append_attribute(out, 9, one.key.as_str(), &one.value);
            }
        }
        append_number(out, 10, span.dropped_attributes_count);
        if wants.column(column::EVENTS) {
            span.events.iter().for_each(|event| append_message_field(out, 11, |out| append_event(out, event)));
        }
        append_number(out, 12, span.events.dropped_count);
        if wants.column(column::LINKS) {
            span.links.iter().for_each(|link| append_message_field(out, 13, |out| append_link(out, link)));
        }
        append_number(out, 14, span.links.dropped_count);
        append_message_field(out, 15, |out| append_status(out, &span.status));
        append_fixed32_field(out, 16, flags(context.trace_flags(), span.parent_span_is_remote));
    }

    fn append_scope(&self, out: &mut Vec<u8>) {
        encode::append_scope(out, &self.span.instrumentation_scope, None);
    }

    fn resource(&self) -> &[u8] {
        self.resource
    }
}

fn append_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        append_bytes_field(out, number, text.as_bytes());
    }
}

fn append_number(out: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        append_varint_field(out, number, u64::from(value));
    }
}

fn append_status(out: &mut Vec<u8>, status: &Status) {
    match status {
        Status::Unset => {}
        Status::Ok => append_varint_field(out, 3, 1),
        Status::Error { description } => {
            append_text(out, 2, description);
            append_varint_field(out, 3, 2);
        }
    }
}

fn append_event(out: &mut Vec<u8>, event: &Event) {
    append_fixed64_field(out, 1, encode::nanos(event.timestamp));
    append_text(out, 2, &event.name);
    encode::append_attributes(out, 3, &event.attributes);
    append_number(out, 4, event.dropped_attributes_count);
}

fn append_link(out: &mut Vec<u8>, link: &Link) {
    let context = &link.span_context;
    append_bytes_field(out, 1, &context.trace_id().to_bytes());
    append_bytes_field(out, 2, &context.span_id().to_bytes());
    append_text(out, 3, &context.trace_state().header());
    encode::append_attributes(out, 4, &link.attributes);
    append_number(out, 5, link.dropped_attributes_count);
    append_fixed32_field(out, 6, flags(context.trace_flags(), context.is_remote()));
}

fn flags(trace_flags: TraceFlags, is_remote: bool) -> u32 {
    u32::from(trace_flags.to_u8()) | HAS_IS_REMOTE | if is_remote { IS_REMOTE } else { 0 }
}

/// Returns the number of a kind (trace.proto, `SpanKind`).
fn kind_number(kind: &SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn kind(number: u64) -> SpanKind {
    match number {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// Collects what makes a `SpanContext`.
#[derive(Default)]
struct Ids {
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    state: TraceState,
    flags: u32,
}

impl Ids {
    fn context(self, is_remote: bool) -> SpanContext {
        let trace_id = self.trace_id.unwrap_or(TraceId::INVALID);
        let span_id = self.span_id.unwrap_or(SpanId::INVALID);
        SpanContext::new(trace_id, span_id, TraceFlags::new(self.flags as u8), is_remote, self.state)
    }
}

/// Returns the span that a message holds.
fn span(scope: &[u8], content: &[u8]) -> Option<SpanData> {
    let mut ids = Ids::default();
    let mut span = SpanData {
        span_context: SpanContext::NONE,
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "".into(),
        start_time: std::time::UNIX_EPOCH,
        end_time: std::time::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: decode::scope(scope)?,
    };
    for field in Fields::new(content) {
        let field = field.ok()?;
        match field.number {
            1 => ids.trace_id = Some(decode::trace_id(field.bytes().ok()?)),
            2 => ids.span_id = Some(decode::span_id(field.bytes().ok()?)),
            3 => ids.state = decode::text(&field)?.parse().unwrap_or_default(),
            4 => span.parent_span_id = decode::span_id(field.bytes().ok()?),
            5 => span.name = decode::text(&field)?.into(),
            6 => span.span_kind = kind(field.varint().ok()?),
            7 => span.start_time = decode::time(field.fixed64().ok()?),
            8 => span.end_time = decode::time(field.fixed64().ok()?),
            9 => span.attributes.push(decode::attribute(field.message().ok()?)?),
            10 => span.dropped_attributes_count = field.varint().ok()? as u32,
            11 => span.events.events.push(event(field.message().ok()?)?),
            12 => span.events.dropped_count = field.varint().ok()? as u32,
            13 => span.links.links.push(link(field.message().ok()?)?),
            14 => span.links.dropped_count = field.varint().ok()? as u32,
            15 => span.status = status(field.message().ok()?)?,
            16 => ids.flags = field.fixed32().ok()?,
            _ => {}
        }
    }
    span.parent_span_is_remote = ids.flags & IS_REMOTE != 0;
    span.span_context = ids.context(false);
    Some(span)
}

fn status(fields: Fields<'_>) -> Option<Status> {
    let (mut message, mut code) = (String::new(), 0);
    for field in fields {
        let field = field.ok()?;
        match field.number {
            2 => message = decode::text(&field)?,
            3 => code = field.varint().ok()?,
            _ => {}
        }
    }
    Some(match code {
        1 => Status::Ok,
        2 => Status::error(message),
        _ => Status::Unset,
    })
}

fn event(fields: Fields<'_>) -> Option<Event> {
    let mut event = Event::new("", std::time::UNIX_EPOCH, Vec::new(), 0);
    for field in fields {
        let field = field.ok()?;
        match field.number {
            1 => event.timestamp = decode::time(field.fixed64().ok()?),
            2 => event.name = decode::text(&field)?.into(),
            3 => event.attributes.push(decode::attribute(field.message().ok()?)?),
            4 => event.dropped_attributes_count = field.varint().ok()? as u32,
            _ => {}
        }
    }
    Some(event)
}

fn link(fields: Fields<'_>) -> Option<Link> {
    let (mut ids, mut attributes, mut dropped_count) = (Ids::default(), Vec::new(), 0);
    for field in fields {
        let field = field.ok()?;
        match field.number {
            1 => ids.trace_id = Some(decode::trace_id(field.bytes().ok()?)),
            2 => ids.span_id = Some(decode::span_id(field.bytes().ok()?)),
            3 => ids.state = decode::text(&field)?.parse().unwrap_or_default(),
            4 => attributes.push(decode::attribute(field.message().ok()?)?),
            5 => dropped_count = field.varint().ok()? as u32,
            6 => ids.flags = field.fixed32().ok()?,
            _ => {}
        }
    }
    let is_remote = ids.flags & IS_REMOTE != 0;
    Some(Link::new(ids.context(is_remote), attributes, dropped_count))
}
