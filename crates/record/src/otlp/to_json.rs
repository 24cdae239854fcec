//! OTLP protobuf to OTLP JSON: the bytes of a request in, the text of the same request out.
//!
//! Follows "JSON Protobuf Encoding" of the OTLP specification: keys in lower camel case, ids in hex, other bytes in base64,
//! 64-bit integers as text, enums as integers. What is on the wire is written, a default value too; of a repeated
//! singular field or key the first counts, as when records are read. Fields that the schema does not know have no name
//! in JSON and are left out. Never decodes into structs. The other direction: `json.rs`; names and numbers: `json_schema.rs`.

use super::Signal;
use super::any::hex;
use super::json_schema::{self, Kind, Message, REQUEST};
use crate::wire::{Field, Fields, WireError, WireValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// Appends the OTLP JSON of a request, which is one object on one line.
///
/// Text that is not UTF-8 is written with U+FFFD, since JSON cannot hold it.
///
/// # Errors
/// When the request is malformed, or a value in it is nested deeper than `nesting_max`; `out` is then as it was.
///
/// # Source
/// OTLP specification 1.x, "JSON Protobuf Encoding"; protobuf.dev, "ProtoJSON Format".
pub fn append_json(out: &mut String, signal: Signal, request: &[u8], nesting_max: usize) -> Result<(), WireError> {
    let start = out.len();
    let resources = REQUEST.fields.iter().find(|field| field.signal == Some(signal)).expect("each signal has a field");
    let mut writer = Writer { out, nesting_left: nesting_max };
    let result = writer.request(resources, Fields::new(request));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

struct Writer<'o> {
    out: &'o mut String,
    /// How many arrays and bags of values may still be opened.
    nesting_left: usize,
}

impl Writer<'_> {
    /// The requests of all signals have their resources in field 1; the signal says what it is called.
    fn request(&mut self, resources: &json_schema::Field, fields: Fields<'_>) -> Result<(), WireError> {
        let mut found = Vec::new();
        for field in fields {
            let field = field?;
            if field.number == resources.number {
                found.push(field);
            }
        }
        write!(self.out, "{{\"{}\":", resources.key).expect("writing to a string cannot fail");
        self.list(resources, &found)?;
        self.out.push('}');
        Ok(())
    }

    fn message(&mut self, message: &'static Message, fields: Fields<'_>) -> Result<(), WireError> {
        let found = known_fields(message, fields)?;
        if message.is_nested_value && found.is_empty() {
            // Some readers, opentelemetry-proto's serde among them, want the list of an empty array or bag to be there.
            self.out.push_str("{\"values\":[]}");
            return Ok(());
        }
        self.out.push('{');
        let mut separator = "";
        for (index, occurrences) in &found {
            let field = &message.fields[*index];
            write!(self.out, "{separator}\"{}\":", field.key).expect("writing to a string cannot fail");
            separator = ",";
            if field.is_repeated { self.list(field, occurrences)? } else { self.value(field.kind, &occurrences[0])? }
        }
        self.out.push('}');
        Ok(())
    }

    fn list(&mut self, field: &json_schema::Field, occurrences: &[Field<'_>]) -> Result<(), WireError> {
        self.out.push('[');
        let begin = self.out.len();
        for occurrence in occurrences {
            for_each_element(field.kind, occurrence, &mut |element| {
                if self.out.len() > begin {
                    self.out.push(',');
                }
                self.value(field.kind, element)
            })?;
        }
        self.out.push(']');
        Ok(())
    }

    fn value(&mut self, kind: Kind, field: &Field<'_>) -> Result<(), WireError> {
        match kind {
            Kind::Text => self.quoted(&String::from_utf8_lossy(field.bytes()?)),
            Kind::Hex => self.plain(format_args!("\"{}\"", hex(field.bytes()?))),
            Kind::Base64 => self.plain(format_args!("\"{}\"", STANDARD.encode(field.bytes()?))),
            Kind::Bool => self.plain(format_args!("{}", field.varint()? != 0)),
            Kind::Double => self.double(field.double()?),
            Kind::Fixed64 => self.plain(format_args!("\"{}\"", field.fixed64()?)),
            Kind::SignedFixed64 => self.plain(format_args!("\"{}\"", field.fixed64()? as i64)),
            Kind::Varint64 => self.plain(format_args!("\"{}\"", field.varint()? as i64)),
            Kind::UnsignedVarint64 => self.plain(format_args!("\"{}\"", field.varint()?)),
            Kind::Fixed32 => self.plain(format_args!("{}", field.fixed32()?)),
            // Protobuf takes the low 32 bits of a longer varint ("Encoding", "Updating a message type").
            Kind::Varint32 => self.plain(format_args!("{}", field.varint()? as u32)),
            Kind::Zigzag32 => self.plain(format_args!("{}", zigzag(field.varint()? as u32))),
            Kind::Enum(_) => self.plain(format_args!("{}", field.varint()? as i32)),
            Kind::Message(message) => self.nested(message, field)?,
        }
        Ok(())
    }

    fn nested(&mut self, message: &'static Message, field: &Field<'_>) -> Result<(), WireError> {
        let fields = field.message()?;
        let level = usize::from(message.is_nested_value);
        let too_deep = WireError { offset: field.offset, reason: "a value is nested too deep" };
        self.nesting_left = self.nesting_left.checked_sub(level).ok_or(too_deep)?;
        self.message(message, fields)?;
        self.nesting_left += level;
        Ok(())
    }

    fn plain(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to a string cannot fail");
    }

    fn double(&mut self, value: f64) {
        match value {
            value if value.is_nan() => self.out.push_str("\"NaN\""),
            f64::INFINITY => self.out.push_str("\"Infinity\""),
            f64::NEG_INFINITY => self.out.push_str("\"-Infinity\""),
            // The shortest text that reads back as the same number.
            value => self.plain(format_args!("{value:?}")),
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push_str(&serde_json::to_string(text).expect("a string has a JSON form"));
    }
}

type Occurrences<'a> = Vec<(usize, Vec<Field<'a>>)>;

/// Returns the fields that JSON has names for, by position in the schema, in the order in which they come; of the
/// members of a `oneof` only the first.
fn known_fields<'a>(message: &Message, fields: Fields<'a>) -> Result<Occurrences<'a>, WireError> {
    let mut found: Occurrences<'a> = Vec::new();
    let mut has_choice = false;
    for field in fields {
        let field = field?;
        let Some(index) = message.position(field.number) else { continue };
        let known = &message.fields[index];
        match found.iter_mut().find(|(other, _)| *other == index) {
            Some((_, occurrences)) if known.is_repeated => occurrences.push(field),
            Some(_) => {}
            None if known.is_choice && std::mem::replace(&mut has_choice, true) => {}
            None => found.push((index, vec![field])),
        }
    }
    Ok(found)
}

