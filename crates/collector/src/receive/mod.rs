//! Requests of HTTP and gRPC to requests of OTLP, and answers back.
//!
//! Both protocols share every port: what a request is, its content type says. gRPC is a frame of five bytes around the
//! message; the message itself is never decoded. Read in order: [`body`], [`reply`], this file, [`listener`].

pub mod body;

pub mod reply;

pub mod listener;

use crate::account::ReceiveAccount;
use crate::auth::Auth;
use crate::coding::{Coding, too_large};
use crate::intake::Intake;
use crate::limits::Limits;
use crate::pipeline::{Judge, Payload};
use crate::status::{Cause, PartialSuccess, Refusal};
use body::{Memory, Share, collect, framed_bytes};
use bytes::{Buf, Bytes};
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::{RequestIndex, TOO_MANY_RECORDS};
use dtq_record::otlp::requests;
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::{Method, Request, Response};
use reply::{Form, ReplyBody};
use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Returns the path of a signal's Export method.
pub fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    }
}

/// Returns the path of a signal in OTLP/HTTP.
pub fn http_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "/v1/logs",
        Signal::Metrics => "/v1/metrics",
        Signal::Spans => "/v1/traces",
    }
}

/// Holds what all listeners share.
pub struct Receiver<J> {
    /// Where requests go.
    pub intake: Arc<Intake<J>>,
    /// What is counted.
    pub account: Arc<ReceiveAccount>,
    limits: Limits,
    memory: Memory,
    places: Arc<Semaphore>,
    forwarded: Vec<HeaderName>,
}

impl<J: Judge> Receiver<J> {
    /// Returns a receiver that hands requests to `intake`, with the headers of these names.
    pub fn new(
        intake: Arc<Intake<J>>,
        account: Arc<ReceiveAccount>,
        limits: Limits,
        forwarded: Vec<HeaderName>,
    ) -> Self {
        let memory = Memory::new(limits.in_flight_bytes_max);
        let places = Arc::new(Semaphore::new(limits.requests_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { intake, account, limits, memory, places, forwarded }
    }

    /// Answers a request, whatever it is and wherever its body comes from.
    pub async fn answer<B>(&self, auth: &Auth, request: Request<B>) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let form = form_of(request.headers());
        let wanted = form.unwrap_or(Form::Protobuf);
        let taken = match signal_of(form, &request) {
            Ok(signal) => self.take(wanted, signal, auth, request).await.map(|partial| (signal, partial)),
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok((signal, partial)) => reply::success(wanted, signal, &partial),
            Err(refusal) => {
                self.account.refused(refusal.cause).add(1);
                reply::refuse(wanted, &refusal)
            }
        }
    }

    async fn take<B>(
        &self,
        form: Form,
        signal: Signal,
        auth: &Auth,
        request: Request<B>,
    ) -> Result<PartialSuccess, Refusal>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let (head, body) = request.into_parts();
        if !auth.admits(head.headers.get(AUTHORIZATION).map(|value| value.as_bytes())) {
            return Err(Refusal::new(Cause::Unauthenticated, "the request has no valid `authorization` header"));
        }
        let _place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::new(Cause::Busy, "too many requests are in work; send again"))?;
        let mut departure = Departure { account: &self.account, is_answered: false };
        departure.account.in_flight.add(1);
        let mut share = self.memory.share();
        let payload = self.read(form, signal, &head.headers, body, &mut share).await;
        let taken = match payload {
            Ok(payload) => self.hand_in(signal, payload, &head.headers).await,
            Err(refusal) => Err(refusal),
        };
        departure.is_answered = true;
        taken
    }

    async fn hand_in(&self, signal: Signal, payload: Payload, headers: &HeaderMap) -> Result<PartialSuccess, Refusal> {
        let forwarded = self.forwarded.iter();
        let forwarded = forwarded.filter_map(|name| headers.get(name).map(|value| (name.clone(), value.clone())));
        let timeout = self.limits.request_timeout;
        let until = Instant::now() + timeout;
        let taking = self.intake.take(signal, payload, forwarded.collect(), until);
        tokio::time::timeout_at(until, taking).await.unwrap_or_else(|_| {
            Err(Refusal::new(Cause::Unavailable, format!("not delivered within {timeout:?}; send again")))
        })
    }

    /// Reads and checks a request.
    async fn read<B>(
        &self,
        form: Form,
        signal: Signal,
        headers: &HeaderMap,
        body: B,
        share: &mut Share,
    ) -> Result<Payload, Refusal>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let name = if form == Form::Grpc { HeaderName::from_static("grpc-encoding") } else { CONTENT_ENCODING };
        let coding = Coding::of_header(headers.get(name).map(|value| value.as_bytes()))?;
        let frame_bytes = if form == Form::Grpc { 5 } else { 0 };
        let announced = |first: &[u8]| if form == Form::Grpc { framed_bytes(first) } else { 0 };
        let collected = collect(body, self.limits.request_bytes_max + frame_bytes, announced, share);
        let timeout = self.limits.body_timeout;
        let wire = tokio::time::timeout(timeout, collected)
            .await
            .map_err(|_| Refusal::new(Cause::Malformed, format!("the body took longer than {timeout:?}")))??;
        let wire_bytes = wire.len() as u64;
        let (coding, packed) = if form == Form::Grpc { unframe(coding, wire)? } else { (coding, wire) };
        let plain = coding.inflate(packed.clone(), self.limits.inflated_bytes_max, |count| share.grow(count))?;
        let (plain, packed) = match form {
            // A copy of a request in JSON cannot be sent on as protobuf.
            Form::Json => (self.transcribe(signal, &plain, share)?, None),
            _ => (plain, (coding != Coding::Identity).then_some((coding, packed))),
        };
        let records = count_records(signal, &plain, self.limits.records_max)?;
        let account = self.account.of(signal);
        account.requests.add(1);
        account.wire_bytes.add(wire_bytes);
        account.bytes.add(plain.len() as u64);
        account.records.add(records as u64);
        Ok(Payload { plain, packed })
    }

    fn transcribe(&self, signal: Signal, text: &[u8], share: &mut Share) -> Result<Bytes, Refusal> {
        let request = requests::from_json(text, signal, NESTING_MAX).map_err(|fault| {
            Refusal::new(Cause::Malformed, format!("wrong JSON at byte {}: {}", fault.offset, fault.reason))
        })?;
        if request.len() > self.limits.inflated_bytes_max {
            return Err(too_large(self.limits.inflated_bytes_max));
        }
        share.grow(request.len())?;
        Ok(request.into())
    }
}

