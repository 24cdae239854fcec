//! Operators without an input: a table, constant rows, `range`, the rows of an enclosing operator, rows kept before.

use crate::env::Env;
use crate::operator::{Demand, Operator, build};
use dtq_ir::ExprId;
use dtq_ir::rel::RelId;
use dtq_record::stream::{Row, RowStream};
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Decimal, Value};
use std::rc::Rc;

/// Reads a table of the catalog; it is opened when the first row is asked for.
pub(crate) struct Scan<'a> {
    rel: RelId,
    table: &'a str,
    stream: Option<Box<dyn RowStream + 'a>>,
    has_ended: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(rel: RelId, table: &'a str) -> Self {
        Self { rel, table, stream: None, has_ended: false }
    }
}

impl<'a> Operator<'a> for Scan<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if self.has_ended {
            return Ok(None);
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let opened = env.catalog.scan(self.table, &env.plan.projection(self.rel));
                let mut opened = opened.map_err(|error| Fault::new(error.code, error.message))?;
                if !env.is_unoptimized {
                    opened.narrow(true);
                }
                self.stream.insert(opened)
            }
        };
        let mut batch = Vec::new();
        while batch.len() < env.batch_rows && !self.has_ended {
            // A table may pass over much before it gives a row.
            env.check_time()?;
            let has_more = stream.read(&mut batch).map_err(|error| Fault::new(error.code, error.message))?;
            self.has_ended = !has_more;
        }
        Ok(Some(batch))
    }
}

/// Gives constant rows.
pub(crate) struct Values<'a> {
    rows: &'a [Vec<Value>],
}

impl<'a> Values<'a> {
    pub(crate) fn new(rows: &'a [Vec<Value>]) -> Self {
        Self { rows }
    }
}

impl<'a> Operator<'a> for Values<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let (batch, rest) = self.rows.split_at(env.batch_rows.min(self.rows.len()));
        self.rows = rest;
        Ok(Some(batch.to_vec()))
    }
}

/// Gives rows that someone else holds.
pub(crate) struct Given {
    rows: Rc<Vec<Row>>,
    next_index: usize,
}

impl Given {
    pub(crate) fn new(rows: Rc<Vec<Row>>) -> Self {
        Self { rows, next_index: 0 }
    }
}

impl<'a> Operator<'a> for Given {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let end = self.rows.len().min(self.next_index.saturating_add(env.batch_rows));
        if end == self.next_index {
            return Ok(None);
        }
        let batch = self.rows[self.next_index..end].to_vec();
        self.next_index = end;
        Ok(Some(batch))
    }
}

/// Gives the rows of a relation that has several readers: evaluated by the first, kept for the others.
pub(crate) struct Materialized {
    rel: RelId,
    input: RelId,
    rows: Option<Given>,
}

impl Materialized {
    pub(crate) fn new(rel: RelId, input: RelId) -> Self {
        Self { rel, input, rows: None }
    }

    /// Returns the kept rows, evaluating them when this is their first reader.
    fn rows(&self, env: &mut Env<'_>) -> Result<Rc<Vec<Row>>, Fault> {
        if let Some(rows) = env.materialized.get(&self.rel) {
            return Ok(Rc::clone(rows));
        }
        let mut operator = build(self.input, env, None, Demand::All)?;
        let mut hold = env.budget.hold("materialize");
        let mut rows = Vec::new();
        while let Some(batch) = operator.next(env)? {
            for row in batch {
                hold.add_row(&row)?;
                rows.push(row);
            }
        }
        // The rows live as long as the run, and so does the charge: it is never given back.
        std::mem::forget(hold);
        let rows = Rc::new(rows);
        env.materialized.insert(self.rel, Rc::clone(&rows));
        Ok(rows)
    }
}

impl<'a> Operator<'a> for Materialized {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let given = match &mut self.rows {
            Some(given) => given,
            None => {
                let rows = self.rows(env)?;
                self.rows.insert(Given::new(rows))
            }
        };
        given.next(env)
    }
}

/// `range`: gives the values from one to another, a step apart.
pub(crate) struct Range {
    steps: Steps,
    next_index: u64,
    count: u64,
    produced_max: u64,
}

/// Computes the value at an index.
enum Steps {
    Integer { from: i64, step: i64, wrap: fn(i64) -> Value },
    Real { from: f64, step: f64 },
    Decimal { from: Decimal, step: Decimal },
}

impl Range {
    /// Returns the operator.
    ///
    /// # Errors
    /// [`Code::E3007`] if the step is zero or a bound is null; [`Code::E3002`] if all rows are wanted and there are more
    /// than the limit, before any is produced.
    pub(crate) fn new(env: &mut Env<'_>, bounds: [ExprId; 3], demand: Demand) -> Result<Self, Fault> {
        let [from, to, step] = bounds;
        let (from, to, step) = (env.eval(from, &[])?, env.eval(to, &[])?, env.eval(step, &[])?);
        let (steps, count) = plan_steps(&from, &to, &step)?;
        if demand == Demand::All {
            env.check_produced("range", count)?;
        }
        Ok(Self { steps, next_index: 0, count, produced_max: env.ctx.scalar.limits.produced_rows_max })
    }

