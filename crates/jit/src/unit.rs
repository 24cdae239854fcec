//! Conditions and values of programs to code that is ready to run: what others use of this crate.
//!
//! The functions of one unit share their memory and constants, and are freed together. Compiling starts no thread and
//! keeps nothing global.
//!
//! ```
//! use dtq_ir::{Expr, ExprKind, Program};
//! use dtq_jit::{Compiler, Entry, EntryKind, NativeContext, NoSubqueries, Verdict};
//! use dtq_source::{Limits, Span};
//! use dtq_value::scalar::Context;
//! use dtq_value::{Type, Value};
//!
//! let mut program = Program::new();
//! let kind = ExprKind::Const(Value::Bool(true));
//! let expr = program.add_expr(Expr { kind, ty: Type::Bool, span: Span::default() });
//! let entry = Entry { program: &program, expr, inputs: &[], kind: EntryKind::Filter };
//! let code = Compiler::host()?.compile(&[entry])?;
//! let mut ctx = NativeContext::new(Context::new(Limits::default(), 0, 0));
//! assert_eq!(code.condition(0).decide_row(&mut ctx, &NoSubqueries, &[]), Ok(Verdict::True));
//! # Ok::<(), dtq_jit::Refusal>(())
//! ```

use crate::call::Module;
use crate::context::{NativeContext, Records, Subqueries, Verdict};
use crate::function::{EntryPoint, FunctionId};
use crate::layout::BufferTable;
use crate::lower::{Checked, Lowering, Params, Passes, Trust};
use crate::many::{self, Slow, Source, write_loop};
use crate::module::ModuleBuilder;
use crate::pools::Pools;
use crate::target::{Refusal, Target};
use cranelift_frontend::FunctionBuilder;
use dtq_ir::{ExprId, Program};
use dtq_record::checked::CheckedRecords;
use dtq_record::slot::Slot;
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};

pub use crate::entry::{Entry, EntryKind, Input, Listing, Report};

/// Compiles expressions for one target.
#[derive(Clone, Debug)]
pub struct Compiler {
    target: Target,
}

impl Compiler {
    /// Returns a compiler for the machine this runs on.
    ///
    /// # Errors
    /// [`Refusal::Target`] when there is no code for it.
    pub fn host() -> Result<Self, Refusal> {
        Ok(Self { target: Target::host()? })
    }

    /// Returns a compiler whose code is to be looked at.
    pub fn for_target(target: Target) -> Self {
        Self { target }
    }

    /// Returns a compiler for code that others will replace: it is made sooner, by a tenth, and runs slower.
    #[must_use]
    pub fn quick(&self) -> Self {
        Self { target: self.target.quick() }
    }