/// Nesting of values in JSON that is read: what readers of protobuf decode.
const NESTING_MAX: usize = 100;

/// Notes when a request ends without an answer, because its sender has gone.
struct Departure<'a> {
    account: &'a ReceiveAccount,
    is_answered: bool,
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        self.account.in_flight.take(1);
        if !self.is_answered {
            self.account.abandoned.add(1);
        }
    }
}

/// Returns how a request comes.
fn form_of(headers: &HeaderMap) -> Option<Form> {
    let value = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = value.split(|byte| *byte == b';').next()?.trim_ascii().to_ascii_lowercase();
    match essence.as_slice() {
        b"application/grpc" | b"application/grpc+proto" => Some(Form::Grpc),
        b"application/x-protobuf" | b"application/protobuf" => Some(Form::Protobuf),
        b"application/json" => Some(Form::Json),
        _ => None,
    }
}

/// Returns what a request carries.
fn signal_of<B>(form: Option<Form>, request: &Request<B>) -> Result<Signal, Refusal> {
    let path_of = if form == Some(Form::Grpc) { grpc_path } else { http_path };
    let path = request.uri().path();
    let found = [Signal::Logs, Signal::Metrics, Signal::Spans].into_iter().find(|signal| path_of(*signal) == path);
    let signal = found.ok_or_else(|| {
        Refusal::new(Cause::Unknown, "there is nothing at this path; OTLP has /v1/logs, /v1/metrics and /v1/traces")
    })?;
    if request.method() != Method::POST {
        return Err(Refusal::new(Cause::Method, "only POST is answered here"));
    }
    if form.is_none() {
        let message = "the content type is none of application/x-protobuf, application/json and application/grpc";
        return Err(Refusal::new(Cause::MediaType, message));
    }
    Ok(signal)
}

/// Returns the message in the one frame that an Export request has, and how it is compressed.
fn unframe(coding: Coding, mut wire: Bytes) -> Result<(Coding, Bytes), Refusal> {
    let malformed = |message: &str| Refusal::new(Cause::Malformed, message);
    if wire.len() < 5 {
        return Err(malformed("the body is shorter than the frame of a message"));
    }
    let is_packed = match wire.get_u8() {
        0 => false,
        1 => true,
        _ => return Err(malformed("the first byte of a frame is neither 0 nor 1")),
    };
    if wire.get_u32() as usize != wire.len() {
        return Err(malformed("the body is not exactly one message"));
    }
    match (is_packed, coding) {
        (false, _) => Ok((Coding::Identity, wire)),
        (true, Coding::Identity) => Err(malformed("a message is compressed and `grpc-encoding` does not say how")),
        (true, coding) => Ok((coding, wire)),
    }
}

thread_local! {
    /// The places of the last request that the thread looked at: memory that need not be asked for again.
    static INDEX: RefCell<RequestIndex> = RefCell::default();
}

/// Returns how many records a request has.
fn count_records(signal: Signal, request: &[u8], records_max: usize) -> Result<usize, Refusal> {
    INDEX.with_borrow_mut(|index| match index.read_within(signal, request, records_max) {
        Ok(()) => Ok(index.records().len()),
        Err(error) if error.reason == TOO_MANY_RECORDS => {
            Err(Refusal::new(Cause::TooLarge, format!("the request has more than {records_max} records")))
        }
        Err(error) => {
            Err(Refusal::new(Cause::Malformed, format!("no OTLP request: {} at byte {}", error.reason, error.offset)))
        }
    })
}
