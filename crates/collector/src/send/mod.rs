//! Requests to a destination: a bounded queue, workers that send, and retries until it says yes or no for good.
//!
//! Delivery is at least once: an answer that gets lost makes a duplicate. Read in order: [`settings`], [`queue`],
//! [`gather`] (how requests are written), [`client`] (one attempt), this file (all attempts).

pub mod settings;

pub mod queue;

pub mod gather;

pub mod client;

pub use settings::Settings;

use crate::account::SendAccount;
use crate::events::Events;
use crate::status::{Cause, Refusal};
use crate::tls::TlsError;
use client::{Answer, Client};
use queue::{Delivery, Queue, Queued, Waiter};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Holds a destination: its queue, and what sends from it.
pub struct Destination {
    /// What it was told to be.
    pub settings: Settings,
    /// What is counted of it.
    pub account: Arc<SendAccount>,
    /// What waits for it.
    pub queue: Queue,
    client: RwLock<Arc<Client>>,
    events: Arc<Events>,
    trouble: Mutex<Trouble>,
}

/// Holds what went wrong with a destination.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// Since when attempts fail, while they do.
    pub failing_since: Option<SystemTime>,
    /// What it last said against a request, and when.
    pub last_error: Option<(SystemTime, String)>,
}

/// How much of an error is kept to be shown.
const ERROR_CHARS_MAX: usize = 500;

impl Destination {
    /// Returns a destination that sends nothing yet.
    ///
    /// # Errors
    /// When its certificates cannot be read.
    pub fn new(settings: Settings, events: Arc<Events>) -> Result<Arc<Self>, TlsError> {
        let account = Arc::new(SendAccount::default());
        let queue = Queue::new(settings.queue_bytes_max, settings.on_full, Arc::clone(&account));
        let client = RwLock::new(Arc::new(Client::new(&settings)?));
        Ok(Arc::new(Self { settings, account, queue, client, events, trouble: Mutex::default() }))
    }

    /// Reads its certificates again: connections that are opened from now on have them.
    ///
    /// # Errors
    /// When they cannot be used; those before go on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let client = Arc::new(Client::new(&self.settings)?);
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    /// Returns what went wrong with it.
    pub fn troubles(&self) -> Trouble {
        self.trouble().clone()
    }

