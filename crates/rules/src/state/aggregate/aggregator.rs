//! Measurements with attributes to the points of one metric.
//!
//! Next: `resource.rs`.

use crate::state::aggregate::aggregation::{Aggregation, Number, Refusal};
use crate::state::aggregate::exemplar::{Reservoir, SpanContext};
use crate::state::aggregate::spec::{InvalidSpec, MetricSpec};
use crate::state::bounds::{Incompatible, values_bytes};
use crate::state::ranked::KeyHasher;
use dtq_interp::RowIdentity;
use dtq_record::otlp::metric::{MetricPoint, MetricStream, Temporality};
use dtq_value::{Str, Value};
use indexmap::IndexMap;
use std::ops::AddAssign;

/// The one attribute of the series that takes what passes the cardinality limit; its value is `true`.
///
/// # Source
/// OpenTelemetry metrics SDK, "Overflow attribute".
pub const OVERFLOW_ATTRIBUTE: &str = "otel.metric.overflow";

/// Aggregates the measurements of one metric of one resource.
///
/// Each measurement is in exactly one series: that of its attributes, or, for attributes that come after the limit is
/// reached, the overflow series. Series that were there before go on.
pub struct Aggregator {
    spec: MetricSpec,
    series: IndexMap<RowIdentity, Series, KeyHasher>,
    overflow: Option<Series>,
    /// When the current interval began.
    start_ticks: i64,
    counts: AggregatorCounts,
}

struct Series {
    aggregation: Aggregation,
    reservoir: Reservoir,
    /// Time of the first measurement.
    first_ticks: i64,
}

/// Counts what an aggregator did: offered = recorded + refused; of the recorded, some are in the overflow series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregatorCounts {
    /// Series now, without the overflow series.
    pub series: usize,
    /// Bytes of the series now.
    pub bytes: usize,
    /// Measurements recorded.
    pub recorded: u64,
    /// Measurements recorded in the overflow series.
    pub overflowed: u64,
    /// Measurements refused as NaN or infinite.
    pub not_finite: u64,
    /// Measurements refused as negative.
    pub negative: u64,
    /// Measurements refused because they are no integer.
    pub not_integer: u64,
    /// Points given.
    pub points: u64,
}

impl AddAssign for AggregatorCounts {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.bytes += other.bytes;
        self.recorded += other.recorded;
        self.overflowed += other.overflowed;
        self.not_finite += other.not_finite;
        self.negative += other.negative;
        self.not_integer += other.not_integer;
        self.points += other.points;
    }
}

impl Aggregator {
    /// Returns an aggregator whose first interval begins at `start_ticks`.
    ///
    /// # Errors
    /// What is wrong with the spec.
    pub fn new(spec: MetricSpec, start_ticks: i64) -> Result<Self, InvalidSpec> {
        spec.check()?;
        let (series, counts) = (IndexMap::default(), AggregatorCounts::default());
        Ok(Self { spec, series, overflow: None, start_ticks, counts })
    }

    /// Records a measurement; of a key that is there twice, the last attribute counts.
    ///
    /// # Errors
    /// Why it was refused; it is counted.
    pub fn record(
        &mut self,
        attributes: &[(Str, Value)],
        number: Number,
        time_ticks: i64,
        context: Option<SpanContext<'_>>,
    ) -> Result<(), Refusal> {
        self.record_within(usize::MAX, attributes, number, time_ticks, context)
    }

    /// Records a measurement, in the overflow series if a new one would take more than `room_bytes`.
    pub(crate) fn record_within(
        &mut self,
        room_bytes: usize,
        attributes: &[(Str, Value)],
        number: Number,
        time_ticks: i64,
        context: Option<SpanContext<'_>>,
    ) -> Result<(), Refusal> {
        if let Some(refusal) = Aggregation::refusal(&self.spec, number) {
            self.count_refusal(refusal);
            return Err(refusal);
        }
        let key = series_key(attributes);
        let series = match self.series.get_index_of(&key) {
            Some(index) => &mut self.series[index],
            None if is_overflow(&key) || !self.has_room(&key, room_bytes) => {
                self.counts.overflowed += 1;
                if self.overflow.is_none() {
                    self.counts.bytes += series_bytes(&self.spec, &RowIdentity::default());
                }
                self.overflow.get_or_insert_with(|| Series::new(&self.spec, time_ticks))
            }
            None => {
                self.counts.series += 1;
                self.counts.bytes += series_bytes(&self.spec, &key);
                self.series.entry(key).or_insert_with(|| Series::new(&self.spec, time_ticks))
            }
        };
        self.counts.recorded += 1;
        if let Some(context) = context {
            series.reservoir.offer(&self.spec, number.to_real(), time_ticks, context);
        }
        series.aggregation.record(&self.spec, number, time_ticks)
    }

