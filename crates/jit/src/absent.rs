//! The API of a build without a code generator: everything is there, and nothing of it can be made.
//!
//! [`Target::host`] says so, and callers do what they do on a machine without native code: they interpret. Behind a value
//! of any other type of this module stands [`Never`], so that its methods are never entered and need no answer of their
//! own. No unsafe code is part of such a build. Next: `unit.rs`, `scan/mod.rs`, which say what each item is.

use crate::batch::Batch;
use crate::context::{NativeContext, Records, Subqueries, Verdict};
use crate::entry::{Entry, Filled, Guard, Listing, Report};
use crate::layout::BufferTable;
use crate::refusal::Refusal;
use dtq_record::checked::CheckedRecords;
use dtq_record::otlp::index::RecordEntry;
use dtq_record::otlp::pass::Pass;
use dtq_record::slot::Slot;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::marker::PhantomData;

/// Has no value, and so has no type that holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Never {}

/// Holds what code is generated for.
#[derive(Clone, Debug)]
pub struct Target(Never);

impl Target {
    /// The architectures that [`Target::named`] knows: none.
    pub const NAMES: &'static [&'static str] = &[];

    /// Returns no target.
    ///
    /// # Errors
    /// [`Refusal::Build`], always.
    pub fn host() -> Result<Self, Refusal> {
        Err(Refusal::Build)
    }

    /// Returns no target.
    ///
    /// # Errors
    /// [`Refusal::Build`], always.
    pub fn named(_architecture: &str) -> Result<Self, Refusal> {
        Err(Refusal::Build)
    }

    /// Says whether its code runs here.
    pub fn is_host(&self) -> bool {
        match self.0 {}
    }

    /// Returns its name.
    pub fn name(&self) -> String {
        match self.0 {}
    }
}

/// Compiles expressions for one target.
#[derive(Clone, Debug)]
pub struct Compiler(Never);

impl Compiler {
    /// Returns no compiler.
    ///
    /// # Errors
    /// [`Refusal::Build`], always.
    pub fn host() -> Result<Self, Refusal> {
        Err(Refusal::Build)
    }

    /// Returns a compiler whose code is to be looked at.
    pub fn for_target(target: Target) -> Self {
        match target.0 {}
    }

    /// Returns a compiler for code that others will replace.
    #[must_use]
    pub fn quick(&self) -> Self {
        match self.0 {}
    }

    /// Returns what it generates code for.
    pub fn target(&self) -> &Target {
        match self.0 {}
    }

    /// Returns code that runs.
    ///
    /// # Errors
    /// Never entered.
    pub fn compile(&self, _entries: &[Entry<'_>]) -> Result<Code, Refusal> {
        match self.0 {}
    }

    /// Returns the functions of the entries as text.
    ///
    /// # Errors
    /// Never entered.
    pub fn listings(&self, _entries: &[Entry<'_>]) -> Result<Vec<Listing>, Refusal> {
        match self.0 {}
    }
}

/// Holds compiled functions.
#[derive(Debug)]
pub struct Code(Never);

impl Code {
    /// Returns the condition at a position.
    pub fn condition(&self, _index: u32) -> Condition<'_> {
        match self.0 {}
    }

    /// Says whether the condition at a position may leave records.
    pub fn leaves(&self, _index: u32) -> bool {
        match self.0 {}
    }

    /// Returns the value at a position.
    pub fn value(&self, _index: u32) -> ValueFn<'_> {
        match self.0 {}
    }

    /// Returns the size of the machine code in bytes.
    pub fn size(&self) -> usize {
        match self.0 {}
    }

    /// Returns how many functions share its memory.
    pub fn function_count(&self) -> usize {
        match self.0 {}
    }

    /// Returns which constructs became instructions.
    pub fn report(&self) -> &Report {
        match self.0 {}
    }
}

/// A compiled condition.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a>(Never, PhantomData<&'a Code>);

impl Condition<'_> {
    /// Decides the condition over the slots of a record.
    ///
    /// # Errors
    /// Never entered.
    pub fn decide(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _slots: &[Slot],
        _buffers: &BufferTable<'_>,
    ) -> Result<Verdict, Fault> {
        match self.0 {}
    }

    /// Decides the condition over a row.
    ///
    /// # Errors
    /// Never entered.
    pub fn decide_row(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _row: &[Value],
    ) -> Result<Verdict, Fault> {
        match self.0 {}
    }

    /// Decides the condition of many records.
    pub fn decide_many(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _records: Records<'_>,
        _out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        match self.0 {}
    }

    /// Decides the condition of many checked records.
    pub fn decide_checked(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _records: &CheckedRecords,
        _out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        match self.0 {}
    }
}

/// A compiled value.
#[derive(Clone, Copy, Debug)]
pub struct ValueFn<'a>(Never, PhantomData<&'a Code>);

impl ValueFn<'_> {
    /// Returns the value over the slots of a record.
    ///
    /// # Errors
    /// Never entered.
    pub fn eval(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _slots: &[Slot],
        _buffers: &BufferTable<'_>,
    ) -> Result<Value, Fault> {
        match self.0 {}
    }

    /// Returns the value over a row.
    ///
    /// # Errors
    /// Never entered.
    pub fn eval_row(
        &self,
        _ctx: &mut NativeContext,
        _subqueries: &dyn Subqueries,
        _row: &[Value],
    ) -> Result<Value, Fault> {
        match self.0 {}
    }
}

/// Says which bits of what is wanted belong to which slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanLayout(Never);

impl ScanLayout {
    /// Returns the bits of what a slot is filled from.
    pub fn bits(&self, _slot: usize) -> u64 {
        match self.0 {}
    }

    /// Returns the bits of everything.
    pub fn all(&self) -> u64 {
        match self.0 {}
    }
}

/// Holds the code that fills the slots of one level.
#[derive(Debug)]
pub struct RecordScan(Never);

impl RecordScan {
    /// Compiles the scan of a pass.
    ///
    /// # Errors
    /// Never entered.
    pub fn compile(target: &Target, _pass: &Pass, _slot_count: usize, _guards: &[Guard]) -> Result<Self, Refusal> {
        match target.0 {}
    }

    /// Returns what the code of a scan looks like.
    ///
    /// # Errors
    /// Never entered.
    pub fn listing(target: &Target, _pass: &Pass, _slot_count: usize, _guards: &[Guard]) -> Result<Listing, Refusal> {
        match target.0 {}
    }

    /// Returns which bits stand for which slots.
    pub fn layout(&self) -> &ScanLayout {
        match self.0 {}
    }

    /// Returns the size of the code in bytes.
    pub fn code_size(&self) -> usize {
        match self.0 {}
    }

    /// Decides the records of a batch.
    pub(crate) fn decide<'r>(
        &self,
        _batch: &Batch<'_>,
        _ctx: &mut NativeContext,
        _filled: (&mut [Slot], &mut BufferTable<'r>),
        _records: (&'r [u8], &[RecordEntry]),
        _out: &mut [u8],
    ) -> usize {
        match self.0 {}
    }

    /// Fills the slots that are wanted from a message.
    pub fn fill(&self, _message: &[u8], _slots: &mut [Slot], _wanted: u64) -> Filled {
        match self.0 {}
    }
}
