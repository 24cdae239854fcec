//! Messages that come one by one, each a datagram, to one request of OTLP: a line of syslog, or an object of JSON.
//!
//! A message becomes the record that the reader of files makes of the same line, but without a row between: the parts of
//! a line are written where they belong in the request. Structured data and JSON go through the row. A message is one
//! record, also with line ends inside it (RFC 5426, 3.1); one at its end does not count. Next: `rewrite.rs`.

use super::Decoder;
use super::syslog::{FACILITIES, Message, SEVERITIES, fill_logs, parse};
use crate::input::report::{Place, Tracker};
use crate::otlp::encode::{append_log_record, append_resource};
use crate::otlp::logs::column;
use crate::record::{Plan, RowBuilder};
use crate::stream::Projection;
use crate::tables;
use crate::time::UNIX_EPOCH_TICKS;
use crate::wire::{append_bytes_field, append_fixed64_field, append_varint, append_varint_field, varint_size};
use dtq_source::Limits;
use dtq_value::Value;
use indexmap::IndexMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Names what a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFormat {
    /// RFC 5424, RFC 3164, or anything, which is a text then.
    Syslog,
    /// An object.
    Json,
}

/// Says when a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The time from which a missing year is inferred.
    pub now_ticks: i64,
    /// Whether records say that they were observed then.
    pub is_observed: bool,
}

/// Says what became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is a record.
    Record,
    /// It is blank, which is no record.
    Blank,
    /// Why it is malformed.
    Malformed(String),
}

/// Collects messages and gives their records as one request of logs.
pub struct Messages {
    format: MessageFormat,
    nesting_max: usize,
    builder: RowBuilder,
    /// Records by the fields of `ResourceLogs` in front of them.
    groups: IndexMap<Vec<u8>, Vec<u8>>,
    count: usize,
    size_bytes: usize,
    resource: Vec<u8>,
    record: Vec<u8>,
}

impl Messages {
    /// Returns what collects messages of a format.
    pub fn new(format: MessageFormat, limits: &Limits) -> Self {
        let standard = tables::standard("logs").map(|table| table.columns.clone()).unwrap_or_default();
        let is_mapped = format == MessageFormat::Json;
        let plan = Plan::logs(&[], &standard, &Projection::all(standard.len()), is_mapped);
        Self {
            format,
            nesting_max: limits.value_nesting_max,
            builder: RowBuilder::new(Arc::new(plan)),
            groups: IndexMap::new(),
            count: 0,
            size_bytes: 0,
            resource: Vec::new(),
            record: Vec::new(),
        }
    }

