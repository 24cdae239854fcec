//! What a program may do that embeds rules, and should not have to know better about: clocks that go back or panic, hosts
//! that emit while they are called, files that are none, threads that end, wrappers that come and go.
#![allow(clippy::unwrap_used)]

use dtq_inprocess::layer::RulesLayer;
use dtq_inprocess::otel::{RulesLogProcessor, RulesSpanProcessor};
use dtq_inprocess::{Bounds, Fate, Host, Notice, Rules, Running, Silent};
use dtq_record::otlp::Signal;
use dtq_rules::engine::{Account, Emission};
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider, SimpleLogProcessor};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt;

fn yaml(rules: &str) -> String {
    format!("apiVersion: dtq/v1\nrules:\n{rules}")
}

const LOW: &str = "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
const HIGH: &str = "  - {name: high, to: drop, kql: logs | where SeverityNumber > 16}\n";
const HOLD: &str = "  - {name: hold, tiers: [in-process], to: 'recorder:ring', recorder: {keep: 1h}, kql: logs | where SeverityNumber < 9}
  - {name: out, tiers: [in-process], to: 'flush:ring', kql: logs | where EventName == \"never\"}\n";
const COUNT: &str = "  - {name: n, tiers: [in-process], to: metrics, interval: 1ms, metrics: {n: {name: logs.n, type: sum, unit: '1'}}, kql: logs | project n = 1}\n";
/// Requests with a record of severity 5, and with one of severity 17.
const FIVE: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
const SEVENTEEN: [u8; 8] = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 17];

/// A host whose clocks stand where they are put, and panic when told to.
#[derive(Clone, Default)]
struct Odd(Arc<State>);

#[derive(Default)]
struct State {
    now_s: AtomicI64,
    ns: AtomicU64,
    step_ns: AtomicU64,
    panics: AtomicBool,
    /// What it judges whenever it is called.
    own: Mutex<Option<Rules>>,
    calls: AtomicU32,
    said: Mutex<Vec<&'static str>>,
}

impl Odd {
    fn call(&self) {
        self.0.calls.fetch_add(1, Relaxed);
        let own = self.0.own.lock().unwrap().clone();
        if let Some(rules) = own {
            let (_, emissions) = rules.apply(Signal::Logs, &FIVE);
            rules.send(emissions);
            rules.accounts();
            let _ = rules.reload_text("again", &yaml(&format!("{COUNT}{FAR}")));
        }
    }
}

const FAR: &str = "  - {name: far, tiers: [collector], to: drop, kql: logs | where SeverityNumber > 3}\n";

impl Host for Odd {
    fn now_ticks(&self) -> i64 {
        639_000_000_000_000_000 + self.0.now_s.load(Relaxed) * 10_000_000
    }
    fn ns(&self) -> u64 {
        assert!(!self.0.panics.load(Relaxed), "a clock that panics");
        self.0.ns.fetch_add(self.0.step_ns.load(Relaxed), Relaxed)
    }
    fn notice(&self, notice: &Notice) {
        self.0.said.lock().unwrap().push(notice.event_name);
        self.call();
    }
    fn emission(&self, _: Emission) -> bool {
        self.call();
        true
    }
}

