//! OTLP requests from applications to OTLP requests for backends, with rules between.
//!
//! Requests stay bytes all the way: nothing here decodes telemetry. Read in order: [`pipeline`] (the seam to the rules).

pub mod pipeline;
