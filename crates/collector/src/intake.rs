//! A request that was received, through the rules, to the queues of its destinations, to what its sender is told.
//!
//! What rules made of a request is queued even when its sender has gone, because rules make it once. Next:
//! [`crate::send`].

use crate::account::ReceiveAccount;
use crate::pipeline::{Created, Judge, Judgement, Payload};
use crate::send::Destination;
use crate::send::queue::{Delivery, Entry, Forwarded, Place, Waiter};
use crate::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Says when a sender is told that its request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// When every destination has it.
    Delivered,
    /// When it is in the queues.
    Received,
}

impl Ack {
    /// Returns its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Ack::Delivered => "delivered",
            Ack::Received => "received",
        }
    }
}

/// Holds the way from a receiver to the destinations.
pub struct Intake<J> {
    judge: J,
    ack: Ack,
    destinations: Vec<Arc<Destination>>,
    defaults: Vec<usize>,
    by_name: HashMap<String, usize>,
    account: Arc<ReceiveAccount>,
}

/// What a sender waits for.
type Waited = Vec<oneshot::Receiver<Delivery>>;

impl<J: Judge> Intake<J> {
    /// Returns the way through `judge` to `destinations`.
    pub fn new(judge: J, ack: Ack, destinations: Vec<Arc<Destination>>, account: Arc<ReceiveAccount>) -> Self {
        let is_default = |index: &usize| !destinations[*index].settings.is_only_routed;
        let defaults = (0..destinations.len()).filter(is_default).collect();
        let by_name = destinations.iter().enumerate().map(|(i, one)| (one.settings.name.clone(), i)).collect();
        Self { judge, ack, destinations, defaults, by_name, account }
    }

    /// Returns the destinations in the order of the configuration.
    pub fn destinations(&self) -> &[Arc<Destination>] {
        &self.destinations
    }

    /// Returns the judge.
    pub fn judge(&self) -> &J {
        &self.judge
    }

    /// Takes a request and returns when its sender may be told so, who waits until then at most.
    ///
    /// # Errors
    /// What its sender is to be told instead.
    pub async fn take(
        self: &Arc<Self>,
        signal: Signal,
        payload: Payload,
        headers: Forwarded,
        until: Instant,
    ) -> Result<PartialSuccess, Refusal> {
        self.check_places(payload.held_bytes())?;
        let intake = Arc::clone(self);
        // A task of its own, because a sender that goes away must not take along what rules have made.
        let until = (self.ack == Ack::Delivered).then_some(until);
        let judged = tokio::spawn(async move { intake.judge_and_queue(signal, payload, headers, until).await });
        let waited = match judged.await {
            Ok(queued) => queued?,
            Err(_) => return Err(Refusal::new(Cause::Unavailable, "the request could not be judged; send again")),
        };
        wait(waited).await
    }

    /// Takes a request of which nobody awaits what becomes: what finds no place is lost.
    ///
    /// # Errors
    /// Why it is lost.
    pub async fn take_unawaited(&self, signal: Signal, payload: Payload) -> Result<(), Refusal> {
        self.check_places(payload.held_bytes())?;
        self.judge_and_queue(signal, payload, Arc::from([]), None).await.map(drop)
    }

    /// Refuses a request that has no place: rules count and hold what they see, so it is not to reach them.
    fn check_places(&self, held_bytes: usize) -> Result<(), Refusal> {
        if let Some(full) = self.defaults.iter().find(|index| !self.destinations[**index].queue.has_place(held_bytes)) {
            let destination = &self.destinations[*full];
            destination.account.full.add(1);
            destination.note_full();
            return Err(match destination.settings.queue_bytes_max.saturating_sub(512) < held_bytes {
                true => Refusal::new(Cause::TooLarge, "the request is larger than the queue of a destination"),
                false => Refusal::new(Cause::Unavailable, "the queue of a destination is full; send again"),
            });
        }
        Ok(())
    }

    /// Takes a request to its queues; `until` is how long its sender waits for more than that.
    async fn judge_and_queue(
        &self,
        signal: Signal,
        payload: Payload,
        headers: Forwarded,
        until: Option<Instant>,
    ) -> Result<Waited, Refusal> {
        let judged = self.judge.judge(signal, payload.plain.clone()).await;
        let account = self.account.of(signal);
        let output = match judged.output {
            Judgement::Unchanged => Some(payload),
            Judgement::Changed(plain) => {
                account.changed.add(1);
                Some(Payload::plain(plain))
            }
            Judgement::Dropped => {
                account.emptied.add(1);
                None
            }
        };
        self.queue_created(judged.created, &headers);
        let mut places = Vec::new();
        if let Some(payload) = output {
            self.reserve(&self.defaults, signal, payload, &mut places)?;
        }
        for Created { signal, request, destination } in judged.routed {
            self.reserve(self.route(destination.as_deref()), signal, Payload::plain(request), &mut places)?;
        }
        let mut waited = Vec::new();
        for (index, place, signal, payload) in places {
            let waiter = until.map(|until| {
                let (answer, receiver) = oneshot::channel();
                waited.push(receiver);
                Waiter { answer, until }
            });
            let entry = Entry { signal, payload, headers: Arc::clone(&headers), waiter };
            self.destinations[index].queue.put(place, entry);
        }
        Ok(waited)
    }

    /// Queues what rules made, for which nobody waits.
    pub fn queue_created(&self, created: Vec<Created>, headers: &Forwarded) {
        for Created { signal, request, destination } in created {
            self.account.of(signal).created.add(1);
            for index in self.route(destination.as_deref()) {
                match self.destinations[*index].queue.reserve(request.len()) {
                    Ok(place) => {
                        let (payload, headers) = (Payload::plain(request.clone()), Arc::clone(headers));
                        let entry = Entry { signal, payload, headers, waiter: None };
                        self.destinations[*index].queue.put(place, entry);
                    }
                    Err(_) => self.account.created_lost.add(1),
                }
            }
        }
    }

    /// Reserves a place at each of some destinations; dropping the places gives them back.
    fn reserve(
        &self,
        indexes: &[usize],
        signal: Signal,
        payload: Payload,
        places: &mut Vec<(usize, Place, Signal, Payload)>,
    ) -> Result<(), Refusal> {
        for index in indexes {
            let place = self.destinations[*index].queue.reserve(payload.held_bytes())?;
            places.push((*index, place, signal, payload.clone()));
        }
        Ok(())
    }

    /// Returns where something goes; what names a destination that there is not goes where all others go.
    fn route(&self, name: Option<&str>) -> &[usize] {
        match name.map(|name| self.by_name.get(name)) {
            None => &self.defaults,
            Some(Some(index)) => std::slice::from_ref(index),
            Some(None) => {
                self.account.unrouted.add(1);
                &self.defaults
            }
        }
    }
}

/// Waits for all destinations. One that says later decides over one that says never: the sender then tries all again.
async fn wait(waited: Waited) -> Result<PartialSuccess, Refusal> {
    let mut whole = PartialSuccess::default();
    let mut refused: Option<Refusal> = None;
    for receiver in waited {
        let gone = || Err(Refusal::new(Cause::Unavailable, "the collector ends; send again"));
        match receiver.await.unwrap_or_else(|_| gone()) {
            Ok(partial) if partial.rejected >= whole.rejected && !partial.is_full() => whole = partial,
            Ok(_) => {}
            Err(refusal) => {
                let decides = refused.as_ref().is_none_or(|before| before.retry_after < refusal.retry_after);
                if decides {
                    refused = Some(refusal);
                }
            }
        }
    }
    refused.map_or(Ok(whole), Err)
}
