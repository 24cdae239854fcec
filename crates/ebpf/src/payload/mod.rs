//! Payloads of a format to the fields of their records: the code that reads them. Next: `predicate`.

mod scan;

pub mod syslog;

pub mod json;

pub mod otlp;

use crate::Unsupported;
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

/// Names a format of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A syslog message: RFC 5424, RFC 3164.
    Syslog,
    /// A JSON object.
    Json,
    /// An `ExportLogsServiceRequest` as protobuf.
    Otlp,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Syslog, Self::Json, Self::Otlp];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Syslog => "syslog",
            Format::Json => "json",
            Format::Otlp => "otlp",
        }
    }

    /// Returns the format with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Says whether a field can be read from payloads of this format.
    ///
    /// # Errors
    /// Why not.
    pub fn supports(self, path: &FieldPath) -> Result<(), Unsupported> {
        match self {
            Format::Syslog => syslog::supports(path),
            Format::Json => json::supports(path),
            Format::Otlp => otlp::supports(path),
        }
    }

    /// Adds the code that reads a payload and has each of its records judged; it goes on at `dropped` when all of them are
    /// dropped, and in the ways of [`Emitter`] otherwise.
    ///
    /// # Errors
    /// When one of the fields cannot be read.
    pub fn emit(
        self,
        e: &mut Emitter,
        wanted: &[Wanted],
        judge: &mut Judge<'_>,
        dropped: Label,
    ) -> Result<(), Unsupported> {
        match self {
            Format::Syslog => syslog::emit(e, wanted, judge, dropped),
            Format::Json => json::emit(e, wanted, judge, dropped),
            Format::Otlp => otlp::emit(e, wanted, judge, dropped),
        }
    }
}