    /// Notes that a request found no place in the queue.
    pub fn note_full(&self) {
        self.warn("queue.full", || "has a full queue; senders are told to try again".to_owned());
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Starts to send; ends when the queue is closed and empty.
    pub fn start(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        for _ in 0..self.settings.concurrency.max(1) {
            let destination = Arc::clone(self);
            tasks.spawn(async move {
                while let Some(queued) = destination.queue.next().await {
                    destination.deliver(queued).await;
                }
            });
        }
    }

    /// Sends a request until something is certain, or nobody waits for it any more.
    async fn deliver(&self, mut queued: Queued) {
        let mut waiter = queued.entry.waiter.take();
        let until = waiter.as_ref().map(|waiter| waiter.until);
        let delivery = tokio::select! {
            biased;
            () = gone(&mut waiter) => {
                self.account.abandoned.add(1);
                return;
            }
            delivery = self.try_until(&queued, until) => delivery,
        };
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
        if let Some(waiter) = waiter {
            // The place in the queue is given back first, so that whoever is answered finds it free.
            drop(queued);
            let _ = waiter.answer.send(delivery);
        }
    }

    /// Tries until something is certain; a sender waits `until`, and is told in time where trying goes on for longer.
    async fn try_until(&self, queued: &Queued, until: Option<Instant>) -> Delivery {
        let entry = &queued.entry;
        let message = self.client().encode(entry.signal, &entry.payload)?;
        let give_up_at = Instant::from_std(queued.since) + self.settings.retry.elapsed_max;
        let mut backoff = self.settings.retry.initial;
        loop {
            let begun = Instant::now();
            self.account.wire_bytes.add(message.size_bytes() as u64);
            let (after, reason) = match self.client().attempt(entry.signal, message.clone(), &entry.headers).await {
                Answer::Accepted(partial) => {
                    self.recovered();
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    self.account.last_success_s.set(since.as_secs());
                    if !partial.is_full() {
                        self.account.partial.add(1);
                        self.account.rejected_records.add(partial.rejected);
                        let (rejected, message) = (partial.rejected, &partial.message);
                        self.warn("destination.partial", || {
                            format!("did not take {rejected} records of a request: {message}")
                        });
                    }
                    return Ok(partial);
                }
                Answer::Refused(refusal) => {
                    self.recovered();
                    let error = refusal.message.chars().take(ERROR_CHARS_MAX).collect();
                    self.trouble().last_error = Some((SystemTime::now(), error));
                    let message = format!("destination `{}`: {}", self.settings.name, refusal.message);
                    return Err(Refusal { message, ..refusal });
                }
                Answer::Later { after, reason } => (after, reason),
            };
            self.failed(&reason);
            let again = Again { after, backoff, attempt: begun.elapsed(), initial: self.settings.retry.initial };
            let left = |end: Instant| end.saturating_duration_since(Instant::now());
            let Some(wait) = again.wait(until.map(left), left(give_up_at)) else {
                let message = format!("destination `{}`: {reason}", self.settings.name);
                let retry_after = Some(after.unwrap_or_default().max(Duration::from_secs(1)));
                return Err(Refusal { retry_after, ..Refusal::new(Cause::Unavailable, message) });
            };
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(self.settings.retry.max);
            self.account.retries.add(1);
        }
    }

    fn failed(&self, reason: &str) {
        self.account.failed_attempts.add(1);
        self.account.is_failing.set(1);
        let now = SystemTime::now();
        let mut trouble = self.trouble();
        trouble.failing_since.get_or_insert(now);
        trouble.last_error = Some((now, reason.chars().take(ERROR_CHARS_MAX).collect()));
        drop(trouble);
        self.warn("destination.failing", || format!("does not take requests: {reason}; they are sent again"));
    }

    fn recovered(&self) {
        if self.account.is_failing.get() == 1 {
            self.account.is_failing.set(0);
            self.trouble().failing_since = None;
            let name = &self.settings.name;
            self.events
                .note(&format!("destination.recovered:{name}"), || format!("destination `{name}` answers again"));
        }
    }

    fn warn(&self, kind: &str, text: impl FnOnce() -> String) {
        let name = &self.settings.name;
        self.events.warn(&format!("{kind}:{name}"), || format!("destination `{name}` {}", text()));
    }
}

/// Ends when nobody waits any more; never where nobody ever did.
async fn gone(waiter: &mut Option<Waiter>) {
    match waiter {
        Some(waiter) => waiter.answer.closed().await,
        None => std::future::pending().await,
    }
}

/// Holds what decides when an attempt that failed is made again.
#[derive(Clone, Copy, Debug)]
struct Again {
    /// What the destination asks for, if it does.
    after: Option<Duration>,
    /// How long is waited else.
    backoff: Duration,
    /// The shortest of such waits.
    initial: Duration,
    /// How long the last attempt took, as the next may.
    attempt: Duration,
}

impl Again {
    /// Returns how long to wait, where a sender waits for `sender` still and a request is given up after `request`;
    /// `None` when trying again is not for here.
    ///
    /// What a destination asks for is kept to the letter or handed on. The own waits are shorter towards the end, so that
    /// the time of a sender is used: some do not try again.
    fn wait(self, sender: Option<Duration>, request: Duration) -> Option<Duration> {
        let wait = match (self.after, sender) {
            (Some(after), _) => after,
            (None, None) => jittered(self.backoff),
            (None, Some(left)) => Some(jittered(self.backoff).min(left / 2)).filter(|_| left / 2 >= self.initial)?,
        };
        let is_in_time = sender.is_none_or(|left| wait.saturating_add(self.attempt) < left);
        (is_in_time && wait < request).then_some(wait)
    }
}

/// Returns a time between half of it and all of it.
fn jittered(backoff: Duration) -> Duration {
    // Every state of the standard library's hasher has keys of its own, which are random enough to spread senders.
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    backoff.div_f64(2.0) + backoff.mul_f64(random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_a_destination_asks_for_is_waited_out_or_handed_on() {
        let asked =
            |after, attempt| Again { after: Some(ms(after)), backoff: ms(200), initial: ms(200), attempt: ms(attempt) };
        let request = ms(300_000);
        assert_eq!(asked(5_000, 10).wait(Some(ms(8_000)), request), Some(ms(5_000)), "longer than two seconds");
        assert_eq!(asked(5_000, 10).wait(Some(ms(5_000)), request), None, "the sender would be told too late");
        assert_eq!(asked(5_000, 4_000).wait(Some(ms(8_000)), request), None, "an attempt takes its time");
        assert_eq!(asked(1_000, 0).wait(Some(ms(900)), request), None, "however short");
        assert_eq!(asked(3_600_000, 0).wait(None, request), None, "longer than a request is worth");
        assert_eq!(asked(60_000, 0).wait(None, request), Some(ms(60_000)));
        let ever = Again { after: Some(Duration::MAX), backoff: ms(200), initial: ms(200), attempt: ms(1) };
        assert_eq!(ever.wait(Some(ms(8_000)), request), None);
        assert_eq!(ever.wait(None, request), None);
    }

    #[test]
    fn own_waits_use_the_time_of_a_sender_and_leave_some_to_tell_it() {
        let again =
            |backoff, attempt| Again { after: None, backoff: ms(backoff), initial: ms(200), attempt: ms(attempt) };
        let waited = |again: Again, sender| again.wait(sender, ms(300_000));
        assert!(waited(again(200, 0), Some(ms(8_000))).is_some_and(|wait| wait >= ms(100) && wait <= ms(200)));
        assert_eq!(waited(again(6_400, 0), Some(ms(1_800))), Some(ms(900)), "not past the end");
        assert_eq!(waited(again(6_400, 0), Some(ms(399))), None);
        assert_eq!(waited(again(200, 7_950), Some(ms(8_000))), None, "no attempt would end in time");
        assert!(waited(again(30_000, 9_000), None).is_some_and(|wait| wait >= ms(15_000)), "nobody waits");
    }
}
