//! What is to be compiled, and what is told of it: expressions and where their columns are, guards of scans, texts.
//!
//! Holds no code and knows no generator, so that it is the same in a build without one. Next: `context.rs`.

use dtq_ir::{ExprId, Program};
use std::collections::BTreeMap;

/// Says where the value of a column is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// In this slot of the record.
    Slot(u32),
    /// In a slot that is the key of a bag; when the bag has no such key, in another slot, whose `""` is null.
    KeyOr {
        /// The slot of the key.
        key: u32,
        /// The slot of the column that stands in.
        other: u32,
    },
    /// In this column of the row.
    Row(u32),
}

/// Says what an expression becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A condition of which only whether it is true matters: a null is [`Verdict::False`](crate::Verdict::False).
    Filter,
    /// The same without what few records need: of those that do the verdict is [`Verdict::Left`](crate::Verdict::Left).
    ///
    /// It takes half the time to compile. A condition that depends on more than the record leaves nothing out.
    First,
    /// A condition that tells null from false.
    Condition,
    /// A condition over many records at once; a null counts as false.
    Many,
    /// A condition over many checked records at once; a null counts as false.
    Checked,
    /// A value of any type.
    Value,
}

/// Holds an expression to compile.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The program that it belongs to.
    pub program: &'a Program,
    /// The expression.
    pub expr: ExprId,
    /// Where the columns are that it refers to, by their position.
    pub inputs: &'a [Input],
    /// What it becomes.
    pub kind: EntryKind,
}

/// Says how the constructs of compiled expressions are done, by the names of their functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often a function became instructions, or a helper made for it.
    pub inlined: BTreeMap<&'static str, u32>,
    /// How often a function is called as the interpreter calls it.
    pub called: BTreeMap<&'static str, u32>,
}

impl Report {
    pub(crate) fn inlined(&mut self, name: &'static str) {
        *self.inlined.entry(name).or_default() += 1;
    }

    pub(crate) fn called(&mut self, name: &'static str) {
        *self.called.entry(name).or_default() += 1;
    }
}

/// Holds what one function looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In the code generator's language.
    pub clif: String,
    /// As instructions of the target.
    pub asm: String,
}

/// Says how a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The wanted slots are filled.
    Done,
    /// The message is one that the filler has to read; the slots mean nothing.
    Irregular,
    /// A guard failed: no condition that it was taken from is true. The slots mean nothing.
    Settled,
}

/// Holds a test of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The slot.
    pub slot: u32,
    /// What it must pass.
    pub test: GuardTest,
}

/// Names what a slot must hold for a record to match.
///
/// The tests of numbers fail for ints and longs that do not pass, and for null; the tests of texts as said at each. A
/// slot that holds anything else passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardTest {
    /// At least this.
    IntAtLeast(i64),
    /// At most this.
    IntAtMost(i64),
    /// Exactly this.
    IntEquals(i64),
    /// This text: fails for a string that is another, and for null, which reads as `""`, when the text is not empty.
    TextEquals(Box<[u8]>),
    /// Not this text: fails for a string that is this.
    TextDiffers(Box<[u8]>),
}
