//! What someone would write by hand, in plain Rust, to do one piece of the reference work fast.
//!
//! Each function does one question only and knows it at compile time: the mark that a general engine is measured against.
//! Read in order: [`text`], [`decoded`] (records in structs), [`wire`], [`splice`], [`scanner`] (bytes to bytes),
//! [`limits`] (what no scanner can beat), [`by_prost`] (decode, retain, encode).

pub mod text;

pub mod decoded;

pub mod wire;

pub mod splice;

pub mod scanner;

pub mod limits;

pub mod by_prost;
