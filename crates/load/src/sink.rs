//! A destination: OTLP in over gRPC and HTTP, ids noted before the answer, failures on purpose.
//!
//! Decodes nothing on the way to the ids, so that it costs little; `pairs` and `points` decode by prost and cost more.
//! Answers are the collector's own forms. `GET /stats` shows what was counted. Next: [`crate::verify`].

use crate::ids::{Id, Ids};
use crate::seen::{Numbers, Seen};
use bytes::Bytes;
use dtq_collector::coding::Coding;
use dtq_collector::receive::reply::{self, Form, ReplyBody};
use dtq_collector::receive::{grpc_path, http_path};
use dtq_collector::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Size in bytes of a request that is taken when inflated.
const REQUEST_BYTES_MAX: usize = 256 << 20;

/// The files of the state.
const SEEN: &str = "seen";
const REJECTED: &str = "rejected";
const NUMBERS: &str = "numbers";

/// Says what goes wrong on purpose: shares of all requests, from 0 to 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Refused as unavailable, every other one with a time to come again.
    pub fail: f64,
    /// Taken but for half of the records, which are said to be rejected.
    pub partial: f64,
    /// Taken, and the connection ends without an answer.
    pub cut: f64,
    /// Answered late by `delay`.
    pub slow: f64,
    /// How late.
    pub delay: Duration,
}

/// Says what a sink is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where what was seen is kept; `None` keeps it in memory.
    pub state: Option<PathBuf>,
    /// Counts requests and bytes only.
    pub is_blind: bool,
    /// Compares two attributes of every log record, see [`crate::marks`].
    pub has_pairs: bool,
    /// Sums the points of a metric, see [`crate::marks`].
    pub has_points: bool,
    /// What goes wrong on purpose.
    pub faults: Faults,
}

/// Names the numbers of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Duplicates,
    Records,
    Rejected,
    Whole,
    Halves,
    Unmarked,
    Points,
}

/// Holds what a sink counted; the first part outlives the process where there is a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Ids noted, duplicates too.
    pub records: u64,
    /// Ids that had been noted before.
    pub duplicates: u64,
    /// Records that were said to be rejected.
    pub rejected: u64,
    /// Records with both marks of one version.
    pub pairs_whole: u64,
    /// Records with marks of two versions, or with one mark.
    pub pairs_half: u64,
    /// Records without marks.
    pub pairs_none: u64,
    /// The sum of the points of the counted metric.
    pub points: u64,
    /// Requests of this process that were taken.
    pub requests: u64,
    /// Their bytes, as they came.
    pub wire_bytes: u64,
    /// Requests of this process that failed on purpose.
    pub faults: u64,
    /// CPU time of this process in milliseconds.
    pub cpu_ms: u64,
}

struct State {
    seen: Seen,
    rejected: Seen,
    numbers: Numbers<7>,
}

/// Holds a sink that runs.
pub struct Sink {
    options: Options,
    ids: Ids,
    state: Mutex<State>,
    requests: AtomicU64,
    wire_bytes: AtomicU64,
    faults: AtomicU64,
    arrived: AtomicU64,
}

type Answer = Response<Either<ReplyBody, Full<Bytes>>>;

