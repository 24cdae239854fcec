//! `--limit-time` to the moment at which a run is over, and input that cannot be read any more from then on.
//!
//! Operators ask between batches; a line without end never becomes a batch, so that reading asks, too.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The moment at which a run has taken the time it was given; without a limit it never comes.
#[derive(Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a run without a limit.
    pub const NEVER: Deadline = Deadline(None);

    /// Returns the deadline of a run that begins now.
    pub fn start(limit: Option<Duration>) -> Self {
        // A limit beyond what the clock counts is none.
        Self(limit.and_then(|limit| Instant::now().checked_add(limit)))
    }

    /// Says whether the time is over.
    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Returns the time as a budget reads it, which ends work at the last nanosecond: the deadline spans all its parts.
    pub fn clock_ns(&self) -> u64 {
        if self.is_over() { u64::MAX } else { 0 }
    }
}

/// Reads as long as there is time.
pub struct UntilDeadline<R> {
    /// What is read.
    pub reader: R,
    /// Until when; may be moved while reading.
    pub deadline: Rc<Cell<Deadline>>,
}

impl<R: Read> Read for UntilDeadline<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.get().is_over() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the run took longer than the time it was given"));
        }
        self.reader.read(buffer)
    }
}
