//! What threads take in turns: the seats, the rules as loaded, the watched file, and what waits to be sent.
//!
//! All of it is made anew after a fork, when threads that held a lock are no longer there. Next: `rules.rs`.

use crate::counts::Counters;
use crate::load::{Loaded, Watched};
use crate::seat::Seat;
use dtq_record::otlp::Signal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};

/// How often all seats are tried before a record goes on unjudged: some microseconds, a few times what judging takes.
const TRIES: usize = 200;

/// How often it was noticed that this is another process than before.
static FORKS: AtomicU64 = AtomicU64::new(0);
/// The process that this was when it was last asked.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Tells that this may be the child of a fork: its rules begin anew, with nothing remembered or counted.
///
/// What was held and counted stays with the parent, so nothing is sent twice. Once more in the same process does nothing.
/// A child that nobody tells finds out when a place is taken that nobody will ever leave.
pub fn after_fork() {
    let now = std::process::id();
    if PROCESS.swap(now, Ordering::Relaxed) != now {
        FORKS.fetch_add(1, Ordering::Release);
    }
}

/// Holds what threads of one process take in turns.
pub(crate) struct Places {
    forks: u64,
    seats: Box<[Mutex<Option<Box<Seat>>>]>,
    /// `None` only where a fork came in the very moment of replacing them.
    pub loaded: Mutex<Option<Arc<Loaded>>>,
    pub watched: Mutex<Option<Watched>>,
    path: Option<PathBuf>,
    /// By signal, requests that wait for the wrapper of their signal.
    outboxes: [Mutex<Vec<u8>>; 3],
    /// A bit a signal whose outbox holds something.
    waiting: AtomicU8,
    pub counters: Counters,
    /// Those of the child.
    next: OnceLock<Box<Places>>,
}

impl Places {
    pub fn new(seats: usize, loaded: Option<Arc<Loaded>>, watched: Option<Watched>) -> Self {
        let forks = FORKS.load(Ordering::Acquire);
        Self {
            forks,
            seats: (0..seats).map(|_| Mutex::new(None)).collect(),
            loaded: Mutex::new(loaded),
            path: watched.as_ref().map(|file| file.path().to_owned()),
            watched: Mutex::new(watched),
            outboxes: Default::default(),
            waiting: AtomicU8::new(0),
            counters: Counters::default(),
            next: OnceLock::new(),
        }
    }

    /// Returns those of this process.
    #[inline]
    pub fn current(&self) -> &Places {
        let mut places = self;
        while places.forks != FORKS.load(Ordering::Acquire) {
            places = places.next.get_or_init(|| Box::new(places.anew()));
        }
        places
    }

    fn anew(&self) -> Places {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.clone());
        Self::new(self.seats.len(), loaded, self.path.as_deref().map(Watched::new))
    }

    /// Returns each seat, for those who may wait.
    pub fn seats(&self) -> impl Iterator<Item = MutexGuard<'_, Option<Box<Seat>>>> {
        self.seats.iter().map(lock)
    }

    /// Returns one of the first `used` seats that nobody sits on, the thread's own first.
    pub fn free_seat(&self, used: usize) -> Option<MutexGuard<'_, Option<Box<Seat>>>> {
        thread_local! { static MARK: u8 = const { 0 } }
        // The address differs from thread to thread; its low bits do not.
        let own = MARK.with(|mark| (std::ptr::from_ref(mark) as usize).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
        for attempt in 0..TRIES {
            match self.seats[(own + attempt) % used].try_lock() {
                Ok(seat) => return Some(seat),
                // What a panic left behind is thrown away, once: what comes after it is whole again.
                Err(TryLockError::Poisoned(seat)) => {
                    let mut seat = seat.into_inner();
                    *seat = None;
                    self.seats[(own + attempt) % used].clear_poison();
                    return Some(seat);
                }
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }

    /// Keeps a request for the wrapper of its signal; says whether there was room.
    pub fn put(&self, signal: Signal, request: &[u8], bytes_max: usize) -> bool {
        let Some(mut outbox) = try_lock(&self.outboxes[signal as usize]) else { return false };
        let has_room = outbox.len().saturating_add(request.len()) <= bytes_max;
        if has_room {
            // Requests one behind the other are one request to protobuf.
            outbox.extend_from_slice(request);
            self.waiting.fetch_or(1 << signal as u8, Ordering::Release);
        }
        has_room
    }

    /// Says whether something waits for the wrapper of a signal.
    #[cfg(feature = "opentelemetry")]
    #[inline]
    pub fn is_waiting(&self, signal: Signal) -> bool {
        self.waiting.load(Ordering::Relaxed) & (1 << signal as u8) != 0
    }

    /// Returns what waits for the wrapper of a signal.
    #[cfg(feature = "opentelemetry")]
    pub fn take(&self, signal: Signal) -> Vec<u8> {
        let bit = 1 << signal as u8;
        if !self.is_waiting(signal) {
            return Vec::new();
        }
        let Some(mut outbox) = try_lock(&self.outboxes[signal as usize]) else { return Vec::new() };
        self.waiting.fetch_and(!bit, Ordering::Release);
        std::mem::take(&mut *outbox)
    }
}

/// Locks if that is soon possible, and goes on with what a panicking thread left.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    None
}

/// Locks, and goes on with what a panicking thread left: everything behind these locks is replaced as a whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
