//! What is counted: one number a thing, written by whoever does it and read by `/metrics`.
//!
//! Counters never go back and are not reset; what is held at the moment is a gauge. Next: [`crate::admin`].

use crate::status::Cause;
use dtq_record::otlp::Signal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Holds a number that many write.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// Takes from it; only of gauges.
    pub fn take(&self, count: u64) {
        self.0.fetch_sub(count, Relaxed);
    }

    /// Adds to a gauge unless it would pass a bound; says whether it did.
    pub fn add_within(&self, count: u64, max: u64) -> bool {
        let add = |now: u64| now.checked_add(count).filter(|sum| *sum <= max);
        self.0.fetch_update(Relaxed, Relaxed, add).is_ok()
    }

    /// Sets a gauge.
    pub fn set(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// Returns it.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Holds what came of one signal.
#[derive(Debug, Default)]
pub struct Received {
    /// Requests that were read and understood.
    pub requests: Count,
    /// Their bytes, not compressed.
    pub bytes: Count,
    /// Their bytes as they came.
    pub wire_bytes: Count,
    /// Their records.
    pub records: Count,
    /// Requests of which nothing was left after the rules.
    pub emptied: Count,
    /// Requests that rules changed.
    pub changed: Count,
    /// Requests that rules made.
    pub created: Count,
}

/// Holds what is counted on the receiving side.
#[derive(Debug, Default)]
pub struct ReceiveAccount {
    signals: [Received; 3],
    refused: [Count; Cause::ALL.len()],
    /// Requests in work.
    pub in_flight: Count,
    /// Connections taken.
    pub connections: Count,
    /// Connections open.
    pub connections_open: Count,
    /// Connections that were closed because they were too many, too slow, or had no TLS that is allowed.
    pub connections_cut: Count,
    /// Requests whose sender had gone before its answer.
    pub abandoned: Count,
    /// Records for a destination that there is not, which went where all others go.
    pub unrouted: Count,
    /// Requests that rules made and that no queue had a place for.
    pub created_lost: Count,
}

impl ReceiveAccount {
    /// Returns what is counted of a signal.
    pub fn of(&self, signal: Signal) -> &Received {
        &self.signals[signal as usize]
    }

    /// Returns how often a request was refused for a cause.
    pub fn refused(&self, cause: Cause) -> &Count {
        let index = Cause::ALL.iter().position(|one| *one == cause).expect("the list has every cause");
        &self.refused[index]
    }
}

/// Holds what is counted of a destination.
#[derive(Debug, Default)]
pub struct SendAccount {
    /// Requests acknowledged.
    pub sent: Count,
    /// Their bytes, not compressed.
    pub sent_bytes: Count,
    /// Bytes of requests written to it, compressed, every attempt.
    pub wire_bytes: Count,
    /// Requests acknowledged that left together with others, as one.
    pub merged: Count,
    /// Requests that it found too large and that were cut, each once.
    pub split: Count,
    /// Attempts after the first.
    pub retries: Count,
    /// Attempts that failed in a way that passes.
    pub failed_attempts: Count,
    /// Requests that it refused for good.
    pub refused: Count,
    /// Requests that were given up after the longest time of retries.
    pub expired: Count,
    /// Requests that nobody waited for any more before they were sent: their sender was told to try again.
    pub abandoned: Count,
    /// Requests that were not taken because the queue was full.
    pub full: Count,
    /// Requests that were dropped from the queue for newer ones.
    pub dropped: Count,
    /// Requests left when the process ended.
    pub left: Count,
    /// Records that it did not take of requests that it did take.
    pub rejected_records: Count,
    /// Answers with a partial success or a warning.
    pub partial: Count,
    /// Bytes that wait or are being sent.
    pub queued_bytes: Count,
    /// Requests that wait or are being sent.
    pub queued: Count,
    /// Whether the last attempt failed: 1 if so.
    pub is_failing: Count,
    /// When it last took a request, in seconds since 1970; 0 if it never did.
    pub last_success_s: Count,
}

/// Holds what is counted of what the process says of itself.
#[derive(Debug, Default)]
pub struct OwnAccount {
    sent: [Count; 3],
    lost: [Count; 3],
    /// Events that were never sent, because others came too fast.
    pub lost_events: Count,
}

impl OwnAccount {
    /// Returns how many requests of a signal were taken, or were not.
    pub fn of(&self, signal: Signal, is_sent: bool) -> &Count {
        let counts = if is_sent { &self.sent } else { &self.lost };
        &counts[signal as usize]
    }
}
