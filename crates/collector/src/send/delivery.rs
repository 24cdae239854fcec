//! What is sent together to what becomes of each request: attempts until something is certain, or nobody waits any more.
//!
//! Requests that are sent as one stay apart in all else: each has its sender, its time, and its place in the queue until
//! it is decided. One that is refused among others is found by sending halves; one that is too large alone is sent in parts.
//! Next: `mod.rs`.

use super::Destination;
use super::again::{Again, jittered};
use super::client::Answer;
use super::merge::{merged, record_count, shares};
use super::queue::{Delivery, Queued};
use super::split::halves;
use crate::pipeline::Payload;
use crate::status::{Cause, PartialSuccess, Refusal};
use bytes::Bytes;
use dtq_record::otlp::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Says what became of an attempt after all its repetitions.
enum Outcome {
    /// The destination has it.
    Taken(PartialSuccess),
    /// The destination never takes it.
    Refused(Refusal),
    /// Nobody waits for it any more: each sender was told, or has gone.
    Nobody,
}

impl Destination {
    /// Sends requests as one until something is certain of each, or nobody waits for it any more.
    pub(super) async fn deliver(&self, group: Vec<Queued>) {
        let mut groups = vec![group];
        while let Some(mut group) = groups.pop() {
            match self.try_until(&mut group, None).await {
                Outcome::Nobody => {}
                Outcome::Taken(partial) => self.share(group, &partial),
                // One of them may be what is wrong, or all together too large.
                Outcome::Refused(refusal) if group.len() > 1 && is_about_data(refusal.cause) => {
                    groups.push(group.split_off(group.len().div_ceil(2)));
                    groups.push(group);
                }
                Outcome::Refused(refusal) if refusal.cause == Cause::TooLarge => {
                    self.deliver_parts(group, refusal).await
                }
                Outcome::Refused(refusal) => {
                    group.into_iter().for_each(|one| self.finish(one, Err(refusal.clone())));
                }
            }
        }
    }

    /// Sends one request that is too large in parts; what is not taken of it is rejected, if anything is taken.
    async fn deliver_parts(&self, mut group: Vec<Queued>, refusal: Refusal) {
        let Some(one) = group.first() else { return };
        let (signal, whole) = (one.entry.signal, one.entry.payload.plain.clone());
        let mut parts = Parts::new(signal, whole, refusal);
        if !parts.cut() {
            return group.into_iter().for_each(|one| self.finish(one, Err(parts.refusal.clone())));
        }
        self.account.split.add(1);
        while let Some(part) = parts.next() {
            match self.try_until(&mut group, Some(&part)).await {
                Outcome::Nobody => return,
                Outcome::Taken(partial) => parts.take(partial),
                Outcome::Refused(refusal) => parts.refuse(part, refusal),
            }
        }
        let rejected = parts.rejected;
        let delivery = parts.delivery(&self.settings.name);
        if let Ok(told) = &delivery
            && rejected > 0
        {
            self.note_partial(&PartialSuccess { rejected, message: told.message.clone() });
        }
        group.into_iter().for_each(|one| self.finish(one, delivery.clone()));
    }

    /// Tells all senders of a request that was taken.
    fn share(&self, group: Vec<Queued>, partial: &PartialSuccess) {
        if group.len() > 1 {
            self.account.merged.add(group.len() as u64);
        }
        let is_shared = group.len() > 1 && partial.rejected > 0;
        let records: Vec<u64> = group
            .iter()
            .map(|one| if is_shared { record_count(one.entry.signal, &one.entry.payload.plain) } else { 0 })
            .collect();
        for (one, partial) in group.into_iter().zip(shares(partial, &records)) {
            self.finish(one, Ok(partial));
        }
    }

