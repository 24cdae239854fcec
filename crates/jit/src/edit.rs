//! Choices between slots to a loop over many records: what some slots of each become, in one pass and without copying
//! what they are views of.
//!
//! For hosts that hold records decoded: an edit of such a record is other slots in the place of some of its own. Next:
//! `helpers`.

use crate::call::Module;
use crate::context::{NativeContext, Records, Subqueries};
use crate::function::{EntryPoint, FunctionId, Needs};
use crate::many::{self, Slow, Source, write_loop};
use crate::module::ModuleBuilder;
use crate::pools::Pools;
use crate::target::Refusal;
use crate::unit::{Compiler, Input, Report, verify};
use dtq_ir::{ExprId, Program};
use dtq_record::slot::Slot;
use dtq_value::Type;
use dtq_value::scalar::Fault;

/// Says what a slot becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotSource {
    /// This slot of the record.
    Own(u32),
    /// The same for all records.
    Fixed(Slot),
}

/// Holds a choice: what a slot becomes after the first condition that is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotChoice {
    /// Conditions in the order in which they are asked, each with what the slot becomes.
    pub arms: Vec<(ExprId, SlotSource)>,
    /// What it becomes when none is true.
    pub otherwise: SlotSource,
}

/// Holds compiled choices.
#[derive(Debug)]
pub struct SlotChooser {
    module: Module,
}

impl Compiler {
    /// Returns code that makes these choices for many records.
    ///
    /// # Errors
    /// As [`Compiler::compile`]: a condition that has no native code, or no executable memory.
    pub fn compile_choices(
        &self,
        program: &Program,
        inputs: &[Input],
        choices: &[SlotChoice],
    ) -> Result<SlotChooser, Refusal> {
        let mut conditions = choices.iter().flat_map(|choice| &choice.arms);
        if conditions.any(|(condition, _)| program.expr(*condition).ty != Type::Bool) {
            return Err(Refusal::Construct("only a bool is a condition".to_owned()));
        }
        let mut module = ModuleBuilder::new(self.target());
        let (mut pools, mut report) = (Pools::default(), Report::default());
        let conditions = choices.iter().flat_map(|choice| &choice.arms).map(|(condition, _)| condition);
        conditions.clone().try_for_each(|condition| verify(program, *condition))?;
        let mut define = |module: &mut ModuleBuilder, slow| {
            let source = Source { program, inputs, output_size: choices.len() * size_of::<Slot>(), slow };
            module.define(EntryPoint::Choices, |builder| {
                let needs = write_loop(builder, source, (&mut pools, &mut report), |lowering, out| {
                    let mut choices = choices.iter().enumerate();
                    choices.try_for_each(|(position, choice)| lowering.choose_to(choice, out, position))
                })?;
                Ok(Needs { output_count: choices.len(), ..needs })
            })
        };
        let first = define(&mut module, many::first_try(program, conditions))?;
        if module.leaves(first) {
            let fallback = define(&mut module, Slow::Do)?;
            module.set_fallback(first, fallback);
        }
        Ok(SlotChooser { module: module.finish(pools.finish())? })
    }
}

impl SlotChooser {
    /// Writes what the slots of each record become, one record's choices behind the other's, for as many records as `out`
    /// has room for.
    ///
    /// Returns for how many it did, and why not for the next one. What is written views the bytes that the slots viewed.
    ///
    /// # Panics
    /// If there are not as many slots and buffers as records, or `out` ends within a record.
    pub fn choose(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        records: Records<'_>,
        out: &mut [Slot],
    ) -> (usize, Option<Fault>) {
        self.module.choose(FunctionId(0), (ctx, subqueries), records, out)
    }
}
