//! Operators that look rows up by their values: `distinct` and `summarize`.

use crate::accumulate::{Accumulator, AggregateSpec};
use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::grouping::ACCUMULATOR_BYTES;
use crate::operator::{BoxedOperator, Operator};
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::AggregateCall;
use dtq_record::stream::Row;
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

/// Gives each different row once, when it is first seen.
pub(crate) struct Distinct<'a> {
    input: BoxedOperator<'a>,
    seen: FxHashSet<RowIdentity>,
    hold: Hold,
}

impl<'a> Distinct<'a> {
    pub(crate) fn new(env: &Env<'_>, input: BoxedOperator<'a>) -> Self {
        Self { input, seen: FxHashSet::default(), hold: env.budget.hold("distinct") }
    }
}

impl<'a> Operator<'a> for Distinct<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        let mut kept = Vec::new();
        for row in batch {
            let row = RowIdentity(row);
            if !self.seen.contains(&row) {
                self.hold.add_row(&row.0)?;
                kept.push(row.0.clone());
                self.seen.insert(row);
            }
        }
        Ok(Some(kept))
    }
}

/// Groups in the order in which their keys were first seen.
pub(crate) type Groups = IndexMap<RowIdentity, Vec<Box<dyn Accumulator>>, FxBuildHasher>;

/// Groups rows by keys and aggregates each group.
pub(crate) struct Group<'a> {
    input: BoxedOperator<'a>,
    keys: &'a [ExprId],
    specs: Vec<AggregateSpec<'a>>,
    hold: Option<Hold>,
    output: Option<indexmap::map::IntoIter<RowIdentity, Vec<Box<dyn Accumulator>>>>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(
        env: &mut Env<'a>,
        input: BoxedOperator<'a>,
        keys: &'a [ExprId],
        aggregates: &'a [AggregateCall],
    ) -> Result<Self, Fault> {
        let specs = aggregates.iter().map(|call| AggregateSpec::new(env, call)).collect::<Result<_, _>>()?;
        Ok(Self { input, keys, specs, hold: Some(env.budget.hold("summarize")), output: None })
    }

    fn group(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Groups, Fault> {
        let mut groups = Groups::default();
        if self.keys.is_empty() {
            groups.insert(RowIdentity::default(), new_accumulators(&self.specs));
        }
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = RowIdentity(env.eval_all(self.keys, &row)?);
                add_to_group(env, &mut groups, &self.specs, key, &row, hold)?;
            }
        }
        Ok(groups)
    }
}

/// Returns fresh accumulators for a group.
pub(crate) fn new_accumulators(specs: &[AggregateSpec<'_>]) -> Vec<Box<dyn Accumulator>> {
    specs.iter().map(AggregateSpec::accumulator).collect()
}

/// Adds a row to its group, which is made when it is the first.
pub(crate) fn add_to_group<'a>(
    env: &mut Env<'a>,
    groups: &mut Groups,
    specs: &[AggregateSpec<'a>],
    key: RowIdentity,
    row: &Row,
    hold: &mut Hold,
) -> Result<(), Fault> {
    /// What an entry takes besides key and accumulators.
    const ENTRY_BYTES: usize = 64;
    let accumulators = match groups.get_index_of(&key) {
        Some(index) => &mut groups[index],
        None => {
            hold.add(values_bytes(&key.0) + ENTRY_BYTES + specs.len() * ACCUMULATOR_BYTES)?;
            groups.entry(key).or_insert_with(|| new_accumulators(specs))
        }
    };
    for (spec, accumulator) in specs.iter().zip(accumulators) {
        let grown_bytes = spec.add(env, row, accumulator.as_mut())?;
        if grown_bytes > 0 {
            hold.add(grown_bytes)?;
        }
    }
    Ok(())
}

impl<'a> Operator<'a> for Group<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if self.output.is_none() {
            let Some(mut hold) = self.hold.take() else {
                return Ok(None);
            };
            self.output = Some(self.group(env, &mut hold)?.into_iter());
            // Stays charged until the operator is dropped, as the groups do.
            self.hold = Some(hold);
        }
        let Some(groups) = &mut self.output else {
            return Ok(None);
        };
        let mut batch = Vec::new();
        for (key, accumulators) in groups.by_ref().take(env.batch_rows) {
            let mut row = key.0;
            for mut accumulator in accumulators {
                accumulator.finish(&mut row);
            }
            batch.push(row);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}