fn rules_of(text: &str, host: &Odd) -> Rules {
    Rules::from_text("rules.yaml", &yaml(text), Bounds::default(), host.clone())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn account(rules: &Rules, name: &str) -> Account {
    rules.accounts().into_iter().find(|one| one.rule == name).unwrap().account
}

fn run(rules: &Rules, request: &[u8], count: usize) -> Fate {
    (0..count).fold(Fate::Pass, |_, _| rules.apply(Signal::Logs, request).0)
}

#[test]
fn what_comes_after_a_panic_is_remembered_again() {
    let host = Odd::default();
    let rules = rules_of(HOLD, &host);
    assert_eq!((run(&rules, &FIVE, 10), account(&rules, "hold").held), (Fate::Drop, 10));
    host.0.panics.store(true, Relaxed);
    while rules.counts().panics == 0 {
        rules.apply(Signal::Logs, &FIVE);
    }
    host.0.panics.store(false, Relaxed);
    assert_eq!((rules.counts().panics, rules.running()), (1, Running::All));
    run(&rules, &FIVE, 20);
    assert_eq!(account(&rules, "hold").held, 20, "all that came after the panic");
}

#[test]
fn panics_before_a_reload_count_no_more() {
    let host = Odd::default();
    let rules = rules_of(HOLD, &host);
    let panics = |count: u64| {
        let before = rules.counts().panics;
        host.0.panics.store(true, Relaxed);
        while rules.counts().panics < before + count {
            rules.apply(Signal::Logs, &FIVE);
        }
        host.0.panics.store(false, Relaxed);
        rules.running()
    };
    assert_eq!(panics(2), Running::All);
    rules.reload_text("r", &yaml(HOLD)).unwrap();
    assert_eq!(panics(2), Running::All);
    assert_eq!(panics(1), Running::None);
    rules.reload_text("r", &yaml(HOLD)).unwrap();
    assert_eq!(rules.running(), Running::All);
}

#[test]
fn a_file_is_followed_also_past_a_panic_and_a_clock_that_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, yaml(LOW)).unwrap();
    let host = Odd::default();
    let rules = Rules::from_file(&path, Bounds::default(), host.clone()).unwrap();
    host.0.now_s.store(10, Relaxed);
    host.0.panics.store(true, Relaxed);
    std::fs::write(&path, yaml(&format!("{LOW}{HIGH}"))).unwrap();
    run(&rules, &FIVE, 1);
    host.0.panics.store(false, Relaxed);
    assert_eq!(rules.counts().panics, 1, "of loading");
    host.0.now_s.store(20, Relaxed);
    assert_eq!(run(&rules, &SEVENTEEN, 1), Fate::Drop, "by the changed file");
    // A year back.
    host.0.now_s.store(-31_000_000, Relaxed);
    std::fs::write(&path, yaml(LOW)).unwrap();
    assert_eq!(run(&rules, &SEVENTEEN, 1), Fate::Pass);
    assert_eq!(run(&rules, &FIVE, 1), Fate::Drop);
}

#[test]
fn a_clock_that_goes_back_keeps_nothing_off_for_longer() {
    let host = Odd::default();
    let rules = rules_of(LOW, &host);
    host.0.step_ns.store(1_000_000, Relaxed);
    run(&rules, &FIVE, 64 * 17);
    assert_eq!(rules.running(), Running::ProtectiveOnly);
    host.0.step_ns.store(0, Relaxed);
    host.0.now_s.store(-31_000_000, Relaxed);
    assert_eq!((run(&rules, &FIVE, 2), rules.running()), (Fate::Drop, Running::All));
}

#[test]
fn what_is_no_file_is_refused_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    let pipe = || assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    pipe();
    let refused = Rules::from_file(&path, Bounds::default(), Silent).unwrap_err();
    assert!(refused.report.contains("no regular file"), "{refused}");
    assert!(Rules::from_file(folder.path(), Bounds::default(), Silent).is_err());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, yaml(LOW)).unwrap();
    let host = Odd::default();
    let rules = Rules::from_file(&path, Bounds::default(), host.clone()).unwrap();
    std::fs::remove_file(&path).unwrap();
    pipe();
    host.0.now_s.store(10, Relaxed);
    assert_eq!(run(&rules, &FIVE, 3), Fate::Drop, "by the rules before");
    assert_eq!(*host.0.said.lock().unwrap(), ["dtq.inprocess.refused"]);
    assert!(rules.reload().is_err());
}

