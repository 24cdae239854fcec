//! Tests to processors with clocks of their own, step by step, and what comes out to what was expected.

use crate::compile::{self, RuleSet};
use crate::engine::{Account, Emission, Options as EngineOptions, Outcome, Output, Processor};
use crate::file::rule::{Count, Mode, RuleTest, TestStep, TestTime};
use crate::file::{Located, Rule, RuleFile};
use crate::native::NativeSet;
use crate::test::compare::{Came, differences};
use crate::test::coverage::Coverage;
use crate::test::given::{self, Request};
use crate::test::report::{Mismatch, RuleReport, TestReport};
use dtq_record::otlp::Signal;
use dtq_record::otlp::rows::rows;
use dtq_source::Limits;
use std::sync::Arc;

/// How often a processor is told the time, as hosts do.
const TICK_TICKS: i64 = 10_000_000;
/// How often at most during one step; in longer steps the time between is longer.
const TICKS_MAX: i64 = 3_600;

/// Holds what running tests depends on besides the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The bounds.
    pub limits: Limits,
    /// Runs the tests whose rule or name contains this text; `None` runs all.
    pub filter: Option<String>,
    /// Whether conditions are native code; the host has seen to that it can be.
    pub is_native: bool,
}

/// Returns what came of the tests of these files, rule by rule in the order of the files.
///
/// Examples that are missing and conditions that never varied are looked for in rules all of whose tests ran.
///
/// # Errors
/// What is wrong with the rules, when they cannot be compiled.
///
/// # Example
/// ```
/// use dtq_rules::file::{self, NoFiles};
/// use dtq_rules::test::{Options, run};
///
/// let yaml = "apiVersion: dtq/v1
/// rules:
///   - name: low
///     to: drop
///     kql: logs | where SeverityNumber between (1 .. 8)
///     tests:
///       - {name: low goes, given: [{SeverityNumber: 5}], then: {dropped: 1}}
///       - {name: high stays, given: [{SeverityNumber: 17}], then: {dropped: 0}}
/// ";
/// let (file, _) = file::read("rules.yaml", yaml.as_bytes(), &NoFiles, &file::Options::default());
/// let reports = run(&[file], &Options::default()).expect("nothing is wrong with the rules");
/// assert!(reports[0].tests.iter().all(|test| test.mismatches.is_empty()));
/// ```
pub fn run(files: &[RuleFile], options: &Options) -> Result<Vec<RuleReport>, Vec<Located>> {
    let acting: Vec<RuleFile> = files.iter().map(all_acting).collect();
    // No rule has expired at the beginning of time; whether one has is up to the clock of each test.
    let compile_options = compile::Options { limits: options.limits.clone(), ..compile::Options::default() };
    let compiled = compile::compile(&acting, &compile_options);
    let Some(set) = compiled.set else { return Err(compiled.diagnostics) };
    let mut reports = Vec::new();
    for (file, rules) in files.iter().enumerate() {
        for (at, rule) in rules.rules.iter().enumerate() {
            let position = set.rules.iter().position(|compiled| compiled.place == (file, at));
            let position = position.expect("all rules act, and so are in the set");
            let runner = Runner { set: &set, rule, position, options };
            reports.extend(runner.report(file));
        }
    }
    Ok(reports)
}

/// Returns the file with every rule acting.
fn all_acting(file: &RuleFile) -> RuleFile {
    let mut file = file.clone();
    file.rules.iter_mut().for_each(|rule| rule.mode = Mode::Enforce);
    file
}

/// Runs the tests of one rule.
struct Runner<'r> {
    set: &'r RuleSet,
    rule: &'r Rule,
    position: usize,
    options: &'r Options,
}

/// How many records matched and how many did not, over all tests.
#[derive(Default)]
struct Examples {
    matched: u64,
    unmatched: u64,
}

