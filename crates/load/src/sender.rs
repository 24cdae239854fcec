//! Prepared requests to a collector, with all retries that an OTLP exporter makes, and what came of them.
//!
//! Sends as fast as it is answered, or at a rate; then times count from the moment that a request was due, so that a
//! collector that stalls is not measured only by the requests that came before. One attempt is the collector's own
//! client: whether that speaks OTLP as others do is for the tests with other exporters. Next: [`crate::seen`].

use crate::histogram::{Histogram, Percentiles};
use crate::traffic::Template;
use bytes::Bytes;
use dtq_collector::coding::Coding;
use dtq_collector::pipeline::Payload;
use dtq_collector::send::Settings;
use dtq_collector::send::client::{Answer, Client, Message};
use dtq_collector::send::settings::Protocol;
use dtq_record::otlp::Signal;
use hyper::Uri;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// How many ranges that were not acknowledged are kept; more are only counted.
const LOST_RANGES_MAX: usize = 10_000;

/// How many histograms a run can tell apart.
pub const PHASES: usize = 4;

/// Says where and how requests are sent.
#[derive(Clone, Debug)]
pub struct Way {
    /// Scheme, host and port.
    pub to: Uri,
    /// The protocol.
    pub protocol: Protocol,
    /// The compression.
    pub coding: Coding,
}

/// Says what is sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ways that connections take in turn.
    pub ways: Vec<Way>,
    /// Connections.
    pub connections: usize,
    /// Requests that are under way on each connection at once.
    pub in_flight: usize,
    /// Requests that are sent in turn. Those of a signal have the stream of the signal.
    pub templates: Vec<Template>,
    /// The stream of the first signal; the others follow.
    pub stream: u16,
    /// Ends after so many records.
    pub records_max: Option<u64>,
    /// Ends after such a time.
    pub time_max: Option<Duration>,
    /// Records a second; `None` is as many as are answered.
    pub rate: Option<f64>,
    /// Sends each template as it was rendered and compressed once: cheapest, and nothing can be verified.
    pub is_same: bool,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// The first wait before another attempt, and the longest.
    pub backoff: (Duration, Duration),
    /// After how long a request is given up.
    pub give_up: Duration,
}

impl Options {
    /// Returns the stream of a signal.
    pub fn stream_of(&self, signal: Signal) -> u16 {
        stream_of(self.stream, signal)
    }
}

/// Returns the stream of a signal of a sender.
pub fn stream_of(first: u16, signal: Signal) -> u16 {
    first + signal as u16
}

/// Holds what can be seen and told while a run is under way.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records acknowledged.
    pub acknowledged: AtomicU64,
    /// Attempts after the first.
    pub retries: AtomicU64,
    /// Into which histogram times go.
    pub phase: AtomicUsize,
    /// Ends the run: nothing new is begun.
    pub is_over: AtomicBool,
}

/// Holds records of a stream that are one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The stream.
    pub stream: u16,
    /// The first number.
    pub first: u64,
    /// The number behind the last.
    pub end: u64,
}

/// Holds what came of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Records acknowledged.
    pub records: u64,
    /// Requests acknowledged.
    pub requests: u64,
    /// Their bytes, not compressed.
    pub bytes: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Records that an answer said were not taken, of requests that were.
    pub rejected_records: u64,
    /// Requests that were refused for good.
    pub refused: u64,
    /// Requests that were given up.
    pub given_up: u64,
    /// The last reason for another attempt.
    pub last_retry: String,
    /// The last refusal.
    pub last_refusal: String,
    /// Seconds from the first request to the last answer.
    pub seconds: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// CPU seconds of this process meanwhile, all that it does.
    pub cpu_seconds: f64,
    /// CPU time of this process for a record, in nanoseconds.
    pub cpu_ns_per_record: f64,
    /// Times until a request was acknowledged, for each phase that had some.
    pub latency: Vec<Percentiles>,
    /// All records that were sent, acknowledged or not.
    pub streams: Vec<Range>,
    /// Records that were not acknowledged.
    pub unacknowledged: Vec<Range>,
    /// Records that were not acknowledged and are not in the list, which is full.
    pub unlisted_records: u64,
}

