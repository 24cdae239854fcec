//! A record of a host to the messages of OTLP: all of it, or only the fields that rules read.
//!
//! One encoder serves both: what is decided from a part of the fields is what is decided from all. Next: `seat.rs`.

use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::FieldPath;
use dtq_value::Str;

/// Says which fields of a record are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// A bit a column of the standard table.
    columns: u32,
    /// Columns of which only keys are wanted.
    keys: Vec<(usize, Str)>,
    is_all: bool,
}

impl Wants {
    /// Returns what wants everything.
    pub fn all() -> Self {
        Self { is_all: true, ..Self::default() }
    }

    /// Returns what wants these fields.
    pub fn of(paths: &[FieldPath]) -> Self {
        let mut wants = Self::default();
        for path in paths {
            match &path.key {
                Some(key) => wants.keys.push((path.column, key.clone())),
                None => wants.columns |= 1 << path.column,
            }
        }
        wants
    }

    /// Says whether a whole column is wanted.
    #[inline]
    pub fn column(&self, column: usize) -> bool {
        self.is_all || self.columns & (1 << column) != 0
    }

    /// Says whether a key of a column is wanted.
    #[inline]
    pub fn key(&self, column: usize, key: &[u8]) -> bool {
        self.column(column) || self.keys.iter().any(|(of, wanted)| *of == column && wanted.as_bytes() == key)
    }

    /// Says whether anything of a column is wanted.
    #[inline]
    pub fn any(&self, column: usize) -> bool {
        self.column(column) || self.keys.iter().any(|(of, _)| *of == column)
    }
}

/// A log record or a span of a host.
pub trait Subject {
    /// Returns what it is: logs or spans.
    fn signal(&self) -> Signal;

    /// Appends the content of the `LogRecord` or `Span`; fields that are not wanted may be left out.
    fn append_record(&self, out: &mut Vec<u8>, wants: &Wants);

    /// Appends the content of the `InstrumentationScope`.
    fn append_scope(&self, out: &mut Vec<u8>);

    /// Returns the content of the `Resource`.
    fn resource(&self) -> &[u8];
}
