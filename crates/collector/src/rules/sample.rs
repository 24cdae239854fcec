//! Live requests to those who look at them: bounded rings that the judging thread fills while somebody listens.
//!
//! The judging thread never waits here: a ring has no lock, and where it is full the request is left out of it and counted.
//! A request in a ring is shared, not copied. Next: `store.rs`.

use crate::rules::settings::Bounds;
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use dtq_record::otlp::Signal;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Holds the rings of all who listen.
#[derive(Debug)]
pub struct Samples {
    /// How many listen: where there are none, nothing else is looked at.
    count: AtomicUsize,
    rings: Mutex<Vec<Arc<Ring>>>,
    /// Requests that no ring got, because a listener came or went.
    passed: AtomicU64,
    listeners_max: usize,
    requests_max: usize,
    bytes_max: usize,
}

/// Holds the requests that wait for one listener.
#[derive(Debug)]
struct Ring {
    waiting: ArrayQueue<(Signal, Bytes)>,
    /// Bytes of the requests that wait.
    size: AtomicUsize,
    listener: Thread,
    dropped: AtomicU64,
    offered: AtomicU64,
}

impl Ring {
    /// Takes a request if there is room for it.
    fn push(&self, signal: Signal, request: &Bytes, bytes_max: usize) -> bool {
        let size = request.len();
        let fits = self.size.fetch_add(size, Ordering::Relaxed).saturating_add(size) <= bytes_max;
        let is_taken = fits && self.waiting.push((signal, request.clone())).is_ok();
        if !is_taken {
            self.size.fetch_sub(size, Ordering::Relaxed);
        }
        is_taken
    }
}

impl Samples {
    /// Returns no rings, with their bounds.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            count: AtomicUsize::new(0),
            rings: Mutex::default(),
            passed: AtomicU64::new(0),
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
        let Ok(rings) = self.rings.try_lock() else {
            self.passed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        for ring in rings.iter() {
            ring.offered.fetch_add(1, Ordering::Relaxed);
            if ring.push(signal, request, self.bytes_max) {
                ring.listener.unpark();
            } else {
                ring.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Begins to listen on the calling thread, until the listener is dropped.
    ///
    /// # Errors
    /// When too many listen.
    pub fn listen(self: &Arc<Self>) -> Result<Listener, String> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if rings.len() >= self.listeners_max {
            return Err(format!("{} look at live traffic already; end one of them first", rings.len()));
        }
        let ring = Arc::new(Ring {
            waiting: ArrayQueue::new(self.requests_max.max(1)),
            size: AtomicUsize::new(0),
            listener: std::thread::current(),
            dropped: AtomicU64::new(0),
            offered: AtomicU64::new(0),
        });
        rings.push(Arc::clone(&ring));
        self.count.store(rings.len(), Ordering::Relaxed);
        let passed = self.passed.load(Ordering::Relaxed);
        Ok(Listener { samples: Arc::clone(self), ring, passed, stays_on_its_thread: PhantomData })
    }
}

/// Takes requests out of a ring, on the thread that began to listen: that is the one that is woken.
#[derive(Debug)]
pub struct Listener {
    samples: Arc<Samples>,
    ring: Arc<Ring>,
    /// Requests that no ring had got before.
    passed: u64,
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Listener {
    /// Returns the next request, or `None` when none came in time.
    pub fn next(&self, time: Duration) -> Option<(Signal, Bytes)> {
        let start = Instant::now();
        loop {
            if let Some((signal, request)) = self.ring.waiting.pop() {
                self.ring.size.fetch_sub(request.len(), Ordering::Relaxed);
                return Some((signal, request));
            }
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return None;
            }
            std::thread::park_timeout(left);
        }
    }

    /// Returns how many requests came, and how many of them were left out.
    pub fn counts(&self) -> (u64, u64) {
        let passed = self.samples.passed.load(Ordering::Relaxed) - self.passed;
        let (offered, dropped) = (&self.ring.offered, &self.ring.dropped);
        (offered.load(Ordering::Relaxed) + passed, dropped.load(Ordering::Relaxed) + passed)
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
