//! What is counted to `/metrics`, `/livez`, `/readyz` and a page for people, on an address of its own.
//!
//! Changes nothing, needs no credentials, and shows no telemetry; it belongs on loopback or behind a network policy.

use crate::account::{Count, ReceiveAccount, Received, SendAccount};
use crate::collector::Settings;
use crate::datagram::{self, SocketAccount};
use crate::intake::Intake;
use crate::pipeline::Judge;
use crate::status::Cause;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// How many look at once; a scrape takes milliseconds.
const VIEWERS_MAX: usize = 64;

/// How long a connection may stay.
const VIEW_TIMEOUT: Duration = Duration::from_secs(30);

/// Holds what is shown.
pub struct Admin<J> {
    intake: Arc<Intake<J>>,
    account: Arc<ReceiveAccount>,
    datagrams: Vec<Arc<SocketAccount>>,
    settings: Arc<Settings>,
    begun: Instant,
    ends: watch::Receiver<bool>,
}

impl<J: Judge> Admin<J> {
    /// Returns what shows the state of a collector that begins now.
    pub fn new(
        intake: Arc<Intake<J>>,
        account: Arc<ReceiveAccount>,
        datagrams: Vec<Arc<SocketAccount>>,
        settings: Arc<Settings>,
        ends: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { intake, account, datagrams, settings, begun: Instant::now(), ends })
    }

    /// Serves a socket for as long as it is polled.
    pub async fn serve(self: Arc<Self>, socket: TcpListener) {
        let places = Arc::new(Semaphore::new(VIEWERS_MAX));
        loop {
            let Ok((stream, _)) = socket.accept().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let admin = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(admin.answer(&request))));
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
                let served = builder.serve_connection(TokioIo::new(stream), service);
                // How a viewer ends is no matter.
                let _ = tokio::time::timeout(VIEW_TIMEOUT, served).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" if *self.ends.borrow() => text(StatusCode::SERVICE_UNAVAILABLE, "ends\n".to_owned()),
            "/readyz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/metrics" => typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.metrics()),
            "/" if wants_json(request) => typed(StatusCode::OK, "application/json", self.status().to_string()),
            "/" => text(StatusCode::OK, self.page()),
            "/status.json" => typed(StatusCode::OK, "application/json", self.status().to_string()),
            _ => text(StatusCode::NOT_FOUND, "there are /, /status.json, /metrics, /livez and /readyz\n".to_owned()),
        }
    }

    /// Returns everything that is counted, in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        for (name, kind, help, of) in RECEIVED {
            begin(&mut out, name, kind, help);
            for signal in SIGNALS {
                line(&mut out, name, &[("signal", signal.table())], of(self.account.of(signal)).get());
            }
        }
        begin(&mut out, "dtq_refused_requests_total", "counter", "Requests refused, by cause.");
        for cause in Cause::ALL {
            let count = self.account.refused(cause).get();
            line(&mut out, "dtq_refused_requests_total", &[("cause", cause.name())], count);
        }
        for (name, kind, help, of) in RECEIVER {
            begin(&mut out, name, kind, help);
            line(&mut out, name, &[], of(&self.account).get());
        }
        for (name, kind, help, of) in SENT {
            begin(&mut out, name, kind, help);
            for destination in self.intake.destinations() {
                let labels = [("destination", destination.settings.name.as_str())];
                line(&mut out, name, &labels, of(&destination.account).get());
            }
        }
        begin(&mut out, "dtq_queue_limit_bytes", "gauge", "Bytes that may wait for a destination.");
        for destination in self.intake.destinations() {
            let labels = [("destination", destination.settings.name.as_str())];
            line(&mut out, "dtq_queue_limit_bytes", &labels, destination.settings.queue_bytes_max as u64);
        }
        begin(&mut out, "dtq_uptime_seconds", "gauge", "Seconds since the collector began.");
        line(&mut out, "dtq_uptime_seconds", &[], self.begun.elapsed().as_secs());
        datagram::account::append_metrics(&self.datagrams, &mut out);
        self.intake.judge().append_metrics(&mut out);
        out
    }

    /// Returns the same as JSON.
    pub fn status(&self) -> serde_json::Value {
        let received = |signal| {
            let received: serde_json::Map<_, _> = RECEIVED
                .iter()
                .map(|(name, _, _, of)| (short(name), of(self.account.of(signal)).get().into()))
                .collect();
            received
        };
        let destinations = self.intake.destinations().iter().map(|one| {
            let mut counts: serde_json::Map<_, _> =
                SENT.iter().map(|(name, _, _, of)| (short(name), of(&one.account).get().into())).collect();
            counts.insert("endpoint".to_owned(), one.settings.endpoint.to_string().into());
            counts.insert("queue_limit_bytes".to_owned(), one.settings.queue_bytes_max.into());
            (one.settings.name.clone(), serde_json::Value::Object(counts))
        });
        let receiver = RECEIVER.iter().map(|(name, _, _, of)| (short(name), of(&self.account).get().into()));
        let refused = Cause::ALL.iter().map(|one| (one.name().to_owned(), self.account.refused(*one).get().into()));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.begun.elapsed().as_secs(),
            "state": if *self.ends.borrow() { "ends" } else { "runs" },
            "ack": self.settings.ack.name(),
            "received": {
                "logs": received(Signal::Logs), "metrics": received(Signal::Metrics), "spans": received(Signal::Spans),
            },
            "receiver": receiver.collect::<serde_json::Map<_, _>>(),
            "refused": refused.collect::<serde_json::Map<_, _>>(),
            "destinations": destinations.collect::<serde_json::Map<_, _>>(),
            "datagrams": datagram::account::status(&self.datagrams),
            "rules": self.intake.judge().status(),
        })
    }

    /// Returns the same for people.
    fn page(&self) -> String {
        let status = self.status();
        let mut out = format!("dtq collect {}\n", env!("CARGO_PKG_VERSION"));
        append_indented(&mut out, &status, 0);
        out
    }
}

