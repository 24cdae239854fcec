//! Metrics that rules make, before they become OTLP: streams of data points as plain values.
//!
//! An aggregator fills these and an encoder writes them; nothing here aggregates or encodes.

use dtq_value::{Str, Value};

/// Holds a metric and its data points, all of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricStream {
    /// Its name.
    pub name: Str,
    /// What it measures; may be empty.
    pub description: Str,
    /// Its unit as UCUM; may be empty.
    pub unit: Str,
    /// What its points are.
    pub kind: MetricKind,
    /// Whether points count from the last one or from the start; without meaning for gauges.
    pub temporality: Temporality,
    /// Whether a sum only grows; without meaning for others.
    pub is_monotonic: bool,
    /// Its points.
    pub points: Vec<MetricPoint>,
}

/// Names a kind of metric that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A value as it is.
    Gauge,
    /// A total.
    Sum,
    /// Counts in buckets with given bounds.
    Histogram,
    /// Counts in buckets whose bounds are powers of a base.
    ExponentialHistogram,
}

/// Names what a point counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Temporality {
    /// From the point before.
    Delta,
    /// From the start.
    Cumulative,
}

/// Holds one data point.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPoint {
    /// Attributes in order, each key once.
    pub attributes: Vec<(Str, Value)>,
    /// Start of the interval in ticks of 100 ns since 0001-01-01T00:00Z, where there is one.
    pub start_ticks: Option<i64>,
    /// End of the interval, or time of the measurement.
    pub time_ticks: i64,
    /// What was measured.
    pub value: PointValue,
    /// Examples of the measurements.
    pub exemplars: Vec<Exemplar>,
}

/// Holds the value of a data point.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// An integer of a gauge or a sum.
    Long(i64),
    /// A real of a gauge or a sum.
    Real(f64),
    /// A histogram's buckets.
    Histogram(HistogramValue),
    /// An exponential histogram's buckets.
    Exponential(ExponentialValue),
}

/// Holds a histogram with given bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramValue {
    /// How many measurements.
    pub count: u64,
    /// Their sum, unless it has no meaning (negative measurements of a counter).
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// Upper bounds, inclusive, increasing.
    pub bounds: Vec<f64>,
    /// Counts, one more than bounds.
    pub counts: Vec<u64>,
}

/// Holds an exponential histogram: bucket `i` has the values in `(base^i, base^(i+1)]`, `base = 2^(2^-scale)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialValue {
    /// How many measurements.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// The resolution.
    pub scale: i32,
    /// How many were zero.
    pub zero_count: u64,
    /// Index of the first bucket of positive values, and the counts from there.
    pub positive: (i32, Vec<u64>),
    /// The same for negative values.
    pub negative: (i32, Vec<u64>),
}

/// Holds one measurement and the span that it was made in.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// When, in ticks.
    pub time_ticks: i64,
    /// What was measured.
    pub value: f64,
    /// The 16 bytes of the trace id; empty when there is none.
    pub trace_id: Vec<u8>,
    /// The 8 bytes of the span id; empty when there is none.
    pub span_id: Vec<u8>,
}