/// What the tasks of a run share.
struct Run {
    options: Options,
    progress: Arc<Progress>,
    started: Instant,
    /// Requests begun, and the next number of each stream, so that requests and numbers fit.
    next: Mutex<Next>,
    same: Vec<Bytes>,
    summary: Mutex<Summary>,
}

#[derive(Default)]
struct Next {
    request: u64,
    records: u64,
    numbers: [u64; 3],
}

/// A request to send.
struct Job {
    template: usize,
    first: u64,
    due: Instant,
}

/// Sends until the options say that it is enough.
///
/// # Errors
/// When a client cannot be had or a request not be encoded; what went wrong on the way is in the summary.
pub async fn send(options: Options, progress: Arc<Progress>) -> Result<Summary, String> {
    if options.templates.is_empty() || options.ways.is_empty() {
        return Err("there is nothing to send, or no way to send it".to_owned());
    }
    let now = unix_ns();
    let same = options.templates.iter().map(|template| template.render(0, now)).collect();
    let (next, summary) = Default::default();
    let run = Arc::new(Run { options, progress, started: Instant::now(), next, same, summary });
    let cpu_before = cpu_time();
    let mut tasks = JoinSet::new();
    for connection in 0..run.options.connections.max(1) {
        let way = &run.options.ways[connection % run.options.ways.len()];
        let mut settings = Settings::new("load", way.to.clone(), way.protocol);
        settings.coding = way.coding;
        settings.timeout = run.options.timeout;
        let client = Arc::new(Client::new(&settings).map_err(|error| error.to_string())?);
        let encoded = run.encoded(&client)?;
        for _ in 0..run.options.in_flight.max(1) {
            tasks.spawn(Arc::clone(&run).work(Arc::clone(&client), encoded.clone()));
        }
    }
    let mut times = vec![Histogram::default(); PHASES];
    while let Some(done) = tasks.join_next().await {
        let one = done.map_err(|error| format!("a sender failed: {error}"))??;
        times.iter_mut().zip(&one).for_each(|(sum, one)| sum.merge(one));
    }
    Ok(run.summed_up(&times, cpu_time() - cpu_before))
}

impl Run {
    /// Returns the requests as they are sent, where they are always the same.
    fn encoded(&self, client: &Client) -> Result<Vec<Message>, String> {
        if !self.options.is_same {
            return Ok(Vec::new());
        }
        let templates = self.options.templates.iter().zip(&self.same);
        let encode = |(template, bytes): (&Template, &Bytes)| {
            client.encode(template.signal, &Payload::plain(bytes.clone())).map_err(|refusal| refusal.message)
        };
        templates.map(encode).collect()
    }

    async fn work(self: Arc<Self>, client: Arc<Client>, encoded: Vec<Message>) -> Result<Vec<Histogram>, String> {
        let mut times = vec![Histogram::default(); PHASES];
        while let Some(job) = self.next_job() {
            if self.options.rate.is_some() {
                tokio::time::sleep_until(job.due.into()).await;
            }
            let template = &self.options.templates[job.template];
            let body = match encoded.get(job.template) {
                Some(body) => body.clone(),
                None => {
                    let plain = Payload::plain(template.render(job.first, unix_ns()));
                    client.encode(template.signal, &plain).map_err(|refusal| refusal.message)?
                }
            };
            let (phase, begun) = (self.progress.phase.load(Relaxed) % PHASES, Instant::now());
            if self.deliver(&client, &job, body).await {
                times[phase].add(if self.options.rate.is_some() { job.due.elapsed() } else { begun.elapsed() });
            }
        }
        Ok(times)
    }

