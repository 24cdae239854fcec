//! What is counted to `/metrics`, `/livez`, `/readyz` and a page for people, on an address of its own.
//!
//! Changes nothing, needs no credentials, and shows no telemetry; it belongs on loopback or behind a network policy.

use crate::account::{Count, OwnAccount, ReceiveAccount, Received, SendAccount};
use crate::certificates::Certificates;
use crate::collector::Settings;
use crate::datagram::{self, SocketAccount};
use crate::events::{Event, Events, Severity};
use crate::intake::Intake;
use crate::pipeline::Judge;
use crate::rules::clock;
use crate::send::Destination;
use crate::status::Cause;
use crate::telemetry::family::{Family, Kind, Value};
use crate::telemetry::{Counted, process, text};
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
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// How many look at once; a scrape takes milliseconds.
const VIEWERS_MAX: usize = 64;

/// How long a connection may stay.
const VIEW_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the thread that judges may be silent until the process counts as dead: far more than a request may take.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// From which part of a queue on that is worth a word, in percent.
const QUEUE_TROUBLE_PERCENT: u64 = 80;

/// How many events the page shows.
const EVENTS_SHOWN: usize = 20;

/// Holds what is shown.
pub struct Admin<J> {
    intake: Arc<Intake<J>>,
    account: Arc<ReceiveAccount>,
    datagrams: Vec<Arc<SocketAccount>>,
    settings: Arc<Settings>,
    seen: Seen,
    /// What is counted of what the process says of itself.
    pub own: Arc<OwnAccount>,
    begun: Instant,
    begun_at: SystemTime,
    ends: watch::Receiver<bool>,
}

/// Holds what else is shown.
pub struct Seen {
    /// Certificates that are read again.
    pub certificates: Arc<Certificates>,
    /// What happened.
    pub events: Arc<Events>,
}

