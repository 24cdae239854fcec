//! OTLP JSON to OTLP protobuf, so that both are read by the same code and give the same rows.
//!
//! Follows "OTLP/JSON Protobuf Encoding" of the OTLP specification: camel-case keys (snake case is taken, too), ids in
//! hex, 64-bit integers as text or number, enums as number or name, bytes as base64; unknown keys and nulls are passed
//! over. A record with a wrong value is dropped and counted; after a fault of syntax what was complete before is kept.

use super::Signal;
use super::frames::Frame;
use super::json_schema::{Kind, Message, REQUEST};
use super::reader::RequestSource;
use crate::input::bytes::Window;
use crate::input::report::{Place, Tracker};
use crate::input::split::{Split, Splitter};
use crate::wire::append_varint;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use dtq_source::Limits;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io;

/// Size of the length in front of a nested message: a varint padded to what 32 bits can need.
const LENGTH_BYTES: usize = 5;

/// Gives the requests of a file of OTLP JSON, one document at a time.
pub(crate) struct JsonSource<'i> {
    window: Window<'i>,
    splitter: Splitter,
    nesting_max: usize,
    /// The signal that is read; all when `None`.
    signal: Option<Signal>,
}

impl<'i> JsonSource<'i> {
    /// Returns the requests of a signal.
    pub fn new(window: Window<'i>, split: Split, limits: &Limits, signal: Option<Signal>) -> Self {
        let splitter = Splitter::new(split, limits.document_bytes_max);
        Self { window, splitter, nesting_max: limits.value_nesting_max, signal }
    }
}

