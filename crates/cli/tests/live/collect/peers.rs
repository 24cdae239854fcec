//! A sender and a sink of OTLP over HTTP/1.1 that need no runtime, and the requests between them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(90);

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
        // What rules remember ends by the clock of the host: a record is of now, as live records are.
        time_unix_nano: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        ..LogRecord::default()
    }
}

pub fn logs_of(service: &str, records: Vec<LogRecord>) -> Vec<u8> {
    let resource = Resource { attributes: vec![attribute("service.name", service)], ..Resource::default() };
    let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
    let logs = ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()
}

pub fn logs(records: &[(i32, &str)]) -> Vec<u8> {
    logs_of("cart", records.iter().map(|(severity, body)| record(*severity, body)).collect())
}

pub fn spans(names: &[&str]) -> Vec<u8> {
    let span = |name: &&str| Span {
        name: (*name).to_owned(),
        kind: 2,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_001_000_000_000,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: names.iter().map(span).collect(), ..ScopeSpans::default() }];
    let spans = ResourceSpans { scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

/// Returns the text of a log.
pub fn body_of(record: &LogRecord) -> String {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Of gRPC, where it stands in the header.
    pub grpc: Option<u32>,
    pub body: Vec<u8>,
}

/// The first line of a message, its header and its body.
type Parts = (String, Vec<(String, String)>, Vec<u8>);

/// Reads a message of HTTP/1.1.
fn read_message(reader: &mut impl BufRead) -> Option<Parts> {
    let (mut first, mut headers) = (String::new(), Vec::new());
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let size = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, size)| size.parse().unwrap());
    let mut body = vec![0; size];
    reader.read_exact(&mut body).ok()?;
    Some((first, headers, body))
}

/// Reads an answer, if there is one.
pub fn read_reply(stream: impl Read) -> Option<Reply> {
    let (first, headers, body) = read_message(&mut BufReader::new(stream))?;
    let grpc = headers.iter().find(|(name, _)| name == "grpc-status").and_then(|(_, code)| code.parse().ok());
    Some(Reply { status: first.split(' ').nth(1)?.parse().ok()?, grpc, body })
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request with headers as they are, and returns the answer, if one comes.
pub fn try_post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Reply> {
    let mut stream = connect(address);
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: dtq\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    // One who is refused while still sending reads the answer all the same.
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
    read_reply(stream)
}

pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

pub fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    try_post(address, path, headers, body).expect("an answer")
}

/// Sends logs, which have to be taken.
pub fn send_logs(address: SocketAddr, request: &[u8]) {
    let reply = post(address, "/v1/logs", &[PROTOBUF], request);
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Asks with GET.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    let mut stream = connect(address);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: dtq\r\n\r\n").as_bytes()).unwrap();
    read_reply(stream).expect("an answer")
}

/// A path and a body.
type Request = (String, Vec<u8>);

/// Takes every request, and keeps its path and bytes.
#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl Sink {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self { address: listener.local_addr().unwrap(), taken: Arc::default() };
        let shared = sink.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sink = shared.clone();
                std::thread::spawn(move || sink.serve(stream));
            }
        });
        sink
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(&stream);
        while let Some((first, _, body)) = read_message(&mut reader) {
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            self.taken.lock().unwrap().push((path, body));
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            if (&stream).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    pub fn requests(&self, path: &str) -> Vec<Vec<u8>> {
        let taken = self.taken.lock().unwrap();
        taken.iter().filter(|(of, _)| of == path).map(|(_, body)| body.clone()).collect()
    }

    pub fn records(&self) -> Vec<LogRecord> {
        let requests = self.requests("/v1/logs").into_iter();
        let decoded = requests.map(|request| ExportLogsServiceRequest::decode(&request[..]).unwrap());
        let resources = decoded.flat_map(|request| request.resource_logs);
        resources.flat_map(|one| one.scope_logs).flat_map(|scope| scope.log_records).collect()
    }

    /// Returns the texts of all logs, in the order in which they came.
    pub fn bodies(&self) -> Vec<String> {
        self.records().iter().map(body_of).collect()
    }

    /// Returns the sum of all points of a metric that are whole numbers.
    pub fn sum_of(&self, name: &str) -> i64 {
        let requests = self.requests("/v1/metrics").into_iter();
        let decoded = requests.map(|request| ExportMetricsServiceRequest::decode(&request[..]).unwrap());
        let scopes = decoded.flat_map(|request| request.resource_metrics).flat_map(|one| one.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics).filter(|metric| metric.name == name);
        let points = metrics.flat_map(|metric| match metric.data {
            Some(metric::Data::Sum(sum)) => sum.data_points,
            other => panic!("{other:?}"),
        });
        let value = |point: Option<number_data_point::Value>| match point {
            Some(number_data_point::Value::AsInt(count)) => count,
            Some(number_data_point::Value::AsDouble(count)) => count as i64,
            None => 0,
        };
        points.map(|point| value(point.value)).sum()
    }

    pub fn clear(&self) {
        self.taken.lock().unwrap().clear();
    }
}
