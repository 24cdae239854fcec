//! Both sides of a collector under test: a sender that says what came back, and a sink that records and fails on purpose.
//!
//! Connections are hyper's; forms of bodies and of refusals are those of the crate, so that a mistake in these would not show
//! here: that is for the official exporters.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use dtq_collector::coding::Coding;
use dtq_collector::collector::{Collector, Port, Settings};
use dtq_collector::events::Events;
use dtq_collector::intake::Ack;
use dtq_collector::limits::Limits;
use dtq_collector::pipeline::KeepAll;
use dtq_collector::receive::{grpc_path, http_path};
use dtq_collector::send::settings::Protocol;
use dtq_collector::send::{self};
use dtq_collector::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long something may take that is waited for: far longer than it takes where other work has the processors.
pub const DEADLINE: Duration = Duration::from_secs(90);

pub const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Spans];

/// Returns a request of log records with these bodies.
pub fn logs(bodies: &[String]) -> Bytes {
    let record = |body: &String| LogRecord {
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(body.clone())) }),
        time_unix_nano: 1_700_000_000_000_000_000,
        ..Default::default()
    };
    let scope = ScopeLogs { log_records: bodies.iter().map(record).collect(), ..Default::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()
}

/// Returns the bodies of log records in a request.
pub fn bodies(request: &[u8]) -> Vec<String> {
    let request = ExportLogsServiceRequest::decode(request).expect("the sink gets what decodes");
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    let records = scopes.flat_map(|scope| scope.log_records);
    records
        .map(|record| match record.body.and_then(|body| body.value) {
            Some(any_value::Value::StringValue(text)) => text,
            other => format!("{other:?}"),
        })
        .collect()
}

/// Says what a sink does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    Partial(PartialSuccess),
    Refuse(Refusal),
    /// Answers when the sink is told to go on.
    Hang,
}

/// Holds a request that a sink took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub signal: Signal,
    pub is_grpc: bool,
    pub coding: Option<String>,
    pub headers: HeaderMap,
    pub request: Bytes,
}

#[derive(Debug, Default)]
pub struct Record {
    pub taken: Mutex<Vec<Taken>>,
    pub attempts: Mutex<usize>,
    script: Mutex<VecDeque<Act>>,
}

