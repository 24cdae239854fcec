//! What is known of a function of a module besides its code: how it is entered, what it needs, and what does the rest.
//!
//! Holds no code and calls none. Next: [`crate::call`].

use crate::search::Search;
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;

/// Names a function of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u32);

/// Says how a function is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// Frame, inputs (slots or cells), buffers; a verdict as number.
    Condition,
    /// Frame, inputs, buffers, room for a cell; 0, or a fault as number.
    Value,
    /// Frame, slots, bytes from one record's slots to the next, buffers, bytes from one record's buffers to the next,
    /// room for a byte a record, count of records; how many bytes were written.
    Many,
    /// The same with room for the slots that are chosen for a record, in the place of a byte.
    Choices,
    /// Frame, slots, bytes from one column's slots to the next, buffers, room for a position a record, room for a byte a
    /// record, count of records; how many bytes, or positions, were written. The slots are those of checked records.
    Checked,
    /// The same with positions that were written, and their count: for how many of them a byte was written.
    Confirm,
    /// The same with room for the slots that are chosen for a record, and none for positions.
    CheckedChoices,
    /// Message, its size, slots, what is wanted; how it ended as number.
    Scan,
}

impl EntryPoint {
    /// Returns the signature; the methods of [`Module`](crate::call::Module) call by the same.
    pub fn signature(self, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        let (params, returned) = match self {
            EntryPoint::Condition => (3, types::I32),
            EntryPoint::Value => (4, types::I32),
            EntryPoint::Many | EntryPoint::Choices => (7, types::I64),
            EntryPoint::Checked | EntryPoint::Confirm | EntryPoint::CheckedChoices => (7, types::I64),
            EntryPoint::Scan => (4, types::I32),
        };
        signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
        signature.returns.push(AbiParam::new(returned));
        signature
    }
}

/// Says what a function reads of its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How many slots or cells there must be.
    pub input_count: usize,
    /// The columns of a row that the cells are made of, in order; none when it reads slots, or nothing.
    pub columns: Option<Vec<u32>>,
    /// How many slots it writes for each record, when it chooses some.
    pub output_count: usize,
    /// Whether it leaves before what is slow, so that another function has to do that; over checked records, whether it
    /// writes positions, of which another function decides the rest.
    pub leaves: bool,
    /// The tags that it takes for granted, as bits by their numbers, of slots by their positions: of others, all.
    pub tags: Vec<u32>,
    /// What decides the records whose positions it writes, when that is a search.
    pub search: Option<Search>,
}

/// Holds where a function lies in the code of its module, and how it is entered.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Offset in bytes.
    pub offset: usize,
    /// How it is entered.
    pub point: EntryPoint,
    /// What it reads.
    pub needs: Needs,
    /// What is called for a record that it has left, or for records that have other tags than it takes for granted.
    pub fallback: Option<FunctionId>,
    /// What decides the records whose positions it has written.
    pub confirm: Option<FunctionId>,
}

impl Entry {
    /// Says whether it writes positions, of which something else decides the rest.
    pub fn is_noting(&self) -> bool {
        self.confirm.is_some() || self.needs.search.is_some()
    }
}
