//! Requests that wait for a destination, bounded by their bytes.
//!
//! What is on its way counts as waiting until it is done. A place is reserved before a request is put in, so that one for
//! several destinations goes to all or to none. Next: `mod.rs`.

use crate::account::SendAccount;
use crate::pipeline::Payload;
use crate::send::merge::{Merge, REQUESTS_MAX};
use crate::send::settings::OnFull;
use crate::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use hyper::header::{HeaderName, HeaderValue};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as Turn, Notify, oneshot};
use tokio::time::Instant as Deadline;

/// What an entry takes besides its bytes, so that many small ones are bounded, too.
const ENTRY_BYTES: usize = 512;

/// What became of a request at a destination.
pub type Delivery = Result<PartialSuccess, Refusal>;

/// Headers of a request that go on with it.
pub type Forwarded = Arc<[(HeaderName, HeaderValue)]>;

/// Holds who waits for what becomes of a request.
#[derive(Debug)]
pub struct Waiter {
    /// Takes what became of it.
    pub answer: oneshot::Sender<Delivery>,
    /// When it waits no longer.
    pub until: Deadline,
}

/// Holds a request for a destination.
#[derive(Debug)]
pub struct Entry {
    /// What it carries.
    pub signal: Signal,
    /// Its bytes.
    pub payload: Payload,
    /// Headers that go on with it.
    pub headers: Forwarded,
    /// Who waits for what becomes of it; `None` when nobody does.
    pub waiter: Option<Waiter>,
}

/// Holds an entry that is in the queue.
#[derive(Debug)]
pub struct Queued {
    /// The entry.
    pub entry: Entry,
    /// Since when.
    pub since: Instant,
    _place: Place,
}

/// Holds a place in the queue until it is dropped.
#[derive(Debug)]
pub struct Place {
    account: Arc<SendAccount>,
    size_bytes: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.account.queued_bytes.take(self.size_bytes);
        self.account.queued.take(1);
    }
}

/// How many that wait are looked at for those that can leave with one.
const LOOKED_AT_MAX: usize = 256;

/// Holds what waits.
#[derive(Debug)]
pub struct Queue {
    entries: Mutex<VecDeque<Queued>>,
    ready: Notify,
    /// Whose turn it is to gather: several would each have a part of what could leave as one.
    turn: Turn<()>,
    is_hurried: AtomicBool,
    is_closed: AtomicBool,
    bytes_max: u64,
    on_full: OnFull,
    account: Arc<SendAccount>,
}

impl Queue {
    /// Returns an empty one.
    pub fn new(bytes_max: usize, on_full: OnFull, account: Arc<SendAccount>) -> Self {
        let (entries, ready, turn, is_hurried, is_closed) = Default::default();
        Self { entries, ready, turn, is_hurried, is_closed, bytes_max: bytes_max as u64, on_full, account }
    }

    /// Says whether a request of such a size finds a place now.
    pub fn has_place(&self, bytes: usize) -> bool {
        self.on_full == OnFull::DropOldest || self.account.queued_bytes.get() + size_of(bytes) <= self.bytes_max
    }

    /// Returns a place for a request; where that is asked for, the oldest are dropped for it.
    ///
    /// What can never have a place is counted and refused for good, so that its sender does not try forever.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] when the queue is full, [`Cause::TooLarge`] when the request is larger than the queue.
    pub fn reserve(&self, bytes: usize) -> Result<Place, Refusal> {
        let size_bytes = size_of(bytes);
        if size_bytes > self.bytes_max {
            self.account.full.add(1);
            return Err(Refusal::new(Cause::TooLarge, "the request is larger than the queue of a destination"));
        }
        loop {
            if self.account.queued_bytes.add_within(size_bytes, self.bytes_max) {
                self.account.queued.add(1);
                return Ok(Place { account: Arc::clone(&self.account), size_bytes });
            }
            let oldest = if self.on_full == OnFull::DropOldest { self.lock().pop_front() } else { None };
            let Some(oldest) = oldest else {
                self.account.full.add(1);
                return Err(Refusal::new(Cause::Unavailable, "the queue of a destination is full; send again"));
            };
            self.account.dropped.add(1);
            if let Some(waiter) = oldest.entry.waiter {
                // Whoever waits is told that it was not delivered; that nobody waits any more is no matter.
                let dropped = Refusal::new(Cause::Unavailable, "dropped from a full queue for newer data");
                let _ = waiter.answer.send(Err(dropped));
            }
        }
    }

