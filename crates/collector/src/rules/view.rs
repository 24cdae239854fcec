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
use dtq_record::otlp::index::{RequestIndex, TOO_MANY_RECORDS};
use dtq_record::otlp::rows::rows;
use dtq_record::stream::Row;
use dtq_rules::Budget;
use dtq_rules::engine::{Options, Output, Processor};
use dtq_rules::file::rule::{Destination, Mode, Phase};
use dtq_rules::file::{RuleFile, RuleRef, order};
use dtq_source::Limits;
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
        let bounds = &self.governor.settings.bounds;
        let time = bounds.request_time.as_nanos() as u64;
        let budget = Budget { bytes_max: bounds.sample_bytes, ..Budget::of_time(time, &clock::thread_ns) };
        let outcome = processor.apply_within(signal, &request, clock::now_ticks(), &budget);
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

/// Takes processor time only where the thread that judges, and those that receive and send, leave some.
///
/// Of the thread that calls it; it has to end afterwards, for without privileges there is no way back.
pub(crate) fn yield_to_judging() {
    const NICE: i32 = 10;
    // Where that is refused, listening costs what it costs.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Makes rows of requests that are small enough to be looked at: a row costs many times the bytes of its record.
pub(crate) struct Reader {
    /// The places of records in the last request.
    pub index: RequestIndex,
    /// Requests that were not read because of their size.
    pub too_large: u64,
    /// Requests that are malformed.
    pub unreadable: u64,
    limits: Limits,
    bytes_max: usize,
    records_max: usize,
}

impl Reader {
    /// Returns a reader with the bounds of who decides.
    pub fn new(governor: &Governor) -> Self {
        let bounds = &governor.settings.bounds;
        Self {
            index: RequestIndex::default(),
            too_large: 0,
            unreadable: 0,
            limits: governor.limits.clone(),
            bytes_max: bounds.sample_request_bytes,
            records_max: bounds.sample_records,
        }
    }

    /// Returns the rows of a request; one that is not read is counted.
    pub fn read(&mut self, signal: Signal, request: &[u8]) -> Option<Vec<Row>> {
        let read = self.index.read_within(signal, request, self.records_max);
        let is_large = request.len() > self.bytes_max || read.is_err_and(|error| error.reason == TOO_MANY_RECORDS);
        if is_large {
            self.too_large += 1;
            return None;
        }
        let rows = if read.is_ok() { rows(signal, request, &self.limits).ok() } else { None };
        self.unreadable += u64::from(rows.is_none());
        rows
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
