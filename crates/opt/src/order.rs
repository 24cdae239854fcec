//! Operands of `and` and `or`: the cheapest and most deciding first.

use rustc_hash::FxHashMap;

/// Holds measured shares of rows for which conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Feedback {
    shares: FxHashMap<u64, f64>,
}
