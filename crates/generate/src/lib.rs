//! Random well-typed queries: from a seed, or from the bytes of a fuzzer.
//!
//! A generated query is meant to be accepted: every name exists and the types fit the signatures of the one table of
//! functions, so that tests reach what lies behind the front end. It is for tests only; nothing that ships uses it.
//! Read in order: [`choices`], [`literal`], `words`, [`scalar`], [`pipeline`], [`events`], [`patterns`], [`values`],
//! [`conditions`].

pub mod choices;

pub mod literal;

mod words;

pub mod scalar;

pub mod pipeline;

pub mod events;

pub mod patterns;

pub mod values;

pub mod conditions;

pub use choices::Choices;
pub use events::Events;
pub use patterns::Patterns;
pub use pipeline::query;
