//! Whether records came lately, by wall time: for state that would wait forever once a sender falls silent.
//!
//! Reads no clock and no record's time, which stands still when no records come. Next: `table.rs`.

/// Knows when there were records, by wall time, as far as ticks tell.
#[derive(Debug)]
pub(crate) struct Activity {
    is_seen: bool,
    last_ticks: Option<i64>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self { is_seen: false, last_ticks: None }
    }

    /// Takes note of a record.
    pub(crate) fn note_record(&mut self) {
        self.is_seen = true;
    }

    /// Takes note of wall time, and says whether no record came for the idle time.
    pub(crate) fn is_idle(&mut self, now: i64, idle_ticks: i64) -> bool {
        let last_ticks = match self.last_ticks {
            // Wall clocks are set back at times.
            Some(last_ticks) if !self.is_seen => last_ticks.min(now),
            _ => now,
        };
        *self = Self { is_seen: false, last_ticks: Some(last_ticks) };
        now.saturating_sub(last_ticks) >= idle_ticks
    }
}
