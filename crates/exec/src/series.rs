//! `make-series`: one row a key, with an array of aggregates over equal steps of an axis.

use crate::accumulate::{Accumulator, AggregateSpec};
use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::group::new_accumulators;
use crate::operator::{BoxedOperator, Operator};
use crate::order::as_real;
use crate::sort::Held;
use dtq_interp::RowIdentity;
use dtq_ir::rel::MakeSeries;
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use dtq_value::{Type, Value};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeMap;

/// How many values an array of `make-series` may have.
///
/// # Source
/// Kusto documentation, "make-series operator": "limited to 1,048,576 values (2^20)".
const SERIES_SIZE_MAX: i64 = 1 << 20;

/// Aggregates rows into series.
pub(crate) struct Series<'a> {
    input: BoxedOperator<'a>,
    series: &'a MakeSeries,
    specs: Vec<AggregateSpec<'a>>,
    hold: Option<Hold>,
    output: Option<Held>,
}

/// The steps of an axis: bin 0 begins at the origin.
#[derive(Clone, Copy)]
enum Axis {
    Ticks { origin: i64, step: i64, ty: Type },
    Real { origin: f64, step: f64 },
}

/// The accumulators of the bins that have rows.
type Bins = BTreeMap<i64, Vec<Box<dyn Accumulator>>>;

/// The first and one past the last bin, where the query says so.
type Bounds = (Option<i64>, Option<i64>);

impl<'a> Series<'a> {
    pub(crate) fn new(env: &mut Env<'a>, input: BoxedOperator<'a>, series: &'a MakeSeries) -> Result<Self, Fault> {
        let specs = series.aggregates.iter().map(|(call, _)| AggregateSpec::new(env, call));
        let specs = specs.collect::<Result<_, _>>()?;
        Ok(Self { input, series, specs, hold: Some(env.budget.hold("make-series")), output: None })
    }

    fn aggregate(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Vec<Row>, Fault> {
        let (axis, bounds) = self.plan_axis(env)?;
        let mut groups: IndexMap<RowIdentity, Bins, FxBuildHasher> = IndexMap::default();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let value = env.eval(self.series.axis, &row)?;
                if let Some(bin) = axis.bin(&value).filter(|bin| is_within(*bin, bounds)) {
                    let key = RowIdentity(env.eval_all(&self.series.keys, &row)?);
                    self.add(env, &mut groups, (key, bin), &row, hold)?;
                }
            }
        }
        if groups.is_empty() && self.series.is_nonempty && self.series.keys.is_empty() {
            groups.insert(RowIdentity::default(), Bins::new());
        }
        let defaults: Vec<_> = self.series.aggregates.iter().map(|(_, default)| *default).collect();
        let defaults = env.eval_all(&defaults, &[])?;
        let mut rows = Vec::new();
        for (key, bins) in groups {
            let row = self.series_row(key.0, bins, axis, bounds, &defaults)?;
            hold.add_row(&row)?;
            rows.push(row);
        }
        Ok(rows)
    }

    /// Returns the steps of the axis and the bins between `from` and `to`.
    ///
    /// Without `from`, bins are aligned as `bin()` aligns them.
    fn plan_axis(&self, env: &mut Env<'a>) -> Result<(Axis, Bounds), Fault> {
        let step = env.eval(self.series.step, &[])?;
        let from = self.series.from.map(|from| env.eval(from, &[])).transpose()?;
        let to = self.series.to.map(|to| env.eval(to, &[])).transpose()?;
        let ty = env.program().expr(self.series.axis).ty;
        let Some(axis) = Axis::new(from.as_ref(), &step, ty) else {
            let message = "`make-series` needs a step above zero, and bounds that are not null";
            return Err(Fault::new(Code::E3007, message));
        };
        let end = to.as_ref().map(|to| axis.bin_after(to));
        Ok((axis, (from.map(|_| 0), end)))
    }

    fn add(
        &self,
        env: &mut Env<'a>,
        groups: &mut IndexMap<RowIdentity, Bins, FxBuildHasher>,
        (key, bin): (RowIdentity, i64),
        row: &Row,
        hold: &mut Hold,
    ) -> Result<(), Fault> {
        /// What a bin takes besides its accumulators, and what each of those takes.
        const BIN_BYTES: usize = 64;
        let key_bytes = values_bytes(&key.0);
        let bins = match groups.get_index_of(&key) {
            Some(index) => &mut groups[index],
            None => {
                hold.add(key_bytes + BIN_BYTES)?;
                groups.entry(key).or_default()
            }
        };
        if !bins.contains_key(&bin) {
            hold.add(BIN_BYTES * (1 + self.specs.len()))?;
        }
        let accumulators = bins.entry(bin).or_insert_with(|| new_accumulators(&self.specs));
        for (spec, accumulator) in self.specs.iter().zip(accumulators) {
            hold.add(spec.add(env, row, accumulator.as_mut())?)?;
        }
        Ok(())
    }

    /// Returns the row of a key: the key, an array for each aggregate, the axis.
    fn series_row(
        &self,
        mut row: Row,
        mut bins: Bins,
        axis: Axis,
        (first, end): Bounds,
        defaults: &[Value],
    ) -> Result<Row, Fault> {
        let first = first.or(bins.keys().next().copied()).unwrap_or(0);
        let end = end.or(bins.keys().next_back().map(|last| last.saturating_add(1))).unwrap_or(first);
        if end.saturating_sub(first) > SERIES_SIZE_MAX {
            let message = format!("`make-series` makes arrays of more than {SERIES_SIZE_MAX} values; use a wider step");
            return Err(Fault::new(Code::E3002, message));
        }
        let mut columns: Vec<Vec<Value>> = vec![Vec::new(); defaults.len()];
        for bin in first..end {
            let mut values = Vec::with_capacity(defaults.len());
            match bins.remove(&bin) {
                Some(accumulators) => {
                    accumulators.into_iter().for_each(|mut accumulator| accumulator.finish(&mut values));
                }
                None => values.extend_from_slice(defaults),
            }
            columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        }
        row.extend(columns.into_iter().map(Value::array));
        row.push(Value::array((first..end).map(|bin| axis.start(bin)).collect()));
        Ok(row)
    }
}