impl<J: Judge> Admin<J> {
    /// Returns what shows the state of a collector that begins now.
    pub fn new(
        intake: Arc<Intake<J>>,
        account: Arc<ReceiveAccount>,
        datagrams: Vec<Arc<SocketAccount>>,
        settings: Arc<Settings>,
        seen: Seen,
        ends: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (own, begun, begun_at) = (Arc::default(), Instant::now(), SystemTime::now());
        Arc::new(Self { intake, account, datagrams, settings, seen, own, begun, begun_at, ends })
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
                let service = service_fn(|request| {
                    let admin = Arc::clone(&admin);
                    async move { Ok::<_, Infallible>(admin.answer(&request).await) }
                });
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5));
                let served = builder.serve_connection(TokioIo::new(stream), service);
                // How a viewer ends is no matter.
                let _ = tokio::time::timeout(VIEW_TIMEOUT, served).await;
                drop(place);
            });
        }
    }

    async fn answer(self: &Arc<Self>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n".to_owned());
        }
        let show: fn(&Self) -> (&'static str, String) = match request.uri().path() {
            "/livez" => return self.livez(),
            "/readyz" => return self.readyz(),
            "/metrics" => |admin| ("text/plain; version=0.0.4; charset=utf-8", admin.metrics()),
            "/" if !wants_json(request) => |admin| (PLAIN, admin.page()),
            "/" | "/status.json" => |admin| ("application/json", admin.status().to_string()),
            _ => {
                let paths = "there are /, /status.json, /metrics, /livez and /readyz\n";
                return plain(StatusCode::NOT_FOUND, paths.to_owned());
            }
        };
        // The rules may take their time to answer, which must not hold up requests.
        let admin = Arc::clone(self);
        match tokio::task::spawn_blocking(move || show(&admin)).await {
            Ok((content_type, body)) => typed(StatusCode::OK, content_type, body),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "this failed, which is a mistake in dtq\n".to_owned()),
        }
    }

    /// Says whether a restart would help.
    fn livez(&self) -> Response<Full<Bytes>> {
        if self.is_alive(SILENCE_MAX) {
            return plain(StatusCode::OK, "ok\n".to_owned());
        }
        let silent = self.intake.judge().silent_for().as_secs();
        plain(StatusCode::SERVICE_UNAVAILABLE, format!("the thread that judges was not seen alive for {silent} s\n"))
    }

    /// Says whether requests may come. A destination that fails is no reason why not: senders are told to try again,
    /// and all processes would be out of service at once.
    fn readyz(&self) -> Response<Full<Bytes>> {
        if *self.ends.borrow() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "ends: takes nothing new, sends what waits\n".to_owned());
        }
        let troubles = self.troubles().into_iter().map(|trouble| format!("! {trouble}\n"));
        plain(StatusCode::OK, std::iter::once("ok\n".to_owned()).chain(troubles).collect())
    }

    /// Says whether the thread that judges was seen alive within a time; once the process ends, it need not be.
    pub fn is_alive(&self, within: Duration) -> bool {
        *self.ends.borrow() || self.intake.judge().silent_for() < within
    }

    /// Returns what an operator should look at, without waiting.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles: Vec<_> = self.intake.destinations().iter().flat_map(|one| troubles_of(one)).collect();
        troubles.extend(self.seen.certificates.troubles());
        troubles.extend(self.intake.judge().troubles());
        troubles
    }

    /// Returns what happened lately.
    pub fn events(&self) -> &Events {
        &self.seen.events
    }

    /// Returns the destinations in the order of the configuration.
    pub fn destinations(&self) -> &[Arc<Destination>] {
        self.intake.destinations()
    }

    /// Returns how often new certificates took the place of those before.
    pub fn certificate_reloads(&self) -> u64 {
        self.seen.certificates.reloads.get()
    }

    /// Returns the state in a line.
    pub fn status_line(&self) -> String {
        if *self.ends.borrow() {
            let waiting: u64 = self.intake.destinations().iter().map(|one| one.account.queued.get()).sum();
            return format!("ends; {waiting} requests wait");
        }
        let troubles = self.troubles();
        match troubles.first() {
            None => "takes requests; nothing is wrong".to_owned(),
            Some(first) if troubles.len() == 1 => format!("takes requests; {first}"),
            Some(first) => format!("takes requests; {first} (and {} more)", troubles.len() - 1),
        }
    }

    /// Returns everything that is counted, in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        text::append(&mut out, &self.families());
        out
    }

    /// Returns everything that is counted.
    pub fn families(&self) -> Vec<Family> {
        let mut all = self.of_receiver();
        all.extend(self.of_destinations());
        all.extend(datagram::account::families(&self.datagrams));
        all.extend(self.of_process());
        all.extend(self.seen.certificates.families());
        all.extend(self.intake.judge().families());
        all.extend(process::families());
        all
    }

    fn of_receiver(&self) -> Vec<Family> {
        let by_signal = |(name, kind, help, of): &Metric<Received>| {
            SIGNALS.into_iter().fold(Family::new(*name, *kind, help), |family, signal| {
                family.with(vec![("signal", signal.table().to_owned())], of(self.account.of(signal)).get())
            })
        };
        let mut all: Vec<_> = RECEIVED.iter().map(by_signal).collect();
        let refused = Family::new("dtq_refused_requests_total", Kind::Counter, "Requests refused, by cause.");
        all.push(Cause::ALL.into_iter().fold(refused, |family, cause| {
            family.with(vec![("cause", cause.name().to_owned())], self.account.refused(cause).get())
        }));
        let single = |(name, kind, help, of): &Metric<ReceiveAccount>| {
            Family::single(*name, *kind, help, of(&self.account).get())
        };
        all.extend(RECEIVER.iter().map(single));
        all
    }

    fn of_destinations(&self) -> Vec<Family> {
        let each = |name: &str, kind, help, of: &dyn Fn(&Destination) -> Value| {
            self.intake.destinations().iter().fold(Family::new(name, kind, help), |family, one| {
                family.with(vec![("destination", one.settings.name.clone())], of(one))
            })
        };
        let counted = |(name, kind, help, of): &Metric<SendAccount>| {
            each(name, *kind, help, &|one| Value::Whole(of(&one.account).get()))
        };
        let mut all: Vec<_> = SENT.iter().map(counted).collect();
        all.push(each("dtq_queue_limit_bytes", Kind::Gauge, "Bytes that may wait for a destination.", &|one| {
            Value::Whole(one.settings.queue_bytes_max as u64)
        }));
        let help = "Seconds that the oldest request has waited which is not on its way yet.";
        all.push(each("dtq_queue_oldest_seconds", Kind::Gauge, help, &|one| {
            Value::Real(one.queue.oldest_age().as_secs_f64())
        }));
        all
    }

    fn of_process(&self) -> Vec<Family> {
        let begun = self.begun_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let events = Family::new("dtq_events_total", Kind::Counter, "Events said, by severity.");
        let own = |name: &str, help, is_sent| {
            [Signal::Logs, Signal::Metrics].into_iter().fold(
                Family::new(name, Kind::Counter, help),
                |family, signal| {
                    family.with(vec![("signal", signal.table().to_owned())], self.own.of(signal, is_sent).get())
                },
            )
        };
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        vec![
            Family::new("dtq_build_info", Kind::Gauge, "1, with the version.").with(version, 1),
            Family::single(
                "dtq_uptime_seconds",
                Kind::Gauge,
                "Seconds since the collector began.",
                self.begun.elapsed().as_secs(),
            ),
            Family::single("process_start_time_seconds", Kind::Gauge, "When the collector began.", begun),
            Severity::ALL.into_iter().fold(events, |events, one| {
                events.with(vec![("severity", one.name().to_lowercase())], self.seen.events.count(one))
            }),
            own("dtq_telemetry_sent_requests_total", "Requests of own metrics and logs that were taken.", true),
            own("dtq_telemetry_lost_requests_total", "Requests of own metrics and logs that were not taken.", false),
            Family::single(
                "dtq_telemetry_lost_events_total",
                Kind::Counter,
                "Events that were never sent.",
                self.own.lost_events.get(),
            ),
        ]
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
        let destinations = self.intake.destinations().iter().map(|one| (one.settings.name.clone(), status_of(one)));
        let receiver = RECEIVER.iter().map(|(name, _, _, of)| (short(name), of(&self.account).get().into()));
        let refused = Cause::ALL.iter().map(|one| (one.name().to_owned(), self.account.refused(*one).get().into()));
        let events: Vec<_> = self.seen.events.last(EVENTS_SHOWN).iter().rev().map(status_of_event).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": self.begun.elapsed().as_secs(),
            "state": if *self.ends.borrow() { "ends" } else { "runs" },
            "troubles": self.troubles(),
            "ack": self.settings.ack.name(),
            "received": {
                "logs": received(Signal::Logs), "metrics": received(Signal::Metrics), "spans": received(Signal::Spans),
            },
            "receiver": receiver.collect::<serde_json::Map<_, _>>(),
            "refused": refused.collect::<serde_json::Map<_, _>>(),
            "destinations": destinations.collect::<serde_json::Map<_, _>>(),
            "datagrams": datagram::account::status(&self.datagrams),
            "rules": self.intake.judge().status(),
            "events": events,
        })
    }

    /// Returns the same for people: first what is wrong, then how each destination is, then everything.
    fn page(&self) -> String {
        let uptime = shown_duration(self.begun.elapsed());
        let mut out = format!("dtq collect {}, process {}, ", env!("CARGO_PKG_VERSION"), std::process::id());
        out += if *self.ends.borrow() { "ends" } else { "runs" };
        out += &format!(" for {uptime}\n\n");
        let troubles = self.troubles();
        if troubles.is_empty() {
            out += "Nothing is wrong.\n";
        }
        troubles.iter().for_each(|trouble| out += &format!("! {trouble}\n"));
        out += "\n";
        for one in self.intake.destinations() {
            let (account, name) = (&one.account, &one.settings.name);
            let state = if account.is_failing.get() == 1 { "FAILS" } else { "ok" };
            out += &format!(
                "{name}: {state}, queue {} % ({} requests), sent {}, last {}\n",
                queue_percent(one),
                account.queued.get(),
                account.sent.get(),
                last_success(one).map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at))),
            );
        }
        let status = self.status();
        if let Some(version) = status["rules"]["version"].as_u64() {
            let (since, engine) = (&status["rules"]["since"], &status["rules"]["engine"]);
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            out += &format!("rules: version {version} since {}, {}\n", text(since), text(engine));
        }
        out += "\n";
        append_indented(&mut out, &status, 0);
        out
    }
}

