//! Metrics of the OpenTelemetry SDK through the rules: to the SDK's own exporter, or as bytes to a sink.
//!
//! What the sink gets is compared with what the SDK's own conversion to OTLP makes of the same export.
#![allow(clippy::unwrap_used)]

use dtq_inprocess::otel::{RulesLogProcessor, RulesMetricExporter, RulesSpanProcessor};
use dtq_inprocess::{Bounds, Host, Notice, Rules, Silent};
use opentelemetry::KeyValue;
use opentelemetry::logs::{LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider, SimpleLogProcessor};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{
    Aggregation, InMemoryMetricExporter, InMemoryMetricExporterBuilder, Instrument, PeriodicReader, SdkMeterProvider,
    Stream, Temporality,
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
use prost::Message;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Requests = Arc<Mutex<Vec<ExportMetricsServiceRequest>>>;

/// Notes every export as the SDK converts it, and hands it on.
struct Noting<E> {
    inner: E,
    seen: Requests,
}

impl<E: PushMetricExporter> PushMetricExporter for Noting<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.seen.lock().unwrap().push(metrics.into());
        self.inner.export(metrics).await
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

fn rules(text: &str) -> Rules {
    rules_of(text, Silent)
}

fn rules_of(text: &str, host: impl Host) -> Rules {
    let yaml = format!("apiVersion: dtq/v1\nrules:\n{text}");
    Rules::from_text("rules.yaml", &yaml, Bounds::default(), host).unwrap_or_else(|error| panic!("{error}"))
}

/// A provider whose exports pass rules, with all that can be seen of it.
struct Bench {
    provider: SdkMeterProvider,
    /// What the SDK collected.
    collected: Requests,
    /// What reached the wrapped exporter.
    passed: InMemoryMetricExporter,
    /// What the sink got.
    sent: Requests,
}

impl Bench {
    fn new(rules: &Rules, temporality: Temporality, has_sink: bool) -> Self {
        let passed = InMemoryMetricExporterBuilder::new().with_temporality(temporality).build();
        let (collected, sent) = (Requests::default(), Requests::default());
        let to = Arc::clone(&sent);
        let sink = move |request: Vec<u8>| {
            to.lock().unwrap().push(ExportMetricsServiceRequest::decode(&*request).unwrap());
            Ok(())
        };
        let exporter = if has_sink {
            RulesMetricExporter::with_sink(rules.clone(), passed.clone(), sink)
        } else {
            RulesMetricExporter::new(rules.clone(), passed.clone())
        };
        let reader = PeriodicReader::builder(Noting { inner: exporter, seen: Arc::clone(&collected) })
            .with_interval(Duration::from_secs(3600))
            .build();
        let exponential = |instrument: &Instrument| {
            let aggregation =
                Aggregation::Base2ExponentialHistogram { max_size: 8, max_scale: 5, record_min_max: true };
            (instrument.name() == "size").then(|| Stream::builder().with_aggregation(aggregation).build().unwrap())
        };
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder_empty().with_service_name("shop").build())
            .with_view(exponential)
            .with_reader(reader)
            .build();
        Self { provider, collected, passed, sent }
    }

    /// Measures something of every kind, twice: once with the attribute `noise`.
    fn measure(&self) {
        let meter = self.provider.meter("checkout");
        for noise in ["no", "yes"] {
            let own = [KeyValue::new("noise", noise), KeyValue::new("host", "a")];
            meter.u64_counter("orders").with_unit("{order}").with_description("Orders.").build().add(3, &own);
            meter.f64_up_down_counter("open").build().add(-1.5, &own);
            meter.i64_gauge("depth").build().record(-7, &own);
            meter.f64_gauge("load").build().record(0.25, &own);
            let duration = meter.f64_histogram("duration").with_boundaries(vec![1.0, 10.0]).build();
            let size = meter.u64_histogram("size").build();
            for value in [1, 5, 50_u32] {
                duration.record(f64::from(value), &own);
                size.record(u64::from(value), &own);
            }
        }
    }

    fn flush(&self) -> OTelSdkResult {
        self.provider.force_flush()
    }
}

