//! What was counted for metrics rules elsewhere, of records that do not come here, to the windows and measurements of
//! those rules.
//!
//! So a metric has one point for a window or an interval, wherever its records were counted: in the kernel, which drops them
//! then, or here. Lateness is judged when counts arrive. Next: `guard.rs`.

use crate::compile::rule::{Action, Measure, WindowRule};
use crate::engine::frame::Frame;
use crate::engine::metrics::MetricState;
use crate::engine::outcome::{Outcome, Output};
use crate::engine::processor::Processor;
use crate::state::clock::latest_ticks;
use dtq_interp::RowIdentity;
use dtq_record::stream::Row;
use dtq_source::Code;
use dtq_value::Value;
use dtq_value::scalar::Fault;
use std::sync::Arc;

/// Holds what was counted for a rule under one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The position of the rule in effective order.
    pub rule: usize,
    /// How many records it stands for.
    pub records: u64,
    /// What they give together.
    pub row: CountedRow,
}

/// Holds what records give together.
#[derive(Clone, Debug, PartialEq)]
pub enum CountedRow {
    /// For a rule with `summarize`.
    Window {
        /// When the window begins.
        start_ticks: i64,
        /// The greatest time of the records.
        time_ticks: i64,
        /// The other keys, in order.
        keys: Vec<Value>,
        /// What each aggregate gives.
        results: Vec<Value>,
    },
    /// For a rule of measurements: a row of its query with sums for values.
    Measurements(Row),
}

impl Processor {
    /// Adds what was counted elsewhere of records that do not come here; returns the points that are due.
    ///
    /// Rows that come after their window was closed are counted as late, one each; rows of a rule that is off or whose time is
    /// over count for nothing. Records are not added to the accounts:
    /// whoever counted them has those.
    ///
    /// # Panics
    /// If there are not as many rules as a row says.
    pub fn add_counted(&mut self, mut counted: Vec<Counted>, arrival_ticks: i64) -> Outcome {
        let set = Arc::clone(&self.set);
        let mut frame = Frame::new(&set, &self.tables, &mut self.state, arrival_ticks, None);
        frame.native = self.native.as_deref();
        frame.note_expired_rules();
        // Windows in their order, so that no row is late for another one that came with it.
        counted.sort_by_key(|one| match &one.row {
            CountedRow::Window { start_ticks, .. } => *start_ticks,
            CountedRow::Measurements(_) => i64::MIN,
        });
        let latest_ticks = latest_ticks(arrival_ticks);
        let mut times: Vec<(usize, i64)> = Vec::new();
        for one in counted {
            let rule = one.rule;
            if let CountedRow::Window { time_ticks, .. } = &one.row {
                times.push((rule, (*time_ticks).min(latest_ticks)));
            }
            if let Err(fault) = frame.add_counted(one, latest_ticks) {
                frame.note_error(rule, &format!("cannot add what was counted: {fault}"));
            }
        }
        for (rule, time_ticks) in times {
            if let Some(state) = set.rules[rule].window_state() {
                frame.advance_window(state, time_ticks);
            }
        }
        frame.make_points();
        let emissions = frame.finish().into_vec();
        self.state.totals.bytes_out += emissions
            .iter()
            .filter(|emission| emission.destination.is_none())
            .map(|emission| emission.request.len() as u64)
            .sum::<u64>();
        Outcome { output: Output::Empty, emissions, notices: std::mem::take(&mut self.state.notices) }
    }
}

impl Frame<'_> {
    fn add_counted(&mut self, counted: Counted, latest_ticks: i64) -> Result<(), Fault> {
        let rule = &self.set.rules[counted.rule];
        if !self.is_active[counted.rule] {
            return Ok(());
        }
        match (&rule.action, counted.row) {
            (Action::Window(window), CountedRow::Window { start_ticks, keys, results, .. }) => {
                self.add_results(counted.rule, window, (start_ticks, latest_ticks), keys, &results)
            }
            (Action::Measure(measure), CountedRow::Measurements(row)) => self.add_sums(counted.rule, measure, row),
            _ => Err(Fault::new(Code::E3009, "it is of another kind than the rule")),
        }
    }

    fn add_results(
        &mut self,
        position: usize,
        window: &WindowRule,
        (start_ticks, latest_ticks): (i64, i64),
        keys: Vec<Value>,
        results: &[Value],
    ) -> Result<(), Fault> {
        self.begin_grouping(position, window)?;
        let grouping = self.groupings.get_mut(&position).expect("just begun");
        let Some(MetricState::Windowed(windows)) = &mut self.state.metrics[window.measure.state] else {
            unreachable!("a rule of windows has their state");
        };
        let start_ticks = windows.begun(start_ticks, latest_ticks);
        let group_bytes = grouping.group_bytes();
        let entry = windows.entry(start_ticks, RowIdentity(keys), start_ticks, group_bytes, || grouping.start());
        // A late row is counted by the windows.
        let Ok(group) = entry else { return Ok(()) };
        match group.absorb(results) {
            true => Ok(()),
            false => Err(Fault::new(Code::E3009, "its aggregates take nothing in that was counted elsewhere")),
        }
    }

    fn add_sums(&mut self, position: usize, measure: &Measure, row: Row) -> Result<(), Fault> {
        let time_ticks = self.arrival_ticks;
        // A sum of sums is the sum; nothing else is counted elsewhere.
        self.measure(position, measure, vec![row], time_ticks)
    }
}
