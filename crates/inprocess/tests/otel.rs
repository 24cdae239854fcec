//! The wrappers of the OpenTelemetry SDK and the layer of `tracing`, over recording processors.
#![allow(clippy::unwrap_used)]

use dtq_inprocess::layer::RulesLayer;
use dtq_inprocess::otel::{RulesLogProcessor, RulesSpanProcessor};
use dtq_inprocess::{Bounds, Fate, Host, Notice, Rules, Running, Silent};
use dtq_record::otlp::Signal;
use dtq_rules::engine::Emission;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{Span, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Seen<T> = Arc<Mutex<Vec<T>>>;

#[derive(Debug, Clone, Default)]
struct Recording {
    logs: Seen<(SdkLogRecord, InstrumentationScope)>,
    spans: Seen<SpanData>,
}

impl LogProcessor for Recording {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.logs.lock().unwrap().push((record.clone(), scope.clone()));
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl SpanProcessor for Recording {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}
    fn on_end(&self, span: SpanData) {
        self.spans.lock().unwrap().push(span);
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn yaml(rules: &str) -> String {
    format!("apiVersion: dtq/v1\nrules:\n{rules}")
}

fn rules(text: &str) -> Rules {
    Rules::from_text("rules.yaml", &yaml(text), Bounds::default(), Silent).unwrap_or_else(|error| panic!("{error}"))
}

fn logging(rules: &Rules) -> (SdkLoggerProvider, SdkLogger, Recording) {
    let seen = Recording::default();
    let provider = SdkLoggerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build())
        .with_log_processor(RulesLogProcessor::new(rules.clone(), seen.clone()))
        .build();
    let logger = provider.logger("checkout");
    (provider, logger, seen)
}

fn emit(logger: &SdkLogger, severity: Severity, name: &'static str, attributes: &[(&'static str, &str)]) {
    let mut record = logger.create_log_record();
    record.set_severity_number(severity);
    record.set_event_name(name);
    record.set_body("hello".into());
    attributes.iter().for_each(|(key, value)| record.add_attribute(*key, (*value).to_owned()));
    logger.emit(record);
}

fn attribute(record: &SdkLogRecord, key: &str) -> Option<AnyValue> {
    record.attributes_iter().find(|(own, _)| own.as_str() == key).map(|(_, value)| value.clone())
}

#[test]
fn logs_are_dropped_from_their_fields_and_counted() {
    let rules = rules("  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
  - {name: banner, to: drop, kql: 'logs | where tostring(Attributes[\"kind\"]) == \"banner\" and tostring(Resource[\"service.name\"]) == \"shop\"'}\n");
    let (_provider, logger, seen) = logging(&rules);
    emit(&logger, Severity::Debug, "a", &[]);
    emit(&logger, Severity::Info, "b", &[("kind", "banner")]);
    emit(&logger, Severity::Info, "c", &[("kind", "order")]);
    let logs = seen.logs.lock().unwrap();
    assert_eq!(logs.iter().map(|(record, _)| record.event_name()).collect::<Vec<_>>(), [Some("c")]);
    let counts = rules.counts();
    assert_eq!((counts.records, counts.dropped, counts.decided_from_fields, counts.edited), (3, 2, 3, 0));
    let dropped: Vec<u64> = rules.accounts().iter().map(|one| one.account.dropped).collect();
    assert_eq!(dropped, [1, 1]);
}

#[test]
fn edits_remove_attributes_and_keep_all_else() {
    let rules = rules(
        "  - {name: secret, tiers: [in-process], on_error: drop, to: replace, kql: 'logs | extend Attributes = bag_remove_keys(Attributes, dynamic([\"secret\"]))'}\n",
    );
    let (_provider, logger, seen) = logging(&rules);
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Warn);
    record.set_severity_text("WARN");
    record.set_event_name("paid");
    record.set_target("shop::pay");
    record.set_body(AnyValue::ListAny(Box::new(vec![1.into(), "x".into(), AnyValue::Bytes(Box::new(vec![0, 255]))])));
    record.add_attribute("secret", "4111");
    record.add_attribute("amount", 12.5);
    let mut expected = record.clone();
    logger.emit(record);
    let logs = seen.logs.lock().unwrap();
    let (got, scope) = &logs[0];
    assert_eq!(attribute(got, "secret"), None);
    assert_eq!(attribute(got, "amount"), Some(AnyValue::Double(12.5)));
    assert_eq!((got.body(), got.event_name(), got.severity_text()), (expected.body(), Some("paid"), Some("WARN")));
    assert_eq!((got.target(), scope.name()), (expected.target(), "checkout"));
    expected.set_observed_timestamp(got.observed_timestamp().unwrap());
    assert_eq!(got.observed_timestamp(), expected.observed_timestamp());
    assert_eq!(rules.counts().edited, 1);
}

