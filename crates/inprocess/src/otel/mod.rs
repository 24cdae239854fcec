//! `opentelemetry_sdk`: wrappers around its processors, with records to OTLP and back.
//!
//! Wrap the processor or exporter, and register only the wrapper: what rules drop never reaches it. What panics behind a
//! wrapper ends there and is counted. Read in order: `encode` (values and records to messages), `points` (metrics to
//! messages), `decode` (messages to values), [`logs`], [`spans`], [`metrics`].

mod encode;

mod points;

mod decode;

pub mod logs;

pub mod spans;

pub mod metrics;

pub use logs::RulesLogProcessor;
pub use metrics::RulesMetricExporter;
pub use spans::RulesSpanProcessor;
