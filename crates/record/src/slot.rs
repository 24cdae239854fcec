//! Slots: the fields of one record that a program reads, 16 bytes each, typed and nullable; texts are views.
//!
//! A filler (`otlp/fill.rs`, later those of JSON and SDK records) turns a record into slots; whoever evaluates turns a
//! slot into a value, or reads it as it is. A slot holds no pointer: a view is an offset into one of the [`Buffers`],
//! so a slot is plain data and nothing here is unsafe. The page for whoever reads slots: `docs/slots.md`.

use crate::otlp::any::{bag_of, id_text, scope_of, value_of};
use crate::otlp::metrics::{self, Kind, MetricHead, PointView, TEMPORALITIES};
use crate::otlp::spans::{self, SpanView, word};
use crate::wire::{Fields, WireError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dtq_value::{Str, Value};

/// Names what a slot holds, and so what its other fields mean.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Null. `aux` is 1 when the field is there and holds nothing, 0 when it is not there.
    Missing = 0,
    /// A bool: `payload` is 0 or 1.
    Bool = 1,
    /// An int: `payload` is its two's complement, sign-extended.
    Int = 2,
    /// A long: `payload` is its two's complement.
    Long = 3,
    /// A real: `payload` has its bits.
    Real = 4,
    /// A datetime: `payload` counts ticks of 100 ns since 0001-01-01T00:00Z.
    DateTime = 5,
    /// A timespan: `payload` counts ticks of 100 ns.
    TimeSpan = 6,
    /// A string: a view of its bytes.
    String = 7,
    /// A view of the raw bytes of an id, which reads as lower-case hex; one of only zeros reads as `""`.
    Id = 8,
    /// A view of bytes that read as base64 text.
    Bytes = 9,
    /// A word of the list `aux` (see [`WordList`]): `payload` is its number, an i32 sign-extended.
    Word = 10,
    /// A dynamic that has not been looked into: a view of the bytes of an `AnyValue`.
    Any = 11,
    /// A bag: a view of a message whose field `aux` holds its `KeyValue`s.
    KeyValues = 12,
    /// The bag of a scope: a view of an `InstrumentationScope`.
    Scope = 13,
    /// The array of a span's events: a view of the `Span`.
    Events = 14,
    /// The array of a span's links: a view of the `Span`.
    Links = 15,
    /// The buckets of a data point: a view of it; `aux` is the field number of its kind in `Metric`.
    Buckets = 16,
}

/// Names the bytes that a view is an offset into.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// The message of the record: `LogRecord`, `Span`, or a data point.
    Record = 0,
    /// The `Resource` message.
    Resource = 1,
    /// The `InstrumentationScope` message.
    Scope = 2,
    /// The `Metric` message.
    Metric = 3,
    /// Bytes that were made for this record.
    Arena = 4,
    /// Bytes that live as long as the program.
    Pool = 5,
}

/// Names a list of words that an enumeration's numbers stand for.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WordList {
    /// `SpanKind`
    SpanKind = 0,
    /// `StatusCode`
    StatusCode = 1,
    /// `Temporality`
    Temporality = 2,
    /// `MetricType`; its numbers are the field numbers of `Metric`.
    MetricType = 3,
    /// `Signal`, in the order of `otlp::Signal`.
    Signal = 4,
}

impl WordList {
    /// Returns the words by number; a number without a word reads as its decimal text.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            WordList::SpanKind => &spans::KINDS,
            WordList::StatusCode => &spans::STATUS_CODES,
            WordList::Temporality => &TEMPORALITIES,
            WordList::MetricType => &metrics::KINDS_BY_FIELD_NUMBER,
            WordList::Signal => &["logs", "metrics", "spans"],
        }
    }

    fn from_aux(aux: u16) -> Option<Self> {
        [WordList::SpanKind, WordList::StatusCode, WordList::Temporality, WordList::MetricType, WordList::Signal]
            .into_iter()
            .find(|list| *list as u16 == aux)
    }
}

/// Holds one field of a record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    tag: Tag,
    buffer: Buffer,
    aux: u16,
    length: u32,
    payload: u64,
}

const _: () = assert!(size_of::<Slot>() == 16 && align_of::<Slot>() == 8);

/// Holds the bytes that the views of one record's slots are offsets into; each must be what the filler was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buffers<'a> {
    /// Of [`Buffer::Record`].
    pub record: &'a [u8],
    /// Of [`Buffer::Resource`].
    pub resource: &'a [u8],
    /// Of [`Buffer::Scope`].
    pub scope: &'a [u8],
    /// Of [`Buffer::Metric`].
    pub metric: &'a [u8],
    /// Of [`Buffer::Arena`].
    pub arena: &'a [u8],
    /// Of [`Buffer::Pool`].
    pub pool: &'a [u8],
}

