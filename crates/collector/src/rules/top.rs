//! Live records to the noisiest events, by records and bytes, window after window.
//!
//! An event is what a person would call the same: the name of a log's event or the pattern of its text with severity
//! and service, the name of a span, the name of a metric. Bounded by the number of events counted apart.

use crate::rules::audit::Who;
use crate::rules::control::say;
use crate::rules::governor::Governor;
use crate::rules::leaders::Leaders;
use crate::rules::pattern::pattern;
use crate::rules::protocol::{Answer, TopRequest};
use crate::rules::view::{Point, Reader, View};
use dtq_record::otlp::Signal;
use dtq_record::stream::Row;
use dtq_record::tables;
use dtq_value::{Value, json};
use serde_json::json;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Events that are shown when nothing is said.
const SHOWN: usize = 20;
/// The least and the most of a window.
const WINDOW: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3_600));
/// How often something is said, so that an end of the connection is noticed.
const BEAT: Duration = Duration::from_secs(1);

/// Names what records have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Event {
    table: &'static str,
    name: String,
    severity: String,
    service: String,
}

/// Serves a top.
pub(crate) fn serve(
    stream: &UnixStream,
    governor: &Arc<Governor>,
    who: Who,
    wanted: &TopRequest,
    ends: &AtomicBool,
) -> io::Result<()> {
    let point = Point { is_unredacted: wanted.unredacted, ..Point::default() };
    let opened = View::new(governor, point).and_then(|view| Ok((view, governor.worker.shared().samples.listen()?)));
    let details = json!({ "unredacted": wanted.unredacted });
    let (mut view, listener) = match opened {
        Ok(opened) => opened,
        Err(message) => {
            governor.note(who, "top", details, Err(&message));
            return say(stream, &Answer::refused(message, Vec::new()));
        }
    };
    governor.note(who, "top", details, Ok("it listens"));
    let window = Duration::from_millis(wanted.window_ms).clamp(WINDOW.0, WINDOW.1);
    say(stream, &Answer::with(json!({ "window_ms": window.as_millis() as u64 })))?;
    let mut counting = Counting {
        leaders: Leaders::new(governor.settings.bounds.top_entries, wanted.by_bytes),
        reader: Reader::new(governor),
        records: 0,
        bytes: 0,
    };
    let mut before = (0, 0);
    let (mut end, mut beat) = (Instant::now() + window, Instant::now() + BEAT);
    while !ends.load(Ordering::Acquire) {
        let now = Instant::now();
        if let Some((signal, request)) = listener.next(end.min(beat).saturating_duration_since(now)) {
            let shown = match view.show(signal, request) {
                Ok(shown) => shown,
                Err(message) => return say(stream, &json!({ "end": message })),
            };
            shown.iter().for_each(|(signal, request)| counting.add(*signal, request));
        }
        let now = Instant::now();
        if now >= end {
            let counts = listener.counts();
            let requests = (counts.0 - before.0, counts.1 - before.1);
            say(stream, &counting.take(window, requests, wanted.count.unwrap_or(SHOWN)))?;
            if wanted.once {
                return Ok(());
            }
            (before, end) = (counts, now + window);
        } else if now >= beat {
            say(stream, &json!({}))?;
        }
        if now >= beat {
            beat = now + BEAT;
        }
    }
    Ok(())
}

/// What a window counts.
struct Counting {
    leaders: Leaders<Event>,
    reader: Reader,
    records: u64,
    bytes: u64,
}

impl Counting {
    fn add(&mut self, signal: Signal, request: &[u8]) {
        let Some(rows) = self.reader.read(signal, request) else { return };
        let sizes = self.reader.index.records().iter().map(|entry| entry.place.field(request).len() as u64);
        for (row, size) in rows.iter().zip(sizes) {
            self.records += 1;
            self.bytes += size;
            self.leaders.add(&event(signal, row), size);
        }
    }

    /// Returns what was counted, and forgets it.
    fn take(&mut self, window: Duration, (requests, left_out): (u64, u64), count: usize) -> serde_json::Value {
        let events: Vec<serde_json::Value> = self
            .leaders
            .take(count)
            .into_iter()
            .map(|(event, counted)| {
                json!({
                    "table": event.table, "event": event.name, "severity": event.severity, "service": event.service,
                    "records": counted.records, "bytes": counted.bytes, "missed_at_most": counted.missed_at_most,
                })
            })
            .collect();
        let (records, bytes) = (self.records, self.bytes);
        let (unreadable, too_large) = (self.reader.unreadable, self.reader.too_large);
        (self.records, self.bytes, self.reader.unreadable, self.reader.too_large) = (0, 0, 0, 0);
        json!({ "top": {
            "window_ms": window.as_millis() as u64, "requests": requests, "requests_left_out": left_out,
            "records": records, "bytes": bytes, "unreadable": unreadable, "too_large": too_large, "events": events,
        } })
    }
}

/// Returns the event that a record is one of.
fn event(signal: Signal, row: &Row) -> Event {
    let table = signal.table();
    let service = match cell(table, row, "Resource") {
        Some(Value::Bag(bag)) => bag.get(b"service.name").map(text).unwrap_or_default(),
        _ => String::new(),
    };
    let text_of = |column: &str| cell(table, row, column).map(text).unwrap_or_default();
    let (name, severity) = match signal {
        Signal::Logs => {
            let name = Some(text_of("EventName")).filter(|name| !name.is_empty());
            (name.unwrap_or_else(|| pattern(&text_of("Body"))), severity(table, row))
        }
        Signal::Spans => (text_of("SpanName"), text_of("StatusCode")),
        _ => (text_of("MetricName"), String::new()),
    };
    let short = |text: String| if text.len() > 256 { pattern(&text) } else { text };
    Event { table, name: short(name), severity: short(severity), service: short(service) }
}

/// Returns the severity of a log as text; of a number without text its range in OpenTelemetry's data model.
fn severity(table: &'static str, row: &Row) -> String {
    let written = cell(table, row, "SeverityText").map(text).unwrap_or_default();
    if !written.is_empty() {
        return written;
    }
    match cell(table, row, "SeverityNumber") {
        Some(Value::Int(number @ 1..=24)) => {
            ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"][(*number as usize - 1) / 4].to_owned()
        }
        _ => String::new(),
    }
}

fn cell<'r>(table: &'static str, row: &'r Row, column: &str) -> Option<&'r Value> {
    let position = tables::standard(table)?.columns.iter().position(|one| one.name == column)?;
    row.get(position)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.as_text().into_owned(),
        value => String::from_utf8_lossy(&json::to_bytes(value)).into_owned(),
    }
}
