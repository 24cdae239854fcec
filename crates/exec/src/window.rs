//! Functions over neighbouring rows: `prev`, `next`, `row_number`, `row_cumsum`, `row_rank_*`, `row_window_session`.
//!
//! Rows stream through; only as many are kept back as `prev` and `next` look away.

use crate::budget::{Hold, value_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::order::as_real;
use dtq_interp::eval::is_true;
use dtq_interp::identity::is_same;
use dtq_ir::ExprId;
use dtq_ir::rel::{WindowCall, WindowFunction};
use dtq_record::stream::Row;
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};
use std::collections::VecDeque;

/// Appends to each row the values of window calls. A call sees the values of the calls before it.
///
/// Only the last call can be a `next`: what `next` gives is known later than the rest, so that calls which see it run in
/// an operator of their own.
pub(crate) struct Window<'a> {
    input: BoxedOperator<'a>,
    calls: Vec<CallState<'a>>,
    /// Rows that wait for those after them, with all values but that of `next`.
    waiting: VecDeque<Row>,
    /// How many rows after a row must be known before it can go.
    lookahead: usize,
    hold: Hold,
    has_ended: bool,
}

/// Holds a call and what it remembers of the rows before.
struct CallState<'a> {
    call: &'a WindowCall,
    /// For `prev` and `next`: how far away.
    offset: usize,
    /// For `prev` the last values, the latest at the back; for `next` those of the waiting rows.
    values: VecDeque<Value>,
    number: i64,
    /// How many rows there were since the last restart.
    row_count: i64,
    last: Value,
    session: Value,
}

/// Returns the operator, or operators, for the calls of a relation.
pub(crate) fn build_windows<'a>(
    env: &mut Env<'a>,
    input: BoxedOperator<'a>,
    calls: &'a [WindowCall],
) -> Result<BoxedOperator<'a>, Fault> {
    let mut operator = input;
    for calls in calls.split_inclusive(|call| call.function == WindowFunction::Next) {
        operator = Box::new(Window::new(env, operator, calls)?);
    }
    Ok(operator)
}

impl<'a> Window<'a> {
    fn new(env: &mut Env<'a>, input: BoxedOperator<'a>, calls: &'a [WindowCall]) -> Result<Self, Fault> {
        let mut states = Vec::with_capacity(calls.len());
        let mut lookahead = 0;
        for call in calls {
            let offset = match (call.function, call.args.get(1)) {
                (WindowFunction::Prev | WindowFunction::Next, Some(offset)) => env.eval_count(*offset)?,
                _ => 1,
            };
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            if call.function == WindowFunction::Next {
                lookahead = offset;
            }
            states.push(CallState::new(call, offset));
        }
        let hold = env.budget.hold("serialize");
        Ok(Self { input, calls: states, waiting: VecDeque::new(), lookahead, hold, has_ended: false })
    }

    /// Takes a row in; what depends on rows before it is computed now.
    fn push(&mut self, env: &mut Env<'a>, mut row: Row) -> Result<(), Fault> {
        for state in &mut self.calls {
            let value = state.step(env, &row, &mut self.hold)?;
            row.push(value);
        }
        self.hold.add_row(&row)?;
        self.waiting.push_back(row);
        Ok(())
    }

    /// Gives the first waiting row, with what depends on the rows after it.
    fn pop(&mut self, env: &mut Env<'a>) -> Result<Option<Row>, Fault> {
        let Some(mut row) = self.waiting.pop_front() else {
            return Ok(None);
        };
        self.hold.remove_row(&row);
        if let Some(state) = self.calls.last_mut()
            && state.call.function == WindowFunction::Next
        {
            row.pop();
            let value = match state.values.get(state.offset) {
                Some(value) => value.clone(),
                None => default_of(env, state.call, &row)?,
            };
            state.values.pop_front();
            row.push(value);
        }
        Ok(Some(row))
    }
}

impl<'a> Operator<'a> for Window<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if !self.has_ended {
            match self.input.next(env)? {
                Some(batch) => {
                    for row in batch {
                        self.push(env, row)?;
                    }
                }
                None => self.has_ended = true,
            }
        }
        let kept_back = if self.has_ended { 0 } else { self.lookahead };
        let mut output = Vec::new();
        while self.waiting.len() > kept_back && output.len() < env.batch_rows.max(1) {
            output.extend(self.pop(env)?);
        }
        Ok((!(output.is_empty() && self.has_ended)).then_some(output))
    }
}

/// Returns the third argument of `prev` and `next`, or what is missing of the type.
fn default_of(env: &mut Env<'_>, call: &WindowCall, row: &[Value]) -> Result<Value, Fault> {
    match call.args.get(2) {
        Some(default) => env.eval(*default, row),
        None => Ok(Value::missing(call.ty)),
    }
}

impl<'a> CallState<'a> {
    fn new(call: &'a WindowCall, offset: usize) -> Self {
        Self { call, offset, values: VecDeque::new(), number: 0, row_count: 0, last: Value::Null, session: Value::Null }
    }

