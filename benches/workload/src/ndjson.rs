//! Records to lines of JSON.
//!
//! No text that is made here needs an escape in JSON.

use crate::records::{Record, Value, resource_attributes};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes one line for each record.
///
/// # Errors
/// Those of the output.
pub fn write(records: &[Record], out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for record in records {
        line.clear();
        append(&mut line, record).expect("a string takes everything");
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn append(line: &mut String, record: &Record) -> std::fmt::Result {
    let Record { time_unix_nano, severity_number, severity_text, body, .. } = record;
    write!(line, r#"{{"time_unix_nano":{time_unix_nano},"severity_number":{severity_number},"#)?;
    write!(line, r#""severity_text":"{severity_text}","body":"{body}","attributes":"#)?;
    append_object(line, &record.attributes)?;
    line.push_str(r#","resource":"#);
    append_object(line, &resource_attributes(record.service))?;
    line.push_str("}\n");
    Ok(())
}

fn append_object(line: &mut String, attributes: &[(&'static str, Value)]) -> std::fmt::Result {
    for (index, (key, value)) in attributes.iter().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        match value {
            Value::Text(text) => write!(line, r#"{before}"{key}":"{text}""#)?,
            Value::Integer(number) => write!(line, r#"{before}"{key}":{number}"#)?,
            Value::Real(number) => write!(line, r#"{before}"{key}":{number:?}"#)?,
        }
    }
    line.push('}');
    Ok(())
}
