//! Evaluates one expression over one row.
//!
//! Operands are evaluated from left to right; only `and`, `or`, `case`, `coalesce` leave some out. A chain along first
//! operands (`a or b or c...`, however long) is walked with a list, so that only nesting along other operands uses the
//! stack; that is bounded by [`OPERAND_DEPTH_MAX`]. Next: [`crate::subquery`].

use crate::subquery::Subqueries;
use dtq_ir::{Expr, ExprId, ExprKind, Nulls, Program};
use dtq_source::Code;
use dtq_value::scalar::{Call, Context, Fault};
use dtq_value::{Str, Value};
use smallvec::SmallVec;

/// Nesting along operands other than the first that an expression may have, once its `let` names are substituted.
///
/// A level takes about 1 KiB of stack in a build without optimization, so that this many fit a thread of 2 MiB.
pub const OPERAND_DEPTH_MAX: u32 = 1_000;

/// Gives the cells of the row that an expression is evaluated over.
///
/// A row of a table has them all; a record in its wire form decodes one when it is asked for.
pub trait Cells {
    /// Returns the cell at a position, which an expression over the row refers to.
    ///
    /// # Errors
    /// When the cell's encoding is malformed.
    fn cell(&self, index: usize) -> Result<Value, Fault>;
}

impl Cells for [Value] {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        Ok(self[index].clone())
    }
}

impl Cells for Vec<Value> {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        Ok(self[index].clone())
    }
}

impl<const COUNT: usize> Cells for [Value; COUNT] {
    fn cell(&self, index: usize) -> Result<Value, Fault> {
        Ok(self[index].clone())
    }
}

/// Evaluates expressions of one program.
#[derive(Debug)]
pub struct Interpreter<'p> {
    program: &'p Program,
    /// What the relations inside expressions yielded.
    pub subqueries: Subqueries,
}

impl<'p> Interpreter<'p> {
    /// Returns an interpreter for the expressions of a program, none of whose subqueries are known yet.
    ///
    /// # Errors
    /// [`Code::E2901`] if an expression is nested deeper than [`OPERAND_DEPTH_MAX`].
    pub fn new(program: &'p Program) -> Result<Self, Fault> {
        check_depth(program)?;
        Ok(Self { program, subqueries: Subqueries::default() })
    }

    /// Returns an interpreter for a program that [`Interpreter::new`] has accepted before, with what its subqueries yielded.
    pub fn resume(program: &'p Program, subqueries: Subqueries) -> Self {
        Self { program, subqueries }
    }

    /// Returns the program.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// Returns what evaluates expressions with what the subqueries have yielded.
    pub fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(self.program, &self.subqueries)
    }

    /// Returns the value of an expression over a row, as [`Evaluator::eval`] does.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub fn eval<R: Cells + ?Sized>(&self, id: ExprId, row: &R, ctx: &mut Context) -> Result<Value, Fault> {
        self.evaluator().eval(id, row, ctx)
    }

    /// Says whether a bool expression is true; null is not.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub fn holds<R: Cells + ?Sized>(&self, id: ExprId, row: &R, ctx: &mut Context) -> Result<bool, Fault> {
        self.evaluator().holds(id, row, ctx)
    }
}

/// Evaluates expressions of a program that belongs to someone else, as do the results of its subqueries.
///
/// The program is one that [`Interpreter::new`] has accepted.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator<'e> {
    program: &'e Program,
    subqueries: &'e Subqueries,
}

impl<'e> Evaluator<'e> {
    /// Returns an evaluator for a program, with what its subqueries yielded.
    pub fn new(program: &'e Program, subqueries: &'e Subqueries) -> Self {
        Self { program, subqueries }
    }

