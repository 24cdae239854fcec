//! Telemetry bytes to rows of values: OTLP protobuf and JSON, NDJSON, CSV, syslog, logfmt, plain text.
//!
//! Reads from any `io::Read`; it opens nothing itself. Read in order: [`stream`].

pub mod stream;
