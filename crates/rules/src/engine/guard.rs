//! Bounds on what a rule may cost and how often it may fail: a rule past one turns itself off and says so.
//!
//! Never turns off a protective rule: what it protects matters more than what it costs.

use crate::compile::rule::Failure;
use crate::engine::act::Fate;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use crate::engine::notice::{Excess, Notice, NoticeKind, shown};
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

    /// Returns how many records come before the next that is to be measured.
    pub(crate) fn unmeasured_count(&self) -> u64 {
        (SAMPLE_EVERY - self.count % SAMPLE_EVERY) % SAMPLE_EVERY
    }

    /// Counts records before the next that is to be measured.
    pub(crate) fn pass_unmeasured(&mut self, record_count: u64) {
        self.count += record_count;
    }

    /// Takes a cost; returns the median once in ten seconds, and since when it was measured.
    fn add(&mut self, ns: u64, now_ticks: i64) -> Option<(u64, i64)> {
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
        Some((median, since_ticks))
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
        if let (Some((measured, since_ticks)), Some(limit)) = (median, self.set.rules[rule].ns_per_record_max)
            && measured > limit
        {
            let excess = Excess { bound: "limits.ns_per_record", limit, measured };
            self.disable(rule, NoticeKind::DisabledCost, excess, since_ticks);
        }
        self.check_errors(rule);
        fate
    }

    fn check_errors(&mut self, rule: usize) {
        let account = &self.state.accounts[rule];
        let judged = account.matched.saturating_sub(self.state.failed_matches[rule]);
        if account.errors < ERRORS_MIN || account.errors <= judged {
            return;
        }
        let excess = Excess { bound: "errors", limit: judged, measured: account.errors };
        let since_ticks = self.state.failing_since_ticks[rule].unwrap_or(self.arrival_ticks);
        self.disable(rule, NoticeKind::DisabledErrors, excess, since_ticks);
    }

    /// Says of rules whose time is over since the last request that they no longer act.
    pub(crate) fn note_expired_rules(&mut self) {
        for (position, rule) in self.set.rules.iter().enumerate() {
            let Some(since_ticks) = rule.expires_ticks.filter(|expires| *expires <= self.arrival_ticks) else {
                continue;
            };
            if std::mem::replace(&mut self.state.has_reported_expiry[position], true) {
                continue;
            }
            let message = format!("its time is over since {}; records pass it from now on", shown(since_ticks));
            self.state.notices.push(Notice {
                rule: Some(rule.name.clone()),
                kind: NoticeKind::Expired,
                time_ticks: self.arrival_ticks,
                since_ticks,
                excess: None,
                message,
            });
        }
    }

    /// Turns a rule off, unless it is protective.
    pub(crate) fn disable(&mut self, position: usize, kind: NoticeKind, excess: Excess, since_ticks: i64) {
        let rule = &self.set.rules[position];
        if rule.on_error != Failure::Pass || self.state.is_disabled[position] {
            return;
        }
        self.state.is_disabled[position] = true;
        self.is_active[position] = false;
        let why = why(kind, &excess, since_ticks);
        let message = format!("turned itself off: {why}; records pass it from now on");
        self.state.accounts[position].disabled = Some(why);
        self.state.notices.push(Notice {
            rule: Some(rule.name.clone()),
            kind,
            time_ticks: self.arrival_ticks,
            since_ticks,
            excess: Some(excess),
            message,
        });
    }
}

/// Says why a rule turns itself off: which bound, by how much, since when.
fn why(kind: NoticeKind, excess: &Excess, since_ticks: i64) -> String {
    let Excess { bound, limit, measured } = excess;
    let what = match kind {
        NoticeKind::DisabledCost => format!("it costs {measured} ns a record, and its bound is {limit} ({bound})"),
        NoticeKind::DisabledState => format!("its windows hold {measured} bytes, and its bound is {limit} ({bound})"),
        _ => format!("it could not judge {measured} records and judged {limit} that match"),
    };
    format!("{what}, since {}", shown(since_ticks))
}
