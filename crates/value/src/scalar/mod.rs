//! The meaning of every scalar function and operator, once, over values.
//!
//! A function is a plain `fn` of type [`Eval`]; the table in `dtq-ir` gives it a name and signatures. It never fails on
//! the type or the value of an argument (KQL's answer is null), only when a [`Limits`] bound is passed or when failing
//! is its purpose (`assert`).

pub mod format;

pub mod calendar;

pub mod time;

pub mod convert;

pub mod compare;

pub mod logic;

pub mod arithmetic;

pub mod string_match;

pub mod math;

pub mod datetime;

pub mod time_zone;

pub mod units;

pub mod args;

pub mod bounded;

pub mod pool;

pub mod bad_pattern;

pub mod string;

pub mod regex;

pub mod array;

pub mod json_path;

pub mod dynamic;

pub mod network;

pub mod encoding;

pub mod hash;

pub mod parse;

pub mod privacy;

pub mod sampling;

pub mod series;

pub mod series_filter;

pub mod other;

pub use pool::Pooled;

use crate::Value;
use dtq_source::{Code, Limits};
use std::fmt;

/// Holds what went wrong at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// An `E3xxx` code.
    pub code: Code,
    /// One sentence without a full stop.
    pub message: String,
}

impl Fault {
    /// Returns a fault.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

/// Holds what a run fixes once: bounds, time and randomness. Nothing here reads a clock.
#[derive(Debug)]
pub struct Context {
    /// The bounds.
    pub limits: Limits,
    /// `now()`: ticks since 0001-01-01T00:00Z.
    pub now_ticks: i64,
    /// State of the pseudo-random generator behind `rand()` and `new_guid()`; seeded by the host.
    pub random_state: u64,
    /// Regular expressions compiled for patterns that were not constants.
    pub regexes: pool::RegexCache,
}

impl Context {
    /// Returns a context.
    pub fn new(limits: Limits, now_ticks: i64, random_seed: u64) -> Self {
        Self { limits, now_ticks, random_state: random_seed, regexes: pool::RegexCache::default() }
    }

    /// Returns the next 64 pseudo-random bits (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
    pub fn next_random(&mut self) -> u64 {
        self.random_state = self.random_state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Holds one call of a function: its arguments and what it may use.
pub struct Call<'a> {
    /// The arguments, already of the types of the signature.
    pub args: &'a [Value],
    /// What `prepare` built, when it could.
    pub pooled: Option<&'a Pooled>,
    /// Bounds, time, randomness.
    pub ctx: &'a mut Context,
}

/// The type of every scalar function.
pub type Eval = fn(&mut Call<'_>) -> Result<Value, Fault>;

/// Builds the pooled part of a call from its arguments, where they are constants; `None` when there is nothing to build.
pub type Prepare = fn(&[Option<&Value>], &Limits) -> Result<Option<Pooled>, Fault>;
