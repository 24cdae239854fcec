//! Machine code in memory, and the only calls of it.
//!
//! The memory of a module and the positions of its functions lie in one type, which gives no address away and frees the
//! memory when it is dropped. Each kind of function has one method that calls it, with what it reads checked before.
//! Next: [`crate::helpers`], which generated code calls back.
#![allow(unsafe_code, reason = "machine code is called, and its memory freed, here alone")]

use crate::helpers::{HELPERS, HelperTable};
use crate::layout::{BufferTable, Cell, View};
use crate::target::{Refusal, Target};
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_jit::{JITBuilder, JITMemoryProvider, JITModule, SystemMemoryProvider};
use cranelift_module::{Module, ModuleError};
use dtq_record::slot::Slot;
use dtq_value::scalar::{Context, Fault};
use dtq_value::{Str, Value};
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
}

impl EntryPoint {
    /// Returns the signature; the methods of [`Code`] call by the same.
    pub fn signature(self, call_conv: CallConv) -> Signature {
        let mut signature = Signature::new(call_conv);
        let params = match self {
            EntryPoint::Condition => 3,
        };
        signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
        signature.returns.push(AbiParam::new(types::I32));
        signature
    }
}

type ConditionFn = unsafe extern "C" fn(*mut Frame<'_>, *const Slot, *const BufferTable<'_>) -> u32;

/// Says what a function reads of its inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How many slots or cells there must be.
    pub input_count: usize,
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
}

/// Holds the data that the code of a module refers to by position.
#[derive(Debug, Default)]
pub struct Tables {
    /// Texts that are compared with, or are results.
    pub texts: Vec<Str>,
}

/// Holds what one call needs besides its inputs; generated code reads its beginning and hands it to helpers.
#[repr(C)]
pub struct Frame<'a> {
    /// The functions that may be called.
    helpers: &'static HelperTable,
    /// Address of the views of the module's texts.
    texts: *const View,
    /// How many values the call holds.
    held_count: u64,
    context: &'a mut NativeContext,
}

impl Frame<'_> {
    /// Offset of the address of the helpers' table.
    pub const HELPERS: i32 = std::mem::offset_of!(Frame<'_>, helpers) as i32;
    /// Offset of the address of the texts' views.
    pub const TEXTS: i32 = std::mem::offset_of!(Frame<'_>, texts) as i32;
    /// Offset of the count of held values, 8 bytes.
    pub const HELD_COUNT: i32 = std::mem::offset_of!(Frame<'_>, held_count) as i32;

    /// Forgets what the call holds.
    pub(crate) fn release(&mut self) {
        self.context.held.clear();
        self.held_count = 0;
    }

    /// Keeps a value until the end of the call, and returns its cell.
    pub(crate) fn hold(&mut self, value: Value) -> Cell {
        let position = self.context.held.len();
        self.context.held.push(value);
        self.held_count = position as u64 + 1;
        Cell::number(crate::layout::tag::HELD, position as u64)
    }
}

/// Holds what calls of native code use and change: bounds, time, randomness, and values on the way.
///
/// One for each thread; it serves any code.
#[derive(Debug)]
pub struct NativeContext {
    /// Bounds, time and randomness, as the interpreter has them.
    pub scalar: Context,
    held: Vec<Value>,
    fault: Option<Fault>,
}

impl NativeContext {
    /// Returns a context.
    pub fn new(scalar: Context) -> Self {
        Self { scalar, held: Vec::new(), fault: None }
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
}

/// What functions return for a condition that does not hold, holds, is null; and for a fault, which the frame has.
pub mod status {
    pub const FALSE: i64 = 0;
    pub const TRUE: i64 = 1;
    pub const NULL: i64 = 2;
    pub const FAULT: i64 = 3;
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
pub struct Code {
    memory: Memory,
    entries: Vec<Entry>,
    views: Vec<View>,
    tables: Tables,
    size: usize,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} functions, {} bytes)", self.entries.len(), self.size)
    }
}

const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Code>();
};

impl Code {
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
        Ok(Self { memory, entries, views, tables, size: bytes.len() })
    }

    /// Returns how a function is entered and what it needs.
    pub(crate) fn entry(&self, id: FunctionId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    /// Returns the size of the code in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the data that the code refers to.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Returns the address of a function that is entered like `point`.
    fn address(&self, entry: &Entry, point: EntryPoint) -> *const u8 {
        assert_eq!(entry.point, point, "a function is called as what it was defined as");
        self.memory.start.wrapping_add(entry.offset)
    }

    fn frame<'a>(&'a self, context: &'a mut NativeContext) -> Frame<'a> {
        context.held.clear();
        Frame { helpers: &HELPERS, texts: self.views.as_ptr(), held_count: 0, context }
    }

    /// Calls a condition over slots.
    ///
    /// # Errors
    /// What a function of the condition fails with.
    ///
    /// # Panics
    /// If there are fewer slots than the condition reads.
    pub(crate) fn decide(
        &self,
        id: FunctionId,
        context: &mut NativeContext,
        slots: &[Slot],
        buffers: &BufferTable<'_>,
    ) -> Result<Verdict, Fault> {
        let entry = self.entry(id);
        assert!(slots.len() >= entry.needs.input_count, "a condition gets all slots that it reads");
        let address = self.address(entry, EntryPoint::Condition);
        let mut frame = self.frame(context);
        // SAFETY: the address is that of a function with the signature of `EntryPoint::Condition`, which is this one
        // (`tests/signature.rs`); the memory is alive as long as `self`.
        let function = unsafe { transmute::<*const u8, ConditionFn>(address) };
        // SAFETY: frame, slots and buffers live through the call, and there are as many slots as the code reads.
        let verdict = unsafe { function(&raw mut frame, slots.as_ptr(), buffers) };
        self.verdict(verdict, context)
    }

    fn verdict(&self, verdict: u32, context: &mut NativeContext) -> Result<Verdict, Fault> {
        match i64::from(verdict) {
            status::FALSE => Ok(Verdict::False),
            status::TRUE => Ok(Verdict::True),
            status::NULL => Ok(Verdict::Null),
            _ => Err(context.fault.take().expect("code returns this after a helper left a fault")),
        }
    }
}

/// Puts code into the memory of a module, and returns where it begins.
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
    use dtq_source::Limits;
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
            Ok(Needs { input_count: 3 })
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
            assert_eq!(code.decide(FunctionId(0), &mut context(), &slots, &table), Ok(expected));
        }
        assert!(code.size() > 0 && code.tables().texts.is_empty());
    }

    #[test]
    #[should_panic(expected = "all slots that it reads")]
    fn too_few_slots_are_no_undefined_behaviour() {
        let code = third_slot(&Target::host().unwrap()).finish(Tables::default()).unwrap();
        let table = BufferTable::new(&Buffers::default());
        let _ = code.decide(FunctionId(0), &mut context(), &[Slot::MISSING], &table);
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
        let refused = Code::load_into(provider, &target, &[0xc3], Vec::new(), Tables::default());
        assert!(matches!(&refused, Err(Refusal::Memory(reason)) if reason.contains("denied")), "{refused:?}");
    }
}
