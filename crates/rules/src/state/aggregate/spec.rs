//! What a metric is before anything was measured: its names, its aggregation, its bounds.
//!
//! Next: `aggregation.rs`.

use dtq_record::otlp::metric::{MetricKind, Temporality};
use dtq_value::Str;
use std::fmt;

/// Upper bounds of a histogram's buckets where none are given.
///
/// # Source
/// OpenTelemetry metrics SDK, "Explicit Bucket Histogram Aggregation".
pub const DEFAULT_BOUNDS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// Buckets of an exponential histogram in each direction where none are given.
///
/// # Source
/// OpenTelemetry metrics SDK, "Base2 Exponential Bucket Histogram Aggregation".
pub const DEFAULT_MAX_SIZE: usize = 160;

/// Scale with which an exponential histogram begins where none is given. Source as of [`DEFAULT_MAX_SIZE`].
pub const DEFAULT_MAX_SCALE: i32 = 20;

/// Series of a metric where no limit is given.
///
/// # Source
/// OpenTelemetry metrics SDK, "Cardinality limits", "Configuration".
pub const DEFAULT_CARDINALITY_MAX: usize = 2000;

/// Bytes of a metric's series where no bound is given: 2,000 series of exponential histograms with room for attributes.
pub const DEFAULT_BYTES_MAX: usize = 16 << 20;

/// Names how measurements become one value.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregationKind {
    /// The last one.
    Gauge,
    /// Their sum.
    Sum,
    /// Counts in buckets with these upper bounds, inclusive and increasing.
    Histogram {
        /// The bounds.
        bounds: Vec<f64>,
    },
    /// Counts in buckets that grow exponentially, as fine as the range allows.
    ExponentialHistogram {
        /// Buckets in each direction at most.
        max_size: usize,
        /// The finest scale.
        max_scale: i32,
    },
}

/// Says what a metric is and how much it may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSpec {
    /// Its name.
    pub name: Str,
    /// What it measures; may be empty.
    pub description: Str,
    /// Its unit as UCUM; may be empty.
    pub unit: Str,
    /// How measurements become one value.
    pub kind: AggregationKind,
    /// Whether a point counts from the one before or from the start. A gauge that is `Cumulative` is given again until
    /// it is measured anew; one that is `Delta`, once.
    pub temporality: Temporality,
    /// Whether a sum only grows.
    pub is_monotonic: bool,
    /// Whether the values of a gauge or a sum are integers.
    pub is_integer: bool,
    /// Series at most, without the one for the excess.
    pub cardinality_max: usize,
    /// Bytes of the series at most.
    pub bytes_max: usize,
    /// Exemplars of a point at most.
    pub exemplars_max: usize,
}

/// Names what is wrong with a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSpec {
    /// Bounds are not finite and increasing.
    Bounds,
    /// More bounds than a histogram may have.
    BoundCount,
    /// Fewer buckets than two, or more than a histogram may have.
    MaxSize,
    /// A scale that is not from -10 to 20.
    MaxScale,
    /// More exemplars than a point may have.
    Exemplars,
}

/// Buckets and exemplars of a point at most, whatever a spec says: a bound on what one series can take.
const BUCKETS_MAX: usize = 4096;

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds => f.write_str("bounds of a histogram are finite, and each is greater than the one before"),
            Self::BoundCount => write!(f, "a histogram has at most {} bounds", BUCKETS_MAX - 1),
            Self::MaxSize => write!(f, "an exponential histogram has from 2 to {BUCKETS_MAX} buckets"),
            Self::MaxScale => f.write_str("the scale of an exponential histogram is from -10 to 20"),
            Self::Exemplars => write!(f, "a point has at most {BUCKETS_MAX} exemplars"),
        }
    }
}

impl std::error::Error for InvalidSpec {}

impl MetricSpec {
    /// Returns a spec with the defaults of the OpenTelemetry metrics SDK: cumulative, integer only if set, no exemplars.
    pub fn new(name: impl Into<Str>, kind: AggregationKind) -> Self {
        Self {
            name: name.into(),
            description: Str::default(),
            unit: Str::default(),
            is_monotonic: kind == AggregationKind::Sum,
            kind,
            temporality: Temporality::Cumulative,
            is_integer: false,
            cardinality_max: DEFAULT_CARDINALITY_MAX,
            bytes_max: DEFAULT_BYTES_MAX,
            exemplars_max: 0,
        }
    }

    /// Checks what a type cannot say.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        match &self.kind {
            AggregationKind::Histogram { bounds } if bounds.len() >= BUCKETS_MAX => Err(InvalidSpec::BoundCount),
            AggregationKind::Histogram { bounds } if !is_increasing(bounds) => Err(InvalidSpec::Bounds),
            AggregationKind::ExponentialHistogram { max_size, .. } if !(2..=BUCKETS_MAX).contains(max_size) => {
                Err(InvalidSpec::MaxSize)
            }
            AggregationKind::ExponentialHistogram { max_scale, .. } if !(-10..=20).contains(max_scale) => {
                Err(InvalidSpec::MaxScale)
            }
            _ if self.exemplars_max > BUCKETS_MAX => Err(InvalidSpec::Exemplars),
            _ => Ok(()),
        }
    }

    /// Says whether series of one can go on as series of the other: all but bounds and words is the same.
    pub fn is_compatible(&self, other: &MetricSpec) -> bool {
        (&self.name, &self.unit, &self.kind, self.temporality, self.is_monotonic, self.is_integer)
            == (&other.name, &other.unit, &other.kind, other.temporality, other.is_monotonic, other.is_integer)
    }

    /// Returns what its points are.
    pub fn metric_kind(&self) -> MetricKind {
        match self.kind {
            AggregationKind::Gauge => MetricKind::Gauge,
            AggregationKind::Sum => MetricKind::Sum,
            AggregationKind::Histogram { .. } => MetricKind::Histogram,
            AggregationKind::ExponentialHistogram { .. } => MetricKind::ExponentialHistogram,
        }
    }

    /// Returns how many bytes the value of one series and its exemplars may grow to.
    pub fn series_bytes_max(&self) -> usize {
        /// An exemplar with both its ids.
        const EXEMPLAR_BYTES: usize = 160;
        let buckets = match &self.kind {
            AggregationKind::Gauge | AggregationKind::Sum => 0,
            AggregationKind::Histogram { bounds } => bounds.len() + 1,
            // A vector may have twice the room it needs, in both directions.
            AggregationKind::ExponentialHistogram { max_size, .. } => 4 * max_size,
        };
        buckets * size_of::<u64>() + self.exemplars_max * EXEMPLAR_BYTES
    }
}

fn is_increasing(bounds: &[f64]) -> bool {
    bounds.iter().all(|bound| bound.is_finite()) && bounds.windows(2).all(|pair| pair[0] < pair[1])
}
