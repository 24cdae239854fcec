//! What the wrappers counted: records, and why some were not judged.
//!
//! What each rule did is in `Rules::accounts`.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts records of a process, and what kept rules from judging them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records, spans and requests that came.
    pub records: u64,
    /// Those that were removed.
    pub dropped: u64,
    /// Those that were changed.
    pub edited: u64,
    /// Those decided from the fields that rules read, without encoding the rest.
    pub decided_from_fields: u64,
    /// Those not judged because other threads were judging.
    pub contended: u64,
    /// Those not judged because rules are off: past their budget, or after panics.
    pub while_off: u64,
    /// Those not judged because they are larger than `Bounds::record_bytes_max`.
    pub too_large: u64,
    /// Those not judged whose protective rules say that they must not pass.
    pub withheld: u64,
    /// Panics that were caught: of dtq, and of the host's own callbacks.
    pub panics: u64,
    /// Panics of the processors and exporters behind the wrappers, which end at the wrapper.
    pub panics_behind: u64,
    /// Rule files and texts that were taken.
    pub loads: u64,
    /// Rule files and texts that were refused; the rules before went on.
    pub refusals: u64,
    /// Requests that rules made and nobody took.
    pub unsent: u64,
    /// Records that rules made or changed into what the SDK has no place for.
    pub unfit: u64,
}

/// Holds the counters behind [`Counts`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub records: AtomicU64,
    pub dropped: AtomicU64,
    pub edited: AtomicU64,
    pub decided_from_fields: AtomicU64,
    pub contended: AtomicU64,
    pub while_off: AtomicU64,
    pub too_large: AtomicU64,
    pub withheld: AtomicU64,
    pub panics: AtomicU64,
    pub panics_behind: AtomicU64,
    pub loads: AtomicU64,
    pub refusals: AtomicU64,
    pub unsent: AtomicU64,
    pub unfit: AtomicU64,
}

/// Counts one more; counters are read by people, so no order with other memory is needed.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

impl Counters {
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            records: read(&self.records),
            dropped: read(&self.dropped),
            edited: read(&self.edited),
            decided_from_fields: read(&self.decided_from_fields),
            contended: read(&self.contended),
            while_off: read(&self.while_off),
            too_large: read(&self.too_large),
            withheld: read(&self.withheld),
            panics: read(&self.panics),
            panics_behind: read(&self.panics_behind),
            loads: read(&self.loads),
            refusals: read(&self.refusals),
            unsent: read(&self.unsent),
            unfit: read(&self.unfit),
        }
    }
}
