//! Rule sets that are swapped while records come: every record is somewhere once, and every count is the whole count.
//!
//! Whatever the sets have in common moves over, what a set lacks gives what it owes; the sums are those of the stream
//! alone, however often and wherever it was swapped. `DTQ_CASES` sets how many streams are run.
#![allow(clippy::unwrap_used)]

use dtq_record::otlp::Signal;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{Outcome, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

const NOW: i64 = 639_000_000_000_000_000;
/// When streams begin, in nanoseconds since 1970: ten minutes before they arrive.
const START_NS: u64 = ((NOW - 621_355_968_000_000_000) as u64) * 100 - 600_000_000_000;

/// Counts every record, in windows.
const COUNTED: &str = r#"
  - name: counted
    to: metrics
    metrics: {n: {name: counted, type: sum}}
    kql: logs | summarize n = count() by bin(Timestamp, 10s), service = tostring(Resource["service"])
"#;
/// The same rule with another query, to which no window can move.
const COUNTED_OTHERWISE: &str = r#"
  - name: counted
    to: metrics
    metrics: {n: {name: counted, type: sum}}
    kql: logs | summarize n = count() by bin(Timestamp, 7s), SeverityNumber
"#;
/// Adds up what every record says, in intervals.
const MEASURED: &str = r#"
  - name: measured
    to: metrics
    interval: 10s
    metrics: {weight: {name: measured, type: sum}}
    kql: logs | project weight = SeverityNumber
"#;
const HELD: &str = r#"
  - name: let-go
    to: flush:ring
    key: tostring(Resource["service"])
    kql: logs | where SeverityNumber >= 21
  - name: hold
    to: recorder:ring
    key: tostring(Resource["service"])
    recorder: {keep: 20s, bytes_per_key: 600, on_shutdown: flush}
    kql: logs | where SeverityNumber between (1 .. 8)
"#;
const CAPPED: &str = r#"
  - name: capped
    to: drop
    key: tostring(Resource["service"])
    above: {rate: 1/s, burst: 3}
    kql: logs | where SeverityNumber between (9 .. 12)
"#;
const REMEMBERED: &str = r#"
  - name: remember
    to: table:failing
    for: 30s
    key: service
    kql: logs | where SeverityNumber >= 17 | project service = tostring(Resource["service"])
  - name: of-the-failing
    to: route:elsewhere
    kql: logs | where SeverityNumber between (13 .. 16) and tostring(Resource["service"]) in ((failing | project service))
"#;

/// The sets: everything; the same in another order; two that lack parts; one whose windows are others.
const SETS: &[&[&str]] = &[
    &[COUNTED, MEASURED, HELD, CAPPED, REMEMBERED],
    &[REMEMBERED, CAPPED, HELD, MEASURED, COUNTED],
    &[COUNTED, MEASURED, CAPPED],
    &[MEASURED, COUNTED, HELD, REMEMBERED],
    &[COUNTED_OTHERWISE, MEASURED, HELD],
];

fn sets() -> &'static [Arc<RuleSet>] {
    static COMPILED: OnceLock<Vec<Arc<RuleSet>>> = OnceLock::new();
    let set = |parts: &&[&str]| {
        let text = format!("apiVersion: dtq/v1\nrules:{}", parts.concat());
        let options = file::Options { now_ticks: NOW, ..file::Options::default() };
        let (read, diagnostics) = file::read("rules.yaml", text.as_bytes(), &NoFiles, &options);
        assert!(read.is_complete, "{diagnostics:?}");
        let compiled = compile(&[read], &Options { now_ticks: NOW, ..Options::default() });
        Arc::new(compiled.set.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)))
    };
    COMPILED.get_or_init(|| SETS.iter().map(set).collect())
}

#[derive(Clone, Debug)]
struct Event {
    step_ms: u64,
    service: u8,
    severity: i32,
}

