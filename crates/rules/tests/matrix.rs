//! What rules can do, for each signal and destination: `fixtures/rules/matrix` has a rule with tests for all of it.
//!
//! A rule of the matrix is called OPERATION.DESTINATION. Which signal it reads and where it sends is taken from the
//! compiled rule, and that its tests show the operation from what they expect; the list below says what there has to be.
#![allow(clippy::unwrap_used)]

use dtq_record::tables::Base;
use dtq_rules::compile::rule::{Action, CompiledRule};
use dtq_rules::compile::{self, compile};
use dtq_rules::file::rule::{Count, TestStep};
use dtq_rules::file::{self, NoFiles, Rule, RuleFile};
use dtq_rules::test;
use std::collections::BTreeSet;

const LOGS: Base = Base::Logs;
const METRICS: Base = Base::Metrics;
const SPANS: Base = Base::Spans;
const RESOURCES: Base = Base::Resources;

/// Each operation with its destination, and the signals that have it.
const CELLS: &[(&str, &str, &[Base])] = &[
    ("drop-record", "drop", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("drop-record", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("drop-record", "metrics", &[LOGS, METRICS, SPANS]),
    ("drop-record", "route", &[LOGS, METRICS, SPANS]),
    ("copy-record", "route", &[LOGS, METRICS, SPANS]),
    ("add-record", "logs", &[LOGS, METRICS, SPANS]),
    ("to-sum", "metrics", &[LOGS, METRICS, SPANS]),
    ("to-gauge", "metrics", &[LOGS, METRICS, SPANS]),
    ("to-histogram", "metrics", &[LOGS, METRICS, SPANS]),
    ("to-exponential", "metrics", &[LOGS, METRICS, SPANS]),
    ("to-cumulative", "metrics", &[LOGS, METRICS, SPANS]),
    ("drop-attribute", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("drop-nested-key", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    // Only log records have a body.
    ("drop-body-field", "replace", &[LOGS]),
    // Columns of resources are their attributes and what is read-only.
    ("drop-column", "replace", &[LOGS, METRICS, SPANS]),
    ("add-field", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("change-field", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("redact", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("hash", "replace", &[LOGS, METRICS, SPANS, RESOURCES]),
    ("keep-state", "table", &[LOGS, METRICS, SPANS]),
    ("keep-state", "recorder", &[LOGS, METRICS, SPANS]),
    ("keep-state", "flush", &[LOGS, METRICS, SPANS]),
    ("keep-rate", "drop", &[LOGS, METRICS, SPANS]),
    // Points are in no trace.
    ("sample", "drop", &[LOGS, SPANS]),
];

/// Rules of the matrix that others need, and that show nothing themselves.
const COMPANION: &str = "with";

fn read(base: Base) -> RuleFile {
    let name = format!("{}.yaml", base.name());
    let text = std::fs::read(dtq_fixture::root().join("rules/matrix").join(&name)).unwrap();
    let (file, diagnostics) = file::read(&name, &text, &NoFiles, &file::Options::default());
    assert!(file.is_complete, "{diagnostics:?}");
    file
}

fn destination(rule: &CompiledRule) -> &'static str {
    match rule.action {
        Action::Drop => "drop",
        Action::Replace { .. } => "replace",
        Action::Logs { .. } => "logs",
        Action::Measure(_) | Action::Window(_) => "metrics",
        Action::Table { .. } => "table",
        Action::Recorder { .. } => "recorder",
        Action::Flush { .. } => "flush",
        Action::Route { .. } => "route",
    }
}

/// Returns the count that shows an operation in an account; `None` where only what comes out shows it.
fn telling(operation: &str, destination: &str) -> Option<Count> {
    match (operation, destination) {
        ("drop-record", "metrics") => Some(Count::Consumed),
        ("drop-record", "route") => Some(Count::Rerouted),
        ("drop-record" | "keep-rate" | "sample", _) => Some(Count::Dropped),
        ("add-record", _) => Some(Count::Created),
        (_, "replace") => Some(Count::Edited),
        (_, "recorder") => Some(Count::Held),
        _ => None,
    }
}

/// Says whether the tests of a rule expect its operation to happen, and compare what comes out.
fn shows(rule: &Rule, operation: &str, destination: &str) -> bool {
    let steps: Vec<&TestStep> = rule.tests.iter().flat_map(|test| &test.steps).collect();
    let counts = |count: Count| {
        let expected = steps.iter().flat_map(|step| &step.then.counts);
        expected.filter(|(own, _)| *own == count).map(|(_, expected)| expected.value).sum::<u64>()
    };
    let is_counted = telling(operation, destination).is_none_or(|count| counts(count) > 0);
    let compares = |step: &&&TestStep| {
        let expected = if destination == "metrics" { &step.then.metrics } else { &step.then.records };
        expected.as_ref().is_some_and(|rows| !rows.is_empty())
    };
    is_counted && steps.iter().any(|step| compares(&step))
}

#[test]
fn every_operation_has_a_rule_for_every_signal_and_destination() {
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for (operation, destination, bases) in CELLS {
        wanted.extend(bases.iter().map(|base| format!("{operation}.{destination} on {}", base.name())));
    }
    let mut there = BTreeSet::new();
    for base in Base::ALL {
        let file = read(base);
        let compiled = compile(std::slice::from_ref(&file), &compile::Options::default());
        let set = compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
        for report in test::run(std::slice::from_ref(&file), &test::Options::default()).unwrap() {
            assert!(report.is_passed(), "{}: {report:?}", base.name());
        }
        for rule in &set.rules {
            let source = &file.rules[rule.place.1];
            let name = source.name.value.as_str();
            let (operation, told) = name.split_once('.').unwrap();
            assert_eq!(rule.base, base, "{name} stands in the file of another signal");
            if operation == COMPANION {
                continue;
            }
            assert_eq!(destination(rule), told, "{name} goes elsewhere");
            let cell = format!("{name} on {}", base.name());
            assert!(shows(source, operation, told), "{cell}: its tests do not show what it does");
            there.insert(cell);
        }
    }
    assert_eq!(there, wanted);
}

/// Every destination is in the list for every signal, or refuses it.
#[test]
fn what_is_not_in_the_matrix_is_refused() {
    let destinations = [
        ("drop", "", ""),
        ("replace", "", ""),
        ("logs", "", "| project Body = todynamic(\"b\")"),
        ("metrics", "metrics: {n: {name: n, type: sum}}", "| project n = 1"),
        ("table:t", "for: 5m", ""),
        ("recorder:r", "recorder: {keep: 1m}", ""),
        ("flush:r", "", ""),
        ("route:o", "", ""),
    ];
    for base in Base::ALL {
        for (to, extra, query) in destinations {
            let name = to.split(':').next().unwrap();
            let is_listed = CELLS.iter().any(|(_, own, bases)| *own == name && bases.contains(&base));
            // A recorder without a flush, and a table that nobody reads, are mistakes with codes of their own.
            let text = format!(
                "apiVersion: dtq/v1\nrules:\n  - name: r\n    to: {to}\n    {extra}\n    kql: |\n      {} {query}\n",
                base.name()
            );
            let (file, _) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
            let codes: Vec<String> = compile(&[file], &compile::Options::default())
                .diagnostics
                .iter()
                .filter(|one| one.diagnostic.is_error())
                .map(|one| one.diagnostic.code.to_string())
                .collect();
            let is_refused = codes.iter().any(|code| code == "E5101");
            assert_eq!(is_refused, !is_listed, "`to: {to}` on {}: {codes:?}", base.name());
        }
    }
}
