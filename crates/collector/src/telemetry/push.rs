//! The own metrics and logs of the process to a destination, now and then.
//!
//! They go into its queue behind no rule, one request of each kind at a time and only where there is room to spare, so
//! that what the process says of itself takes the place of nothing and cannot feed on itself: an event about a push
//! that fails waits for the push that is being tried again. Next: [`crate::admin`].

use super::family::Family;
use super::otlp::{self, Attributes, Starts};
use crate::account::OwnAccount;
use crate::events::Events;
use crate::pipeline::Payload;
use crate::send::Destination;
use crate::send::queue::{Delivery, Entry, Waiter};
use bytes::Bytes;
use dtq_record::otlp::Signal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long events are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(2);

/// How long nothing more is sent of what a destination refused for good.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);

/// Holds what is configured of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The destination, by its name.
    pub to: String,
    /// How often metrics are sent.
    pub interval: Duration,
    /// Whether metrics are sent.
    pub has_metrics: bool,
    /// Whether events are sent as logs.
    pub has_logs: bool,
    /// Attributes of the resource besides those that are known.
    pub resource: Attributes,
}

/// Knows what is counted.
pub trait Counted: Send + Sync + 'static {
    /// Returns what is counted at the moment; may take a while.
    fn families(&self) -> Vec<Family>;
}

/// Sends what the process says of itself.
pub struct Pusher<C> {
    counted: Arc<C>,
    destination: Arc<Destination>,
    events: Arc<Events>,
    account: Arc<OwnAccount>,
    settings: Settings,
    starts: Mutex<Starts>,
    /// The first event that was not taken yet.
    position: AtomicU64,
}

impl<C: Counted> Pusher<C> {
    /// Returns what has sent nothing yet.
    pub fn new(
        counted: Arc<C>,
        destination: Arc<Destination>,
        events: Arc<Events>,
        account: Arc<OwnAccount>,
        mut settings: Settings,
    ) -> Self {
        settings.resource = resource(&settings.resource);
        let starts = Mutex::new(Starts::new(SystemTime::now()));
        Self { counted, destination, events, account, settings, starts, position: AtomicU64::new(0) }
    }

    /// Sends metrics for as long as it is polled.
    pub async fn push_metrics(self: Arc<Self>) {
        let mut next = Instant::now() + self.settings.interval;
        loop {
            tokio::time::sleep_until(next).await;
            next = Instant::now() + self.settings.interval;
            let request = self.metrics().await;
            // What is not taken before the next is due is old news.
            let delivery = tokio::time::timeout_at(next, self.deliver(Signal::Metrics, request, next)).await;
            let is_refused = matches!(&delivery, Ok(Some(Err(refusal))) if refusal.retry_after.is_none());
            self.count(Signal::Metrics, delivery.ok().flatten());
            if is_refused {
                next += REFUSED_PAUSE;
            }
        }
    }

    /// Sends events as logs for as long as it is polled; what was not taken is sent again while it is kept.
    pub async fn push_logs(self: Arc<Self>) {
        loop {
            tokio::time::sleep(GATHER).await;
            let position = self.position.load(Ordering::Relaxed);
            let (events, lost) = self.events.since(position);
            if lost > 0 {
                self.account.lost_events.add(lost);
                self.position.store(position + lost, Ordering::Relaxed);
            }
            let Some(last) = events.last().map(|event| event.position) else { continue };
            let until = Instant::now() + self.destination.settings.retry.elapsed_max;
            let delivery = self.deliver(Signal::Logs, otlp::logs(&events, &self.settings.resource), until).await;
            let is_refused = matches!(&delivery, Some(Err(refusal)) if refusal.retry_after.is_none());
            if is_refused || matches!(delivery, Some(Ok(_))) {
                self.position.store(last + 1, Ordering::Relaxed);
            }
            self.count(Signal::Logs, delivery);
            if is_refused {
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }

    /// Queues the last counts and events, for which nobody waits.
    pub async fn push_last(&self) {
        if self.settings.has_metrics {
            let request = self.metrics().await;
            self.put(Signal::Metrics, request, None);
        }
        let (events, _) = self.events.since(self.position.load(Ordering::Relaxed));
        if self.settings.has_logs && !events.is_empty() {
            self.put(Signal::Logs, otlp::logs(&events, &self.settings.resource), None);
        }
    }

    async fn metrics(&self) -> Bytes {
        let counted = Arc::clone(&self.counted);
        let families = tokio::task::spawn_blocking(move || counted.families()).await.unwrap_or_default();
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        starts.metrics(&families, &self.settings.resource, SystemTime::now())
    }

    /// Sends a request and waits for what becomes of it; `None` when there is no room to spare.
    async fn deliver(&self, signal: Signal, request: Bytes, until: Instant) -> Option<Delivery> {
        let (answer, delivery) = oneshot::channel();
        self.put(signal, request, Some(Waiter { answer, until }))?;
        delivery.await.ok()
    }

    fn put(&self, signal: Signal, request: Bytes, waiter: Option<Waiter>) -> Option<()> {
        let place = self.destination.queue.reserve_spare(request.len())?;
        let entry = Entry { signal, payload: Payload::plain(request), headers: Arc::from([]), waiter };
        self.destination.queue.put(place, entry);
        Some(())
    }

    fn count(&self, signal: Signal, delivery: Option<Delivery>) {
        let is_sent = matches!(delivery, Some(Ok(_)));
        self.account.of(signal, is_sent).add(1);
        if let Some(Err(refusal)) = delivery
            && refusal.retry_after.is_none()
        {
            let minutes = REFUSED_PAUSE.as_secs() / 60;
            let (name, what) = (&self.destination.settings.name, signal.table());
            self.events.warn(&format!("telemetry_{what}:{name}"), || {
                format!(
                    "destination `{name}` refuses the own {what} of the process ({}); \
                     nothing more is sent for {minutes} minutes",
                    refusal.message
                )
            });
        }
    }
}

/// Returns the attributes of the process; what is configured stands instead of what is known.
fn resource(configured: &Attributes) -> Attributes {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let begun = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let process = std::process::id();
    let mut attributes = vec![
        ("service.name".to_owned(), "dtq".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id".to_owned(), format!("{host}-{process}-{:x}", begun.as_millis())),
        ("host.name".to_owned(), host),
        ("process.pid".to_owned(), process.to_string()),
    ];
    attributes.retain(|(name, _)| configured.iter().all(|(other, _)| other != name));
    attributes.extend(configured.iter().cloned());
    attributes
}