/// Records requests, and answers as its script says, then always with yes.
pub struct Sink {
    pub address: SocketAddr,
    pub record: Arc<Record>,
    count: watch::Sender<usize>,
    release: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Sink {
    pub async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), Arc::default()).await
    }

    pub async fn with(script: impl IntoIterator<Item = Act>) -> Self {
        let sink = Self::start().await;
        sink.record.script.lock().unwrap().extend(script);
        sink
    }

    pub async fn at(address: SocketAddr, record: Arc<Record>) -> Self {
        let socket = TcpListener::bind(address).await.expect("the port is free");
        let address = socket.local_addr().unwrap();
        let (count, release) = (watch::Sender::new(0), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        let (shared, counter, released) = (Arc::clone(&record), count.clone(), release.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = socket.accept().await.expect("accepts");
                let (record, count, release) = (Arc::clone(&shared), counter.clone(), released.clone());
                connections.spawn(async move {
                    let service = service_fn(|request| {
                        let (record, count) = (Arc::clone(&record), count.clone());
                        let release = release.subscribe();
                        async move { Ok::<_, Infallible>(answer(request, record, count, release).await) }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, record, count, release, tasks }
    }

    /// Closes the port and every connection at once, answers to come included.
    pub async fn kill(mut self) -> (SocketAddr, Arc<Record>) {
        self.tasks.shutdown().await;
        (self.address, self.record)
    }

    pub fn go_on(&self) {
        self.release.send_replace(true);
    }

    pub async fn attempts(&self, count: usize) {
        let mut attempts = self.count.subscribe();
        let reached = attempts.wait_for(|now| *now >= count);
        tokio::time::timeout(DEADLINE, reached).await.expect("in time").unwrap();
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.record.taken.lock().unwrap().clone()
    }
}

type SinkBody = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    record: Arc<Record>,
    count: watch::Sender<usize>,
    mut release: watch::Receiver<bool>,
) -> Response<SinkBody> {
    let (head, body) = request.into_parts();
    let content_type = head.headers[CONTENT_TYPE].to_str().unwrap().to_owned();
    let is_grpc = content_type == "application/grpc";
    let path = if is_grpc { grpc_path } else { http_path };
    let signal = SIGNALS.into_iter().find(|signal| path(*signal) == head.uri.path()).expect("a path of OTLP");
    let name = if is_grpc { "grpc-encoding" } else { "content-encoding" };
    let coding = head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let Ok(wire) = body.collect().await else { return Response::default() };
    let mut wire = wire.to_bytes();
    if is_grpc {
        assert_eq!(wire[0], u8::from(coding.is_some()));
        assert_eq!(u32::from_be_bytes(wire[1..5].try_into().unwrap()) as usize, wire.len() - 5);
        wire = wire.slice(5..);
    }
    let named = Coding::of_header(coding.as_deref().map(str::as_bytes)).expect("a compression");
    let mut request = named.inflate(wire, 1 << 30, |_| Ok(())).expect("the body is what its header says");
    if content_type == "application/json" {
        request = dtq_record::otlp::requests::from_json(&request, signal, 100).expect("is JSON").into();
    }
    *record.attempts.lock().unwrap() += 1;
    let act = record.script.lock().unwrap().pop_front();
    count.send_modify(|count| *count += 1);
    let mut partial = PartialSuccess::default();
    match act {
        None => {}
        Some(Act::Partial(some)) => partial = some,
        Some(Act::Hang) => drop(release.wait_for(|go| *go).await),
        Some(Act::Refuse(refusal)) => return refuse(is_grpc, &refusal),
    }
    let headers = head.headers;
    record.taken.lock().unwrap().push(Taken { signal, is_grpc, coding, headers, request });
    let body = if content_type == "application/json" { b"{}".to_vec() } else { partial.to_response() };
    if !is_grpc {
        let mut response = Response::new(Full::new(body.into()).boxed());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(&content_type).unwrap());
        return response;
    }
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let frames = [Ok(Frame::data(framed(0, &body))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(Frames(frames.into_iter().collect()))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn refuse(is_grpc: bool, refusal: &Refusal) -> Response<SinkBody> {
    let mut response = Response::new(Full::default().boxed());
    let headers = response.headers_mut();
    if is_grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(refusal.cause.grpc()));
        let details = STANDARD_NO_PAD.encode(refusal.to_status());
        headers.insert("grpc-status-details-bin", HeaderValue::from_str(&details).unwrap());
        return response;
    }
    if let Some(after) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    *response.status_mut() = StatusCode::from_u16(refusal.cause.http()).unwrap();
    response
}

/// A stream of frames that are there already.
struct Frames(VecDeque<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

pub fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(flag);
    out.put_u32(message.len() as u32);
    out.put_slice(message);
    out.freeze()
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// Of HTTP.
    pub status: u16,
    /// Of gRPC, from the headers or the trailers.
    pub grpc: Option<u32>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn is_taken(&self) -> bool {
        self.status == 200 && self.grpc.unwrap_or(0) == 0
    }
}

/// Sends requests to a collector.
#[derive(Clone)]
pub struct Sender {
    pub address: SocketAddr,
    one: Client<HttpConnector, Full<Bytes>>,
    two: Client<HttpConnector, Full<Bytes>>,
}

impl Sender {
    pub fn new(address: SocketAddr) -> Self {
        let one = Client::builder(TokioExecutor::new()).build_http();
        let two = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { address, one, two }
    }

    /// Sends an encoded body with headers as they are.
    pub async fn raw(&self, is_two: bool, path: &str, headers: &[(&str, &str)], body: Bytes) -> Reply {
        self.with_method(Method::POST, is_two, path, headers, body).await.expect("an answer")
    }

    pub async fn with_method(
        &self,
        method: Method,
        is_two: bool,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, String> {
        let uri: Uri = format!("http://{}{path}", self.address).parse().unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = if is_two { &self.two } else { &self.one };
        let sent = client.request(request.body(Full::new(body)).unwrap());
        let response = tokio::time::timeout(DEADLINE, sent).await.map_err(|_| "no answer")?;
        let (head, body) = response.map_err(|error| format!("{error:?}"))?.into_parts();
        let all = body.collect().await.map_err(|error| error.to_string())?;
        let status_of = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
        let grpc = status_of(&head.headers).or_else(|| all.trailers().and_then(status_of));
        Ok(Reply { status: head.status.as_u16(), grpc, headers: head.headers, body: all.to_bytes() })
    }

    /// Sends a request as an exporter would.
    pub async fn send(
        &self,
        how: Protocol,
        coding: Coding,
        signal: Signal,
        plain: &Bytes,
        more: &[(&str, &str)],
    ) -> Reply {
        self.try_send(how, coding, signal, plain, more).await.expect("an answer")
    }

    pub async fn try_send(
        &self,
        how: Protocol,
        coding: Coding,
        signal: Signal,
        plain: &Bytes,
        more: &[(&str, &str)],
    ) -> Result<Reply, String> {
        let is_packed = coding != Coding::Identity;
        let (kind, coding_header) = match how {
            Protocol::Grpc => ("application/grpc", "grpc-encoding"),
            Protocol::Protobuf => ("application/x-protobuf", "content-encoding"),
            Protocol::Json => ("application/json; charset=utf-8", "content-encoding"),
        };
        let mut headers = vec![("content-type", kind)];
        if is_packed {
            headers.push((coding_header, coding.name()));
        }
        headers.extend_from_slice(more);
        let body = match how {
            Protocol::Grpc => framed(u8::from(is_packed), &coding.deflate(plain)),
            Protocol::Protobuf => coding.deflate(plain),
            Protocol::Json => {
                let mut text = String::new();
                dtq_record::otlp::to_json::append_json(&mut text, signal, plain, 100).expect("has a form in JSON");
                coding.deflate(&text.into())
            }
        };
        let path = if how == Protocol::Grpc { grpc_path(signal) } else { http_path(signal) };
        self.with_method(Method::POST, how == Protocol::Grpc, path, &headers, body).await
    }

    /// Sends logs in the plainest way.
    pub async fn logs(&self, bodies: &[String]) -> Reply {
        self.send(Protocol::Protobuf, Coding::Identity, Signal::Logs, &logs(bodies), &[]).await
    }
}

/// Returns a destination with short waits.
pub fn destination(name: &str, address: SocketAddr, protocol: Protocol) -> send::Settings {
    let mut settings = send::Settings::new(name, format!("http://{address}").parse().unwrap(), protocol);
    settings.retry.initial = Duration::from_millis(10);
    settings.retry.max = Duration::from_millis(100);
    settings
}

pub fn settings(destinations: Vec<send::Settings>) -> Settings {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Settings {
        ports: vec![Port { address: any, tls: None, auth: Default::default() }],
        destinations,
        ack: Ack::Delivered,
        forwarded: Vec::new(),
        // What is to fail says so: a request is not to end because the machine is slow.
        limits: Limits { request_timeout: DEADLINE, ..Limits::default() },
        admin: Some(any),
        drain: DEADLINE,
    }
}

pub async fn start(settings: Settings) -> (Collector<KeepAll>, Sender) {
    let collector = Collector::start(settings, KeepAll, None, Events::silent()).await.expect("begins");
    let sender = Sender::new(collector.addresses()[0]);
    (collector, sender)
}

pub fn later(after: Duration) -> Act {
    Act::Refuse(Refusal { retry_after: Some(after), ..Refusal::new(Cause::Unavailable, "not now") })
}

/// Waits until something is so.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waited).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Returns the value of a line of `/metrics`.
pub fn metric(collector: &Collector<KeepAll>, line: &str) -> u64 {
    let metrics = collector.admin().metrics();
    let value = metrics.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no `{line}` in {metrics}")).parse().expect("a number")
}
