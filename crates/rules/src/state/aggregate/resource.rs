//! Measurements of many resources to the points of one metric for each resource.
//!
//! Next: `state/window.rs`.

use crate::state::aggregate::aggregation::{Number, Refusal};
use crate::state::aggregate::aggregator::{Aggregator, AggregatorCounts};
use crate::state::aggregate::exemplar::SpanContext;
use crate::state::aggregate::spec::{InvalidSpec, MetricSpec};
use crate::state::bounds::Incompatible;
use crate::state::ranked::KeyHasher;
use dtq_record::otlp::metric::MetricStream;
use dtq_value::{Str, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// Holds how many resources may have series of their own, and how much these take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceBounds {
    /// Resources at most.
    pub resources_max: usize,
    /// Bytes of all series and encoded resources at most.
    pub bytes_max: usize,
}

/// Aggregates the measurements of one metric for each resource.
///
/// Resources are told apart by their encoded bytes. Measurements of resources for which there is no room are aggregated
/// under a resource without bytes, and counted.
pub struct ResourceAggregators {
    spec: MetricSpec,
    bounds: ResourceBounds,
    by_resource: IndexMap<Arc<[u8]>, Aggregator, KeyHasher>,
    /// When the current interval began.
    start_ticks: i64,
    /// Of the aggregators that are there.
    bytes: usize,
    /// Of aggregators that are gone.
    past: AggregatorCounts,
    unplaced: u64,
}

impl ResourceAggregators {
    /// Returns aggregators for no resource yet, whose first interval begins at `start_ticks`.
    ///
    /// # Errors
    /// What is wrong with the spec.
    pub fn new(spec: MetricSpec, bounds: ResourceBounds, start_ticks: i64) -> Result<Self, InvalidSpec> {
        spec.check()?;
        let (by_resource, past) = (IndexMap::default(), AggregatorCounts::default());
        Ok(Self { spec, bounds, by_resource, start_ticks, bytes: 0, past, unplaced: 0 })
    }

    /// Records a measurement of a resource.
    ///
    /// # Errors
    /// Why it was refused; it is counted.
    pub fn record(
        &mut self,
        resource: &Arc<[u8]>,
        attributes: &[(Str, Value)],
        number: Number,
        time_ticks: i64,
        context: Option<SpanContext<'_>>,
    ) -> Result<(), Refusal> {
        let index = match self.by_resource.get_index_of(resource) {
            Some(index) => index,
            None if self.has_room(resource) => self.add(Arc::clone(resource)),
            None => {
                self.unplaced += 1;
                let none: Arc<[u8]> = Arc::from([].as_slice());
                self.by_resource.get_index_of(&none).unwrap_or_else(|| self.add(none))
            }
        };
        let room_bytes = self.bounds.bytes_max.saturating_sub(self.bytes);
        let aggregator = &mut self.by_resource[index];
        let before_bytes = aggregator.counts().bytes;
        let result = aggregator.record_within(room_bytes, attributes, number, time_ticks, context);
        self.bytes = self.bytes + aggregator.counts().bytes - before_bytes;
        result
    }

    /// Ends the interval at `now` and returns the points of each resource that has some, in the order of appearance.
    pub fn collect(&mut self, now: i64) -> Vec<(Arc<[u8]>, MetricStream)> {
        let mut streams = Vec::new();
        for (resource, aggregator) in &mut self.by_resource {
            let stream = aggregator.collect(now);
            if !stream.points.is_empty() {
                streams.push((Arc::clone(resource), stream));
            }
        }
        let past = &mut self.past;
        self.by_resource.retain(|_, aggregator| {
            if aggregator.is_empty() {
                *past += aggregator.counts();
            }
            !aggregator.is_empty()
        });
        self.bytes =
            self.by_resource.iter().map(|(key, aggregator)| resource_bytes(key) + aggregator.counts().bytes).sum();
        self.start_ticks = self.start_ticks.max(now);
        streams
    }

    /// Returns what the aggregators did so far, all together; bytes include the resources.
    pub fn counts(&self) -> AggregatorCounts {
        let mut counts = self.past;
        self.by_resource.values().for_each(|aggregator| counts += aggregator.counts());
        AggregatorCounts { bytes: self.bytes, ..counts }
    }

    /// Returns how many resources have series now.
    pub fn resource_count(&self) -> usize {
        self.by_resource.len()
    }

    /// Returns how many measurements were of resources for which there was no room.
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// Returns how much it may hold.
    pub fn bounds(&self) -> ResourceBounds {
        self.bounds
    }

    /// Returns the spec of the metric.
    pub fn spec(&self) -> &MetricSpec {
        &self.spec
    }

    /// Says whether the series can move to a metric of another spec.
    pub fn is_compatible(&self, spec: &MetricSpec) -> bool {
        self.spec.is_compatible(spec)
    }

    /// Changes bounds and words; what is held stays, as with [`Aggregator::set_spec`].
    ///
    /// # Errors
    /// When the spec is of another metric or invalid; then nothing changes.
    pub fn set_spec(&mut self, spec: MetricSpec, bounds: ResourceBounds) -> Result<(), Incompatible> {
        if !self.is_compatible(&spec) || spec.check().is_err() {
            return Err(Incompatible);
        }
        for aggregator in self.by_resource.values_mut() {
            aggregator.set_spec(spec.clone())?;
        }
        (self.spec, self.bounds) = (spec, bounds);
        Ok(())
    }

    fn has_room(&self, resource: &Arc<[u8]>) -> bool {
        self.by_resource.len() < self.bounds.resources_max
            && self.bytes.saturating_add(resource_bytes(resource)) <= self.bounds.bytes_max
    }

    fn add(&mut self, resource: Arc<[u8]>) -> usize {
        self.bytes += resource_bytes(&resource);
        let aggregator = Aggregator::new(self.spec.clone(), self.start_ticks).expect("the spec was checked");
        self.by_resource.insert_full(resource, aggregator).0
    }
}

fn resource_bytes(resource: &Arc<[u8]>) -> usize {
    /// The place in the map, with room to grow.
    const PLACE_BYTES: usize = 64;
    PLACE_BYTES + resource.len() + 2 * size_of::<(Arc<[u8]>, Aggregator)>()
}
