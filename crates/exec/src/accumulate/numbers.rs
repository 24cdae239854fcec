//! Counting, adding and spreading: `count`, `sum`, `avg`, `stdev`, `variance`, `covariance`, `binary_all_*`.

use super::Accumulator;
use crate::order::as_real;
use dtq_value::{Decimal, Type, Value};

/// `count`: rows, or values that are not null when there is an argument.
#[derive(Default)]
pub(super) struct Count(i64);

impl Accumulator for Count {
    fn add(&mut self, args: &[Value]) -> usize {
        self.0 += i64::from(!args.iter().any(Value::is_null));
        0
    }

    fn absorb(&mut self, result: &Value) -> bool {
        let Value::Long(count) = result else { return false };
        self.0 = self.0.saturating_add(*count);
        true
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(Value::Long(self.0));
    }
}

/// Returns the accumulator of `sum` for a type.
pub(super) fn sum(ty: Type) -> Box<dyn Accumulator> {
    match ty {
        Type::Int | Type::Long => Box::new(IntegerSum { sum: 0, wrap: Value::Long }),
        Type::TimeSpan => Box::new(IntegerSum { sum: 0, wrap: Value::TimeSpan }),
        Type::DateTime => Box::new(IntegerSum { sum: 0, wrap: Value::DateTime }),
        Type::Decimal => Box::new(DecimalSum::default()),
        _ => Box::new(RealSum::default()),
    }
}

/// Returns the accumulator of `avg` for a type.
pub(super) fn average(ty: Type) -> Box<dyn Accumulator> {
    match ty {
        Type::TimeSpan => Box::new(TickAverage { sum: 0, count: 0, wrap: Value::TimeSpan }),
        Type::DateTime => Box::new(TickAverage { sum: 0, count: 0, wrap: Value::DateTime }),
        Type::Decimal => Box::new(DecimalAverage::default()),
        _ => Box::new(RealAverage::default()),
    }
}

/// Returns the whole number or the ticks that a value holds.
fn as_ticks(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Long(value) | Value::DateTime(value) | Value::TimeSpan(value) => Some(*value),
        _ => None,
    }
}

/// Sums whole numbers; wraps on overflow, as addition of two longs does.
struct IntegerSum {
    sum: i64,
    wrap: fn(i64) -> Value,
}

impl Accumulator for IntegerSum {
    fn add(&mut self, args: &[Value]) -> usize {
        self.sum = self.sum.wrapping_add(as_ticks(&args[0]).unwrap_or(0));
        0
    }

    fn absorb(&mut self, result: &Value) -> bool {
        self.add(std::slice::from_ref(result));
        true
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push((self.wrap)(self.sum));
    }
}

/// Sums reals with Neumaier's compensation, so that the order of rows hardly shows.
#[derive(Default)]
struct RealSum {
    sum: f64,
    compensation: f64,
}

impl RealSum {
    fn add_real(&mut self, value: f64) {
        let sum = self.sum + value;
        let lost = if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.compensation += lost;
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        // Once the sum is infinite or NaN the compensation means nothing.
        if self.sum.is_finite() { self.sum + self.compensation } else { self.sum }
    }
}