impl RequestSource for JsonSource<'_> {
    fn next(&mut self, frame: &mut Frame, tracker: &Tracker<'_>) -> io::Result<bool> {
        loop {
            let begin = self.window.offset;
            let Some(piece) = self.splitter.next(&mut self.window, tracker)? else {
                tracker.count(0, self.window.offset - begin);
                return Ok(false);
            };
            let offset = self.window.offset;
            let document = &self.window.bytes()[..piece.size];
            let is_blank = document.trim_ascii().is_empty();
            if !is_blank {
                let mut writer = Writer::new(std::mem::take(&mut frame.bytes), document, self.nesting_max, self.signal);
                writer.transcribe();
                for (at, reason) in &writer.faults {
                    tracker.skip(Place::Byte(offset + *at as u64), reason.as_str());
                }
                frame.signal = writer.found;
                frame.bytes = writer.out;
                frame.offset = offset;
                frame.is_cut = false;
            }
            self.splitter.advance(&mut self.window, piece);
            tracker.count(0, self.window.offset - begin);
            if !is_blank && !frame.bytes.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Holds what a document of OTLP JSON is in protobuf.
pub(crate) struct Transcribed {
    /// The request of the signal asked for, or of all as one.
    pub bytes: Vec<u8>,
    /// The signal found last.
    pub signal: Option<Signal>,
    /// Whether another signal was found before it.
    pub has_several: bool,
    /// Offset and reason of each record that was dropped.
    pub faults: Vec<(usize, String)>,
}

/// Returns a document in protobuf: its request of a signal, or of every signal.
pub(crate) fn transcribe(document: &[u8], nesting_max: usize, signal: Option<Signal>) -> Transcribed {
    let mut writer = Writer::new(Vec::new(), document, nesting_max, signal);
    writer.transcribe();
    let Writer { out, found, has_several, faults, .. } = writer;
    Transcribed { bytes: out, signal: found, has_several, faults }
}

/// Writes protobuf while JSON is read.
struct Writer<'d> {
    out: Vec<u8>,
    document: &'d [u8],
    /// How many arrays and bags of values may still be opened: what the reader of the result allows, too.
    nesting_left: usize,
    signal: Option<Signal>,
    found: Option<Signal>,
    has_several: bool,
    has_request_key: bool,
    /// Offset of the key read last: where a fault is.
    at: usize,
    /// What is wrong with the unit at hand.
    fault: Option<String>,
    faults: Vec<(usize, String)>,
}

impl<'d> Writer<'d> {
    fn new(mut out: Vec<u8>, document: &'d [u8], nesting_max: usize, signal: Option<Signal>) -> Self {
        out.clear();
        Self {
            out,
            document,
            nesting_left: nesting_max,
            signal,
            found: None,
            has_several: false,
            has_request_key: false,
            at: 0,
            fault: None,
            faults: Vec::new(),
        }
    }

    fn transcribe(&mut self) {
        let document = self.document;
        let mut deserializer = serde_json::Deserializer::from_slice(document);
        deserializer.disable_recursion_limit();
        let result = MessageSeed { message: &REQUEST, writer: &mut *self }.deserialize(&mut deserializer);
        if let Err(error) = result.and_then(|()| deserializer.end()) {
            let reason = crate::json::reason_of(&error);
            self.faults.push((offset_of(document, &error), reason));
        } else if !self.has_request_key {
            self.faults.push((0, "the document is no OTLP request".to_owned()));
        }
    }

    /// Notes a fault of the unit at hand; the first counts.
    fn fail(&mut self, reason: impl Into<String>) {
        self.fault.get_or_insert_with(|| reason.into());
    }

    fn tag(&mut self, number: u32, wire_type: u32) {
        append_varint(&mut self.out, u64::from(number << 3 | wire_type));
    }

    fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        append_varint(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Begins a nested message; returns where its content begins.
    fn open(&mut self, number: u32) -> usize {
        self.tag(number, 2);
        self.out.extend_from_slice(&[0; LENGTH_BYTES]);
        self.out.len()
    }

    /// Ends a nested message: writes its length in front of it, padded.
    fn close(&mut self, content: usize) {
        let mut size = self.out.len() - content;
        for index in 0..LENGTH_BYTES {
            let more = if index + 1 < LENGTH_BYTES { 0x80 } else { 0 };
            self.out[content - LENGTH_BYTES + index] = size as u8 & 0x7F | more;
            size >>= 7;
        }
    }

    /// Remembers where a key stands that is borrowed from the document.
    fn locate(&mut self, key: &str) {
        let (start, key) = (self.document.as_ptr() as usize, key.as_ptr() as usize);
        if let Some(at) = key.checked_sub(start).filter(|at| *at < self.document.len()) {
            self.at = at;
        }
    }
}

/// Returns the offset that an error's line and column stand for.
fn offset_of(document: &[u8], error: &serde_json::Error) -> usize {
    let line_start = document
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    (line_start + error.column().saturating_sub(1)).min(document.len())
}

/// Reads an object as a message.
struct MessageSeed<'w, 'd> {
    message: &'static Message,
    writer: &'w mut Writer<'d>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(index) = entries.next_key_seed(KeySeed { message: self.message, writer: &mut *self.writer })? {
            let Some(field) = index.map(|index| &self.message.fields[index]) else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Some(signal) = field.signal {
                self.writer.has_request_key = true;
                if self.writer.signal.is_some_and(|wanted| wanted != signal) {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
                self.writer.has_several |= self.writer.found.is_some_and(|other| other != signal);
                self.writer.found = Some(signal);
            }
            let (number, kind) = (field.number, field.kind);
            entries.next_value_seed(ValueSeed { number, kind, is_element: false, writer: &mut *self.writer })?;
        }
        Ok(())
    }
}

/// Finds the field that a key names.
struct KeySeed<'w, 'd> {
    message: &'static Message,
    writer: &'w mut Writer<'d>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        self.writer.locate(key);
        Ok(self.message.find(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.message.find(key))
    }
}

/// Reads the value of a field; an array gives the field once for each element.
struct ValueSeed<'w, 'd> {
    number: u32,
    kind: Kind,
    /// Whether it is an element of an array.
    is_element: bool,
    writer: &'w mut Writer<'d>,
}

impl ValueSeed<'_, '_> {
    fn integer(self, value: i128) {
        let (number, writer) = (self.number, self.writer);
        match self.kind {
            Kind::Fixed64 => match u64::try_from(value) {
                Ok(value) => {
                    writer.tag(number, 1);
                    writer.out.extend_from_slice(&value.to_le_bytes());
                }
                Err(_) => writer.fail("a number is out of range"),
            },
            Kind::SignedFixed64 | Kind::Varint64 => match (i64::try_from(value), self.kind) {
                (Ok(value), Kind::SignedFixed64) => {
                    writer.tag(number, 1);
                    writer.out.extend_from_slice(&value.to_le_bytes());
                }
                (Ok(value), _) => {
                    writer.tag(number, 0);
                    append_varint(&mut writer.out, value as u64);
                }
                (Err(_), _) => writer.fail("a number is out of range"),
            },
            Kind::UnsignedVarint64 => match u64::try_from(value) {
                Ok(value) => {
                    writer.tag(number, 0);
                    append_varint(&mut writer.out, value);
                }
                Err(_) => writer.fail("a number is out of range"),
            },
            Kind::Fixed32 => match u32::try_from(value) {
                Ok(value) => {
                    writer.tag(number, 5);
                    writer.out.extend_from_slice(&value.to_le_bytes());
                }
                Err(_) => writer.fail("a number is out of range"),
            },
            Kind::Varint32 => match u32::try_from(value) {
                Ok(value) => {
                    writer.tag(number, 0);
                    append_varint(&mut writer.out, u64::from(value));
                }
                Err(_) => writer.fail("a number is out of range"),
            },
            Kind::Enum(_) | Kind::Zigzag32 => match (i32::try_from(value), self.kind) {
                (Ok(value), Kind::Zigzag32) => {
                    writer.tag(number, 0);
                    append_varint(&mut writer.out, u64::from((value << 1 ^ value >> 31) as u32));
                }
                (Ok(value), _) => {
                    writer.tag(number, 0);
                    append_varint(&mut writer.out, i64::from(value) as u64);
                }
                (Err(_), _) => writer.fail("a number is out of range"),
            },
            Kind::Double => {
                writer.tag(number, 1);
                writer.out.extend_from_slice(&(value as f64).to_le_bytes());
            }
            Kind::Bool | Kind::Text | Kind::Hex | Kind::Base64 | Kind::Message(_) => {
                writer.fail("a number stands where something else is expected");
            }
        }
    }

    fn real(self, value: f64) {
        if self.kind == Kind::Double {
            self.writer.tag(self.number, 1);
            self.writer.out.extend_from_slice(&value.to_le_bytes());
        } else if value.fract() == 0.0 && value.abs() < 1e19 {
            // Proto3 JSON takes `1.0` and `1e3` for integers.
            self.integer(value as i128);
        } else {
            self.writer.fail("a fraction stands where an integer is expected");
        }
    }

    fn text(self, text: &str) {
        let (number, writer) = (self.number, self.writer);
        match self.kind {
            Kind::Text => writer.bytes(number, text.as_bytes()),
            Kind::Hex => match unhex(text) {
                Some(bytes) => writer.bytes(number, &bytes),
                None => writer.fail("an id is not hex"),
            },
            Kind::Base64 => match unbase64(text) {
                Some(bytes) => writer.bytes(number, &bytes),
                None => writer.fail("bytes are not base64"),
            },
            Kind::Enum(names) => match names.iter().find(|(name, _)| *name == text) {
                Some((_, value)) => ValueSeed { writer, ..self }.integer(i128::from(*value)),
                None => number_text(ValueSeed { writer, ..self }, text),
            },
            Kind::Bool | Kind::Message(_) => writer.fail("a text stands where something else is expected"),
            _ => number_text(ValueSeed { writer, ..self }, text),
        }
    }
}

/// Takes a number that is written as text.
fn number_text(seed: ValueSeed<'_, '_>, text: &str) {
    match (seed.kind, text) {
        (Kind::Double, "NaN") => seed.real(f64::NAN),
        (Kind::Double, "Infinity") => seed.real(f64::INFINITY),
        (Kind::Double, "-Infinity") => seed.real(f64::NEG_INFINITY),
        _ => match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(value), _) => seed.integer(value),
            (_, Ok(value)) if value.is_finite() => seed.real(value),
            _ => seed.writer.fail("a text is no number"),
        },
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Decodes either alphabet, padded or not, as proto3 JSON demands.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let is_url_safe = text.contains(['-', '_']);
    let alphabet = if is_url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        if self.kind == Kind::Bool {
            self.writer.tag(self.number, 0);
            self.writer.out.push(u8::from(value));
        } else {
            self.writer.fail("true or false stands where something else is expected");
        }
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.integer(i128::from(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.integer(i128::from(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.real(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // An array in an array is in no message; refusing it also bounds the recursion.
        if self.is_element {
            self.writer.fail("an array stands where something else is expected");
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let (number, kind) = (self.number, self.kind);
        while items
            .next_element_seed(ValueSeed { number, kind, is_element: true, writer: &mut *self.writer })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let writer = self.writer;
        let message = match self.kind {
            Kind::Message(message) if !message.is_nested_value || writer.nesting_left > 0 => message,
            kind => {
                let is_message = matches!(kind, Kind::Message(_));
                let expected = "an object stands where something else is expected";
                writer.fail(if is_message { "a value is nested too deep" } else { expected });
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        };
        let (begin, at, outer_fault) = (writer.out.len(), writer.at, writer.fault.take());
        let content = writer.open(self.number);
        let level = usize::from(message.is_nested_value);
        writer.nesting_left -= level;
        let result = MessageSeed { message, writer: &mut *writer }.visit_map(entries);
        writer.nesting_left += level;
        let fault = writer.fault.take();
        writer.fault = outer_fault;
        match fault {
            Some(reason) if message.is_unit => {
                writer.out.truncate(begin);
                writer.faults.push((at.max(writer.at), reason));
            }
            // Without the rest of it, a record is none; containers keep the records that they have.
            _ if result.is_err() && !message.is_container => writer.out.truncate(begin),
            Some(reason) => {
                writer.close(content);
                writer.fail(reason);
            }
            None => writer.close(content),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use prost::Message as _;

    fn logs(document: &str) -> (Vec<String>, Vec<(usize, String)>) {
        let Transcribed { bytes, faults, .. } = transcribe(document.as_bytes(), 100, None);
        let request = ExportLogsServiceRequest::decode(bytes.as_slice()).unwrap();
        let records = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        (records.flat_map(|scope| scope.log_records).map(|record| record.severity_text).collect(), faults)
    }

    #[test]
    fn a_record_with_a_wrong_value_is_dropped_alone() {
        let (records, faults) = logs(
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"severityText":"b","traceId":"xyz"},
               {"severityText":"c","severityNumber":"SEVERITY_NUMBER_INFO","unknown":{"x":[1]}}]}]}]}"#,
        );
        assert_eq!(records, ["a", "c"]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].1, "an id is not hex");
    }

    #[test]
    fn after_a_fault_of_syntax_the_records_before_are_kept() {
        let (records, faults) =
            logs(r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"a"},{"severityText":"b"#);
        assert_eq!(records, ["a"]);
        assert!(faults[0].1.starts_with("malformed JSON: EOF"), "{faults:?}");
    }

    #[test]
    fn nesting_without_end_costs_the_record_and_no_stack() {
        // Each level is read by all around it: Miri takes minutes for as many as a stack would not hold.
        let depth = if cfg!(miri) { 150 } else { 200_000 };
        let deep = format!("{}{}", "{\"arrayValue\":{\"values\":[".repeat(depth), "]}}".repeat(depth));
        let (records, faults) = logs(&format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"severityText":"a","body":{deep}}},{{"severityText":"b"}}]}}]}}]}}"#
        ));
        assert_eq!(records, ["b"]);
        assert_eq!(faults[0].1, "a value is nested too deep");
    }
}