/// A request's records, and the set that comes before it, if one does.
type Step = (Option<usize>, Vec<Event>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let event =
        (0..2_000u64, 0..3u8, 1..=24i32).prop_map(|(step_ms, service, severity)| Event { step_ms, service, severity });
    vec((prop::option::of(0..SETS.len()), vec(event, 0..8)), 1..40)
}

fn text(value: String) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Any::StringValue(value)) })
}

/// A stream of requests whose records have ids that count up.
struct Stream {
    time_ns: u64,
    id: u64,
    weight: u64,
}

impl Stream {
    fn new() -> Self {
        Self { time_ns: START_NS, id: 0, weight: 0 }
    }

    fn request(&mut self, events: &[Event]) -> Vec<u8> {
        let resource = |event: &Event| {
            self.time_ns += event.step_ms * 1_000_000;
            self.id += 1;
            self.weight += event.severity as u64;
            let record = LogRecord {
                time_unix_nano: self.time_ns,
                severity_number: event.severity,
                body: text(self.id.to_string()),
                ..Default::default()
            };
            let service = text(format!("s{}", event.service));
            let attributes = vec![KeyValue { key: "service".to_owned(), value: service, ..Default::default() }];
            ResourceLogs {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_logs: vec![ScopeLogs { log_records: vec![record], ..Default::default() }],
                ..Default::default()
            }
        };
        ExportLogsServiceRequest { resource_logs: events.iter().map(resource).collect() }.encode_to_vec()
    }
}

/// What left, over all requests and swaps.
#[derive(Debug, Default)]
struct Left {
    /// How often each id went on, and to the named output.
    on: BTreeMap<String, u64>,
    elsewhere: BTreeMap<String, u64>,
    /// Sums of the points of each metric.
    sums: BTreeMap<String, u64>,
}

impl Left {
    fn add(&mut self, request: &[u8], outcome: &Outcome) {
        match &outcome.output {
            Output::Unchanged => Self::add_logs(&mut self.on, request),
            Output::Empty => {}
            Output::Bytes(bytes) => Self::add_logs(&mut self.on, bytes),
        }
        for emission in &outcome.emissions {
            match (emission.signal, &emission.destination) {
                (Signal::Logs, None) => Self::add_logs(&mut self.on, &emission.request),
                (Signal::Logs, Some(_)) => Self::add_logs(&mut self.elsewhere, &emission.request),
                _ => self.add_metrics(&emission.request),
            }
        }
    }

    fn add_logs(ids: &mut BTreeMap<String, u64>, bytes: &[u8]) {
        let request = ExportLogsServiceRequest::decode(bytes).unwrap();
        for record in request.resource_logs.iter().flat_map(|one| &one.scope_logs).flat_map(|one| &one.log_records) {
            let Some(Any::StringValue(id)) = record.body.as_ref().and_then(|body| body.value.clone()) else {
                panic!("{record:?}")
            };
            *ids.entry(id).or_default() += 1;
        }
    }

    fn add_metrics(&mut self, bytes: &[u8]) {
        let request = ExportMetricsServiceRequest::decode(bytes).unwrap();
        for metric in request.resource_metrics.iter().flat_map(|one| &one.scope_metrics).flat_map(|one| &one.metrics) {
            let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
            for point in &sum.data_points {
                let number = match point.value {
                    Some(Number::AsInt(number)) => number as u64,
                    Some(Number::AsDouble(number)) => number as u64,
                    None => panic!("{point:?}"),
                };
                *self.sums.entry(metric.name.clone()).or_default() += number;
            }
        }
    }
}

/// Compares what left and what was counted with what came.
fn check(processor: &Processor, left: &Left, stream: &Stream) {
    let totals = processor.totals();
    assert!(totals.is_conserved(), "{totals:?}");
    assert_eq!(totals.records_in, stream.id, "{totals:?}");
    let (on, elsewhere) = (left.on.len() as u64, left.elsewhere.len() as u64);
    assert!(
        left.on.values().chain(left.elsewhere.values()).all(|count| *count == 1),
        "a record has left twice: {left:?}"
    );
    assert!(left.on.keys().all(|id| !left.elsewhere.contains_key(id)), "{left:?}");
    assert_eq!(totals.rerouted, elsewhere);
    assert_eq!(on + elsewhere + totals.dropped + totals.held + totals.evicted, stream.id, "{totals:?}");
}

