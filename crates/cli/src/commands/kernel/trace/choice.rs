//! Hits that the kernel handed over to those that go out: what it left undecided is decided, and no more than wanted.
//!
//! A hit goes out where the condition is not surely false: one that cannot be told is marked, not lost. Time is that of
//! hits. Next: `account.rs`.

use crate::args::{KernelTraceArguments, Rate};
use dtq_kernel::trace::{Argument, Hit, KqlCondition, Trace};

/// Holds what became of hits of a site in user space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// They went out.
    pub delivered: u64,
    /// Of these, the condition could not be told.
    pub delivered_undecided: u64,
    /// The condition is not true of them.
    pub refuted: u64,
    /// There were more than `--rate` says.
    pub over_rate: u64,
}

/// Decides which hits go out.
pub struct Choice {
    condition: Option<KqlCondition>,
    arguments: Vec<Argument>,
    /// The functions, by the positions of sites.
    functions: Vec<String>,
    rate: Option<Rate>,
    /// The period of now, and how many went out in it.
    period: (u64, u64),
    /// How many may still go out.
    left: Option<u64>,
    /// By the positions of sites.
    tallies: Vec<Tally>,
}

impl Choice {
    /// Returns the choice for the hits of a trace.
    pub fn new(condition: Option<KqlCondition>, arguments: &KernelTraceArguments, trace: &Trace) -> Self {
        Self {
            condition,
            arguments: trace.arguments().to_vec(),
            functions: trace.sites().iter().map(|site| site.function.clone()).collect(),
            rate: arguments.rate,
            period: (0, 0),
            left: arguments.count,
            tallies: vec![Tally::default(); trace.sites().len()],
        }
    }

    /// Says whether no more are wanted.
    pub fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Returns what became of hits, by the positions of sites.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Returns the hit if it goes out, as it does.
    pub fn take<'r>(&mut self, hit: &Hit<'r>) -> Option<Hit<'r>> {
        if self.is_full() {
            return None;
        }
        let decided = if hit.undecided.is_some() { self.decide(hit) } else { Some(true) };
        if decided == Some(false) {
            self.tallies[hit.site].refuted += 1;
            return None;
        }
        if self.is_over_rate(hit.time_boot_ns) {
            self.tallies[hit.site].over_rate += 1;
            return None;
        }
        self.left = self.left.map(|left| left - 1);
        let undecided = hit.undecided.filter(|_| decided.is_none());
        let tally = &mut self.tallies[hit.site];
        tally.delivered += 1;
        tally.delivered_undecided += u64::from(undecided.is_some());
        Some(Hit { undecided, ..hit.clone() })
    }

    /// Says whether the condition is true of a hit; `None` where that cannot be told, or it fails on this hit.
    fn decide(&self, hit: &Hit<'_>) -> Option<bool> {
        let condition = self.condition.as_ref()?;
        condition.decide(hit, &self.functions[hit.site], &self.arguments).ok().flatten()
    }

    /// Says whether there were as many hits in the period of this time as there may be, and counts it if not.
    fn is_over_rate(&mut self, time_ns: u64) -> bool {
        let Some(rate) = self.rate else { return false };
        // Hits of several processors may come a little out of order; they count in the period that was begun last.
        let period = (time_ns / rate.period_ns).max(self.period.0);
        if period > self.period.0 {
            self.period = (period, 0);
        }
        let is_over = self.period.1 >= rate.count;
        self.period.1 += u64::from(!is_over);
        is_over
    }
}
