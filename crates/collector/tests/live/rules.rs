//! Rules that run: swaps under load, files, orders, and looking at live traffic.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing is to fail there")]

mod common {
    //! What the tests share: a folder with rules, a process with them, requests and a client.

    use bytes::Bytes;
    use dtq_collector::pipeline::{Judge, Judged, Judgement};
    use dtq_collector::rules::protocol::{Answer, Client, Request, Status};
    use dtq_collector::rules::worker::Owed;
    use dtq_collector::rules::{Bounds, Rules, Settings};
    use dtq_record::otlp::Signal;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use prost::Message;
    use serde_json::Value;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// Until when something has to have happened.
    pub const DEADLINE: Duration = Duration::from_secs(90);

    pub struct Place {
        pub folder: TempDir,
    }

    impl Place {
        pub fn new(rules: &str) -> Self {
            let place = Self { folder: tempfile::tempdir().unwrap() };
            std::fs::create_dir(place.path("rules")).unwrap();
            place.write(rules);
            place
        }

        pub fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Replaces the rules as an editor does.
        pub fn write(&self, rules: &str) {
            let text = format!("apiVersion: dtq/v1\nrules:\n{rules}");
            std::fs::write(self.path("rules/new"), text).unwrap();
            std::fs::rename(self.path("rules/new"), self.path("rules/rules.yaml")).unwrap();
        }

        pub fn settings(&self) -> Settings {
            Settings {
                files: vec![self.path("rules")],
                socket: Some(self.path("control.sock")),
                state: Some(self.path("state")),
                bounds: Bounds { poll: Duration::from_millis(20), ..Bounds::default() },
                ..Settings::default()
            }
        }

        pub fn start(&self) -> (Rules, Owed) {
            Rules::start(self.settings()).unwrap_or_else(|refusal| panic!("{refusal}"))
        }

        pub fn client(&self) -> Client {
            let client = Client::connect(&self.path("control.sock")).unwrap();
            client.set_timeout(Some(DEADLINE)).unwrap();
            client
        }

        pub fn ask(&self, request: &Request) -> Answer {
            self.client().ask(request).unwrap()
        }

        pub fn done(&self, request: &Request) -> Answer {
            let answer = self.ask(request);
            assert!(answer.ok, "{answer:?}");
            answer
        }

        pub fn status(&self) -> Status {
            serde_json::from_value(self.done(&Request::Status).result).unwrap()
        }

        /// Asks for the status until it is as wanted.
        pub fn until(&self, what: impl Fn(&Status) -> bool) -> Status {
            let start = Instant::now();
            loop {
                let status = self.status();
                if what(&status) {
                    return status;
                }
                assert!(start.elapsed() < DEADLINE, "{status:?}");
                std::thread::yield_now();
            }
        }

        /// Returns the lines of the audit.
        pub fn audit(&self) -> Vec<Value> {
            let text = std::fs::read_to_string(self.path("state/audit.jsonl")).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    pub fn text(text: impl Into<String>) -> Option<AnyValue> {
        Some(AnyValue { value: Some(Any::StringValue(text.into())) })
    }

    pub fn attribute(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
    }

    pub fn record(severity: i32, body: &str) -> LogRecord {
        LogRecord {
            severity_number: severity,
            body: text(body),
            time_unix_nano: 1_700_000_000_000_000_000,
            ..LogRecord::default()
        }
    }

    pub fn request_of(service: &str, records: Vec<LogRecord>) -> Bytes {
        let resource = Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() };
        let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
        let logs = ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec().into()
    }

    pub fn request(records: &[(i32, &str)]) -> Bytes {
        request_of("cart", records.iter().map(|(severity, body)| record(*severity, body)).collect())
    }

    pub fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    pub fn judge(rules: &Rules, request: &Bytes) -> Judged {
        runtime().block_on(rules.judge(Signal::Logs, request.clone()))
    }

    /// Returns the records that are left of a request.
    pub fn left(request: &Bytes, judged: &Judged) -> Vec<LogRecord> {
        let bytes = match &judged.output {
            Judgement::Unchanged => request,
            Judgement::Changed(bytes) => bytes,
            Judgement::Dropped => return Vec::new(),
        };
        let decoded = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
        let scopes = decoded.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
        scopes.flat_map(|scope| scope.log_records).collect()
    }

    /// Returns the bodies of what is left of a request.
    pub fn bodies(rules: &Rules, request: &Bytes) -> Vec<String> {
        left(request, &judge(rules, request)).into_iter().map(|record| body(&record)).collect()
    }

    pub fn body(record: &LogRecord) -> String {
        match record.body.as_ref().and_then(|body| body.value.as_ref()) {
            Some(Any::StringValue(text)) => text.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[path = "rules/swaps.rs"]
mod swaps;

#[path = "rules/orders.rs"]
mod orders;

#[path = "rules/looking.rs"]
mod looking;
