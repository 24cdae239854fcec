//! Budgets: a request that takes too much passes from there on, but for protective rules; rule sets that would are refused.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::Budget;
use dtq_rules::compile::{Compiled, Options, compile, compile_within};
use dtq_rules::engine::{Excess, NoticeKind, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use dtq_source::Code;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::cell::Cell;
use std::sync::Arc;

/// Returns rules, given from `- name:` on, compiled within a budget.
fn compiled(text: &str, budget: &Budget<'_>) -> Compiled {
    let text = format!("apiVersion: dtq/v1\nrules:\n{text}");
    let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    assert!(read.is_complete, "{diagnostics:?}");
    compile_within(&[read], &Options::default(), budget)
}

fn processor(text: &str) -> Processor {
    let set = compiled(text, &Budget::UNLIMITED).set.unwrap();
    Processor::new(Arc::new(set), &dtq_rules::engine::Options::default())
}

/// Returns a request of this many resources with as many log records each.
fn logs(resource_count: usize, record_count: usize) -> Vec<u8> {
    let record = |at: usize| LogRecord {
        severity_number: 9,
        body: Some(AnyValue { value: Some(Any::StringValue(format!("record number {at}"))) }),
        ..Default::default()
    };
    let scope = ScopeLogs { log_records: (0..record_count).map(record).collect(), ..Default::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource; resource_count] }.encode_to_vec()
}

fn bodies(output: &Output, came: &[u8]) -> Vec<String> {
    let bytes = match output {
        Output::Unchanged => came,
        Output::Empty => &[],
        Output::Bytes(bytes) => bytes,
    };
    let request = ExportLogsServiceRequest::decode(bytes).unwrap();
    let records = request.resource_logs.into_iter().flat_map(|one| one.scope_logs).flat_map(|one| one.log_records);
    let body = |record: LogRecord| match record.body.unwrap().value.unwrap() {
        Any::StringValue(text) => text,
        other => panic!("{other:?}"),
    };
    records.map(body).collect()
}

const DROP_ALL: &str = "  - {name: all, to: drop, kql: logs | where SeverityNumber >= 1}\n";
const MASK_ALL: &str = "  - {name: mask, to: replace, on_error: drop, kql: logs | extend Body = 'masked'}\n";

#[test]
fn what_comes_after_the_time_is_over_passes_and_is_counted() {
    for is_native in [false, cfg!(feature = "jit")] {
        let set = Arc::new(compiled(DROP_ALL, &Budget::UNLIMITED).set.unwrap());
        let mut processor = Processor::new(Arc::clone(&set), &Default::default());
        if is_native {
            assert!(processor.use_native(Arc::new(NativeSet::compile(&set).unwrap())));
        }
        let request = logs(2, 100);
        // The clock is asked at each resource and every 32 records; costs are measured by it too.
        let questions = Cell::new(0);
        let clock = || {
            questions.set(questions.get() + 1);
            if questions.get() > 8 { 1_000_000 } else { 0 }
        };
        let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_time(500, &clock));
        let totals = processor.totals();
        assert!(totals.is_conserved(), "{totals:?}");
        assert_eq!((totals.over_budget, totals.records_in), (1, 200));
        assert!(totals.dropped > 0 && totals.passed_over_budget > 0, "{totals:?}");
        assert_eq!(totals.dropped + totals.passed_over_budget, 200, "{totals:?}");
        assert_eq!(bodies(&outcome.output, &request).len() as u64, totals.records_out);
        let [notice] = outcome.notices.as_slice() else { panic!("{:?}", outcome.notices) };
        let excess = Excess { bound: "budget.time_ns_max", limit: 500, measured: 1_000_000 };
        assert_eq!((notice.kind, notice.excess), (NoticeKind::OverBudget, Some(excess)));

        // The next request is judged again, and a further one over its budget is only counted.
        let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::UNLIMITED);
        assert_eq!(outcome.output, Output::Empty);
        questions.set(0);
        let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_time(500, &clock));
        assert_eq!((outcome.notices.len(), processor.totals().over_budget), (0, 2));
    }
}

#[test]
fn without_time_a_request_passes_untouched_but_for_protective_rules() {
    let request = logs(3, 50);
    let clock = || u64::MAX;
    let budget = Budget::of_time(u64::MAX, &clock);
    let mut plain = processor(DROP_ALL);
    assert_eq!(plain.apply_within(Signal::Logs, &request, 0, &budget).output, Output::Unchanged);
    assert_eq!(plain.totals().passed_over_budget, 150);

    let mut protected = processor(&format!("{MASK_ALL}{DROP_ALL}"));
    let outcome = protected.apply_within(Signal::Logs, &request, 0, &budget);
    assert_eq!(bodies(&outcome.output, &request), vec!["masked"; 150]);
    assert_eq!((protected.totals().dropped, protected.totals().passed_over_budget), (0, 150));
}

