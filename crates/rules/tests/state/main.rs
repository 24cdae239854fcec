//! What rules remember, against models written for the test, and laws that hold for any calls.

#![allow(clippy::unwrap_used)]

mod aggregate;
mod exponential;
mod rate;
mod recorder;
mod scan;
mod table;
mod windows;

use dtq_interp::RowIdentity;
use dtq_rules::state::bounds::{Bounds, KeyShape};
use dtq_value::{Str, Type, Value};

/// Returns a key of one number.
fn key(number: i64) -> RowIdentity {
    RowIdentity(vec![Value::Long(number)])
}

fn key_shape() -> KeyShape {
    KeyShape { expression: Str::from("k"), types: vec![Type::Long] }
}

fn other_key_shape() -> KeyShape {
    KeyShape { expression: Str::from("tostring(k)"), types: vec![Type::String] }
}

/// Returns bounds that no test reaches by bytes.
fn entries(entries_max: usize) -> Bounds {
    Bounds { entries_max, bytes_max: usize::MAX }
}