/// Gives each element of one occurrence of a repeated field: itself, or the numbers that are packed into it.
fn for_each_element(
    kind: Kind,
    field: &Field<'_>,
    take: &mut dyn FnMut(&Field<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut numbers = Vec::new();
    let element: fn(u64) -> WireValue<'static> = match kind {
        Kind::Fixed64 | Kind::Double => {
            field.append_fixed64s(&mut numbers)?;
            WireValue::Fixed64
        }
        Kind::UnsignedVarint64 => {
            field.append_varints(&mut numbers)?;
            WireValue::Varint
        }
        _ => return take(field),
    };
    numbers.into_iter().try_for_each(|number| take(&Field { value: element(number), ..*field }))
}

/// Decodes a `sint32` (protobuf.dev, "Encoding": signed integers).
fn zigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::append_varint;

    fn json(request: &[u8]) -> Result<String, WireError> {
        let mut out = String::new();
        append_json(&mut out, Signal::Logs, request, 3).map(|()| out)
    }

    fn nested(number: u32, content: &[u8]) -> Vec<u8> {
        let mut out = vec![(number << 3 | 2) as u8];
        append_varint(&mut out, content.len() as u64);
        out.extend_from_slice(content);
        out
    }

    fn in_record(content: &[u8]) -> Vec<u8> {
        nested(1, &nested(2, &nested(2, content)))
    }

    #[test]
    fn an_empty_request_has_its_list() {
        assert_eq!(json(b"").unwrap(), r#"{"resourceLogs":[]}"#);
    }

    #[test]
    fn forms_are_those_of_the_specification() {
        let mut record = nested(9, &[0xAB, 0x00]);
        record.extend([0x10, 0x11, 0x5D, 1, 0, 0, 0, 0x62, 1, b'e', 0x09, 255, 255, 255, 255, 255, 255, 255, 255]);
        record.extend(nested(5, &[0x18, 5, 0x0A, 1, b'x']));
        record.extend(nested(6, &[nested(1, b"k\n\xFF"), nested(2, &nested(7, &[1, 2]))].concat()));
        // Field 11 has the wrong wire type for a time, which is malformed; without it, all is written.
        assert_eq!(json(&in_record(&record)).unwrap_err().reason, "a known field has the wrong wire type");
        let at = record.windows(5).position(|window| window == [0x5D, 1, 0, 0, 0]).unwrap();
        record[at] = 0x45;
        let expected = concat!(
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"ab00","severityNumber":17,"flags":1,"#,
            r#""eventName":"e","timeUnixNano":"18446744073709551615","body":{"intValue":"5"},"#,
            "\"attributes\":[{\"key\":\"k\\n\u{fffd}\",\"value\":{\"bytesValue\":\"AQI=\"}}]}]}]}]}"
        );
        assert_eq!(json(&in_record(&record)).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_or_too_deep_is_an_error_and_leaves_nothing() {
        let mut value = nested(1, b"x");
        for _ in 0..4 {
            value = nested(5, &nested(1, &value));
        }
        assert_eq!(json(&in_record(&nested(5, &value))).unwrap_err().reason, "a value is nested too deep");
        let mut out = "kept".to_owned();
        append_json(&mut out, Signal::Spans, &[0x0A, 0x05], 3).unwrap_err();
        assert_eq!(out, "kept");
    }
}