    fn value_at(&self, index: u64) -> Value {
        match &self.steps {
            Steps::Integer { from, step, wrap } => {
                let value = i128::from(*from) + i128::from(*step) * i128::from(index);
                wrap(i64::try_from(value).expect("count ends the range before `to`, which is an i64"))
            }
            Steps::Real { from, step } => Value::Real(from + step * index as f64),
            Steps::Decimal { from, step } => {
                let distance = step.checked_mul(Decimal::from(index));
                distance.and_then(|distance| from.checked_add(distance)).map_or(Value::Null, Value::Decimal)
            }
        }
    }
}

impl<'a> Operator<'a> for Range {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        env.check_time()?;
        if self.next_index == self.count {
            return Ok(None);
        }
        if self.next_index >= self.produced_max {
            env.check_produced("range", self.count)?;
        }
        let end = self.count.min(self.next_index.saturating_add(env.batch_rows as u64));
        let batch = (self.next_index..end).map(|index| vec![self.value_at(index)]).collect();
        self.next_index = end;
        Ok(Some(batch))
    }
}

/// Returns how to compute the values of a range and how many there are.
fn plan_steps(from: &Value, to: &Value, step: &Value) -> Result<(Steps, u64), Fault> {
    let integers = |from: i64, to: i64, step: i64, wrap: fn(i64) -> Value| {
        Ok((Steps::Integer { from, step, wrap }, integer_count(from, to, step)?))
    };
    match (from, to, step) {
        (Value::Long(from), Value::Long(to), Value::Long(step)) => integers(*from, *to, *step, Value::Long),
        (Value::Int(from), Value::Int(to), Value::Int(step)) => {
            let wrap = |value| Value::Int(i32::try_from(value).expect("between two i32"));
            integers(i64::from(*from), i64::from(*to), i64::from(*step), wrap)
        }
        (Value::DateTime(from), Value::DateTime(to), Value::TimeSpan(step)) => {
            integers(*from, *to, *step, Value::DateTime)
        }
        (Value::TimeSpan(from), Value::TimeSpan(to), Value::TimeSpan(step)) => {
            integers(*from, *to, *step, Value::TimeSpan)
        }
        (Value::Real(from), Value::Real(to), Value::Real(step)) => {
            Ok((Steps::Real { from: *from, step: *step }, real_count(*from, *to, *step)?))
        }
        (Value::Decimal(from), Value::Decimal(to), Value::Decimal(step)) => {
            Ok((Steps::Decimal { from: *from, step: *step }, decimal_count(*from, *to, *step)?))
        }
        _ => Err(Fault::new(Code::E3007, "`range` needs a start, an end and a step that are not null")),
    }
}

fn no_step() -> Fault {
    Fault::new(Code::E3007, "the step of `range` is zero, so that it would never end")
}

/// Returns how many values there are; none when the step leads away from the end.
fn integer_count(from: i64, to: i64, step: i64) -> Result<u64, Fault> {
    if step == 0 {
        return Err(no_step());
    }
    let distance = i128::from(to) - i128::from(from);
    let steps = distance / i128::from(step);
    let leads_away = distance != 0 && (distance < 0) != (step < 0);
    Ok(if leads_away { 0 } else { u64::try_from(steps + 1).unwrap_or(u64::MAX) })
}

/// Returns how many values there are. A step that hides in the rounding of the end (0 to 1 by 0.1) still reaches it.
fn real_count(from: f64, to: f64, step: f64) -> Result<u64, Fault> {
    if step == 0.0 || !(from.is_finite() && to.is_finite() && step.is_finite()) {
        return Err(no_step());
    }
    let steps = (to - from) / step;
    let rounded = steps.round();
    let whole = if (steps - rounded).abs() < 1e-9 { rounded } else { steps.floor() };
    Ok(if whole < 0.0 { 0 } else { (whole as u64).saturating_add(1) })
}

fn decimal_count(from: Decimal, to: Decimal, step: Decimal) -> Result<u64, Fault> {
    if step.is_zero() {
        return Err(no_step());
    }
    let steps = to.checked_sub(from).and_then(|distance| distance.checked_div(step)).map(|steps| steps.floor());
    Ok(match steps {
        Some(steps) if steps.is_sign_negative() && !steps.is_zero() => 0,
        Some(steps) => u64::try_from(steps).map_or(u64::MAX, |steps| steps.saturating_add(1)),
        None => u64::MAX,
    })
}
