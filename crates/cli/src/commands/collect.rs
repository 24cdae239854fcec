//! `dtq collect`: a configuration to a collector that runs until it is told to end.
//!
//! SIGTERM and SIGINT end it in order, and at once when they come again; SIGHUP has it read rules and certificates
//! anew. What it says goes to stderr, a line each. Next: `log.rs`, `dtq_collector::collector`.

use crate::args::{CollectAction, CollectArguments, LogForm};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::log::Log;
use dtq_collector::collector::Collector;
use dtq_collector::config::{self, Config, FILE_BYTES_MAX};
use dtq_collector::datagram::{Door, Filters};
use dtq_collector::events::Events;
use dtq_collector::pipeline::{Created, Judge, KeepAll};
use dtq_collector::privileges;
use dtq_collector::rules::governor::Refusal;
use dtq_collector::rules::{self, Rules};
use dtq_collector::service::Manager;
use dtq_collector::sockets::Sockets;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Runs `dtq collect`.
pub fn execute(arguments: &CollectArguments, console: &mut Console) -> Outcome {
    let Some(path) = &arguments.config else {
        return Err(Failure::Usage("no configuration is given; write `--config FILE.yaml`".to_owned()));
    };
    let config = read(path, console)?;
    match arguments.action {
        Some(CollectAction::Check) => check(path, config, console),
        None => run(config, arguments.log_format, console),
    }
}

/// Reads the configuration and says what is wrong with it.
fn read(path: &Path, console: &Console) -> Result<Config, Failure> {
    let name = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::Input(format!("cannot read the configuration `{name}`: {error}")))?;
    let read = config::read(&bytes, &|variable| std::env::var(variable).ok());
    for fault in &read.errors {
        console.say(&format!("error: {name}:{fault}"));
    }
    for fault in &read.warnings {
        console.say(&format!("warning: {name}:{fault}"));
    }
    let mut config = read.config.ok_or(Failure::Query)?;
    config.put_in(path.parent().unwrap_or(Path::new("")));
    Ok(config)
}

/// Reads everything that running would read, and starts nothing.
fn check(path: &Path, config: Config, console: &mut Console) -> Outcome {
    let mut is_right = true;
    let mut wrong = |message: &str| {
        console.say(&format!("error: {}", message.trim_end()));
        is_right = false;
    };
    for port in &config.settings.ports {
        if let Some(Err(error)) = port.tls.as_ref().map(|tls| tls.load()) {
            wrong(&format!("port {}: {error}", port.address));
        }
    }
    for destination in &config.settings.destinations {
        let is_tls = destination.endpoint.scheme_str() == Some("https");
        if let Some(Err(error)) = is_tls.then(|| destination.tls.load()) {
            wrong(&format!("destination `{}`: {error}", destination.name));
        }
    }
    match Rules::check(&rule_settings(&config.rules)) {
        Ok(warnings) => warnings.iter().for_each(|warning| console.say(warning.trim_end())),
        Err(diagnostics) => {
            is_right = false;
            diagnostics.iter().for_each(|diagnostic| console.say(diagnostic.trim_end()));
        }
    }
    if !is_right {
        return Err(Failure::Query);
    }
    let (ports, destinations) = (config.settings.ports.len(), config.settings.destinations.len());
    let files = config.rules.files.len();
    let shown = path.display();
    let doors = match config.datagrams.len() {
        0 => String::new(),
        count => format!(", sockets for datagrams: {count}"),
    };
    let counts = format!("ports: {ports}{doors}, destinations: {destinations}, rule files: {files}");
    Ok(writeln!(console.out, "{shown} is right: {counts}")?)
}

fn rule_settings(rules: &config::Rules) -> rules::Settings {
    let engine =
        if rules.is_interpreted { rules::settings::EngineChoice::Interp } else { rules::settings::EngineChoice::Auto };
    rules::Settings {
        files: rules.files.clone(),
        socket: rules.socket.clone(),
        state: rules.state.clone(),
        engine,
        ..rules::Settings::default()
    }
}