#[test]
fn both_ways_of_deciding_agree() {
    let text = "  - {name: one, to: drop, kql: 'logs | where SeverityNumber < 9 and EventName != \"keep\"'}
  - {name: two, to: drop, kql: 'logs | where Attributes[\"n\"] == \"2\" or Body has \"zzz\"'}\n";
    let (fast, whole) = (rules(text), rules(text));
    let (_provider, logger, seen) = logging(&fast);
    let mut kept = 0;
    for number in 0..64_u32 {
        let severity = [Severity::Trace, Severity::Info, Severity::Error][number as usize % 3];
        let name = if number % 5 == 0 { "keep" } else { "other" };
        let value = (number % 4).to_string();
        emit(&logger, severity, name, &[("n", &value)]);
        let attribute = opentelemetry_proto::tonic::common::v1::KeyValue {
            key: "n".to_owned(),
            value: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
                value: Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(value)),
            }),
            ..Default::default()
        };
        let record = opentelemetry_proto::tonic::logs::v1::LogRecord {
            severity_number: severity as i32,
            event_name: name.to_owned(),
            attributes: vec![attribute],
            ..Default::default()
        };
        let request = opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
            resource_logs: vec![opentelemetry_proto::tonic::logs::v1::ResourceLogs {
                scope_logs: vec![opentelemetry_proto::tonic::logs::v1::ScopeLogs {
                    log_records: vec![record],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        kept += usize::from(whole.apply(Signal::Logs, &prost::Message::encode_to_vec(&request)).0 == Fate::Pass);
        assert_eq!(seen.logs.lock().unwrap().len(), kept, "record {number}");
    }
    let counts = |rules: &Rules| -> Vec<_> {
        rules.accounts().iter().map(|one| (one.account.seen, one.account.matched, one.account.dropped)).collect()
    };
    assert_eq!(counts(&fast), counts(&whole));
    assert_eq!((fast.counts().decided_from_fields, whole.counts().decided_from_fields), (64, 0));
}

#[test]
fn a_recorder_holds_logs_until_an_error_comes() {
    let rules = rules("  - {name: hold, tiers: [in-process], to: 'recorder:ring', recorder: {keep: 1m}, key: TraceId, kql: logs | where SeverityNumber < 17}
  - {name: out, tiers: [in-process], to: 'flush:ring', key: TraceId, after: 1s, cooldown: 1s, kql: logs | where SeverityNumber >= 17}\n");
    let (_provider, logger, seen) = logging(&rules);
    emit(&logger, Severity::Info, "first", &[("a", "b")]);
    emit(&logger, Severity::Info, "second", &[]);
    assert!(seen.logs.lock().unwrap().is_empty());
    emit(&logger, Severity::Error, "boom", &[]);
    let logs = seen.logs.lock().unwrap();
    let mut names: Vec<_> = logs.iter().filter_map(|(record, _)| record.event_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["boom", "first", "second"]);
    assert!(logs.iter().all(|(_, scope)| scope.name() == "checkout"));
}

#[test]
fn spans_are_dropped_and_edited() {
    let rules = rules("  - {name: health, to: drop, kql: 'spans | where tostring(Attributes[\"url.path\"]) == \"/healthz\" and StatusCode != \"Error\"'}
  - {name: secret, tiers: [in-process], on_error: drop, to: replace, kql: 'spans | extend Attributes = bag_remove_keys(Attributes, dynamic([\"token\"]))'}\n");
    let seen = Recording::default();
    let provider =
        SdkTracerProvider::builder().with_span_processor(RulesSpanProcessor::new(rules.clone(), seen.clone())).build();
    let tracer = provider.tracer("web");
    for path in ["/healthz", "/pay"] {
        let mut span = tracer.span_builder("GET").with_kind(SpanKind::Server).start(&tracer);
        span.set_attribute(KeyValue::new("url.path", path));
        span.set_attribute(KeyValue::new("token", "s3cret"));
        span.add_event("cache", vec![KeyValue::new("hit", true)]);
        span.set_status(Status::Ok);
        span.end();
    }
    let spans = seen.spans.lock().unwrap();
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    assert_eq!(span.attributes, [KeyValue::new("url.path", "/pay")]);
    assert_eq!((span.name.as_ref(), &span.span_kind, &span.status), ("GET", &SpanKind::Server, &Status::Ok));
    assert_eq!(span.events.events[0].attributes, [KeyValue::new("hit", true)]);
    assert_eq!(span.instrumentation_scope.name(), "web");
    assert!(span.span_context.is_valid() && span.span_context.is_sampled() && span.start_time <= span.end_time);
}

/// A host that panics on demand, or whose clock is slow.
#[derive(Default)]
struct Unruly {
    panics: AtomicBool,
    ns: AtomicI64,
    step_ns: AtomicI64,
    notices: Seen<Notice>,
    emissions: Seen<Emission>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Unruly>);

impl Host for Shared {
    fn now_ticks(&self) -> i64 {
        assert!(!self.0.panics.load(Ordering::Relaxed), "the clock of the host panics");
        700_000_000_000_000_000
    }
    fn ns(&self) -> u64 {
        self.0.ns.fetch_add(self.0.step_ns.load(Ordering::Relaxed), Ordering::Relaxed) as u64
    }
    fn notice(&self, notice: &Notice) {
        self.0.notices.lock().unwrap().push(notice.clone());
        panic!("the notice of the host panics too");
    }
    fn emission(&self, emission: Emission) -> bool {
        self.0.emissions.lock().unwrap().push(emission);
        true
    }
}

const LOW: &str = "  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";

#[test]
fn panics_never_reach_the_host() {
    let host = Shared::default();
    let rules = Rules::from_text("r", &yaml(LOW), Bounds::default(), host.clone()).unwrap();
    let (_provider, logger, seen) = logging(&rules);
    host.0.panics.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        emit(&logger, Severity::Debug, "a", &[]);
    }
    host.0.panics.store(false, Ordering::Relaxed);
    emit(&logger, Severity::Debug, "a", &[]);
    assert_eq!(seen.logs.lock().unwrap().len(), 6, "all pass");
    assert_eq!(rules.running(), Running::None);
    let counts = rules.counts();
    assert!(counts.panics >= 5 && counts.while_off == 1, "{counts:?}");
    assert!(rules.reload_text("r", &yaml(LOW)).is_ok());
    emit(&logger, Severity::Debug, "a", &[]);
    assert_eq!(seen.logs.lock().unwrap().len(), 6, "loaded again, rules run again");
}

#[test]
fn rules_over_their_budget_turn_off_but_protective_ones_stay() {
    let host = Shared::default();
    let text = yaml(&format!(
        "{LOW}  - {{name: secret, on_error: drop, to: drop, kql: 'logs | where Attributes[\"secret\"] == \"1\"'}}\n"
    ));
    let rules = Rules::from_text("r", &text, Bounds::default(), host.clone()).unwrap();
    let (_provider, logger, seen) = logging(&rules);
    host.0.step_ns.store(1_000_000, Ordering::Relaxed);
    for _ in 0..64 * 17 {
        emit(&logger, Severity::Debug, "a", &[]);
    }
    assert_eq!(rules.running(), Running::ProtectiveOnly);
    assert_eq!(host.0.notices.lock().unwrap().len(), 1, "said once");
    let passed = seen.logs.lock().unwrap().len();
    emit(&logger, Severity::Debug, "a", &[]);
    emit(&logger, Severity::Debug, "a", &[("secret", "1")]);
    assert_eq!(seen.logs.lock().unwrap().len(), passed + 1);
}

#[test]
fn a_bad_rule_is_refused_with_its_position_and_the_old_ones_stay() {
    let rules = rules(LOW);
    let refused =
        rules.reload_text("new.yaml", &yaml("  - {name: x, to: drop, kql: logs | where SeverityNumbr > 8}\n"));
    let report = refused.unwrap_err().to_string();
    assert!(report.contains("new.yaml:3") && report.contains("SeverityNumbr"), "{report}");
    let (_provider, logger, seen) = logging(&rules);
    emit(&logger, Severity::Debug, "a", &[]);
    assert!(seen.logs.lock().unwrap().is_empty());
    assert_eq!((rules.counts().loads, rules.counts().refusals), (1, 1));
}

#[test]
fn metrics_that_rules_make_go_to_the_host() {
    let host = Shared::default();
    let text = yaml(
        "  - {name: count, tiers: [in-process], to: metrics, metrics: {n: {name: logs.n, type: sum, unit: '1', temporality: delta}}, kql: 'logs | summarize n = count() by bin(Timestamp, 1m)'}\n",
    );
    let rules = Rules::from_text("r", &text, Bounds::default(), host.clone()).unwrap();
    let (provider, logger, seen) = logging(&rules);
    emit(&logger, Severity::Info, "a", &[]);
    provider.shutdown().unwrap();
    assert_eq!(seen.logs.lock().unwrap().len(), 1);
    let emissions = host.0.emissions.lock().unwrap();
    assert_eq!(emissions.iter().map(|one| one.signal).collect::<Vec<_>>(), [Signal::Metrics]);
}

#[test]
fn a_record_that_finds_every_place_taken_goes_on() {
    // The host of a rule set judges from within its own callback, while the place is taken.
    #[derive(Clone, Default)]
    struct Within(Arc<Mutex<Option<Rules>>>, Arc<Mutex<Option<Fate>>>);
    impl Host for Within {
        fn ns(&self) -> u64 {
            if let Some(rules) = self.0.lock().unwrap().take() {
                let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
                *self.1.lock().unwrap() = Some(rules.apply(Signal::Logs, &request).0);
            }
            0
        }
    }
    let host = Within::default();
    let bounds = Bounds { seats: 1, ..Bounds::default() };
    let rules = Rules::from_text("r", &yaml(LOW), bounds, host.clone()).unwrap();
    *host.0.lock().unwrap() = Some(rules.clone());
    let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
    assert_eq!(rules.apply(Signal::Logs, &request).0, Fate::Drop);
    assert_eq!(*host.1.lock().unwrap(), Some(Fate::Pass));
    assert_eq!(rules.counts().contended, 1);
}

#[test]
fn a_changed_file_is_taken_by_a_thread_that_emits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, yaml(LOW)).unwrap();
    let bounds = Bounds { check_ticks: 0, ..Bounds::default() };
    let rules = Rules::from_file(&path, bounds, Silent).unwrap();
    let request = [0x0A, 6, 0x12, 4, 0x12, 2, 0x10, 5];
    assert_eq!(rules.apply(Signal::Logs, &request).0, Fate::Drop);
    std::fs::write(&path, yaml("  - {name: high, to: drop, kql: logs | where SeverityNumber > 16}\n")).unwrap();
    assert_eq!(rules.apply(Signal::Logs, &request).0, Fate::Pass);
    std::fs::write(&path, "rules: [").unwrap();
    assert_eq!(rules.apply(Signal::Logs, &request).0, Fate::Pass);
    assert_eq!((rules.counts().loads, rules.counts().refusals), (2, 1));
}

mod events {
    use super::*;
    use tracing::{Level, event_enabled};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt};

    #[derive(Clone, Default)]
    struct Names(Seen<&'static str>);
    impl<S: tracing::Subscriber> Layer<S> for Names {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().name());
        }
    }

    /// One callsite, called again and again.
    fn chatter(user: &str) {
        tracing::debug!(name: "chatter", target: "hyper::proto", user, "flushed");
    }

    #[test]
    fn callsites_are_switched_off_and_on_with_the_rules() {
        let static_rule = "  - {name: quiet, to: drop, kql: 'logs | where tostring(Scope.Name) startswith_cs \"hyper\" and SeverityNumber between (1 .. 8)'}\n";
        let rules = rules(static_rule);
        let names = Names::default();
        let subscriber = tracing_subscriber::registry().with(RulesLayer::new(rules.clone())).with(names.clone());
        tracing::subscriber::with_default(subscriber, || {
            chatter("ann");
            assert!(!event_enabled!(target: "hyper::proto", Level::DEBUG));
            assert_eq!(rules.counts().records, 0, "no event was looked at");
            rules
                .reload_text(
                    "r",
                    &yaml("  - {name: ann, to: drop, kql: 'logs | where tostring(Attributes[\"user\"]) == \"ann\"'}\n"),
                )
                .unwrap();
            chatter("ann");
            chatter("bob");
            assert_eq!((rules.counts().records, rules.counts().dropped), (2, 1), "decided by value");
            rules.reload_text("r", &yaml(static_rule)).unwrap();
            chatter("bob");
            assert_eq!(rules.counts().records, 2, "off again");
            // A rule in front that counts has to see every event.
            rules.reload_text("r", &yaml(&format!("  - {{name: copy, tiers: [in-process], phase: redact, to: logs, kql: 'logs | project Body'}}\n{static_rule}"))).unwrap();
            chatter("bob");
            assert_eq!(rules.counts().records, 3);
        });
        assert_eq!(*names.0.lock().unwrap(), ["chatter"]);
    }
}
