//! Applications with official SDKs, run to their end.

use dtq_e2e::certificates::Certificates;
use dtq_e2e::process::Running;
use dtq_e2e::setup::{Part, folder, or_skip};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an application exports by.
#[derive(Clone, Copy, Debug)]
pub enum Sdk {
    Python,
    JavaScript,
}

impl Sdk {
    /// Returns the protocols that its official exporters speak.
    pub fn protocols(self) -> &'static [&'static str] {
        match self {
            Sdk::Python => &["grpc", "http/protobuf"],
            Sdk::JavaScript => &["grpc", "http/protobuf", "http/json"],
        }
    }

    /// Says whether its exporter drops what it is told to send again: that for gRPC in JavaScript (0.223.0) has no retry.
    pub fn gives_up_at_once(self, protocol: &str) -> bool {
        matches!(self, Sdk::JavaScript) && protocol == "grpc"
    }

    /// Returns where it is set up, or says that the test is skipped.
    pub fn or_skip(self, test: &str) -> Option<App> {
        let part = match self {
            Sdk::Python => Part::Python,
            Sdk::JavaScript => Part::JavaScript,
        };
        or_skip(test, part).map(|at| App { sdk: self, at })
    }
}

/// An application that can be run.
#[derive(Debug)]
pub struct App {
    pub sdk: Sdk,
    at: PathBuf,
}

impl App {
    /// Runs `emit` to its end: once as the environment says, once straight to `direct`. Returns what it said.
    pub fn emit(&self, protocol: &str, direct: &str, environment: &[(&str, &str)]) -> String {
        let apps = folder().join("apps");
        let mut command = match self.sdk {
            Sdk::Python => {
                let mut command = Command::new(&self.at);
                command.arg(apps.join("python/emit.py"));
                command
            }
            Sdk::JavaScript => {
                let mut command = Command::new("node");
                command.arg(apps.join("javascript/emit.js")).env("NODE_PATH", &self.at);
                command
            }
        };
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol).env("DIRECT_ENDPOINT", direct);
        // The variables of `requests` for the whole machine would win over those of the exporter.
        command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        command.envs(environment.iter().copied());
        let (status, said) = Running::start("emit", &mut command).ended();
        assert!(status.success(), "{protocol}: {said}");
        said
    }
}

/// Returns the variables that make an exporter use TLS, with a certificate of its own if it has to show one.
pub fn tls_environment(certificates: &Certificates, is_mutual: bool) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.display().to_string();
    let mut variables = vec![("OTEL_EXPORTER_OTLP_CERTIFICATE", text(&certificates.ca))];
    if is_mutual {
        variables.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", text(&certificates.client.0)));
        variables.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", text(&certificates.client.1)));
    }
    variables
}

/// Returns the listeners of a configuration: plain, with TLS, with mutual TLS, and with a token.
pub fn listeners(certificates: &Certificates) -> String {
    let (certificate, key) = &certificates.server;
    let tls = format!("certificate: {}, key: {}", certificate.display(), key.display());
    format!(
        "listen:\n- address: 127.0.0.1:0\n- address: 127.0.0.1:0\n  tls: {{{tls}}}\n- address: 127.0.0.1:0\n  \
         tls: {{{tls}, client_ca: {}}}\n- address: 127.0.0.1:0\n  auth: {{bearer: [let-me-in]}}\n",
        certificates.ca.display()
    )
}

/// Puts a rule file beside a configuration whose rules run on everything and change nothing.
pub fn idle_rules(folder: &Path) {
    let rules = "apiVersion: dtq/v1\nrules:\n  - {name: idle-logs, to: drop, kql: 'logs | where Body == \"never\"'}\n  \
        - {name: idle-spans, to: drop, kql: 'spans | where SpanName == \"never\"'}\n  \
        - {name: idle-metrics, to: drop, kql: 'metrics | where MetricName == \"never\"'}\n";
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    std::fs::write(folder.join("rules/idle.yaml"), rules).unwrap();
}
