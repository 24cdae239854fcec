//! What is done with one record to a counted loop over many, which ends early when a record fails.
//!
//! What few records need is slow and calls helpers, and a loop with a call in it keeps its numbers in memory. So a loop
//! leaves at such a record, where that changes nothing, and a second one that leaves nothing out is called for that
//! record alone. Next: `edit`.

use crate::function::Needs;
use crate::lower::{Lowering, Params};
use crate::pools::Pools;
use crate::target::Refusal;
use crate::unit::{Input, Report, enter};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value as Clif, types};
use cranelift_frontend::FunctionBuilder;
use dtq_ir::{Effect, ExprId, ExprKind, Program};
use std::collections::BTreeSet;

/// Says what a loop does with a record that needs what is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// It leaves; what was written of the record is written anew.
    Leave,
    /// It does it.
    Do,
}

/// Holds what a loop is over.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The program that the conditions belong to.
    pub program: &'a Program,
    /// Where its columns are.
    pub inputs: &'a [Input],
    /// Bytes that are written for each record.
    pub output_size: usize,
    /// What is done with a record that needs what is slow.
    pub slow: Slow,
}

/// Writes a loop; `emit` writes what is done with a record, given where its output begins.
pub fn write_loop(
    builder: &mut FunctionBuilder<'_>,
    source: Source<'_>,
    (pools, report): (&mut Pools, &mut Report),
    emit: impl FnOnce(&mut Lowering<'_, '_>, Clif) -> Result<(), Refusal>,
) -> Result<Needs, Refusal> {
    let size = i64::try_from(source.output_size).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Refusal::Construct("a loop that writes nothing".to_owned()))?;
    let [frame, first, step, first_buffers, buffers_step, first_out, count] = enter(builder);
    let (body, done) = (builder.create_block(), builder.create_block());
    // How far a loop has come is where it writes: one number less to count.
    let out_done = builder.append_block_param(done, types::I64);
    let out_size = builder.ins().imul_imm_s(count, size);
    let out_end = builder.ins().iadd(first_out, out_size);
    let is_any = builder.ins().icmp(IntCC::UnsignedLessThan, first_out, out_end);
    let begin = [first, first_buffers, first_out].map(BlockArg::Value);
    builder.ins().brif(is_any, body, &begin, done, &[BlockArg::Value(first_out)]);

    builder.switch_to_block(body);
    let [input, buffers, out] = [0; 3].map(|_| builder.append_block_param(body, types::I64));
    let params = Params { frame, input, buffers };
    let mut lowering = Lowering::new(builder, (source.program, source.inputs), pools, report, params);
    if source.slow == Slow::Leave {
        lowering.leave_what_is_slow();
    }
    emit(&mut lowering, out)?;
    lowering.release_held();
    let (needs, ends) = lowering.end();
    if needs.columns.is_some() {
        return Err(Refusal::Construct("many records are read from slots".to_owned()));
    }
    let input_next = builder.ins().iadd(input, step);
    let buffers_next = builder.ins().iadd(buffers, buffers_step);
    let out_next = builder.ins().iadd_imm_s(out, size);
    let is_more = builder.ins().icmp(IntCC::UnsignedLessThan, out_next, out_end);
    let next = [input_next, buffers_next, out_next].map(BlockArg::Value);
    builder.ins().brif(is_more, body, &next, done, &[BlockArg::Value(out_next)]);

    for end in ends {
        builder.switch_to_block(end);
        builder.ins().jump(done, &[BlockArg::Value(out)]);
    }
    builder.switch_to_block(done);
    let written = builder.ins().isub(out_done, first_out);
    builder.ins().return_(&[written]);
    builder.seal_all_blocks();
    Ok(needs)
}

/// Returns how loops over conditions begin: a condition that depends on more than the record is not asked twice.
pub fn first_try<'e>(program: &Program, conditions: impl IntoIterator<Item = &'e ExprId>) -> Slow {
    let (mut seen, mut pending): (BTreeSet<ExprId>, Vec<ExprId>) =
        (BTreeSet::new(), conditions.into_iter().copied().collect());
    while let Some(id) = pending.pop() {
        let kind = &program.expr(id).kind;
        if matches!(kind, ExprKind::Call { function, .. } if function.effect != Effect::Pure) {
            return Slow::Do;
        }
        if seen.insert(id) {
            pending.extend(kind.children());
        }
    }
    Slow::Leave
}
