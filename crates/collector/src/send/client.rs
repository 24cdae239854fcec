//! One attempt to send one request: bytes in, what the destination says of it out.
//!
//! Never tries twice and keeps nothing. Which answers pass with time is the OTLP specification's list. Next: `mod.rs`.

use crate::coding::Coding;
use crate::pipeline::Payload;
use crate::send::gather::Gathering;
use crate::send::queue::Forwarded;
use crate::send::settings::{Protocol, Settings};
use crate::status::{Cause, PartialSuccess, Refusal, read_status};
use crate::tls::TlsError;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use dtq_record::otlp::Signal;
use dtq_record::otlp::to_json::append_json;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, TE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Size in bytes of an answer that is read; all that OTLP answers is far below.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Nesting of values in JSON that is written; what is nested deeper no reader of protobuf decodes.
const NESTING_MAX: usize = 100;

/// Base64 of binary metadata, with or without padding (gRPC over HTTP2, "Requests").
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a destination says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it, perhaps not all records of it.
    Accepted(PartialSuccess),
    /// Not now; perhaps it says when.
    Later {
        /// When it wants to be asked again.
        after: Option<Duration>,
        /// What it says, or what went wrong on the way.
        reason: String,
    },
    /// Never.
    Refused(Refusal),
}

/// Holds a request as it is written: for gRPC the frame's head apart, so that what it frames need not be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    head: Bytes,
    content: Bytes,
}

impl Message {
    /// Returns its size in bytes.
    pub fn size_bytes(&self) -> usize {
        self.head.len() + self.content.len()
    }
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = if self.head.is_empty() { &mut self.content } else { &mut self.head };
        let piece = std::mem::take(next);
        Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_bytes() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size_bytes() as u64)
    }
}

/// Holds connections to a destination.
pub struct Client {
    pool: Pool<HttpsConnector<Gathering>, Message>,
    uris: [Uri; 3],
    headers: HeaderMap,
    protocol: Protocol,
    coding: Coding,
    timeout: Duration,
}

impl Client {
    /// Returns a client that has not connected yet.
    ///
    /// # Errors
    /// When its certificates cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        let is_tls = settings.endpoint.scheme_str() == Some("https");
        let config = if is_tls { settings.tls.load()? } else { crate::tls::no_tls() };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.timeout));
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        let is_grpc = settings.protocol == Protocol::Grpc;
        let connector = Gathering { connector: http, is_gathering: is_grpc };
        let connector = match is_grpc {
            true => builder.enable_http2().wrap_connector(connector),
            false => builder.enable_all_versions().wrap_connector(connector),
        };
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .http2_only(is_grpc)
            .http2_keep_alive_interval(Some(Duration::from_secs(20)))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build(connector);
        let uris = [Signal::Logs, Signal::Metrics, Signal::Spans].map(|signal| uri(settings, signal));
        let headers = fixed_headers(settings);
        let (protocol, coding, timeout) = (settings.protocol, settings.coding, settings.timeout);
        Ok(Self { pool, uris, headers, protocol, coding, timeout })
    }

    /// Returns a request as it is written to the destination.
    ///
    /// # Errors
    /// [`Cause::Malformed`] when it has no form in JSON.
    pub fn encode(&self, signal: Signal, payload: &Payload) -> Result<Message, Refusal> {
        let packed = match (self.protocol, &payload.packed) {
            (Protocol::Json, _) => {
                let mut text = String::new();
                append_json(&mut text, signal, &payload.plain, NESTING_MAX)
                    .map_err(|error| Refusal::new(Cause::Malformed, format!("no form in JSON: {}", error.reason)))?;
                self.coding.deflate(&text.into())
            }
            // What came compressed and was not changed leaves as it came.
            (_, Some((coding, packed))) if *coding == self.coding => packed.clone(),
            _ => self.coding.deflate(&payload.plain),
        };
        if self.protocol != Protocol::Grpc {
            return Ok(Message { head: Bytes::new(), content: packed });
        }
        let Ok(size) = u32::try_from(packed.len()) else {
            return Err(Refusal::new(Cause::TooLarge, "the request has 4 GiB or more"));
        };
        let mut head = vec![u8::from(self.coding != Coding::Identity)];
        head.extend_from_slice(&size.to_be_bytes());
        Ok(Message { head: head.into(), content: packed })
    }

    /// Sends an encoded request once.
    pub async fn attempt(&self, signal: Signal, message: Message, forwarded: &Forwarded) -> Answer {
        let mut request = Request::new(message);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uris[signal as usize].clone();
        *request.headers_mut() = self.headers.clone();
        for (name, value) in forwarded.iter() {
            request.headers_mut().insert(name, value.clone());
        }
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => later(format!("no answer within {:?}", self.timeout)),
        }
    }

    async fn exchange(&self, request: Request<Message>) -> Answer {
        let response = match self.pool.request(request).await {
            Ok(response) => response,
            Err(error) => return later(chain(&error)),
        };
        match self.protocol {
            Protocol::Grpc => read_grpc(response).await,
            Protocol::Protobuf | Protocol::Json => read_http(response, self.protocol).await,
        }
    }
}

fn uri(settings: &Settings, signal: Signal) -> Uri {
    let path = match settings.protocol {
        Protocol::Grpc => crate::receive::grpc_path(signal).to_owned(),
        Protocol::Protobuf | Protocol::Json => {
            let base = settings.endpoint.path().trim_end_matches('/');
            format!("{base}{}", crate::receive::http_path(signal))
        }
    };
    let mut parts = settings.endpoint.clone().into_parts();
    parts.path_and_query = Some(path.parse().expect("a path of a URI with a name behind it is a path"));
    Uri::from_parts(parts).expect("an endpoint has a scheme and a host")
}

