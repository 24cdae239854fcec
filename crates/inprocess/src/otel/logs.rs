//! Log records of the SDK through the rules to the processor that exports them.
//!
//! A record that rules change is made anew, because the SDK's own can only be added to. Next: `spans.rs`.

use super::metrics::panicked;
use super::{decode, encode};
use crate::rules::{Attachment, Rules};
use crate::seat::Fate;
use crate::subject::{Subject, Wants};
use dtq_record::otlp::Signal;
use dtq_record::otlp::logs::column;
use dtq_record::wire::{Fields, append_bytes_field, append_fixed32_field, append_fixed64_field, append_varint_field};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::{InstrumentationScope, TraceFlags};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use std::sync::OnceLock;
use std::time::Duration;

/// Texts that rules wrote into event name or severity text and that are kept for good, because the SDK holds both as
/// `&'static str`; further ones become empty, and are counted as unfit.
const KEPT_TEXTS_MAX: usize = 256;
/// Bytes of such a text.
const KEPT_TEXT_BYTES_MAX: usize = 256;

/// Runs the rules on log records, in front of the processor that exports them.
///
/// New records and released ones go to the same processor, also those that rules made of spans; metrics go to a
/// `RulesMetricExporter` with a sink where there is one, and, as named outputs do, otherwise to the host. What the rules say of
/// the resource is decided for each record; an edit of it has no effect, because the exporter has the resource already.
#[derive(Debug)]
pub struct RulesLogProcessor<P> {
    rules: Rules,
    attachment: Attachment,
    inner: P,
    resource: Vec<u8>,
    /// Makes empty records; it has no processor.
    blank: SdkLogger,
    /// Filled from the beginning; nobody waits for another thread here, also where that one was left behind by a fork.
    kept: Box<[OnceLock<&'static str>]>,
}

impl<P: LogProcessor> RulesLogProcessor<P> {
    /// Returns the processor that does what `inner` does with the records that rules leave.
    pub fn new(rules: Rules, inner: P) -> Self {
        let blank = SdkLoggerProvider::builder().build().logger("");
        Self {
            attachment: rules.attach(Signal::Logs),
            rules,
            inner,
            resource: Vec::new(),
            blank,
            kept: (0..KEPT_TEXTS_MAX).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Sends on what rules made: logs to the inner processor, also those that waited for it; all else elsewhere.
    fn send(&self, emissions: Vec<dtq_rules::engine::Emission>) {
        let (logs, others): (Vec<_>, Vec<_>) =
            emissions.into_iter().partition(|one| one.signal == Signal::Logs && one.destination.is_none());
        logs.iter().for_each(|one| self.emit_all(&one.request, None));
        self.emit_all(&self.rules.waiting(Signal::Logs), None);
        if !others.is_empty() {
            self.rules.send(others);
        }
    }

    /// Hands all records of a request to the inner processor; they are `like` the one they come from.
    fn emit_all(&self, request: &[u8], like: Option<(&SdkLogRecord, &InstrumentationScope)>) {
        let sent = decode::each_record(request, |scope, content| {
            let mut record = self.record(content, like.map(|(record, _)| record))?;
            let made;
            let scope = match like {
                Some((_, scope)) => scope,
                None => {
                    made = decode::scope(scope)?;
                    &made
                }
            };
            self.rules.calling(|| self.inner.emit(&mut record, scope));
            Some(())
        });
        if sent.is_none() {
            self.rules.note_unfit();
        }
    }

    /// Returns the record that a message holds.
    fn record(&self, content: &[u8], like: Option<&SdkLogRecord>) -> Option<SdkLogRecord> {
        let mut record = self.blank.create_log_record();
        if let Some(target) = like.and_then(SdkLogRecord::target) {
            record.set_target(target.clone());
        }
        let (mut trace, mut span, mut flags) = (None, None, None);
        for field in Fields::new(content) {
            let field = field.ok()?;
            match field.number {
                1 => record.set_timestamp(decode::time(field.fixed64().ok()?)),
                2 => {
                    if let Some(severity) = severity(field.varint().ok()?) {
                        record.set_severity_number(severity);
                    }
                }
                3 => record.set_severity_text(self.keep(&decode::text(&field)?, like)),
                5 => {
                    if let Some(body) = decode::any(field.message().ok()?)? {
                        record.set_body(body);
                    }
                }
                6 => {
                    let (key, value) = decode::log_attribute(field.message().ok()?)?;
                    // The SDK has no attribute without a value.
                    record.add_attribute(key, value.unwrap_or_else(|| AnyValue::from("")));
                }
                8 => flags = Some(TraceFlags::new(field.fixed32().ok()? as u8)),
                9 => trace = Some(decode::trace_id(field.bytes().ok()?)),
                10 => span = Some(decode::span_id(field.bytes().ok()?)),
                11 => record.set_observed_timestamp(decode::time(field.fixed64().ok()?)),
                12 => record.set_event_name(self.keep(&decode::text(&field)?, like)),
                _ => {}
            }
        }
        if record.observed_timestamp().is_none() {
            // The SDK's exporters take for granted that it is there.
            record.set_observed_timestamp(record.timestamp().unwrap_or(std::time::UNIX_EPOCH));
        }
        if let (Some(trace), Some(span)) = (trace, span) {
            record.set_trace_context(trace, span, flags);
        }
        Some(record)
    }

    /// Returns a text that lives for good: that of the record it comes from, or one of a bounded number.
    fn keep(&self, text: &str, like: Option<&SdkLogRecord>) -> &'static str {
        let mut own = like.into_iter().flat_map(|like| [like.event_name(), like.severity_text()]).flatten();
        if let Some(own) = own.find(|own| *own == text) {
            return own;
        }
        if text.len() <= KEPT_TEXT_BYTES_MAX {
            let mut made: Option<&'static str> = None;
            for place in &self.kept {
                if place.get().is_none() {
                    let made = *made.get_or_insert_with(|| Box::leak(text.to_owned().into_boxed_str()));
                    // Another thread may be first, with another text or with the same.
                    let _ = place.set(made);
                }
                if let Some(known) = place.get().filter(|known| **known == text) {
                    return known;
                }
            }
        }
        self.rules.note_unfit();
        ""
    }
}

impl<P: LogProcessor> LogProcessor for RulesLogProcessor<P> {
    fn emit(&self, data: &mut SdkLogRecord, instrumentation: &InstrumentationScope) {
        let subject = LogSubject { record: data, scope: instrumentation, resource: &self.resource };
        let (fate, emissions) = self.rules.judge(&subject);
        match fate {
            Fate::Pass => _ = self.rules.calling(|| self.inner.emit(data, instrumentation)),
            Fate::Drop => {}
            Fate::Changed(request) => self.emit_all(&request, Some((data, instrumentation))),
        }
        if !emissions.is_empty() || self.rules.is_waiting(Signal::Logs) {
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

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.rules.calling(|| self.inner.event_enabled(level, target, name)).unwrap_or(true)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = encode::resource(resource);
        let inner = &mut self.inner;
        self.rules.calling(|| inner.set_resource(resource));
    }
}

/// A log record of the SDK.
struct LogSubject<'r> {
    record: &'r SdkLogRecord,
    scope: &'r InstrumentationScope,
    resource: &'r [u8],
}

impl Subject for LogSubject<'_> {
    fn signal(&self) -> Signal {
        Signal::Logs
    }