    /// Returns what is to be sent next; `None` when it is enough.
    fn next_job(&self) -> Option<Job> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough = self.options.records_max.is_some_and(|max| next.records >= max)
            || self.options.time_max.is_some_and(|max| self.started.elapsed() >= max);
        if is_enough || self.progress.is_over.load(Relaxed) {
            return None;
        }
        let template = (next.request % self.options.templates.len() as u64) as usize;
        let one = &self.options.templates[template];
        let due = self.started
            + self.options.rate.map_or(Duration::ZERO, |rate| {
                Duration::try_from_secs_f64(next.records as f64 / rate).unwrap_or(Duration::MAX / 2)
            });
        let first = next.numbers[one.signal as usize];
        next.numbers[one.signal as usize] += one.record_count() as u64;
        next.records += one.record_count() as u64;
        next.request += 1;
        Some(Job { template, first, due })
    }

    /// Sends a request until it is taken, refused, or given up; says whether it was taken.
    async fn deliver(&self, client: &Client, job: &Job, body: Message) -> bool {
        let template = &self.options.templates[job.template];
        let (begun, headers) = (Instant::now(), Arc::from([]));
        let (mut backoff, longest) = self.options.backoff;
        loop {
            let (after, reason) = match client.attempt(template.signal, body.clone(), &headers).await {
                Answer::Accepted(partial) => {
                    self.progress.acknowledged.fetch_add(template.record_count() as u64, Relaxed);
                    self.with_summary(|summary| {
                        summary.records += template.record_count() as u64;
                        summary.requests += 1;
                        summary.bytes += template.size_bytes() as u64;
                        summary.rejected_records += partial.rejected;
                    });
                    return true;
                }
                Answer::Refused(refusal) => {
                    self.with_summary(|summary| {
                        summary.refused += 1;
                        summary.last_refusal = refusal.message;
                        self.lose(summary, job);
                    });
                    return false;
                }
                Answer::Later { after, reason } => (after, reason),
            };
            self.with_summary(|summary| summary.last_retry = reason);
            if begun.elapsed() >= self.options.give_up {
                self.with_summary(|summary| {
                    summary.given_up += 1;
                    self.lose(summary, job);
                });
                return false;
            }
            self.progress.retries.fetch_add(1, Relaxed);
            // Between half and all of it, as the numbers of requests fall: senders are not to come all at once.
            let spread = backoff.mul_f64(0.5 + (job.first / 10 % 16) as f64 / 32.0);
            tokio::time::sleep(after.unwrap_or(spread)).await;
            backoff = (backoff * 2).min(longest);
        }
    }

    fn lose(&self, summary: &mut Summary, job: &Job) {
        let template = &self.options.templates[job.template];
        let count = template.record_count() as u64;
        if summary.unacknowledged.len() < LOST_RANGES_MAX {
            let stream = self.options.stream_of(template.signal);
            summary.unacknowledged.push(Range { stream, first: job.first, end: job.first + count });
        } else {
            summary.unlisted_records += count;
        }
    }

    fn with_summary(&self, act: impl FnOnce(&mut Summary)) {
        act(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn summed_up(&self, times: &[Histogram], cpu: Duration) -> Summary {
        let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        summary.retries = self.progress.retries.load(Relaxed);
        summary.seconds = self.started.elapsed().as_secs_f64();
        summary.records_per_second = summary.records as f64 / summary.seconds;
        summary.cpu_seconds = cpu.as_secs_f64();
        summary.cpu_ns_per_record = cpu.as_nanos() as f64 / summary.records.max(1) as f64;
        summary.latency = times.iter().map(Histogram::percentiles).filter(|times| times.count > 0).collect();
        let signals = [Signal::Logs, Signal::Metrics, Signal::Spans];
        let sent = signals.into_iter().filter(|signal| next.numbers[*signal as usize] > 0);
        summary.streams = sent
            .map(|signal| Range {
                stream: self.options.stream_of(signal),
                first: 0,
                end: next.numbers[signal as usize],
            })
            .collect();
        summary
    }
}

/// Returns the CPU time of this process.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
