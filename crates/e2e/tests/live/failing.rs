//! Destinations that fail behind `dtq collect`, as official exporters see it.

use crate::apps::{App, Sdk};
use dtq_e2e::collect::{Collect, post};
use dtq_e2e::otelcol;
use dtq_e2e::process::{eventually, free_addresses};
use dtq_e2e::setup::{Part, or_skip};
use dtq_e2e::sink::{Act, Sink};
use dtq_e2e::telemetry::{Telemetry, assert_same, records, sample};
use std::path::Path;
use std::time::Duration;

/// The protocols by which `dtq collect` sends.
const OUT: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

fn collect(folder: &Path, sink: &Sink, protocol: &str, more: &str) -> Collect {
    let endpoint = sink.url();
    let destination = format!("{{endpoint: '{endpoint}', protocol: {protocol}, retry: {{initial: 10ms}}}}");
    Collect::start(folder, &format!("listen:\n- address: 127.0.0.1:0\ndestinations: {{sink: {destination}}}\n{more}"))
}

/// Emits through `collect`, and straight to a sink of its own; returns what was said, and what should have arrived.
fn emit(app: &App, protocol: &str, collect: &Collect) -> (String, Vec<String>) {
    let direct = Sink::with([]);
    let endpoint = format!("http://localhost:{}", collect.port(0));
    let said = app.emit(protocol, &direct.url(), &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    (said, records(&direct.taken()))
}

/// Each exporter with each way out that suits it, so that every one of both is tried.
fn pairs(test: &str) -> Vec<(App, &'static str, &'static str)> {
    let mut pairs = Vec::new();
    for sdk in [Sdk::Python, Sdk::JavaScript] {
        for (protocol, out) in sdk.protocols().iter().zip(OUT) {
            pairs.extend(sdk.or_skip(test).map(|app| (app, *protocol, out)));
        }
    }
    pairs
}

#[test]
fn a_short_failure_is_not_seen_by_exporters() {
    for (app, protocol, out) in pairs("a_short_failure_is_not_seen_by_exporters") {
        let short = Duration::from_millis(20);
        let acts = [Act::Unavailable(Some(short)), Act::TooMany(short), Act::Unavailable(None), Act::Slow(short)];
        let sink = Sink::with(acts);
        let folder = tempfile::tempdir().unwrap();
        let collect = collect(folder.path(), &sink, out, "");
        let (said, wanted) = emit(&app, protocol, &collect);
        assert_eq!(said.matches("SUCCESS").count(), 3, "{protocol} to {out}: {said}");
        assert_same(&format!("{:?} {protocol} to {out}", app.sdk), &records(&sink.taken()), &wanted);
        assert_eq!(collect.metric("dtq_send_retries_total"), 3);
        assert_eq!(collect.metric("dtq_send_expired_requests_total"), 0);
    }
}

#[test]
fn a_long_failure_is_handed_on_and_exporters_try_again() {
    for (app, protocol, out) in pairs("a_long_failure_is_handed_on_and_exporters_try_again") {
        // Longer than a request may take here, so that the exporter has to wait, and not `dtq collect`.
        let long = Duration::from_secs(2);
        let sink = Sink::with([Act::Unavailable(Some(long))]);
        let folder = tempfile::tempdir().unwrap();
        let collect = collect(folder.path(), &sink, out, "limits: {request_timeout: 1s}\n");
        let (said, wanted) = emit(&app, protocol, &collect);
        assert_eq!(collect.metric("dtq_send_abandoned_requests_total"), 1, "{protocol} to {out}");
        if app.sdk.gives_up_at_once(protocol) {
            let (lost, taken) = (said.matches("FAILURE").count(), said.matches("SUCCESS").count());
            assert_eq!((lost, taken), (1, 2), "{protocol} to {out}: {said}");
            assert!(said.contains("14 UNAVAILABLE: destination `"), "{said}");
            continue;
        }
        assert_eq!(said.matches("SUCCESS").count(), 3, "{protocol} to {out}: {said}");
        assert_same(&format!("{:?} {protocol} to {out}", app.sdk), &records(&sink.taken()), &wanted);
    }
}

#[test]
fn what_is_refused_for_good_is_tried_once() {
    for (app, protocol, out) in pairs("what_is_refused_for_good_is_tried_once") {
        let sink = Sink::with([Act::Refuse]);
        let folder = tempfile::tempdir().unwrap();
        let collect = collect(folder.path(), &sink, out, "");
        let (said, _) = emit(&app, protocol, &collect);
        let (refused, taken) = (said.matches("FAILURE").count(), said.matches("SUCCESS").count());
        assert_eq!((refused, taken), (1, 2), "{protocol} to {out}: {said}");
        assert_eq!(sink.recorded().len(), 3, "{protocol} to {out}");
        assert_eq!(collect.metric("dtq_send_refused_requests_total"), 1);
    }
}

#[test]
fn a_partial_success_reaches_exporters() {
    // The exporters for Python have no word about it.
    let test = "a_partial_success_reaches_exporters";
    let Some(app) = Sdk::JavaScript.or_skip(test) else { return };
    for protocol in Sdk::JavaScript.protocols() {
        for out in OUT {
            let sink = Sink::with([1, 2, 3].map(|count| Act::Partial(count, "too old".to_owned())));
            let folder = tempfile::tempdir().unwrap();
            let collect = collect(folder.path(), &sink, out, "");
            let (said, _) = emit(&app, protocol, &collect);
            assert_eq!(said.matches("SUCCESS").count(), 3, "{protocol} to {out}: {said}");
            assert_eq!(said.matches("Received Partial Success response").count(), 3, "{protocol} to {out}: {said}");
            assert_eq!(said.matches("too old").count(), 3, "{protocol} to {out}: {said}");
            assert_eq!(collect.metric("dtq_send_rejected_records_total"), 6);
            assert_eq!(sink.recorded().len(), 3);
        }
    }
}

#[test]
fn the_collector_waits_as_long_as_it_is_told_and_hears_of_partial_success() {
    let test = "the_collector_waits_as_long_as_it_is_told_and_hears_of_partial_success";
    let Some(binary) = or_skip(test, Part::Collector) else { return };
    for (kind, out) in [("otlp", "http/protobuf"), ("otlphttp", "grpc")] {
        // Longer than dtq would wait itself.
        let wait = Duration::from_secs(3);
        let sink = Sink::with([Act::Unavailable(Some(wait)), Act::Take, Act::Partial(1, "too old".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let collect = collect(folder.path(), &sink, out, "limits: {request_timeout: 1s}\n");
        let address = free_addresses(1)[0];
        let scheme = if kind == "otlp" { "" } else { "http://" };
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}}}\nexporters: {{{kind}: {{endpoint: \
             '{scheme}localhost:{}', tls: {{insecure: true}}, retry_on_failure: {{initial_interval: 50ms}}, \
             sending_queue: {{enabled: false}}}}}}\nservice: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{logs: \
             {{receivers: [otlp], exporters: [{kind}]}}}}}}\n",
            collect.port(0)
        );
        let collector = otelcol::start(&binary, folder.path(), &config);
        let sent: Telemetry = sample("by-the-collector")[0].clone();
        assert_eq!(post(address.port(), &sent), 200, "{kind}: {}", collector.said());
        let recorded = sink.recorded();
        assert_eq!(recorded.len(), 2, "{kind}: {}", collector.said());
        assert!(recorded[1].at - recorded[0].at >= wait, "{kind}: it waits as RetryInfo or Retry-After says");
        assert_same(kind, &records(&sink.taken()), &records([&sent]));
        assert_eq!(post(address.port(), &sent), 200, "{kind}: {}", collector.said());
        let heard = eventually(|| collector.said().contains("Partial success").then_some(()));
        assert!(heard.is_some() && collector.said().contains("too old"), "{kind}: {}", collector.said());
    }
}
