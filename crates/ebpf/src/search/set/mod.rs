//! Whether a text or a number is one of many: few are compared in turn, many are looked up in a table.
//!
//! A table is open addressing over a read-only value of bytes, laid out here, so that nobody has to fill a map; how far a
//! search in it goes is known when it is laid out. Read in order: `longs`, `texts`.

mod longs;

mod texts;

pub use longs::emit_long_in;
pub use texts::emit_text_in;

/// How many are compared in turn.
const IN_TURN_MAX: usize = 8;
/// How many there may be.
const COUNT_MAX: usize = 4_096;
/// What numbers are multiplied with so that their upper bits depend on all of them: 2^64 by the golden ratio, odd (Knuth, The
/// Art of Computer Programming, volume 3, 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a table is looked into, kept in a cell once so that the verifier assumes nothing of it.
const PLACE: i16 = crate::layout::SEARCH;
