//! Times to percentiles in memory that does not grow: 32 classes for every power of two, so about 3 % apart.

use serde::Serialize;
use std::time::Duration;

/// Classes of one power of two, as bits.
const FINE_BITS: u32 = 5;

/// Holds how often which time was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (65 - FINE_BITS as usize) << FINE_BITS], total: 0, max_us: 0 }
    }
}

/// Holds what is shown of a histogram, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many times were seen.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// 90 % are below it.
    pub p90_ms: f64,
    /// 99 % are below it.
    pub p99_ms: f64,
    /// 99.9 % are below it.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Histogram {
    /// Adds a time.
    pub fn add(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counts[class(us)] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all times of another.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Returns a time in microseconds that a share of all are not above, at most 3 % too long.
    pub fn quantile_us(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut sum = 0;
        let found = self.counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        found.map_or(0, |class| end_of(class).min(self.max_us))
    }

    /// Returns what is shown of it.
    pub fn percentiles(&self) -> Percentiles {
        let ms = |share| self.quantile_us(share) as f64 / 1000.0;
        let (p50_ms, p90_ms, p99_ms, p999_ms) = (ms(0.5), ms(0.9), ms(0.99), ms(0.999));
        Percentiles { count: self.total, p50_ms, p90_ms, p99_ms, p999_ms, max_ms: self.max_us as f64 / 1000.0 }
    }
}

fn class(us: u64) -> usize {
    let shift = (64 - us.leading_zeros()).saturating_sub(FINE_BITS + 1);
    ((shift as usize) << FINE_BITS) + (us >> shift) as usize
}

/// Returns the last number of a class.
fn end_of(class: usize) -> u64 {
    let shift = (class >> FINE_BITS).saturating_sub(1);
    let first = ((class - (shift << FINE_BITS)) as u64) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_in_order_and_narrow() {
        let mut before = None;
        for us in (0..5000).chain([1 << 20, (1 << 20) + (1 << 16), u64::MAX / 2, u64::MAX]) {
            let class = class(us);
            assert!(before.is_none_or(|before| before <= class));
            assert!(end_of(class) >= us && end_of(class) as f64 <= us as f64 * 1.04 + 1.0, "{us}: {}", end_of(class));
            before = Some(class);
        }
        assert!(class(u64::MAX) < Histogram::default().counts.len());
    }

    #[test]
    fn percentiles_are_those_of_the_times() {
        let mut times = Histogram::default();
        (1..=1000).for_each(|ms| times.add(Duration::from_millis(ms)));
        let shown = times.percentiles();
        assert_eq!((shown.count, shown.max_ms), (1000, 1000.0));
        assert!((500.0..520.0).contains(&shown.p50_ms) && (990.0..=1000.0).contains(&shown.p99_ms), "{shown:?}");
        assert_eq!(Histogram::default().percentiles(), Percentiles::default());
    }
}
