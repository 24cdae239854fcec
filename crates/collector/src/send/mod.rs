//! Requests to a destination: a bounded queue, workers that send, and retries until it says yes or no for good.
//!
//! Delivery is at least once: an answer that gets lost makes a duplicate. Read in order: [`settings`], [`queue`],
//! [`gather`] (how requests are written), [`client`] (one attempt), [`merge`] (several requests as one), [`split`] (one
//! as several), `again.rs` and `delivery.rs` (all attempts), this file.

pub mod settings;

pub mod queue;

pub mod gather;

pub mod client;

pub mod merge;

pub mod split;

mod again;

mod delivery;

pub use settings::Settings;

use crate::account::SendAccount;
use crate::events::Events;
use crate::status::{PartialSuccess, Refusal};
use crate::tls::TlsError;
use client::Client;
use queue::Queue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

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
                while let Some(group) = destination.queue.next(destination.settings.merge.as_ref()).await {
                    destination.deliver(group).await;
                }
            });
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

    /// Notes that a request was refused for good.
    fn was_refused(&self, refusal: &Refusal) {
        self.recovered();
        let error = refusal.message.chars().take(ERROR_CHARS_MAX).collect();
        self.trouble().last_error = Some((SystemTime::now(), error));
    }

    /// Notes that a request was taken, perhaps not all records of it.
    fn was_taken(&self, partial: &PartialSuccess) {
        self.recovered();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.account.last_success_s.set(since.as_secs());
        if !partial.is_full() {
            self.note_partial(partial);
        }
    }

    /// Notes that records of a request were not taken, or what else is said of them.
    fn note_partial(&self, partial: &PartialSuccess) {
        self.account.partial.add(1);
        self.account.rejected_records.add(partial.rejected);
        let (rejected, message) = (partial.rejected, &partial.message);
        self.warn("destination.partial", || format!("did not take {rejected} records of a request: {message}"));
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
