//! Measurements and the spans they were made in to a few exemplars.
//!
//! A reservoir chooses evenly among all measurements of an interval. The choice takes its chance from trace ids, which
//! are random, so that no randomness is needed here and a run can be run again. Next: `aggregator.rs`.

use crate::state::aggregate::aggregation::bounds_of;
use crate::state::aggregate::histogram::bucket_index;
use crate::state::aggregate::spec::{AggregationKind, MetricSpec};
use dtq_record::otlp::metric::Exemplar;

/// Names the span in which a measurement was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext<'a> {
    /// The 16 bytes of the trace id.
    pub trace_id: &'a [u8],
    /// The 8 bytes of the span id; may be empty.
    pub span_id: &'a [u8],
}

/// Keeps a few exemplars of a series.
///
/// A histogram with given bounds and room for one exemplar in each bucket keeps the last of each; all else keeps an even
/// choice.
///
/// # Source
/// OpenTelemetry metrics SDK, "Exemplar defaults".
#[derive(Clone, Debug, Default)]
pub struct Reservoir {
    exemplars: Vec<(usize, Exemplar)>,
    offered: u64,
}

impl Reservoir {
    /// Offers a measurement.
    pub fn offer(&mut self, spec: &MetricSpec, value: f64, time_ticks: i64, context: SpanContext<'_>) {
        // Ids of another size are not ids, and would have no bound.
        if spec.exemplars_max == 0 || context.trace_id.len() != 16 || !matches!(context.span_id.len(), 0 | 8) {
            return;
        }
        self.offered += 1;
        let Some(place) = self.place(spec, value, context) else {
            return;
        };
        let exemplar =
            Exemplar { time_ticks, value, trace_id: context.trace_id.to_vec(), span_id: context.span_id.to_vec() };
        match self.exemplars.binary_search_by_key(&place, |(place, _)| *place) {
            Ok(index) => self.exemplars[index].1 = exemplar,
            Err(index) => self.exemplars.insert(index, (place, exemplar)),
        }
    }

    /// Takes the exemplars; the next interval begins.
    pub fn take(&mut self) -> Vec<Exemplar> {
        self.offered = 0;
        std::mem::take(&mut self.exemplars).into_iter().map(|(_, exemplar)| exemplar).collect()
    }

    fn place(&self, spec: &MetricSpec, value: f64, context: SpanContext<'_>) -> Option<usize> {
        let bounds = bounds_of(spec);
        let is_aligned = matches!(spec.kind, AggregationKind::Histogram { .. }) && bounds.len() < spec.exemplars_max;
        if is_aligned {
            return Some(bucket_index(bounds, value));
        }
        let seen = self.offered - 1;
        let place = if seen < spec.exemplars_max as u64 { seen } else { chance(context.trace_id, seen) % self.offered };
        usize::try_from(place).ok().filter(|place| *place < spec.exemplars_max)
    }
}

/// Returns a number that is evenly spread if trace ids are, and another for each measurement of a trace.
///
/// # Source
/// The mixing function of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn chance(trace_id: &[u8], seen: u64) -> u64 {
    let low = trace_id.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let mut mixed = low.wrapping_add(seen.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
