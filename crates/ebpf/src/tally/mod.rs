//! What a metrics rule counts of records that a filter drops: by keys, in a table of each processor.
//!
//! A record that is dropped here is not seen by the rules in user space, so that a rule in front of the one that drops it has
//! to count it here, or the payload is kept. Of each record that a rule drops, every tally in front of that rule is asked:
//! either the record surely counts for it, under keys and with amounts that are known, or surely not; anything else keeps the
//! payload, and user space counts and drops. What a record counts for is held back until the whole payload is known to go.
//!
//! There are two tables, one of which runs add to; their owner reads the other and empties it, see [`Tables`]. Read in order:
//! `plan.rs`, `code.rs`, `key.rs`, `rate.rs`.

mod plan;

mod code;

mod key;

pub(crate) mod rate;

pub(crate) use code::{emit_add, emit_judge, emit_start};
pub(crate) use plan::{Planned, plan};

use crate::filter::Effect;
use crate::map::{MapDef, MapKind};
use dtq_ir::condition::term::Term;
use dtq_ir::reads::Path;
use dtq_value::Type;

/// Tallies that a filter may have.
pub const TALLIES_MAX: usize = 16;
/// Keys of a tally, the window among them.
pub const KEYS_MAX: usize = 5;
/// Amounts of a tally.
pub const AMOUNTS_MAX: usize = 8;
/// Bytes of a text that is a key; one that is longer keeps the payload.
pub const TEXT_MAX: usize = 64;
/// Entries of a table; when it is full, payloads with other keys are kept until it has been emptied.
pub const ENTRIES_MAX: u32 = 2_048;

/// Says what is counted of records, and under which keys.
#[derive(Clone, Debug)]
pub struct Tally {
    /// It counts those of which this is true.
    pub condition: Term,
    /// Rules in front of it that take records away before it sees them.
    pub before: Vec<(Term, Effect)>,
    /// What it keeps apart.
    pub keys: Vec<Key>,
    /// What it adds up.
    pub amounts: Vec<Amount>,
}

/// Names what a tally keeps apart.
#[derive(Clone, Debug)]
pub enum Key {
    /// The value of a field, with its type: what follows from it is for whoever reads the table.
    Field(Path, Type),
    /// The window that the time in a field lies in, of so many ticks.
    Window(Path, i64),
}

/// Names what a tally adds up besides records. What is null does not count.
#[derive(Clone, Debug)]
pub enum Amount {
    /// The records, or those of which this is true.
    Count(Option<Term>),
    /// The sum of an integer.
    Sum {
        /// The integer.
        of: Term,
        /// Whether a negative one is left to user space.
        is_positive: bool,
    },
    /// The least integer.
    Least(Term),
    /// The greatest one.
    Greatest(Term),
}

/// Says where in a key of a table a key of a tally is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPlace {
    /// The offset of its head: the state of the field (u32), and the length of a text (u32). What it holds follows: a text
    /// and zeros up to [`TEXT_MAX`] bytes, or eight bytes of a number.
    pub offset: usize,
    /// Whether it is the window.
    pub is_window: bool,
}

/// Says in which cells of eight bytes of a table's values an amount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountPlace {
    /// A count of records.
    Count(usize),
    /// A sum, and of how many integers.
    Sum(usize, usize),
    /// The least integer, turned around as [`greatest`] has it, and of how many.
    Least(usize, usize),
    /// The greatest integer, as [`greatest`] has it, and of how many.
    Greatest(usize, usize),
}

/// Returns the integer that a cell for the greatest one holds: cells begin with 0, which stands for the least of all.
pub fn greatest(cell: u64) -> i64 {
    (cell ^ 1 << 63).cast_signed()
}

/// Returns the integer that a cell for the least one holds.
pub fn least(cell: u64) -> i64 {
    !greatest(cell)
}

/// Says where a tally is in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Its keys; the eight bytes in front hold the position of the tally.
    pub keys: Vec<KeyPlace>,
    /// Its amounts.
    pub amounts: Vec<AmountPlace>,
    /// The cell of the greatest time of its records, when one of its keys is a window.
    pub time: Option<usize>,
}

/// Holds where a filter counts.
///
/// The two tables have the same form. Programs read which one to use behind setting the cell `BUSY` of their scratch; so the
/// other one is quiet once the choice has changed and each processor was seen not to be busy after it. It can be read and
/// emptied then, and nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The position of the map that says which table is in use: eight bytes, 0 or 1.
    pub choice_map: u32,
    /// The positions of the tables.
    pub maps: [u32; 2],
    /// By tally.
    pub places: Vec<Places>,
}

impl Tables {
    /// The position of the scratch, whose first eight bytes are `BUSY`, for each processor.
    pub const SCRATCH_MAP: u32 = crate::emit::SCRATCH_MAP;
    /// The cell with the count of records that came under a key.
    pub const COUNT_CELL: usize = 0;
}

/// Returns the definition of a table.
fn table(name: &str, key_size: usize, value_size: usize) -> MapDef {
    let size = |size: usize| u32::try_from(size).expect("keys and amounts are few");
    MapDef::new(name, MapKind::PerCpuHash, size(key_size), size(value_size), ENTRIES_MAX)
}

#[cfg(test)]
mod tests {
    use super::{greatest, least};

    #[test]
    fn an_empty_cell_stands_for_what_any_integer_replaces() {
        assert_eq!((greatest(0), least(0)), (i64::MIN, i64::MAX));
        assert_eq!((greatest(7 ^ 1 << 63), least((!7_u64) ^ 1 << 63)), (7, 7));
    }
}
