//! Full load for minutes or hours, with swaps, faults and slow senders, to a table that says whether all held.
//!
//! What has to hold: every record arrived, was dropped by a rule, or was rejected by the destination; nothing failed
//! inside; memory does not grow. Next: `main.rs`.

use crate::marks::COUNTED;
use crate::processes::Programs;
use crate::rig::{Control, Metrics, Plan, Rig};
use crate::sender::{self, Progress, Summary};
use crate::sink::{self, Stats};
use crate::traffic::{NOISE, Template, is_noise};
use crate::verify::{Verdict, verify};
use dtq_collector::coding::Coding;
use dtq_collector::rules::protocol::Request;
use dtq_collector::send::settings::Protocol;
use dtq_record::otlp::Signal;
use serde::Serialize;
use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Rows of the table.
const ROWS: u32 = 15;

/// Time between two samples of memory.
const SAMPLE: Duration = Duration::from_millis(500);

/// Senders that bring a byte at a time, and connections that bring nothing.
const SLOW_SENDERS: usize = 40;

/// How much the memory of the last third may lie above that of the second: a tenth and 8 MiB.
const GROWTH: (u64, u64) = (10, 8 << 10);

/// Says what is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long.
    pub time: Duration,
    /// Time between two swaps.
    pub swap_every: Duration,
    /// Records a second; `None` is as many as are answered.
    pub rate: Option<f64>,
}

/// Holds what was seen in a part of the time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Row {
    /// Seconds since the beginning.
    pub at_s: u64,
    /// Records acknowledged in this part, a second.
    pub records_per_second: u64,
    /// The median of the resident memory of the collector in KiB, and the largest.
    pub resident_kib: (u64, u64),
    /// Files and sockets that the collector has open.
    pub open_files: u64,
    /// Bytes that wait for the sink.
    pub queued_bytes: u64,
    /// Attempts of the sender after the first.
    pub sender_retries: u64,
    /// Attempts of the collector after the first.
    pub collector_retries: u64,
    /// Swaps.
    pub swaps: u64,
    /// CPU seconds of the collector.
    pub cpu_s: f64,
}

/// Holds what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The table.
    pub rows: Vec<Row>,
    /// What the sender saw.
    pub sent: Summary,
    /// What the sink counted.
    pub sink: Stats,
    /// Record by record.
    pub verdict: Verdict,
    /// Swaps.
    pub swaps: u64,
    /// How often slow senders were cut off.
    pub slow_cut: u64,
    /// The median of the memory in the second and the last third of the time, in KiB.
    pub resident_kib: (u64, u64),
    /// What went wrong, in words; empty if nothing did.
    pub errors: Vec<String>,
}

