//! Whether a text or a number is one of many.

use crate::Unsupported;
use crate::emit::{Emitter, Outcome};

/// Adds a test whether the text at `r6` with the length in `r7` is one of these.
///
/// # Errors
/// When there are more of them than a table holds.
pub fn emit_text_in(
    _e: &mut Emitter,
    _texts: &[Vec<u8>],
    _is_case_ignored: bool,
    _outcome: &Outcome,
) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}

/// Adds a test whether the number in `r6` is one of these.
///
/// # Errors
/// When there are more of them than a table holds.
pub fn emit_long_in(_e: &mut Emitter, _values: &[i64], _outcome: &Outcome) -> Result<(), Unsupported> {
    Err(Unsupported::new("not written yet"))
}
