//! The OpenTelemetry Collector on either side of `dtq collect`: what went in on one side comes out on the other.

use crate::apps::{idle_rules, listeners};
use dtq_e2e::certificates::Certificates;
use dtq_e2e::collect::{Collect, post};
use dtq_e2e::otelcol;
use dtq_e2e::process::free_addresses;
use dtq_e2e::setup::{Part, or_skip};
use dtq_e2e::sink::Sink;
use dtq_e2e::telemetry::{Telemetry, assert_same, records, sample};
use std::fmt::Write;

/// The protocols of OTLP, and how bodies are compressed.
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];
const CODINGS: [&str; 3] = ["none", "gzip", "zstd"];
/// How connections are made: plain, with TLS, with TLS on both sides.
const SAFETIES: [&str; 3] = ["plain", "tls", "mtls"];

/// Names every combination.
fn forms() -> Vec<(String, &'static str, &'static str, &'static str)> {
    let all = PROTOCOLS.iter().flat_map(|protocol| CODINGS.iter().map(move |coding| (*protocol, *coding)));
    let all = all.flat_map(|(protocol, coding)| SAFETIES.iter().map(move |safety| (protocol, coding, *safety)));
    all.map(|(protocol, coding, safety)| {
        (format!("{}-{coding}-{safety}", protocol.replace('/', "-")), protocol, coding, safety)
    })
    .collect()
}

/// Returns an exporter of the Collector that sends to `dtq collect` in one form, and says which in a header.
fn exporter(form: &(String, &str, &str, &str), port: u16, certificates: &Certificates) -> (String, String) {
    let (name, protocol, coding, safety) = form;
    let client = |(certificate, key): &(std::path::PathBuf, std::path::PathBuf)| {
        format!(", cert_file: {}, key_file: {}", certificate.display(), key.display())
    };
    let ca = format!("ca_file: {}", certificates.ca.display());
    let tls = match *safety {
        "plain" => "insecure: true".to_owned(),
        "tls" => ca,
        _ => ca + &client(&certificates.client),
    };
    let (kind, endpoint, encoding) = match (*protocol, *safety) {
        ("grpc", _) => ("otlp", format!("localhost:{port}"), ""),
        (other, safety) => {
            let scheme = if safety == "plain" { "http" } else { "https" };
            let encoding = if other == "http/json" { ", encoding: json" } else { ", encoding: proto" };
            ("otlphttp", format!("{scheme}://localhost:{port}"), encoding)
        }
    };
    let id = format!("{kind}/{name}");
    let text = format!(
        "  {id}: {{endpoint: '{endpoint}', compression: {coding}, headers: {{x-form: {name}}}, tls: {{{tls}}}{encoding}, \
         sending_queue: {{enabled: false}}}}\n"
    );
    (id, text)
}

#[test]
fn what_the_collector_exports_arrives() {
    let Some(binary) = or_skip("what_the_collector_exports_arrives", Part::Collector) else { return };
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    idle_rules(folder.path());
    let sink = Sink::with([]);
    let listen = listeners(&certificates);
    let config = format!("{listen}destinations: {{sink: {{endpoint: '{}'}}}}\nforward_headers: [x-form]\n", sink.url());
    let collect = Collect::start(folder.path(), &config);
    let (mut exporters, mut ids) = (String::new(), Vec::new());
    for form in forms() {
        let listener = SAFETIES.iter().position(|safety| *safety == form.3).unwrap();
        let (id, text) = exporter(&form, collect.port(listener), &certificates);
        exporters += &text;
        ids.push(id);
    }
    let address = free_addresses(1)[0];
    let ids = ids.join(", ");
    let pipelines = ["logs", "metrics", "traces"]
        .map(|signal| format!("    {signal}: {{receivers: [otlp], exporters: [{ids}]}}\n"))
        .concat();
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}}}\nexporters:\n{exporters}service:\n  \
         telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}"
    );
    let collector = otelcol::start(&binary, folder.path(), &config);
    let sent = sample("by-the-collector");
    for telemetry in &sent {
        // The Collector answers when all its exporters have been answered.
        assert_eq!(post(address.port(), telemetry), 200, "{}", collector.said());
    }
    for (name, ..) in forms() {
        let there = sink.recorded();
        let there = there.iter().filter(|one| one.header("x-form") == name).map(|one| &one.telemetry);
        assert_same(&name, &records(there), &records(&sent));
    }
    assert_eq!(collect.metric("dtq_refused_requests_total"), 0);
}