impl<'a> Buffers<'a> {
    /// Returns the bytes of one buffer.
    pub fn get(&self, buffer: Buffer) -> &'a [u8] {
        match buffer {
            Buffer::Record => self.record,
            Buffer::Resource => self.resource,
            Buffer::Scope => self.scope,
            Buffer::Metric => self.metric,
            Buffer::Arena => self.arena,
            Buffer::Pool => self.pool,
        }
    }
}

impl Slot {
    /// A field that is not there.
    pub const MISSING: Slot = Slot::scalar(Tag::Missing, 0);
    /// A field that is there and holds nothing.
    pub const EMPTY: Slot = Slot { aux: 1, ..Slot::MISSING };
    /// The string `""`.
    pub const EMPTY_STRING: Slot = Slot::scalar(Tag::String, 0);

    const fn scalar(tag: Tag, payload: u64) -> Self {
        Slot { tag, buffer: Buffer::Record, aux: 0, length: 0, payload }
    }

    /// Returns the slot of a bool.
    pub const fn bool(value: bool) -> Self {
        Self::scalar(Tag::Bool, value as u64)
    }

    /// Returns the slot of an int.
    pub const fn int(number: i32) -> Self {
        Self::scalar(Tag::Int, number as i64 as u64)
    }

    /// Returns the slot of a long.
    pub const fn long(number: i64) -> Self {
        Self::scalar(Tag::Long, number as u64)
    }

    /// Returns the slot of a real.
    pub const fn real(number: f64) -> Self {
        Self::scalar(Tag::Real, number.to_bits())
    }

    /// Returns the slot of a datetime, or of null.
    pub const fn datetime(ticks: Option<i64>) -> Self {
        match ticks {
            Some(ticks) => Self::scalar(Tag::DateTime, ticks as u64),
            None => Self::MISSING,
        }
    }

    /// Returns the slot of a timespan.
    pub const fn timespan(ticks: i64) -> Self {
        Self::scalar(Tag::TimeSpan, ticks as u64)
    }

    /// Returns the slot of an enumeration's number.
    pub const fn word(list: WordList, number: i32) -> Self {
        Slot { aux: list as u16, ..Self::scalar(Tag::Word, number as i64 as u64) }
    }

    /// Returns a view of `length` bytes at `offset` of a buffer. What `aux` means is said at the tag.
    pub const fn view(tag: Tag, buffer: Buffer, aux: u16, offset: u32, length: u32) -> Self {
        Slot { tag, buffer, aux, length, payload: offset as u64 }
    }

    /// Returns what it holds.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Returns the buffer that a view is of; without meaning for scalars.
    pub fn buffer(&self) -> Buffer {
        self.buffer
    }

    /// Returns the part that the tag gives a meaning to.
    pub fn aux(&self) -> u16 {
        self.aux
    }

    /// Returns the size of a view in bytes.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Returns the number of a scalar or the offset of a view.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// Returns the two words that it is in memory: tag, buffer, `aux` and length from the lowest bits up, and the payload.
    pub const fn words(&self) -> [u64; 2] {
        let head = self.tag as u64 | (self.buffer as u64) << 8 | (self.aux as u64) << 16 | (self.length as u64) << 32;
        [head, self.payload]
    }

    /// Says whether it is null.
    pub fn is_null(&self) -> bool {
        self.tag == Tag::Missing
    }

    /// Says whether the field is not there at all; one that is there may still be null.
    pub fn is_absent(&self) -> bool {
        self.tag == Tag::Missing && self.aux == 0
    }

    /// Returns the number of an int, long, datetime (ticks), timespan (ticks) or bool.
    pub fn as_i64(&self) -> Option<i64> {
        match self.tag {
            Tag::Int | Tag::Long | Tag::DateTime | Tag::TimeSpan | Tag::Bool => Some(self.payload as i64),
            _ => None,
        }
    }

    /// Returns the number of a real.
    pub fn as_f64(&self) -> Option<f64> {
        (self.tag == Tag::Real).then(|| f64::from_bits(self.payload))
    }

