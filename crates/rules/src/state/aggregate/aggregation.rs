//! Measurements of one series to the value of its point.
//!
//! Next: `histogram.rs`.

use crate::state::aggregate::exponential::ExponentialHistogram;
use crate::state::aggregate::histogram::Histogram;
use crate::state::aggregate::spec::{AggregationKind, MetricSpec};
use dtq_record::otlp::metric::PointValue;

/// Holds one measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Long(i64),
    /// A real.
    Real(f64),
}

/// Names why a measurement is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is NaN or infinite.
    NotFinite,
    /// It is negative, and the sum only grows.
    Negative,
    /// It has a fraction or is too large, and the values are integers.
    NotInteger,
}

/// Holds what the measurements of a series add up to.
#[derive(Clone, Debug)]
pub enum Aggregation {
    /// The last integer and when it was measured.
    LastLong(i64, i64),
    /// The last real and when it was measured.
    LastReal(f64, i64),
    /// A sum of integers; it stays at the ends of the range.
    SumLong(i64),
    /// A sum of reals.
    SumReal(f64),
    /// A histogram with given bounds.
    Histogram(Histogram),
    /// A histogram that finds its scale.
    Exponential(ExponentialHistogram),
}

impl Number {
    /// Returns it as a real.
    pub fn to_real(self) -> f64 {
        match self {
            Number::Long(value) => value as f64,
            Number::Real(value) => value,
        }
    }

    /// Returns it as an integer, if it is one.
    pub fn to_long(self) -> Option<i64> {
        /// The least real above the range of a long.
        const ABOVE_LONG: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Number::Long(value) => Some(value),
            Number::Real(value) if value.trunc() == value && (-ABOVE_LONG..ABOVE_LONG).contains(&value) => {
                Some(value as i64)
            }
            Number::Real(_) => None,
        }
    }
}

impl Aggregation {
    /// Returns what there is before the first measurement.
    pub fn new(spec: &MetricSpec) -> Self {
        match (&spec.kind, spec.is_integer) {
            (AggregationKind::Gauge, true) => Self::LastLong(0, i64::MIN),
            (AggregationKind::Gauge, false) => Self::LastReal(0.0, i64::MIN),
            (AggregationKind::Sum, true) => Self::SumLong(0),
            (AggregationKind::Sum, false) => Self::SumReal(0.0),
            (AggregationKind::Histogram { bounds }, _) => Self::Histogram(Histogram::new(bounds.len())),
            (AggregationKind::ExponentialHistogram { max_size, max_scale }, _) => {
                Self::Exponential(ExponentialHistogram::new(*max_size, *max_scale))
            }
        }
    }

    /// Says why a measurement must not be recorded, if there is a reason.
    ///
    /// NaN and infinities are refused by every kind: the specification leaves them open for sums and gauges, and keeps
    /// them out of a histogram's sum, where a count without them would no longer fit.
    pub fn refusal(spec: &MetricSpec, number: Number) -> Option<Refusal> {
        let is_number_kept = matches!(spec.kind, AggregationKind::Gauge | AggregationKind::Sum);
        if !number.to_real().is_finite() {
            Some(Refusal::NotFinite)
        } else if spec.kind == AggregationKind::Sum && spec.is_monotonic && number.to_real() < 0.0 {
            Some(Refusal::Negative)
        } else if is_number_kept && spec.is_integer && number.to_long().is_none() {
            Some(Refusal::NotInteger)
        } else {
            None
        }
    }

    /// Adds a measurement.
    ///
    /// A gauge keeps the one with the greatest time, of equal times the later call.
    ///
    /// # Errors
    /// Why it was refused; then nothing changed.
    pub fn record(&mut self, spec: &MetricSpec, number: Number, time_ticks: i64) -> Result<(), Refusal> {
        if let Some(refusal) = Self::refusal(spec, number) {
            return Err(refusal);
        }
        let (real, long) = (number.to_real(), number.to_long().unwrap_or_default());
        match self {
            Self::LastLong(_, last_ticks) | Self::LastReal(_, last_ticks) if time_ticks < *last_ticks => {}
            Self::LastLong(value, last_ticks) => (*value, *last_ticks) = (long, time_ticks),
            Self::LastReal(value, last_ticks) => (*value, *last_ticks) = (real, time_ticks),
            Self::SumLong(sum) => *sum = sum.saturating_add(long),
            // The sum of finite reals may pass the range; it stays at its end, as the sum of integers does.
            Self::SumReal(sum) => *sum = (*sum + real).clamp(f64::MIN, f64::MAX),
            Self::Histogram(histogram) => histogram.record(bounds_of(spec), real),
            Self::Exponential(histogram) => histogram.record(real),
        }
        Ok(())
    }

    /// Returns when the last measurement of a gauge was made.
    pub fn last_ticks(&self) -> Option<i64> {
        match self {
            Self::LastLong(_, ticks) | Self::LastReal(_, ticks) => Some(*ticks),
            _ => None,
        }
    }

    /// Returns the value of the point.
    pub fn value(&self, spec: &MetricSpec) -> PointValue {
        match self {
            Self::LastLong(value, _) | Self::SumLong(value) => PointValue::Long(*value),
            Self::LastReal(value, _) | Self::SumReal(value) => PointValue::Real(*value),
            Self::Histogram(histogram) => PointValue::Histogram(histogram.value(bounds_of(spec))),
            Self::Exponential(histogram) => PointValue::Exponential(histogram.value()),
        }
    }
}

/// Returns the bounds of a histogram's spec; other kinds have none.
pub(crate) fn bounds_of(spec: &MetricSpec) -> &[f64] {
    match &spec.kind {
        AggregationKind::Histogram { bounds } => bounds,
        _ => &[],
    }
}
