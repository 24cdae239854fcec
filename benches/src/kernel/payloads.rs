//! Payloads that cases run on.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// The event that the rule of the reference drops.
pub const BANNER: &str = "LogWelcomeBanner";
/// An event of the same size that it does not.
pub const OTHER: &str = "LogOrderReceived";

/// A message as `rsyslog` and `logger` write it.
pub const SYSLOG: &str = "<30>Oct 11 22:14:15 web-3 nginx[812]: GET /api/v1/items 200 612 0.013 upstream=10.0.3.7:8080 \
                          request_id=7f3c2b1a user=alice";

/// An object of some three hundred bytes.
pub const JSON: &str = r#"{"timestamp":"2026-01-01T12:00:00.123Z","level":"info","service":"checkout","host":"web-3","method":"GET","path":"/api/v1/items","status":200,"duration_ms":13.25,"user":"alice","request_id":"7f3c2b1a-55aa-4a3f-9d1e-0123456789ab","message":"request served from cache","EventName":"LogWelcomeBanner"}"#;

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

/// Returns a request with a record of each of these events.
pub fn request(events: &[&str]) -> Vec<u8> {
    let record = |event: &&str| LogRecord {
        time_unix_nano: 1_760_000_000_123_456_789,
        observed_time_unix_nano: 1_760_000_000_123_457_789,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: text("welcome to the shop"),
        attributes: vec![
            attribute("http.route", "/api/v1/items"),
            attribute("user.id", "u-00c0ffee"),
            attribute("EventName", event),
            attribute("thread.name", "worker-7"),
        ],
        flags: 1,
        trace_id: vec![7; 16],
        span_id: vec![7; 8],
        ..LogRecord::default()
    };
    let resource = Resource {
        attributes: vec![attribute("service.name", "checkout"), attribute("host.name", "web-3")],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: "shop.logging".to_owned(), ..InstrumentationScope::default() };
    let logs =
        ScopeLogs { scope: Some(scope), log_records: events.iter().map(record).collect(), ..ScopeLogs::default() };
    let logs = ResourceLogs { resource: Some(resource), scope_logs: vec![logs], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()
}

/// Returns a text as of a log, of so many bytes.
pub fn log_text(size: usize) -> String {
    let line = "2026-01-01T12:00:00Z INFO request from 10.1.2.3 served in 12 ms, status=200 path=/api/v1/items/42; ";
    line.chars().cycle().take(size).collect()
}

/// Returns a message of syslog with this body.
pub fn syslog_of(body: &str) -> String {
    format!("<30>Oct 11 22:14:15 web-3 nginx: {body}")
}
