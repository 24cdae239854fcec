//! What one call of generated code has besides its inputs: helpers, constants, the context, what it holds meanwhile.
//!
//! Generated code reads the numbers in front and hands the rest to [`crate::helpers`]. Next: [`crate::call`].

use crate::context::{NativeContext, Subqueries};
use crate::helpers::{HELPERS, HelperTable};
use crate::layout::{Cell, View, tag};
use crate::pools::{RelSite, Tables};
use dtq_ir::Nulls;
use dtq_source::{Code, Limits};
use dtq_value::Value;
use dtq_value::scalar::{Call, Fault};
use smallvec::SmallVec;

const _: () = assert!(Frame::NUMBERS_SIZE == 32);

/// Holds for each number of four bits the positions of those that are set, in order, and zeros behind them.
#[repr(C, align(16))]
struct SetBits([[u32; 4]; 16]);

static SET_BITS: SetBits = {
    let mut table = [[0; 4]; 16];
    let mut number = 0;
    while number < table.len() {
        let (mut bit, mut count) = (0, 0);
        while bit < 4 {
            if number >> bit & 1 != 0 {
                table[number][count] = bit;
                count += 1;
            }
            bit += 1;
        }
        number += 1;
    }
    SetBits(table)
};

/// Holds what one call needs besides its inputs; generated code reads its beginning and hands it to helpers.
#[repr(C)]
pub struct Frame<'a> {
    /// The functions that may be called.
    helpers: &'static HelperTable,
    /// Address of the views of the module's texts.
    texts: *const View,
    /// Address of the cells of the module's values.
    values: *const Cell,
    /// How many values the call holds.
    held_count: u64,
    /// Address of the positions of the bits that are set in a number of four.
    set_bits: &'static SetBits,
    tables: &'a Tables,
    context: &'a mut NativeContext,
    subqueries: &'a dyn Subqueries,
}

impl<'a> Frame<'a> {
    /// Offset of the address of the helpers' table.
    pub const HELPERS: i32 = std::mem::offset_of!(Frame<'_>, helpers) as i32;
    /// Offset of the address of the texts' views.
    pub const TEXTS: i32 = std::mem::offset_of!(Frame<'_>, texts) as i32;
    /// Offset of the address of the values' cells.
    pub const VALUES: i32 = std::mem::offset_of!(Frame<'_>, values) as i32;
    /// Offset of the count of held values, 8 bytes.
    pub const HELD_COUNT: i32 = std::mem::offset_of!(Frame<'_>, held_count) as i32;

    /// Offset of the address of [`SetBits`].
    pub const SET_BITS: i32 = std::mem::offset_of!(Frame<'_>, set_bits) as i32;

    /// Returns the frame of a call, over the views and cells of texts and values that live as long as the tables.
    #[inline]
    pub(crate) fn new(
        (tables, texts, values): (&'a Tables, &'a [View], &'a [Cell]),
        context: &'a mut NativeContext,
        subqueries: &'a dyn Subqueries,
    ) -> Self {
        context.held.clear();
        let (texts, values) = (texts.as_ptr(), values.as_ptr());
        Frame { helpers: &HELPERS, texts, values, held_count: 0, set_bits: &SET_BITS, tables, context, subqueries }
    }

    /// Returns a frame as a call has it, for tests that stand in for generated code.
    #[cfg(test)]
    pub(crate) fn of(tables: &'a Tables, context: &'a mut NativeContext, subqueries: &'a dyn Subqueries) -> Self {
        Self::new((tables, &[], &[]), context, subqueries)
    }

    /// Makes it the frame of another call, maybe of another module.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        (tables, texts, values): (&'a Tables, &'a [View], &'a [Cell]),
        subqueries: &'a dyn Subqueries,
    ) {
        if self.held_count != 0 {
            self.release();
        }
        (self.tables, self.texts, self.values) = (tables, texts.as_ptr(), values.as_ptr());
        self.subqueries = subqueries;
    }

    /// Forgets that a helper has failed.
    pub(crate) fn forget_fault(&mut self) {
        self.context.fault = None;
    }

    /// Says whether a helper has failed in this call.
    pub(crate) fn has_fault(&self) -> bool {
        self.context.fault.is_some()
    }

    /// Size of the numbers in front, which code may read in the place of a text that is not there.
    pub const NUMBERS_SIZE: usize = std::mem::offset_of!(Frame<'_>, held_count) + size_of::<u64>();

    /// Forgets what the call holds.
    pub(crate) fn release(&mut self) {
        self.context.held.clear();
        self.held_count = 0;
    }

    /// Keeps a value until the end of the call where it has no room in a cell, and returns its cell.
    pub(crate) fn keep(&mut self, value: Value) -> Result<Cell, Fault> {
        let plain = Cell::plain(&value);
        if let (Value::String(text), None) = (&value, plain) {
            let message = format!("a text of {} bytes is more than native code takes", text.size());
            return Err(Fault::new(Code::E3003, message));
        }
        match (plain, &value) {
            // The bytes of a string lie behind the value and stay where they are.
            (Some(cell), Value::String(text)) if text.is_empty() => Ok(cell),
            (Some(cell), Value::String(_)) => {
                self.hold(value);
                Ok(cell)
            }
            (Some(cell), _) => Ok(cell),
            (None, _) => Ok(Cell::number(tag::HELD, self.hold(value))),
        }
    }

    fn hold(&mut self, value: Value) -> u64 {
        let position = self.context.held.len() as u64;
        self.context.held.push(value);
        self.held_count = position + 1;
        position
    }

    /// Returns a value that the call holds.
    pub(crate) fn held(&self, position: u64) -> Option<&Value> {
        self.context.held.get(usize::try_from(position).ok()?)
    }

    pub(crate) fn set_fault(&mut self, fault: Fault) {
        self.context.fault = Some(fault);
    }

    pub(crate) fn tables(&self) -> &'a Tables {
        self.tables
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.context.scalar.limits
    }

    /// Returns how many cells a call site is handed.
    pub(crate) fn handed_count(&self, site: u32) -> usize {
        self.tables.sites[site as usize].constants.iter().filter(|constant| constant.is_none()).count()
    }

    /// Calls the meaning of a site, as the interpreter does; `value_of` gives the values of the cells handed over.
    pub(crate) fn call(
        &mut self,
        site: u32,
        handed: &[Cell],
        value_of: impl Fn(&Self, Cell) -> Value,
    ) -> Result<Value, Fault> {
        let site = &self.tables.sites[site as usize];
        let mut handed = handed.iter();
        let args: SmallVec<[Value; 4]> = site
            .constants
            .iter()
            .map(|constant| match constant {
                Some(value) => value.clone(),
                None => handed.next().map(|cell| value_of(self, *cell)).unwrap_or_default(),
            })
            .collect();
        if site.function.nulls == Nulls::Propagate && args.iter().any(Value::is_null) {
            return Ok(Value::missing(site.ty));
        }
        let signature = &site.function.0.signatures[usize::from(site.signature)];
        let ctx = &mut self.context.scalar;
        (signature.eval)(&mut Call { args: &args, pooled: site.pooled.as_ref(), ctx })
    }

    pub(crate) fn scalar(&self, rel: u32) -> Result<Value, Fault> {
        self.subqueries.scalar(self.tables.rels[rel as usize].rel)
    }

    pub(crate) fn is_member(&self, rel: u32, value: &Value) -> Result<Value, Fault> {
        let RelSite { rel, is_negated, is_case_ignored } = self.tables.rels[rel as usize];
        self.subqueries.is_member(rel, value, is_negated, is_case_ignored)
    }
}