    /// Returns the value of an expression over a row, which is as wide as the expression's columns need.
    ///
    /// # Errors
    /// What a scalar function fails with: a bound passed, or `assert`.
    pub fn eval<R: Cells + ?Sized>(&self, id: ExprId, row: &R, ctx: &mut Context) -> Result<Value, Fault> {
        let mut pending: SmallVec<[&Expr; 8]> = SmallVec::new();
        let mut expr = self.program.expr(id);
        while let Some(first) = first_operand(&expr.kind) {
            pending.push(expr);
            expr = self.program.expr(first);
        }
        let mut value = self.eval_leaf(expr, row, ctx)?;
        while let Some(expr) = pending.pop() {
            value = self.eval_from(expr, value, row, ctx)?;
        }
        Ok(value)
    }

    /// Says whether a bool expression is true; null is not.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub fn holds<R: Cells + ?Sized>(&self, id: ExprId, row: &R, ctx: &mut Context) -> Result<bool, Fault> {
        Ok(is_true(&self.eval(id, row, ctx)?))
    }

    /// Evaluates an expression without operands.
    fn eval_leaf<R: Cells + ?Sized>(&self, expr: &Expr, row: &R, ctx: &mut Context) -> Result<Value, Fault> {
        Ok(match &expr.kind {
            ExprKind::Const(value) => value.clone(),
            ExprKind::Column(index) => row.cell(*index as usize)?,
            ExprKind::Scalar(rel) => self.subqueries.scalar(*rel)?,
            ExprKind::Call { .. } => self.call(expr, &[], ctx)?,
            ExprKind::Coalesce(_) => Value::missing(expr.ty),
            _ => unreachable!("first_operand gives an operand of every other kind"),
        })
    }

    /// Evaluates an expression whose first operand is known.
    fn eval_from<R: Cells + ?Sized>(
        &self,
        expr: &Expr,
        first: Value,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        match &expr.kind {
            ExprKind::Call { args, .. } => self.eval_call(expr, args, first, row, ctx),
            ExprKind::And(_, right) => self.eval_and(first, *right, row, ctx),
            ExprKind::Or(_, right) => self.eval_or(first, *right, row, ctx),
            ExprKind::Case { arms, otherwise } => self.eval_case(arms, *otherwise, first, row, ctx),
            ExprKind::Coalesce(items) => self.eval_coalesce(items, first, row, ctx),
            ExprKind::Property { key, .. } => Ok(property(&first, key)),
            ExprKind::Element { index, .. } => Ok(element(&first, &self.eval(*index, row, ctx)?)),
            ExprKind::InRel { rel, is_negated, is_case_ignored, .. } => {
                Ok(self.subqueries.members(*rel, *is_case_ignored)?.contains(&first, *is_negated))
            }
            ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) => unreachable!("these have no operand"),
        }
    }

    fn eval_call<R: Cells + ?Sized>(
        &self,
        expr: &Expr,
        args: &[ExprId],
        first: Value,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        let mut values: SmallVec<[Value; 4]> = SmallVec::with_capacity(args.len());
        values.push(first);
        for arg in &args[1..] {
            values.push(self.eval(*arg, row, ctx)?);
        }
        self.call(expr, &values, ctx)
    }

    /// Calls the function of a call node with these arguments.
    fn call(&self, expr: &Expr, args: &[Value], ctx: &mut Context) -> Result<Value, Fault> {
        let ExprKind::Call { function, signature, pooled, .. } = &expr.kind else {
            unreachable!("only call nodes are given");
        };
        if function.nulls == Nulls::Propagate && args.iter().any(Value::is_null) {
            return Ok(Value::missing(expr.ty));
        }
        let pooled = pooled.map(|id| self.program.pooled(id));
        (function.signatures[usize::from(*signature)].eval)(&mut Call { args, pooled, ctx })
    }

    fn eval_and<R: Cells + ?Sized>(
        &self,
        left: Value,
        right: ExprId,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        if matches!(left, Value::Bool(false)) {
            return Ok(left);
        }
        let right = self.eval(right, row, ctx)?;
        Ok(if is_true(&left) || matches!(right, Value::Bool(false)) { right } else { Value::Null })
    }

    fn eval_or<R: Cells + ?Sized>(
        &self,
        left: Value,
        right: ExprId,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        if is_true(&left) {
            return Ok(left);
        }
        let right = self.eval(right, row, ctx)?;
        Ok(if matches!(left, Value::Bool(false)) || is_true(&right) { right } else { Value::Null })
    }

    fn eval_case<R: Cells + ?Sized>(
        &self,
        arms: &[(ExprId, ExprId)],
        otherwise: ExprId,
        first: Value,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        let Some(((_, value), rest)) = arms.split_first() else {
            return Ok(first);
        };
        if is_true(&first) {
            return self.eval(*value, row, ctx);
        }
        for (condition, value) in rest {
            if self.holds(*condition, row, ctx)? {
                return self.eval(*value, row, ctx);
            }
        }
        self.eval(otherwise, row, ctx)
    }

    fn eval_coalesce<R: Cells + ?Sized>(
        &self,
        items: &[ExprId],
        first: Value,
        row: &R,
        ctx: &mut Context,
    ) -> Result<Value, Fault> {
        let mut value = first;
        for item in &items[1..] {
            if !is_missing(&value) {
                break;
            }
            value = self.eval(*item, row, ctx)?;
        }
        Ok(value)
    }
}

