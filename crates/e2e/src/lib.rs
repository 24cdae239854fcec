//! dtq among programs of others: official SDKs and the OpenTelemetry Collector to tests and a demonstration.
//!
//! Uses no other crate of dtq: `dtq` runs as a process, as its users run it, and what it sends is read by opentelemetry-proto
//! and tonic. Read in order: [`setup`] (what is fetched and built, and where), [`process`] (programs that run beside),
//! [`certificates`], [`telemetry`] (what is compared), [`sink`] (a destination that records, and fails when told to),
//! [`collect`] and [`otelcol`] (the two collectors, started), [`demo`] (the demonstration). Tests: `tests/live`.

pub mod setup;

pub mod process;

pub mod certificates;

pub mod telemetry;

pub mod sink;

pub mod collect;

pub mod otelcol;

pub mod demo;
