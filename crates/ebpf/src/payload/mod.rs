//! Payloads of a format to the fields of their records: the code that reads them.

use crate::asm::Label;
use crate::emit::Emitter;
use dtq_record::otlp::fill::FieldPath;

/// Holds a field of `logs` that conditions read and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which field: a column, or a key of Attributes, Resource or Scope.
    pub path: FieldPath,
    /// The offset of its cell, from [`crate::layout::field`].
    pub field: i16,
}

/// Writes the code that judges a record whose fields are filled.
///
/// It goes on at the label when the record is surely dropped, and at [`Emitter::kept`] when it is not. It leaves nothing
/// in registers but the address of the scratch, and nothing changed in the cells of the reader.
pub type Judge<'j> = dyn FnMut(&mut Emitter, Label) + 'j;
