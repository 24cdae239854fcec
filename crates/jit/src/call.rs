//! Machine code in memory, and the only calls of it.
//!
//! The memory of a module and the positions of its functions lie in one type, which gives no address away and frees the
//! memory when it is dropped. Each kind of function has one method that calls it, with what it reads checked before.
//! Next: [`crate::helpers`], which generated code calls back.
#![allow(unsafe_code, reason = "machine code is called, and its memory freed, here alone")]

use crate::batch::{ASKS_MAX, Ask, Batch};
use crate::context::{NativeContext, NoSubqueries, Records, Subqueries, Verdict};
use crate::entry::Filled;
use crate::helpers::{HELPERS, HelperTable, value_of};
use crate::layout::{BufferTable, Cell, View, tag};
use crate::pools::{RelSite, Tables};
use crate::records::{Walk, check_slots};
use crate::target::{Refusal, Target};
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_jit::{JITBuilder, JITMemoryProvider, JITModule, SystemMemoryProvider};
use cranelift_module::{Module as _, ModuleError};
use dtq_ir::Nulls;
use dtq_record::otlp::index::RecordEntry;
use dtq_record::slot::Slot;
use dtq_source::{Code, Limits};
use dtq_value::Value;
use dtq_value::scalar::{Call, Fault};
use smallvec::SmallVec;
use std::fmt;
use std::mem::transmute;

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
    /// Message, its size, slots, what is wanted; how it ended as number.
    Scan,
}

impl EntryPoint {
    /// Returns the signature; the methods of [`Module`] call by the same.
    pub fn signature(self, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        let (params, returned) = match self {
            EntryPoint::Condition => (3, types::I32),
            EntryPoint::Value => (4, types::I32),
            EntryPoint::Many | EntryPoint::Choices => (7, types::I64),
            EntryPoint::Scan => (4, types::I32),
        };
        signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
        signature.returns.push(AbiParam::new(returned));
        signature
    }
}

/// A function over inputs, which are slots or cells: both have the same size and alignment.
type ConditionFn = unsafe extern "C" fn(*mut Frame<'_>, *const u8, *const BufferTable<'_>) -> u32;
type ValueFn = unsafe extern "C" fn(*mut Frame<'_>, *const u8, *const BufferTable<'_>, *mut Cell) -> u32;
type ManyFn =
    unsafe extern "C" fn(*mut Frame<'_>, *const Slot, usize, *const BufferTable<'_>, usize, *mut u8, usize) -> usize;
type ChoicesFn =
    unsafe extern "C" fn(*mut Frame<'_>, *const Slot, usize, *const BufferTable<'_>, usize, *mut Slot, usize) -> usize;
type ScanFn = unsafe extern "C" fn(*const u8, u64, *mut Slot, u64) -> u32;

/// Says what a function reads of its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How many slots or cells there must be.
    pub input_count: usize,
    /// The columns of a row that the cells are made of, in order; none when it reads slots, or nothing.
    pub columns: Option<Vec<u32>>,
    /// How many slots it writes for each record, when it chooses some.
    pub output_count: usize,
    /// Whether it leaves before what is slow, so that another function has to do that.
    pub leaves: bool,
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
    /// What is called for a record that it has left.
    pub fallback: Option<FunctionId>,
}

