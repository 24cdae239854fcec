//! One rule set in the place of another, between two requests: what rules remember moves over where key and shape are
//! the same, and what cannot move gives what it owes first. No count is lost.
//!
//! Rules are the same when their names are; recorders and tables have names of their own.

use crate::compile::RuleSet;
use crate::compile::rule::{Action, CompiledRule};
use crate::engine::account::Account;
use crate::engine::frame::Frame;
use crate::engine::metrics::{MetricState, measure_specs, window_spec};
use crate::engine::outcome::{Outcome, Output};
use crate::engine::processor::Processor;
use crate::engine::scan::Remembered;
use crate::engine::state::{self, State, scan_spec, table_spec};
use crate::engine::tables::{Content, Tables};
use crate::state::scan::ScanStates;
use crate::state::table::KeyedTable;
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::sync::Arc;

/// Says which parts of state the new set takes over.
struct Moves {
    /// For each new rule its position in the old set.
    rules: Vec<Option<usize>>,
    /// For each new recorder the old one.
    recorders: Vec<Option<usize>>,
    /// For each new metric state the old one.
    metrics: Vec<Option<usize>>,
    /// For each new rule the old one whose partitions it takes over.
    scans: Vec<Option<usize>>,
}

impl Processor {
    /// Puts another rule set in the place of the one that runs; returns what the old one still owed.
    ///
    /// Tables, recorders, rates, metrics and partitions of scans move where their name, key and shape are the same; a
    /// window moves only while its query stays as it is written. A rule that turned itself off stays off while its query
    /// stays the same. Runs on the interpreter until it is handed the native code of the new set. A set that is swapped in
    /// a thousand processors is compiled once.
    ///
    /// # Example
    /// ```
    /// # use dtq_record::otlp::Signal;
    /// # use dtq_rules::compile::{Options, RuleSet, compile};
    /// # use dtq_rules::engine::{Output, Processor};
    /// # use dtq_rules::file::{self, NoFiles};
    /// # use std::sync::Arc;
    /// fn rules(kql: &str) -> Arc<RuleSet> {
    ///     let yaml = format!("apiVersion: dtq/v1\nrules: [{{name: one, to: drop, kql: '{kql}'}}]\n");
    ///     let (read, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
    ///     Arc::new(compile(&[read], &Options::default()).set.expect("nothing is wrong with it"))
    /// }
    /// let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
    /// let mut processor = Processor::new(rules("logs | where SeverityNumber > 16"), &Default::default());
    /// assert_eq!(processor.apply(Signal::Logs, &request, 0, None).output, Output::Unchanged);
    /// let owed = processor.swap(rules("logs | where SeverityNumber < 9"), 0);
    /// assert!(owed.emissions.is_empty());
    /// assert_eq!(processor.apply(Signal::Logs, &request, 0, None).output, Output::Empty);
    /// // Counts go on.
    /// assert_eq!(processor.totals().requests, 2);
    /// ```
    pub fn swap(&mut self, set: Arc<RuleSet>, now_ticks: i64) -> Outcome {
        let moves = Moves::between(&self.set, &self.state, &set);
        let old = Arc::clone(&self.set);
        let mut frame = Frame::new(&old, &self.tables, &mut self.state, now_ticks, None);
        frame.give_owed(&moves, &set, now_ticks);
        let emissions = frame.finish().into_vec();
        let made = emissions.iter().filter(|emission| emission.destination.is_none());
        self.state.totals.bytes_out += made.map(|emission| emission.request.len() as u64).sum::<u64>();
        let mut tables = state::tables(&set);
        let evicted = move_tables(&mut self.tables, &mut tables, &set);
        let seed = self.state.native.scalar.next_random();
        let mut state = State::new(&set, now_ticks, seed);
        move_state(&mut self.state, &old, &mut state, &set, &moves);
        evicted.into_iter().for_each(|(rule, rows)| state.accounts[rule].evicted += rows);
        begin_at(state.clock.watermark(), &mut tables, &mut state);
        (self.set, self.tables, self.state) = (set, tables, state);
        // Until there is native code of the new set.
        self.native = None;
        self.kept = Default::default();
        self.fill_lookups(now_ticks);
        Outcome { output: Output::Empty, emissions, notices: std::mem::take(&mut self.state.notices) }
    }
}

