//! Official exporters through `dtq collect`: what arrives is what they export straight to a sink.

use crate::apps::{Sdk, idle_rules, listeners, tls_environment};
use dtq_e2e::certificates::Certificates;
use dtq_e2e::collect::Collect;
use dtq_e2e::sink::Sink;
use dtq_e2e::telemetry::{assert_same, counts, records};

/// Every way in: which listener, whether it has TLS, and how bodies are compressed.
const WAYS: [(usize, &str, &str); 4] =
    [(0, "http", "none"), (1, "https", "gzip"), (2, "https", "gzip"), (3, "http", "gzip")];

fn everything_arrives(test: &str, sdk: Sdk) {
    let Some(app) = sdk.or_skip(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    idle_rules(folder.path());
    let sink = Sink::with([]);
    let listen = listeners(&certificates);
    let config = format!("{listen}destinations: {{sink: {{endpoint: '{}', compression: zstd}}}}\n", sink.url());
    let collect = Collect::start(folder.path(), &config);
    for protocol in sdk.protocols() {
        for (listener, scheme, compression) in WAYS {
            let direct = Sink::with([]);
            let before = sink.recorded().len();
            let endpoint = format!("{scheme}://localhost:{}", collect.port(listener));
            let mut environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
            if compression != "none" {
                environment.push(("OTEL_EXPORTER_OTLP_COMPRESSION", compression.to_owned()));
            }
            if scheme == "https" {
                environment.extend(tls_environment(&certificates, listener == 2));
            }
            if listener == 3 {
                environment.push(("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20let-me-in".to_owned()));
            }
            let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let said = app.emit(protocol, &direct.url(), &environment);
            let what = format!("{sdk:?} {protocol} {compression} to listener {listener}");
            for signal in ["logs", "metrics", "traces"] {
                assert!(said.contains(&format!("{signal} SUCCESS")), "{what}: {said}");
            }
            let there: Vec<_> = sink.taken().split_off(before);
            assert_eq!(counts(&there), [("logs", 20), ("metrics", 3), ("traces", 21)].into(), "{what}: {said}");
            assert_same(&what, &records(&there), &records(&direct.taken()));
        }
    }
    assert_eq!(collect.metric("dtq_refused_requests_total"), 0);
    let (status, said) = collect.running.end();
    assert!(status.success(), "{said}");
}

#[test]
fn what_python_exports_arrives() {
    everything_arrives("what_python_exports_arrives", Sdk::Python);
}

#[test]
fn what_javascript_exports_arrives() {
    everything_arrives("what_javascript_exports_arrives", Sdk::JavaScript);
}