const _: () = assert!(Frame::NUMBERS_SIZE == 32);

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

    /// Returns a frame as a call has it, for tests that stand in for generated code.
    #[cfg(test)]
    pub(crate) fn of(tables: &'a Tables, context: &'a mut NativeContext, subqueries: &'a dyn Subqueries) -> Self {
        let (texts, values) = (std::ptr::null(), std::ptr::null());
        Frame { helpers: &HELPERS, texts, values, held_count: 0, tables, context, subqueries }
    }
    /// Size of the numbers in front, which code may read in the place of a text that is not there.
    pub const NUMBERS_SIZE: usize = std::mem::offset_of!(Frame<'_>, held_count) + size_of::<u64>();

    /// Makes it the frame of a call of another module.
    #[inline]
    fn enter(&mut self, module: &'a Module, subqueries: &'a dyn Subqueries) {
        if self.held_count != 0 {
            self.release();
        }
        (self.texts, self.values, self.tables) = (module.views.as_ptr(), module.cells.as_ptr(), &module.tables);
        self.subqueries = subqueries;
    }

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

/// What functions return for a condition that does not hold, holds, is null; and for a fault, which the frame has.
pub mod status {
    pub const FALSE: i64 = 0;
    pub const TRUE: i64 = 1;
    pub const NULL: i64 = 2;
    pub const FAULT: i64 = 3;
}

/// What scans return: the slots are filled, the filler has to read the message, a guard failed.
pub mod filled {
    pub const DONE: i64 = 0;
    pub const IRREGULAR: i64 = 1;
    pub const SETTLED: i64 = 2;
}

/// Holds the executable memory of a module.
struct Memory {
    /// Always there but while it is dropped.
    module: Option<JITModule>,
    start: *const u8,
}

// SAFETY: the memory is not written once it is executable, and nothing here hands out more than its address.
unsafe impl Sync for Memory {}
// SAFETY: as above; no thread has a part in it.
unsafe impl Send for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: a call of the code borrows the `Code` that owns this, so that none is under way.
            unsafe { module.free_memory() };
        }
    }
}

/// Holds the machine code of a module, ready to be called.
pub struct Module {
    memory: Memory,
    entries: Vec<Entry>,
    /// The views of the texts of `tables`, in order.
    views: Vec<View>,
    /// The cells of the values of `tables`, in order.
    cells: Vec<Cell>,
    tables: Tables,
    size: usize,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({} functions, {} bytes)", self.entries.len(), self.size)
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Module>();
};

impl Module {
    /// Copies code into memory and makes it executable.
    ///
    /// # Errors
    /// [`Refusal::Memory`] when the system does not allow it.
    pub(crate) fn load(target: &Target, bytes: &[u8], entries: Vec<Entry>, tables: Tables) -> Result<Self, Refusal> {
        Self::load_into(Box::new(SystemMemoryProvider::new()), target, bytes, entries, tables)
    }

    fn load_into(
        provider: Box<dyn JITMemoryProvider + Send>,
        target: &Target,
        bytes: &[u8],
        entries: Vec<Entry>,
        tables: Tables,
    ) -> Result<Self, Refusal> {
        let mut builder = JITBuilder::with_isa(target.shared_isa(), Box::new(|call| call.to_string()));
        builder.memory_provider(provider);
        let mut memory = Memory { module: Some(JITModule::new(builder)), start: std::ptr::null() };
        let module = memory.module.as_mut().expect("just made");
        memory.start = place(module, bytes).map_err(|error| Refusal::Memory(error.to_string()))?;
        let views = tables.texts.iter().map(|text| View::of(text.as_bytes())).collect();
        let cells = tables.values.iter().map(Cell::of).collect();
        Ok(Self { memory, entries, views, cells, tables, size: bytes.len() })
    }

