//! The rest of a condition that is a search of one text for one literal: decided of all noted records in one loop, where
//! generated code would call for each.
//!
//! Which conditions end so is found by `lower/passes.rs`. Who calls: [`crate::call`].

use crate::pools::Tables;
use crate::records::ColumnWalk;
use dtq_record::slot::Slot;

/// Holds which texts are searched, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The slot, which has a text or null.
    pub slot: u32,
    /// What is searched for.
    pub literal: Literal,
    /// Whether it is not to be there.
    pub is_negated: bool,
}

/// Names a literal by its position in the tables of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Among the finders.
    Exact(i32),
    /// Among those that ignore ASCII case.
    Folded(i32),
}

impl Search {
    /// Decides the records at some positions; the others keep what they have in `out`.
    ///
    /// # Panics
    /// If a position is one of no record.
    pub fn decide(&self, tables: &Tables, walk: &ColumnWalk<'_>, positions: &[u32], out: &mut [u8]) {
        match self.literal {
            Literal::Exact(at) => {
                let finder = &tables.finders[at as usize];
                self.each(walk, positions, out, |text| finder.find(text).is_some());
            }
            Literal::Folded(at) => {
                let finder = &tables.folded[at as usize];
                self.each(walk, positions, out, |text| finder.is_in(text));
            }
        }
    }

    fn each(&self, walk: &ColumnWalk<'_>, positions: &[u32], out: &mut [u8], has: impl Fn(&[u8]) -> bool) {
        let (slots, arena) = (walk.column(self.slot as usize), walk.records.buffers().arena);
        for position in positions {
            let is_there = has(text_of(&slots[*position as usize], arena));
            out[*position as usize] = u8::from(is_there != self.is_negated);
        }
    }
}

/// Returns the text of a slot of checked records, which is empty for null.
fn text_of<'a>(slot: &Slot, arena: &'a [u8]) -> &'a [u8] {
    let start = slot.payload() as usize;
    arena.get(start..start + slot.length() as usize).unwrap_or_default()
}
