//! OTLP requests from applications to OTLP requests for backends, with rules between.
//!
//! Requests stay bytes all the way: nothing here decodes telemetry. Read in order: [`pipeline`] (the seam to the rules),
//! [`rules`] (the thread that judges, its control, and what looks at live traffic).

pub mod pipeline;

pub mod rules;
