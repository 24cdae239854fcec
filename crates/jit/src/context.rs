//! What calls of native code are handed and give back: contexts, subqueries, records, verdicts.
//!
//! Holds no code and knows no generator, so that it is the same in a build without one. Next: `layout.rs`.

use crate::layout::{BufferTable, Cell};
use dtq_ir::RelId;
use dtq_record::slot::Slot;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::{Context, Fault};

/// Gives what the relations inside expressions yielded: `toscalar` and `in (T)`.
pub trait Subqueries {
    /// Returns the value of a `toscalar`.
    ///
    /// # Errors
    /// When it is not known.
    fn scalar(&self, rel: RelId) -> Result<Value, Fault>;

    /// Returns whether a value is in a relation, as `in` sees it.
    ///
    /// # Errors
    /// When the relation is not known.
    fn is_member(&self, rel: RelId, value: &Value, is_negated: bool, is_case_ignored: bool) -> Result<Value, Fault>;
}

/// For programs without subqueries.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSubqueries;

impl Subqueries for NoSubqueries {
    fn scalar(&self, _rel: RelId) -> Result<Value, Fault> {
        Err(not_known())
    }

    fn is_member(&self, _: RelId, _: &Value, _: bool, _: bool) -> Result<Value, Fault> {
        Err(not_known())
    }
}

fn not_known() -> Fault {
    Fault::new(Code::E2900, "a subquery that depends on the rows around it is not supported; use `join` or `lookup`")
}

/// Holds what calls of native code use and change: bounds, time, randomness, and values on the way.
///
/// One for each thread; it serves any code.
#[derive(Debug)]
pub struct NativeContext {
    /// Bounds, time and randomness, as the interpreter has them.
    pub scalar: Context,
    pub(crate) held: Vec<Value>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) fault: Option<Fault>,
    /// Room for the positions of records that are decided in two passes.
    pub(crate) positions: Vec<u32>,
}

impl NativeContext {
    /// Returns a context.
    pub fn new(scalar: Context) -> Self {
        Self { scalar, held: Vec::new(), cells: Vec::new(), fault: None, positions: Vec::new() }
    }
}

/// Says what a condition gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not hold.
    False,
    /// It holds.
    True,
    /// It is null.
    Null,
    /// It was not decided, which only an [`EntryKind::First`](crate::EntryKind::First) leaves open.
    Left,
}

/// Holds the records of one call of a condition over many.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// The slots of all records, one record behind the other.
    pub slots: &'a [Slot],
    /// Slots from one record to the next.
    pub stride: usize,
    /// The buffers of each record, or one for all.
    pub buffers: &'a [BufferTable<'a>],
}
