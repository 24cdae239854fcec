//! The entry: a program, the tables and the options of a run; out come the rows of each result, batch by batch.

use crate::budget::value_bytes;
use crate::env::Env;
use crate::native::Native;
use crate::operator::{BoxedOperator, Demand, build};
use crate::plan::{Subquery, SubqueryUse};
use dtq_interp::{Interpreter, Members};
use dtq_ir::Program;
use dtq_ir::rel::RelId;
use dtq_record::stream::{Catalog, Column, Row};
use dtq_source::{Limits, Timer};
use dtq_value::Value;
use dtq_value::scalar::Fault;

/// Holds what a run fixes once besides the program.
pub struct Options<'a> {
    /// The bounds.
    pub limits: Limits,
    /// `now()`: ticks since 0001-01-01T00:00Z.
    pub now_ticks: i64,
    /// Seed of `rand()`, `sample` and their like.
    pub random_seed: u64,
    /// About how many rows go through the operators at once.
    pub batch_rows: usize,
    /// Whether tables give whole values, and all records, instead of what the program looks at.
    pub is_unoptimized: bool,
    /// The time of the run; asked once a batch and every few thousand expressions.
    pub timer: Timer<'a>,
    /// The native code of the program; without it all is interpreted.
    pub native: Option<&'a Native>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            now_ticks: 0,
            random_seed: 0,
            batch_rows: 1024,
            is_unoptimized: false,
            timer: Timer::default(),
            native: None,
        }
    }
}

/// Holds a run: reading its outputs moves it forward.
pub struct Run<'a> {
    env: Env<'a>,
    /// The operator of each output that has begun and not ended.
    operators: Vec<OutputState<'a>>,
    has_started: bool,
}

enum OutputState<'a> {
    Waiting,
    Reading(BoxedOperator<'a>),
    Ended,
}

impl<'a> Run<'a> {
    /// Returns a run of a program that has read nothing yet.
    ///
    /// # Errors
    /// `E2901` when the program is nested too deeply.
    ///
    /// # Panics
    /// If the native code of the options is that of another program.
    pub fn new(program: &'a Program, catalog: &'a dyn Catalog, options: Options<'a>) -> Result<Self, Fault> {
        let subqueries = Interpreter::new(program)?.subqueries;
        let env = Env::resume(program, catalog, subqueries, options)?;
        let operators = program.outputs.iter().map(|_| OutputState::Waiting).collect();
        Ok(Self { env, operators, has_started: false })
    }

    /// Returns how many results the program has.
    pub fn output_count(&self) -> usize {
        self.operators.len()
    }

    /// Returns the name of a result.
    pub fn name(&self, output: usize) -> &'a str {
        &self.env.program().outputs[output].name
    }

    /// Returns the columns of a result.
    pub fn columns(&self, output: usize) -> &'a [Column] {
        let program = self.env.program();
        &program.rel(program.outputs[output].rel).columns
    }

    /// Returns the next rows of a result, or `None` after the last.
    ///
    /// # Errors
    /// `E3xxx`: a bound was passed, an input cannot be read, or a function failed. The run is of no use afterwards.
    pub fn next_batch(&mut self, output: usize) -> Result<Option<Vec<Row>>, Fault> {
        if !self.has_started {
            self.has_started = true;
            evaluate_subqueries(&mut self.env)?;
        }
        if let OutputState::Waiting = self.operators[output] {
            let rel = self.env.program().outputs[output].rel;
            self.operators[output] = OutputState::Reading(build(rel, &mut self.env, None, Demand::All)?);
        }
        let OutputState::Reading(operator) = &mut self.operators[output] else {
            return Ok(None);
        };
        while let Some(batch) = operator.next(&mut self.env)? {
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.operators[output] = OutputState::Ended;
        Ok(None)
    }

    /// Returns all remaining rows of a result.
    ///
    /// # Errors
    /// As [`Run::next_batch`]; and `E3001` when they are more than the run may hold.
    pub fn rest(&mut self, output: usize) -> Result<Vec<Row>, Fault> {
        let mut hold = self.env.budget.hold("result");
        let mut rows = Vec::new();
        while let Some(batch) = self.next_batch(output)? {
            for row in batch {
                hold.add_row(&row)?;
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// Evaluates the relations inside expressions, each once.
fn evaluate_subqueries(env: &mut Env<'_>) -> Result<(), Fault> {
    let subqueries: Vec<Subquery> = env.plan.subqueries.iter().copied().collect();
    for Subquery { rel, use_ } in subqueries {
        if env.plan.is_bound[rel.0 as usize] {
            continue;
        }
        match use_ {
            SubqueryUse::Scalar => {
                let value = evaluate_scalar(env, rel)?;
                env.interpreter.subqueries.set_scalar(rel, value);
            }
            SubqueryUse::Members { is_case_ignored } => {
                let members = evaluate_members(env, rel, is_case_ignored)?;
                env.interpreter.subqueries.set_members(rel, is_case_ignored, members);
            }
        }
    }
    Ok(())
}

/// Returns the first value of the first row, or what is missing of its type when there is none.
fn evaluate_scalar(env: &mut Env<'_>, rel: RelId) -> Result<Value, Fault> {
    let mut operator = build(rel, env, None, Demand::AtMost(1))?;
    while let Some(batch) = operator.next(env)? {
        if let Some(value) = batch.into_iter().next().and_then(|row| row.into_iter().next()) {
            return Ok(value);
        }
    }
    Ok(env.rel(rel).columns.first().map_or(Value::Null, |column| Value::missing(column.ty)))
}

/// Returns the values of the first column.
fn evaluate_members(env: &mut Env<'_>, rel: RelId, is_case_ignored: bool) -> Result<Members, Fault> {
    let mut operator = build(rel, env, None, Demand::All)?;
    let mut members = Members::new(is_case_ignored);
    // The set lives as long as the run, and so does the charge: it is never given back.
    let mut hold = env.budget.hold("in");
    while let Some(batch) = operator.next(env)? {
        for value in batch.iter().filter_map(|row| row.first()) {
            hold.add(value_bytes(value))?;
            members.add(value);
        }
    }
    std::mem::forget(hold);
    Ok(members)
}
