//! What the process says of itself: its counts to Prometheus and OTLP, its events to OTLP.
//!
//! Decides nothing about telemetry that passes, and shows none of it. Read in order: [`family`], [`text`], [`process`],
//! [`otlp`], [`push`].

pub mod family;

pub mod text;

pub mod process;

pub mod otlp;

pub mod push;

pub use push::{Counted, Pusher, Settings};
