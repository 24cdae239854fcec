//! `opentelemetry_sdk`: wrappers around its processors, with records to OTLP and back.
//!
//! Wrap the processor that exports, and register only the wrapper: what rules drop never reaches it. Read in order:
//! `encode` (values and records to messages), `decode` (messages to values), [`logs`], [`spans`].

mod encode;

mod decode;

pub mod logs;

pub mod spans;

pub use logs::RulesLogProcessor;
pub use spans::RulesSpanProcessor;