/// Runs a collector until it is told to end.
///
/// Sockets come first and rights go next, before any thread is there, since each has rights of its own.
fn run(config: Config, log_format: LogForm, console: &Console) -> Outcome {
    let sockets = Sockets::bind(&config.settings, &config.datagrams);
    let sockets = sockets.map_err(|error| Failure::Input(error.to_string()))?;
    let has_filters = !config.rules.files.is_empty() && sockets.doors.iter().any(Door::takes_filters);
    privileges::reduce(config.user.as_ref(), has_filters).map_err(cannot("give up rights"))?;
    let (events, log) = Log::start(log_format).map_err(cannot("start a thread"))?;
    let outcome = run_on(sockets, has_filters, config, events, console);
    log.end();
    outcome
}

fn run_on(sockets: Sockets, has_filters: bool, config: Config, events: Events, console: &Console) -> Outcome {
    let build = || tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(cannot("start threads"));
    if config.rules.files.is_empty() {
        console.say("note: there are no rules; everything passes (`rules: {files: [...]}` in the configuration)");
        return build()?.block_on(serve(sockets, config, KeepAll, None, events));
    }
    let said = events.clone();
    let filters =
        Filters::new(&sockets.doors, move |text| said.say(text)).map_err(cannot("keep sockets for filters"))?;
    let filters = has_filters.then(|| Arc::new(filters));
    let (rules, owed) =
        Rules::start_with(rule_settings(&config.rules), filters, events.clone()).map_err(|refusal| {
            match &refusal {
                // Those say themselves that they are errors.
                Refusal::Rules(diagnostics) => diagnostics.iter().for_each(|one| console.say(one.trim_end())),
                Refusal::System(message) => console.say(&format!("error: {message}")),
            }
            Failure::Query
        })?;
    build()?.block_on(serve(sockets, config, rules, Some(owed), events))
}

/// Returns what makes a failure of what the system refuses.
fn cannot(what: &str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::Input(format!("cannot {what}: {error}"))
}

/// Holds the signals that are listened for.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())?, hang_up: signal(SignalKind::hangup())? })
    }

    /// Waits for what the process is told next.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    /// Waits until the process is told to end.
    async fn end(&mut self) {
        while self.next().await == Told::Reload {}
    }
}

/// Names what a signal tells the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// To end.
    End,
    /// To read rules and certificates anew.
    Reload,
}

async fn serve<J: Judge>(
    sockets: Sockets,
    config: Config,
    judge: J,
    owed: Option<mpsc::Receiver<Vec<Created>>>,
    events: Events,
) -> Outcome {
    let mut signals = Signals::new().map_err(cannot("listen for signals"))?;
    let manager = Arc::new(Manager::new(&|name| std::env::var_os(name)));
    let doors: Vec<String> =
        sockets.doors.iter().map(|door| format!("{} for {}", door.address(), door.settings.format.name())).collect();
    let mut collector = Collector::start_on(sockets, config.settings, judge, owed, events.clone())
        .await
        .map_err(|error| Failure::Input(format!("cannot start: {error}")))?;
    if let Some(telemetry) = config.telemetry {
        collector.push(telemetry).map_err(|name| Failure::Input(format!("there is no destination `{name}`")))?;
    }
    for address in collector.addresses() {
        events.say(&format!("listens on {address} for OTLP over gRPC and HTTP"));
    }
    for door in doors {
        events.say(&format!("listens on {door}"));
    }
    if let Some(address) = collector.admin_address() {
        events.say(&format!("shows its state on http://{address}/"));
    }
    let alive = tokio::spawn(Arc::clone(&manager).keep_alive(Arc::clone(collector.admin())));
    manager.ready();
    while signals.next().await == Told::Reload {
        manager.reloading();
        events.say("reads rules and certificates anew");
        collector.reload().await;
        manager.ready();
    }
    manager.stopping();
    events.say("ends: takes nothing new, sends what waits");
    let ending = tokio::select! {
        ending = collector.stop() => Some(ending),
        () = signals.end() => None,
    };
    alive.abort();
    match ending {
        Some(ending) => events.say(&format!("has ended; {} requests were left behind", ending.left)),
        None => events.say("has ended at once, as it was told to; what waited is left behind"),
    }
    Ok(())
}
