//! Choices between slots to a loop over many records: what some slots of each become, in one pass and without copying
//! what they are views of.
//!
//! For hosts that hold records decoded: an edit of such a record is other slots in the place of some of its own. Next:
//! `helpers`.

use crate::call::{EntryPoint, FunctionId, Module, Needs};
use crate::context::{NativeContext, Records, Subqueries};
use crate::lower::{Lowering, Params};
use crate::module::ModuleBuilder;
use crate::pools::Pools;
use crate::target::Refusal;
use crate::unit::{Compiler, Input, Report, enter};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, types};
use cranelift_frontend::FunctionBuilder;
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
        module.define(EntryPoint::Choices, |builder| {
            choose_for_many(builder, (program, inputs), choices, (&mut pools, &mut report))
        })?;
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

/// Writes a loop over records around choices: a counted one, which ends early when a record fails.
fn choose_for_many(
    builder: &mut FunctionBuilder<'_>,
    (program, inputs): (&Program, &[Input]),
    choices: &[SlotChoice],
    (pools, report): (&mut Pools, &mut Report),
) -> Result<Needs, Refusal> {
    let [frame, first, step, first_buffers, buffers_step, first_out, count] = enter(builder);
    let (head, body, done) = (builder.create_block(), builder.create_block(), builder.create_block());
    let zero = builder.ins().iconst(types::I64, 0);
    builder.ins().jump(head, &[zero, first, first_buffers, first_out].map(BlockArg::Value));

    builder.switch_to_block(head);
    let [index, input, buffers, out] = [0; 4].map(|_| builder.append_block_param(head, types::I64));
    let is_more = builder.ins().icmp(IntCC::UnsignedLessThan, index, count);
    builder.ins().brif(is_more, body, &[], done, &[]);

    builder.switch_to_block(body);
    let mut lowering = Lowering::new(builder, (program, inputs), pools, report, Params { frame, input, buffers });
    for (position, choice) in choices.iter().enumerate() {
        lowering.choose_to(choice, out, position)?;
    }
    lowering.release_held();
    let (needs, fault) = (lowering.needs().clone(), lowering.fault());
    if needs.columns.is_some() {
        return Err(Refusal::Construct("many records are read from slots".to_owned()));
    }
    let index_next = builder.ins().iadd_imm_s(index, 1);
    let input_next = builder.ins().iadd(input, step);
    let buffers_next = builder.ins().iadd(buffers, buffers_step);
    let out_next = builder.ins().iadd_imm_s(out, (choices.len() * size_of::<Slot>()) as i64);
    builder.ins().jump(head, &[index_next, input_next, buffers_next, out_next].map(BlockArg::Value));

    for block in [fault, done] {
        builder.switch_to_block(block);
        builder.ins().return_(&[index]);
    }
    builder.seal_all_blocks();
    Ok(Needs { output_count: choices.len(), ..needs })
}
