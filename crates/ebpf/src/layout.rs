//! Where a filter keeps what: one value of a map for each processor, its scratch.
//!
//! Offsets are from the beginning of the scratch, and so are places of texts, wherever those stand. What the verifier is
//! to believe is a mask: an offset is masked with [`MASK`], and up to [`BEYOND`] bytes behind it may be read. Next:
//! `emit.rs`.

/// Set while a run is under way; another one on the same processor finds it so and keeps.
pub const BUSY: i16 = 0;
/// Bytes of the payload.
pub const LENGTH: i16 = 8;
/// How many steps of reading are left ([`STEPS_MAX`] at first).
pub const STEPS: i16 = 16;
/// Why something was not decided: a [`Reason`], 0 as long as nothing was met.
pub const REASON: i16 = 24;
/// Twelve cells of eight bytes for whoever reads the payload, kept while records are judged.
pub const READER: i16 = 32;
/// Eight cells of eight bytes for searching in a text, kept until the next search.
pub const SEARCH: i16 = 128;
/// Seven cells of eight bytes for judging a record.
pub const JUDGE: i16 = 192;
/// Bytes of the record that is judged, which its reader writes.
pub const RECORD_SIZE: i16 = 248;
/// For each rule a cell of eight bytes: how many records it drops, and in the upper half how many bytes, of a payload that
/// is not yet known to go as a whole.
pub const STAGED: i16 = 256;
/// Rules that a filter may have.
pub const RULES_MAX: usize = 64;
/// The fields, each a cell of [`FIELD_SIZE`] bytes.
pub const FIELDS: i16 = 768;
/// Bytes of a field: its [`State`] (u32), a length (u32), what it holds (u64).
pub const FIELD_SIZE: i16 = 16;
/// Fields that a filter may read.
pub const FIELDS_MAX: usize = 64;
/// What passes over texts found: eight bytes each, 0 before the pass.
pub const FACTS: i16 = 1_792;
/// Passes over texts that a filter may have.
pub const FACTS_MAX: usize = 32;
/// Texts that are in no payload, such as the names of severities: written on the first run, see [`crate::emit::Emitter::word`].
pub const WORDS: i16 = 2_048;
/// Bytes of these texts, the first eight of which say whether they are written.
pub const WORDS_SIZE: usize = 1_024;
/// The payload, behind it [`PADDING`] zeros.
pub const PAYLOAD: i16 = 3_072;
/// Bytes of a payload that is looked into; a longer one is kept.
pub const PAYLOAD_MAX: usize = 4_096;
/// What an offset is masked with.
pub const MASK: i32 = 0x1FFF;
/// Bytes that may be read behind a masked offset.
pub const BEYOND: usize = 256;
/// Zeros behind a payload; what stands behind them is left of payloads before it.
pub const PADDING: usize = 64;
/// Bytes of the scratch.
pub const SIZE: usize = MASK as usize + 1 + BEYOND;
/// Steps of reading a payload, after which it is kept.
pub const STEPS_MAX: i32 = 1_024;

/// Behind what every filter has: how many bytes of [`TALLY_STAGE`] are in use. Only a filter that counts by keys,
/// or acts above a rate, has this and what follows, see [`crate::tally`].
pub const TALLY_AT: i16 = SIZE as i16;
/// Which tallies have to see the record that a rule drops, a bit each.
pub const TALLY_MASK: i16 = TALLY_AT + 8;
/// Which of the two tables this run adds to: 0 or 1.
pub const TALLY_TABLE: i16 = TALLY_AT + 16;
/// How many bytes of [`TALLY_STAGE`] have been added to the table.
pub const TALLY_ADDED: i16 = TALLY_AT + 24;
/// A key of the map of rates.
pub const RATE_KEY: i16 = TALLY_AT + 64;
/// When the next record of a new key is due.
pub const RATE_DUE: i16 = TALLY_AT + 184;
/// Zeros, which an entry of a table begins with.
pub const TALLY_ZEROS: i16 = TALLY_AT + 192;
/// Bytes of them, and so of a table's values.
pub const TALLY_ZEROS_SIZE: usize = 256;
/// What records count for, of a payload that is not yet known to go as a whole: a key of a table, then what is added to its
/// value.
pub const TALLY_STAGE: i16 = TALLY_ZEROS + TALLY_ZEROS_SIZE as i16;
/// What an offset in it is masked with.
pub const TALLY_STAGE_MASK: i32 = 0x3FFF;
/// Bytes of one key and what is added for it.
pub const TALLY_SLOT_MAX: usize = 1_024;
/// Bytes of the scratch of a filter that counts by keys; a value that each processor has its own of is at most 32 KiB.
pub const TALLY_SIZE: usize = TALLY_STAGE as usize + TALLY_STAGE_MASK as usize + 1 + TALLY_SLOT_MAX;

