//! A sink, a `dtq collect` in front of it, and a folder with all that they write.
//!
//! Next: [`crate::kills`], [`crate::swaps`], [`crate::soak`].

use crate::processes::{Process, Programs, free_address, get};
use crate::sender::{Options, Way};
use crate::sink::Stats;
use crate::traffic::Template;
use dtq_collector::coding::Coding;
use dtq_collector::rules::protocol::{Answer, Client, Request, Status};
use dtq_collector::send::settings::Protocol;
use dtq_record::otlp::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long an order may take.
const ORDER_TIME: Duration = Duration::from_secs(60);

/// Says what a rig is to be.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The rules, as the file says below `rules:`.
    pub rules: String,
    /// Further arguments of the sink.
    pub sink: Vec<String>,
    /// How the collector compresses.
    pub compression: &'static str,
}

/// Holds a collector and its destination.
pub struct Rig {
    /// The collector.
    pub collector: Process,
    /// The destination.
    pub sink: Process,
    /// Where the collector takes OTLP.
    pub intake: SocketAddr,
    admin: SocketAddr,
    sink_address: SocketAddr,
    folder: TempDir,
    dtq: PathBuf,
}

impl Rig {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(programs: &Programs, plan: &Plan) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?;
        let path = |name: &str| folder.path().join(name);
        let (intake, admin, sink_address) = (free_address()?, free_address()?, free_address()?);
        write_rules(&path("rules.yaml"), &plan.rules)?;
        let config = config(folder.path(), [intake, admin, sink_address], plan.compression);
        std::fs::write(path("collect.yaml"), config).map_err(|error| format!("no configuration: {error}"))?;
        let sink_state = path("sink").display().to_string();
        let mut arguments = words(&["sink", "--address", &sink_address.to_string(), "--state", &sink_state]);
        arguments.extend(plan.sink.iter().cloned());
        let sink = Process::start(&programs.load, &arguments, sink_address, &path("sink.log"))?;
        let arguments = words(&["collect", "--config", &path("collect.yaml").display().to_string()]);
        let collector = Process::start(&programs.dtq, &arguments, intake, &path("collect.log"))?;
        Ok(Self { collector, sink, intake, admin, sink_address, folder, dtq: programs.dtq.clone() })
    }

    /// Returns a path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts other rules into the file, as an editor does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_rules(&self, rules: &str) -> Result<(), String> {
        write_rules(&self.path("rules.yaml"), rules)
    }

    /// Returns a connection for orders.
    ///
    /// # Errors
    /// When the collector takes none.
    pub fn control(&self) -> Result<Control, String> {
        let connect = || {
            let client = Client::connect(&self.path("control.sock"))?;
            client.set_timeout(Some(ORDER_TIME))?;
            Ok(client)
        };
        connect().map(Control).map_err(|error: std::io::Error| format!("no control: {error}"))
    }

    /// Gives an order by `dtq ctl`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn ctl(&self, order: &[&str]) -> Result<(), String> {
        let socket = self.path("control.sock");
        let done = std::process::Command::new(&self.dtq).arg("ctl").args(order).arg("--socket").arg(socket).output();
        let done = done.map_err(|error| format!("cannot run dtq ctl: {error}"))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("dtq ctl {order:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr)))
    }

    /// Returns what the sink counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn sink_stats(&self) -> Result<Stats, String> {
        let stats = get(self.sink_address, "/stats")?;
        serde_json::from_str(&stats).map_err(|error| format!("the sink answers wrongly: {error}"))
    }

    /// Returns all numbers of the collector.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<Metrics, String> {
        Ok(Metrics::of(&get(self.admin, "/metrics")?))
    }

    /// Returns a sender to the collector: logs over gRPC, as fast as they are answered.
    pub fn sender(&self, batch: usize, text_bytes: usize) -> Options {
        Options {
            ways: vec![self.way(Protocol::Grpc, Coding::Identity)],
            connections: 4,
            in_flight: 4,
            templates: vec![Template::new(Signal::Logs, 1, batch, text_bytes)],
            stream: 1,
            records_max: None,
            time_max: None,
            rate: None,
            is_same: false,
            timeout: Duration::from_secs(10),
            backoff: (Duration::from_millis(20), Duration::from_secs(1)),
            give_up: Duration::from_secs(300),
        }
    }

    /// Returns a way to the collector.
    pub fn way(&self, protocol: Protocol, coding: Coding) -> Way {
        let to = format!("http://{}", self.intake).parse().expect("an address makes a URI");
        Way { to, protocol, coding }
    }

    /// Ends both in order, and returns what the sink counted last.
    ///
    /// # Errors
    /// When one does not end well.
    pub fn stop(&mut self) -> Result<Stats, String> {
        self.collector.stop()?;
        let stats = self.sink_stats()?;
        self.sink.stop()?;
        Ok(stats)
    }
}

/// Gives orders.
pub struct Control(Client);

impl Control {
    /// Gives an order and returns its answer.
    ///
    /// # Errors
    /// When it is refused.
    pub fn order(&mut self, request: &Request) -> Result<Answer, String> {
        let answer = self.0.ask(request).map_err(|error| format!("{request:?}: {error}"))?;
        match answer.ok {
            true => Ok(answer),
            false => Err(format!("{request:?}: {}: {}", answer.message, answer.diagnostics.join("\n"))),
        }
    }

    /// Returns what runs.
    ///
    /// # Errors
    /// When the answer is none.
    pub fn status(&mut self) -> Result<Status, String> {
        let answer = self.order(&Request::Status)?;
        serde_json::from_value(answer.result).map_err(|error| format!("the status is wrong: {error}"))
    }
}

/// Holds numbers in the text format of Prometheus.
#[derive(Clone, Debug)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    fn of(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let numbers = lines.filter_map(|line| line.rsplit_once(' '));
        Self(numbers.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect())
    }

    /// Returns the sum of a metric over all its series.
    ///
    /// # Errors
    /// When there is no such metric: a name that changed must not look like a count of nothing.
    pub fn sum(&self, name: &str) -> Result<f64, String> {
        let is_asked =
            |series: &str| series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
        let mut asked = self.0.iter().filter(|(series, _)| is_asked(series)).map(|(_, value)| value).peekable();
        asked.peek().ok_or_else(|| format!("the collector has no metric `{name}`"))?;
        Ok(asked.sum())
    }
}

fn write_rules(path: &Path, rules: &str) -> Result<(), String> {
    let new = path.with_extension("new");
    std::fs::write(&new, format!("apiVersion: dtq/v1\nrules:\n{rules}"))
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|error| format!("the rules cannot be written: {error}"))
}

fn config(folder: &Path, [intake, admin, sink]: [SocketAddr; 3], compression: &str) -> String {
    let folder = folder.display();
    format!(
        "listen:\n  - address: {intake}\n\
         destinations:\n  sink:\n    endpoint: http://{sink}\n    protocol: grpc\n    compression: {compression}\n    \
         retry: {{initial: 50ms, max: 1s, give_up_after: 5m}}\n\
         ack: delivered\nadmin: {admin}\n\
         rules:\n  files: [{folder}/rules.yaml]\n  socket: {folder}/control.sock\n  state: {folder}/state\n"
    )
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
