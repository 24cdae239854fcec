//! Live requests to requests as they are at some point among the rules: what `tap` and `top` look at.
//!
//! A listener has a processor of its own with the rules up to that point, so that the thread that judges is not
//! disturbed and nothing unredacted leaves the process unless that was asked for. Rules that remember begin with nothing
//! when the listening begins. Next: `tap.rs`.

use crate::rules::clock;
use crate::rules::governor::Governor;
use crate::rules::source;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Options, Output, Processor};
use dtq_rules::file::rule::{Destination, Mode, Phase};
use dtq_rules::file::{RuleFile, RuleRef, order};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Says where among the rules one looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// In front of this rule.
    pub before: Option<String>,
    /// Behind this rule.
    pub after: Option<String>,
    /// Whether rules of the phase `redact` need not have run.
    pub is_unredacted: bool,
}

/// Shows requests as they are at a point.
pub(crate) struct View {
    governor: Arc<Governor>,
    point: Point,
    generation: u64,
    /// `None` where no rule comes before.
    processor: Option<Processor>,
}

impl View {
    /// Returns the view of a point.
    ///
    /// # Errors
    /// When there is no such rule, or what is before it is not redacted and that was not asked for.
    pub fn new(governor: &Arc<Governor>, point: Point) -> Result<Self, String> {
        let mut view = Self { governor: Arc::clone(governor), point, generation: 0, processor: None };
        view.follow()?;
        Ok(view)
    }

    /// Takes the rules that run now.
    fn follow(&mut self) -> Result<(), String> {
        self.generation = self.governor.generation();
        let (effective, by_file) = self.governor.rule_files();
        let files = selected(&effective, &by_file, &self.point)?;
        let runs = |file: &RuleFile| file.rules.iter().any(|rule| rule.mode == Mode::Enforce);
        self.processor = None;
        if files.iter().any(runs) {
            let now = clock::now_ticks();
            let set = source::compiled(&files, &self.governor.limits, now).map_err(|found| found.concat())?;
            let options = Options { start_ticks: now, random_seed: now as u64 };
            self.processor = Some(Processor::new(Arc::new(set), &options));
        }
        Ok(())
    }

    /// Returns what of a request is there at the point, and what rules made of it.
    ///
    /// # Errors
    /// When other rules run meanwhile, and the point is none of them.
    pub fn show(&mut self, signal: Signal, request: Bytes) -> Result<Vec<(Signal, Bytes)>, String> {
        if self.generation != self.governor.generation() {
            self.follow()?;
        }
        let Some(processor) = &mut self.processor else { return Ok(vec![(signal, request)]) };
        let outcome = processor.apply(signal, &request, clock::now_ticks(), None);
        let own = match outcome.output {
            Output::Unchanged => Some(request),
            Output::Empty => None,
            Output::Bytes(bytes) => Some(Bytes::from(bytes)),
        };
        let made = outcome.emissions.into_iter().filter(|emission| emission.destination.is_none());
        let made = made.map(|emission| (emission.signal, Bytes::from(emission.request)));
        Ok(own.map(|request| (signal, request)).into_iter().chain(made).collect())
    }
}

/// Returns rules of which only those run that come before the point.
///
/// A rule that fills a table stays: others look the table up, and filling it changes no record. A rule that redacts stays
/// as its file says even while an operator has it off, unless unredacted records were asked for.
fn selected(effective: &[RuleFile], by_file: &[RuleFile], point: &Point) -> Result<Vec<RuleFile>, String> {
    let all = order(by_file);
    let rule = |at: &RuleRef| &by_file[at.file].rules[at.rule];
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    if let Some(name) = point.before.as_ref().or(point.after.as_ref()) {
        let Some(at) = all.iter().position(|at| rule(at).name.value == *name) else {
            return Err(format!("there is no rule `{name}`; `dtq ctl rules` lists them"));
        };
        if rule(&all[at]).phase == Phase::Redact && !point.is_unredacted {
            return Err(format!("`{name}` redacts: what is seen beside it is not redacted yet; say --unredacted"));
        }
        let end = at + usize::from(point.after.is_some());
        chosen.extend(all[..end].iter().map(|at| rule(at).name.value.clone()));
    }
    let mut files = effective.to_vec();
    for (file, own) in files.iter_mut().zip(by_file) {
        for (running, written) in file.rules.iter_mut().zip(&own.rules) {
            let redacts = !point.is_unredacted && written.phase == Phase::Redact;
            let fills = matches!(written.to.value, Destination::Table { .. });
            if redacts {
                running.mode = written.mode;
            } else if !fills && !chosen.contains(&written.name.value) {
                running.mode = Mode::Off;
            }
        }
    }
    Ok(files)
}