/// Says that a connection is to end without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl Sink {
    /// Returns a sink with what its state holds.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn open(options: Options) -> io::Result<Arc<Self>> {
        let folder = options.state.as_deref();
        let (seen, rejected) = (Seen::open(folder, SEEN)?, Seen::open(folder, REJECTED)?);
        let numbers = Numbers::open(folder.map(|folder| folder.join(NUMBERS)).as_deref())?;
        let state = Mutex::new(State { seen, rejected, numbers });
        let (requests, wire_bytes, faults, arrived) = Default::default();
        Ok(Arc::new(Self { options, ids: Ids::default(), state, requests, wire_bytes, faults, arrived }))
    }

    /// Serves a socket until `ends` says so; connections end with it.
    pub async fn serve(self: Arc<Self>, socket: TcpListener, mut ends: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = ends.wait_for(|ends| *ends) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = socket.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Files are used up: a moment later there may be some.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let sink = Arc::clone(&self);
            connections.spawn(async move {
                let service = service_fn(|request| {
                    let sink = Arc::clone(&sink);
                    async move { sink.answer(request).await }
                });
                let mut builder = auto::Builder::new(TokioExecutor::new());
                let mut http2 = builder.http2();
                http2.initial_stream_window_size(4 << 20).initial_connection_window_size(8 << 20);
                http2.max_concurrent_streams(1024);
                // How a connection ends is what the collector sees, not the sink.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
        connections.shutdown().await;
    }

    /// Returns what was counted.
    pub fn stats(&self) -> Stats {
        let state = self.locked();
        let [duplicates, records, rejected, pairs_whole, pairs_half, pairs_none, points] = state.numbers.values;
        let (requests, wire_bytes) = (self.requests.load(Relaxed), self.wire_bytes.load(Relaxed));
        let (faults, cpu_ms) = (self.faults.load(Relaxed), crate::sender::cpu_time().as_millis() as u64);
        Stats {
            records,
            duplicates,
            rejected,
            pairs_whole,
            pairs_half,
            pairs_none,
            points,
            requests,
            wire_bytes,
            faults,
            cpu_ms,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        if request.method() == Method::GET {
            let stats = serde_json::to_vec(&self.stats()).expect("plain data always serializes");
            return Ok(Response::new(Either::Right(Full::new(stats.into()))));
        }
        let (head, body) = request.into_parts();
        let form = match head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()) {
            Some(b"application/grpc" | b"application/grpc+proto") => Form::Grpc,
            Some(b"application/json") => Form::Json,
            _ => Form::Protobuf,
        };
        let path = if form == Form::Grpc { grpc_path } else { http_path };
        let signals = [Signal::Logs, Signal::Metrics, Signal::Spans];
        let Some(signal) = signals.into_iter().find(|signal| path(*signal) == head.uri.path()) else {
            let mut nothing = Response::new(Either::Right(Full::default()));
            *nothing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(nothing);
        };
        let name = if form == Form::Grpc { "grpc-encoding" } else { "content-encoding" };
        let coding = Coding::of_header(head.headers.get(name).map(|value| value.as_bytes()));
        // A sender that was killed meanwhile hears nothing any more.
        let Ok(wire) = body.collect().await else { return Err(Cut) };
        let refused = |refusal: &Refusal| Ok(reply::refuse(form, refusal).map(Either::Left));
        match coding.and_then(|coding| self.plain(form, coding, wire.to_bytes())) {
            Ok(request) => self.take(form, signal, request).await,
            Err(refusal) => refused(&refusal),
        }
    }

    fn plain(&self, form: Form, coding: Coding, wire: Bytes) -> Result<Bytes, Refusal> {
        self.wire_bytes.fetch_add(wire.len() as u64, Relaxed);
        let (coding, message) = match (form, wire.first()) {
            (Form::Grpc, None) => return Err(Refusal::new(Cause::Malformed, "no frame")),
            (Form::Grpc, Some(0)) => (Coding::Identity, wire.slice(5.min(wire.len())..)),
            (Form::Grpc, Some(_)) => (coding, wire.slice(5.min(wire.len())..)),
            _ => (coding, wire),
        };
        if self.options.is_blind {
            return Ok(message);
        }
        coding.inflate(message, REQUEST_BYTES_MAX, |_| Ok(()))
    }

    /// Takes a request, or does wrong with it what was asked for.
    async fn take(&self, form: Form, signal: Signal, request: Bytes) -> Result<Answer, Cut> {
        let faults = self.options.faults;
        let place = spread(self.arrived.fetch_add(1, Relaxed));
        let (fails, partial, cut) =
            (faults.fail, faults.fail + faults.partial, faults.fail + faults.partial + faults.cut);
        let is_fault = place < cut + faults.slow;
        self.faults.fetch_add(u64::from(is_fault), Relaxed);
        if place < fails {
            let mut refusal = Refusal::new(Cause::Unavailable, "unavailable on purpose");
            if place < fails / 2.0 {
                refusal.retry_after = None;
            }
            return Ok(reply::refuse(form, &refusal).map(Either::Left));
        }
        let is_partial = place < partial;
        let noted = if self.options.is_blind { Ok(0) } else { self.note(signal, &request, is_partial) };
        let Ok(rejected) = noted else {
            let refusal = Refusal::new(Cause::RefusedHere, "the state of the sink cannot be written");
            return Ok(reply::refuse(form, &refusal).map(Either::Left));
        };
        self.requests.fetch_add(1, Relaxed);
        if !is_partial && place < cut {
            return Err(Cut);
        }
        if is_fault && place >= cut {
            tokio::time::sleep(faults.delay).await;
        }
        let message = if rejected > 0 { "rejected on purpose".to_owned() } else { String::new() };
        Ok(reply::success(form, signal, &PartialSuccess { rejected, message }).map(Either::Left))
    }

    /// Notes what a request holds and returns how many of its records are rejected.
    fn note(&self, signal: Signal, request: &[u8], is_partial: bool) -> io::Result<u64> {
        let mut all: Vec<Id> = self.ids.find(request).map(|(_, id)| id).collect();
        let rejected = all.split_off(if is_partial { all.len() / 2 } else { all.len() });
        let (whole, half, none) = if self.options.has_pairs { crate::marks::pairs(signal, request) } else { (0, 0, 0) };
        let points = if self.options.has_points { crate::marks::points(signal, request) } else { 0 };
        let mut state = self.locked();
        let duplicates = state.seen.note(all.iter().copied())?;
        state.rejected.note(rejected.iter().copied())?;
        let mut add = |number: Number, count: u64| state.numbers.values[number as usize] += count;
        add(Number::Duplicates, duplicates);
        add(Number::Records, all.len() as u64);
        add(Number::Rejected, rejected.len() as u64);
        add(Number::Whole, whole);
        add(Number::Halves, half);
        add(Number::Unmarked, none);
        add(Number::Points, points);
        state.numbers.save()?;
        Ok(rejected.len() as u64)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what the state of a sink that has ended says: what was seen, and what was rejected.
///
/// # Errors
/// When files cannot be read.
pub fn read_state(folder: &Path) -> io::Result<(Seen, Seen)> {
    Ok((Seen::open(Some(folder), SEEN)?, Seen::open(Some(folder), REJECTED)?))
}

/// Returns a number from 0 to 1 that looks random and is the same in every run.
fn spread(count: u64) -> f64 {
    let mixed = (count + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1u64 << 53) as f64
}