impl Runner<'_> {
    /// Returns what came of the tests that are wanted, or `None` when none is.
    fn report(&self, file: usize) -> Option<RuleReport> {
        let mut coverage = Coverage::new(self.position, &self.set.rules[self.position]);
        let mut examples = Examples::default();
        let mut tests = Vec::new();
        for (at, test) in self.rule.tests.iter().enumerate() {
            let name = if test.name.is_empty() { format!("test {}", at + 1) } else { test.name.clone() };
            if self.is_wanted(&name) {
                let mismatches = self.run_test(test, &mut coverage, &mut examples);
                tests.push(TestReport { name, span: test.span, mismatches });
            }
        }
        let is_whole = tests.len() == self.rule.tests.len() && self.is_wanted("");
        if tests.is_empty() && !is_whole {
            return None;
        }
        let compiled = &self.set.rules[self.position];
        let (lacks, never_varied) = match is_whole {
            true => (self.lacks(&examples), coverage.never_varied(compiled, self.rule)),
            false => (Vec::new(), Vec::new()),
        };
        Some(RuleReport { rule: self.rule.name.clone(), file, tests, lacks, never_varied })
    }

    fn is_wanted(&self, test: &str) -> bool {
        match &self.options.filter {
            Some(filter) => self.rule.name.value.contains(filter.as_str()) || test.contains(filter.as_str()),
            None => true,
        }
    }

    /// Says which examples a rule should have and has not.
    fn lacks(&self, examples: &Examples) -> Vec<String> {
        if self.rule.tests.is_empty() {
            return vec!["it has no tests: give one record that it matches and one that it does not".to_owned()];
        }
        let compiled = &self.set.rules[self.position];
        let can_miss = !compiled.conditions.is_empty() || !compiled.membership.is_empty() || compiled.has_pipeline;
        let mut lacks = Vec::new();
        if examples.matched == 0 {
            lacks.push("no test gives a record that it matches".to_owned());
        }
        if examples.unmatched == 0 && can_miss {
            lacks.push("no test gives a record that it does not match".to_owned());
        }
        lacks
    }

    fn run_test(&self, test: &RuleTest, coverage: &mut Coverage, examples: &mut Examples) -> Vec<Mismatch> {
        let mut set = self.set.clone();
        let companions = test.with.iter().map(|name| name.value.as_str());
        let names: Vec<&str> = companions.chain([self.rule.name.value.as_str()]).collect();
        let acts = |position: &usize| names.contains(&&*set.rules[*position].name.as_text());
        let bases: Vec<Vec<usize>> =
            set.bases.iter().map(|base| base.rules.iter().copied().filter(acts).collect()).collect();
        set.bases.iter_mut().zip(bases).for_each(|(base, rules)| base.rules = rules);
        let mut now = TestTime::START_TICKS;
        let mut processor = None;
        let mut mismatches = Vec::new();
        let set = Arc::new(set);
        let native = match self.options.is_native {
            true => Some(Arc::new(NativeSet::compile(&set).expect("the host has compiled these rules before"))),
            false => None,
        };
        for (at, step) in test.steps.iter().enumerate() {
            let before = now;
            now = match step.at {
                TestTime::Same => now,
                TestTime::At(ticks) => ticks,
                TestTime::Later(ticks) => now.saturating_add(ticks),
            };
            let processor = processor.get_or_insert_with(|| {
                let mut processor =
                    Processor::new(Arc::clone(&set), &EngineOptions { start_ticks: now, random_seed: 0 });
                if let Some(native) = &native {
                    processor.use_native(Arc::clone(native));
                }
                processor
            });
            let is_last = at + 1 == test.steps.len();
            let run = StepRun { runner: self, step, before, now, is_last };
            mismatches.extend(run.run(processor, coverage, examples));
        }
        mismatches
    }
}

/// Runs one step of a test.
struct StepRun<'r> {
    runner: &'r Runner<'r>,
    step: &'r TestStep,
    before: i64,
    now: i64,
    is_last: bool,
}

/// What came out during a step.
#[derive(Default)]
struct StepOutput {
    records: Vec<Request>,
    points: Vec<Request>,
}