/// Calls `each` for every metric of a request.
fn each_metric(request: &mut ExportMetricsServiceRequest, each: impl FnMut(&mut Metric)) {
    let scopes = request.resource_metrics.iter_mut().flat_map(|one| &mut one.scope_metrics);
    scopes.flat_map(|one| &mut one.metrics).for_each(each);
}

/// Removes points, and attributes of points, whatever kind they are.
fn edit(
    metric: &mut Metric,
    is_kept: impl Fn(&[opentelemetry_proto::tonic::common::v1::KeyValue]) -> bool,
    without: &str,
) {
    macro_rules! points {
        ($($kind:ident),*) => {
            match metric.data.as_mut().unwrap() {
                $(Data::$kind(data) => {
                    data.data_points.retain(|point| is_kept(&point.attributes));
                    data.data_points.iter_mut().for_each(|point| point.attributes.retain(|one| one.key != without));
                })*
            }
        };
    }
    points!(Gauge, Sum, Histogram, ExponentialHistogram, Summary);
}

fn is_noise(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]) -> bool {
    attributes.iter().any(|one| {
        one.key == "noise" && one.value.as_ref().unwrap().value == Some(Value::StringValue("yes".to_owned()))
    })
}

const NO_NOISE: &str =
    "  - {name: noise, to: drop, kql: 'metrics | where tostring(Attributes[\"noise\"]) == \"yes\"'}\n";

#[test]
fn points_of_every_kind_are_dropped_and_all_others_stay_as_they_are() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let rules = rules(NO_NOISE);
        let bench = Bench::new(&rules, temporality, true);
        for round in 0..2 {
            bench.measure();
            bench.flush().unwrap();
            let mut expected = bench.collected.lock().unwrap()[round].clone();
            let mut kinds = Vec::new();
            each_metric(&mut expected, |metric| {
                edit(metric, |attributes| !is_noise(attributes), "");
                kinds.push(metric.name.clone());
            });
            kinds.sort_unstable();
            assert_eq!(kinds, ["depth", "duration", "load", "open", "orders", "size"]);
            let sent = bench.sent.lock().unwrap();
            assert_eq!(sent[round], expected, "{temporality:?}, export {round}");
        }
        assert!(bench.passed.get_finished_metrics().unwrap().is_empty(), "what is changed goes to the sink alone");
        assert_eq!(rules.accounts()[0].account.dropped, 12);
        assert_eq!((rules.counts().records, rules.counts().edited), (2, 2), "exports");
    }
}

#[test]
fn streams_are_dropped_by_name_and_kind_and_an_export_without_points_is_not_sent() {
    let text = "  - {name: few, to: drop, kql: 'metrics | where MetricType in (\"Histogram\", \"ExponentialHistogram\") or MetricName has \"depth\" and tostring(Scope.Name) == \"checkout\"'}\n";
    let rules = rules(text);
    let bench = Bench::new(&rules, Temporality::Delta, true);
    bench.measure();
    bench.flush().unwrap();
    let mut names = Vec::new();
    each_metric(&mut bench.sent.lock().unwrap()[0], |metric| names.push(metric.name.clone()));
    names.sort_unstable();
    assert_eq!(names, ["load", "open", "orders"]);

    rules
        .reload_text("rules.yaml", "apiVersion: dtq/v1\nrules:\n  - {name: all, to: drop, kql: metrics | where true}\n")
        .unwrap();
    bench.measure();
    bench.flush().unwrap();
    assert_eq!(bench.sent.lock().unwrap().len(), 1);
    assert!(bench.passed.get_finished_metrics().unwrap().is_empty());
    assert_eq!(rules.counts().dropped, 1);
}