/// Returns the operand that is always evaluated first, or `None` for a leaf.
fn first_operand(kind: &ExprKind) -> Option<ExprId> {
    match kind {
        ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) => None,
        ExprKind::Call { args, .. } => args.first().copied(),
        ExprKind::And(left, _) | ExprKind::Or(left, _) => Some(*left),
        ExprKind::Case { arms, otherwise } => Some(arms.first().map_or(*otherwise, |(condition, _)| *condition)),
        ExprKind::Coalesce(items) => items.first().copied(),
        ExprKind::Property { base, .. } | ExprKind::Element { base, .. } => Some(*base),
        ExprKind::InRel { value, .. } => Some(*value),
    }
}

/// Refuses a program in which evaluation would nest deeper than [`OPERAND_DEPTH_MAX`].
fn check_depth(program: &Program) -> Result<(), Fault> {
    let mut depths: Vec<u32> = Vec::with_capacity(program.exprs().len());
    for expr in program.exprs() {
        let operands = expr.kind.children().into_iter().enumerate();
        let depth = operands.map(|(index, operand)| depths[operand.0 as usize] + u32::from(index > 0)).max();
        let depth = depth.unwrap_or(0);
        if depth > OPERAND_DEPTH_MAX {
            let message = format!(
                "an expression is nested deeper than {OPERAND_DEPTH_MAX} levels once its `let` names are substituted"
            );
            return Err(Fault::new(Code::E2901, message));
        }
        depths.push(depth);
    }
    Ok(())
}

/// Says whether a value is true; null is not.
pub fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

/// Says whether `coalesce` passes over a value: null, or an empty string.
fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Returns a property of a dynamic, or null.
fn property(base: &Value, key: &Str) -> Value {
    match base {
        Value::Bag(bag) => bag.get(key.as_bytes()).cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

/// Returns an element of a dynamic by position (negative: from the end) or by key, or null.
fn element(base: &Value, index: &Value) -> Value {
    match (base, index) {
        (Value::Array(items), Value::Long(index)) => item_at(items, *index),
        (Value::Array(items), Value::Int(index)) => item_at(items, i64::from(*index)),
        (Value::Bag(_), Value::String(key)) => property(base, key),
        _ => Value::Null,
    }
}

/// Returns the item at a position, counted from the end when negative, or null.
fn item_at(items: &[Value], index: i64) -> Value {
    let count = items.len() as i64;
    let position = if index < 0 { index.saturating_add(count) } else { index };
    usize::try_from(position).ok().and_then(|position| items.get(position)).cloned().unwrap_or_default()
}
