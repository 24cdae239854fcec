//! The clock of the host, as rules and people read it.

use dtq_value::scalar::calendar;
use dtq_value::scalar::format;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the present, in ticks of 100 ns since 0001-01-01T00:00Z.
pub(crate) fn now_ticks() -> i64 {
    ticks_of(SystemTime::now())
}

/// Returns a time in ticks.
pub(crate) fn ticks_of(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ticks = i64::try_from(since_epoch.as_nanos() / 100).unwrap_or(i64::MAX);
    calendar::TICKS_UNIX_EPOCH.saturating_add(ticks).min(calendar::TICKS_MAX)
}

/// Returns a time as people and machines read it, in UTC to the millisecond.
pub(crate) fn shown(ticks: i64) -> String {
    let full = format::datetime(ticks.clamp(0, calendar::TICKS_MAX));
    let end = full.find('.').map_or(full.len(), |point| (point + 4).min(full.len()));
    format!("{}Z", full[..end].trim_end_matches('Z'))
}

/// Returns the nanoseconds that this thread has run.
pub(crate) fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