impl Moves {
    fn between(old: &RuleSet, state: &State, new: &RuleSet) -> Self {
        let by_name: FxHashMap<&[u8], usize> =
            old.rules.iter().enumerate().map(|(at, rule)| (rule.name.as_bytes(), at)).collect();
        let rules: Vec<Option<usize>> =
            new.rules.iter().map(|rule| by_name.get(rule.name.as_bytes()).copied()).collect();
        let recorders = new.recorders.iter().map(|recorder| {
            let at = old.recorders.iter().position(|one| one.name == recorder.name)?;
            state.recorders[at].is_compatible(&recorder.spec).then_some(at)
        });
        let mut metrics = vec![None; new.metric_count];
        for (rule, before) in new.rules.iter().zip(&rules) {
            if let (Some(at), Some(before)) = (metric_of(rule), before)
                && let Some(from) = metric_of(&old.rules[*before])
                && metric_moves(state, &old.rules[*before], from, rule)
            {
                metrics[at] = Some(from);
            }
        }
        let scans = new.rules.iter().zip(&rules).map(|(rule, before)| {
            before.filter(|before| scan_moves(state.scans[*before].as_ref(), &old.rules[*before], rule))
        });
        Self { recorders: recorders.collect(), metrics, scans: scans.collect(), rules }
    }
}

/// Returns the position of a rule's aggregators or windows.
fn metric_of(rule: &CompiledRule) -> Option<usize> {
    match &rule.action {
        Action::Measure(measure) => Some(measure.state),
        Action::Window(window) => Some(window.measure.state),
        _ => None,
    }
}

/// Says whether a rule can go on with the aggregators or windows of the rule that it replaces.
fn metric_moves(state: &State, old: &CompiledRule, from: usize, new: &CompiledRule) -> bool {
    match (&state.metrics[from], &new.action) {
        (Some(MetricState::Windowed(windows)), Action::Window(window)) => {
            old.query_text == new.query_text && windows.is_compatible(&window_spec(window, new))
        }
        (Some(MetricState::Measuring { aggregators, .. }), Action::Measure(measure)) => {
            let (specs, _) = measure_specs(measure, new);
            aggregators.len() == specs.len()
                && aggregators.iter().zip(&specs).all(|(aggregator, spec)| aggregator.is_compatible(spec))
        }
        _ => false,
    }
}

/// Says whether a rule can go on with the partitions of the rule that it replaces.
fn scan_moves(states: Option<&ScanStates<Remembered>>, old: &CompiledRule, new: &CompiledRule) -> bool {
    match (states, &old.scan, &new.scan) {
        (Some(states), Some(before), Some(scan)) => {
            states.is_compatible(&scan_spec(new, scan)) && before.keeps_source == scan.keeps_source
        }
        _ => false,
    }
}

impl Frame<'_> {
    /// Gives what the parts of state owe that do not move, or for which the new set has less room.
    fn give_owed(&mut self, moves: &Moves, set: &RuleSet, now_ticks: i64) {
        for recorder in 0..self.set.recorders.len() {
            if !moves.recorders.contains(&Some(recorder)) {
                self.release(recorder);
            }
        }
        for position in 0..self.set.rules.len() {
            match moves.scans.iter().position(|from| *from == Some(position)) {
                Some(to) => self.fit_partitions(position, &set.rules[to], now_ticks),
                None => self.end_due_partitions(position, now_ticks, true),
            }
            if metric_of(&self.set.rules[position]).is_some_and(|metric| !moves.metrics.contains(&Some(metric))) {
                self.make_points_of(position, Some(now_ticks), true);
            }
        }
    }
}

