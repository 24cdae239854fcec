//! Finite reals to counts in buckets that grow exponentially: base-2 exponential histograms that find their scale.
//!
//! Bucket `i` at a scale has the magnitudes in `(base^i, base^(i+1)]` with `base = 2^(2^-scale)`. A histogram begins at
//! its finest scale and halves the resolution, exactly, whenever its buckets would not reach; so the scale depends on
//! what was measured and not on the order. Next: `exemplar.rs`.

use crate::state::aggregate::histogram::Summary;
use dtq_record::otlp::metric::ExponentialValue;
use std::collections::VecDeque;

/// Counts measurements in buckets that grow exponentially.
#[derive(Clone, Debug)]
pub struct ExponentialHistogram {
    max_size: usize,
    scale: i32,
    summary: Summary,
    zero_count: u64,
    positive: Buckets,
    negative: Buckets,
}

/// Counts from the bucket `offset` on.
#[derive(Clone, Debug, Default)]
struct Buckets {
    offset: i32,
    counts: VecDeque<u64>,
}

impl ExponentialHistogram {
    /// Returns an empty histogram with at most `max_size` (at least 2) buckets in each direction.
    pub fn new(max_size: usize, max_scale: i32) -> Self {
        Self {
            max_size,
            scale: max_scale,
            summary: Summary::new(),
            zero_count: 0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        }
    }

    /// Counts a finite measurement.
    pub fn record(&mut self, value: f64) {
        self.summary.record(value);
        if value == 0.0 {
            self.zero_count += 1;
            return;
        }
        let is_positive = value > 0.0;
        let side = if is_positive { &self.positive } else { &self.negative };
        let index = bucket_index(value.abs(), self.scale);
        let excess_scale = side.excess_scale(index, self.max_size);
        self.downscale(excess_scale);
        let side = if is_positive { &mut self.positive } else { &mut self.negative };
        side.add(index >> excess_scale, 1);
    }

    /// Returns the counts.
    pub fn value(&self) -> ExponentialValue {
        ExponentialValue {
            count: self.summary.count,
            sum: self.summary.sum(),
            min: self.summary.min(),
            max: self.summary.max(),
            scale: self.scale,
            zero_count: self.zero_count,
            positive: self.positive.value(),
            negative: self.negative.value(),
        }
    }

    /// Halves the resolution some times; both directions have one scale.
    fn downscale(&mut self, by: u32) {
        if by > 0 {
            self.scale -= by as i32;
            self.positive.downscale(by);
            self.negative.downscale(by);
        }
    }
}

impl Buckets {
    /// Returns how often the resolution has to be halved for the buckets to reach from what there is to an index.
    ///
    /// Ends after at most 31 halvings, when every index is 0 or -1.
    fn excess_scale(&self, index: i32, max_size: usize) -> u32 {
        let (mut low, mut high) = match self.counts.len() {
            0 => (index, index),
            count => (index.min(self.offset), index.max(self.offset + count as i32 - 1)),
        };
        let mut by = 0;
        while i64::from(high) - i64::from(low) >= max_size as i64 {
            low >>= 1;
            high >>= 1;
            by += 1;
        }
        by
    }

    fn downscale(&mut self, by: u32) {
        let old = std::mem::take(self);
        for (index, count) in (old.offset..).zip(old.counts) {
            self.add(index >> by, count);
        }
    }

    fn add(&mut self, index: i32, count: u64) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        while index < self.offset {
            self.counts.push_front(0);
            self.offset -= 1;
        }
        let position = (index - self.offset) as usize;
        if position >= self.counts.len() {
            self.counts.resize(position + 1, 0);
        }
        self.counts[position] += count;
    }

    fn value(&self) -> (i32, Vec<u64>) {
        (self.offset, self.counts.iter().copied().collect())
    }
}

/// Returns the bucket of a magnitude (finite, above zero) at a scale from -10 to 20.
///
/// Exact at powers of two, at scales up to zero, and between scales: the index at a lower scale is that of a higher one
/// shifted. Elsewhere as exact as a logarithm of the significand alone, which is in `[0, 1)`.
///
/// # Source
/// OpenTelemetry metrics data model, "ExponentialHistogram", "Producer Expectations".
pub fn bucket_index(magnitude: f64, scale: i32) -> i32 {
    let (exponent, significand) = split(magnitude);
    if significand == 1.0 {
        // An upper bound is inclusive, so a power of two is the last of the bucket below.
        return if scale > 0 { (exponent << scale) - 1 } else { (exponent - 1) >> -scale };
    }
    if scale <= 0 {
        return exponent >> -scale;
    }
    let bucket_count = 1_i32 << scale;
    // Of a significand just below 2, the logarithm is rounded to 1.
    let within = (libm::log2(significand) * f64::from(bucket_count)) as i32;
    (exponent << scale) + within.min(bucket_count - 1)
}

/// Returns exponent and significand in `[1, 2)` of a magnitude, also where it is subnormal.
fn split(magnitude: f64) -> (i32, f64) {
    const SIGNIFICAND_BITS: u32 = 52;
    const SIGNIFICAND_MASK: u64 = (1 << SIGNIFICAND_BITS) - 1;
    const EXPONENT_BIAS: i32 = 1023;
    let bits = magnitude.to_bits();
    let biased = (bits >> SIGNIFICAND_BITS) as i32;
    let (exponent, fraction) = if biased == 0 {
        let shift = (bits & SIGNIFICAND_MASK).leading_zeros() - (u64::BITS - SIGNIFICAND_BITS - 1);
        (1 - EXPONENT_BIAS - shift as i32, (bits << shift) & SIGNIFICAND_MASK)
    } else {
        (biased - EXPONENT_BIAS, bits & SIGNIFICAND_MASK)
    };
    (exponent, f64::from_bits(fraction | (EXPONENT_BIAS as u64) << SIGNIFICAND_BITS))
}