#[test]
fn accounts_are_those_of_the_rules_that_run() {
    let odd = "  - {name: odd, tiers: [in-process], to: replace, kql: 'logs | extend TraceId = \"no id\"'}\n";
    let rules = Rules::from_text("r", &yaml(&format!("{LOW}{odd}")), Bounds::default(), Silent).unwrap();
    let names = || rules.accounts().into_iter().map(|one| one.rule).collect::<Vec<_>>();
    assert_eq!(names(), ["odd", "low"], "also before the first record");
    // From several threads, so that several places are used.
    let judge = || (0..1_000).for_each(|_| drop(rules.apply(Signal::Logs, &SEVENTEEN)));
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(judge))));
    assert!(account(&rules, "odd").first_error.is_some());
    rules.reload_text("r", &yaml(&format!("{LOW}{HIGH}"))).unwrap();
    assert_eq!(names(), ["low", "high"]);
    assert!(rules.accounts().iter().all(|one| one.account.first_error.is_none()), "nothing of rules that are gone");
    assert_eq!(account(&rules, "low").seen, rules.counts().records - rules.counts().contended, "counts go on");
}

#[test]
fn rules_that_are_off_keep_their_counts() {
    let protective = "  - {name: safe, to: drop, on_error: drop, kql: logs | where SeverityNumber > 16}\n";
    let host = Odd::default();
    let rules = rules_of(&format!("{LOW}{protective}"), &host);
    run(&rules, &FIVE, 10);
    host.0.step_ns.store(1_000_000, Relaxed);
    run(&rules, &FIVE, 64 * 17);
    host.0.step_ns.store(0, Relaxed);
    assert_eq!((rules.running(), run(&rules, &SEVENTEEN, 1)), (Running::ProtectiveOnly, Fate::Drop));
    let off = account(&rules, "low");
    assert!(off.dropped > 1_000 && account(&rules, "safe").dropped == 1, "{off:?}");
    assert_eq!(account(&rules, "low"), off, "asking changes nothing");
    host.0.now_s.store(301, Relaxed);
    run(&rules, &FIVE, 2);
    // The record that finds the time over is still judged as before.
    let dropped = account(&rules, "low").dropped;
    assert!(dropped > off.dropped && dropped <= off.dropped + 2, "{dropped} after {}", off.dropped);
    rules.reload_text("r", &yaml(protective)).unwrap();
    assert_eq!(rules.accounts().iter().map(|one| one.rule.as_str()).collect::<Vec<_>>(), ["safe"]);
}

#[test]
fn a_host_that_emits_and_reloads_while_it_is_called_comes_to_an_end() {
    let host = Odd::default();
    let rules = rules_of(COUNT, &host);
    *host.0.own.lock().unwrap() = Some(rules.clone());
    for second in 0..10 {
        host.0.now_s.store(second * 2, Relaxed);
        let (_, emissions) = rules.apply(Signal::Logs, &FIVE);
        rules.send(emissions);
    }
    rules.reload_text("r", &yaml(&format!("{COUNT}{FAR}"))).unwrap();
    let calls = host.0.calls.load(Relaxed);
    assert!(calls > 3 && calls < 1_000, "{calls}");
    assert_eq!((rules.counts().panics, rules.running()), (0, Running::All));
    *host.0.own.lock().unwrap() = None;
}

#[test]
fn threads_that_end_may_judge_with_their_last_breath() {
    struct Last(Rules);
    impl Drop for Last {
        fn drop(&mut self) {
            assert_eq!(run(&self.0, &FIVE, 1), Fate::Drop);
        }
    }
    thread_local! { static LAST: RefCell<Option<Last>> = const { RefCell::new(None) } }
    let rules = Rules::from_text("r", &yaml(LOW), Bounds::default(), Silent).unwrap();
    for _ in 0..100 {
        let own = rules.clone();
        std::thread::spawn(move || LAST.with(|last| *last.borrow_mut() = Some(Last(own)))).join().unwrap();
    }
    assert_eq!((rules.counts().dropped, rules.counts().panics), (100, 0));
}

/// A value whose text cannot be made without emitting, or at all.
struct Talking(bool);

impl Debug for Talking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!(inner = 1, "while a record is judged");
        assert!(self.0, "it cannot be said");
        f.write_str("said")
    }
}