#[test]
fn rules_that_make_too_many_bytes_stop_making_them() {
    let text =
        "  - {name: grow, to: replace, kql: \"logs | extend Body = strcat_delim('', Body, Body, Body, Body)\"}\n";
    let request = logs(2, 100);
    let mut processor = processor(text);
    let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_bytes(2_000));
    let totals = processor.totals();
    let grown = bodies(&outcome.output, &request).iter().filter(|body| body.len() > 30).count() as u64;
    assert!(grown > 0 && grown + totals.passed_over_budget == 200, "{grown} {totals:?}");
    let excess = outcome.notices[0].excess.unwrap();
    assert!(excess.bound == "budget.bytes_max" && excess.measured < 2_200, "{excess:?}");
    // What is made of one record is one piece of work.
    assert!(processor.apply_within(Signal::Logs, &request, 0, &Budget::of_bytes(1 << 20)).notices.is_empty());
}

#[test]
fn records_that_are_decided_together_end_where_the_bytes_do() {
    let text =
        "  - {name: tier, to: replace, kql: \"logs | extend Attributes = bag_set_key(Attributes, 'tier', 'gold')\"}\n";
    let set = Arc::new(compiled(text, &Budget::UNLIMITED).set.unwrap());
    let request = logs(2, 100);
    for (is_native, edited) in [(false, 3), (cfg!(feature = "jit"), if cfg!(feature = "jit") { 7 } else { 3 })] {
        let mut processor = Processor::new(Arc::clone(&set), &Default::default());
        if is_native {
            assert!(processor.use_native(Arc::new(NativeSet::compile(&set).unwrap())));
        }
        // An attribute of 16 bytes is made for each record; the interpreter makes the whole record.
        let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_bytes(100));
        let (account, totals) = (processor.accounts().remove(0), processor.totals());
        assert_eq!((account.matched, account.edited, totals.passed_over_budget), (edited, edited, 200 - edited));
        assert!(totals.is_conserved(), "{totals:?}");
        let excess = outcome.notices[0].excess.unwrap();
        assert!((101..=150).contains(&excess.measured), "{excess:?}");
    }
}

const STATEFUL: &str = "  - {name: calm, tiers: [collector], to: drop, key: SeverityText, above: {rate: 500/s}, kql: logs}
  - {name: own, tiers: [collector], to: drop, key: SeverityText, above: {rate: 500/s}, limits: {state_bytes: 1KiB}, kql: logs}
  - {name: ring, tiers: [collector], to: 'recorder:ring', key: SeverityText, recorder: {keep: 1m}, kql: logs | where SeverityNumber < 5 and SeverityNumber > 0}
  - {name: out, tiers: [collector], to: 'flush:ring', key: SeverityText, kql: logs | where SeverityNumber > 16}
";

#[test]
fn rules_share_the_bytes_that_they_may_remember() {
    let set = compiled(STATEFUL, &Budget::of_bytes(9 << 10)).set.unwrap();
    let bounds: Vec<_> =
        set.rules.iter().map(|rule| (rule.name.as_text().into_owned(), rule.state_bytes_max)).collect();
    let bytes = |name: &str| bounds.iter().find(|(rule, _)| rule == name).unwrap().1;
    assert_eq!((bytes("calm"), bytes("own"), bytes("ring")), (Some(4 << 10), Some(1 << 10), Some(4 << 10)));
    assert_eq!(bytes("out"), None);
    assert_eq!(set.recorders[0].spec.bounds.bytes_max, 4 << 10);
}

#[test]
fn limits_above_the_budget_are_an_error() {
    let compiled = compiled(STATEFUL, &Budget::of_bytes(1 << 9));
    assert!(compiled.set.is_none());
    let codes: Vec<Code> = compiled.diagnostics.iter().map(|one| one.diagnostic.code).collect();
    assert!(codes.contains(&Code::E5010), "{:?}", compiled.diagnostics);
}

#[test]
fn compiling_ends_when_its_time_is_over() {
    let clock = || u64::MAX;
    let late = compiled(&format!("{MASK_ALL}{DROP_ALL}"), &Budget::of_time(1, &clock));
    assert!(late.set.is_none());
    let found: Vec<_> = late.diagnostics.iter().filter(|one| one.diagnostic.code == Code::E3006).collect();
    assert_eq!(found.len(), 1, "{:?}", late.diagnostics);
}

#[test]
fn a_budget_that_suffices_changes_nothing() {
    let text = format!("apiVersion: dtq/v1\nrules:\n{MASK_ALL}{DROP_ALL}");
    let (read, _) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &file::Options::default());
    let set = Arc::new(compile(&[read], &Options::default()).set.unwrap());
    let request = logs(2, 100);
    let clock = || 0;
    let budget = Budget { bytes_max: 1 << 20, ..Budget::of_time(1, &clock) };
    let mut with = Processor::new(Arc::clone(&set), &Default::default());
    let mut without = Processor::new(set, &Default::default());
    assert_eq!(with.apply_within(Signal::Logs, &request, 0, &budget), without.apply(Signal::Logs, &request, 0, None));
    assert_eq!(with.totals(), without.totals());
}
