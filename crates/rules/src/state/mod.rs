//! What rules remember between records, each part bounded, with an eviction rule and counters.
//!
//! Reads no clock: the caller passes ticks of 100 ns since 0001-01-01T00:00Z. Every answer depends on the sequence of
//! calls alone, never on how records were batched, and nothing that leaves here is in the order of a hash. Time never
//! goes back in here: a part keeps a watermark, the greatest time of a record it was given, and judges what is over by
//! that. Wall time moves no watermark; it only ends what no record has touched for so long.
//! Read in order: [`bounds`], `ranked`, `clock` and `activity` (what parts share), [`table`], [`rate`], [`recorder`],
//! [`aggregate`], [`window`], [`scan`]. Tests: `crates/rules/tests/state/`, `crates/rules/tests/late.rs`.

pub mod bounds;

mod ranked;

pub(crate) mod clock;

mod activity;

pub mod table;

pub mod rate;

pub mod recorder;

pub mod aggregate;

pub mod window;

pub mod scan;
