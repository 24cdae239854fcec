//! Everything that outlives a request: what rules remember, count and have said.
//!
//! Belongs to one processor and is used by one thread at a time. Next: `frame.rs`.

use crate::compile::RuleSet;
use crate::compile::rule::{Action, CompiledRule, LookedUp, ScanRule};
use crate::compile::set::base_position;
use crate::engine::DEFAULT_STATE_BYTES;
use crate::engine::account::{Account, Totals};
use crate::engine::guard::Costs;
use crate::engine::metrics::MetricState;
use crate::engine::notice::{Notice, NoticeKind};
use crate::engine::scan::Remembered;
use crate::engine::tables::{Content, LiveTable, Tables};
use crate::state::bounds::{Bounds, KeyShape};
use crate::state::clock::RecordClock;
use crate::state::rate::{Rate, RateLimiter, RateSpec};
use crate::state::recorder::Recorder;
use crate::state::scan::{ScanSpec, ScanStates};
use crate::state::table::{KeyedTable, TableSpec};
use dtq_interp::Subqueries;
use dtq_ir::RelKind;
use dtq_jit::NativeContext;
use dtq_record::tables::Base;
use dtq_value::Str;
use dtq_value::scalar::Context;
use std::cell::RefCell;

/// Keys that one rule may keep apart at most.
pub(crate) const KEYS_MAX: usize = 1_000_000;

/// Counts records as they enter the rules and as rules take them away; from these follows what each rule has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow {
    /// By the position of the first rule that they come to.
    pub(crate) entered: Vec<(u64, u64)>,
    /// By the position of the rule that took them.
    pub(crate) taken: Vec<(u64, u64)>,
}

/// Holds the state of a rule set.
pub(crate) struct State {
    /// What the conditions of each rule look up.
    pub(crate) subqueries: Vec<Subqueries>,
    pub(crate) limiters: Vec<Option<RateLimiter>>,
    /// The partitions of each rule with a scan.
    pub(crate) scans: Vec<Option<ScanStates<Remembered>>>,
    pub(crate) recorders: Vec<Recorder>,
    pub(crate) metrics: Vec<Option<MetricState>>,
    /// What tables and recorders go by.
    pub(crate) clock: RecordClock,
    pub(crate) accounts: Vec<Account>,
    /// By standard table, in the order of `Base::ALL`.
    pub(crate) flows: Vec<Flow>,
    /// Whether a rule turned itself off.
    pub(crate) is_disabled: Vec<bool>,
    /// Whether it was said that the time of a rule is over.
    pub(crate) has_reported_expiry: Vec<bool>,
    /// Records that a rule matched and then could not act on, which are both matched and errors.
    pub(crate) failed_matches: Vec<u64>,
    /// When a rule first could not judge a record.
    pub(crate) failing_since_ticks: Vec<Option<i64>>,
    /// Requests with the first records that a rule in mode observe matched.
    pub(crate) samples: Vec<Vec<Vec<u8>>>,
    /// What judging records cost lately.
    pub(crate) costs: Vec<Costs>,
    pub(crate) totals: Totals,
    pub(crate) notices: Vec<Notice>,
    /// Bounds, time and randomness of all evaluation.
    pub(crate) native: NativeContext,
    /// Whether a malformed request was reported.
    pub(crate) has_reported_malformed: bool,
    /// Whether a request over its budget was reported.
    pub(crate) has_reported_budget: bool,
}

impl State {
    pub(crate) fn new(set: &RuleSet, now_ticks: i64, random_seed: u64) -> Self {
        let flow = Flow { entered: vec![(0, 0); set.rules.len() + 1], taken: vec![(0, 0); set.rules.len()] };
        let mut metrics: Vec<Option<MetricState>> = (0..set.metric_count).map(|_| None).collect();
        for rule in &set.rules {
            match &rule.action {
                Action::Measure(measure) => {
                    metrics[measure.state] = Some(MetricState::measuring(measure, rule, now_ticks))
                }
                Action::Window(window) => metrics[window.measure.state] = Some(MetricState::windowed(window, rule)),
                _ => {}
            }
        }
        Self {
            subqueries: set.rules.iter().map(|_| Subqueries::default()).collect(),
            limiters: set.rules.iter().map(limiter).collect(),
            scans: set.rules.iter().map(scan_states).collect(),
            recorders: set.recorders.iter().map(|recorder| Recorder::new(recorder.spec.clone())).collect(),
            metrics,
            clock: RecordClock::default(),
            accounts: vec![Account::default(); set.rules.len()],
            flows: vec![flow; Base::ALL.len()],
            is_disabled: vec![false; set.rules.len()],
            has_reported_expiry: vec![false; set.rules.len()],
            failed_matches: vec![0; set.rules.len()],
            failing_since_ticks: vec![None; set.rules.len()],
            samples: vec![Vec::new(); set.rules.len()],
            costs: vec![Costs::default(); set.rules.len()],
            totals: Totals::default(),
            notices: Vec::new(),
            native: NativeContext::new(Context::new(set.limits.clone(), now_ticks, random_seed)),
            has_reported_malformed: false,
            has_reported_budget: false,
        }
    }