/// Moves the rows of tables; returns how many had no more room, by the new rule that fills their table.
fn move_tables(old: &mut Tables, new: &mut Tables, set: &RuleSet) -> Vec<(usize, u64)> {
    let mut evicted = Vec::new();
    for (table, definition) in new.0.iter_mut().zip(&set.looked_up) {
        let Some(rule) = definition.filled_by else { continue };
        let spec = table_spec(definition, &set.rules[rule]);
        let before = old.0.iter_mut().find(|before| before.name == table.name);
        let Some(Content::Keyed(keyed)) = before.map(|before| &mut before.content) else { continue };
        if let Ok(rows) = keyed.get_mut().set_spec(spec.clone()) {
            evicted.push((rule, rows.len() as u64));
            let empty = Box::new(RefCell::new(KeyedTable::new(spec)));
            table.content = Content::Keyed(std::mem::replace(keyed, empty));
        }
    }
    evicted
}

/// Tells tables and recorders that are new the time of the records so far, so that what is late for others is for them.
fn begin_at(watermark: Option<i64>, tables: &mut Tables, state: &mut State) {
    let Some(watermark) = watermark else { return };
    for table in &mut tables.0 {
        if let Content::Keyed(keyed) = &mut table.content {
            keyed.get_mut().expire(watermark);
        }
    }
    state.recorders.iter_mut().for_each(|recorder| drop(recorder.expire(watermark)));
}

fn move_state(old: &mut State, old_set: &RuleSet, new: &mut State, set: &RuleSet, moves: &Moves) {
    new.totals = old.totals;
    new.clock = old.clock;
    new.has_reported_malformed = old.has_reported_malformed;
    new.has_reported_budget = old.has_reported_budget;
    new.notices = std::mem::take(&mut old.notices);
    for (at, before) in moves.rules.iter().enumerate() {
        let Some(before) = *before else { continue };
        let is_same = old_set.rules[before].query_text == set.rules[at].query_text;
        new.accounts[at] = baseline(old, old_set, before, moves);
        new.is_disabled[at] = old.is_disabled[before] && is_same;
        new.failed_matches[at] = old.failed_matches[before];
        new.failing_since_ticks[at] = old.failing_since_ticks[before];
        new.has_reported_expiry[at] =
            old.has_reported_expiry[before] && old_set.rules[before].expires_ticks == set.rules[at].expires_ticks;
        if !new.is_disabled[at] {
            new.accounts[at].disabled = None;
        }
        if let (Some(fresh), Some(limiter)) = (&new.limiters[at], &mut old.limiters[before])
            && limiter.set_spec(fresh.spec().clone()).is_ok()
        {
            new.limiters[at] = old.limiters[before].take();
        }
    }
    for (at, before) in moves.scans.iter().enumerate() {
        if let Some(before) = before {
            new.scans[at] = old.scans[*before].take();
        }
    }
    for (at, before) in moves.metrics.iter().enumerate() {
        if let Some(before) = before {
            let fresh = new.metrics[at].take();
            new.metrics[at] = old.metrics[*before].take().map(|state| state.with_spec_of(fresh));
        }
    }
    for (at, recorder) in old.recorders.drain(..).enumerate() {
        match moves.recorders.iter().position(|from| *from == Some(at)) {
            Some(to) => {
                let spec = set.recorders[to].spec.clone();
                new.recorders[to] = recorder;
                // Records without room any more are counted as evicted by the recorder.
                let _ = new.recorders[to].set_spec(spec);
            }
            None => {
                let counts = recorder.counts();
                new.totals.evicted += counts.evicted + counts.discarded;
            }
        }
    }
}

/// Returns the account that a rule begins with: that of the rule it replaces, without what moving parts count themselves.
fn baseline(old: &State, set: &RuleSet, before: usize, moves: &Moves) -> Account {
    let mut account = old.account(set, &Tables::default(), before);
    account.held = 0;
    account.state_bytes = 0;
    account.partitions = 0;
    match &set.rules[before].action {
        Action::Recorder { recorder } if moves.recorders.contains(&Some(*recorder)) => {
            (account.recorded, account.released, account.evicted) = (0, 0, 0);
        }
        Action::Measure(_) | Action::Window(_) => {
            let moves = metric_of(&set.rules[before]).is_some_and(|metric| moves.metrics.contains(&Some(metric)));
            if moves {
                account.late = 0;
            }
        }
        _ => {}
    }
    account
}
