//! What the process around the rules gives them and is told: time, notices, and what rules make.
//!
//! Nothing here but `ns` is called while a place is taken, and a host that panics is caught like any other panic.
//! Next: `load.rs`.

use dtq_rules::engine::Emission;
use dtq_value::scalar::calendar::TICKS_UNIX_EPOCH;
use std::time::{SystemTime, UNIX_EPOCH};

/// Says something that an operator should know, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, as the event name of a log record: `dtq.inprocess.disabled`.
    pub event_name: &'static str,
    /// What happened and what it means for telemetry.
    pub message: String,
}

/// Gives time, and takes what is not part of a record: one for all wrappers of a process.
///
/// Called on the thread that emits, so each method should be quick. Panics are caught and counted. What a host emits by
/// itself while it is called is judged like all else; where that makes rules call it within its own calls again and again,
/// it is not called any more: notices are left out then, and requests are counted as not taken.
pub trait Host: Send + Sync + 'static {
    /// Returns the time in ticks of 100 ns since 0001-01-01T00:00Z: `now()` of the rules.
    fn now_ticks(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TICKS_UNIX_EPOCH.saturating_add(i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX))
    }

    /// Returns nanoseconds since any beginning, by which costs are measured. It is called while a record is judged.
    fn ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes a notice.
    fn notice(&self, notice: &Notice) {
        let _ = notice;
    }

    /// Takes a request that rules made and that no wrapper can send on: metrics, or records for a named output.
    ///
    /// Returns whether it was taken; what is not taken is counted as lost.
    fn emission(&self, emission: Emission) -> bool {
        let _ = emission;
        false
    }
}

/// The host that has the clocks of the system, and neither hears notices nor takes requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Host for Silent {}
