//! The budget of a request: once it is spent, only protective rules judge the rest.
//!
//! What was decided before stays decided. Nothing fails and nothing is lost: records that are no longer judged go on,
//! are counted, and the first such request is reported. Next: `request.rs`, which asks before each record.

use crate::compile::rule::Failure;
use crate::engine::frame::Frame;
use crate::engine::notice::{Excess, Notice, NoticeKind};
use crate::engine::resource::ResourceFate;
use dtq_record::otlp::assemble::Changes;
use dtq_source::{Budget, Timer};

/// Records between two questions to the clock: asking it for each would cost a part of what a record does.
const RECORDS_BETWEEN_QUESTIONS: u32 = 32;

/// Holds what is left of the budget of a request.
#[derive(Debug)]
pub(crate) struct Spending<'c> {
    budget: Budget<'c>,
    timer: Timer<'c>,
    /// How many records are still judged before the clock is asked.
    until_asked: u32,
    /// Whether it is spent.
    is_over: bool,
}

impl<'c> Spending<'c> {
    /// Begins to spend a budget.
    pub(crate) fn new(budget: &Budget<'c>) -> Self {
        Self { budget: *budget, timer: budget.start(), until_asked: 0, is_over: false }
    }

    /// Returns what was passed, given how many bytes rules have made.
    fn excess(&mut self, made_bytes: usize) -> Option<Excess> {
        if self.is_over {
            return None;
        }
        if made_bytes > self.budget.bytes_max {
            let (limit, measured) = (self.budget.bytes_max as u64, made_bytes as u64);
            return Some(Excess { bound: "budget.bytes_max", limit, measured });
        }
        if let Some(left) = self.until_asked.checked_sub(1) {
            self.until_asked = left;
            return None;
        }
        self.until_asked = RECORDS_BETWEEN_QUESTIONS - 1;
        let (bound, limit) = ("budget.time_ns_max", self.budget.time_ns_max);
        self.timer.is_over().then(|| Excess { bound, limit, measured: self.timer.elapsed_ns() })
    }
}

impl Spending<'_> {
    /// Returns how many records may be judged before something has to be asked, the one that was just asked for included;
    /// rules make at most `put_bytes` for each.
    fn free_count(&self, made_bytes: usize, put_bytes: usize) -> usize {
        let until_bytes = self.budget.bytes_max.saturating_sub(made_bytes).checked_div(put_bytes);
        let until_clock = self.until_asked as usize;
        if self.is_over { 0 } else { until_clock.min(until_bytes.unwrap_or(until_clock)) + 1 }
    }
}

impl Frame<'_> {
    /// Returns how many records may be judged without asking what is left of the budget, at most `count`; it was asked for
    /// the first of them.
    pub(crate) fn free_count(&self, changes: &Changes, put_bytes: usize, count: usize) -> usize {
        let made_bytes = self.emissions.size() + changes.size();
        self.spending.as_ref().map_or(count, |spending| count.min(spending.free_count(made_bytes, put_bytes)))
    }

    /// Spends on records without asking: on those behind the first of so many.
    pub(crate) fn spend_free(&mut self, count: usize) {
        if let Some(spending) = &mut self.spending {
            let rest = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
            spending.until_asked = spending.until_asked.saturating_sub(rest);
        }
    }

    /// Spends on a record; returns how many records of its scope go on unjudged, itself included, when no rule is left
    /// that would look at them.
    ///
    /// `changes` is what rules have done to the request so far.
    #[inline]
    pub(crate) fn unjudged(&mut self, changes: &Changes, fate: &ResourceFate, record_count: usize) -> Option<u64> {
        if self.spending.is_none() || !self.spend(changes) {
            return None;
        }
        let has_rules = self.is_active.contains(&true) || fate.dropped_by.is_some();
        let unjudged = self.passing(if has_rules { 1 } else { record_count as u64 });
        (!has_rules).then_some(unjudged)
    }

    /// Counts records that only protective rules judge, where the budget is spent; returns how many there are.
    pub(crate) fn passing(&mut self, record_count: u64) -> u64 {
        let is_over = self.spending.as_ref().is_some_and(|spending| spending.is_over);
        self.state.totals.passed_over_budget += if is_over { record_count } else { 0 };
        record_count
    }

    /// Asks what is left now and then; says whether the budget is spent.
    pub(crate) fn spend(&mut self, changes: &Changes) -> bool {
        let made_bytes = self.emissions.size() + changes.size();
        let Some(spending) = &mut self.spending else { return false };
        if let Some(excess) = spending.excess(made_bytes) {
            spending.is_over = true;
            self.note_spent(excess);
            return true;
        }
        spending.is_over
    }

    /// Leaves the rest of the request to protective rules.
    fn note_spent(&mut self, excess: Excess) {
        for (rule, is_active) in self.set.rules.iter().zip(&mut self.is_active) {
            *is_active &= rule.on_error != Failure::Pass;
        }
        // It was made of the rules that were active.
        self.shared = None;
        self.state.totals.over_budget += 1;
        if std::mem::replace(&mut self.state.has_reported_budget, true) {
            return;
        }
        let Excess { bound, limit, measured } = excess;
        let message = format!(
            "a request took more than its budget: {measured}, and the bound is {limit} ({bound}); the rest of it passes \
             all rules but protective ones, and further such requests are only counted"
        );
        let time_ticks = self.arrival_ticks;
        self.state.notices.push(Notice {
            rule: None,
            kind: NoticeKind::OverBudget,
            time_ticks,
            since_ticks: time_ticks,
            excess: Some(excess),
            message,
        });
    }
}