#[test]
fn values_that_emit_or_panic_while_they_are_read_harm_nothing() {
    let by_value = "  - {name: said, to: drop, kql: 'logs | where tostring(Attributes[\"value\"]) == \"said\"'}\n";
    let rules = Rules::from_text("r", &yaml(&format!("{by_value}{HOLD}")), Bounds::default(), Silent).unwrap();
    let subscriber = tracing_subscriber::registry().with(RulesLayer::new(rules.clone()));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(value = ?Talking(true), "once");
        assert_eq!(account(&rules, "said").dropped, 1);
        tracing::info!(value = ?Talking(false), "panics");
        tracing::info!(value = ?Talking(true), "again");
    });
    assert_eq!((account(&rules, "said").dropped, rules.counts().panics), (1, 1), "anew after the panic");
}

#[test]
fn texts_that_stay_for_good_are_as_many_as_is_said_from_any_thread() {
    let name = "  - {name: name, tiers: [in-process], to: replace, kql: 'logs | extend EventName = tostring(Attributes[\"n\"])'}\n";
    let rules = Rules::from_text("r", &yaml(name), Bounds::default(), Silent).unwrap();
    let seen = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(RulesLogProcessor::new(rules.clone(), SimpleLogProcessor::new(seen.clone())))
        .build();
    let emit = |number: usize| {
        let logger = provider.logger("shop");
        let mut record = logger.create_log_record();
        record.add_attribute("n", AnyValue::from(format!("event {number}")));
        logger.emit(record);
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| (0..200).for_each(emit)))));
    assert_eq!(rules.counts().unfit, 0);
    seen.reset();
    (150..300).for_each(emit);
    let names: Vec<_> = seen.get_emitted_logs().unwrap().iter().map(|one| one.record.event_name().unwrap()).collect();
    assert_eq!((names[0], names[105], names[149]), ("event 150", "event 255", ""));
    assert_eq!(rules.counts().unfit, 44);
    assert_eq!(rules.counts().contended, 0);
}

#[test]
fn what_rules_make_goes_to_the_wrapper_that_is_left() {
    let slow = "  - {name: slow, tiers: [in-process], to: logs, kql: 'spans | project Body = SpanName'}\n";
    let rules = Rules::from_text("r", &yaml(slow), Bounds::default(), Silent).unwrap();
    let wrapped = || {
        let seen = InMemoryLogExporter::default();
        let processor = RulesLogProcessor::new(rules.clone(), SimpleLogProcessor::new(seen.clone()));
        (SdkLoggerProvider::builder().with_log_processor(processor).build(), seen)
    };
    let ((first, _), (second, seen)) = (wrapped(), wrapped());
    let spans = SdkTracerProvider::builder()
        .with_span_processor(RulesSpanProcessor::new(
            rules.clone(),
            SimpleSpanProcessor::new(InMemorySpanExporter::default()),
        ))
        .build();
    first.shutdown().unwrap();
    spans.tracer("web").start("GET").end();
    second.force_flush().unwrap();
    assert_eq!((seen.get_emitted_logs().unwrap().len(), rules.counts().unsent), (1, 0));
    // Dropped and not shut down: nobody is there.
    drop(second);
    spans.tracer("web").start("GET").end();
    assert_eq!(rules.counts().unsent, 1);
}

#[test]
fn a_record_past_the_bound_passes_and_its_room_is_given_back() {
    let bounds = Bounds { record_bytes_max: 1 << 10, ..Bounds::default() };
    let by_body = "  - {name: body, to: drop, kql: logs | where Body has \"needle\"}\n";
    let rules = Rules::from_text("r", &yaml(by_body), bounds, Silent).unwrap();
    let seen = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(RulesLogProcessor::new(rules.clone(), SimpleLogProcessor::new(seen.clone())))
        .build();
    for size in [10, 2_000, 100] {
        for name in ["shop".to_owned(), "s".repeat(2_000)] {
            let logger = provider.logger(name);
            let mut record = logger.create_log_record();
            record.set_body(AnyValue::from(format!("needle {}", "x".repeat(size))));
            logger.emit(record);
        }
    }
    // No rule reads the name of the scope.
    assert_eq!((seen.get_emitted_logs().unwrap().len(), rules.counts().too_large), (2, 2));
}
