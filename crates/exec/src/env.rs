//! What every operator of a run shares: what evaluates expressions, the tables, the bounds.
//!
//! Whether an expression is native code or interpreted is decided here alone; operators do not know.

use crate::budget::Budget;
use crate::feed::Queue;
use crate::native::Native;
use crate::plan::Plan;
use crate::run::Options;
use dtq_interp::{Interpreter, Subqueries};
use dtq_ir::rel::{Rel, RelId};
use dtq_ir::{ExprId, Program};
use dtq_jit::NativeContext;
use dtq_record::stream::{Catalog, Row};
use dtq_source::{Code, Timer};
use dtq_value::Value;
use dtq_value::scalar::{Context, Fault};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Holds what the operators of a run share.
pub(crate) struct Env<'a> {
    pub(crate) interpreter: Interpreter<'a>,
    /// The native code of the program, where there is some.
    native: Option<&'a Native>,
    /// What both of them count on: one randomness, so that a run is the same whichever evaluates.
    pub(crate) ctx: NativeContext,
    pub(crate) catalog: &'a dyn Catalog,
    pub(crate) budget: Budget,
    pub(crate) plan: Plan,
    /// How many rows an operator puts into a batch before it hands it on.
    pub(crate) batch_rows: usize,
    /// Whether tables give whole records, and all of them.
    pub(crate) is_unoptimized: bool,
    /// The rows of relations that several operators read.
    pub(crate) materialized: FxHashMap<RelId, Rc<Vec<Row>>>,
    pub(crate) timer: Timer<'a>,
    /// The relation whose rows are pushed in, when they are.
    pub(crate) fed: Option<(RelId, Queue)>,
    /// How many expressions are still to be evaluated until the host is asked again whether the run should end.
    pub(crate) evals_left: u32,
}

/// Count of expressions evaluated between two questions to the host: a batch may take long, or hold few rows that do.
const EVALS_BETWEEN_POLLS: u32 = 4096;

impl<'a> Env<'a> {
    /// Returns what a part of a program needs when its rows are pushed in; what subqueries yielded is given.
    ///
    /// # Errors
    /// `E2901` when the program is nested too deeply.
    ///
    /// # Panics
    /// If the native code is that of another program.
    pub(crate) fn resume(
        program: &'a Program,
        catalog: &'a dyn Catalog,
        subqueries: Subqueries,
        options: Options<'a>,
    ) -> Result<Self, Fault> {
        let Options { limits, now_ticks, random_seed, batch_rows, is_unoptimized, timer, native } = options;
        assert!(native.is_none_or(|native| native.is_of(program)), "a program runs with its own native code");
        Ok(Self {
            interpreter: Interpreter::resume(program, subqueries),
            budget: Budget::new(limits.held_bytes_max),
            native,
            ctx: NativeContext::new(Context::new(limits, now_ticks, random_seed)),
            catalog,
            plan: Plan::new(program)?,
            batch_rows: batch_rows.max(1),
            is_unoptimized,
            materialized: FxHashMap::default(),
            timer,
            fed: None,
            evals_left: 0,
        })
    }

    /// Returns the program.
    pub(crate) fn program(&self) -> &'a Program {
        self.interpreter.program()
    }

    /// Returns a relation.
    pub(crate) fn rel(&self, id: RelId) -> &'a Rel {
        self.program().rel(id)
    }

    /// Returns the value of an expression over a row.
    pub(crate) fn eval(&mut self, expr: ExprId, row: &[Value]) -> Result<Value, Fault> {
        self.poll()?;
        let given = (&mut self.ctx, &self.interpreter.subqueries);
        if let Some(value) = self.native.and_then(|native| native.eval(expr, given, row)) {
            return value;
        }
        self.interpreter.eval(expr, row, &mut self.ctx.scalar)
    }

    /// Returns the values of expressions over a row.
    pub(crate) fn eval_all(&mut self, exprs: &[ExprId], row: &[Value]) -> Result<Vec<Value>, Fault> {
        let mut values = Vec::with_capacity(exprs.len());
        for expr in exprs {
            values.push(self.eval(*expr, row)?);
        }
        Ok(values)
    }

    /// Says whether a bool expression is true over a row.
    pub(crate) fn holds(&mut self, expr: ExprId, row: &[Value]) -> Result<bool, Fault> {
        self.poll()?;
        let given = (&mut self.ctx, &self.interpreter.subqueries);
        if let Some(is_true) = self.native.and_then(|native| native.holds(expr, given, row)) {
            return is_true;
        }
        self.interpreter.holds(expr, row, &mut self.ctx.scalar)
    }

    /// Returns the value of a constant expression that says how many rows: 0 for null and below.
    pub(crate) fn eval_count(&mut self, expr: ExprId) -> Result<u64, Fault> {
        Ok(match self.eval(expr, &[])? {
            Value::Long(count) => u64::try_from(count).unwrap_or(0),
            Value::Int(count) => u64::try_from(count).unwrap_or(0),
            _ => 0,
        })
    }

    /// Asks the host once in a while whether the run should end; to be called with each expression.
    pub(crate) fn poll(&mut self) -> Result<(), Fault> {
        match self.evals_left.checked_sub(1) {
            Some(left) => {
                self.evals_left = left;
                Ok(())
            }
            None => {
                self.evals_left = EVALS_BETWEEN_POLLS;
                self.check_time()
            }
        }
    }

    /// Fails when the time of the run is over; asked once a batch, and between by [`Env::eval`].
    pub(crate) fn check_time(&self) -> Result<(), Fault> {
        match self.timer.is_over() {
            true => Err(Fault::new(Code::E3006, "the run took longer than the time it was given")),
            false => Ok(()),
        }
    }

    /// Fails when an operator that can multiply rows has produced too many.
    pub(crate) fn check_produced(&self, operator: &str, row_count: u64) -> Result<(), Fault> {
        let row_count_max = self.ctx.scalar.limits.produced_rows_max;
        if row_count <= row_count_max {
            return Ok(());
        }
        let message = format!(
            "`{operator}` produces more than {row_count_max} rows; narrow its input with `where` or raise the limit on \
             produced rows"
        );
        Err(Fault::new(Code::E3002, message))
    }
}
