//! Any bytes, and requests built from choices, through rules of every kind: nothing is lost from the counts, and what leaves can be read again.
#![no_main]

use dtq_fuzz::{Share, otlp};
use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{self, Outcome, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static SHARE: Share = Share::new();

/// When requests arrive: 2025-11-23.
const NOW: i64 = 639_000_000_000_000_000;

const RULES: &str = r#"apiVersion: dtq/v1
rules:
  - {name: l1, to: replace, kql: 'logs | extend Attributes = bag_set_key(bag_remove_keys(Attributes, dynamic(["a"])), "new", Body)'}
  - {name: s1, to: replace, kql: 'spans | extend SpanName = strcat(SpanName, tostring(Attributes["a"])), Events = dynamic(null)'}
  - {name: m1, to: replace, identity: preserved, kql: 'metrics | extend MetricName = strcat(MetricName, ".m"), MetricUnit = ""'}
  - {name: r1, to: replace, kql: 'resources | extend Attributes = bag_set_key(Attributes, "tier", Signal)'}
  - {name: l2, to: logs, kql: 'logs | where SeverityNumber > 16 | project Body, Attributes, SeverityNumber'}
  - {name: l3, to: metrics, metrics: {n: {name: n, type: sum}}, kql: 'logs | summarize n = count() by bin(Timestamp, 1m), k = tostring(Attributes["b"])'}
  - {name: s2, to: table:seen, for: 5m, kql: 'spans | project n = SpanName'}
  - {name: s3, to: 'flush:ring', phase: observe, kql: 'spans | where StatusCode == "Error"'}
  - {name: l4, to: drop, tiers: [collector], kql: 'logs | where SeverityText in ((seen | project n))'}
  - {name: l5, to: drop, kql: 'logs | where tostring(Resource["a"]) == "x" or tostring(Scope.Name) has "y" or EventName == "z"'}
  - {name: l6, to: logs, idle: 1s, limits: {state_bytes: 4KiB}, kql: 'logs | where Attributes["k"] != 7 | serialize | scan with_match_id=id partition by SeverityText declare (n: long = 0) with (step s output=last: true => n = s.n + 1;) | project Body = n, SeverityNumber = toint(id)'}
  - {name: s4, to: 'recorder:ring', recorder: {keep: 1m}, kql: 'spans | where SpanKind == "Internal"'}
  - {name: m2, to: 'route:away', kql: 'metrics | where MetricType == "Gauge" and MetricValue > 1'}
"#;

static SET: LazyLock<Arc<RuleSet>> = LazyLock::new(|| set(RULES));
static NO_RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| set("apiVersion: dtq/v1\nrules: []\n"));

fn set(rules: &str) -> Arc<RuleSet> {
    let (file, found) = file::read("rules.yaml", rules.as_bytes(), &NoFiles, &file::Options::default());
    let compiled = compile(&[file], &Options { now_ticks: NOW, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{found:?} {:?}", compiled.diagnostics)))
}

fn processor(set: &Arc<RuleSet>) -> Processor {
    Processor::new(Arc::clone(set), &engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Checks that everything that leaves is a request.
fn check(signal: Signal, outcome: &Outcome) {
    let mut reader = processor(&NO_RULES);
    if let Output::Bytes(bytes) = &outcome.output {
        reader.apply(signal, bytes, NOW, None);
    }
    for emission in &outcome.emissions {
        reader.apply(emission.signal, &emission.request, NOW, None);
    }
    assert_eq!(reader.totals().malformed, 0, "{outcome:?}");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let (signal, request) = match kind % 16 {
        0 => (Signal::Logs, rest.to_vec()),
        1 => (Signal::Spans, rest.to_vec()),
        2 => (Signal::Metrics, rest.to_vec()),
        _ => otlp::request(rest),
    };
    let request = request.as_slice();
    let mut rules = processor(&SET);
    let outcome = rules.apply(signal, request, NOW, None);
    check(signal, &outcome);
    let is_read = rules.totals().malformed == 0;
    SHARE.count(is_read);
    assert!(is_read || outcome.output == Output::Unchanged);
    // Requests with which it begins change nothing about a later one.
    let again = rules.apply(signal, request, NOW, None);
    check(signal, &again);
    assert_eq!(rules.totals().malformed, if is_read { 0 } else { 2 });
    check(signal, &rules.shutdown(NOW + 1_000_000_000));
    assert!(rules.totals().is_conserved(), "{:?}", rules.totals());
});