    /// Returns how many records there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns about how many bytes the request will have.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Adds a message.
    pub fn push(&mut self, message: &[u8], arrival: Arrival) -> Taken {
        let message = message.strip_suffix(b"\n").map_or(message, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if message.trim_ascii().is_empty() {
            return Taken::Blank;
        }
        self.resource.clear();
        self.record.clear();
        let written = match self.format {
            MessageFormat::Syslog => {
                let parts = parse(message, arrival.now_ticks);
                let parts = parts.unwrap_or(Message { text: message, ..Message::default() });
                if parts.data.is_some() {
                    fill_logs(&parts, &mut self.builder);
                    self.write_row(arrival)
                } else {
                    self.write(&parts, arrival);
                    Ok(())
                }
            }
            MessageFormat::Json => {
                let decoder = Decoder::Json { nesting_max: self.nesting_max };
                match decoder.decode(message, &mut self.builder) {
                    Ok(()) => self.write_row(arrival),
                    Err(reason) => {
                        self.builder.discard();
                        Err(reason)
                    }
                }
            }
        };
        match written {
            Ok(()) => {
                self.add();
                Taken::Record
            }
            Err(reason) => Taken::Malformed(reason),
        }
    }

    /// Writes a line without structured data.
    fn write(&mut self, parts: &Message<'_>, arrival: Arrival) {
        // OTLP has no text without UTF-8 and no time before 1970; what has no place is left out.
        for (key, value) in [("host.name", parts.host), ("service.name", parts.app)] {
            if let Some(value) = value {
                append_text_attribute(&mut self.resource, 1, key, value);
            }
        }
        let out = &mut self.record;
        if let Some(ns) = parts.ticks.and_then(nanos).filter(|ns| *ns > 0) {
            append_fixed64_field(out, 1, ns);
        }
        if let Some(priority) = parts.priority {
            let (name, number) = SEVERITIES[usize::from(priority & 7)];
            append_varint_field(out, 2, number as u64);
            append_bytes_field(out, 3, name.as_bytes());
        }
        append_text_value(out, 5, &utf8(parts.text));
        if let Some(priority) = parts.priority {
            append_text_attribute(out, 6, "syslog.facility", FACILITIES[usize::from(priority >> 3)].as_bytes());
        }
        if let Some(version) = parts.version {
            append_version(out, version);
        }
        for (key, value) in [("syslog.procid", parts.process), ("syslog.msgid", parts.id)] {
            if let Some(value) = value {
                append_text_attribute(out, 6, key, value);
            }
        }
        append_observed(out, arrival);
    }

    /// Writes the message of which the builder has the values.
    fn write_row(&mut self, arrival: Arrival) -> Result<(), String> {
        let mut row = self.builder.finish(Place::Line(1), &Tracker::silent(""));
        if let Some(Value::DateTime(ticks)) = row.get(column::TIMESTAMP)
            && nanos(*ticks).is_none()
        {
            row[column::TIMESTAMP] = Value::Null;
        }
        let cell = |column: usize| row.get(column).unwrap_or(&Value::Null);
        append_resource(&mut self.resource, cell(column::RESOURCE)).map_err(|error| error.to_string())?;
        append_log_record(&mut self.record, &row).map_err(|error| error.to_string())?;
        append_observed(&mut self.record, arrival);
        Ok(())
    }

    /// Adds the record that is written to those of its resource.
    fn add(&mut self) {
        let size = 1 + varint_size(self.record.len() as u64) + self.record.len();
        let records = match self.groups.get_mut(&self.resource) {
            Some(records) => records,
            None => {
                self.size_bytes += self.resource.len() + 12;
                self.groups.entry(self.resource.clone()).or_default()
            }
        };
        append_bytes_field(records, 2, &self.record);
        self.count += 1;
        self.size_bytes += size;
    }

    /// Returns the request, as `ExportLogsServiceRequest`, and is empty again.
    pub fn take(&mut self) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.size_bytes + 16);
        (self.count, self.size_bytes) = (0, 0);
        for (resource, records) in self.groups.drain(..) {
            let resource_size = match resource.len() {
                0 => 0,
                size => 1 + varint_size(size as u64) + size,
            };
            let size = resource_size + 1 + varint_size(records.len() as u64) + records.len();
            append_varint(&mut request, 1 << 3 | 2);
            append_varint(&mut request, size as u64);
            if !resource.is_empty() {
                append_bytes_field(&mut request, 1, &resource);
            }
            append_bytes_field(&mut request, 2, &records);
        }
        request
    }
}

/// Appends when a record was observed (`LogRecord.observed_time_unix_nano`).
fn append_observed(out: &mut Vec<u8>, arrival: Arrival) {
    if let Some(ns) = nanos(arrival.now_ticks).filter(|_| arrival.is_observed) {
        append_fixed64_field(out, 11, ns);
    }
}

/// Appends a `KeyValue` whose value is a text.
fn append_text_attribute(out: &mut Vec<u8>, number: u32, key: &str, value: &[u8]) {
    let value = utf8(value);
    let value_size = 1 + varint_size(value.len() as u64) + value.len();
    let key_size = 1 + varint_size(key.len() as u64) + key.len();
    append_varint(out, u64::from(number) << 3 | 2);
    append_varint(out, (key_size + 1 + varint_size(value_size as u64) + value_size) as u64);
    append_bytes_field(out, 1, key.as_bytes());
    append_text_value(out, 2, &value);
}