#[test]
fn attributes_are_removed_where_the_rule_says_that_series_stay_apart() {
    let rules = rules(
        "  - {name: no-host, tiers: [in-process], to: replace, identity: preserved, kql: 'metrics | extend Attributes = bag_remove_keys(Attributes, dynamic([\"host\"]))'}\n",
    );
    let bench = Bench::new(&rules, Temporality::Cumulative, true);
    bench.measure();
    bench.flush().unwrap();
    let mut expected = bench.collected.lock().unwrap()[0].clone();
    each_metric(&mut expected, |metric| edit(metric, |_| true, "host"));
    assert_eq!(bench.sent.lock().unwrap()[0], expected);
    assert_eq!(rules.accounts()[0].account.edited, 12);
}

#[test]
fn an_export_that_rules_leave_as_it_is_goes_to_the_exporter() {
    for has_sink in [false, true] {
        let rules = rules("  - {name: none, to: drop, kql: 'metrics | where MetricName == \"nothing\"'}\n");
        let bench = Bench::new(&rules, Temporality::Delta, has_sink);
        bench.measure();
        bench.flush().unwrap();
        let passed: ExportMetricsServiceRequest = (&bench.passed.get_finished_metrics().unwrap()[0]).into();
        assert_eq!(passed, bench.collected.lock().unwrap()[0]);
        assert!(bench.sent.lock().unwrap().is_empty());
    }
}

#[test]
fn rules_for_other_signals_cost_metrics_nothing() {
    let rules = rules("  - {name: low, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n");
    let bench = Bench::new(&rules, Temporality::Delta, false);
    bench.measure();
    bench.flush().unwrap();
    assert_eq!(bench.passed.get_finished_metrics().unwrap().len(), 1);
    assert_eq!(rules.accounts()[0].account.seen, 0);
}

#[derive(Clone, Default)]
struct Hearing(Arc<Mutex<Vec<Notice>>>);

impl Host for Hearing {
    fn notice(&self, notice: &Notice) {
        self.0.lock().unwrap().push(notice.clone());
    }
}

#[test]
fn without_a_sink_changed_exports_pass_or_are_withheld_and_say_so_once() {
    let host = Hearing::default();
    let unprotected = rules_of(NO_NOISE, host.clone());
    let bench = Bench::new(&unprotected, Temporality::Delta, false);
    for _ in 0..2 {
        bench.measure();
        bench.flush().unwrap();
    }
    let passed: ExportMetricsServiceRequest = (&bench.passed.get_finished_metrics().unwrap()[0]).into();
    assert_eq!(passed, bench.collected.lock().unwrap()[0]);
    assert_eq!((unprotected.counts().unfit, unprotected.counts().withheld), (2, 0));
    let said: Vec<_> = host.0.lock().unwrap().iter().map(|one| one.event_name).collect();
    assert_eq!(said, ["dtq.inprocess.unfit"]);

    let protective = rules(&NO_NOISE.replace("to: drop", "to: drop, on_error: drop"));
    let bench = Bench::new(&protective, Temporality::Delta, false);
    bench.measure();
    assert!(bench.flush().is_err());
    assert!(bench.passed.get_finished_metrics().unwrap().is_empty());
    assert_eq!((protective.counts().unfit, protective.counts().withheld), (1, 1));
}

/// Returns name and sum of all points of all sums that were sent.
fn sums(sent: &[ExportMetricsServiceRequest]) -> Vec<(String, f64)> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for mut request in sent.iter().cloned() {
        each_metric(&mut request, |metric| {
            let Some(Data::Sum(sum)) = &metric.data else { return };
            let total = sum.data_points.iter().map(|point| match point.value {
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                Some(number_data_point::Value::AsDouble(value)) => value,
                None => 0.0,
            });
            sums.push((metric.name.clone(), total.sum()));
        });
    }
    sums
}

