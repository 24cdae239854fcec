//! The reference work of the benches: log records, rules over them, and what code written by hand costs on both.
//!
//! Knows no engine, so that dtq and its peers can be measured on the same records. Read in order: [`random`],
//! [`records`] (what is made), [`requests`] and [`ndjson`] (how it is written), [`slots`] (records decoded), [`rules`],
//! [`hand`], [`measure`].

pub mod random;

pub mod records;

pub mod requests;

pub mod ndjson;

pub mod slots;

pub mod rules;

pub mod hand;

pub mod measure;
