//! Times of records to the time that state goes by: the greatest so far. Wall time only says for how long it has stood still.
//!
//! Reads no clock. A record's own time is taken as it is, be it an hour ago, so that a backlog is judged as it would have
//! been when it was new. Next: `activity.rs`.

/// How far a record's time may be ahead of its arrival: a clock that is wrong must not end what others remember.
const AHEAD_MAX_TICKS: i64 = 60 * 10_000_000;

/// Returns the latest time that a record can have which arrives at a time.
pub(crate) fn latest_ticks(arrival_ticks: i64) -> i64 {
    arrival_ticks.saturating_add(AHEAD_MAX_TICKS)
}

/// Holds the time of the records of a processor.
///
/// Only a record with a later time than all before moves it, or one without a time. So a clock that stands still, or is
/// ahead and was put right, does not keep it where it is for good: what it has stood still for counts by wall time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordClock {
    last: Option<Moved>,
}

/// Holds when the time moved last.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// The greatest time of a record.
    watermark: i64,
    /// The wall time at which that record arrived.
    arrival_ticks: i64,
}

impl RecordClock {
    /// Takes note of a record and returns its time: its own, at most a minute after it arrived.
    ///
    /// One without a time comes at the time of the others: as long after the latest as it arrived after it. The first of all
    /// comes when it arrives.
    pub(crate) fn note(&mut self, own_ticks: Option<i64>, arrival_ticks: i64) -> i64 {
        let time_ticks = match own_ticks {
            Some(own_ticks) => own_ticks.min(latest_ticks(arrival_ticks)),
            None => self.passed(arrival_ticks).unwrap_or(arrival_ticks),
        };
        if self.last.is_none_or(|last| time_ticks > last.watermark) {
            self.last = Some(Moved { watermark: time_ticks, arrival_ticks });
        }
        time_ticks
    }

    /// Returns the time of what rules made, which moves nothing: its own, or that of the records by now.
    pub(crate) fn of_made(&mut self, own_ticks: Option<i64>, now: i64) -> i64 {
        match own_ticks {
            Some(own_ticks) => own_ticks.min(latest_ticks(now)),
            None => self.passed(now).unwrap_or(now),
        }
    }

    /// Returns a time, or that of the records by now where that is not as late.
    ///
    /// Points are made by wall time, of records that may be long past; a row of theirs must not end those of records.
    pub(crate) fn reached(&mut self, time_ticks: i64, now: i64) -> i64 {
        time_ticks.min(self.passed(now).unwrap_or(i64::MAX))
    }

    /// Returns the greatest time of a record; `None` before the first.
    pub(crate) fn watermark(&self) -> Option<i64> {
        self.last.map(|last| last.watermark)
    }

    /// Returns the time that it would be if it had not stood still since it moved last; `None` before the first record.
    pub(crate) fn passed(&mut self, now: i64) -> Option<i64> {
        let last = self.last.as_mut()?;
        // Wall clocks are set back at times; what has passed until then is not known.
        last.arrival_ticks = last.arrival_ticks.min(now);
        Some(last.watermark.saturating_add(now.saturating_sub(last.arrival_ticks)))
    }
}
