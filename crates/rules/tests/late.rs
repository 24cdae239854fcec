//! Records that arrive long after their time, and clocks that are wrong: what rules remember goes by the records' time, and
//! wall time only ends what stands still. Tests of rule files: `fixtures/rules/late.yaml`; here are the others.
#![allow(clippy::unwrap_used)]

mod common;

use dtq_record::otlp::Signal;
use dtq_rules::engine::{Account, Outcome, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::test;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;

const SECOND: i64 = 10_000_000;
const MINUTE: i64 = 60 * SECOND;
/// When the backlog arrives, and when its records are from.
const WALL: i64 = common::NOW;
const LATE: i64 = WALL - 60 * MINUTE;
const ERROR: i32 = 17;
const DEBUG: i32 = 5;

const AFTER_ERRORS: &str = "apiVersion: dtq/v1
rules:
  - name: recent-errors
    to: table:recent_errors
    for: 5m
    key: one
    kql: logs | where SeverityNumber >= 17 | project one = 1
  - name: debug-only-after-an-error
    to: drop
    tiers: [collector]
    kql: logs | where SeverityNumber between (1 .. 8) | where 1 !in ((recent_errors | project one))
";

const RING: &str = "apiVersion: dtq/v1
rules:
  - name: hold
    to: recorder:ring
    recorder: {keep: 1m, on_shutdown: flush}
    kql: logs | where SeverityNumber between (1 .. 12)
  - name: let-go
    to: flush:ring
    phase: reduce
    kql: logs | where SeverityNumber >= 17
";

/// Windows, measurements, sequences and rates.
const COUNTING: &str = "apiVersion: dtq/v1
rules:
  - name: counted
    to: metrics
    metrics: {n: {name: n, type: sum}}
    kql: logs | summarize n = count() by bin(Timestamp, 1m)
  - name: measured
    to: metrics
    interval: 1s
    metrics: {n: {name: m, type: sum, temporality: cumulative}}
    kql: logs | project n = 1
  - name: sequences
    to: logs
    kql: |
      logs
      | serialize
      | scan declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | project Body = n
  - name: capped
    to: drop
    above: {rate: 1/m, burst: 1}
    kql: logs | where SeverityNumber between (1 .. 8)
";

fn processor(rules: &str) -> Processor {
    common::processor(&common::rule_set(rules, false).unwrap())
}

/// A request with one record of a time; `None` is one without.
fn request(time: Option<i64>, severity: i32) -> Vec<u8> {
    let nanos = |ticks: i64| u64::try_from((i128::from(ticks) - 621_355_968_000_000_000) * 100).unwrap();
    let time_unix_nano = time.map_or(0, nanos);
    let record = LogRecord { time_unix_nano, severity_number: severity, ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

fn apply(processor: &mut Processor, time: Option<i64>, severity: i32, wall: i64) -> Outcome {
    let outcome = processor.apply(Signal::Logs, &request(time, severity), wall, None);
    assert!(processor.totals().is_conserved(), "{:?}", processor.totals());
    outcome
}

/// Says whether a record goes on.
fn passes(processor: &mut Processor, time: i64, severity: i32, wall: i64) -> bool {
    apply(processor, Some(time), severity, wall).output == Output::Unchanged
}

fn account(processor: &Processor, name: &str) -> Account {
    let position = processor.rules().rules.iter().position(|rule| rule.name.as_text() == name).unwrap();
    processor.accounts().swap_remove(position)
}

#[test]
fn rule_files_go_by_the_time_of_late_records() {
    let text = std::fs::read(dtq_fixture::root().join("rules/late.yaml")).unwrap();
    let (file, found) = file::read("late.yaml", &text, &NoFiles, &file::Options::default());
    assert!(file.is_complete, "{found:?}");
    for report in test::run(&[file], &test::Options::default()).unwrap() {
        for test in report.tests {
            assert!(test.mismatches.is_empty(), "{}: {:#?}", test.name, test.mismatches);
        }
    }
}

#[test]
fn held_records_of_a_backlog_go_on_at_the_end() {
    let mut processor = processor(RING);
    assert!(!passes(&mut processor, LATE, DEBUG, WALL));
    processor.tick(WALL + SECOND);
    let emissions = processor.shutdown(WALL + 2 * SECOND).emissions;
    assert_eq!(emissions.len(), 1);
    assert!(processor.totals().is_conserved() && processor.totals().evicted == 0);
}

#[test]
fn a_stall_in_a_backlog_moves_no_time_of_what_follows() {
    let mut processor = processor(AFTER_ERRORS);
    assert!(passes(&mut processor, LATE, ERROR, WALL));
    // Sending stops for ten minutes, which ends what was remembered.
    (0..=600).for_each(|second| drop(processor.tick(WALL + second * SECOND)));
    assert!(!passes(&mut processor, LATE + SECOND, DEBUG, WALL + 601 * SECOND));
    assert!(passes(&mut processor, LATE + 2 * SECOND, ERROR, WALL + 602 * SECOND));
    processor.tick(WALL + 603 * SECOND);
    assert!(passes(&mut processor, LATE + 4 * SECOND, DEBUG, WALL + 604 * SECOND));
    assert_eq!(account(&processor, "recent-errors").late, 0);
}

#[test]
fn a_stall_in_a_backlog_holds_nothing_for_longer() {
    let mut processor = processor(RING);
    assert!(!passes(&mut processor, LATE, DEBUG, WALL));
    processor.tick(WALL + 30 * SECOND);
    assert!(!passes(&mut processor, LATE + SECOND, DEBUG, WALL + 30 * SECOND));
    assert!(passes(&mut processor, LATE + 60 * SECOND, 13, WALL + 31 * SECOND));
    assert_eq!(processor.totals().held, 1);
    assert!(passes(&mut processor, LATE + 61 * SECOND, 13, WALL + 32 * SECOND));
    assert_eq!((processor.totals().held, processor.totals().evicted), (0, 2));
}

#[test]
fn what_a_sequence_owes_comes_at_the_time_of_records_when_it_ends_by_wall_time() {
    let mut processor = processor(
        "apiVersion: dtq/v1
rules:
  - name: sequences
    to: table:sequences
    for: 5m
    idle: 2m
    key: SeverityNumber
    kql: |
      logs
      | serialize
      | scan partition by SeverityNumber declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | project SeverityNumber, n
",
    );
    assert!(passes(&mut processor, LATE, 1, WALL));
    [0, 2].into_iter().for_each(|minute| drop(processor.tick(WALL + minute * MINUTE)));
    assert_eq!(account(&processor, "sequences").matched, 1);
    // The next one ends by the time of records.
    assert!(passes(&mut processor, LATE + SECOND, 2, WALL + 2 * MINUTE));
    assert!(passes(&mut processor, LATE + SECOND + 2 * MINUTE, 3, WALL + 2 * MINUTE));
    let account = account(&processor, "sequences");
    assert_eq!((account.matched, account.late), (2, 0));
}

#[test]
fn what_a_sequence_owes_fills_no_rate_with_wall_time() {
    let mut processor = processor(
        "apiVersion: dtq/v1
rules:
  - name: sequences
    to: logs
    idle: 2m
    above: {rate: 1/m, burst: 1}
    kql: |
      logs
      | serialize
      | scan partition by SeverityNumber declare (n: long = 0) with (step s output=last: true => n = s.n + 1;)
      | project Body = n
",
    );
    assert!(passes(&mut processor, LATE, 1, WALL));
    [0, 2].into_iter().for_each(|minute| drop(processor.tick(WALL + minute * MINUTE)));
    assert!(passes(&mut processor, LATE + SECOND, 2, WALL + 2 * MINUTE));
    assert!(passes(&mut processor, LATE + SECOND + 3 * MINUTE, 3, WALL + 2 * MINUTE));
    let account = account(&processor, "sequences");
    assert_eq!((account.matched, account.within_rate, account.created), (2, 2, 0));
}

#[test]
fn a_clock_that_stands_still_keeps_nothing_for_good() {
    let mut processor = processor(AFTER_ERRORS);
    assert!(passes(&mut processor, LATE, ERROR, WALL));
    for second in 1..300 {
        processor.tick(WALL + second * SECOND);
        assert!(passes(&mut processor, LATE, DEBUG, WALL + second * SECOND), "{second}");
    }
    processor.tick(WALL + 300 * SECOND);
    assert!(!passes(&mut processor, LATE, DEBUG, WALL + 300 * SECOND));
}

#[test]
fn a_clock_in_the_future_keeps_nothing_for_good_and_what_is_late_for_it_is_counted() {
    let mut processor = processor(AFTER_ERRORS);
    let future = WALL + 100 * 365 * 24 * 60 * MINUTE;
    assert!(passes(&mut processor, future, ERROR, WALL));
    assert!(passes(&mut processor, WALL + 6 * MINUTE - SECOND, DEBUG, WALL + 6 * MINUTE - SECOND));
    assert!(!passes(&mut processor, WALL + 6 * MINUTE, DEBUG, WALL + 6 * MINUTE), "a minute ahead at most");
    // A backlog behind it comes too late, and that is no secret.
    assert!(passes(&mut processor, LATE, ERROR, WALL + 7 * MINUTE));
    assert!(!passes(&mut processor, LATE + SECOND, DEBUG, WALL + 7 * MINUTE));
    assert_eq!(account(&processor, "recent-errors").late, 1);
    // But the others go on.
    assert!(passes(&mut processor, WALL + 8 * MINUTE, ERROR, WALL + 8 * MINUTE));
    assert!(passes(&mut processor, WALL + 9 * MINUTE, DEBUG, WALL + 9 * MINUTE));
}

#[test]
fn records_without_a_time_come_when_they_arrive_if_no_other_tells_the_time() {
    let mut processor = processor(AFTER_ERRORS);
    let debug = |processor: &mut Processor, wall: i64| apply(processor, None, DEBUG, wall).output == Output::Unchanged;
    apply(&mut processor, None, ERROR, WALL);
    assert!(debug(&mut processor, WALL + 5 * MINUTE - 1));
    assert!(!debug(&mut processor, WALL + 5 * MINUTE));
    // In the middle of a backlog they come with it, as long after the last as they arrive.
    let mut processor = self::processor(AFTER_ERRORS);
    assert!(passes(&mut processor, LATE, ERROR, WALL));
    processor.tick(WALL + SECOND);
    assert!(debug(&mut processor, WALL + 2 * SECOND));
    assert!(passes(&mut processor, LATE + 4 * MINUTE, DEBUG, WALL + 3 * SECOND));
    assert!(!debug(&mut processor, WALL + 3 * SECOND + MINUTE));
}

#[test]
fn points_made_at_wall_time_move_no_time_of_records() {
    let measured = format!(
        "{AFTER_ERRORS}  - name: measured
    to: metrics
    interval: 1s
    metrics: {{n: {{name: n, type: sum}}}}
    kql: logs | project n = 1
  - name: seen
    to: table:seen
    for: 5m
    key: MetricName
    kql: metrics | project MetricName
  - name: fatal-after-points
    to: drop
    tiers: [collector]
    kql: logs | where SeverityNumber == 24 | where \"n\" in ((seen | project MetricName))
"
    );
    let mut processor = processor(&measured);
    assert!(passes(&mut processor, LATE, ERROR, WALL));
    assert_eq!(processor.tick(WALL + 2 * SECOND).emissions.len(), 1);
    assert_eq!(account(&processor, "seen").matched, 1);
    assert!(passes(&mut processor, LATE + MINUTE, DEBUG, WALL + 3 * SECOND));
    // Nor are their rows there for longer than others.
    assert!(!passes(&mut processor, LATE + 4 * MINUTE, 24, WALL + 4 * SECOND));
    assert!(passes(&mut processor, LATE + 6 * MINUTE, 24, WALL + 5 * SECOND));
}

#[test]
fn windows_of_points_made_at_wall_time_close_by_it() {
    let mut processor = processor(
        "apiVersion: dtq/v1
rules:
  - name: measured
    to: metrics
    interval: 1s
    metrics: {n: {name: n, type: sum}}
    kql: logs | project n = 1
  - name: together
    to: metrics
    metrics: {n: {name: together, type: sum}}
    kql: metrics | summarize n = sum(MetricValue) by bin(Timestamp, 1m)
",
    );
    for second in 0..90 {
        apply(&mut processor, Some(LATE + second * SECOND), ERROR, WALL + second * SECOND);
        processor.tick(WALL + second * SECOND);
    }
    let account = account(&processor, "together");
    assert_eq!((account.created, account.late), (1, 0));
}

#[test]
fn a_new_set_of_rules_goes_on_at_the_same_time() {
    let mut processor = processor(AFTER_ERRORS);
    assert!(passes(&mut processor, LATE, ERROR, WALL));
    processor.tick(WALL + SECOND);
    let longer = AFTER_ERRORS.replace("for: 5m", "for: 10m");
    processor.swap(common::rule_set(&longer, false).unwrap(), WALL + 2 * SECOND);
    processor.tick(WALL + 3 * SECOND);
    assert!(passes(&mut processor, LATE + 4 * MINUTE, DEBUG, WALL + 4 * SECOND));
    // Also where the table itself is new.
    processor.swap(common::rule_set(&longer.replace("recent_errors", "errors"), false).unwrap(), WALL + 5 * SECOND);
    assert!(!passes(&mut processor, LATE + 4 * MINUTE, DEBUG, WALL + 5 * SECOND));
    assert!(passes(&mut processor, LATE - 6 * MINUTE, ERROR, WALL + 5 * SECOND));
    assert_eq!(account(&processor, "recent-errors").late, 1);
    processor.tick(WALL + 5 * MINUTE);
    assert!(passes(&mut processor, LATE + 5 * MINUTE, ERROR, WALL + 5 * MINUTE));
    assert!(passes(&mut processor, LATE + 6 * MINUTE, DEBUG, WALL + 5 * MINUTE));
}

#[test]
fn points_of_intervals_go_on_when_the_wall_clock_is_set_back() {
    let mut processor = processor(COUNTING);
    apply(&mut processor, Some(LATE), ERROR, WALL);
    processor.tick(WALL - 60 * MINUTE);
    assert_eq!(processor.tick(WALL - 60 * MINUTE + SECOND).emissions.len(), 1);
}

#[test]
fn the_account_of_a_table_is_that_of_its_rows() {
    let remembering = |limit: &str| {
        format!(
            "apiVersion: dtq/v1
rules:
  - name: remember
    to: table:seen
    for: 5m
    limits: {{state_bytes: {limit}}}
    kql: logs | project SeverityNumber
"
        )
    };
    let mut processor = processor(&remembering("1MiB"));
    (1..=20).for_each(|severity| drop(apply(&mut processor, Some(LATE), severity, WALL)));
    let bytes = account(&processor, "remember").state_bytes;
    processor.swap(common::rule_set(&remembering(&(bytes / 2).to_string()), false).unwrap(), WALL);
    let moved = account(&processor, "remember");
    assert_eq!((moved.state_bytes, moved.evicted), (bytes / 2, 10));
    processor.tick(WALL + 5 * MINUTE);
    let idle = account(&processor, "remember");
    assert_eq!((idle.state_bytes, idle.evicted, idle.matched), (0, 10, 20));
}

#[test]
fn a_wall_clock_that_is_set_back_ends_things_as_ever() {
    for back in [MINUTE, 365 * 24 * 60 * MINUTE, WALL] {
        let mut processor = processor(AFTER_ERRORS);
        assert!(passes(&mut processor, LATE, ERROR, WALL));
        processor.tick(WALL - back);
        processor.tick(WALL - back + 5 * MINUTE);
        assert!(!passes(&mut processor, LATE, DEBUG, WALL - back + 5 * MINUTE), "{back}");
    }
}

#[test]
fn any_tick_is_only_far() {
    for ticks in [i64::MIN, -1, 0, i64::MAX] {
        for rules in [AFTER_ERRORS, RING, COUNTING] {
            let mut processor = processor(rules);
            processor.tick(ticks);
            apply(&mut processor, Some(LATE), ERROR, ticks);
            apply(&mut processor, None, DEBUG, ticks);
            processor.tick(i64::MAX);
            processor.tick(i64::MIN);
            apply(&mut processor, None, ERROR, WALL);
            processor.swap(common::rule_set(rules, false).unwrap(), ticks);
            apply(&mut processor, Some(WALL), DEBUG, WALL);
            processor.shutdown(ticks);
            assert!(processor.totals().is_conserved());
        }
    }
}