    /// Returns the account of a rule.
    pub(crate) fn account(&self, set: &RuleSet, tables: &Tables, position: usize) -> Account {
        let rule = &set.rules[position];
        let flow = &self.flows[base_position(rule.base)];
        let sum = |counts: &[(u64, u64)]| counts.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let (entered, taken) = (sum(&flow.entered[..=position]), sum(&flow.taken[..position]));
        let mut account = self.accounts[position].clone();
        account.seen += entered.0 - taken.0;
        account.seen_bytes += entered.1 - taken.1;
        match &rule.action {
            Action::Recorder { recorder } => {
                let counts = self.recorders[*recorder].counts();
                account.recorded += counts.recorded;
                account.released += counts.flushed;
                account.held = counts.held as u64;
                account.evicted += counts.evicted + counts.discarded;
                account.state_bytes += counts.held_bytes as u64;
            }
            Action::Table { table, .. } => account.state_bytes += tables.bytes(*table),
            Action::Measure(measure) => self.metric_account(measure.state, &mut account),
            Action::Window(window) => self.metric_account(window.measure.state, &mut account),
            _ => {}
        }
        if let Some(limiter) = &self.limiters[position] {
            account.state_bytes += limiter.counts().bytes as u64;
        }
        if let Some(scan) = &self.scans[position] {
            account.state_bytes += scan.counts().bytes as u64;
            account.partitions = scan.counts().partitions as u64;
        }
        account
    }

    fn metric_account(&self, metric: usize, account: &mut Account) {
        if let Some(metric) = &self.metrics[metric] {
            account.late += metric.late();
            account.state_bytes += metric.bytes();
        }
    }

    /// Returns the counts of all rules together.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = self.totals;
        for recorder in &self.recorders {
            let counts = recorder.counts();
            totals.held += counts.held as u64;
            totals.evicted += counts.evicted + counts.discarded;
        }
        totals
    }

    /// Says something that is so since now and no bound that was passed.
    pub(crate) fn notice(&mut self, rule: Option<&Str>, kind: NoticeKind, time_ticks: i64, message: String) {
        let (rule, since_ticks) = (rule.cloned(), time_ticks);
        self.notices.push(Notice { rule, kind, time_ticks, since_ticks, excess: None, message });
    }
}

/// Returns the tables of a rule set, those in files filled.
pub(crate) fn tables(set: &RuleSet) -> Tables {
    Tables(set.looked_up.iter().map(|table| live_table(table, set)).collect())
}

fn live_table(table: &LookedUp, set: &RuleSet) -> LiveTable {
    let content = match table.filled_by {
        None => Content::Fixed(table.rows.clone()),
        Some(rule) => Content::Keyed(Box::new(RefCell::new(KeyedTable::new(table_spec(table, &set.rules[rule]))))),
    };
    LiveTable { name: table.name.clone(), columns: table.columns.clone(), content }
}

pub(crate) fn table_spec(table: &LookedUp, rule: &CompiledRule) -> TableSpec {
    TableSpec {
        key: key_shape(rule),
        columns: table.columns.iter().map(|column| (column.name.as_str().into(), column.ty)).collect(),
        bounds: bounds(rule),
    }
}

/// Returns what the key of a rule is made of: its own expression, or all columns of its rows.
pub(crate) fn key_shape(rule: &CompiledRule) -> KeyShape {
    let all = &rule.program.rel(rule.top).columns;
    let types = match rule.has_key {
        true => all.last().map(|column| column.ty).into_iter().collect(),
        false => rule.columns.iter().map(|column| column.ty).collect(),
    };
    KeyShape { expression: rule.key_text.clone(), types }
}

pub(crate) fn bounds(rule: &CompiledRule) -> Bounds {
    let bytes_max = rule.state_bytes_max.unwrap_or(DEFAULT_STATE_BYTES);
    Bounds { entries_max: KEYS_MAX, bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX) }
}

/// Returns what the partitions of a rule's scan are.
pub(crate) fn scan_spec(rule: &CompiledRule, scan: &ScanRule) -> ScanSpec {
    let partition = match &rule.program.rel(scan.rel).kind {
        RelKind::ScanSteps(steps) => steps.partition.iter().map(|key| rule.program.expr(*key).ty).collect(),
        _ => unreachable!("the relation of a scan is one"),
    };
    ScanSpec {
        key: KeyShape { expression: scan.partition_text.clone(), types: partition },
        pipeline: scan.text.clone(),
        columns: scan.columns.clone(),
        idle_ticks: scan.idle_ticks,
        bounds: bounds(rule),
    }
}

fn scan_states(rule: &CompiledRule) -> Option<ScanStates<Remembered>> {
    rule.scan.as_ref().map(|scan| ScanStates::new(scan_spec(rule, scan), Remembered::bytes))
}

fn limiter(rule: &CompiledRule) -> Option<RateLimiter> {
    let above = rule.above?;
    let rate = Rate { count: above.rate.count, per_ticks: above.rate.period_ticks, burst: above.burst };
    Some(RateLimiter::new(RateSpec { key: key_shape(rule), rate, bounds: bounds(rule) }))
}