    /// Counts what became of a request, and tells its sender.
    fn finish(&self, mut queued: Queued, delivery: Delivery) {
        let waiter = queued.entry.waiter.take();
        match &delivery {
            Ok(_) => {
                self.account.sent.add(1);
                self.account.sent_bytes.add(queued.entry.payload.plain.len() as u64);
            }
            // Not lost: its sender still has it.
            Err(refusal) if refusal.retry_after.is_some() && waiter.is_some() => self.account.abandoned.add(1),
            Err(refusal) if refusal.retry_after.is_some() => {
                self.account.expired.add(1);
                self.warn("destination.expired", || format!("gives up a request: {}", refusal.message));
            }
            Err(refusal) => {
                self.account.refused.add(1);
                self.warn("destination.refused", || format!("refuses a request: {}", refusal.message));
            }
        }
        // The place in the queue is given back first, so that whoever is answered finds it free.
        drop(queued);
        if let Some(waiter) = waiter {
            let _ = waiter.answer.send(delivery);
        }
    }

    /// Tries until something is certain of some requests, or of a part of the only one; a sender whose time ends before the
    /// next attempt would is told so in time.
    async fn try_until(&self, group: &mut Vec<Queued>, part: Option<&Bytes>) -> Outcome {
        let Some(first) = group.first() else { return Outcome::Nobody };
        let (signal, headers) = (first.entry.signal, Arc::clone(&first.entry.headers));
        let payload = |group: &[Queued]| part.map_or_else(|| merged(group), |part| Payload::plain(part.clone()));
        let encode = |group: &[Queued]| self.client().encode(signal, &payload(group));
        let mut message = match encode(group) {
            Ok(message) => message,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let mut backoff = self.settings.retry.initial;
        loop {
            let begun = Instant::now();
            self.account.wire_bytes.add(message.size_bytes() as u64);
            let client = self.client();
            let answer = tokio::select! {
                biased;
                () = all_gone(group) => return self.abandon(group),
                answer = client.attempt(signal, message.clone(), &headers) => answer,
            };
            let (after, reason) = match answer {
                Answer::Accepted(partial) => {
                    self.was_taken(&partial);
                    return Outcome::Taken(partial);
                }
                Answer::Refused(refusal) => {
                    self.was_refused(&refusal);
                    let message = format!("destination `{}`: {}", self.settings.name, refusal.message);
                    return Outcome::Refused(Refusal { message, ..refusal });
                }
                Answer::Later { after, reason } => (after, reason),
            };
            self.failed(&reason);
            let (own, initial) = (jittered(backoff), self.settings.retry.initial);
            let again = Again { after, own, initial, attempt: begun.elapsed() };
            let count = group.len();
            let Some(wait) = self.hand_on(group, again, &reason) else { return Outcome::Nobody };
            tokio::select! {
                biased;
                () = all_gone(group) => return self.abandon(group),
                () = tokio::time::sleep(wait) => {}
            }
            self.leave_out_gone(group);
            if group.len() < count {
                message = match encode(group) {
                    Ok(message) => message,
                    Err(refusal) => return Outcome::Refused(refusal),
                };
            }
            backoff = (backoff * 2).min(self.settings.retry.max);
            self.account.retries.add(1);
        }
    }

    /// Hands requests on to their senders whose time would be over; returns how long to wait with the others, if any.
    fn hand_on(&self, group: &mut Vec<Queued>, again: Again, reason: &str) -> Option<Duration> {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let mut shortest = None;
        for one in std::mem::take(group) {
            let give_up_at = Instant::from_std(one.since) + self.settings.retry.elapsed_max;
            let sender = one.entry.waiter.as_ref().map(|waiter| left(waiter.until));
            match again.wait(sender, left(give_up_at)) {
                Some(wait) => {
                    shortest = Some(shortest.map_or(wait, |other: Duration| other.min(wait)));
                    group.push(one);
                }
                None => {
                    let message = format!("destination `{}`: {reason}", self.settings.name);
                    let retry_after = Some(again.after.unwrap_or_default().max(Duration::from_secs(1)));
                    let refusal = Refusal { retry_after, ..Refusal::new(Cause::Unavailable, message) };
                    self.finish(one, Err(refusal));
                }
            }
        }
        shortest
    }

    fn abandon(&self, group: &mut Vec<Queued>) -> Outcome {
        self.account.abandoned.add(group.len() as u64);
        group.clear();
        Outcome::Nobody
    }

    /// Leaves out requests whose senders wait no more, as long as there are others.
    fn leave_out_gone(&self, group: &mut Vec<Queued>) {
        let count = group.len();
        let is_gone = |one: &Queued| one.entry.waiter.as_ref().is_some_and(|waiter| waiter.answer.is_closed());
        if group.iter().all(is_gone) {
            // They went this moment; the attempt will find it out.
            return;
        }
        group.retain(|one| !is_gone(one));
        self.account.abandoned.add((count - group.len()) as u64);
    }
}

/// How often a request is cut at most, so that one that is never small enough does not keep a destination busy.
const CUTS_MAX: usize = 64;

/// A part smaller than that is not cut: a destination that finds it too large does not speak of its size, but of a quota.
const CUT_BYTES_MIN: usize = 16 << 10;

/// Holds what is left to send of a request that is too large, and what became of the rest.
struct Parts {
    signal: Signal,
    /// The next last.
    left: Vec<Bytes>,
    cuts: usize,
    told: Option<PartialSuccess>,
    refusal: Refusal,
    /// Records of parts that were refused.
    rejected: u64,
}

impl Parts {
    fn new(signal: Signal, whole: Bytes, refusal: Refusal) -> Self {
        Self { signal, left: vec![whole], cuts: 0, told: None, refusal, rejected: 0 }
    }