#[test]
fn metrics_made_of_logs_and_spans_leave_with_the_next_export() {
    let rules = rules("  - {name: count, tiers: [in-process], to: metrics, interval: 1h, metrics: {n: {name: logs.n, type: sum, unit: '1'}}, kql: 'logs | project n = 1, severity = SeverityText'}
  - {name: spans, tiers: [in-process], to: metrics, interval: 1h, metrics: {n: {name: spans.n, type: sum, unit: '1'}}, kql: 'spans | project n = 1, name = SpanName'}\n");
    let bench = Bench::new(&rules, Temporality::Delta, true);
    let logs = SdkLoggerProvider::builder()
        .with_log_processor(RulesLogProcessor::new(
            rules.clone(),
            SimpleLogProcessor::new(InMemoryLogExporter::default()),
        ))
        .build();
    let spans = SdkTracerProvider::builder()
        .with_span_processor(RulesSpanProcessor::new(
            rules.clone(),
            SimpleSpanProcessor::new(InMemorySpanExporter::default()),
        ))
        .build();
    for _ in 0..5 {
        let logger = logs.logger("shop");
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Info);
        record.set_severity_text("INFO");
        logger.emit(record);
    }
    drop(spans.tracer("web").start("GET"));
    // The logs' processor is the first to end, and what rules owe waits for the metrics' exporter.
    logs.shutdown().unwrap();
    assert!(bench.sent.lock().unwrap().is_empty());
    bench.measure();
    bench.provider.shutdown().unwrap();
    let mut made = sums(&bench.sent.lock().unwrap());
    made.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(made, [("logs.n".to_owned(), 5.0), ("spans.n".to_owned(), 1.0)]);
    assert_eq!(bench.passed.get_finished_metrics().unwrap().len(), 1, "what was measured passed unchanged");
    assert_eq!(rules.counts().unsent, 0);
}

#[test]
fn points_become_other_points() {
    let rules = rules(
        "  - {name: per-host, tiers: [in-process], to: metrics, consume: true, interval: 1h, metrics: {n: {name: orders.all, type: sum, unit: '1'}}, kql: 'metrics | where MetricName == \"orders\" | project n = MetricValue, host = tostring(Attributes[\"host\"])'}\n",
    );
    let bench = Bench::new(&rules, Temporality::Delta, true);
    bench.measure();
    bench.flush().unwrap();
    bench.provider.shutdown().unwrap();
    let sent = bench.sent.lock().unwrap();
    assert!(!sums(&sent).iter().any(|(name, _)| name == "orders"), "consumed");
    assert!(sums(&sent).contains(&("orders.all".to_owned(), 6.0)), "{:?}", sums(&sent));
}

/// Panics, or fails.
struct Failing {
    panics: bool,
}

impl PushMetricExporter for Failing {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        assert!(!self.panics, "the exporter panics");
        Err(OTelSdkError::Timeout(Duration::from_secs(1)))
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        panic!("so does its end")
    }
    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }
}

#[test]
fn panics_of_exporter_and_sink_end_at_the_wrapper() {
    for panics in [true, false] {
        let rules = rules(NO_NOISE);
        let sink = |_| -> OTelSdkResult { panic!("the sink panics") };
        let exporter = RulesMetricExporter::with_sink(rules.clone(), Failing { panics }, sink);
        let reader = PeriodicReader::builder(exporter).with_interval(Duration::from_secs(3600)).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let counter = provider.meter("m").u64_counter("orders").build();
        counter.add(1, &[]);
        assert!(provider.force_flush().is_err(), "unchanged, to the exporter");
        counter.add(1, &[KeyValue::new("noise", "yes")]);
        counter.add(1, &[]);
        assert!(provider.force_flush().is_err(), "changed, to the sink");
        assert!(provider.shutdown().is_err());
        assert!(rules.counts().panics_behind >= 2, "{:?}", rules.counts());
        assert_eq!(rules.counts().panics, 0);
    }
}