/// Returns the offset of a field.
///
/// # Panics
/// When there are not so many.
pub fn field(index: usize) -> i16 {
    assert!(index < FIELDS_MAX, "fields are counted before code is made");
    FIELDS + index as i16 * FIELD_SIZE
}

/// Says what a field cell holds. An absent field is [`State::Missing`]; what it means then, null or an empty text, follows
/// from the type that the condition gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum State {
    /// Nothing: the record has no such field, or, with a length of 1, one that holds nothing.
    Missing = 0,
    /// A text: its length, and the offset of its first byte from the beginning of the scratch.
    Text = 1,
    /// A signed number of 64 bits.
    Long = 2,
    /// 0 or 1.
    Bool = 3,
    /// The bits of a double.
    Real = 4,
    /// Ticks of 100 ns since 0001-01-01.
    DateTime = 5,
    /// It is there, and what it is cannot be told here; the length is the [`Reason`].
    Undecided = 6,
}

/// Says why a payload or a record was kept although nothing says that it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Reason {
    /// The bytes are not of the format, or of a form of it that is read in user space only.
    Malformed = 1,
    /// It is longer than [`PAYLOAD_MAX`], or empty.
    Length = 2,
    /// It takes more than [`STEPS_MAX`] steps.
    Budget = 3,
    /// A key or a field is there twice.
    Duplicate = 4,
    /// A text has escapes.
    Escaped = 5,
    /// A field has a type that is not looked into here, such as an array.
    Type = 6,
    /// A text has bytes beyond ASCII where those matter.
    NonAscii = 7,
    /// A run was under way on the same processor.
    Busy = 8,
    /// The kernel did not hand out the bytes.
    Unreadable = 9,
    /// What a condition asks is decided in user space.
    Condition = 10,
    /// Fields stand in an order in which the kernel cannot decide.
    Order = 11,
    /// The owner has not renewed its lease.
    Lease = 12,
    /// Several datagrams arrived as one (`UDP_GRO`).
    Merged = 13,
    /// A record counts under a key that is not kept here: a text longer than [`crate::tally::TEXT_MAX`], or no time.
    Key = 14,
    /// A table of counts is full, a payload has more counts than are held back, or a sum is too large.
    Counts = 15,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::Length,
        Self::Budget,
        Self::Duplicate,
        Self::Escaped,
        Self::Type,
        Self::NonAscii,
        Self::Busy,
        Self::Unreadable,
        Self::Condition,
        Self::Order,
        Self::Lease,
        Self::Merged,
        Self::Key,
        Self::Counts,
    ];

    /// Returns the word for it in accounts.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::Length => "length",
            Reason::Budget => "budget",
            Reason::Duplicate => "duplicate",
            Reason::Escaped => "escaped",
            Reason::Type => "type",
            Reason::NonAscii => "non-ascii",
            Reason::Busy => "busy",
            Reason::Unreadable => "unreadable",
            Reason::Condition => "condition",
            Reason::Order => "order",
            Reason::Lease => "lease",
            Reason::Merged => "merged",
            Reason::Key => "key",
            Reason::Counts => "counts",
        }
    }
}
