//! What was counted elsewhere, in the windows and measurements of rules.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_record::otlp::rows::rows;
use dtq_rules::compile::{Options, compile};
use dtq_rules::engine::{Counted, CountedRow, Emission, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_source::Limits;
use dtq_value::Value;
use std::sync::Arc;

const NOW: i64 = 639_000_000_000_000_000;
const SECOND: i64 = 10_000_000;

const RULES: &str = "apiVersion: dtq/v1
rules:
  - name: window
    to: metrics
    lateness: 10s
    metrics: {n: {name: n, type: sum}, low: {name: low, type: gauge}}
    kql: logs | summarize n = count(), low = min(SeverityNumber) by SeverityText, bin(Timestamp, 1m)
  - name: measured
    to: metrics
    interval: 10s
    metrics: {x: {name: x, type: sum, temporality: cumulative}}
    kql: logs | project x = 1, text = SeverityText
  - {name: only-large, to: drop, kql: metrics | where MetricName == 'low'}
";

fn processor() -> Processor {
    let (read, diagnostics) = file::read("rules.yaml", RULES.as_bytes(), &NoFiles, &file::Options::default());
    assert!(read.is_complete, "{diagnostics:?}");
    let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
    let set = compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    Processor::new(Arc::new(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

fn window(start_ticks: i64, severity: &str, count: i64, low: i32) -> Counted {
    let row = CountedRow::Window {
        start_ticks,
        time_ticks: start_ticks + 5 * SECOND,
        keys: vec![Value::string(severity)],
        results: vec![Value::Long(count), Value::Int(low)],
    };
    Counted { rule: 0, records: count.unsigned_abs(), row }
}

/// Returns the name, the value and the first attribute of each point.
fn points(emissions: &[Emission]) -> Vec<String> {
    let mut points = Vec::new();
    for emission in emissions {
        for row in rows(Signal::Metrics, &emission.request, &Limits::default()).unwrap() {
            let Value::Bag(attributes) = &row[10] else { panic!("{row:?}") };
            let attributes: Vec<String> = attributes.iter().map(|(key, value)| format!("{key:?}={value:?}")).collect();
            points.push(format!("{:?} {:?} {}", row[2], row[6], attributes.join(" ")));
        }
    }
    points.sort();
    points
}

#[test]
fn windows_have_one_point_for_records_from_here_and_from_elsewhere() {
    let mut processor = processor();
    // A record of severity 9 in the window of 1970-01-01T00:00, as nothing is late before it.
    let record = [&[0x09][..], &1_u64.to_le_bytes(), &[0x10, 9, 0x1A, 1, b'a']].concat();
    let scope = [&[0x12, record.len() as u8][..], &record].concat();
    let resource = [&[0x12, scope.len() as u8][..], &scope].concat();
    let request = [&[0x0A, resource.len() as u8][..], &resource].concat();
    let start = 621_355_968_000_000_000;
    assert!(processor.apply(Signal::Logs, &request, start, None).emissions.is_empty());
    let minute = 60 * SECOND;
    // In no order, and with the next window before the first.
    let rows = vec![window(start + minute, "a", 4, 5), window(start, "b", 2, 7), window(start, "a", 3, 13)];
    let outcome = processor.add_counted(rows, start + 70 * SECOND);
    assert!(outcome.notices.is_empty() && outcome.emissions.is_empty(), "{outcome:?}");
    let outcome = processor.add_counted(vec![window(start + minute, "b", 1, 1)], start + 70 * SECOND);
    assert!(outcome.emissions.is_empty(), "lateness is not over");
    let mut late = window(start + minute, "b", 1, 1);
    let CountedRow::Window { time_ticks, .. } = &mut late.row else { unreachable!() };
    *time_ticks = start + 71 * SECOND;
    let made = processor.add_counted(vec![late], start + 71 * SECOND).emissions;
    // Points go through the rules behind: those of `low` are dropped.
    assert_eq!(
        points(&made),
        [
            "String(\"n\") Real(2.0) \"SeverityText\"=String(\"b\")",
            "String(\"n\") Real(4.0) \"SeverityText\"=String(\"a\")"
        ]
    );
    assert!(processor.add_counted(vec![window(start, "a", 9, 1)], start + 72 * SECOND).emissions.is_empty());
    assert_eq!(processor.accounts()[0].late, 1, "the window was closed");
}

#[test]
fn measurements_are_added_to_those_of_records_from_here() {
    let mut processor = processor();
    let row = |x: i64, text: &str| Counted {
        rule: 1,
        records: x.unsigned_abs(),
        row: CountedRow::Measurements(vec![Value::Long(x), Value::string(text)]),
    };
    for (at, x) in [(1, 5), (2, 7)] {
        processor.add_counted(vec![row(x, "a"), row(1, "b")], NOW + at * SECOND);
    }
    let made = processor.tick(NOW + 10 * SECOND).emissions;
    let expected =
        ["String(\"x\") Real(12.0) \"text\"=String(\"a\")", "String(\"x\") Real(2.0) \"text\"=String(\"b\")"];
    assert_eq!(points(&made), expected);
}

#[test]
fn what_fits_no_rule_is_an_error_of_it_and_nothing_more() {
    let mut processor = processor();
    let mut odd = window(NOW, "a", 1, 1);
    odd.rule = 1;
    let mut unknown = window(NOW, "a", 1, 1);
    let CountedRow::Window { results, .. } = &mut unknown.row else { unreachable!() };
    results.pop();
    let outcome = processor.add_counted(vec![odd, unknown], NOW);
    assert!(outcome.emissions.is_empty());
    assert_eq!(processor.accounts().iter().map(|account| account.errors).collect::<Vec<_>>(), [1, 1, 0]);
}
