//! Functions in the code generator's language, one after another, to a block of machine code.
//!
//! The code of all functions of a module lies in one piece of memory. It holds no reference to anything outside: every
//! address comes in as a parameter, so that nothing is ever looked up by name. Next: [`crate::call`].

use crate::call::Module;
use crate::entry::Listing;
use crate::function::{Entry, EntryPoint, FunctionId, Needs};
use crate::pools::Tables;
use crate::target::{Refusal, Scratch, Target};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::UserFuncName;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::fmt;

/// Entries of functions lie at multiples of this, as a processor fetches code.
pub(crate) const ALIGNMENT: usize = 32;

/// Size in bytes of code from which on the room that it was made in is not kept: it grew with the code.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// Size in bytes that the code of one module may have.
const MODULE_BYTES_MAX: usize = 64 << 20;

/// Collects functions until they are made executable.
pub struct ModuleBuilder {
    target: Target,
    /// There but while the builder is dropped.
    scratch: Option<Box<Scratch>>,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    listings: Option<Vec<Listing>>,
}

impl fmt::Debug for ModuleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModuleBuilder({:?}, {} functions)", self.target, self.entries.len())
    }
}

impl ModuleBuilder {
    /// Returns a module without functions.
    pub fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            scratch: Some(target.take_scratch()),
            bytes: Vec::new(),
            entries: Vec::new(),
            listings: None,
        }
    }

    /// Keeps the text of the functions that are defined from here on.
    #[must_use]
    pub fn with_listings(mut self) -> Self {
        self.listings = Some(Vec::new());
        self
    }

    /// Adds a function that is entered like `point`, whose body the callback writes.
    ///
    /// The callback is given a builder without blocks; it makes the first block, seals all and returns from all ends.
    ///
    /// # Errors
    /// The callback's, and when the code generator fails, or the module would be too large.
    pub fn define(
        &mut self,
        point: EntryPoint,
        body: impl FnOnce(&mut FunctionBuilder<'_>) -> Result<Needs, Refusal>,
    ) -> Result<FunctionId, Refusal> {
        let isa = self.target.shared_isa();
        let Scratch { ctx, frontend } = &mut **self.scratch.as_mut().expect("it is there until the builder is dropped");
        ctx.clear();
        ctx.set_disasm(self.listings.is_some());
        ctx.func.name = UserFuncName::user(0, self.entries.len() as u32);
        ctx.func.signature = point.signature(isa.default_call_conv());
        let mut builder = FunctionBuilder::new(&mut ctx.func, frontend);
        let needs = match body(&mut builder) {
            Ok(needs) => needs,
            Err(refusal) => {
                // What was begun is thrown away, and with it the scratch space that still names its blocks.
                *frontend = FunctionBuilderContext::new();
                return Err(refusal);
            }
        };
        builder.finalize(isa.frontend_config());
        let clif = self.listings.is_some().then(|| ctx.func.display().to_string());
        let compiled = ctx.compile(&*isa, &mut ControlPlane::default()).map_err(|error| {
            let text = cranelift_codegen::print_errors::pretty_error(error.func, error.inner);
            Refusal::Generator(text)
        })?;
        if let Some(reloc) = compiled.buffer.relocs().first() {
            return Err(Refusal::Generator(format!("the code refers to something outside: {reloc:?}")));
        }
        let offset = self.bytes.len().next_multiple_of(ALIGNMENT);
        let code = compiled.code_buffer();
        if offset + code.len() > MODULE_BYTES_MAX {
            return Err(Refusal::Size(format!("a module has at most {MODULE_BYTES_MAX} bytes of code")));
        }
        self.bytes.resize(offset, 0);
        self.bytes.extend_from_slice(code);
        if let (Some(listings), Some(clif)) = (&mut self.listings, clif) {
            listings.push(Listing { clif, asm: compiled.vcode.clone().unwrap_or_default() });
        }
        self.entries.push(Entry { offset, point, needs, fallback: None, confirm: None });
        Ok(FunctionId(self.entries.len() as u32 - 1))
    }

    /// Says whether the target compares 64 bits in lanes of vectors.
    pub fn has_lanes(&self) -> bool {
        self.target.has_lanes()
    }

    /// Says whether a function leaves before what is slow.
    pub fn leaves(&self, id: FunctionId) -> bool {
        self.entries[id.0 as usize].needs.leaves
    }

    /// Says which function does what another has left.
    pub fn set_fallback(&mut self, id: FunctionId, fallback: FunctionId) {
        self.entries[id.0 as usize].fallback = Some(fallback);
    }

    /// Says whether a function takes something for granted of the slots that it reads.
    pub fn grants(&self, id: FunctionId) -> bool {
        !self.entries[id.0 as usize].needs.tags.is_empty()
    }

    /// Says which function decides the records whose positions another writes.
    pub fn set_confirm(&mut self, id: FunctionId, confirm: FunctionId) {
        self.entries[id.0 as usize].confirm = Some(confirm);
    }

    /// Returns the texts of the functions in order; none without [`ModuleBuilder::with_listings`].
    pub fn listings(&self) -> &[Listing] {
        self.listings.as_deref().unwrap_or_default()
    }

    /// Makes the functions executable.
    ///
    /// # Errors
    /// [`Refusal::Target`] when the code is for another machine; [`Refusal::Memory`] when the system does not allow it.
    pub fn finish(mut self, tables: Tables) -> Result<Module, Refusal> {
        if !self.target.is_host() {
            return Err(Refusal::Target(format!("code for {} does not run here", self.target.name())));
        }
        Module::load(&self.target, &self.bytes, std::mem::take(&mut self.entries), tables)
    }
}

impl Drop for ModuleBuilder {
    fn drop(&mut self) {
        // What a panic left behind is not to be found by the next function.
        let is_kept = self.bytes.len() <= KEPT_BYTES_MAX && !std::thread::panicking();
        if let Some(scratch) = self.scratch.take().filter(|_| is_kept) {
            self.target.keep_scratch(scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::ir::{InstBuilder, types};

    fn constant(builder: &mut FunctionBuilder<'_>, number: i64) -> Result<Needs, Refusal> {
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        let verdict = builder.ins().iconst(types::I32, number);
        builder.ins().return_(&[verdict]);
        builder.seal_all_blocks();
        Ok(Needs::default())
    }

    #[test]
    fn code_for_another_machine_is_shown_and_not_run() {
        let target = Target::named(Target::NAMES[0]).unwrap();
        let mut module = ModuleBuilder::new(&target).with_listings();
        module.define(EntryPoint::Condition, |builder| constant(builder, 1)).unwrap();
        assert!(module.listings()[0].asm.contains("ret"), "{}", module.listings()[0].asm);
        assert!(matches!(module.finish(Tables::default()), Err(Refusal::Target(_))));
    }

    #[test]
    fn a_refused_function_leaves_no_trace() {
        let mut module = ModuleBuilder::new(&Target::host().unwrap());
        let refused = module.define(EntryPoint::Condition, |builder| {
            let block = builder.create_block();
            builder.switch_to_block(block);
            Err(Refusal::Construct("nothing".to_owned()))
        });
        assert!(refused.is_err());
        let id = module.define(EntryPoint::Condition, |builder| constant(builder, 1)).unwrap();
        assert_eq!(id, FunctionId(0));
    }
}
