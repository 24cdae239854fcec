//! Machine code in memory, and the only calls of it.
//!
//! The memory of a module and the positions of its functions lie in one type, which gives no address away and frees the
//! memory when it is dropped. Each kind of function has one method that calls it, with what it reads checked before.
//! Next: [`crate::helpers`], which generated code calls back.
#![allow(unsafe_code, reason = "machine code is called, and its memory freed, here and in `call/batch.rs` alone")]

mod batch;

use crate::context::{NativeContext, Records, Subqueries, Verdict};
use crate::entry::Filled;
use crate::frame::Frame;
use crate::function::{Entry, EntryPoint, FunctionId, Needs};
use crate::helpers::value_of;
use crate::layout::{BufferTable, Cell, View};
use crate::pools::Tables;
use crate::records::{ColumnWalk, Walk, check_slots, is_granted};
use crate::target::{Refusal, Target};
use cranelift_jit::{JITBuilder, JITMemoryProvider, JITModule, SystemMemoryProvider};
use cranelift_module::{Module as _, ModuleError};
use dtq_record::checked::CheckedRecords;
use dtq_record::slot::Slot;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::fmt;
use std::mem::transmute;

/// A function over inputs, which are slots or cells: both have the same size and alignment.
type ConditionFn = unsafe extern "C" fn(*mut Frame<'_>, *const u8, *const BufferTable<'_>) -> u32;
type ValueFn = unsafe extern "C" fn(*mut Frame<'_>, *const u8, *const BufferTable<'_>, *mut Cell) -> u32;
type ManyFn =
    unsafe extern "C" fn(*mut Frame<'_>, *const Slot, usize, *const BufferTable<'_>, usize, *mut u8, usize) -> usize;
type ChoicesFn =
    unsafe extern "C" fn(*mut Frame<'_>, *const Slot, usize, *const BufferTable<'_>, usize, *mut Slot, usize) -> usize;
/// A function over checked records, whose room is for bytes or for slots.
type CheckedFn =
    unsafe extern "C" fn(*mut Frame<'_>, *const Slot, usize, *const BufferTable<'_>, *mut u32, *mut u8, usize) -> usize;
type ScanFn = unsafe extern "C" fn(*const u8, u64, *mut Slot, u64) -> u32;

/// What functions return for a condition that does not hold, holds, is null; and for a fault, which the frame has.
pub mod status {
    pub const FALSE: i64 = 0;
    pub const TRUE: i64 = 1;
    pub const NULL: i64 = 2;
    pub const FAULT: i64 = 3;
    /// What is slow is left to another function.
    pub const LEFT: i64 = 4;
}

/// What scans return: the slots are filled, the filler has to read the message, a guard failed.
pub mod filled {
    pub const DONE: i64 = 0;
    pub const IRREGULAR: i64 = 1;
    pub const SETTLED: i64 = 2;
}