    /// Returns a place if there is room to spare: nothing is dropped for it, and nothing is counted if there is none.
    pub fn reserve_spare(&self, bytes: usize) -> Option<Place> {
        let size_bytes = size_of(bytes);
        self.account.queued_bytes.add_within(size_bytes, self.bytes_max).then(|| {
            self.account.queued.add(1);
            Place { account: Arc::clone(&self.account), size_bytes }
        })
    }

    /// Returns how long the oldest has waited that is not on its way yet.
    pub fn oldest_age(&self) -> Duration {
        self.lock().front().map(|oldest| oldest.since.elapsed()).unwrap_or_default()
    }

    /// Puts a request into its place.
    pub fn put(&self, place: Place, entry: Entry) {
        self.lock().push_back(Queued { entry, since: Instant::now(), _place: place });
        self.ready.notify_one();
    }

    /// Returns the oldest, and what leaves with it; waits for one; `None` when the queue is closed and empty.
    pub async fn next(&self, merge: Option<&Merge>) -> Option<Vec<Queued>> {
        let Some(merge) = merge else { return self.oldest().await.map(|oldest| vec![oldest]) };
        let _turn = self.turn.lock().await;
        let mut group = vec![self.oldest().await?];
        let mut bytes = group[0].entry.payload.plain.len();
        if !merge.admits(&group[0].entry.payload) {
            return Some(group);
        }
        let until = Deadline::from_std(group[0].since) + merge.delay;
        loop {
            let ready = self.ready.notified();
            let is_full = self.gather(merge, &mut group, &mut bytes);
            if is_full || self.is_hurried.load(Ordering::Acquire) || Deadline::now() >= until {
                return Some(group);
            }
            // That the time is over is found out above.
            let _ = tokio::time::timeout_at(until, ready).await;
        }
    }

    /// Takes what can leave with some; says whether there is no room for more.
    fn gather(&self, merge: &Merge, group: &mut Vec<Queued>, bytes: &mut usize) -> bool {
        let mut entries = self.lock();
        let (mut at, looked_at) = (0, entries.len().min(LOOKED_AT_MAX));
        let mut is_full = false;
        for _ in 0..looked_at {
            is_full = group.len() >= REQUESTS_MAX;
            if !is_full && merge.joins(&group[0], *bytes, &entries[at]) {
                let other = entries.remove(at).expect("it was just looked at");
                *bytes += other.entry.payload.plain.len();
                group.push(other);
            } else {
                at += 1;
            }
        }
        // Something that waits and cannot join is not to wait for more to come.
        is_full || at > 0
    }

    async fn oldest(&self) -> Option<Queued> {
        loop {
            let ready = self.ready.notified();
            if let Some(oldest) = self.lock().pop_front() {
                return Some(oldest);
            }
            if self.is_closed.load(Ordering::Acquire) {
                return None;
            }
            ready.await;
        }
    }

    /// Lets nothing wait for others any more.
    pub fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Release);
        self.ready.notify_waiters();
    }

    /// Lets whoever takes from it end when it is empty.
    pub fn close(&self) {
        self.is_hurried.store(true, Ordering::Release);
        self.is_closed.store(true, Ordering::Release);
        self.ready.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Queued>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size_of(bytes: usize) -> u64 {
    (bytes + ENTRY_BYTES) as u64
}
