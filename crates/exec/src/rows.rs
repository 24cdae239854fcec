//! Operators that look at one row at a time and hold nothing: filter, project, take, union.

use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use dtq_ir::{ExprId, ExprKind};
use dtq_record::stream::Row;
use dtq_value::Value;
use dtq_value::scalar::Fault;

/// Keeps the rows for which a predicate is true.
pub(crate) struct Filter<'a> {
    pub(crate) input: BoxedOperator<'a>,
    pub(crate) predicate: ExprId,
}

impl<'a> Operator<'a> for Filter<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        let mut kept = Vec::new();
        for row in batch {
            if env.holds(self.predicate, &row)? {
                kept.push(row);
            }
        }
        Ok(Some(kept))
    }
}

/// Computes each output column from the input row.
pub(crate) struct Project<'a> {
    input: BoxedOperator<'a>,
    computed: Vec<(usize, ExprId)>,
    /// Plain columns: where each goes, where it comes from, and whether no later one takes the same.
    moved: Vec<(usize, usize, bool)>,
    width: usize,
}

impl<'a> Project<'a> {
    pub(crate) fn new(env: &Env<'_>, input: BoxedOperator<'a>, exprs: &[ExprId]) -> Self {
        let mut computed = Vec::new();
        let mut moved: Vec<(usize, usize, bool)> = Vec::new();
        for (index, expr) in exprs.iter().enumerate() {
            match env.program().expr(*expr).kind {
                ExprKind::Column(from) => moved.push((index, from as usize, false)),
                _ => computed.push((index, *expr)),
            }
        }
        for at in 0..moved.len() {
            moved[at].2 = !moved[at + 1..].iter().any(|later| later.1 == moved[at].1);
        }
        Self { input, computed, moved, width: exprs.len() }
    }

    fn project(&self, env: &mut Env<'_>, mut row: Row) -> Result<Row, Fault> {
        let mut output = vec![Value::Null; self.width];
        for (to, expr) in &self.computed {
            output[*to] = env.eval(*expr, &row)?;
        }
        for (to, from, is_last) in &self.moved {
            output[*to] = if *is_last { std::mem::take(&mut row[*from]) } else { row[*from].clone() };
        }
        Ok(output)
    }
}

impl<'a> Operator<'a> for Project<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        batch.into_iter().map(|row| self.project(env, row)).collect::<Result<_, _>>().map(Some)
    }
}

/// Gives the first rows; its input is dropped as soon as it has them.
pub(crate) struct Take<'a> {
    input: Option<BoxedOperator<'a>>,
    wanted: u64,
}

impl<'a> Take<'a> {
    pub(crate) fn new(input: BoxedOperator<'a>, wanted: u64) -> Self {
        Self { input: (wanted > 0).then_some(input), wanted }
    }
}

impl<'a> Operator<'a> for Take<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(input) = &mut self.input else {
            return Ok(None);
        };
        let Some(mut batch) = input.next(env)? else {
            return Ok(None);
        };
        batch.truncate(usize::try_from(self.wanted).unwrap_or(usize::MAX));
        self.wanted -= batch.len() as u64;
        if self.wanted == 0 {
            self.input = None;
        }
        Ok(Some(batch))
    }
}

/// Gives the rows of several inputs, one input after the other.
pub(crate) struct Union<'a> {
    /// The inputs that have not ended, the current one last.
    inputs: Vec<BoxedOperator<'a>>,
}

impl<'a> Union<'a> {
    pub(crate) fn new(mut inputs: Vec<BoxedOperator<'a>>) -> Self {
        inputs.reverse();
        Self { inputs }
    }
}

impl<'a> Operator<'a> for Union<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        while let Some(input) = self.inputs.last_mut() {
            if let Some(batch) = input.next(env)? {
                return Ok(Some(batch));
            }
            self.inputs.pop();
        }
        Ok(None)
    }
}
