//! The rules of docs/otel-demo.md do what the transform processor of the OpenTelemetry demo does.

use dtq_e2e::collect::{self, Collect, post};
use dtq_e2e::otelcol;
use dtq_e2e::process::free_addresses;
use dtq_e2e::setup::{Part, folder, or_skip};
use dtq_e2e::telemetry::{Telemetry, assert_same, records, sample};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use std::path::PathBuf;

/// The three statements, as docs/otel-demo.md has them from open-telemetry/opentelemetry-demo.
const STATEMENTS: &str = r#"  transform:
    error_mode: ignore
    trace_statements:
      - context: span
        statements:
          - replace_pattern(name, "\\?.*", "")
          - replace_match(name, "GET /api/products/*", "GET /api/products/{productId}")
    metric_statements:
      - context: resource
        statements:
          - set(attributes["service.instance.id"], attributes["service.name"]) where attributes["service.instance.id"] == nil and attributes["service.name"] != nil
"#;

/// Names of spans: those of the demo, and those at the edges of the two statements.
const NAMES: [&str; 17] = [
    "GET /cart?sessionId=42&currencyCode=USD",
    "GET /api/products/OLJCESPC7Z",
    "GET /api/products/OLJCESPC7Z?currencyCode=USD",
    "GET /api/products/",
    "GET /api/products",
    "GET /api/products?currencyCode=USD",
    "GET /api/products/a/b/c",
    "get /api/products/a",
    "POST /api/products/a",
    " GET /api/products/a",
    "oteldemo.CartService/GetCart",
    "?",
    "",
    "what? now? really?",
    "two?lines\nof?text",
    "GET /api/products/line\nbreak",
    "GET /\u{e4}\u{2713}?\u{1f980}",
];

fn rules() -> PathBuf {
    folder().join("../../docs/otel-demo")
}

fn spans() -> Telemetry {
    let spans = NAMES.iter().zip(1u8..).map(|(name, number)| Span {
        trace_id: vec![number; 16],
        span_id: vec![number; 8],
        name: (*name).to_owned(),
        kind: 2,
        // The Collector writes a status into every span.
        status: Some(Default::default()),
        ..Default::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..Default::default() };
    let resource = Some(Resource { attributes: vec![entry("service.name", "frontend")], ..Default::default() });
    let resource_spans = vec![ResourceSpans { resource, scope_spans: vec![scope], ..Default::default() }];
    Telemetry::Traces(ExportTraceServiceRequest { resource_spans })
}

fn entry(key: &str, value: &str) -> KeyValue {
    valued(key, Some(Value::StringValue(value.to_owned())))
}

fn valued(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..Default::default() }
}

/// Returns metrics of resources with and without what the third statement looks at.
fn metrics() -> Telemetry {
    let id = "service.instance.id";
    let resources = [
        vec![entry("service.name", "cart")],
        vec![entry("service.name", "cart"), entry(id, "cart-7")],
        vec![entry("service.name", "cart"), entry(id, "")],
        vec![entry("service.name", ""), entry("host.name", "node-1")],
        vec![entry("host.name", "node-1")],
        vec![entry("host.name", "node-1"), entry(id, "alone")],
        vec![valued("service.name", Some(Value::IntValue(7)))],
        vec![valued("service.name", Some(Value::BoolValue(true)))],
        vec![valued("service.name", None)],
        vec![],
    ];
    let resource_metrics = resources.into_iter().map(|attributes| {
        let value = Some(number_data_point::Value::AsInt(1));
        let points = vec![NumberDataPoint { time_unix_nano: 1_700_000_000_000_000_000, value, ..Default::default() }];
        let data = Some(Data::Gauge(Gauge { data_points: points }));
        let metric = Metric { name: "app.cart.items".to_owned(), data, ..Default::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let resource = Some(Resource { attributes, ..Default::default() });
        ResourceMetrics { resource, scope_metrics: vec![scope], ..Default::default() }
    });
    Telemetry::Metrics(ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() })
}

#[test]
fn rules_do_what_the_transforms_of_the_otel_demo_do() {
    for command in ["check", "test"] {
        let output = collect::run(&rules(), &[command, "rules.yaml"]);
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("warning"), "{command}: {output:?}");
    }
    let Some(binary) = or_skip("rules_do_what_the_transforms_of_the_otel_demo_do", Part::Collector) else { return };
    let folder = tempfile::tempdir().unwrap();
    let addresses = free_addresses(2);
    let file = |name: &str| folder.path().join(format!("{name}.json"));
    let receivers = ["transformed", "ruled"]
        .iter()
        .zip(&addresses)
        .map(|(name, address)| format!("  otlp/{name}: {{protocols: {{http: {{endpoint: '{address}'}}}}}}\n"));
    let exporters = ["transformed", "ruled"]
        .map(|name| format!("  file/{name}: {{path: {}, flush_interval: 100ms}}\n", file(name).display()));
    let pipelines = ["logs", "metrics", "traces"].map(|signal| {
        let processors = if signal == "logs" { "" } else { ", processors: [transform]" };
        format!(
            "    {signal}/t: {{receivers: [otlp/transformed], exporters: [file/transformed]{processors}}}\n    \
             {signal}/r: {{receivers: [otlp/ruled], exporters: [file/ruled]}}\n"
        )
    });
    let config = format!(
        "receivers:\n{}processors:\n{STATEMENTS}exporters:\n{}service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
         pipelines:\n{}",
        receivers.collect::<String>(),
        exporters.concat(),
        pipelines.concat()
    );
    let collector = otelcol::start(&binary, folder.path(), &config);
    std::fs::create_dir_all(folder.path().join("rules")).unwrap();
    std::fs::copy(rules().join("rules.yaml"), folder.path().join("rules/rules.yaml")).unwrap();
    let destination = format!("{{endpoint: 'http://{}', protocol: http/protobuf}}", addresses[1]);
    let config = format!("listen:\n- address: 127.0.0.1:0\ndestinations: {{collector: {destination}}}\n");
    let collect = Collect::start(folder.path(), &config);

    let mut sent = vec![spans(), metrics()];
    sent.extend(sample("otel-demo"));
    for telemetry in &sent {
        assert_eq!(post(addresses[0].port(), telemetry), 200, "{}", collector.said());
        assert_eq!(post(collect.port(0), telemetry), 200, "{}", collect.running.said());
    }
    let count = records(&sent).len();
    let transformed = records(&otelcol::recorded_in_time(&file("transformed"), count));
    let ruled = records(&otelcol::recorded_in_time(&file("ruled"), count));
    assert_same("rules and transforms", &ruled, &transformed);
    assert_ne!(transformed, records(&sent), "the transforms change something");
    assert!(transformed.iter().any(|record| record.contains("GET /api/products/{productId}")));
    assert!(transformed.iter().any(|record| record.contains("service.instance.id") && record.contains("IntValue(7)")));
}
