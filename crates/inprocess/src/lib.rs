//! Rules inside the process that emits: records are dropped before they are serialised, edited, counted or held.
//!
//! Wraps the processors and exporters of `opentelemetry_sdk` ([`otel`]) and filters the events of `tracing` ([`layer`]).
//! Starts no thread, opens nothing but the rule file, never waits for another thread, and lets no panic out. Read in
//! order: [`host`], [`load`], [`subject`], `seat`, `places`, [`rules`], `reload`, [`counts`], [`otel`], [`layer`].
//!
//! # What happens to a record that is not judged
//! It passes and is counted ([`Counts`]): when all places are taken by other threads, when rules are off, when it is too
//! large. Where a protective rule (`on_error` other than `pass`) stands for its signal it is withheld instead.

pub mod host;

pub mod load;

pub mod subject;

mod seat;

mod places;

pub mod rules;

mod reload;

pub mod counts;

#[cfg(feature = "opentelemetry")]
pub mod otel;

#[cfg(feature = "tracing")]
pub mod layer;

pub use counts::Counts;
pub use host::{Host, Notice, Silent};
pub use load::{Bounds, Refused};
pub use places::after_fork;
pub use rules::{RuleAccount, Rules, Running};
pub use seat::Fate;
