//! The binary `dtq-load`: arguments to one of its runs, and its outcome to an exit code.
//!
//! 0 is that all is as it should be, 1 that it is not, 2 that the run could not be made. Next: [`dtq_load`].

mod args;

use args::{
    Action, Arguments, KillsArguments, SendArguments, SinkArguments, SoakArguments, SwapsArguments, VerifyArguments,
};
use clap::Parser;
use dtq_collector::coding::Coding;
use dtq_collector::send::settings::Protocol;
use dtq_load::processes::Programs;
use dtq_load::sender::{self, Options, Progress, Range, Way};
use dtq_load::sink::{self, Faults, Sink};
use dtq_load::traffic::{Template, is_noise};
use dtq_load::verify::verify;
use dtq_load::{kills, soak, swaps};
use dtq_record::otlp::Signal;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether all is as it should be, or why that cannot be said.
type Outcome = Result<bool, Box<dyn Error>>;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().action {
        Action::Send(arguments) => send(&arguments),
        Action::Sink(arguments) => serve(&arguments),
        Action::Verify(arguments) => compare(&arguments),
        Action::Kills(arguments) => kill(&arguments),
        Action::Swaps(arguments) => swap(&arguments),
        Action::Soak(arguments) => soak(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Nobody who reads stderr is no reason to end otherwise.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn send(arguments: &SendArguments) -> Outcome {
    let options = options(arguments)?;
    let (progress, runtime) = (Arc::new(Progress::default()), runtime(arguments.threads)?);
    let stop = Arc::clone(&progress);
    let summary = runtime.block_on(async move {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let mut run = tokio::spawn(sender::send(options, Arc::clone(&stop)));
        loop {
            tokio::select! {
                done = &mut run => return done.map_err(|error| error.to_string())?,
                _ = interrupt.recv() => stop.is_over.store(true, std::sync::atomic::Ordering::Relaxed),
            }
        }
    })?;
    let json = serde_json::to_string_pretty(&summary)?;
    if let Some(path) = &arguments.summary {
        std::fs::write(path, &json)?;
    }
    writeln!(std::io::stdout(), "{json}")?;
    Ok(summary.unacknowledged.is_empty())
}

fn options(arguments: &SendArguments) -> Result<Options, Box<dyn Error>> {
    let signals = arguments.signals.iter().map(|name| signal_of(name)).collect::<Result<Vec<_>, _>>()?;
    let protocols = arguments.protocol.iter().map(|name| protocol_of(name)).collect::<Result<Vec<_>, _>>()?;
    let codings = arguments.compression.iter().map(|name| coding_of(name)).collect::<Result<Vec<_>, _>>()?;
    let mut templates = Vec::new();
    for (path, signal) in arguments.file.iter().zip(signals.iter().cycle()) {
        let bytes = std::fs::read(path)?;
        let template = Template::of_bytes(*signal, bytes);
        templates.push(template.ok_or_else(|| format!("`{}` is no request of {signal:?}", path.display()))?);
    }
    if templates.is_empty() {
        for batch in &arguments.batch {
            let stream = |signal| sender::stream_of(arguments.stream, signal);
            let new = |signal: &Signal| Template::new(*signal, stream(*signal), *batch, arguments.text);
            templates.extend(signals.iter().map(new));
        }
    }
    let to: hyper::Uri = arguments.to.parse()?;
    if to.scheme().is_none() || to.authority().is_none() {
        return Err(format!("`{to}` has no scheme or no host; write http://HOST:PORT").into());
    }
    // Every protocol meets every compression.
    let way = |(protocol, coding)| Way { to: to.clone(), protocol, coding };
    let pairs = protocols.iter().flat_map(|protocol| codings.iter().map(|coding| (*protocol, *coding)));
    let is_endless = arguments.records.is_none() && arguments.seconds.is_none();
    let seconds = arguments.seconds.or(is_endless.then_some(10.0));
    Ok(Options {
        ways: pairs.map(way).collect(),
        connections: arguments.connections,
        in_flight: arguments.in_flight,
        templates,
        stream: arguments.stream,
        records_max: arguments.records,
        time_max: seconds.map(Duration::try_from_secs_f64).transpose()?,
        rate: arguments.rate.filter(|rate| *rate > 0.0),
        is_same: arguments.same || !arguments.file.is_empty(),
        timeout: Duration::from_secs(10),
        backoff: (Duration::from_millis(100), Duration::from_secs(2)),
        give_up: Duration::try_from_secs_f64(arguments.give_up)?,
    })
}

fn signal_of(name: &str) -> Result<Signal, String> {
    match name {
        "logs" => Ok(Signal::Logs),
        "metrics" => Ok(Signal::Metrics),
        "spans" | "traces" => Ok(Signal::Spans),
        _ => Err(format!("`{name}` is no signal: logs, metrics, spans")),
    }
}

fn protocol_of(name: &str) -> Result<Protocol, String> {
    match name {
        "grpc" => Ok(Protocol::Grpc),
        "http" => Ok(Protocol::Protobuf),
        "json" => Ok(Protocol::Json),
        _ => Err(format!("`{name}` is no protocol: grpc, http, json")),
    }
}

fn coding_of(name: &str) -> Result<Coding, String> {
    match name {
        "none" => Ok(Coding::Identity),
        "gzip" => Ok(Coding::Gzip),
        "zstd" => Ok(Coding::Zstd),
        _ => Err(format!("`{name}` is no compression: none, gzip, zstd")),
    }
}

fn serve(arguments: &SinkArguments) -> Outcome {
    let faults = Faults {
        fail: arguments.fail,
        partial: arguments.partial,
        cut: arguments.cut,
        slow: arguments.slow,
        delay: Duration::from_millis(arguments.delay_ms),
    };
    let sink = Sink::open(sink::Options {
        state: arguments.state.clone(),
        is_blind: arguments.blind,
        has_pairs: arguments.pairs,
        has_points: arguments.points,
        faults,
    })?;
    let served = Arc::clone(&sink);
    runtime(arguments.threads)?.block_on(async move {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let socket = TcpListener::bind(arguments.address).await?;
        writeln!(std::io::stderr(), "takes OTLP on {}", socket.local_addr()?)?;
        let (end, ends) = watch::channel(false);
        let serving = tokio::spawn(served.serve(socket, ends));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        end.send_replace(true);
        serving.await.map_err(std::io::Error::other)
    })?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&sink.stats())?)?;
    Ok(true)
}