fn append_indented(out: &mut String, value: &serde_json::Value, depth: usize) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let indent = depth * 2;
                if value.is_object() || value.is_array() {
                    writeln!(out, "{:indent$}{key}:", "").expect("writing to a string cannot fail");
                    append_indented(out, value, depth + 1);
                } else {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "{:indent$}{key}: {text}", "").expect("writing to a string cannot fail");
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| append_indented(out, item, depth)),
        other => writeln!(out, "{:1$}{other}", "", depth * 2).expect("writing to a string cannot fail"),
    }
}

const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Metrics, Signal::Spans];

/// A name, a kind, what it is, and where it is counted.
type Metric<A> = (&'static str, &'static str, &'static str, fn(&A) -> &Count);

const RECEIVED: &[Metric<Received>] = &[
    ("dtq_received_requests_total", "counter", "Requests that were read and understood.", |a| &a.requests),
    ("dtq_received_records_total", "counter", "Their records.", |a| &a.records),
    ("dtq_received_bytes_total", "counter", "Their bytes, not compressed.", |a| &a.bytes),
    ("dtq_received_wire_bytes_total", "counter", "Their bytes as they came.", |a| &a.wire_bytes),
    ("dtq_changed_requests_total", "counter", "Requests that rules changed.", |a| &a.changed),
    ("dtq_emptied_requests_total", "counter", "Requests of which rules left nothing.", |a| &a.emptied),
    ("dtq_created_requests_total", "counter", "Requests that rules made.", |a| &a.created),
];

const RECEIVER: &[Metric<ReceiveAccount>] = &[
    ("dtq_requests_in_flight", "gauge", "Requests in work.", |a| &a.in_flight),
    ("dtq_connections_open", "gauge", "Connections open.", |a| &a.connections_open),
    ("dtq_connections_total", "counter", "Connections taken.", |a| &a.connections),
    ("dtq_connections_cut_total", "counter", "Connections closed for being too many or too slow.", |a| {
        &a.connections_cut
    }),
    ("dtq_abandoned_requests_total", "counter", "Requests whose sender left before the answer.", |a| &a.abandoned),
    ("dtq_unrouted_requests_total", "counter", "Requests routed to a destination that there is not.", |a| &a.unrouted),
    ("dtq_created_lost_requests_total", "counter", "Requests made by rules that no queue had a place for.", |a| {
        &a.created_lost
    }),
];

const SENT: &[Metric<SendAccount>] = &[
    ("dtq_sent_requests_total", "counter", "Requests acknowledged by a destination.", |a| &a.sent),
    ("dtq_sent_bytes_total", "counter", "Their bytes, not compressed.", |a| &a.sent_bytes),
    ("dtq_sent_wire_bytes_total", "counter", "Bytes written in all attempts, compressed.", |a| &a.wire_bytes),
    ("dtq_send_retries_total", "counter", "Attempts after the first.", |a| &a.retries),
    ("dtq_send_failed_attempts_total", "counter", "Attempts that failed in a way that passes.", |a| &a.failed_attempts),
    ("dtq_send_refused_requests_total", "counter", "Requests refused for good.", |a| &a.refused),
    ("dtq_send_expired_requests_total", "counter", "Requests given up after all retries.", |a| &a.expired),
    ("dtq_send_abandoned_requests_total", "counter", "Requests whose sender was told to try again.", |a| &a.abandoned),
    ("dtq_queue_full_requests_total", "counter", "Requests that a full queue did not take.", |a| &a.full),
    ("dtq_queue_dropped_requests_total", "counter", "Requests dropped for newer ones.", |a| &a.dropped),
    ("dtq_queue_left_requests_total", "counter", "Requests left when the process ended.", |a| &a.left),
    ("dtq_send_rejected_records_total", "counter", "Records not taken of requests that were.", |a| &a.rejected_records),
    ("dtq_send_partial_requests_total", "counter", "Answers with a partial success or a warning.", |a| &a.partial),
    ("dtq_queue_bytes", "gauge", "Bytes that wait or are being sent.", |a| &a.queued_bytes),
    ("dtq_queue_requests", "gauge", "Requests that wait or are being sent.", |a| &a.queued),
    ("dtq_destination_failing", "gauge", "1 while the last attempt failed.", |a| &a.is_failing),
];

fn short(name: &str) -> String {
    name.trim_start_matches("dtq_").trim_end_matches("_total").to_owned()
}

fn begin(out: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("writing to a string cannot fail");
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    out.push_str(name);
    for (index, (key, label)) in labels.iter().enumerate() {
        let open = if index == 0 { '{' } else { ',' };
        let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(out, "{open}{key}=\"{label}\"").expect("writing to a string cannot fail");
    }
    let close = if labels.is_empty() { "" } else { "}" };
    writeln!(out, "{close} {value}").expect("writing to a string cannot fail");
}

fn wants_json(request: &Request<Incoming>) -> bool {
    request.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