    /// Returns the text of a string, or of an enumeration's number that has a word.
    ///
    /// Ids and bytes have no text in any buffer: see [`Slot::as_bytes`] for what they are views of.
    pub fn as_text<'a>(&self, buffers: &Buffers<'a>) -> Option<&'a [u8]> {
        match self.tag {
            Tag::String => self.as_bytes(buffers),
            Tag::Word => {
                let index = usize::try_from(self.payload as i64).ok()?;
                Some(WordList::from_aux(self.aux)?.words().get(index)?.as_bytes())
            }
            _ => None,
        }
    }

    /// Returns the bytes that a view is of, undecoded; `None` for scalars and for views that do not fit.
    pub fn as_bytes<'a>(&self, buffers: &Buffers<'a>) -> Option<&'a [u8]> {
        if (self.tag as u8) < Tag::String as u8 || self.tag == Tag::Word {
            return None;
        }
        let start = usize::try_from(self.payload).ok()?;
        buffers.get(self.buffer).get(start..start.checked_add(usize::try_from(self.length).ok()?)?)
    }

    /// Returns the value, as the reader of the same column gives it.
    ///
    /// # Errors
    /// When the bytes of a dynamic are malformed or nested deeper than `nesting_max`, or the buffers are not those that
    /// the slot was filled from.
    pub fn value(&self, buffers: &Buffers<'_>, nesting_max: usize) -> Result<Value, WireError> {
        Ok(match self.tag {
            Tag::Missing => Value::Null,
            Tag::Bool => Value::Bool(self.payload != 0),
            Tag::Int => Value::Int(self.payload as i32),
            Tag::Long => Value::Long(self.payload as i64),
            Tag::Real => Value::Real(f64::from_bits(self.payload)),
            Tag::DateTime => Value::DateTime(self.payload as i64),
            Tag::TimeSpan => Value::TimeSpan(self.payload as i64),
            Tag::Word => match WordList::from_aux(self.aux) {
                Some(list) => word(list.words(), Some(self.payload)),
                None => return Err(WireError { offset: 0, reason: "a slot names a list of words that is none" }),
            },
            _ => self.viewed_value(buffers, nesting_max)?,
        })
    }

    fn viewed_value(&self, buffers: &Buffers<'_>, nesting_max: usize) -> Result<Value, WireError> {
        let base = self.payload as usize;
        let misfit = WireError { offset: base, reason: "a slot does not fit its buffer" };
        let bytes = self.as_bytes(buffers).ok_or(misfit)?;
        let fields = Fields::at(bytes, base);
        Ok(match self.tag {
            Tag::Id => id_text(Some(bytes)),
            Tag::Bytes => Value::string(STANDARD.encode(bytes)),
            Tag::Any => value_of(fields, nesting_max)?,
            Tag::KeyValues => Value::bag(bag_of(fields, u32::from(self.aux), nesting_max)?),
            Tag::Scope => scope_of(Some(bytes), base, nesting_max)?,
            Tag::Events => SpanView::parse(bytes, base)?.value(spans::column::EVENTS, nesting_max)?,
            Tag::Links => SpanView::parse(bytes, base)?.value(spans::column::LINKS, nesting_max)?,
            Tag::Buckets => {
                let kind = Kind::from_field_number(u32::from(self.aux)).ok_or(misfit)?;
                let point = PointView::parse(kind, bytes, base)?;
                point.value(&MetricHead::default(), metrics::column::BUCKETS, nesting_max)?
            }
            _ => Value::String(Str::from(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_views_read_as_what_they_were_made_of() {
        let buffers = Buffers { record: b"abcdef", resource: b"xyz", ..Buffers::default() };
        let text = Slot::view(Tag::String, Buffer::Record, 0, 2, 3);
        assert_eq!(text.as_text(&buffers), Some(&b"cde"[..]));
        assert_eq!(text.value(&buffers, 9), Ok(Value::string("cde")));
        assert_eq!(Slot::view(Tag::Id, Buffer::Resource, 0, 0, 1).value(&buffers, 9), Ok(Value::string("78")));
        assert_eq!(Slot::int(-3).value(&buffers, 9), Ok(Value::Int(-3)));
        assert_eq!(Slot::int(-3).as_i64(), Some(-3));
        assert_eq!(Slot::real(0.5).as_f64(), Some(0.5));
        assert_eq!(Slot::word(WordList::SpanKind, 2).as_text(&buffers), Some(&b"Server"[..]));
        assert_eq!(Slot::word(WordList::SpanKind, -7).value(&buffers, 9), Ok(Value::string("-7")));
        assert_eq!(Slot::EMPTY_STRING.value(&Buffers::default(), 9), Ok(Value::string("")));
        assert!(Slot::EMPTY.is_null() && !Slot::EMPTY.is_absent() && Slot::MISSING.is_absent());
    }

    #[test]
    fn a_view_of_other_bytes_is_an_error_and_no_panic() {
        let slot = Slot::view(Tag::String, Buffer::Scope, 0, 4, u32::MAX);
        assert_eq!(slot.as_bytes(&Buffers::default()), None);
        assert!(slot.value(&Buffers::default(), 9).is_err());
    }

    #[test]
    fn tags_buffers_and_lists_have_the_numbers_that_the_page_names() {
        assert_eq!((Tag::String as u8, Tag::Any as u8, Tag::Buckets as u8), (7, 11, 16));
        assert_eq!((Buffer::Record as u8, Buffer::Pool as u8), (0, 5));
        assert_eq!(std::mem::offset_of!(Slot, aux), 2);
        assert_eq!(std::mem::offset_of!(Slot, length), 4);
        assert_eq!(std::mem::offset_of!(Slot, payload), 8);
    }
}