fn compare(arguments: &VerifyArguments) -> Outcome {
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(&arguments.summary)?)?;
    let sent: Vec<Range> = serde_json::from_value(summary["streams"].clone())?;
    let (seen, rejected) = sink::read_state(&arguments.state)?;
    let is_dropped = |number| arguments.without_noise && is_noise(number);
    let verdict = verify(&sent, is_dropped, &seen, &rejected);
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&verdict)?)?;
    Ok(verdict.is_right())
}

fn kill(arguments: &KillsArguments) -> Outcome {
    let programs = programs(arguments.dtq.as_deref())?;
    let (records, kills, batch) = (arguments.records, arguments.kills, arguments.batch);
    let report = runtime(2)?.block_on(kills::run(&programs, kills::Options { records, kills, batch }))?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(report.is_right())
}

fn swap(arguments: &SwapsArguments) -> Outcome {
    let programs = programs(arguments.dtq.as_deref())?;
    let (swaps, rounds, rate, batch) = (arguments.swaps, arguments.rounds, arguments.rate, arguments.batch);
    let report = runtime(2)?.block_on(swaps::run(&programs, swaps::Options { swaps, rounds, rate, batch }))?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(report.is_right(swaps))
}

fn soak(arguments: &SoakArguments) -> Outcome {
    let programs = programs(arguments.dtq.as_deref())?;
    let options = soak::Options {
        time: Duration::try_from_secs_f64(arguments.minutes * 60.0)?,
        swap_every: Duration::from_millis(arguments.swap_every_ms.max(1)),
        rate: arguments.rate,
    };
    writeln!(std::io::stdout(), "{}", soak::HEADER)?;
    // A table that nobody reads any more does not end the run.
    let say = |row: &soak::Row| drop(writeln!(std::io::stdout(), "{row}"));
    let report = runtime(2)?.block_on(soak::run(&programs, options, say))?;
    if let Some(path) = &arguments.report {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    write!(std::io::stdout(), "{}", soak::conclusion(&report))?;
    Ok(report.is_right())
}

fn programs(dtq: Option<&Path>) -> Result<Programs, Box<dyn Error>> {
    Ok(Programs::find(std::env::current_exe()?, dtq.map(Path::to_owned))?)
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        more => tokio::runtime::Builder::new_multi_thread().worker_threads(more).enable_all().build(),
    }
}
