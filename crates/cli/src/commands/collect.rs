//! `dtq collect`: a configuration to a collector that runs until it is told to end.
//!
//! SIGTERM and SIGINT end it in order; what it says goes to stderr, a line each. Next: `dtq_collector::collector`.

use crate::args::{CollectAction, CollectArguments};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_collector::collector::{Collector, Settings};
use dtq_collector::config::{self, Config, FILE_BYTES_MAX};
use dtq_collector::datagram::{Door, Filters};
use dtq_collector::events::Events;
use dtq_collector::pipeline::{Created, Judge, KeepAll};
use dtq_collector::privileges;
use dtq_collector::rules::{self, Rules};
use dtq_collector::sockets::Sockets;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Runs `dtq collect`.
pub fn execute(arguments: &CollectArguments, console: &mut Console) -> Outcome {
    let Some(path) = &arguments.config else {
        return Err(Failure::Usage("no configuration is given; write `--config FILE.yaml`".to_owned()));
    };
    let config = read(path, console)?;
    match arguments.action {
        Some(CollectAction::Check) => check(path, config, console),
        None => run(config, console),
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
    let folder = path.parent().unwrap_or(Path::new(""));
    for file in &mut config.rules.files {
        *file = folder.join(&*file);
    }
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
    if let Err(diagnostics) = Rules::check(&rule_settings(&config.rules)) {
        diagnostics.iter().for_each(|diagnostic| wrong(diagnostic));
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

fn run(config: Config, console: &Console) -> Outcome {
    let cannot = |what: &str| {
        let what = format!("cannot {what}");
        move |error: std::io::Error| Failure::Input(format!("{what}: {error}"))
    };
    let Config { settings, rules, datagrams, user } = config;
    let sockets = Sockets::bind(&settings, &datagrams).map_err(|error| Failure::Input(error.to_string()))?;
    let has_filters = !rules.files.is_empty() && sockets.doors.iter().any(Door::takes_filters);
    // Before any thread is there, since each has rights of its own.
    privileges::reduce(user.as_ref(), has_filters).map_err(cannot("give up rights"))?;
    let build = || tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(cannot("start threads"));
    if rules.files.is_empty() {
        console.say("note: there are no rules; everything passes (`rules: {files: [...]}` in the configuration)");
        return build()?.block_on(serve(sockets, settings, KeepAll, None));
    }
    let filters = Filters::new(&sockets.doors, say).map_err(cannot("keep sockets for filters"))?;
    let filters = has_filters.then(|| Arc::new(filters));
    let (rules, owed) = Rules::start_with(rule_settings(&rules), filters).map_err(|refusal| {
        console.say(&format!("error: {}", refusal.to_string().trim_end()));
        Failure::Query
    })?;
    build()?.block_on(serve(sockets, settings, rules, Some(owed)))
}

/// Writes a line of what happens.
fn say(text: &str) {
    // Nobody who reads stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn serve<J: Judge>(
    sockets: Sockets,
    settings: Settings,
    judge: J,
    owed: Option<mpsc::Receiver<Vec<Created>>>,
) -> Outcome {
    let unheard = |error: std::io::Error| Failure::Input(format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(unheard)?, signal(SignalKind::interrupt()).map_err(unheard)?);
    let doors: Vec<String> =
        sockets.doors.iter().map(|door| format!("{} for {}", door.address(), door.settings.format.name())).collect();
    let collector = Collector::start_on(sockets, settings, judge, owed, Events::new(say))
        .await
        .map_err(|error| Failure::Input(format!("cannot start: {error}")))?;
    for address in collector.addresses() {
        say(&format!("listens on {address} for OTLP over gRPC and HTTP"));
    }
    for door in doors {
        say(&format!("listens on {door}"));
    }
    if let Some(address) = collector.admin_address() {
        say(&format!("shows its state on http://{address}/"));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    say("ends: takes nothing new, sends what waits");
    let ending = collector.stop().await;
    say(&format!("has ended; {} requests were left behind", ending.left));
    Ok(())
}
