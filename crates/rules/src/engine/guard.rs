//! Bounds on what a rule may cost and how often it may fail: a rule past one turns itself off and says so.
//!
//! Never turns off a protective rule: what it protects matters more than what it costs.

use crate::compile::rule::Failure;
use crate::engine::act::Fate;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use crate::engine::request::Work;

/// One record in so many is measured.
const SAMPLE_EVERY: u64 = 64;
/// Measured records of one span of time that are kept, and that there have to be for a median.
const SAMPLES_MAX: usize = 1_024;
const SAMPLES_MIN: usize = 16;
/// Over how long the median is taken, in ticks of arrival: ten seconds.
const SPAN_TICKS: i64 = 10 * 10_000_000;
/// Failures before their share counts.
const ERRORS_MIN: u64 = 1_000;

/// Holds what a rule cost lately: of measured records, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Costs {
    count: u64,
    /// When the first of them was measured.
    since_ticks: Option<i64>,
    last_ns: Vec<u64>,
}

impl Costs {
    /// Says whether the next record is to be measured.
    fn is_due(&mut self) -> bool {
        self.count += 1;
        self.count % SAMPLE_EVERY == 1
    }

    /// Counts a record that need not be measured; says whether this is one.
    pub(crate) fn passes_unmeasured(&mut self) -> bool {
        let is_measured = (self.count + 1) % SAMPLE_EVERY == 1;
        self.count += u64::from(!is_measured);
        !is_measured
    }

    /// Takes a cost; returns the median once in ten seconds.
    fn add(&mut self, ns: u64, now_ticks: i64) -> Option<u64> {
        let since_ticks = *self.since_ticks.get_or_insert(now_ticks);
        if self.last_ns.len() < SAMPLES_MAX {
            self.last_ns.push(ns);
        }
        if now_ticks.saturating_sub(since_ticks) < SPAN_TICKS || self.last_ns.len() < SAMPLES_MIN {
            return None;
        }
        self.last_ns.sort_unstable();
        let median = self.last_ns[self.last_ns.len() / 2];
        self.last_ns.clear();
        self.since_ticks = None;
        Some(median)
    }
}

impl Frame<'_> {
    /// Judges a record by one rule and acts, and measures what that costs now and then.
    pub(crate) fn settle_measured(&mut self, active: &Active, unit: &Unit<'_>, work: &mut Work<'_>) -> Option<Fate> {
        let rule = active.rule;
        if !self.is_active[rule] {
            return None;
        }
        let Some(clock) = self.clock else {
            let fate = self.settle(active, unit, work);
            self.check_errors(rule);
            return fate;
        };
        if !self.state.costs[rule].is_due() {
            return self.settle(active, unit, work);
        }
        let start = clock();
        let fate = self.settle(active, unit, work);
        let ns = clock().saturating_sub(start);
        self.state.accounts[rule].ns += ns * SAMPLE_EVERY;
        let median = self.state.costs[rule].add(ns, self.arrival_ticks);
        if let (Some(median), Some(bound)) = (median, self.set.rules[rule].ns_per_record_max)
            && median > bound
        {
            self.disable(
                rule,
                &format!("it costs {median} ns a record, and its bound is {bound} (limits.ns_per_record)"),
            );
        }
        self.check_errors(rule);
        fate
    }

    fn check_errors(&mut self, rule: usize) {
        let account = &self.state.accounts[rule];
        if account.errors < ERRORS_MIN || account.errors <= account.matched {
            return;
        }
        let message =
            format!("it could not judge {} records and judged {} that match", account.errors, account.matched);
        self.disable(rule, &message);
    }

    /// Turns a rule off, unless it is protective.
    pub(crate) fn disable(&mut self, position: usize, why: &str) {
        let rule = &self.set.rules[position];
        if rule.on_error != Failure::Pass || self.state.is_disabled[position] {
            return;
        }
        self.state.is_disabled[position] = true;
        self.is_active[position] = false;
        self.state.accounts[position].disabled = Some(why.to_owned());
        let message = format!("turned itself off: {why}; records pass it from now on");
        self.state.notice(Some(&rule.name), self.arrival_ticks, message);
    }
}
