//! Telemetry bytes to rows of values: OTLP protobuf and JSON, NDJSON, CSV, syslog, logfmt, plain text.
//!
//! Reads from any `io::Read`; it opens nothing itself and reads no clock. Read in order: [`stream`] (what a table is),
//! [`wire`], [`slot`], [`checked`] (slots of many records) and [`otlp`] (requests to rows, to slots, and edited to
//! requests), `time`, `convert`, `infer` (texts and types), `json`, `text`, `record` (records with keys of their own to
//! rows), `sieve` (records that need no look), [`mod@format`], [`tables`] (columns and aliases, from `tables/*.json`),
//! [`input`], [`laws`].

pub mod stream;

pub mod wire;

pub mod slot;

pub mod checked;

pub mod otlp;

mod time;

mod convert;

mod infer;

mod known;

mod json;

pub mod text;

mod record;

mod sieve;

pub mod format;

pub mod tables;

pub mod input;

pub mod laws;

pub use format::Format;
pub use input::{Description, Input, Inputs, Options, Report};
pub use known::{Role, known_keys, severity_words};
pub use wire::WireError;