fn is_within(bin: i64, (first, end): Bounds) -> bool {
    first.is_none_or(|first| bin >= first) && end.is_none_or(|end| bin < end)
}

/// Returns a whole number or ticks.
fn as_ticks(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value) => Some(*value),
        _ => None,
    }
}

impl Axis {
    /// Returns the axis, or `None` when the step is not above zero or something is null.
    fn new(from: Option<&Value>, step: &Value, ty: Type) -> Option<Self> {
        if ty == Type::Real {
            let origin = from.map_or(0.0, as_real);
            let step = as_real(step);
            return (step > 0.0 && origin.is_finite()).then_some(Axis::Real { origin, step });
        }
        let origin = match from {
            Some(from) => as_ticks(from)?,
            None => 0,
        };
        let step = as_ticks(step)?;
        (step > 0).then_some(Axis::Ticks { origin, step, ty })
    }

    /// Returns the bin of a value, or `None` for null.
    fn bin(self, value: &Value) -> Option<i64> {
        match self {
            Axis::Ticks { origin, step, .. } => {
                let distance = i128::from(as_ticks(value)?) - i128::from(origin);
                i64::try_from(distance.div_euclid(i128::from(step))).ok()
            }
            Axis::Real { origin, step } => {
                let bin = ((as_real(value) - origin) / step).floor();
                (bin.abs() < i64::MAX as f64).then_some(bin as i64)
            }
        }
    }

    /// Returns the first bin that begins at or after a value; the first of all for null.
    fn bin_after(self, value: &Value) -> i64 {
        match self.bin(value) {
            None => 0,
            Some(bin) if self.begins_at(bin, value) => bin,
            Some(bin) => bin.saturating_add(1),
        }
    }

    fn begins_at(self, bin: i64, value: &Value) -> bool {
        match (self.start(bin), self) {
            (start, Axis::Ticks { .. }) => as_ticks(&start) == as_ticks(value),
            (start, Axis::Real { .. }) => as_real(&start) == as_real(value),
        }
    }

    /// Returns the value at which a bin begins.
    fn start(self, bin: i64) -> Value {
        match self {
            Axis::Ticks { origin, step, ty } => {
                let ticks = i128::from(origin) + i128::from(bin) * i128::from(step);
                let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
                match ty {
                    Type::DateTime => Value::DateTime(ticks),
                    Type::TimeSpan => Value::TimeSpan(ticks),
                    _ => Value::Long(ticks),
                }
            }
            Axis::Real { origin, step } => Value::Real(origin + step * bin as f64),
        }
    }
}

impl<'a> Operator<'a> for Series<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(mut hold) = self.hold.take() {
            let rows = self.aggregate(env, &mut hold)?;
            self.output = Some(Held::new(rows, hold));
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