    /// Returns the value for a row, given all rows before it; null for `next`, which needs the rows after it.
    fn step(&mut self, env: &mut Env<'a>, row: &Row, hold: &mut Hold) -> Result<Value, Fault> {
        match self.call.function {
            WindowFunction::Prev => self.step_prev(env, row, hold),
            WindowFunction::Next => {
                let value = env.eval(self.call.args[0], row)?;
                self.values.push_back(value);
                Ok(Value::Null)
            }
            WindowFunction::RowNumber => self.step_number(env, row),
            WindowFunction::RowCumsum => self.step_sum(env, row),
            WindowFunction::RowRankDense | WindowFunction::RowRankMin => self.step_rank(env, row),
            WindowFunction::RowWindowSession => self.step_session(env, row),
        }
    }

    fn step_prev(&mut self, env: &mut Env<'a>, row: &Row, hold: &mut Hold) -> Result<Value, Fault> {
        let value = env.eval(self.call.args[0], row)?;
        if self.offset == 0 {
            return Ok(value);
        }
        let before = if self.values.len() == self.offset {
            self.values.pop_front().unwrap_or_default()
        } else {
            hold.add(value_bytes(&value))?;
            default_of(env, self.call, row)?
        };
        self.values.push_back(value);
        Ok(before)
    }

    /// Says whether the restart condition, which is the argument at `index`, is true.
    fn restarts(&self, env: &mut Env<'a>, row: &Row, index: usize) -> Result<bool, Fault> {
        match self.call.args.get(index) {
            Some(restart) => Ok(is_true(&env.eval(*restart, row)?)),
            None => Ok(false),
        }
    }

    fn step_number(&mut self, env: &mut Env<'a>, row: &Row) -> Result<Value, Fault> {
        let restarts = self.restarts(env, row, 1)?;
        if self.row_count == 0 || restarts {
            self.number = match self.call.args.first() {
                Some(start) => as_long(&env.eval(*start, row)?).unwrap_or(1),
                None => 1,
            };
            self.row_count = 1;
        } else {
            self.number = self.number.wrapping_add(1);
        }
        Ok(Value::Long(self.number))
    }

    /// Adds the term to the sum; a null adds nothing.
    fn step_sum(&mut self, env: &mut Env<'a>, row: &Row) -> Result<Value, Fault> {
        let term = env.eval(self.call.args[0], row)?;
        if self.restarts(env, row, 1)? || self.row_count == 0 {
            self.last = zero(self.call.ty);
        }
        self.row_count = 1;
        self.last = add(&self.last, &term);
        Ok(self.last.clone())
    }

    fn step_rank(&mut self, env: &mut Env<'a>, row: &Row) -> Result<Value, Fault> {
        let term = env.eval(self.call.args[0], row)?;
        let restarts = self.restarts(env, row, 1)?;
        if self.row_count == 0 || restarts {
            (self.number, self.row_count) = (1, 1);
        } else {
            self.row_count += 1;
            if !is_same(&term, &self.last) {
                let is_dense = self.call.function == WindowFunction::RowRankDense;
                self.number = if is_dense { self.number + 1 } else { self.row_count };
            }
        }
        self.last = term;
        Ok(Value::Long(self.number))
    }

    /// Returns the first value of the session that the row belongs to.
    ///
    /// # Source
    /// Kusto documentation, "row_window_session()", "Returns": the four conditions for a new session.
    fn step_session(&mut self, env: &mut Env<'a>, row: &Row) -> Result<Value, Fault> {
        let args: &[ExprId] = &self.call.args;
        let value = env.eval(args[0], row)?;
        let (from_first, from_last) = (env.eval(args[1], row)?, env.eval(args[2], row)?);
        let reaches = |start: &Value, distance: &Value| match (ticks(start), ticks(distance), ticks(&value)) {
            (Some(start), Some(distance), Some(value)) => value >= start.saturating_add(distance),
            _ => false,
        };
        let is_new = self.session.is_null()
            || reaches(&self.session, &from_first)
            || reaches(&self.last, &from_last)
            || self.restarts(env, row, 3)?;
        if is_new || value.is_null() {
            self.session = value.clone();
        }
        self.last = value;
        Ok(self.session.clone())
    }
}

fn ticks(value: &Value) -> Option<i64> {
    match value {
        Value::DateTime(ticks) | Value::TimeSpan(ticks) => Some(*ticks),
        _ => None,
    }
}

fn as_long(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) => Some(*value),
        _ => None,
    }
}

/// Returns the zero of a type that can be summed.
fn zero(ty: Type) -> Value {
    match ty {
        Type::Int => Value::Int(0),
        Type::Long => Value::Long(0),
        Type::TimeSpan => Value::TimeSpan(0),
        Type::Decimal => Value::Decimal(dtq_value::Decimal::ZERO),
        _ => Value::Real(0.0),
    }
}

/// Returns a sum and a term added, in the type of the sum; integers wrap.
fn add(sum: &Value, term: &Value) -> Value {
    match (sum, term) {
        (sum, Value::Null) => sum.clone(),
        (Value::Int(sum), Value::Int(term)) => Value::Int(sum.wrapping_add(*term)),
        (Value::Long(sum), term) => Value::Long(sum.wrapping_add(as_long(term).unwrap_or(0))),
        (Value::TimeSpan(sum), Value::TimeSpan(term)) => Value::TimeSpan(sum.wrapping_add(*term)),
        (Value::Decimal(sum), Value::Decimal(term)) => sum.checked_add(*term).map_or(Value::Null, Value::Decimal),
        (Value::Real(sum), term) => Value::Real(sum + as_real(term)),
        (sum, _) => sum.clone(),
    }
}