/// Records whose positions are noted before their rest is decided: few enough that both passes find them in the caches.
const NOTED_MAX: usize = 1024;

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
        Frame::new(self.constants(), context, subqueries)
    }

    /// Returns the constants of its functions, and their views and cells.
    #[inline]
    fn constants(&self) -> (&Tables, &[View], &[Cell]) {
        (&self.tables, &self.views, &self.cells)
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

    /// Calls a condition over checked records, and returns how many it decided: all, unless one of them fails.
    ///
    /// # Panics
    /// If there are fewer records than room, or they have fewer slots than the condition reads.
    pub(crate) fn decide_checked(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        records: &CheckedRecords,
        out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        let entry = self.fitting(id, records);
        let part = if entry.is_noting() { NOTED_MAX } else { out.len().max(1) };
        let mut positions = std::mem::take(&mut context.positions);
        positions.resize(if entry.is_noting() { NOTED_MAX } else { 0 }, 0);
        let (mut done, count) = (0, out.len());
        for room in out.chunks_mut(part) {
            let mut frame = self.frame(context, subqueries);
            let walk = ColumnWalk::new(records, done, room.len());
            let part_count = self.decide_part(entry, (&mut frame, &walk), &mut positions, room);
            done += part_count;
            if part_count < room.len() {
                break;
            }
        }
        context.positions = positions;
        (done, (done < count).then(|| take_fault(context)))
    }

    /// Decides a condition of some checked records in one pass or two, and returns how many it decided.
    fn decide_part(
        &self,
        entry: &Entry,
        (frame, walk): (&mut Frame<'_>, &ColumnWalk<'_>),
        positions: &mut [u32],
        out: &mut [u8],
    ) -> usize {
        let count = out.len();
        let first = (entry, EntryPoint::Checked);
        let noted = self.run_checked(first, (frame, walk), positions, (out, count));
        if !entry.is_noting() {
            return noted;
        }
        out.fill(0);
        let Some(confirm) = entry.confirm else {
            let search = entry.needs.search.expect("what is noted is searched, or confirmed by code");
            search.decide(&self.tables, walk, &positions[..noted], out);
            return count;
        };
        let confirm = (self.entry(confirm), EntryPoint::Confirm);
        let confirmed = self.run_checked(confirm, (frame, walk), positions, (out, noted));
        if confirmed < noted { positions[confirmed] as usize } else { count }
    }

    /// Writes the slots that are chosen for checked records, and returns for how many: all, unless one of them fails.
    ///
    /// # Panics
    /// If there are fewer records than room, or room for a part of a record.
    pub(crate) fn choose_checked(
        &self,
        id: FunctionId,
        (context, subqueries): (&mut NativeContext, &dyn Subqueries),
        records: &CheckedRecords,
        out: &mut [Slot],
    ) -> (usize, Option<Fault>) {
        let entry = self.fitting(id, records);
        let width = entry.needs.output_count;
        let count = out.len().checked_div(width).unwrap_or(0);
        assert_eq!(count * width, out.len(), "there is room for whole records");
        if count == 0 {
            return (0, None);
        }
        let mut frame = self.frame(context, subqueries);
        let walk = ColumnWalk::new(records, 0, count);
        let written = self.run_checked((entry, EntryPoint::CheckedChoices), (&mut frame, &walk), &mut [], (out, count));
        let done = written / (width * size_of::<Slot>());
        (done, (done < count).then(|| take_fault(context)))
    }

    /// Returns a function over checked records, or what stands in for it where it takes for granted what is not so.
    fn fitting(&self, id: FunctionId, records: &CheckedRecords) -> &Entry {
        let entry = self.entry(id);
        let confirm = entry.confirm.map(|confirm| self.entry(confirm));
        let is_fitting = [Some(entry), confirm].into_iter().flatten().all(|entry| is_granted(&entry.needs, records));
        if is_fitting {
            return entry;
        }
        self.entry(entry.fallback.expect("what takes something for granted has something that stands in for it"))
    }

    /// Runs a function over checked records, with room for their positions where it notes or confirms some; returns what
    /// it returned.
    fn run_checked<T>(
        &self,
        (entry, point): (&Entry, EntryPoint),
        (frame, walk): (&mut Frame<'_>, &ColumnWalk<'_>),
        positions: &mut [u32],
        (room, count): (&mut [T], usize),
    ) -> usize {
        assert!(is_granted(&entry.needs, walk.records), "what the function takes for granted holds");
        let address = self.address(entry, point);
        // SAFETY: the address is that of a function with the signature of `EntryPoint::Checked`, `Confirm` or
        // `CheckedChoices`, which are this one (`tests/checked.rs` calls each); the memory is alive as long as `self`.
        let function = unsafe { transmute::<*const u8, CheckedFn>(address) };
        let (slots, buffers) = (walk.first(), &raw const walk.buffers);
        let (positions, room) = (positions.as_mut_ptr(), room.as_mut_ptr().cast());
        // SAFETY: frame, slots, buffers and room live through the call. The slots are those of `CheckedRecords`, which
        // promises what the code relies on, and `ColumnWalk` has counted them; what the code takes for granted of their tags
        // is checked above. Both callers give as much room as `count` records have output, and positions that a function
        // noted here of the same records (`tests/checked.rs` compares all of it with the interpreter).
        unsafe { function(frame, slots, walk.step, buffers, positions, room, count) }
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
            if done == count || frame.has_fault() {
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
        status::LEFT => Ok(Verdict::Left),
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
    use crate::context::NoSubqueries;
    use crate::module::ModuleBuilder;
    use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
    use cranelift_jit::{BranchProtection, JITMemoryKind};
    use cranelift_module::ModuleResult;
    use dtq_record::slot::Buffers;
    use dtq_source::Limits;
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
