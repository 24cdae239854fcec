//! Plugins that turn values into columns: `bag_unpack` and `pivot`, whose columns are already known.

use crate::accumulate::{Accumulator, AggregateSpec};
use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::sort::Held;
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::{AggregateCall, BagUnpackSource};
use dtq_record::stream::Row;
use dtq_value::scalar::Fault;
use dtq_value::scalar::convert::{convert, text_of};
use dtq_value::{Type, Value};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// Takes properties of a bag out as columns.
pub(crate) struct BagUnpack<'a> {
    pub(crate) input: BoxedOperator<'a>,
    pub(crate) bag: usize,
    pub(crate) sources: &'a [BagUnpackSource],
}

impl BagUnpack<'_> {
    fn unpack(&self, row: &Row, depth_max: usize) -> Row {
        let value = |source: &BagUnpackSource| match source {
            BagUnpackSource::Column(index) => row[*index as usize].clone(),
            BagUnpackSource::Property(key, ty) => match &row[self.bag] {
                Value::Bag(bag) => match bag.get(key.as_bytes()) {
                    Some(value) => convert(value, Type::Dynamic, *ty, depth_max),
                    None => Value::missing(*ty),
                },
                _ => Value::missing(*ty),
            },
        };
        self.sources.iter().map(value).collect()
    }
}

impl<'a> Operator<'a> for BagUnpack<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let Some(batch) = self.input.next(env)? else {
            return Ok(None);
        };
        let depth_max = env.ctx.scalar.limits.value_nesting_max;
        Ok(Some(batch.iter().map(|row| self.unpack(row, depth_max)).collect()))
    }
}

/// Groups by keys and aggregates each value of a pivot expression into a column of its own.
pub(crate) struct Pivot<'a> {
    input: BoxedOperator<'a>,
    keys: &'a [ExprId],
    pivot: ExprId,
    columns: FxHashMap<&'a [u8], usize>,
    column_count: usize,
    spec: AggregateSpec<'a>,
    hold: Option<Hold>,
    output: Option<Held>,
}

/// The accumulators of each group, one a column.
type Cells = IndexMap<RowIdentity, Vec<Box<dyn Accumulator>>, FxBuildHasher>;

impl<'a> Pivot<'a> {
    pub(crate) fn new(
        env: &mut Env<'a>,
        input: BoxedOperator<'a>,
        (keys, pivot): (&'a [ExprId], ExprId),
        values: &'a [String],
        aggregate: &'a AggregateCall,
    ) -> Result<Self, Fault> {
        Ok(Self {
            input,
            keys,
            pivot,
            columns: values.iter().enumerate().map(|(index, value)| (value.as_bytes(), index)).collect(),
            column_count: values.len(),
            spec: AggregateSpec::new(env, aggregate)?,
            hold: Some(env.budget.hold("pivot")),
            output: None,
        })
    }

    fn fill(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Cells, Fault> {
        /// What an accumulator takes before it has seen a value.
        const CELL_BYTES: usize = 96;
        let mut cells = Cells::default();
        let pivot_type = env.program().expr(self.pivot).ty;
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = RowIdentity(env.eval_all(self.keys, &row)?);
                let pivot = env.eval(self.pivot, &row)?;
                let Some(column) = self.columns.get(&*text_of(&pivot, pivot_type)).copied() else {
                    continue;
                };
                if !cells.contains_key(&key) {
                    hold.add(values_bytes(&key.0) + self.column_count * CELL_BYTES)?;
                }
                let accumulators = cells
                    .entry(key)
                    .or_insert_with(|| (0..self.column_count).map(|_| self.spec.accumulator()).collect());
                hold.add(self.spec.add(env, &row, accumulators[column].as_mut())?)?;
            }
        }
        Ok(cells)
    }
}

impl<'a> Operator<'a> for Pivot<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(mut hold) = self.hold.take() {
            let cells = self.fill(env, &mut hold)?;
            let rows = cells.into_iter().map(|(key, accumulators)| {
                let mut row = key.0;
                accumulators.into_iter().for_each(|mut accumulator| accumulator.finish(&mut row));
                row
            });
            self.output = Some(Held::new(rows.collect(), hold));
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