/// Appends an `AnyValue` that is a text.
fn append_text_value(out: &mut Vec<u8>, number: u32, value: &str) {
    append_varint(out, u64::from(number) << 3 | 2);
    append_varint(out, (1 + varint_size(value.len() as u64) + value.len()) as u64);
    append_bytes_field(out, 1, value.as_bytes());
}

fn append_version(out: &mut Vec<u8>, version: i64) {
    const KEY: &str = "syslog.version";
    let number_size = 1 + varint_size(version as u64);
    append_varint(out, 6 << 3 | 2);
    append_varint(out, (2 + KEY.len() + 2 + number_size) as u64);
    append_bytes_field(out, 1, KEY.as_bytes());
    append_varint(out, 2 << 3 | 2);
    append_varint(out, number_size as u64);
    append_varint_field(out, 3, version as u64);
}

fn utf8(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// Returns a time as OTLP counts it; `None` outside of 1970 to 2554.
fn nanos(ticks: i64) -> Option<u64> {
    u64::try_from(ticks.checked_sub(UNIX_EPOCH_TICKS)?).ok()?.checked_mul(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Input, Inputs, Options};
    use crate::otlp::Signal;
    use crate::otlp::encode::request::RequestBuilder;
    use crate::otlp::rows::rows;
    use crate::{Format, time::ticks_from_iso};
    use proptest::prelude::*;

    fn now() -> i64 {
        ticks_from_iso(b"2026-11-23T12:00:00Z").unwrap()
    }

    /// What readers of files make of the same lines.
    fn by_file(lines: &[&[u8]], format: Format) -> Vec<u8> {
        let input = Input::from_bytes("lines", "lines", lines.join(&b'\n')).with_format(format);
        let inputs = Inputs::probe(vec![input], &Options { now_ticks: now() }, &Limits::default()).unwrap();
        let mut originals = inputs.originals(0).unwrap().unwrap();
        let mut builder = RequestBuilder::new(Signal::Logs);
        while let Some(original) = originals.next_record().unwrap() {
            if let Some(row) = original.row {
                builder.push_row(&row).unwrap();
            }
        }
        builder.take()
    }

    fn by_message(lines: &[&[u8]], format: MessageFormat, is_observed: bool) -> Vec<u8> {
        let mut messages = Messages::new(format, &Limits::default());
        for line in lines {
            messages.push(line, Arrival { now_ticks: now(), is_observed });
        }
        messages.take()
    }

    const LINES: [&[u8]; 12] = [
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed",
        br#"<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [a@1 iut="3" b="Appli\"cation"][origin ip="::1" swVersion="2"] x"#,
        b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        b"<13>Jan  5 01:02:03 root[42]: hello: x",
        b"Jan  5 01:02:03 web sshd[42]: Accepted",
        b"2026-01-04T10:00:00.5+01:00 web cron[1]: x",
        b"not syslog at all",
        b"<13>Nov 23 01:02:03 h\xFFst app: bytes \xC3\x28 that are no text",
        b"<191>1 - - - - - -",
        b"<0>Nov 23 01:02:03 host app:",
        b"<34>Oct 11 22:14:15 mymachine su: again",
        b"   ",
    ];

    #[test]
    fn lines_of_syslog_are_the_records_that_a_file_of_them_has() {
        assert_eq!(by_message(&LINES, MessageFormat::Syslog, false), by_file(&LINES, Format::Syslog));
        let request = by_message(&LINES, MessageFormat::Syslog, true);
        let found = rows(Signal::Logs, &request, &Limits::default()).unwrap();
        assert_eq!(found.len(), 11);
        assert!(found.iter().all(|row| row[column::OBSERVED_TIMESTAMP] == Value::DateTime(now())));
    }

    #[test]
    fn objects_of_json_are_the_records_that_a_file_of_them_has() {
        // Also of keys that stand there twice: the first is read, wherever a better or a worse one stands.
        let lines: [&[u8]; 10] = [
            br#"{"level":"warn","level":"info"}"#,
            br#"{"msg":"a","message":"b","msg":"c","message":"d"}"#,
            br#"{"message":"b","msg":"a","message":"d","msg":"c"}"#,
            br#"{"time":"not a time","time":"2026-01-04T10:00:00Z","n":1,"n":2}"#,
            br#"{"level":{"a":1},"level":"warn","lvl":"info","lvl":"error"}"#,
            br#"{"trace_id":"x","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","l\u0065vel":"a","level":"b"}"#,
            br#"{"time":"2026-01-04T10:00:00Z","level":"warn","message":"m","user":{"id":7},"n":1.5}"#,
            br#"{"msg":"m","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","list":[1,null]}"#,
            b"{}",
            br#"{"level":30,"message":5}"#,
        ];
        assert_eq!(by_message(&lines, MessageFormat::Json, false), by_file(&lines, Format::Ndjson));
        let mut messages = Messages::new(MessageFormat::Json, &Limits::default());
        let arrival = Arrival { now_ticks: now(), is_observed: true };
        for bad in [&b"[1]"[..], b"{\"a\":", b"text", b"{\"a\":1}\n{\"b\":2}"] {
            assert!(matches!(messages.push(bad, arrival), Taken::Malformed(_)), "{bad:?}");
        }
        assert_eq!((messages.count(), messages.take()), (0, Vec::new()));
    }

    #[test]
    fn a_line_end_at_the_end_does_not_count_and_one_inside_is_text() {
        let arrival = Arrival { now_ticks: now(), is_observed: false };
        let mut messages = Messages::new(MessageFormat::Syslog, &Limits::default());
        for line in [&b"<13>Nov 23 01:02:03 h a: one\r\n"[..], b"<13>Nov 23 01:02:03 h a: one\ntwo\n"] {
            assert_eq!(messages.push(line, arrival), Taken::Record);
        }
        for blank in [&b""[..], b"\n", b" \t\r\n"] {
            assert_eq!(messages.push(blank, arrival), Taken::Blank);
        }
        // A time that OTLP cannot hold is left out, with structured data too.
        for line in
            [&b"<13>1 1950-01-01T00:00:00Z h a - - - x"[..], b"<13>1 1950-01-01T00:00:00Z h a - - [b c=\"d\"] x"]
        {
            assert_eq!(messages.push(line, arrival), Taken::Record);
        }
        assert_eq!(messages.count(), 4);
        let found = rows(Signal::Logs, &messages.take(), &Limits::default()).unwrap();
        let bodies: Vec<_> = found.iter().map(|row| row[column::BODY].clone()).collect();
        assert_eq!(bodies, ["one", "one\ntwo", "x", "x"].map(Value::string));
        assert!(found[2..].iter().all(|row| row[column::TIMESTAMP].is_null()));
    }

    proptest! {
        #[test]
        fn any_lines_are_the_records_that_a_file_of_them_has(
            lines in proptest::collection::vec(
                (0_usize..LINES.len(), proptest::collection::vec((any::<u16>(), any::<u8>()), 0..4)), 1..6)
        ) {
            let lines: Vec<Vec<u8>> = lines.into_iter().map(|(at, changes)| {
                let mut line = LINES[at].to_vec();
                for (place, byte) in changes {
                    let place = usize::from(place) % line.len();
                    line[place] = if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
                }
                line
            }).collect();
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            // A time before 1970 is left out here and refused there.
            let is_old = |line: &&[u8]| parse(line, now()).and_then(|parts| parts.ticks).is_some_and(|ticks| nanos(ticks).is_none());
            prop_assume!(!lines.iter().any(is_old));
            prop_assert_eq!(by_message(&lines, MessageFormat::Syslog, false), by_file(&lines, Format::Syslog));
        }
    }
}
