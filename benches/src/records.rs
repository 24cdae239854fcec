//! Requests to measure: from a file of length-delimited OTLP log requests, or made here, the same at each run.
//!
//! What is made here has the shape of the reference work: some 490 bytes a record, ten attributes, eight resources, 512
//! records a request, one banner in ten records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

const RECORDS_A_REQUEST: usize = 512;
const RECORDS_A_RESOURCE: usize = 64;

/// Holds requests and how many records they have.
pub struct Requests {
    pub requests: Vec<Vec<u8>>,
    pub record_count: usize,
}

/// Reads length-delimited requests.
pub fn read(path: &str) -> Result<Requests, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let mut rest = bytes.as_slice();
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let size = prost::decode_length_delimiter(rest).map_err(|error| format!("{path}: {error}"))?;
        let head = prost::length_delimiter_len(size);
        let request = rest.get(head..head + size).ok_or_else(|| format!("{path}: the last request is cut"))?;
        requests.push(request.to_vec());
        rest = &rest[head + size..];
    }
    Ok(counted(requests))
}

fn counted(requests: Vec<Vec<u8>>) -> Requests {
    let count = |bytes: &Vec<u8>| {
        let request = ExportLogsServiceRequest::decode(bytes.as_slice()).expect("requests are well-formed");
        request.resource_logs.iter().flat_map(|one| &one.scope_logs).map(|scope| scope.log_records.len()).sum::<usize>()
    };
    let record_count = requests.iter().map(count).sum();
    Requests { requests, record_count }
}

/// Makes requests with about this many records.
pub fn make(count: usize) -> Requests {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let requests = (0..count.div_ceil(RECORDS_A_REQUEST)).map(|_| make_request(&mut random).encode_to_vec()).collect();
    counted(requests)
}

struct Random(u64);

impl Random {
    /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Any::StringValue(value.into()))
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn make_request(random: &mut Random) -> ExportLogsServiceRequest {
    const SERVICES: [&str; 8] = ["checkout", "cart", "payment", "frontend", "search", "mail", "stock", "login"];
    let resources = RECORDS_A_REQUEST / RECORDS_A_RESOURCE;
    let resource_logs = (0..resources).map(|index| ResourceLogs {
        resource: Some(Resource {
            attributes: vec![text("service.name", SERVICES[index % 8]), text("host.name", format!("host-{index}"))],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "app.logger".to_owned(),
                version: "1.2.3".to_owned(),
                ..InstrumentationScope::default()
            }),
            log_records: (0..RECORDS_A_RESOURCE).map(|_| make_record(random)).collect(),
            schema_url: String::new(),
        }],
        schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn make_record(random: &mut Random) -> LogRecord {
    const EVENTS: [&str; 10] = [
        "LogWelcomeBanner", "OrderPlaced", "CacheMiss", "RequestDone", "RetryStarted", "ItemAdded", "LoginDone",
        "QueryRun", "MailSent", "StockRead",
    ];
    const SEVERITIES: [(i32, &str); 4] = [(5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")];
    let time = 1_760_000_000_000_000_000 + random.below(1_000_000_000_000);
    let (severity_number, severity_text) = SEVERITIES[random.below(4) as usize];
    let end = if random.below(8) == 0 { "timeout" } else { "done" };
    let body = format!("request {} of user {} ended after {} ms: {end}", time % 100_000, random.below(5_000), random.below(900));
    let attributes = vec![
        text("http.request.method", "GET"),
        text("http.route", format!("/api/v1/items/{}", random.below(100))),
        pair("http.status_code", Any::IntValue(200 + 100 * random.below(4) as i64)),
        text("net.peer.name", format!("10.0.{}.{}", random.below(250), random.below(250))),
        text("EventName", EVENTS[random.below(10) as usize]),
        pair("duration_ms", Any::DoubleValue(random.below(1_000) as f64)),
        text("user.id", format!("user-{:06}", random.below(100_000))),
        text("secret", format!("{:016x}", random.below(u64::MAX))),
        pair("retry", Any::IntValue(random.below(3) as i64)),
        text("code.function", "Handler.handle"),
    ];
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 1_000,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(AnyValue { value: Some(Any::StringValue(body)) }),
        attributes,
        flags: 1,
        trace_id: u128::from(time).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes().to_vec(),
        span_id: time.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes().to_vec(),
        ..LogRecord::default()
    }
}
