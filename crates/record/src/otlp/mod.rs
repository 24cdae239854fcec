//! OTLP: requests in protobuf or JSON to the rows of `logs`, `metrics`, `spans` and `resources`.
//!
//! Field numbers are those of opentelemetry-proto 1.x; `LogsData` and its siblings have the shape of the requests. Read
//! in order: [`any`] (values), [`logs`], [`spans`], [`metrics`] (one record to columns), [`pass`] and [`fill`] (to slots),
//! [`index`], [`edit`], [`key_places`], `changes` and [`assemble`] (a request to the request that leaves), `frames` and
//! `reader` (files to records), `detect` (which signal), `json` (OTLP JSON, transcribed to the same bytes), [`mod@rows`]
//! (one request to rows), [`metric`] (metrics that rules make), [`encode`] (rows and metrics to requests), [`to_json`]
//! (requests to OTLP JSON), [`requests`] (files to requests as bytes, for those who write them out again).

pub mod any;

pub mod logs;

pub mod spans;

pub mod metrics;

pub mod pass;

pub mod fill;

pub mod index;

pub(crate) mod edit_any;

pub mod edit;

pub mod key_places;

mod changes;

pub mod assemble;

pub(crate) mod frames;

pub(crate) mod needs;

pub(crate) mod reader;

pub(crate) mod detect;

pub(crate) mod json;

mod json_schema;

pub mod rows;

pub mod metric;

pub mod encode;

pub mod to_json;

pub mod requests;

/// Names what a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Data points.
    Metrics,
    /// Spans.
    Spans,
}

impl Signal {
    /// Returns the name of the table that the signal's records fill.
    pub fn table(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Metrics => "metrics",
            Signal::Spans => "spans",
        }
    }
}
