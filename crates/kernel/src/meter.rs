//! What one filter counts to metrics, by the rules that it was made of: what they would make of the records it drops.
//!
//! Points have the names, units, temporality, windows and limits of the rules, and go through the rules behind. Whoever
//! makes points of the records that are kept, such as a collector, makes points of its own: sums of both are those of all.
//! In the process that runs the rules over what is kept, [`dtq_rules::engine::Processor::add_counted`] makes one point of
//! both instead.

use crate::counts::Counts;
use crate::object::Map;
use crate::share::Shared;
use dtq_rules::compile::RuleSet;
use dtq_rules::engine::{Options, Outcome, Processor};
use std::io;
use std::sync::Arc;

/// Makes metrics of what one filter counts.
///
/// A filter that takes its place has a meter of its own; this one is finished once the filter runs no more.
pub struct Meter {
    counts: Counts,
    maps: Vec<Map>,
    processor: Processor,
}

impl Meter {
    /// Returns the meter of a filter whose maps these are, made of `set`; `None` when it counts nothing by keys.
    pub fn new(set: Arc<RuleSet>, shared: &Shared, maps: Vec<Map>, now_ticks: i64) -> Option<Self> {
        let tables = shared.filter.as_ref()?.tables.as_ref()?;
        let options = Options { start_ticks: now_ticks, ..Options::default() };
        let processor = Processor::new(set, &options);
        Some(Self { counts: Counts::new(tables, &shared.readings), maps, processor })
    }

    /// Takes out what was counted, and returns what is due; to be called every second or so.
    ///
    /// # Errors
    /// As for [`Counts::take`]; then nothing is lost, and points wait.
    pub fn collect(&mut self, now_ticks: i64) -> io::Result<Outcome> {
        let counted = self.counts.take(&self.maps)?;
        let mut outcome = self.processor.add_counted(counted, now_ticks);
        add(&mut outcome, self.processor.tick(now_ticks));
        Ok(outcome)
    }

    /// Returns everything that is left, of a filter that runs no more.
    ///
    /// # Errors
    /// As for [`Meter::collect`]; to be called again then.
    pub fn finish(&mut self, now_ticks: i64) -> io::Result<Outcome> {
        // What the last runs counted is in one of the two tables.
        let mut outcome = self.collect(now_ticks)?;
        add(&mut outcome, self.collect(now_ticks)?);
        add(&mut outcome, self.processor.shutdown(now_ticks));
        Ok(outcome)
    }
}

fn add(outcome: &mut Outcome, more: Outcome) {
    outcome.emissions.extend(more.emissions);
    outcome.notices.extend(more.notices);
}
