//! What a caller gives a piece of work to get done with: bytes and time.
//!
//! Reads no clock of its own: whoever sets a bound on time brings one. What happens when a budget is spent is said where
//! it is taken: compiling and running a query end with `E3006` or with the code of a bound on bytes; rules let the rest
//! of a request pass. Next: `limits.rs`, the bounds on single things that hold without a budget too.

use crate::limits::Limits;
use std::fmt;

/// Caps the bytes and the time of a piece of work: one compilation, one run of a query, one request through rules.
///
/// Each piece of work gets all of it anew. Without a cap on one of them, [`Limits`] are what bounds the work.
///
/// # Example
/// ```
/// use dtq_source::Budget;
/// use std::time::Instant;
///
/// let begin = Instant::now();
/// let clock = || begin.elapsed().as_nanos() as u64;
/// let budget = Budget { bytes_max: 16 << 20, ..Budget::of_time(50_000_000, &clock) };
/// assert!(!budget.start().is_over());
/// ```
#[derive(Clone, Copy)]
pub struct Budget<'c> {
    /// Bytes that the work may hold or make; `usize::MAX` caps nothing.
    pub bytes_max: usize,
    /// Nanoseconds that the work may take by the clock; `u64::MAX` caps nothing.
    pub time_ns_max: u64,
    /// Gives nanoseconds since any beginning, of wall time or of the thread's; without one, time is not capped.
    ///
    /// From `u64::MAX` on, work ends at once, whatever its time: that is how a host cancels.
    pub clock: Option<&'c dyn Fn() -> u64>,
}

impl<'c> Budget<'c> {
    /// The budget that caps nothing.
    pub const UNLIMITED: Budget<'static> = Budget { bytes_max: usize::MAX, time_ns_max: u64::MAX, clock: None };

    /// Returns a budget of bytes alone.
    pub fn of_bytes(bytes_max: usize) -> Self {
        Self { bytes_max, ..Budget::UNLIMITED }
    }

    /// Returns a budget of nanoseconds by a clock, for any number of bytes.
    pub fn of_time(time_ns_max: u64, clock: &'c dyn Fn() -> u64) -> Self {
        Self { bytes_max: usize::MAX, time_ns_max, clock: Some(clock) }
    }

    /// Returns the time of work that begins now.
    pub fn start(&self) -> Timer<'c> {
        Timer { start_ns: self.clock.map_or(0, |clock| clock()), time_ns_max: self.time_ns_max, clock: self.clock }
    }

    /// Returns limits in which no bound on the size of one thing, or on what is held, is above the bytes.
    pub fn apply_to(&self, limits: &Limits) -> Limits {
        let cap = |size_max: usize| size_max.min(self.bytes_max);
        Limits {
            query_bytes_max: cap(limits.query_bytes_max),
            regex_bytes_max: cap(limits.regex_bytes_max),
            value_bytes_max: cap(limits.value_bytes_max),
            record_bytes_max: cap(limits.record_bytes_max),
            document_bytes_max: cap(limits.document_bytes_max),
            held_bytes_max: cap(limits.held_bytes_max),
            rule_file_bytes_max: cap(limits.rule_file_bytes_max),
            ..limits.clone()
        }
    }
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Budget::UNLIMITED
    }
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes_max, time_ns_max, clock } = self;
        write!(f, "Budget {{ bytes_max: {bytes_max}, time_ns_max: {time_ns_max}, has_clock: {} }}", clock.is_some())
    }
}

/// Says whether the time of work that has begun is over.
#[derive(Clone, Copy)]
pub struct Timer<'c> {
    start_ns: u64,
    time_ns_max: u64,
    clock: Option<&'c dyn Fn() -> u64>,
}

impl Timer<'_> {
    /// Says whether the time is over; costs a call of the clock, where there is one.
    pub fn is_over(&self) -> bool {
        self.clock.is_some_and(|clock| clock() >= self.start_ns.saturating_add(self.time_ns_max))
    }

    /// Returns how many nanoseconds have passed; without a clock none.
    pub fn elapsed_ns(&self) -> u64 {
        self.clock.map_or(0, |clock| clock().saturating_sub(self.start_ns))
    }
}

impl Default for Timer<'_> {
    fn default() -> Self {
        Budget::UNLIMITED.start()
    }
}

impl fmt::Debug for Timer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start_ns, time_ns_max, clock } = self;
        write!(f, "Timer {{ start_ns: {start_ns}, time_ns_max: {time_ns_max}, has_clock: {} }}", clock.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn time_is_over_when_it_has_passed_and_not_before() {
        let now = Cell::new(7);
        let clock = || now.get();
        let timer = Budget::of_time(10, &clock).start();
        for (ns, is_over) in [(7, false), (16, false), (17, true), (18, true)] {
            now.set(ns);
            assert_eq!(timer.is_over(), is_over, "{ns}");
        }
    }

    #[test]
    fn a_clock_at_its_end_cancels_what_has_no_cap() {
        let now = Cell::new(0);
        let clock = || now.get();
        let timer = Budget::of_time(u64::MAX, &clock).start();
        assert!(!timer.is_over());
        now.set(u64::MAX);
        assert!(timer.is_over());
        assert!(!Timer::default().is_over());
    }

    #[test]
    fn bytes_lower_bounds_and_raise_none() {
        let limits = Budget::of_bytes(1 << 20).apply_to(&Limits::default());
        assert_eq!((limits.held_bytes_max, limits.query_bytes_max), (1 << 20, 1 << 20));
        assert_eq!(Budget::UNLIMITED.apply_to(&Limits::default()), Limits::default());
    }
}