fn fixed_headers(settings: &Settings) -> HeaderMap {
    let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
    let value = HeaderValue::from_static;
    headers.insert(USER_AGENT, value(concat!("dtq-collector/", env!("CARGO_PKG_VERSION"))));
    let coding = (settings.coding != Coding::Identity).then(|| value(settings.coding.name()));
    let (content_type, coding_header) = match settings.protocol {
        Protocol::Grpc => ("application/grpc", HeaderName::from_static("grpc-encoding")),
        Protocol::Protobuf => ("application/x-protobuf", CONTENT_ENCODING),
        Protocol::Json => ("application/json", CONTENT_ENCODING),
    };
    headers.insert(CONTENT_TYPE, value(content_type));
    if let Some(coding) = coding {
        headers.insert(coding_header, coding);
    }
    if settings.protocol == Protocol::Grpc {
        headers.insert(TE, value("trailers"));
        headers.insert("grpc-accept-encoding", value("identity"));
    }
    headers
}

async fn read_http(response: Response<Incoming>, protocol: Protocol) -> Answer {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(|all| all.to_bytes());
    let status = head.status;
    if status.is_success() {
        // An answer that says success and breaks off has said so.
        let body = body.unwrap_or_default();
        return Answer::Accepted(match protocol {
            Protocol::Json => read_partial_json(&body),
            Protocol::Grpc | Protocol::Protobuf => PartialSuccess::read(&body),
        });
    }
    let body = body.unwrap_or_default();
    let (message, _) = if protocol == Protocol::Json { read_json_status(&body) } else { read_status(&body) };
    let reason = format!("{status}{}{}", if message.is_empty() { "" } else { ": " }, clip(&message));
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Later { after: read_retry_after(&head.headers), reason },
        StatusCode::BAD_REQUEST => Answer::Refused(Refusal::new(Cause::RefusedData, reason)),
        StatusCode::PAYLOAD_TOO_LARGE => Answer::Refused(Refusal::new(Cause::TooLarge, reason)),
        _ => Answer::Refused(Refusal::new(Cause::RefusedHere, reason)),
    }
}

/// Reads `Retry-After` in seconds; a date is not read, and the own backoff holds instead.
fn read_retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn read_partial_json(body: &[u8]) -> PartialSuccess {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = &json["partialSuccess"];
    let counts = ["rejectedLogRecords", "rejectedSpans", "rejectedDataPoints"].map(|key| &partial[key]);
    let read = |count: &serde_json::Value| count.as_u64().or_else(|| count.as_str()?.parse().ok());
    PartialSuccess {
        rejected: counts.into_iter().find_map(read).unwrap_or(0),
        message: partial["errorMessage"].as_str().unwrap_or_default().to_owned(),
    }
}

fn read_json_status(body: &[u8]) -> (String, Option<Duration>) {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    (json["message"].as_str().unwrap_or_default().to_owned(), None)
}

async fn read_grpc(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    if let Some(answer) = read_grpc_status(&head.headers) {
        return answer.unwrap_or_else(|| Answer::Accepted(PartialSuccess::default()));
    }
    if head.status != StatusCode::OK {
        // What stands in between and speaks no gRPC (gRPC, "HTTP to gRPC Status Code Mapping").
        let reason = format!("HTTP {} without a gRPC status", head.status);
        return match head.status.as_u16() {
            429 | 502 | 503 | 504 => Answer::Later { after: read_retry_after(&head.headers), reason },
            400 => Answer::Refused(Refusal::new(Cause::RefusedData, reason)),
            _ => Answer::Refused(Refusal::new(Cause::RefusedHere, reason)),
        };
    }
    let collected = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(collected) => collected,
        Err(error) => return later(format!("the answer breaks off: {error}")),
    };
    let status = collected.trailers().and_then(read_grpc_status);
    match status {
        Some(Some(answer)) => answer,
        Some(None) => {
            // Compression of answers was not asked for.
            let body = collected.to_bytes();
            let message = body.get(5..).filter(|_| body[0] == 0).unwrap_or_default();
            Answer::Accepted(PartialSuccess::read(message))
        }
        None => later("the answer has no gRPC status".to_owned()),
    }
}

/// Reads the status of headers or trailers: `None` when there is none, `Some(None)` when it is OK.
fn read_grpc_status(headers: &HeaderMap) -> Option<Option<Answer>> {
    let code: u32 = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2);
    if code == 0 {
        return Some(None);
    }
    let details = headers.get("grpc-status-details-bin").and_then(|value| BASE64.decode(value.as_bytes()).ok());
    let after = details.and_then(|status| read_status(&status).1);
    let message = headers.get("grpc-message").map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let reason = format!("gRPC status {code}: {}", clip(&message.unwrap_or_default()));
    Some(Some(match code {
        // OTLP specification, "Failures": cancelled, deadline, aborted, out of range, unavailable, data loss.
        1 | 4 | 10 | 11 | 14 | 15 => Answer::Later { after, reason },
        8 if after.is_some() => Answer::Later { after, reason },
        3 => Answer::Refused(Refusal::new(Cause::RefusedData, reason)),
        8 => Answer::Refused(Refusal::new(Cause::TooLarge, reason)),
        _ => Answer::Refused(Refusal::new(Cause::RefusedHere, reason)),
    }))
}

fn later(reason: String) -> Answer {
    Answer::Later { after: None, reason }
}

/// Returns what a destination says, no longer than a line of a log may be, without what could move a terminal.
fn clip(message: &str) -> String {
    message.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Returns an error with its causes: `client error (Connect)` alone does not say that nobody listens.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
