//! A JSON object in a datagram to the fields of its record: the code that reads it.

use crate::Unsupported;
use crate::asm::Label;
use crate::emit::Emitter;
use crate::payload::{Judge, Wanted};
use dtq_record::otlp::fill::FieldPath;

/// Writes the code that reads the payload as one record.
///
/// # Errors
/// When a field cannot be read here.
pub fn emit(e: &mut Emitter, wanted: &[Wanted], judge: &mut Judge<'_>, dropped: Label) -> Result<(), Unsupported> {
    for one in wanted {
        supports(&one.path)?;
    }
    judge(e, dropped);
    Ok(())
}

/// Says whether a field can be read from this payload, and why not.
///
/// # Errors
/// Why not.
pub fn supports(_path: &FieldPath) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}
