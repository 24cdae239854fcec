//! Measurements to metric streams, as the OpenTelemetry metrics SDK aggregates them.
//!
//! Encodes nothing and knows no windows: what a window aggregates is an [`Aggregation`], and its owner's. Read in order:
//! [`spec`], [`aggregation`], [`histogram`], [`exponential`], [`exemplar`], [`aggregator`], [`resource`]. Next:
//! `state/window.rs`.

pub mod spec;

pub mod aggregation;

pub mod histogram;

pub mod exponential;

pub mod exemplar;

pub mod aggregator;

pub mod resource;

pub use aggregation::{Aggregation, Number, Refusal};
pub use aggregator::{Aggregator, AggregatorCounts};
pub use exemplar::SpanContext;
pub use resource::{ResourceAggregators, ResourceBounds};
pub use spec::{AggregationKind, InvalidSpec, MetricSpec};