    /// Ends the interval at `now` and returns its points: series in the order in which they began, overflow last.
    ///
    /// Delta forgets them; cumulative keeps them, each with the time of its first measurement as start.
    pub fn collect(&mut self, now: i64) -> MetricStream {
        let start_ticks = self.start_ticks.min(now);
        let mut points: Vec<MetricPoint> = Vec::with_capacity(self.series.len() + 1);
        for (key, series) in &mut self.series {
            points.push(series.point(&self.spec, attributes_of(key), start_ticks, now));
        }
        if let Some(series) = &mut self.overflow {
            let attributes = vec![(Str::from(OVERFLOW_ATTRIBUTE), Value::Bool(true))];
            points.push(series.point(&self.spec, attributes, start_ticks, now));
        }
        if self.spec.temporality == Temporality::Delta {
            self.series.clear();
            self.overflow = None;
            self.counts.series = 0;
            self.counts.bytes = 0;
        }
        self.start_ticks = self.start_ticks.max(now);
        self.counts.points += points.len() as u64;
        MetricStream {
            name: self.spec.name.clone(),
            description: self.spec.description.clone(),
            unit: self.spec.unit.clone(),
            kind: self.spec.metric_kind(),
            temporality: self.spec.temporality,
            is_monotonic: self.spec.is_monotonic,
            points,
        }
    }

    /// Says whether there is no series, so that collecting gives no point.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.overflow.is_none()
    }

    /// Returns what it did so far.
    pub fn counts(&self) -> AggregatorCounts {
        self.counts
    }

    /// Returns its spec.
    pub fn spec(&self) -> &MetricSpec {
        &self.spec
    }

    /// Says whether the series can move to a metric of another spec.
    pub fn is_compatible(&self, spec: &MetricSpec) -> bool {
        self.spec.is_compatible(spec)
    }

    /// Changes bounds and words. Series beyond a lower limit stay until they are collected, or for good if they are
    /// cumulative: each measurement has to stay in its series.
    ///
    /// # Errors
    /// When the spec is of another metric or invalid; then nothing changes.
    pub fn set_spec(&mut self, spec: MetricSpec) -> Result<(), Incompatible> {
        if !self.is_compatible(&spec) || spec.check().is_err() {
            return Err(Incompatible);
        }
        self.spec = spec;
        Ok(())
    }

    fn has_room(&self, key: &RowIdentity, room_bytes: usize) -> bool {
        let bytes = series_bytes(&self.spec, key);
        self.series.len() < self.spec.cardinality_max
            && bytes <= room_bytes
            && self.counts.bytes.saturating_add(bytes) <= self.spec.bytes_max
    }

    fn count_refusal(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::NotFinite => self.counts.not_finite += 1,
            Refusal::Negative => self.counts.negative += 1,
            Refusal::NotInteger => self.counts.not_integer += 1,
        }
    }
}

impl Series {
    fn new(spec: &MetricSpec, time_ticks: i64) -> Self {
        Self { aggregation: Aggregation::new(spec), reservoir: Reservoir::default(), first_ticks: time_ticks }
    }

    fn point(&mut self, spec: &MetricSpec, attributes: Vec<(Str, Value)>, start_ticks: i64, now: i64) -> MetricPoint {
        let (start_ticks, time_ticks) = match (self.aggregation.last_ticks(), spec.temporality) {
            (Some(last_ticks), _) => (None, last_ticks),
            (None, Temporality::Delta) => (Some(start_ticks), now),
            (None, Temporality::Cumulative) => (Some(self.first_ticks.min(now)), now),
        };
        MetricPoint {
            attributes,
            start_ticks,
            time_ticks,
            value: self.aggregation.value(spec),
            exemplars: self.reservoir.take(),
        }
    }
}

/// Returns attributes as a key: names and values in turn, by name, each name once.
fn series_key(attributes: &[(Str, Value)]) -> RowIdentity {
    let mut sorted: Vec<&(Str, Value)> = attributes.iter().collect();
    // Stable, so the last of equal names is the last written.
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    let mut key = Vec::with_capacity(2 * sorted.len());
    for (index, (name, value)) in sorted.iter().enumerate() {
        if sorted.get(index + 1).is_none_or(|next| next.0 != *name) {
            key.push(Value::String(name.clone()));
            key.push(value.clone());
        }
    }
    RowIdentity(key)
}

fn attributes_of(key: &RowIdentity) -> Vec<(Str, Value)> {
    let pairs = key.0.chunks_exact(2);
    let name_of = |name: &Value| match name {
        Value::String(name) => name.clone(),
        _ => unreachable!("a series key has a name at every even position"),
    };
    pairs.map(|pair| (name_of(&pair[0]), pair[1].clone())).collect()
}

/// Says whether attributes are those of the overflow series itself, so that there are never two of it.
fn is_overflow(key: &RowIdentity) -> bool {
    matches!(key.0.as_slice(), [Value::String(name), Value::Bool(true)] if name.as_bytes() == OVERFLOW_ATTRIBUTE.as_bytes())
}

/// Returns how many bytes a series may grow to; counted at once, so that a bound on series is one on bytes for good.
fn series_bytes(spec: &MetricSpec, key: &RowIdentity) -> usize {
    /// The place in the map, with room to grow.
    const PLACE_BYTES: usize = 64;
    PLACE_BYTES + 2 * size_of::<(RowIdentity, Series)>() + values_bytes(&key.0) + spec.series_bytes_max()
}