impl Report {
    /// Says whether all held.
    pub fn is_right(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Rules of every kind: windows, a text removed, records dropped, a rate, and one more that comes and goes.
fn rules(version: u64) -> String {
    format!(
        r#"
  - name: counted
    to: metrics
    lateness: 1s
    metrics: {{n: {{name: {COUNTED}, type: sum, unit: "{{record}}"}}}}
    kql: logs | summarize n = count() by bin(Timestamp, 1s), route = tostring(Attributes["http.route"])
  - name: durations
    to: metrics
    interval: 2s
    metrics: {{ms: {{name: load.status, type: histogram, unit: "1", bounds: [200, 300, 400]}}}}
    kql: spans | project ms = toreal(Attributes["http.response.status_code"]), method = tostring(Attributes["http.request.method"])
  - name: log-secrets
    to: replace
    on_error: drop
    kql: logs | extend Attributes = bag_remove_keys(Attributes, dynamic(["secret"]))
  - name: span-secrets
    to: replace
    on_error: drop
    kql: spans | extend Attributes = bag_remove_keys(Attributes, dynamic(["secret"]))
  - name: version
    to: replace
    kql: logs | where SeverityNumber > 0 | extend Attributes = bag_set_key(Attributes, "rules.version", "{version}")
  - name: quiet-users
    to: drop
    key: tostring(Attributes["user.id"])
    above: {{rate: 1000000/s, burst: 1000000}}
    kql: logs | where SeverityNumber == 5
  - name: never
    to: drop
    kql: logs | where Body has "nothing{version}"
  - name: no-noise
    to: drop
    kql: logs | where tostring(Attributes["EventName"]) == "{NOISE}"
  - name: no-health-checks
    to: drop
    kql: spans | where tostring(Attributes["url.path"]) == "/healthz"
  - name: no-noisy-metric
    to: drop
    kql: metrics | where MetricName == "load.noise"
"#
    )
}

/// Runs it.
///
/// # Errors
/// When a process fails; what went wrong otherwise stands in the report.
pub async fn run(programs: &Programs, options: Options, say: impl Fn(&Row)) -> Result<Report, String> {
    let faults = "--fail 0.01 --partial 0.002 --cut 0.002 --slow 0.01 --delay-ms 300 --points";
    let sink = faults.split(' ').map(str::to_owned).collect();
    let mut rig = Rig::start(programs, &Plan { rules: rules(0), sink, compression: "gzip" })?;
    let progress = Arc::new(Progress::default());
    let sending = tokio::spawn(sender::send(mixed(&rig, options), Arc::clone(&progress)));
    let (mut slow, cut) = slow_senders(rig.intake);
    let watched = watch(&rig, options, &progress, say).await;
    progress.is_over.store(true, Relaxed);
    if watched.is_err() {
        // A sender would try for minutes to reach a collector that is not there.
        sending.abort();
    }
    let watched = watched?;
    let sent = sending.await.map_err(|error| format!("the sender failed: {error}"))??;
    slow.shutdown().await;
    let slow_cut = cut.load(Relaxed);
    let metrics = rig.metrics()?;
    let sink = rig.stop()?;
    let (seen, rejected) = sink::read_state(&rig.path("sink")).map_err(|error| error.to_string())?;
    let verdict = verify(&sent.streams, is_noise, &seen, &rejected);
    let Watched { rows, samples, swaps, mut errors } = watched;
    let resident_kib = thirds(&samples);
    errors.extend(wrong(&sent, &verdict, &metrics, resident_kib));
    Ok(Report { rows, sent, sink, verdict, swaps, slow_cut, resident_kib, errors })
}

/// Returns the mixed traffic: all signals, protocols, compressions, small requests and large.
fn mixed(rig: &Rig, options: Options) -> sender::Options {
    let protocols = [Protocol::Grpc, Protocol::Protobuf, Protocol::Grpc, Protocol::Json];
    let codings = [Coding::Identity, Coding::Gzip, Coding::Zstd];
    let ways = (0..12).map(|index| rig.way(protocols[index % 4], codings[index % 3]));
    let template = |signal, batch, text_bytes| Template::new(signal, sender::stream_of(1, signal), batch, text_bytes);
    let templates = vec![
        template(Signal::Logs, 100, 100),
        template(Signal::Spans, 100, 60),
        template(Signal::Logs, 10, 2000),
        template(Signal::Metrics, 100, 0),
        template(Signal::Logs, 1000, 100),
        template(Signal::Spans, 10, 400),
        template(Signal::Metrics, 10, 0),
        template(Signal::Logs, 100, 20),
        template(Signal::Spans, 500, 30),
    ];
    let sending = rig.sender(10, 10);
    sender::Options { ways: ways.collect(), connections: 12, in_flight: 2, templates, rate: options.rate, ..sending }
}

/// What was seen while records passed.
#[derive(Default)]
struct Watched {
    rows: Vec<Row>,
    samples: Vec<u64>,
    swaps: u64,
    errors: Vec<String>,
}

/// Replaces rules and samples memory until the time is over.
async fn watch(rig: &Rig, options: Options, progress: &Progress, say: impl Fn(&Row)) -> Result<Watched, String> {
    let mut watched = Watched::default();
    let begun = Instant::now();
    let (mut swap_at, mut control) = (begun + options.swap_every, rig.control()?);
    let mut part = Part::begin(rig, progress, 0)?;
    while begun.elapsed() < options.time {
        tokio::time::sleep(SAMPLE.min(options.swap_every)).await;
        let Some(resident) = rig.collector.resident_kib() else {
            return Err(format!("the collector has ended:\n{}", rig.collector.said()));
        };
        watched.samples.push(resident);
        if Instant::now() >= swap_at {
            swap_at = Instant::now() + options.swap_every;
            match swap(rig, &mut control, watched.swaps) {
                Ok(()) => watched.swaps += 1,
                Err(error) if watched.errors.len() < 20 => watched.errors.push(error),
                Err(_) => {}
            }
        }
        if part.begun.elapsed() >= options.time / ROWS {
            let row = part.end(rig, progress, &watched, begun.elapsed())?;
            say(&row);
            watched.rows.push(row);
            part = Part::begin(rig, progress, watched.samples.len())?;
        }
    }
    Ok(watched)
}

/// Replaces the rules by one of the ways there are.
fn swap(rig: &Rig, control: &mut Control, number: u64) -> Result<(), String> {
    let rule = "never".to_owned();
    match number % 5 {
        0 => rig.write_rules(&rules(number + 1)),
        1 => rig.ctl(&["off", "never"]),
        2 => {
            rig.write_rules(&rules(number + 1))?;
            control.order(&Request::Reload).map(drop)
        }
        3 => control.order(&Request::On { rule }).map(drop),
        _ => control.order(&Request::Rollback { version: None }).map(drop),
    }
}

/// A part of the time, as it began.
struct Part {
    begun: Instant,
    acknowledged: u64,
    sender_retries: u64,
    collector_retries: f64,
    sample: usize,
    cpu_s: f64,
    swaps: f64,
}

impl Part {
    fn begin(rig: &Rig, progress: &Progress, sample: usize) -> Result<Self, String> {
        let metrics = rig.metrics()?;
        Ok(Self {
            begun: Instant::now(),
            acknowledged: progress.acknowledged.load(Relaxed),
            sender_retries: progress.retries.load(Relaxed),
            collector_retries: metrics.sum("dtq_send_retries_total")?,
            sample,
            cpu_s: rig.collector.cpu_seconds(),
            swaps: metrics.sum("dtq_rules_swaps_total")?,
        })
    }

    fn end(&self, rig: &Rig, progress: &Progress, watched: &Watched, at: Duration) -> Result<Row, String> {
        let metrics = rig.metrics()?;
        let samples = &watched.samples[self.sample..];
        let acknowledged = progress.acknowledged.load(Relaxed) - self.acknowledged;
        Ok(Row {
            at_s: at.as_secs(),
            records_per_second: (acknowledged as f64 / self.begun.elapsed().as_secs_f64()) as u64,
            resident_kib: (median(samples), samples.iter().copied().max().unwrap_or(0)),
            open_files: rig.collector.open_files(),
            queued_bytes: metrics.sum("dtq_queue_bytes")? as u64,
            sender_retries: progress.retries.load(Relaxed) - self.sender_retries,
            collector_retries: (metrics.sum("dtq_send_retries_total")? - self.collector_retries) as u64,
            swaps: (metrics.sum("dtq_rules_swaps_total")? - self.swaps) as u64,
            cpu_s: rig.collector.cpu_seconds() - self.cpu_s,
        })
    }
}

/// Returns what did not hold.
fn wrong(sent: &Summary, verdict: &Verdict, metrics: &Metrics, (second, last): (u64, u64)) -> Vec<String> {
    let mut errors = Vec::new();
    if !verdict.is_right() {
        errors.push(format!("records are missing or too many: {verdict:?}"));
    }
    if !sent.unacknowledged.is_empty() || sent.refused + sent.given_up > 0 {
        errors.push(format!("requests were refused or given up, the last because: {}", sent.last_refusal));
    }
    if sent.rejected_records < verdict.rejected {
        errors.push("the sender was not told of all records that the sink rejected".to_owned());
    }
    let inside = [
        "dtq_rules_failures_total",
        "dtq_rules_unjudged_requests_total",
        "dtq_rules_owed_lost_requests_total",
        "dtq_created_lost_requests_total",
        "dtq_rule_error_records_total",
        "dtq_send_refused_requests_total",
        "dtq_send_expired_requests_total",
        "dtq_queue_dropped_requests_total",
    ];
    for name in inside {
        match metrics.sum(name) {
            Ok(0.0) => {}
            Ok(count) => errors.push(format!("{name} is {count}")),
            Err(error) => errors.push(error),
        }
    }
    if last > second + second / GROWTH.0 + GROWTH.1 {
        errors.push(format!("memory grew from {second} KiB in the second third to {last} KiB in the last"));
    }
    errors
}

/// Returns the medians of the second and of the last third.
fn thirds(samples: &[u64]) -> (u64, u64) {
    let third = samples.len() / 3;
    (median(&samples[third..third * 2]), median(&samples[third * 2..]))
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}

/// Starts senders that bring a byte at a time, or nothing, and counts how often they are cut off.
fn slow_senders(to: SocketAddr) -> (JoinSet<()>, Arc<AtomicU64>) {
    let (mut all, cut) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    for index in 0..SLOW_SENDERS {
        let pause = Duration::from_millis(100 + 50 * index as u64);
        let is_silent = index % 2 == 0;
        let cut = Arc::clone(&cut);
        all.spawn(async move {
            loop {
                if let Ok(stream) = TcpStream::connect(to).await {
                    dawdle(stream, is_silent, pause).await;
                    cut.fetch_add(1, Relaxed);
                }
                tokio::time::sleep(pause).await;
            }
        });
    }
    (all, cut)
}

/// Sends the header of a large request, and then bytes of it, until the connection is closed.
async fn dawdle(mut stream: TcpStream, is_silent: bool, pause: Duration) {
    let head = "POST /v1/logs HTTP/1.1\r\nhost: load\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000000\r\n\r\n";
    if is_silent {
        let mut byte = [0];
        // Ends when the other side closes.
        let _ = stream.read(&mut byte).await;
        return;
    }
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    while stream.write_all(&[0x0a]).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, max) = self.resident_kib;
        write!(
            f,
            "{:>6} {:>10} {:>9.1} {:>9.1} {:>6} {:>9.1} {:>8} {:>9} {:>6} {:>7.1}",
            self.at_s,
            self.records_per_second,
            median as f64 / 1024.0,
            max as f64 / 1024.0,
            self.open_files,
            self.queued_bytes as f64 / 1024.0 / 1024.0,
            self.sender_retries,
            self.collector_retries,
            self.swaps,
            self.cpu_s,
        )
    }
}

