//! Blocks of input to their rows, on several threads: the pool that reading borrows.
//!
//! Threads start when the first block comes, which small inputs never have. The thread that waits for a block decodes
//! the next one in line meanwhile, so that `--threads 2` is two threads at work and one is none besides the caller's.
//! What comes of it does not depend on how many there are: `record/src/input/lines.rs`.

use dtq_record::input::{Block, Decoded, Workers};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// Blocks a thread that may wait to be decoded or to be taken.
const BLOCKS_A_THREAD: usize = 4;

/// Holds the threads; dropping it ends them.
pub struct Pool {
    shared: Arc<Shared>,
    thread_count: usize,
    threads: RefCell<Vec<JoinHandle<()>>>,
    next_ticket: Cell<u64>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A block waits, or there will be no more.
    has_work: Condvar,
    /// A block was decoded.
    has_result: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Block)>,
    results: HashMap<u64, thread::Result<Decoded>>,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while the lock is held")
    }

    /// Decodes blocks until there will be no more.
    fn work(&self) {
        let mut state = self.lock();
        while !state.is_over {
            match state.waiting.pop_front() {
                Some((ticket, block)) => {
                    drop(state);
                    let result = catch_unwind(AssertUnwindSafe(|| block.decode()));
                    state = self.lock();
                    state.results.insert(ticket, result);
                    self.has_result.notify_one();
                }
                None => state = self.has_work.wait(state).expect("nothing panics while the lock is held"),
            }
        }
    }
}

impl Pool {
    /// Returns a pool in which, with the caller's, `thread_count` threads work.
    pub fn new(thread_count: usize) -> Self {
        Self { shared: Arc::default(), thread_count, threads: RefCell::default(), next_ticket: Cell::new(0) }
    }

    /// Returns how many threads have worked so far, the caller's included.
    pub fn working_count(&self) -> usize {
        1 + self.threads.borrow().len()
    }

    fn start(&self) {
        let mut threads = self.threads.borrow_mut();
        while threads.len() + 1 < self.thread_count {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new().name("dtq-read".to_owned()).spawn(move || shared.work());
            // Where the host has no more threads to give, the caller's does the work.
            let Ok(thread) = started else { return };
            threads.push(thread);
        }
    }
}

impl Workers for Pool {
    fn pending_max(&self) -> usize {
        self.thread_count * BLOCKS_A_THREAD
    }

    fn begin(&self, block: Block) -> u64 {
        if self.next_ticket.get() == 0 {
            self.start();
        }
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket + 1);
        self.shared.lock().waiting.push_back((ticket, block));
        self.shared.has_work.notify_one();
        ticket
    }

    fn finish(&self, ticket: u64) -> Decoded {
        let mut state = self.shared.lock();
        loop {
            match state.results.remove(&ticket) {
                Some(Ok(decoded)) => return decoded,
                Some(Err(panic)) => {
                    drop(state);
                    resume_unwind(panic);
                }
                None => {}
            }
            match state.waiting.pop_front() {
                Some((other, block)) => {
                    drop(state);
                    let result = catch_unwind(AssertUnwindSafe(|| block.decode()));
                    state = self.shared.lock();
                    state.results.insert(other, result);
                }
                None => state = self.shared.has_result.wait(state).expect("nothing panics while the lock is held"),
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.has_work.notify_all();
        for thread in self.threads.borrow_mut().drain(..) {
            // It catches what its work panics with, and `finish` passes that on.
            drop(thread.join());
        }
    }
}