    fn next(&mut self) -> Option<Bytes> {
        self.left.pop()
    }

    /// Puts halves in the place of the next part, where it has any.
    fn cut(&mut self) -> bool {
        let next = self.left.last().filter(|next| self.cuts < CUTS_MAX && next.len() >= CUT_BYTES_MIN);
        let Some([first, second]) = next.and_then(|next| halves(next)) else { return false };
        self.left.pop();
        self.left.extend([second, first]);
        self.cuts += 1;
        true
    }

    /// Notes that a part was taken.
    fn take(&mut self, partial: PartialSuccess) {
        let told = self.told.get_or_insert_default();
        told.rejected += partial.rejected;
        if !partial.message.is_empty() {
            told.message = partial.message;
        }
    }

    /// Notes that a part was refused: it is cut where it is too large, and nothing follows where others would fare the same.
    fn refuse(&mut self, part: Bytes, refusal: Refusal) {
        let is_for_all =
            !is_about_data(refusal.cause) || part.len() < CUT_BYTES_MIN && refusal.cause == Cause::TooLarge;
        self.left.push(part);
        if refusal.cause == Cause::TooLarge && self.cut() {
            return;
        }
        let first = if is_for_all { 0 } else { self.left.len() - 1 };
        self.rejected += self.left.drain(first..).map(|part| record_count(self.signal, &part)).sum::<u64>();
        self.refusal = refusal;
    }

    /// Returns what the sender of the whole is told: rejected records where something was taken, else why nothing was.
    fn delivery(&mut self, destination: &str) -> Delivery {
        let Some(mut told) = self.told.take() else { return Err(self.refusal.clone()) };
        if self.rejected > 0 {
            told.rejected += self.rejected;
            told.message = format!(
                "{} records of the parts that were sent to `{destination}`: {}",
                self.rejected, self.refusal.message
            );
        }
        Ok(told)
    }
}

/// Says whether a refusal is about what was sent, so that a part of it may be taken.
fn is_about_data(cause: Cause) -> bool {
    matches!(cause, Cause::RefusedData | Cause::TooLarge | Cause::Malformed)
}

/// Ends when nobody waits any more for any of some requests; never where nobody ever did for one.
async fn all_gone(group: &mut [Queued]) {
    for one in group {
        match &mut one.entry.waiter {
            Some(waiter) => waiter.answer.closed().await,
            None => std::future::pending().await,
        }
    }
}