    fn append_record(&self, out: &mut Vec<u8>, wants: &Wants) {
        let record = self.record;
        let wants_time = wants.column(column::TIMESTAMP);
        if let Some(time) = record.timestamp().filter(|_| wants_time) {
            append_fixed64_field(out, 1, encode::nanos(time));
        }
        if let Some(severity) = record.severity_number() {
            append_varint_field(out, 2, severity as u64);
        }
        if let Some(text) = record.severity_text() {
            append_bytes_field(out, 3, text.as_bytes());
        }
        if let Some(body) = record.body().filter(|_| wants.column(column::BODY)) {
            encode::append_body(out, body);
        }
        if wants.any(column::ATTRIBUTES) {
            for (key, value) in record.attributes_iter() {
                if wants.key(column::ATTRIBUTES, key.as_str().as_bytes()) {
                    encode::append_log_attribute(out, 6, key.as_str(), value);
                }
            }
        }
        if let Some(context) = record.trace_context() {
            if let Some(flags) = context.trace_flags {
                append_fixed32_field(out, 8, u32::from(flags.to_u8()));
            }
            append_bytes_field(out, 9, &context.trace_id.to_bytes());
            append_bytes_field(out, 10, &context.span_id.to_bytes());
        }
        if let Some(time) =
            record.observed_timestamp().filter(|_| wants_time || wants.column(column::OBSERVED_TIMESTAMP))
        {
            append_fixed64_field(out, 11, encode::nanos(time));
        }
        if let Some(name) = record.event_name() {
            append_bytes_field(out, 12, name.as_bytes());
        }
    }

    fn append_scope(&self, out: &mut Vec<u8>) {
        encode::append_scope(out, self.scope, self.record.target().map(|target| &**target));
    }

    fn resource(&self) -> &[u8] {
        self.resource
    }
}

/// Returns the severity of a number; the SDK has none for 0 and for numbers past 24.
fn severity(number: u64) -> Option<Severity> {
    use Severity::*;
    const ALL: [Severity; 24] = [
        Trace, Trace2, Trace3, Trace4, Debug, Debug2, Debug3, Debug4, Info, Info2, Info3, Info4, Warn, Warn2, Warn3,
        Warn4, Error, Error2, Error3, Error4, Fatal, Fatal2, Fatal3, Fatal4,
    ];
    ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
}