impl<J: Judge> Counted for Admin<J> {
    fn families(&self) -> Vec<Family> {
        Admin::families(self)
    }
}

/// Returns what an operator should look at of a destination.
fn troubles_of(destination: &Destination) -> Vec<String> {
    let (name, trouble) = (&destination.settings.name, destination.troubles());
    let mut troubles = Vec::new();
    if let Some(since) = trouble.failing_since {
        let why = trouble.last_error.map_or_else(String::new, |(_, error)| format!(": {error}"));
        troubles.push(format!("destination `{name}` fails for {}{why}", age(since)));
    }
    let percent = queue_percent(destination);
    if percent >= QUEUE_TROUBLE_PERCENT {
        troubles.push(format!("the queue of destination `{name}` is {percent} % full"));
    }
    troubles
}

fn status_of(destination: &Destination) -> serde_json::Value {
    let account = &destination.account;
    let mut status: serde_json::Map<_, _> =
        SENT.iter().map(|(name, _, _, of)| (short(name), of(account).get().into())).collect();
    let trouble = destination.troubles();
    status.insert("endpoint".to_owned(), destination.settings.endpoint.to_string().into());
    status.insert("queue_limit_bytes".to_owned(), destination.settings.queue_bytes_max.into());
    status.insert("queue_percent".to_owned(), queue_percent(destination).into());
    status.insert("queue_oldest_seconds".to_owned(), destination.queue.oldest_age().as_secs().into());
    status.insert("failing_since".to_owned(), trouble.failing_since.map(shown_time).into());
    let (at, error) = trouble.last_error.map(|(at, error)| (shown_time(at), error)).unzip();
    status.insert("last_error".to_owned(), error.into());
    status.insert("last_error_time".to_owned(), at.into());
    serde_json::Value::Object(status)
}