    /// Returns what it generates code for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns code that runs, its functions in the order of the entries.
    ///
    /// # Errors
    /// When an expression has no native code, would be too large, or the system gives no executable memory.
    pub fn compile(&self, entries: &[Entry<'_>]) -> Result<Code, Refusal> {
        let mut unit = Unit::new(ModuleBuilder::new(&self.target));
        for entry in entries {
            unit.define(entry)?;
        }
        for (index, entry) in entries.iter().enumerate() {
            unit.define_fallback(FunctionId(index as u32), entry)?;
        }
        let Unit { module, pools, report } = unit;
        Ok(Code { module: module.finish(pools.finish())?, report })
    }

    /// Returns the functions of the entries as text.
    ///
    /// # Errors
    /// As [`Compiler::compile`], but for memory.
    pub fn listings(&self, entries: &[Entry<'_>]) -> Result<Vec<Listing>, Refusal> {
        let mut unit = Unit::new(ModuleBuilder::new(&self.target).with_listings());
        for entry in entries {
            unit.define(entry)?;
        }
        Ok(unit.module.listings().to_vec())
    }
}

/// Holds a unit that is being compiled.
struct Unit {
    module: ModuleBuilder,
    pools: Pools,
    report: Report,
}

impl Unit {
    fn new(module: ModuleBuilder) -> Self {
        Self { module, pools: Pools::default(), report: Report::default() }
    }

    fn define(&mut self, entry: &Entry<'_>) -> Result<FunctionId, Refusal> {
        let Entry { program, expr, inputs, kind } = *entry;
        verify(program, expr)?;
        if kind != EntryKind::Value && program.expr(expr).ty != Type::Bool {
            return Err(Refusal::Construct("only a bool is a condition".to_owned()));
        }
        let (pools, report) = (&mut self.pools, &mut self.report);
        let source = (program, inputs);
        match kind {
            EntryKind::Filter | EntryKind::First | EntryKind::Condition => {
                self.module.define(EntryPoint::Condition, |builder| {
                    let [frame, input, buffers] = enter(builder);
                    let params = Params { frame, input, buffers };
                    let mut lowering = Lowering::new(builder, source, pools, report, params);
                    if kind == EntryKind::First && many::first_try(program, [&expr]) == Slow::Leave {
                        lowering.leave_what_is_slow();
                    }
                    if kind == EntryKind::Condition { lowering.condition(expr) } else { lowering.filter(expr) }
                })
            }
            EntryKind::Value => self.module.define(EntryPoint::Value, |builder| {
                let [frame, input, buffers, out] = enter(builder);
                let params = Params { frame, input, buffers };
                Lowering::new(builder, source, pools, report, params).value_to(expr, out)
            }),
            EntryKind::Many => self.define_many((source, expr), many::first_try(program, [&expr])),
            EntryKind::Checked => self.define_checked((source, expr), Trust::Whole),
        }
    }

    fn define_checked(
        &mut self,
        ((program, inputs), expr): ((&Program, &[Input]), ExprId),
        trust: Trust,
    ) -> Result<FunctionId, Refusal> {
        let checked = Checked { program, inputs, trust };
        let has_lanes = self.module.has_lanes();
        self.module.define(EntryPoint::Checked, |builder| {
            Passes::new(builder, checked, (&mut self.pools, &mut self.report)).in_lanes(has_lanes).decide(expr)
        })
    }

    fn define_many(
        &mut self,
        ((program, inputs), expr): ((&Program, &[Input]), ExprId),
        slow: Slow,
    ) -> Result<FunctionId, Refusal> {
        let source = Source { program, inputs, output_size: 1, slow };
        self.module.define(EntryPoint::Many, |builder| {
            write_loop(builder, source, (&mut self.pools, &mut self.report), |lowering, out| {
                lowering.outcome_to(expr, out, 0)
            })
        })
    }

    /// Defines what does the records that a function leaves.
    fn define_fallback(&mut self, id: FunctionId, entry: &Entry<'_>) -> Result<(), Refusal> {
        if entry.kind == EntryKind::Checked {
            return self.define_checked_rest(id, entry);
        }
        if entry.kind == EntryKind::Many && self.module.leaves(id) {
            let fallback = self.define_many(((entry.program, entry.inputs), entry.expr), Slow::Do)?;
            self.module.set_fallback(id, fallback);
        }
        Ok(())
    }

    /// Defines what decides the rest of noted records, and what decides records that hold what is not taken for granted.
    fn define_checked_rest(&mut self, id: FunctionId, entry: &Entry<'_>) -> Result<(), Refusal> {
        let Entry { program, expr, inputs, .. } = *entry;
        let mut is_granting = self.module.grants(id);
        if self.module.leaves(id) {
            let checked = Checked { program, inputs, trust: Trust::Whole };
            let confirm = self.module.define(EntryPoint::Confirm, |builder| {
                Passes::new(builder, checked, (&mut self.pools, &mut self.report)).confirm(expr)
            })?;
            self.module.set_confirm(id, confirm);
            is_granting |= self.module.grants(confirm);
        }
        if !is_granting {
            return Ok(());
        }
        let fallback = self.define_checked(((program, inputs), expr), Trust::None)?;
        self.module.set_fallback(id, fallback);
        Ok(())
    }
}

/// Refuses an expression that is not well typed, which is a defect of whoever made it: code goes by types alone.
pub(crate) fn verify(program: &Program, expr: ExprId) -> Result<(), Refusal> {
    dtq_ir::verify_expr(program, expr).map_err(|violation| Refusal::Program(violation.to_string()))
}

/// Makes the first block of a function and returns its parameters.
pub(crate) fn enter<const COUNT: usize>(builder: &mut FunctionBuilder<'_>) -> [cranelift_codegen::ir::Value; COUNT] {
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let params = builder.block_params(block);
    params.try_into().expect("the entry point has as many parameters")
}

/// Holds compiled functions; it frees their memory when it is dropped.
#[derive(Debug)]
pub struct Code {
    module: Module,
    report: Report,
}

impl Code {
    /// Returns the condition at a position, of any kind but [`EntryKind::Value`].
    pub fn condition(&self, index: u32) -> Condition<'_> {
        Condition { module: &self.module, id: FunctionId(index) }
    }

    /// Says whether the condition at a position may leave records, as an [`EntryKind::First`] does.
    pub fn leaves(&self, index: u32) -> bool {
        self.module.entry(FunctionId(index)).needs.leaves
    }

    /// Returns the value at a position, a [`EntryKind::Value`].
    pub fn value(&self, index: u32) -> ValueFn<'_> {
        ValueFn { module: &self.module, id: FunctionId(index) }
    }