    /// Returns how a function is entered and what it needs.
    #[inline]
    pub(crate) fn entry(&self, id: FunctionId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    /// Returns the size of the code in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns how many functions there are.
    pub fn function_count(&self) -> usize {
        self.entries.len()
    }

    /// Returns the address of a function that is entered like `point`.
    #[inline]
    fn address(&self, entry: &Entry, point: EntryPoint) -> *const u8 {
        assert_eq!(entry.point, point, "a function is called as what it was defined as");
        self.memory.start.wrapping_add(entry.offset)
    }

    #[inline]
    fn frame<'a>(&'a self, context: &'a mut NativeContext, subqueries: &'a dyn Subqueries) -> Frame<'a> {
        context.held.clear();
        let (texts, values) = (self.views.as_ptr(), self.cells.as_ptr());
        Frame { helpers: &HELPERS, texts, values, held_count: 0, tables: &self.tables, context, subqueries }
    }

    /// Calls a condition over slots.
    ///
    /// # Errors
    /// What a function of the condition fails with.
    ///
    /// # Panics
    /// If there are fewer slots than the condition reads, or it reads rows.
    #[inline]
    pub(crate) fn decide(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        slots: &[Slot],
        buffers: &BufferTable<'_>,
    ) -> Result<Verdict, Fault> {
        let entry = self.entry(id);
        check_slots(&entry.needs, slots.len());
        let verdict = self.run_condition(entry, (context, subqueries), slots.as_ptr().cast(), buffers);
        verdict_of(verdict, context)
    }

    /// Calls a condition over the cells of a row.
    pub(crate) fn decide_row(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        row: &[Value],
    ) -> Result<Verdict, Fault> {
        let entry = self.entry(id);
        let cells = take_cells(&entry.needs, context, row);
        let buffers = BufferTable::default();
        let verdict = self.run_condition(entry, (context, subqueries), cells.as_ptr().cast(), &buffers);
        context.cells = cells;
        verdict_of(verdict, context)
    }

    #[inline]
    fn run_condition(
        &self,
        entry: &Entry,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        inputs: *const u8,
        buffers: &BufferTable<'_>,
    ) -> u32 {
        let address = self.address(entry, EntryPoint::Condition);
        let mut frame = self.frame(context, subqueries);
        // SAFETY: the address is that of a function with the signature of `EntryPoint::Condition`, which is this one
        // (`tests/slots.rs` and `tests/sameness.rs` call each); the memory is alive as long as `self`.
        let function = unsafe { transmute::<*const u8, ConditionFn>(address) };
        // SAFETY: frame, inputs and buffers live through the call, and the callers have seen to that there are as many
        // inputs as the code reads.
        unsafe { function(&raw mut frame, inputs, buffers) }
    }

    /// Calls a scan of a message.
    ///
    /// # Panics
    /// If there are fewer slots than the scan fills.
    #[inline]
    pub(crate) fn scan(&self, id: FunctionId, message: &[u8], slots: &mut [Slot], wanted: u64) -> Filled {
        let entry = self.entry(id);
        assert!(slots.len() >= entry.needs.input_count, "a scan gets all slots that it fills");
        // Views have offsets of 32 bits.
        if u32::try_from(message.len()).is_err() {
            return Filled::Irregular;
        }
        let address = self.address(entry, EntryPoint::Scan);
        // SAFETY: the address is that of a function with the signature of `EntryPoint::Scan`, which is this one
        // (`tests/scan.rs`); the memory is alive as long as `self`.
        let function = unsafe { transmute::<*const u8, ScanFn>(address) };
        // SAFETY: message and slots live through the call, and there are as many slots as the code writes; it writes
        // only what is a slot, and reads behind a check of the size (`tests/scan.rs` scans cut and mutated messages).
        let status = unsafe { function(message.as_ptr(), message.len() as u64, slots.as_mut_ptr(), wanted) };
        match i64::from(status) {
            filled::DONE => Filled::Done,
            filled::SETTLED => Filled::Settled,
            _ => Filled::Irregular,
        }
    }

    /// Calls a scan and the conditions of a batch for one record after the other; returns how many were decided.
    ///
    /// # Panics
    /// If there are fewer slots than one of them uses, a condition is none over slots, or a record lies elsewhere.
    pub(crate) fn decide_scanned<'r>(
        &self,
        id: FunctionId,
        (batch, context): (&Batch<'_>, &mut NativeContext),
        (slots, buffers): (&mut [Slot], &mut BufferTable<'r>),
        (request, records): (&'r [u8], &[RecordEntry]),
        out: &mut [u8],
    ) -> usize {
        let entry = self.entry(id);
        assert!(slots.len() >= entry.needs.input_count, "a scan gets all slots that it fills");
        let address = self.address(entry, EntryPoint::Scan);
        // SAFETY: as in `scan`.
        let scan = unsafe { transmute::<*const u8, ScanFn>(address) };
        let asked: SmallVec<[Asked<'_>; ASKS_MAX]> =
            batch.asks.iter().map(|ask| Asked::new(ask, slots.len())).collect();
        let mut frame = self.frame(context, &NoSubqueries);
        for (done, (record, out)) in records.iter().zip(out.iter_mut()).enumerate() {
            let message = record.place.content(request);
            // SAFETY: as in `scan`; places are numbers of 32 bits, so that no message is larger.
            let status = unsafe { scan(message.as_ptr(), message.len() as u64, slots.as_mut_ptr(), batch.wanted) };
            let bits = match i64::from(status) {
                filled::DONE => {
                    buffers.set_record(message);
                    // SAFETY: they were made ready for these slots.
                    unsafe { ask_all(&asked, &mut frame, slots, buffers) }
                }
                filled::SETTLED => Some(0),
                _ => None,
            };
            match bits {
                Some(bits) if batch.stops >> bits & 1 == 0 => *out = bits,
                _ => return done,
            }
        }
        records.len().min(out.len())
    }

    /// Returns the value of an expression over slots.
    pub(crate) fn eval(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        slots: &[Slot],
        buffers: &BufferTable<'_>,
    ) -> Result<Value, Fault> {
        let entry = self.entry(id);
        check_slots(&entry.needs, slots.len());
        self.run_value(entry, (context, subqueries), slots.as_ptr().cast(), buffers)
    }

    /// Returns the value of an expression over the cells of a row.
    pub(crate) fn eval_row(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        row: &[Value],
    ) -> Result<Value, Fault> {
        let entry = self.entry(id);
        let cells = take_cells(&entry.needs, context, row);
        let buffers = BufferTable::default();
        let value = self.run_value(entry, (context, subqueries), cells.as_ptr().cast(), &buffers);
        context.cells = cells;
        value
    }

    fn run_value(
        &self,
        entry: &Entry,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        inputs: *const u8,
        buffers: &BufferTable<'_>,
    ) -> Result<Value, Fault> {
        let address = self.address(entry, EntryPoint::Value);
        let mut frame = self.frame(context, subqueries);
        let mut out = Cell::NULL;
        // SAFETY: the address is that of a function with the signature of `EntryPoint::Value`, which is this one
        // (`tests/slots.rs` and `tests/sameness.rs` call each); the memory is alive as long as `self`.
        let function = unsafe { transmute::<*const u8, ValueFn>(address) };
        // SAFETY: frame, inputs, buffers and room live through the call, and the callers have seen to that there are as
        // many inputs as the code reads.
        let status = unsafe { function(&raw mut frame, inputs, buffers, &raw mut out) };
        if i64::from(status) == status::FAULT {
            return Err(take_fault(context));
        }
        // SAFETY: the code stored the cell, of what lives through this call.
        Ok(unsafe { value_of(&frame, out) })
    }

    /// Calls a condition over many records, and returns how many it decided: all, unless one of them fails.
    ///
    /// # Panics
    /// If there are not as many slots, buffers and room as records.
    pub(crate) fn decide_many(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        records: Records<'_>,
        out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        let entry = self.entry(id);
        let count = out.len();
        let run = |entry: &Entry, frame: &mut Frame<'_>, walk: &Walk<'_>, start: usize, end: usize| {
            let address = self.address(entry, EntryPoint::Many);
            // SAFETY: the address is that of a function with the signature of `EntryPoint::Many`, which is this one
            // (`tests/slots.rs` and `tests/sameness.rs` call each); the memory is alive as long as `self`.
            let function = unsafe { transmute::<*const u8, ManyFn>(address) };
            let (slots, buffers) = walk.at(start);
            let out = out[start..end].as_mut_ptr();
            // SAFETY: frame, slots, buffers and room live through the call and suffice for these records: `Walk::new`
            // has checked the slots and buffers of all, and the room is counted here.
            unsafe { function(frame, slots, walk.step, buffers, walk.buffers_step, out, end - start) }
        };
        self.run_many((entry, count), (context, subqueries), records, run)
    }

    /// Writes the slots that are chosen for many records, and returns for how many: all, unless one of them fails.
    ///
    /// # Panics
    /// If there are not as many slots and buffers as records, or room for a part of a record.
    pub(crate) fn choose(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        records: Records<'_>,
        out: &mut [Slot],
    ) -> (usize, Option<Fault>) {
        let entry = self.entry(id);
        let width = entry.needs.output_count;
        let count = out.len().checked_div(width).unwrap_or(0);
        assert_eq!(count * width, out.len(), "there is room for whole records");
        let run = |entry: &Entry, frame: &mut Frame<'_>, walk: &Walk<'_>, start: usize, end: usize| {
            assert_eq!(entry.needs.output_count, width, "both functions write as much");
            let address = self.address(entry, EntryPoint::Choices);
            // SAFETY: the address is that of a function with the signature of `EntryPoint::Choices`, which is this one
            // (`tests/slots.rs`); the memory is alive as long as `self`.
            let function = unsafe { transmute::<*const u8, ChoicesFn>(address) };
            let (slots, buffers) = walk.at(start);
            let out = out[start * width..end * width].as_mut_ptr();
            // SAFETY: frame, slots, buffers and room live through the call and suffice for these records: `Walk::new`
            // has checked the slots and buffers of all, and the room is counted here. What is written are copies of
            // slots (`tests/slots.rs` reads them).
            let written = unsafe { function(frame, slots, walk.step, buffers, walk.buffers_step, out, end - start) };
            written / (width * size_of::<Slot>())
        };
        self.run_many((entry, count), (context, subqueries), records, run)
    }

    /// Runs a loop over records from one to another position until all are done or one fails; a record that it leaves is
    /// done by the function that leaves nothing out.
    fn run_many(
        &self,
        (entry, count): (&Entry, usize),
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        records: Records<'_>,
        mut run: impl FnMut(&Entry, &mut Frame<'_>, &Walk<'_>, usize, usize) -> usize,
    ) -> (usize, Option<Fault>) {
        let mut done = 0;
        while done < count {
            let walk = Walk::new(&entry.needs, &records, count);
            let mut frame = self.frame(context, subqueries);
            done += run(entry, &mut frame, &walk, done, count);
            if done == count || frame.context.fault.is_some() {
                break;
            }
            let slow = self.entry(entry.fallback.expect("a function leaves only to another"));
            let walk = Walk::new(&slow.needs, &records, count);
            let mut frame = self.frame(context, subqueries);
            if run(slow, &mut frame, &walk, done, done + 1) == 0 {
                break;
            }
            done += 1;
        }
        (done, (done < count).then(|| take_fault(context)))
    }
}

/// Holds a condition of a batch, ready to be called over as many slots as its batch has.
struct Asked<'a> {
    ask: &'a Ask<'a>,
    module: &'a Module,
    function: ConditionFn,
}

impl<'a> Asked<'a> {
    /// Returns a condition that is called over so many slots.
    ///
    /// # Panics
    /// If it reads more slots, or is none over slots.
    fn new(ask: &'a Ask<'a>, slot_count: usize) -> Self {
        let (module, id) = ask.condition.parts();
        let entry = module.entry(id);
        check_slots(&entry.needs, slot_count);
        let address = module.address(entry, EntryPoint::Condition);
        // SAFETY: as in `run_condition`.
        let function = unsafe { transmute::<*const u8, ConditionFn>(address) };
        Self { ask, module, function }
    }
}

/// Calls the conditions of a batch; `None` when one fails, whose fault is forgotten.
///
/// # Safety
/// There are as many slots as the conditions were made ready for.
#[inline]
unsafe fn ask_all<'a>(
    asked: &[Asked<'a>],
    frame: &mut Frame<'a>,
    slots: &[Slot],
    buffers: &BufferTable<'_>,
) -> Option<u8> {
    let mut bits = 0;
    for (at, Asked { ask, module, function }) in asked.iter().enumerate() {
        if bits & ask.mask != ask.bits {
            continue;
        }
        frame.enter(module, ask.subqueries);
        // SAFETY: as in `run_condition`; there are enough slots, as the caller promises.
        match i64::from(unsafe { function(frame, slots.as_ptr().cast(), buffers) }) {
            status::TRUE => bits |= 1 << at,
            status::FALSE | status::NULL => {}
            _ => {
                frame.context.fault = None;
                return None;
            }
        }
    }
    Some(bits)
}

/// Returns the cells of the columns that a function reads, in room that goes back to the context.
fn take_cells(needs: &Needs, context: &mut NativeContext, row: &[Value]) -> Vec<Cell> {
    assert!(needs.columns.is_some() || needs.input_count == 0, "a function over slots gets slots");
    let mut cells = std::mem::take(&mut context.cells);
    cells.clear();
    let columns = needs.columns.as_deref().unwrap_or_default();
    cells.extend(columns.iter().map(|column| Cell::of(&row[*column as usize])));
    cells
}

fn verdict_of(verdict: u32, context: &mut NativeContext) -> Result<Verdict, Fault> {
    match i64::from(verdict) {
        status::FALSE => Ok(Verdict::False),
        status::TRUE => Ok(Verdict::True),
        status::NULL => Ok(Verdict::Null),
        _ => Err(take_fault(context)),
    }
}

fn take_fault(context: &mut NativeContext) -> Fault {
    context.fault.take().expect("code returns this status after a helper left a fault")
}

/// Puts code into the memory of a module, and returns where it begins.
#[allow(clippy::result_large_err, reason = "the error is turned into text at once")]
fn place(module: &mut JITModule, bytes: &[u8]) -> Result<*const u8, ModuleError> {
    let signature = module.make_signature();
    let id = module.declare_anonymous_function(&signature)?;
    module.define_function_bytes(id, crate::module::ALIGNMENT as u64, bytes, &[])?;
    module.finalize_definitions()?;
    Ok(module.get_finalized_function(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::ModuleBuilder;
    use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
    use cranelift_jit::{BranchProtection, JITMemoryKind};
    use cranelift_module::ModuleResult;
    use dtq_record::slot::Buffers;
    use dtq_value::scalar::Context;
    use std::io;

    /// A condition that is the payload of its third slot, as number.
    fn third_slot(target: &Target) -> ModuleBuilder {
        let mut module = ModuleBuilder::new(target);
        let defined = module.define(EntryPoint::Condition, |builder| {
            let block = builder.create_block();
            builder.append_block_params_for_function_params(block);
            builder.switch_to_block(block);
            let slots = builder.block_params(block)[1];
            let flags = MemFlagsData::trusted();
            let payload = builder.ins().load(types::I64, flags, slots, 2 * 16 + 8);
            let verdict = builder.ins().ireduce(types::I32, payload);
            builder.ins().return_(&[verdict]);
            builder.seal_all_blocks();
            Ok(Needs { input_count: 3, ..Needs::default() })
        });
        assert_eq!(defined, Ok(FunctionId(0)));
        module
    }

    fn context() -> NativeContext {
        NativeContext::new(Context::new(Limits::default(), 0, 0))
    }

    #[test]
    fn code_is_called() {
        let code = third_slot(&Target::host().unwrap()).finish(Tables::default()).unwrap();
        let table = BufferTable::new(&Buffers::default());
        for (number, expected) in [(0, Verdict::False), (1, Verdict::True), (2, Verdict::Null)] {
            let slots = [Slot::MISSING, Slot::MISSING, Slot::long(number)];
            assert_eq!(code.decide(FunctionId(0), (&mut context(), &NoSubqueries), &slots, &table), Ok(expected));
        }
        assert!(code.size() > 0);
    }

    #[test]
    #[should_panic(expected = "all slots that it reads")]
    fn too_few_slots_are_no_undefined_behaviour() {
        let code = third_slot(&Target::host().unwrap()).finish(Tables::default()).unwrap();
        let table = BufferTable::new(&Buffers::default());
        let _ = code.decide(FunctionId(0), (&mut context(), &NoSubqueries), &[Slot::MISSING], &table);
    }

    /// Gives memory that cannot be made executable.
    struct Hardened(SystemMemoryProvider);

    impl JITMemoryProvider for Hardened {
        fn allocate(&mut self, size: usize, align: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
            self.0.allocate(size, align, kind)
        }

        unsafe fn free_memory(&mut self) {
            // SAFETY: whoever calls this promises what that wants.
            unsafe { self.0.free_memory() };
        }

        fn finalize(&mut self, _protection: BranchProtection) -> ModuleResult<()> {
            Err(ModuleError::Allocation { err: io::Error::other("denied") })
        }
    }

    #[test]
    fn memory_that_may_not_be_executed_is_a_refusal() {
        let target = Target::host().unwrap();
        let provider = Box::new(Hardened(SystemMemoryProvider::new()));
        let refused = Module::load_into(provider, &target, &[0xc3], Vec::new(), Tables::default());
        assert!(matches!(&refused, Err(Refusal::Memory(reason)) if reason.contains("denied")), "{refused:?}");
    }
}