impl StepOutput {
    fn take(&mut self, given: Option<&Request>, outcome: Outcome) {
        match (outcome.output, given) {
            (Output::Unchanged, Some(given)) => self.records.push(given.clone()),
            (Output::Bytes(bytes), Some((signal, _))) => self.records.push((*signal, bytes)),
            _ => {}
        }
        for Emission { destination, signal, request } in outcome.emissions {
            match (destination, signal) {
                (Some(_), _) => {}
                (None, Signal::Metrics) => self.points.push((signal, request)),
                (None, _) => self.records.push((signal, request)),
            }
        }
    }
}

impl StepRun<'_> {
    fn run(&self, processor: &mut Processor, coverage: &mut Coverage, examples: &mut Examples) -> Vec<Mismatch> {
        let position = self.runner.position;
        let compiled = &self.runner.set.rules[position];
        let given = match given::requests(&self.step.given, compiled.table, &self.runner.options.limits) {
            Ok(given) => given,
            Err(mismatch) => return vec![mismatch],
        };
        let account = processor.accounts().swap_remove(position);
        let mut out = StepOutput::default();
        self.pass_time(processor, &mut out);
        for request in &given {
            let outcome = processor.apply_observed(request.0, &request.1, self.now, coverage);
            out.take(Some(request), outcome);
        }
        out.take(None, processor.tick(self.now));
        if self.is_last {
            // With the test the process ends, and open windows give their points.
            out.take(None, processor.finish_points(self.now));
        }
        let now = processor.accounts().swap_remove(position);
        examples.matched += now.matched - account.matched;
        examples.unmatched += (now.seen - account.seen)
            .saturating_sub(now.matched - account.matched)
            .saturating_sub(now.errors - account.errors);
        self.compare(&account, &now, &out)
    }

    /// Lets the time since the step before pass, as a host does.
    fn pass_time(&self, processor: &mut Processor, out: &mut StepOutput) {
        let span = self.now.saturating_sub(self.before);
        if span <= 0 {
            out.take(None, processor.tick(self.now));
            return;
        }
        let count = (span / TICK_TICKS).clamp(1, TICKS_MAX);
        for at in 1..=count {
            // Exact at both ends; in 128 bits, since a step may take centuries.
            let passed = i128::from(span) * i128::from(at) / i128::from(count);
            let passed = i64::try_from(passed).expect("it is at most the span, which is an i64");
            out.take(None, processor.tick(self.before.saturating_add(passed)));
        }
    }

    fn compare(&self, before: &Account, now: &Account, out: &StepOutput) -> Vec<Mismatch> {
        let mut found = Vec::new();
        for (count, expected) in &self.step.then.counts {
            let came = count_of(now, *count).saturating_sub(count_of(before, *count));
            if came != expected.value {
                let mut came = came.to_string();
                if let (Some(error), None) = (&now.first_error, &before.first_error) {
                    came.push_str(&format!("; a record could not be judged: {error}"));
                }
                let (what, expected_text) = (count.to_string(), expected.value.to_string());
                found.push(Mismatch { span: expected.span, what, expected: expected_text, came });
            }
        }
        let table = self.runner.set.rules[self.runner.position].table;
        let then = &self.step.then;
        for (what, expected, came) in
            [("records", &then.records, &out.records), ("metrics", &then.metrics, &out.points)]
        {
            let Some(expected) = expected else { continue };
            match self.decode(came) {
                Ok(came) => found.extend(differences(what, expected, then.span, &came, table)),
                Err(why) => found.push(Mismatch::failed(then.span, what, why)),
            }
        }
        found
    }

    fn decode(&self, requests: &[Request]) -> Result<Vec<Came>, String> {
        let mut came = Vec::new();
        for (signal, request) in requests {
            let rows = rows(*signal, request, &self.runner.options.limits).map_err(|error| error.message)?;
            came.extend(rows.into_iter().map(|row| Came { signal: *signal, row }));
        }
        Ok(came)
    }
}

fn count_of(account: &Account, count: Count) -> u64 {
    match count {
        Count::Matched => account.matched,
        Count::Dropped => account.dropped,
        Count::Edited => account.edited,
        Count::Created => account.created,
        Count::Consumed => account.consumed,
        Count::Rerouted => account.rerouted,
        Count::Held => account.recorded,
        Count::Evicted => account.evicted,
        Count::Late => account.late,
        Count::Errors => account.errors,
    }
}
