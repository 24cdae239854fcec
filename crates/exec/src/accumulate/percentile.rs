//! Percentiles by nearest rank, plain and weighted.
//!
//! Exact: all values are held, a number or ticks in eight bytes each, and sorted at the end.

use super::Accumulator;
use crate::order::{as_real, compare_values, decimal_to_real};
use dtq_value::{Type, Value};

/// Holds which percentiles are wanted and of what type.
#[derive(Clone)]
pub(super) struct Percents {
    percents: Vec<f64>,
    ty: Type,
}

impl Percents {
    /// Returns the percentiles named by constants: numbers, or one array of numbers.
    pub(super) fn new(constants: &[Value], ty: Type) -> Self {
        let numbers = constants.iter().flat_map(|constant| match constant {
            Value::Array(items) => items.as_slice(),
            constant => std::slice::from_ref(constant),
        });
        Self { percents: numbers.map(as_real).collect(), ty }
    }

    /// Returns a value as the type of the result: a long for an int, a real for a decimal.
    fn widen(value: Value) -> Value {
        match value {
            Value::Int(value) => Value::Long(i64::from(value)),
            Value::Decimal(value) => Value::Real(decimal_to_real(value)),
            value => value,
        }
    }

    fn finish(&self, values: Vec<Value>, is_array: bool, outputs: &mut Vec<Value>) {
        let values: Vec<Value> = values.into_iter().map(Self::widen).collect();
        if is_array {
            outputs.push(Value::array(values));
        } else {
            outputs.extend(values);
        }
    }
}

/// Returns the rank of a percentile among `count` values, from 1.
///
/// # Source
/// The nearest-rank method, which Kusto documents for its estimates: the smallest value such that the share of values
/// not above it is at least the percentile.
fn nearest_rank(percent: f64, count: f64) -> f64 {
    // A hair below, so that 0.07 * 100 = 7.000000000000001 does not become the eighth.
    let rank = (percent / 100.0 * count - 1e-9).ceil();
    if rank >= 1.0 { rank } else { 1.0 }
}

/// Holds values of one type in little space.
enum Samples {
    Ticks(Vec<i64>),
    Reals(Vec<f64>),
    Others(Vec<Value>),
}

impl Samples {
    fn new(ty: Type) -> Self {
        match ty {
            Type::Int | Type::Long | Type::DateTime | Type::TimeSpan => Samples::Ticks(Vec::new()),
            Type::Real => Samples::Reals(Vec::new()),
            _ => Samples::Others(Vec::new()),
        }
    }

    fn push(&mut self, value: &Value) -> usize {
        match (self, value) {
            (_, Value::Null) => return 0,
            (Samples::Ticks(ticks), Value::Int(value)) => ticks.push(i64::from(*value)),
            (Samples::Ticks(ticks), Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value)) => {
                ticks.push(*value);
            }
            (Samples::Reals(reals), Value::Real(value)) => reals.push(*value),
            (Samples::Others(values), value) => {
                values.push(value.clone());
                return size_of::<Value>();
            }
            // Sema gives values of the declared type only.
            (Samples::Ticks(_) | Samples::Reals(_), _) => return 0,
        }
        size_of::<i64>()
    }

    fn sort(&mut self) {
        match self {
            Samples::Ticks(ticks) => ticks.sort_unstable(),
            Samples::Reals(reals) => reals.sort_unstable_by(f64::total_cmp),
            Samples::Others(values) => values.sort_by(compare_values),
        }
    }

    fn count(&self) -> usize {
        match self {
            Samples::Ticks(ticks) => ticks.len(),
            Samples::Reals(reals) => reals.len(),
            Samples::Others(values) => values.len(),
        }
    }

    fn get(&self, index: usize, ty: Type) -> Value {
        match self {
            Samples::Ticks(ticks) => from_ticks(ticks[index], ty),
            Samples::Reals(reals) => Value::Real(reals[index]),
            Samples::Others(values) => values[index].clone(),
        }
    }
}

fn from_ticks(ticks: i64, ty: Type) -> Value {
    match ty {
        Type::DateTime => Value::DateTime(ticks),
        Type::TimeSpan => Value::TimeSpan(ticks),
        _ => Value::Long(ticks),
    }
}

/// `percentile`, `percentiles`, `percentiles_array`.
pub(super) struct Percentiles {
    percents: Percents,
    is_array: bool,
    samples: Samples,
}

impl Percentiles {
    pub(super) fn new(percents: Percents, is_array: bool) -> Self {
        let samples = Samples::new(percents.ty);
        Self { percents, is_array, samples }
    }
}

impl Accumulator for Percentiles {
    fn add(&mut self, args: &[Value]) -> usize {
        self.samples.push(&args[0])
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        self.samples.sort();
        let count = self.samples.count();
        let value_at = |percent: &f64| match count {
            0 => Value::missing(self.percents.ty),
            count => {
                let rank = nearest_rank(*percent, count as f64).min(count as f64) as usize;
                self.samples.get(rank - 1, self.percents.ty)
            }
        };
        let values = self.percents.percents.iter().map(value_at).collect();
        self.percents.finish(values, self.is_array, outputs);
    }
}

/// `percentilew`, `percentilesw`, `percentilesw_array`: as if each value stood there as often as its weight says.
pub(super) struct PercentilesWeighted {
    percents: Percents,
    is_array: bool,
    samples: Vec<(Value, i64)>,
}

impl PercentilesWeighted {
    pub(super) fn new(percents: Percents, is_array: bool) -> Self {
        Self { percents, is_array, samples: Vec::new() }
    }

    /// Returns the value at a percentile of sorted samples.
    fn value_at(&self, percent: f64, total: f64) -> Value {
        let rank = nearest_rank(percent, total);
        let mut weight_so_far = 0.0;
        let reaches = self.samples.iter().find(|(_, weight)| {
            weight_so_far += *weight as f64;
            weight_so_far >= rank
        });
        reaches.or(self.samples.last()).map_or(Value::missing(self.percents.ty), |(value, _)| value.clone())
    }
}

impl Accumulator for PercentilesWeighted {
    fn add(&mut self, args: &[Value]) -> usize {
        let weight = match &args[1] {
            Value::Int(weight) => i64::from(*weight),
            Value::Long(weight) => *weight,
            _ => 0,
        };
        if args[0].is_null() || weight <= 0 {
            return 0;
        }
        self.samples.push((args[0].clone(), weight));
        size_of::<(Value, i64)>()
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        self.samples.sort_by(|left, right| compare_values(&left.0, &right.0));
        let total: f64 = self.samples.iter().map(|(_, weight)| *weight as f64).sum();
        let values = self.percents.percents.iter().map(|percent| self.value_at(*percent, total)).collect();
        self.percents.finish(values, self.is_array, outputs);
    }
}
