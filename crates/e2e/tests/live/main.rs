//! `dtq collect` among programs of others, on loopback.
//!
//! A test of a program that is not set up here says SKIPPED on stderr and does nothing; `crates/e2e/setup` sets one up.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod apps;

mod exporters;

mod failing;

mod collector;

mod otel_demo;

mod demonstration;