/// The line above the rows.
pub const HEADER: &str = "   at s  records/s  RSS MiB   max MiB  files queue MiB sent-rep forwarded-rep swaps  CPU s";

/// Returns the end of the table and what it means.
pub fn conclusion(report: &Report) -> String {
    let (verdict, mut out) = (&report.verdict, String::new());
    let mut line = |text: String| writeln!(out, "{text}").expect("writing to a string cannot fail");
    line(format!("records sent            {:>12}", report.sent.streams.iter().map(|one| one.end).sum::<u64>()));
    line(format!("had to arrive           {:>12}", verdict.expected));
    line(format!("arrived                 {:>12}", verdict.arrived));
    line(format!("rejected by the sink    {:>12}   (on purpose; the sender was told)", verdict.rejected));
    line(format!("dropped by rules        {:>12}", verdict.dropped - verdict.leaked));
    line(format!("missing                 {:>12}", verdict.missing));
    line(format!("dropped, yet arrived    {:>12}", verdict.leaked));
    line(format!("arrived more than once  {:>12}", report.sink.duplicates));
    line(format!("swaps                   {:>12}", report.swaps));
    line(format!("faults of the sink      {:>12}", report.sink.faults));
    line(format!("slow senders cut off    {:>12}", report.slow_cut));
    let latency = report.sent.latency.first().copied().unwrap_or_default();
    line(format!("times in ms: p50 {:.1}, p99 {:.1}, max {:.1}", latency.p50_ms, latency.p99_ms, latency.max_ms));
    let (second, last) = report.resident_kib;
    let mib = |kib: u64| kib as f64 / 1024.0;
    line(format!("memory (median): second third {:.1} MiB, last third {:.1} MiB", mib(second), mib(last)));
    report.errors.iter().for_each(|error| line(format!("error: {error}")));
    line(if report.is_right() { "all held".to_owned() } else { "NOT all held".to_owned() });
    out
}