fn status_of_event(event: &Event) -> serde_json::Value {
    let first = event.text.lines().next().unwrap_or_default();
    format!("{} {} {first}", shown_time(event.time), event.severity.name()).into()
}

fn queue_percent(destination: &Destination) -> u64 {
    destination.account.queued_bytes.get().saturating_mul(100) / (destination.settings.queue_bytes_max as u64).max(1)
}

fn last_success(destination: &Destination) -> Option<SystemTime> {
    let seconds = destination.account.last_success_s.get();
    (seconds > 0).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

fn age(since: SystemTime) -> String {
    shown_duration(since.elapsed().unwrap_or_default())
}

fn shown_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn shown_time(time: SystemTime) -> String {
    clock::shown(clock::ticks_of(time))
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
type Metric<A> = (&'static str, Kind, &'static str, fn(&A) -> &Count);

const RECEIVED: &[Metric<Received>] = &[
    ("dtq_received_requests_total", Kind::Counter, "Requests that were read and understood.", |a| &a.requests),
    ("dtq_received_records_total", Kind::Counter, "Their records.", |a| &a.records),
    ("dtq_received_bytes_total", Kind::Counter, "Their bytes, not compressed.", |a| &a.bytes),
    ("dtq_received_wire_bytes_total", Kind::Counter, "Their bytes as they came.", |a| &a.wire_bytes),
    ("dtq_changed_requests_total", Kind::Counter, "Requests that rules changed.", |a| &a.changed),
    ("dtq_emptied_requests_total", Kind::Counter, "Requests of which rules left nothing.", |a| &a.emptied),
    ("dtq_created_requests_total", Kind::Counter, "Requests that rules made.", |a| &a.created),
];

const RECEIVER: &[Metric<ReceiveAccount>] = &[
    ("dtq_requests_in_flight", Kind::Gauge, "Requests in work.", |a| &a.in_flight),
    ("dtq_connections_open", Kind::Gauge, "Connections open.", |a| &a.connections_open),
    ("dtq_connections_total", Kind::Counter, "Connections taken.", |a| &a.connections),
    ("dtq_connections_cut_total", Kind::Counter, "Connections closed for being too many or too slow.", |a| {
        &a.connections_cut
    }),
    ("dtq_abandoned_requests_total", Kind::Counter, "Requests whose sender left before the answer.", |a| &a.abandoned),
    ("dtq_unrouted_requests_total", Kind::Counter, "Requests routed to a destination that there is not.", |a| {
        &a.unrouted
    }),
    ("dtq_created_lost_requests_total", Kind::Counter, "Requests made by rules that no queue had a place for.", |a| {
        &a.created_lost
    }),
];

const SENT: &[Metric<SendAccount>] = &[
    ("dtq_sent_requests_total", Kind::Counter, "Requests acknowledged by a destination.", |a| &a.sent),
    ("dtq_sent_bytes_total", Kind::Counter, "Their bytes, not compressed.", |a| &a.sent_bytes),
    ("dtq_sent_wire_bytes_total", Kind::Counter, "Bytes written in all attempts, compressed.", |a| &a.wire_bytes),
    ("dtq_send_merged_requests_total", Kind::Counter, "Those of them that left as one with others.", |a| &a.merged),
    ("dtq_send_split_requests_total", Kind::Counter, "Requests too large for it, sent in parts.", |a| &a.split),
    ("dtq_send_retries_total", Kind::Counter, "Attempts after the first.", |a| &a.retries),
    ("dtq_send_failed_attempts_total", Kind::Counter, "Attempts that failed in a way that passes.", |a| {
        &a.failed_attempts
    }),
    ("dtq_send_refused_requests_total", Kind::Counter, "Requests refused for good.", |a| &a.refused),
    ("dtq_send_expired_requests_total", Kind::Counter, "Requests given up after all retries.", |a| &a.expired),
    ("dtq_send_abandoned_requests_total", Kind::Counter, "Requests whose sender was told to try again.", |a| {
        &a.abandoned
    }),
    ("dtq_queue_full_requests_total", Kind::Counter, "Requests that a full queue did not take.", |a| &a.full),
    ("dtq_queue_dropped_requests_total", Kind::Counter, "Requests dropped for newer ones.", |a| &a.dropped),
    ("dtq_queue_left_requests_total", Kind::Counter, "Requests left when the process ended.", |a| &a.left),
    ("dtq_send_rejected_records_total", Kind::Counter, "Records not taken of requests that were.", |a| {
        &a.rejected_records
    }),
    ("dtq_send_partial_requests_total", Kind::Counter, "Answers with a partial success or a warning.", |a| &a.partial),
    ("dtq_queue_bytes", Kind::Gauge, "Bytes that wait or are being sent.", |a| &a.queued_bytes),
    ("dtq_queue_requests", Kind::Gauge, "Requests that wait or are being sent.", |a| &a.queued),
    ("dtq_destination_failing", Kind::Gauge, "1 while the last attempt failed.", |a| &a.is_failing),
    ("dtq_destination_last_success_timestamp_seconds", Kind::Gauge, "When it last took a request; 0 if never.", |a| {
        &a.last_success_s
    }),
];

fn short(name: &str) -> String {
    name.trim_start_matches("dtq_").trim_end_matches("_total").to_owned()
}

fn wants_json(request: &Request<Incoming>) -> bool {
    request.headers().get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn plain(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, PLAIN, body)
}

fn typed(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
