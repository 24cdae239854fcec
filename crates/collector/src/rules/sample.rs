//! Live requests to those who look at them: bounded rings that the judging thread fills while somebody listens.
//!
//! The judging thread never waits here: where a ring is full, or just being emptied, the request is left out of it and
//! counted. A request in a ring is shared, not copied. Next: `store.rs`.

use crate::rules::settings::Bounds;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Holds the rings of all who listen.
#[derive(Debug)]
pub struct Samples {
    /// How many listen: where there are none, nothing else is looked at.
    count: AtomicUsize,
    rings: Mutex<Vec<Arc<Ring>>>,
    listeners_max: usize,
    requests_max: usize,
    bytes_max: usize,
}

/// Holds the requests that wait for one listener.
#[derive(Debug, Default)]
struct Ring {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    dropped: AtomicU64,
    offered: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<(Signal, Bytes)>,
    size: usize,
}

impl Samples {
    /// Returns no rings, with their bounds.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            count: AtomicUsize::new(0),
            rings: Mutex::default(),
            listeners_max: bounds.listeners,
            requests_max: bounds.sample_requests,
            bytes_max: bounds.sample_bytes,
        }
    }

    /// Shows a request to all who listen. Never waits.
    ///
    /// # Cost
    /// One load while nobody listens; else a count and a push for each listener.
    pub fn offer(&self, signal: Signal, request: &Bytes) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Only listeners that come or go hold this lock.
        let Ok(rings) = self.rings.try_lock() else { return };
        for ring in rings.iter() {
            ring.offered.fetch_add(1, Ordering::Relaxed);
            let is_taken = ring.waiting.try_lock().is_ok_and(|mut waiting| {
                let size = waiting.size.saturating_add(request.len());
                let has_room = waiting.requests.len() < self.requests_max && size <= self.bytes_max;
                if has_room {
                    waiting.requests.push_back((signal, request.clone()));
                    waiting.size = size;
                }
                has_room
            });
            if is_taken {
                ring.arrived.notify_one();
            } else {
                ring.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Begins to listen, until the listener is dropped.
    ///
    /// # Errors
    /// When too many listen.
    pub fn listen(self: &Arc<Self>) -> Result<Listener, String> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.len() >= self.listeners_max {
            return Err(format!("{} look at live traffic already; end one of them first", rings.len()));
        }
        let ring = Arc::new(Ring::default());
        rings.push(Arc::clone(&ring));
        self.count.store(rings.len(), Ordering::Relaxed);
        Ok(Listener { samples: Arc::clone(self), ring })
    }
}

/// Takes requests out of a ring.
#[derive(Debug)]
pub struct Listener {
    samples: Arc<Samples>,
    ring: Arc<Ring>,
}

impl Listener {
    /// Returns the next request, or `None` when none came in time.
    pub fn next(&self, time: Duration) -> Option<(Signal, Bytes)> {
        let waiting = self.ring.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |waiting: &mut Waiting| waiting.requests.is_empty();
        let waited = self.ring.arrived.wait_timeout_while(waiting, time, is_empty);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (signal, request) = waiting.requests.pop_front()?;
        waiting.size -= request.len();
        Some((signal, request))
    }

    /// Returns how many requests came, and how many of them were left out.
    pub fn counts(&self) -> (u64, u64) {
        (self.ring.offered.load(Ordering::Relaxed), self.ring.dropped.load(Ordering::Relaxed))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut rings = self.samples.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.retain(|ring| !Arc::ptr_eq(ring, &self.ring));
        self.samples.count.store(rings.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_leaves_out_and_counts() {
        let bounds = Bounds { sample_requests: 2, sample_bytes: 10, listeners: 1, ..Bounds::default() };
        let samples = Arc::new(Samples::new(&bounds));
        samples.offer(Signal::Logs, &Bytes::from_static(b"nobody listens"));
        let listener = samples.listen().unwrap();
        assert!(samples.listen().is_err());
        for _ in 0..2 {
            samples.offer(Signal::Logs, &Bytes::from_static(b"1234"));
        }
        samples.offer(Signal::Logs, &Bytes::from_static(b"too many"));
        assert_eq!(listener.counts(), (3, 1));
        assert_eq!(listener.next(Duration::ZERO), Some((Signal::Logs, Bytes::from_static(b"1234"))));
        samples.offer(Signal::Logs, &Bytes::from_static(b"too large"));
        assert_eq!(listener.counts(), (4, 2));
        assert!(listener.next(Duration::ZERO).is_some() && listener.next(Duration::ZERO).is_none());
        drop(listener);
        assert!(samples.listen().is_ok());
    }
}
