//! Requests that wait to one request, and what a destination says of it to what each of their senders is told.
//!
//! Two messages of protobuf one behind the other are one with the repeated fields of both, and a request is nothing but a
//! list of resources: nothing is decoded, and a resource that several have stands there several times. Next: `split.rs`.
//!
//! # Source
//! protobuf.dev, "Encoding", "Last One Wins": concatenation merges messages.

use super::queue::Queued;
use crate::coding::Coding;
use crate::pipeline::Payload;
use crate::status::PartialSuccess;
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use std::time::Duration;

/// How many requests are merged at most.
pub const REQUESTS_MAX: usize = 1024;

/// Says which requests leave as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Bytes of what they are merged to, not compressed; a request that is larger leaves alone.
    pub bytes_max: usize,
    /// How long the first may wait for others; nothing: only those that wait already leave with it.
    pub delay: Duration,
    /// The compression that requests keep: those that came with it leave as they came, alone.
    pub kept: Option<Coding>,
}

impl Merge {
    /// Says whether a request may leave with others.
    pub fn admits(&self, payload: &Payload) -> bool {
        let is_kept = payload.packed.as_ref().is_some_and(|(coding, _)| Some(*coding) == self.kept);
        !is_kept && payload.plain.len() < self.bytes_max
    }

    /// Says whether another may join some with these bytes.
    pub fn joins(&self, first: &Queued, bytes: usize, other: &Queued) -> bool {
        let (first, other) = (&first.entry, &other.entry);
        let is_like = first.signal == other.signal && first.headers == other.headers;
        is_like && bytes + other.payload.plain.len() <= self.bytes_max && self.admits(&other.payload)
    }
}

/// Returns what leaves for some requests of one signal.
pub fn merged(group: &[Queued]) -> Payload {
    if let [one] = group {
        return one.entry.payload.clone();
    }
    let pieces: Vec<&[u8]> = group.iter().map(|one| one.entry.payload.plain.as_ref()).collect();
    Payload::plain(pieces.concat().into())
}

/// Returns how many records a request has.
pub fn record_count(signal: Signal, request: &[u8]) -> u64 {
    let mut index = RequestIndex::default();
    // What was received or made here can be read.
    index.read(signal, request).map_or(0, |()| index.records().len() as u64)
}

/// Returns what each sender is told of an answer to the request that theirs, with so many records, were merged to.
///
/// Which records were rejected is not said by the answer. Each sender gets a share of their number by its records, no more
/// than it sent, and all shares together are the number; the text says that it is a share.
pub fn shares(partial: &PartialSuccess, records: &[u64]) -> Vec<PartialSuccess> {
    if records.len() == 1 || partial.rejected == 0 {
        return vec![partial.clone(); records.len()];
    }
    let all = records.iter().map(|count| u128::from(*count)).sum::<u128>().max(1);
    let message = format!(
        "{} (of {} requests sent as one {} records were rejected, which ones is not known; this is a share)",
        partial.message,
        records.len(),
        partial.rejected
    );
    let (mut before, mut told) = (0, 0);
    let share = |count: &u64| {
        before += u128::from(*count);
        let up_to_here = (u128::from(partial.rejected) * before / all) as u64;
        let rejected = (up_to_here - told).min(*count);
        told = up_to_here;
        let is_touched = rejected > 0;
        PartialSuccess { rejected, message: if is_touched { message.clone() } else { String::new() } }
    };
    records.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_no_more_than_was_sent_and_together_what_was_rejected() {
        let rejected = |rejected, records: &[u64]| {
            let partial = PartialSuccess { rejected, message: "old".to_owned() };
            shares(&partial, records).iter().map(|share| share.rejected).collect::<Vec<_>>()
        };
        assert_eq!(rejected(2, &[5]), [2]);
        assert_eq!(rejected(10, &[5, 5]), [5, 5]);
        assert_eq!(rejected(3, &[1, 1, 1, 1]), [0, 1, 1, 1]);
        assert_eq!(rejected(1, &[100, 1, 0, 99]), [0, 0, 0, 1]);
        // One that says more than there was is not believed.
        assert_eq!(rejected(7, &[1, 2]), [1, 2]);
        assert_eq!(rejected(7, &[0, 0]), [0, 0]);
        for (number, total) in [(1, 60), (17, 60), (59, 60), (60, 60)] {
            let shares = rejected(number, &[10, 20, 30]);
            assert_eq!(shares.iter().sum::<u64>(), number, "of {total}");
            assert!(shares.iter().zip([10, 20, 30]).all(|(share, sent)| *share <= sent), "{shares:?}");
        }
        let warning = PartialSuccess { rejected: 0, message: "slow down".to_owned() };
        assert_eq!(shares(&warning, &[1, 2]), [warning.clone(), warning.clone()]);
    }
}
