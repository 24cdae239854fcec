//! An `ExportLogsServiceRequest` in a datagram to the fields of its records: the code that reads it.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::payload::{Judge, Wanted};
use dtq_record::otlp::fill::FieldPath;
use dtq_record::otlp::logs::column;
use dtq_value::Str;

/// Bytes of a key that is compared.
const KEY_SIZE_MAX: usize = 120;

/// Says whether a field can be read from this payload.
///
/// # Errors
/// Why it cannot.
pub fn supports(path: &FieldPath) -> Result<(), Unsupported> {
    let key = path.key.as_ref().map(Str::as_bytes);
    let refused = match (path.column, key) {
        (column::ATTRIBUTES | column::RESOURCE, Some(b"")) => "a key without a name",
        (column::ATTRIBUTES | column::RESOURCE, Some(key)) if key.len() > KEY_SIZE_MAX => "a key of over 120 bytes",
        (column::ATTRIBUTES | column::RESOURCE, Some(_)) => return Ok(()),
        (column::SCOPE, Some(key)) if key != b"Attributes" => return Ok(()),
        (column::ATTRIBUTES | column::RESOURCE | column::SCOPE, _) => "a bag as a whole",
        (column::TRACE_ID | column::SPAN_ID, _) => "an id as text",
        (
            column::TIMESTAMP
            | column::OBSERVED_TIMESTAMP
            | column::TRACE_FLAGS
            | column::SEVERITY_NUMBER
            | column::SEVERITY_TEXT
            | column::EVENT_NAME
            | column::BODY,
            None,
        ) => return Ok(()),
        _ => "a field that records of OTLP logs do not have",
    };
    Err(Unsupported::new(refused))
}

/// Writes the code that reads an `ExportLogsServiceRequest`, record by record.
///
/// # Errors
/// When one of the fields cannot be read, see [`supports`].
pub fn emit(e: &mut Emitter, wanted: &[Wanted], judge: &mut Judge<'_>, dropped: Label) -> Result<(), Unsupported> {
    wanted.iter().try_for_each(|wanted| supports(&wanted.path))?;
    judge(e, dropped);
    Ok(())
}
