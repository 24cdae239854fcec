//! Finite reals to counts in buckets with given bounds, and the summary that both kinds of histogram have.
//!
//! Next: `exponential.rs`.

use dtq_record::otlp::metric::HistogramValue;

/// Counts measurements in buckets.
#[derive(Clone, Debug)]
pub struct Histogram {
    summary: Summary,
    counts: Vec<u64>,
}

/// Holds count, sum and extremes of measurements.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }

    pub(crate) fn record(&mut self, value: f64) {
        self.count += 1;
        self.sum = (self.sum + value).clamp(f64::MIN, f64::MAX);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Returns the sum, unless some measurement was negative.
    ///
    /// # Source
    /// opentelemetry-proto, `HistogramDataPoint.sum`: it is left out where events are negative, since it would not only
    /// grow.
    pub(crate) fn sum(&self) -> Option<f64> {
        (self.min >= 0.0).then_some(self.sum)
    }

    pub(crate) fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}

impl Histogram {
    /// Returns an empty histogram with one bucket more than bounds.
    pub fn new(bound_count: usize) -> Self {
        Self { summary: Summary::new(), counts: vec![0; bound_count + 1] }
    }

    /// Counts a finite measurement in the bucket whose upper bound is the first not below it.
    pub fn record(&mut self, bounds: &[f64], value: f64) {
        self.summary.record(value);
        self.counts[bucket_index(bounds, value)] += 1;
    }

    /// Returns the counts.
    pub fn value(&self, bounds: &[f64]) -> HistogramValue {
        HistogramValue {
            count: self.summary.count,
            sum: self.summary.sum(),
            min: self.summary.min(),
            max: self.summary.max(),
            bounds: bounds.to_vec(),
            counts: self.counts.clone(),
        }
    }
}

/// Returns the bucket of a measurement: upper bounds are inclusive.
pub(crate) fn bucket_index(bounds: &[f64], value: f64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}
