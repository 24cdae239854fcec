//! `dtq collect`: a configuration to a collector that runs until it is told to end.
//!
//! SIGTERM and SIGINT end it in order; what it says goes to stderr, a line each. Next: `dtq_collector::collector`.

use crate::args::{CollectAction, CollectArguments};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_collector::collector::{Collector, Settings};
use dtq_collector::config::{self, Config, FILE_BYTES_MAX};
use dtq_collector::events::Events;
use dtq_collector::pipeline::{Created, Judge, KeepAll};
use dtq_collector::rules::{self, Rules};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
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
    Ok(writeln!(console.out, "{shown} is right: ports: {ports}, destinations: {destinations}, rule files: {files}")?)
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
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Input(format!("cannot start threads: {error}")))?;
    if config.rules.files.is_empty() {
        console.say("note: there are no rules; everything passes (`rules: {files: [...]}` in the configuration)");
        return runtime.block_on(serve(config.settings, KeepAll, None));
    }
    let (rules, owed) = Rules::start(rule_settings(&config.rules)).map_err(|refusal| {
        console.say(&format!("error: {}", refusal.to_string().trim_end()));
        Failure::Query
    })?;
    runtime.block_on(serve(config.settings, rules, Some(owed)))
}

async fn serve<J: Judge>(settings: Settings, judge: J, owed: Option<mpsc::Receiver<Vec<Created>>>) -> Outcome {
    let unheard = |error: std::io::Error| Failure::Input(format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate()).map_err(unheard)?, signal(SignalKind::interrupt()).map_err(unheard)?);
    let say = |text: &str| {
        // Nobody who reads stderr is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    let collector = Collector::start(settings, judge, owed, Events::new(say))
        .await
        .map_err(|error| Failure::Input(format!("cannot start: {error}")))?;
    for address in collector.addresses() {
        say(&format!("listens on {address} for OTLP over gRPC and HTTP"));
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
