//! What a process can count on: no panic, no waiting, bounds, other rules while records come, rules that are not for it.
#![allow(clippy::unwrap_used)]

use dtq_inprocess::otel::{RulesLogProcessor, RulesSpanProcessor};
use dtq_inprocess::{Bounds, Fate, Host, Notice, Rules, Running, Silent};
use dtq_record::otlp::Signal;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{InMemoryLogExporter, LogProcessor, SdkLogRecord, SdkLoggerProvider, SimpleLogProcessor};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor, SpanData, SpanProcessor};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn yaml(rules: &str) -> String {
    format!("apiVersion: dtq/v1\nrules:\n{rules}")
}

fn rules(text: &str) -> Rules {
    Rules::from_text("rules.yaml", &yaml(text), Bounds::default(), Silent).unwrap_or_else(|error| panic!("{error}"))
}

const LOW: &str = "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
const HIGH: &str = "  - {name: high, to: drop, kql: logs | where SeverityNumber > 16}\n";
/// Requests with a record of severity 5, and with one of severity 17.
const FIVE: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
const SEVENTEEN: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17];

/// A processor that panics, whatever is asked of it.
#[derive(Debug)]
struct Panicking;

impl LogProcessor for Panicking {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {
        panic!("emit")
    }
    fn force_flush(&self) -> OTelSdkResult {
        panic!("flush")
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        panic!("shutdown")
    }
    fn event_enabled(&self, _: Severity, _: &str, _: Option<&str>) -> bool {
        panic!("enabled")
    }
    fn set_resource(&mut self, _: &Resource) {
        panic!("resource")
    }
}

impl SpanProcessor for Panicking {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {
        panic!("start")
    }
    fn on_end(&self, _: SpanData) {
        panic!("end")
    }
    fn force_flush(&self) -> OTelSdkResult {
        panic!("flush")
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        panic!("shutdown")
    }
}

#[test]
fn panics_of_processors_end_at_the_wrapper() {
    let rules = rules(LOW);
    let logs = SdkLoggerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .with_log_processor(RulesLogProcessor::new(rules.clone(), Panicking))
        .build();
    let logger = logs.logger("shop");
    assert!(logger.event_enabled(Severity::Info, "t", None), "what cannot be asked is on");
    for severity in [Severity::Debug, Severity::Error] {
        let mut record = logger.create_log_record();
        record.set_severity_number(severity);
        logger.emit(record);
    }
    assert_eq!(rules.counts().dropped, 1);
    assert!(logs.force_flush().is_err() && logs.shutdown().is_err());
    let behind = rules.counts().panics_behind;
    let spans =
        SdkTracerProvider::builder().with_span_processor(RulesSpanProcessor::new(rules.clone(), Panicking)).build();
    spans.tracer("web").start("GET").end();
    assert!(spans.force_flush().is_err() && spans.shutdown().is_err());
    // Resource, enabled, emit, flush, shutdown; start, end, flush, shutdown.
    assert!(behind >= 5 && rules.counts().panics_behind >= behind + 4, "{:?}", rules.counts());
    assert_eq!((rules.counts().panics, rules.running()), (0, Running::All));
}