fn new_processor(set: &Arc<RuleSet>) -> Processor {
    Processor::new(Arc::clone(set), &dtq_rules::engine::Options { start_ticks: NOW, random_seed: 1 })
}

/// Ends a processor, and compares the sums of all points with those of the stream.
fn finish(mut processor: Processor, mut left: Left, stream: &Stream) {
    left.add(&[], &processor.shutdown(NOW));
    check(&processor, &left, stream);
    assert_eq!(processor.totals().held, 0);
    if stream.id > 0 {
        assert_eq!(left.sums.get("counted"), Some(&stream.id), "{left:?}");
        assert_eq!(left.sums.get("measured"), Some(&stream.weight), "{left:?}");
    }
    // Both stand in every set, and nothing takes records before them.
    for (rule, account) in processor.rules().rules.iter().zip(processor.accounts()) {
        if ["counted", "measured"].contains(&&*rule.name.as_text()) {
            assert_eq!((account.seen, account.matched, account.late), (stream.id, stream.id, 0), "{account:?}");
        }
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("DTQ_CASES").ok().and_then(|text| text.parse().ok());
    let rng_seed = if cases.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    ProptestConfig { cases: cases.unwrap_or(200), failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_swap_between_requests_loses_nothing(steps in steps()) {
        let sets = sets();
        let mut processor = new_processor(&sets[0]);
        let (mut left, mut stream) = (Left::default(), Stream::new());
        for (set, events) in &steps {
            if let Some(set) = set {
                left.add(&[], &processor.swap(Arc::clone(&sets[*set]), NOW));
                check(&processor, &left, &stream);
            }
            let request = stream.request(events);
            left.add(&request, &processor.apply(Signal::Logs, &request, NOW, None));
            check(&processor, &left, &stream);
        }
        finish(processor, left, &stream);
    }
}

/// Two threads, each with a processor, take whichever set is the current one before each request, while a third changes
/// it as fast as it can: where it is changed is different in each run, and the sums are not.
#[test]
fn swaps_from_another_thread_lose_nothing() {
    const REQUESTS: usize = 400;
    let sets = sets();
    let current = Mutex::new(Arc::clone(&sets[0]));
    let work = |seed: usize| {
        let mut processor = new_processor(&sets[0]);
        let mut own = Arc::clone(&sets[0]);
        let (mut left, mut stream) = (Left::default(), Stream::new());
        let mut swap_count = 0;
        for at in 0..REQUESTS {
            // The last ones come after a swap for sure, also where no other thread got to run.
            let next = if at == REQUESTS / 2 { Arc::clone(&sets[4]) } else { Arc::clone(&current.lock().unwrap()) };
            if !Arc::ptr_eq(&own, &next) {
                own = Arc::clone(&next);
                left.add(&[], &processor.swap(next, NOW));
                swap_count += 1;
            }
            let event = |index: usize| Event {
                step_ms: (index as u64 * 7_919 + seed as u64) % 300,
                service: (index % 3) as u8,
                severity: 1 + ((index * 31 + seed) % 24) as i32,
            };
            let events: Vec<Event> = (at * 5..at * 5 + at % 6).map(event).collect();
            let request = stream.request(&events);
            left.add(&request, &processor.apply(Signal::Logs, &request, NOW, None));
        }
        check(&processor, &left, &stream);
        finish(processor, left, &stream);
        assert!(swap_count > 0);
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|seed| scope.spawn(move || work(seed))).collect();
        let mut turn = 0;
        while workers.iter().any(|worker| !worker.is_finished()) {
            turn += 1;
            *current.lock().unwrap() = Arc::clone(&sets[turn % sets.len()]);
            std::thread::yield_now();
        }
    });
}
