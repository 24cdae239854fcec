//! Answers to responses of HTTP and gRPC.

use crate::coding::Coding;
use crate::status::{Cause, PartialSuccess, Refusal};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use dtq_record::otlp::Signal;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The three ways in which a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// gRPC.
    Grpc,
    /// HTTP with protobuf.
    Protobuf,
    /// HTTP with JSON.
    Json,
}

impl Form {
    /// Returns its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Grpc => "application/grpc",
            Form::Protobuf => "application/x-protobuf",
            Form::Json => "application/json",
        }
    }
}

/// The body of a response: at most one piece, and for gRPC trailers behind it.
#[derive(Debug, Default)]
pub struct ReplyBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// Returns the response to a request that was taken.
pub fn success(form: Form, signal: Signal, partial: &PartialSuccess) -> Response<ReplyBody> {
    let mut body = ReplyBody::default();
    match form {
        Form::Grpc => {
            body.data = Some(frame(&partial.to_response()));
            body.trailers = Some(HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), number(0))]));
        }
        // An empty message is a body without bytes; the length says so.
        Form::Protobuf => body.data = Some(partial.to_response().into()).filter(|data: &Bytes| !data.is_empty()),
        Form::Json => body.data = Some(partial_json(signal, partial).into()),
    }
    respond(StatusCode::OK, form.content_type(), body)
}

/// Returns the response to a request that was not taken.
pub fn refuse(form: Form, refusal: &Refusal) -> Response<ReplyBody> {
    match form {
        Form::Grpc => refuse_grpc(refusal),
        Form::Protobuf => refuse_http(form, refusal, refusal.to_status().into()),
        Form::Json => {
            let text = serde_json::json!({"code": refusal.cause.grpc(), "message": refusal.message}).to_string();
            refuse_http(form, refusal, text.into())
        }
    }
}

fn partial_json(signal: Signal, partial: &PartialSuccess) -> String {
    if partial.is_full() {
        return "{}".to_owned();
    }
    let key = match signal {
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Spans => "rejectedSpans",
    };
    // 64-bit integers are text in protobuf's JSON.
    serde_json::json!({"partialSuccess": {key: partial.rejected.to_string(), "errorMessage": partial.message}})
        .to_string()
}

/// Returns a status without a message: only headers, which then are the trailers (gRPC over HTTP2, "Trailers-Only").
fn refuse_grpc(refusal: &Refusal) -> Response<ReplyBody> {
    let mut response = respond(StatusCode::OK, Form::Grpc.content_type(), ReplyBody::default());
    let headers = response.headers_mut();
    headers.insert("grpc-status", number(u64::from(refusal.cause.grpc())));
    let message = percent_encode(&refusal.message);
    headers.insert("grpc-message", HeaderValue::from_str(&message).expect("what is encoded is printable ASCII"));
    let details = STANDARD_NO_PAD.encode(refusal.to_status());
    headers.insert("grpc-status-details-bin", HeaderValue::from_str(&details).expect("base64 is printable ASCII"));
    if let Some(info) = refusal.to_retry_info() {
        // Where the exporter for gRPC of the Python SDK looks, which does not read the details.
        let info = STANDARD_NO_PAD.encode(info);
        let info = HeaderValue::from_str(&info).expect("base64 is printable ASCII");
        headers.insert("google.rpc.retryinfo-bin", info);
    }
    headers.insert("grpc-accept-encoding", HeaderValue::from_static(Coding::ACCEPTED));
    response
}

fn refuse_http(form: Form, refusal: &Refusal, body: Bytes) -> Response<ReplyBody> {
    let status = StatusCode::from_u16(refusal.cause.http()).expect("the statuses of causes are valid");
    let body = ReplyBody { data: Some(body), trailers: None };
    let mut response = respond(status, form.content_type(), body);
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after_seconds() {
        headers.insert(RETRY_AFTER, number(seconds));
    }
    match refusal.cause {
        Cause::Unauthenticated => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic"))),
        Cause::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        _ => {}
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Returns a message as gRPC frames it: not compressed, its length, itself.
pub fn frame(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 5);
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).expect("an answer is short"));
    out.put_slice(message);
    out.freeze()
}

fn number(value: u64) -> HeaderValue {
    HeaderValue::from(value)
}

/// Encodes a message for `grpc-message` (gRPC over HTTP2, "Responses": percent-encoding of all but printable ASCII).
fn percent_encode(message: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte as char),
            _ => write!(out, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    out
}