#[test]
fn rules_are_replaced_while_threads_judge_and_no_record_sees_half_a_set() {
    // Each set drops one of the two; a record that both or neither decided would show.
    let both = [yaml(LOW), yaml(HIGH)];
    let rules = Rules::from_text("rules.yaml", &both[0], Bounds::default(), Silent).unwrap();
    let (is_over, judged) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for request in [&FIVE, &SEVENTEEN] {
                        let (fate, emissions) = rules.apply(Signal::Logs, request);
                        assert!(matches!(fate, Fate::Pass | Fate::Drop) && emissions.is_empty());
                        judged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for swap in 1..=200 {
            rules.reload_text("rules.yaml", &both[swap % 2]).unwrap();
            if swap % 20 == 0 {
                assert!(rules.reload_text("rules.yaml", "rules: [").is_err());
            }
            let before = judged.load(Ordering::Relaxed);
            while judged.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let counts = rules.counts();
    assert_eq!((counts.records, counts.loads, counts.refusals), (judged.load(Ordering::Relaxed), 201, 10));
    assert_eq!((counts.panics, counts.edited), (0, 0));
    assert!(counts.dropped > 0 && counts.dropped <= counts.records - counts.contended);
    // The last set is the first one again.
    assert_eq!(rules.apply(Signal::Logs, &FIVE).0, Fate::Drop);
    assert_eq!(rules.apply(Signal::Logs, &SEVENTEEN).0, Fate::Pass);
}

/// A host whose clocks stand where they are put.
#[derive(Clone, Default)]
struct Clocked(Arc<Clocks>);

#[derive(Default)]
struct Clocks {
    now_s: AtomicI64,
    ns: AtomicU64,
    step_ns: AtomicU64,
    said: Mutex<Vec<Notice>>,
}

impl Host for Clocked {
    fn now_ticks(&self) -> i64 {
        630_000_000_000_000_000 + self.0.now_s.load(Ordering::Relaxed) * 10_000_000
    }
    fn ns(&self) -> u64 {
        self.0.ns.fetch_add(self.0.step_ns.load(Ordering::Relaxed), Ordering::Relaxed)
    }
    fn notice(&self, notice: &Notice) {
        self.0.said.lock().unwrap().push(notice.clone());
    }
}

impl Clocked {
    fn said(&self) -> Vec<&'static str> {
        self.0.said.lock().unwrap().iter().map(|one| one.event_name).collect()
    }
}

#[test]
fn rules_that_cost_too_much_are_tried_again_later_and_later() {
    let host = Clocked::default();
    let rules = Rules::from_text("r", &yaml(LOW), Bounds::default(), host.clone()).unwrap();
    let run = |records: usize| (0..records).fold(Fate::Pass, |_, _| rules.apply(Signal::Logs, &FIVE).0);
    host.0.step_ns.store(1_000_000, Ordering::Relaxed);
    let enough = 64 * 17;
    assert_eq!((run(enough), rules.running()), (Fate::Pass, Running::ProtectiveOnly));
    host.0.now_s.store(299, Ordering::Relaxed);
    assert_eq!((run(1), rules.running()), (Fate::Pass, Running::ProtectiveOnly));
    host.0.now_s.store(301, Ordering::Relaxed);
    run(2);
    assert_eq!(rules.running(), Running::All);
    assert_eq!((run(enough), rules.running()), (Fate::Pass, Running::ProtectiveOnly), "in vain");
    host.0.now_s.store(301 + 599, Ordering::Relaxed);
    assert_eq!((run(2), rules.running()), (Fate::Pass, Running::ProtectiveOnly), "twice as long");
    host.0.step_ns.store(0, Ordering::Relaxed);
    host.0.now_s.store(301 + 601, Ordering::Relaxed);
    assert_eq!((run(enough), rules.running()), (Fate::Drop, Running::All), "and now it is cheap");
    let said = ["dtq.inprocess.disabled", "dtq.inprocess.enabled"];
    assert_eq!(host.said(), [said, said].concat());
}

#[test]
fn rules_of_other_tiers_are_named_and_not_skipped_in_silence() {
    let host = Clocked::default();
    let elsewhere = "  - {name: here-not, tiers: [collector], to: drop, kql: logs | where SeverityNumber > 3}
  - {name: edits, to: replace, kql: 'logs | extend Body = 1'}
  - {name: is-off, mode: off, tiers: [kernel], to: drop, kql: logs | where SeverityNumber > 3}\n";
    let rules = Rules::from_text("r", &yaml(&format!("{elsewhere}{LOW}")), Bounds::default(), host.clone()).unwrap();
    assert_eq!(rules.left_out(), ["here-not", "edits"]);
    let said = host.0.said.lock().unwrap().clone();
    assert_eq!(said.iter().map(|one| one.event_name).collect::<Vec<_>>(), ["dtq.inprocess.left_out"]);
    assert!(
        said[0].message.contains("`here-not`, `edits`") && said[0].message.contains("tiers"),
        "{}",
        said[0].message
    );
    assert_eq!(rules.apply(Signal::Logs, &FIVE).0, Fate::Drop, "by the one that is for this tier");
    rules.reload_text("r", &yaml(LOW)).unwrap();
    assert!(rules.left_out().is_empty() && host.said().len() == 1);
}

#[test]
fn what_is_worth_a_look_is_kept_with_the_rules() {
    let rules = rules("  - {name: low, to: drop, kql: logs | where SeverityNumber < 9}\n");
    assert!(rules.warnings().contains("rules.yaml:3"), "{}", rules.warnings());
    rules.reload_text("rules.yaml", &yaml(LOW)).unwrap();
    assert_eq!(rules.warnings(), "");
}

#[test]
fn a_recorder_holds_spans_until_one_fails() {
    let rules = rules("  - {name: out, tiers: [in-process], to: 'flush:ring', key: TraceId, after: 1m, kql: spans | where SpanName == \"boom\"}
  - {name: hold, tiers: [in-process], to: 'recorder:ring', recorder: {keep: 1m}, key: TraceId, kql: spans | where StatusCode != \"Error\"}\n");
    let seen = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(RulesSpanProcessor::new(rules.clone(), SimpleSpanProcessor::new(seen.clone())))
        .build();
    let tracer = provider.tracer("web");
    let parent = tracer.start("parent");
    let context = opentelemetry::trace::TraceContextExt::with_span(&Context::new(), parent);
    for name in ["first", "second"] {
        let mut span = tracer.start_with_context(name, &context);
        span.set_attribute(KeyValue::new("n", 1));
        span.end();
    }
    tracer.start("of another trace").end();
    assert!(seen.get_finished_spans().unwrap().is_empty());
    tracer.start_with_context("boom", &context).end();
    let mut names: Vec<_> = seen.get_finished_spans().unwrap().iter().map(|span| span.name.to_string()).collect();
    names.sort_unstable();
    assert_eq!(names, ["boom", "first", "second"]);
    assert_eq!(rules.accounts().iter().map(|one| one.account.held).sum::<u64>(), 1);
}

#[test]
fn logs_made_of_spans_go_to_the_processor_of_logs() {
    let rules = rules(
        "  - {name: slow, tiers: [in-process], to: logs, kql: 'spans | project Body = strcat(\"slow: \", SpanName)'}\n",
    );
    let logs = InMemoryLogExporter::default();
    let logger = SdkLoggerProvider::builder()
        .with_log_processor(RulesLogProcessor::new(rules.clone(), SimpleLogProcessor::new(logs.clone())))
        .build();
    let spans = InMemorySpanExporter::default();
    let tracer = SdkTracerProvider::builder()
        .with_span_processor(RulesSpanProcessor::new(rules.clone(), SimpleSpanProcessor::new(spans.clone())))
        .build();
    tracer.tracer("web").start("GET").end();
    assert_eq!(spans.get_finished_spans().unwrap().len(), 1);
    logger.force_flush().unwrap();
    let bodies: Vec<_> =
        logs.get_emitted_logs().unwrap().iter().map(|one| format!("{:?}", one.record.body())).collect();
    assert!(bodies.len() == 1 && bodies[0].contains("slow: GET"), "{bodies:?}");
    assert_eq!(rules.counts().unsent, 0);
    logger.shutdown().unwrap();
    tracer.tracer("web").start("GET").end();
    assert_eq!(rules.counts().unsent, 1, "nobody is there any more, and the host takes none");
}

#[test]
fn what_waits_is_bounded_and_counted() {
    let bounds = Bounds { outbox_bytes_max: 4096, ..Bounds::default() };
    let text = "  - {name: copy, tiers: [in-process], to: logs, kql: 'spans | project Body = SpanName'}\n";
    let rules = Rules::from_text("r", &yaml(text), bounds, Silent).unwrap();
    let seen = InMemoryLogExporter::default();
    let logger = SdkLoggerProvider::builder()
        .with_log_processor(RulesLogProcessor::new(rules.clone(), SimpleLogProcessor::new(seen.clone())))
        .build();
    let tracer = SdkTracerProvider::builder()
        .with_span_processor(RulesSpanProcessor::new(
            rules.clone(),
            SimpleSpanProcessor::new(InMemorySpanExporter::default()),
        ))
        .build();
    for _ in 0..1_000 {
        tracer.tracer("web").start("GET").end();
    }
    logger.force_flush().unwrap();
    let (kept, lost) = (seen.get_emitted_logs().unwrap().len() as u64, rules.counts().unsent);
    assert!(kept > 10 && lost > 0 && kept + lost == 1_000, "{kept} and {lost}");
}

#[test]
fn a_request_of_many_records_is_judged_up_to_its_own_bound() {
    let bounds = Bounds { record_bytes_max: 64, request_bytes_max: 4096, ..Bounds::default() };
    let rules = Rules::from_text("r", &yaml(LOW), bounds, Silent).unwrap();
    let requests = |count: usize| FIVE.repeat(count);
    assert_eq!(rules.apply(Signal::Logs, &requests(500)).0, Fate::Drop);
    assert_eq!((rules.apply(Signal::Logs, &requests(520)).0, rules.counts().too_large), (Fate::Pass, 1));
}