impl Accumulator for RealSum {
    fn add(&mut self, args: &[Value]) -> usize {
        if is_number(&args[0]) {
            self.add_real(as_real(&args[0]));
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(Value::Real(self.total()));
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Long(_) | Value::Real(_) | Value::Decimal(_))
}

/// Sums decimals; null once a sum is out of range.
struct DecimalSum(Option<Decimal>);

impl Default for DecimalSum {
    fn default() -> Self {
        Self(Some(Decimal::ZERO))
    }
}

impl Accumulator for DecimalSum {
    fn add(&mut self, args: &[Value]) -> usize {
        if let Value::Decimal(value) = &args[0] {
            self.0 = self.0.and_then(|sum| sum.checked_add(*value));
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(self.0.map_or(Value::Null, Value::Decimal));
    }
}

/// Averages numbers as reals; NaN when there are none.
#[derive(Default)]
struct RealAverage {
    sum: RealSum,
    count: u64,
}

impl Accumulator for RealAverage {
    fn add(&mut self, args: &[Value]) -> usize {
        if is_number(&args[0]) {
            self.sum.add_real(as_real(&args[0]));
            self.count += 1;
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let average = if self.count == 0 { f64::NAN } else { self.sum.total() / self.count as f64 };
        outputs.push(Value::Real(average));
    }
}

/// Averages times and durations, rounding toward zero; null when there are none.
struct TickAverage {
    sum: i128,
    count: i128,
    wrap: fn(i64) -> Value,
}

impl Accumulator for TickAverage {
    fn add(&mut self, args: &[Value]) -> usize {
        if let Some(ticks) = as_ticks(&args[0]) {
            self.sum += i128::from(ticks);
            self.count += 1;
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let average = self.sum.checked_div(self.count).and_then(|average| i64::try_from(average).ok());
        outputs.push(average.map_or(Value::Null, self.wrap));
    }
}

/// Averages decimals; null when there are none.
#[derive(Default)]
struct DecimalAverage {
    sum: DecimalSum,
    count: u64,
}

impl Accumulator for DecimalAverage {
    fn add(&mut self, args: &[Value]) -> usize {
        self.count += u64::from(!args[0].is_null());
        self.sum.add(args)
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let average = self.sum.0.and_then(|sum| sum.checked_div(Decimal::from(self.count)));
        outputs.push(average.map_or(Value::Null, Value::Decimal));
    }
}

/// `stdev`, `variance` and their population forms, by Welford's method.
///
/// # Source
/// Kusto documentation: with Bessel's correction n - 1, or n for the population; 0 for fewer than two values.
pub(super) struct Spread {
    is_sample: bool,
    is_root: bool,
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub(super) fn new(is_sample: bool, is_root: bool) -> Self {
        Self { is_sample, is_root, count: 0.0, mean: 0.0, squares: 0.0 }
    }
}

impl Accumulator for Spread {
    fn add(&mut self, args: &[Value]) -> usize {
        if is_number(&args[0]) {
            let value = as_real(&args[0]);
            self.count += 1.0;
            let distance = value - self.mean;
            self.mean += distance / self.count;
            self.squares += distance * (value - self.mean);
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let divisor = if self.is_sample { self.count - 1.0 } else { self.count };
        let variance = if divisor > 0.0 { self.squares / divisor } else { 0.0 };
        outputs.push(Value::Real(if self.is_root { variance.sqrt() } else { variance }));
    }
}

/// `covariance` and its population form.
pub(super) struct Covariance {
    is_sample: bool,
    count: f64,
    means: (f64, f64),
    products: f64,
}

impl Covariance {
    pub(super) fn new(is_sample: bool) -> Self {
        Self { is_sample, count: 0.0, means: (0.0, 0.0), products: 0.0 }
    }
}

impl Accumulator for Covariance {
    fn add(&mut self, args: &[Value]) -> usize {
        if is_number(&args[0]) && is_number(&args[1]) {
            let (x, y) = (as_real(&args[0]), as_real(&args[1]));
            self.count += 1.0;
            let distance = x - self.means.0;
            self.means.0 += distance / self.count;
            self.means.1 += (y - self.means.1) / self.count;
            self.products += distance * (y - self.means.1);
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        let divisor = if self.is_sample { self.count - 1.0 } else { self.count };
        outputs.push(Value::Real(if divisor > 0.0 { self.products / divisor } else { 0.0 }));
    }
}

/// `binary_all_and`, `binary_all_or`, `binary_all_xor`; null when there are no values.
pub(super) struct Bits {
    ty: Type,
    combine: fn(i64, i64) -> i64,
    bits: Option<i64>,
}

impl Bits {
    pub(super) fn new(ty: Type, combine: fn(i64, i64) -> i64) -> Self {
        Self { ty, combine, bits: None }
    }
}

impl Accumulator for Bits {
    fn add(&mut self, args: &[Value]) -> usize {
        if let Some(value) = as_ticks(&args[0]) {
            self.bits = Some(self.bits.map_or(value, |bits| (self.combine)(bits, value)));
        }
        0
    }

    fn finish(&mut self, outputs: &mut Vec<Value>) {
        outputs.push(match (self.bits, self.ty) {
            (None, _) => Value::Null,
            // The bits of ints sign-extended to longs: the low half holds the result.
            (Some(bits), Type::Int) => Value::Int(bits as i32),
            (Some(bits), _) => Value::Long(bits),
        });
    }
}
