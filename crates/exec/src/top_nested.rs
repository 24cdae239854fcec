//! `top-nested`: the first values by an aggregate, and within each of them the first values of the next level.

use crate::accumulate::{Accumulator, AggregateSpec};
use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::order::compare_values;
use crate::sort::Held;
use dtq_interp::Identity;
use dtq_ir::rel::TopNestedLevel;
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Aggregates rows level by level.
pub(crate) struct TopNested<'a> {
    input: BoxedOperator<'a>,
    levels: Vec<Level<'a>>,
    hold: Option<Hold>,
    output: Option<Held>,
}

/// Holds a level with its constants evaluated.
struct Level<'a> {
    level: &'a TopNestedLevel,
    count: usize,
    others: Option<Value>,
    spec: AggregateSpec<'a>,
}

/// A value of a level: the rows that have it and their aggregate.
struct Branch {
    value: Value,
    aggregate: Value,
    rows: Vec<usize>,
}

impl<'a> TopNested<'a> {
    /// Returns the operator.
    ///
    /// # Errors
    /// [`Code::E2900`] for `with others` on a level that has levels below it.
    pub(crate) fn new(
        env: &mut Env<'a>,
        input: BoxedOperator<'a>,
        levels: &'a [TopNestedLevel],
    ) -> Result<Self, Fault> {
        let mut prepared = Vec::with_capacity(levels.len());
        for (index, level) in levels.iter().enumerate() {
            if level.others.is_some() && index + 1 < levels.len() {
                let message = "`with others` is supported on the last level of `top-nested` only";
                return Err(Fault::new(Code::E2900, message));
            }
            let count = level.count.map_or(Ok(u64::MAX), |count| env.eval_count(count))?;
            let others = level.others.map(|others| env.eval(others, &[])).transpose()?;
            let spec = AggregateSpec::new(env, &level.by)?;
            prepared.push(Level { level, count: usize::try_from(count).unwrap_or(usize::MAX), others, spec });
        }
        Ok(Self { input, levels: prepared, hold: Some(env.budget.hold("top-nested")), output: None })
    }

    fn run(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                hold.add_row(&row)?;
                rows.push(row);
            }
        }
        let mut output = Vec::new();
        let all = (0..rows.len()).collect();
        self.descend(env, &rows, all, (0, Vec::new()), hold, &mut output)?;
        Ok(output)
    }

    /// Appends the output rows of the given input rows, which share the columns of the levels before.
    fn descend(
        &self,
        env: &mut Env<'a>,
        rows: &[Row],
        chosen: Vec<usize>,
        (depth, columns): (usize, Row),
        hold: &mut Hold,
        output: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let Some(level) = self.levels.get(depth) else {
            hold.add_row(&columns)?;
            output.push(columns);
            return Ok(());
        };
        for branch in level.branches(env, rows, chosen, hold)? {
            let columns = columns.iter().cloned().chain([branch.value, branch.aggregate]).collect();
            self.descend(env, rows, branch.rows, (depth + 1, columns), hold, output)?;
        }
        Ok(())
    }
}

impl<'a> Level<'a> {
    /// Returns the first values of this level among some rows, in order, then the others.
    fn branches(
        &self,
        env: &mut Env<'a>,
        rows: &[Row],
        chosen: Vec<usize>,
        hold: &mut Hold,
    ) -> Result<Vec<Branch>, Fault> {
        let mut by_value: IndexMap<Identity, Vec<usize>, FxBuildHasher> = IndexMap::default();
        for index in chosen {
            let value = env.eval(self.level.of, &rows[index])?;
            by_value.entry(Identity(value)).or_default().push(index);
        }
        let mut branches = Vec::with_capacity(by_value.len());
        for (value, members) in by_value {
            let aggregate = self.aggregate(env, rows, &members, hold)?;
            hold.add(values_bytes(&[value.0.clone(), aggregate.clone()]))?;
            branches.push(Branch { value: value.0, aggregate, rows: members });
        }
        branches.sort_by(|left, right| {
            let order = compare_values(&left.aggregate, &right.aggregate);
            if self.level.is_ascending { order } else { order.reverse() }
        });
        let rest: Vec<Branch> = branches.drain(self.count.min(branches.len())..).collect();
        if let Some(others) = &self.others
            && !rest.is_empty()
        {
            let members: Vec<usize> = rest.into_iter().flat_map(|branch| branch.rows).collect();
            let aggregate = self.aggregate(env, rows, &members, hold)?;
            branches.push(Branch { value: others.clone(), aggregate, rows: members });
        }
        Ok(branches)
    }

    fn aggregate(&self, env: &mut Env<'a>, rows: &[Row], members: &[usize], hold: &mut Hold) -> Result<Value, Fault> {
        let mut accumulator: Box<dyn Accumulator> = self.spec.accumulator();
        for index in members {
            hold.add(self.spec.add(env, &rows[*index], accumulator.as_mut())?)?;
        }
        let mut outputs = Vec::new();
        accumulator.finish(&mut outputs);
        Ok(outputs.into_iter().next().unwrap_or_default())
    }
}

impl<'a> Operator<'a> for TopNested<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(mut hold) = self.hold.take() {
            let rows = self.run(env, &mut hold)?;
            self.output = Some(Held::new(rows, hold));
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