    /// Returns the size of the machine code in bytes.
    pub fn size(&self) -> usize {
        self.module.size()
    }

    /// Returns how many functions share its memory.
    pub fn function_count(&self) -> usize {
        self.module.function_count()
    }

    /// Returns which constructs became instructions, and which are called.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

/// A compiled condition.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    module: &'a Module,
    id: FunctionId,
}

impl<'a> Condition<'a> {
    /// Returns the module it lies in, and which of its functions it is.
    pub(crate) fn parts(&self) -> (&'a Module, FunctionId) {
        (self.module, self.id)
    }

    /// Decides the condition over the slots of a record.
    ///
    /// # Errors
    /// What the interpreter fails with: a bound passed, `assert`, bytes of the record that cannot be read.
    ///
    /// # Panics
    /// If there are fewer slots than the condition reads, or it is not one over slots.
    pub fn decide(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        slots: &[Slot],
        buffers: &BufferTable<'_>,
    ) -> Result<Verdict, Fault> {
        self.module.decide(self.id, (ctx, subqueries), slots, buffers)
    }

    /// Decides the condition over a row.
    ///
    /// # Errors
    /// As [`Condition::decide`].
    ///
    /// # Panics
    /// If the row has fewer columns than the condition reads, or it is not one over rows.
    pub fn decide_row(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        row: &[Value],
    ) -> Result<Verdict, Fault> {
        self.module.decide_row(self.id, (ctx, subqueries), row)
    }

    /// Decides the condition of many records, as many as `out` has room for: 1 where it is true, 0 elsewhere.
    ///
    /// Returns how many were decided, and why the next one was not.
    ///
    /// # Panics
    /// If there are not as many slots and buffers as records, or it is no [`EntryKind::Many`].
    pub fn decide_many(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        records: Records<'_>,
        out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        self.module.decide_many(self.id, (ctx, subqueries), records, out)
    }

    /// Decides the condition of many checked records, as many as `out` has room for: 1 where it is true, 0 elsewhere.
    ///
    /// Returns how many were decided, and why the next one was not.
    ///
    /// # Panics
    /// If there are fewer records than `out` has room for, they have fewer slots than the condition reads, or it is no
    /// [`EntryKind::Checked`].
    ///
    /// # Cost
    /// Least where each column holds what the condition compares it with: texts, integers, or reals, and null. Where one of
    /// them holds something else as well, each slot is looked at where it is used.
    pub fn decide_checked(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        records: &CheckedRecords,
        out: &mut [u8],
    ) -> (usize, Option<Fault>) {
        self.module.decide_checked(self.id, (ctx, subqueries), records, out)
    }
}

/// A compiled value.
#[derive(Clone, Copy, Debug)]
pub struct ValueFn<'a> {
    module: &'a Module,
    id: FunctionId,
}

impl ValueFn<'_> {
    /// Returns the value over the slots of a record.
    ///
    /// # Errors
    /// As [`Condition::decide`].
    ///
    /// # Panics
    /// As [`Condition::decide`].
    pub fn eval(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        slots: &[Slot],
        buffers: &BufferTable<'_>,
    ) -> Result<Value, Fault> {
        self.module.eval(self.id, (ctx, subqueries), slots, buffers)
    }

    /// Returns the value over a row.
    ///
    /// # Errors
    /// As [`Condition::decide`].
    ///
    /// # Panics
    /// As [`Condition::decide_row`].
    pub fn eval_row(
        &self,
        ctx: &mut NativeContext,
        subqueries: &dyn Subqueries,
        row: &[Value],
    ) -> Result<Value, Fault> {
        self.module.eval_row(self.id, (ctx, subqueries), row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryKind;
    use dtq_ir::{Expr, ExprKind};
    use dtq_source::Span;
    use dtq_value::Value;

    /// A string in the place of a dynamic has as many words, so that code would take its address for a tag.
    #[test]
    fn a_program_that_is_not_well_typed_is_refused() {
        let mut program = Program::new();
        let mut add = |kind, ty| program.add_expr(Expr { kind, ty, span: Span::default() });
        let condition = add(ExprKind::Column(0), Type::Bool);
        let text = add(ExprKind::Const(Value::string("a")), Type::String);
        let otherwise = add(ExprKind::Column(1), Type::Dynamic);
        let arms = vec![(condition, text)];
        let expr = add(ExprKind::Case { arms, otherwise }, Type::Dynamic);
        let inputs = [Input::Slot(0), Input::Slot(1)];
        let entry = Entry { program: &program, expr, inputs: &inputs, kind: EntryKind::Value };
        let refusal = Compiler::host().unwrap().compile(&[entry]).unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Program(reason) if reason.contains("is a string, not a dynamic")),
            "{refusal}"
        );
    }
}
