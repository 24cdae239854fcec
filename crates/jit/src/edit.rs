//! Choices between slots to a loop over many records: what some slots of each become, in one pass and without copying
//! what they are views of.
//!
//! For hosts that hold records decoded: an edit of such a record is other slots in the place of some of its own. Next:
//! `helpers`.

use crate::call::Module;
use crate::context::{NativeContext, Records, Subqueries};
use crate::function::{EntryPoint, FunctionId, Needs};
use crate::lower::{Checked, Passes, Trust};
use crate::many::{self, Slow, Source, write_loop};
use crate::module::ModuleBuilder;
use crate::pools::Pools;
use crate::target::Refusal;
use crate::unit::{Compiler, Input, Report, verify};
use dtq_ir::{ExprId, Program};
use dtq_record::checked::CheckedRecords;
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
        verify_conditions(program, choices)?;
        let mut module = ModuleBuilder::new(self.target());
        let (mut pools, mut report) = (Pools::default(), Report::default());
        let conditions = choices.iter().flat_map(|choice| &choice.arms).map(|(condition, _)| condition);
        let mut define = |module: &mut ModuleBuilder, slow| {
            let source = Source { program, inputs, output_size: choices.len() * size_of::<Slot>(), slow };
            module.define(EntryPoint::Choices, |builder| {
                let needs = write_loop(builder, source, (&mut pools, &mut report), |lowering, out| {
                    let mut choices = choices.iter().enumerate();
                    choices.try_for_each(|(position, choice)| lowering.choose_to(choice, (out, 0), position))
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

    /// Returns code that makes these choices for many checked records.
    ///
    /// # Errors
    /// As [`Compiler::compile_choices`].
    pub fn compile_checked_choices(
        &self,
        program: &Program,
        inputs: &[Input],
        choices: &[SlotChoice],
    ) -> Result<CheckedChooser, Refusal> {
        verify_conditions(program, choices)?;
        let mut module = ModuleBuilder::new(self.target());
        let (mut pools, mut report) = (Pools::default(), Report::default());
        let mut define = |module: &mut ModuleBuilder, trust| {
            module.define(EntryPoint::CheckedChoices, |builder| {
                Passes::new(builder, Checked { program, inputs, trust }, (&mut pools, &mut report)).choose(choices)
            })
        };
        let first = define(&mut module, Trust::Whole)?;
        if module.grants(first) {
            let fallback = define(&mut module, Trust::None)?;
            module.set_fallback(first, fallback);
        }
        Ok(CheckedChooser { module: module.finish(pools.finish())? })
    }
}

/// Refuses conditions of choices that are none, or not well typed.
fn verify_conditions(program: &Program, choices: &[SlotChoice]) -> Result<(), Refusal> {
    for (condition, _) in choices.iter().flat_map(|choice| &choice.arms) {
        if program.expr(*condition).ty != Type::Bool {
            return Err(Refusal::Construct("only a bool is a condition".to_owned()));
        }
        verify(program, *condition)?;
    }
    Ok(())
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

/// Holds compiled choices between slots of checked records.
#[derive(Debug)]
pub struct CheckedChooser {
    module: Module,
}

impl CheckedChooser {
    /// Writes what the slots of each record become, one record's choices behind the other's, for as many records as `out`
    /// has room for.
    ///
    /// Returns for how many it did, and why not for the next one. What is written views the arena of the records.
    ///
    /// # Panics
    /// If there are fewer records than `out` has room for, they have fewer slots than are read, or `out` ends within a
    /// record.
    pub fn choose(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        records: &CheckedRecords,
        out: &mut [Slot],
    ) -> (usize, Option<Fault>) {
        self.module.choose_checked(FunctionId(0), (ctx, subqueries), records, out)
    }
}
