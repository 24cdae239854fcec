//! What all fuzz targets share: counting how many inputs get past the parser, and queries and requests from a fuzzer's bytes.

pub mod query;

pub mod otlp;

use std::sync::atomic::{AtomicU64, Ordering};

/// Inputs between two reports.
const REPORT_EVERY: u64 = 1 << 12;

/// Counts inputs and those that got past the parser, and says the share on stderr now and then.
///
/// Below 30 % the seeds or the generator are the bug (docs/STYLE.md, "Tests").
pub struct Share {
    all: AtomicU64,
    past: AtomicU64,
}

impl Share {
    /// Returns a count of nothing.
    pub const fn new() -> Self {
        Self { all: AtomicU64::new(0), past: AtomicU64::new(0) }
    }

    /// Counts one input.
    pub fn count(&self, is_past_parser: bool) {
        let past = self.past.fetch_add(u64::from(is_past_parser), Ordering::Relaxed) + u64::from(is_past_parser);
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        if all % REPORT_EVERY == 0 {
            eprintln!("past the parser: {past} of {all} inputs, {} %", past * 100 / all);
        }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::new()
    }
}