/// Returns a receiver of the Collector, a destination of `dtq collect` that sends to it.
fn receiver(form: &(String, &str, &str, &str), port: u16, certificates: &Certificates) -> [String; 2] {
    let (name, protocol, coding, safety) = form;
    let (certificate, key) = &certificates.server;
    let server = format!("cert_file: {}, key_file: {}", certificate.display(), key.display());
    let ca = certificates.ca.display();
    let (client_certificate, client_key) = (certificates.client.0.display(), certificates.client.1.display());
    let (scheme, tls, client) = match *safety {
        "plain" => ("http", String::new(), String::new()),
        "tls" => ("https", format!(", tls: {{{server}}}"), format!(", tls: {{ca: {ca}}}")),
        _ => (
            "https",
            format!(", tls: {{{server}, client_ca_file: {ca}}}"),
            format!(", tls: {{ca: {ca}, certificate: {client_certificate}, key: {client_key}}}"),
        ),
    };
    let kind = if *protocol == "grpc" { "grpc" } else { "http" };
    let receiver = format!("  otlp/{name}: {{protocols: {{{kind}: {{endpoint: 'localhost:{port}'{tls}}}}}}}\n");
    let destination = format!(
        "  {name}: {{endpoint: '{scheme}://localhost:{port}', protocol: {protocol}, compression: {coding}{client}}}\n"
    );
    [receiver, destination]
}

#[test]
fn what_is_sent_to_the_collector_arrives() {
    let Some(binary) = or_skip("what_is_sent_to_the_collector_arrives", Part::Collector) else { return };
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    idle_rules(folder.path());
    let (mut receivers, mut exporters, mut destinations, mut pipelines) =
        (String::new(), String::new(), String::new(), String::new());
    let files = folder.path().join("arrived");
    std::fs::create_dir_all(&files).unwrap();
    let file = |name: &str| files.join(format!("{name}.json"));
    for (form, address) in forms().iter().zip(free_addresses(forms().len())) {
        let name = &form.0;
        let path = file(name).display().to_string();
        let [receiver, destination] = receiver(form, address.port(), &certificates);
        receivers += &receiver;
        destinations += &destination;
        writeln!(exporters, "  file/{name}: {{path: '{path}', flush_interval: 100ms}}").unwrap();
        for signal in ["logs", "metrics", "traces"] {
            writeln!(pipelines, "    {signal}/{name}: {{receivers: [otlp/{name}], exporters: [file/{name}]}}").unwrap();
        }
    }
    let config = format!(
        "receivers:\n{receivers}exporters:\n{exporters}service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
         pipelines:\n{pipelines}"
    );
    let collector = otelcol::start(&binary, folder.path(), &config);
    let config = format!("listen:\n- address: 127.0.0.1:0\ndestinations:\n{destinations}");
    let collect = Collect::start(folder.path(), &config);
    let sent: [Telemetry; 3] = sample("to-the-collector");
    for telemetry in &sent {
        assert_eq!(post(collect.port(0), telemetry), 200, "{}\n{}", collect.running.said(), collector.said());
    }
    let wanted = records(&sent);
    for (name, ..) in forms() {
        let there = otelcol::recorded_in_time(&file(&name), wanted.len());
        assert_same(&name, &records(&there), &wanted);
    }
    assert_eq!(collect.metric("dtq_send_failed_attempts_total"), 0);
}
