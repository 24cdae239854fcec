//! What the demonstration runs: two applications, `dtq collect`, and a backend; and what it shows of them.

use crate::collect::{self, Collect};
use crate::otelcol;
use crate::process::{DEADLINE, Running, eventually, free_addresses};
use crate::setup::{Part, set_up};
use crate::sink::Sink;
use crate::telemetry::Telemetry;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Bytes a second, in and out.
#[derive(Debug)]
pub struct Traffic {
    pub received: f64,
    pub sent: f64,
}

/// Where telemetry ends.
enum Backend {
    Collector(#[expect(dead_code, reason = "it ends when it is dropped")] Running, PathBuf),
    Sink(Sink),
}

impl Backend {
    /// Returns what arrived so far.
    fn arrived(&self) -> Vec<Telemetry> {
        match self {
            Self::Collector(_, file) => otelcol::recorded(file),
            Self::Sink(sink) => sink.taken(),
        }
    }
}

/// All that runs.
pub struct Stage<'a> {
    say: &'a mut dyn FnMut(&str) -> bool,
    folder: TempDir,
    applications: Vec<Running>,
    collect: Collect,
    backend: Backend,
}

impl<'a> Stage<'a> {
    /// Starts everything.
    ///
    /// # Errors
    /// What is missing here.
    pub fn set(say: &'a mut dyn FnMut(&str) -> bool) -> Result<Self, String> {
        let (python, modules) = (set_up(Part::Python)?, set_up(Part::JavaScript)?);
        let folder = tempfile::tempdir().map_err(|error| format!("there is no place for files: {error}"))?;
        say("== Two applications, the backend they report to, and dtq collect between them");
        let backend = backend(&folder, say)?;
        let url = match &backend {
            Backend::Collector(_, _) => fs::read_to_string(folder.path().join("backend.url")).map_err(unwritable)?,
            Backend::Sink(sink) => sink.url(),
        };
        fs::create_dir_all(folder.path().join("rules")).map_err(unwritable)?;
        fs::write(folder.path().join("rules/none.yaml"), "apiVersion: dtq/v1\nrules: []\n").map_err(unwritable)?;
        let config = format!("listen:\n  - address: 127.0.0.1:0\ndestinations:\n  backend: {{endpoint: '{url}'}}\n");
        let collect = Collect::start(folder.path(), &config);
        let shown = fs::read_to_string(folder.path().join("collect.yaml")).map_err(unwritable)?;
        say(&format!("$ cat collect.yaml\n{}", shown.trim_end()));
        say(&format!("$ dtq collect --config collect.yaml &\n{}", collect.running.said().trim_end()));
        let endpoint = format!("http://localhost:{}", collect.port(0));
        let apps = crate::setup::folder().join("apps");
        let mut commands = [
            ("shop.py", Command::new(python), apps.join("python/shop.py")),
            ("shop.js", Command::new("node"), apps.join("javascript/shop.js")),
        ];
        let mut applications = Vec::new();
        for (name, command, script) in &mut commands {
            let program = if *name == "shop.py" { "python" } else { "node" };
            say(&format!("$ OTEL_EXPORTER_OTLP_ENDPOINT={endpoint} {program} {name} &"));
            command.arg(script).env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).env("NODE_PATH", &modules);
            applications.push(Running::start(name, command));
        }
        Ok(Self { say, folder, applications, collect, backend })
    }

    /// Shows text.
    pub fn say(&mut self, text: &str) {
        // Nobody who reads is no reason to stop halfway: everything is still looked up.
        let _ = (self.say)(text);
    }

    /// Shows what comes next.
    pub fn title(&mut self, text: &str) {
        self.say(&format!("\n== {text}"));
    }

    /// Shows a file that is not there yet.
    pub fn show_file(&mut self, name: &str, text: &str) {
        self.say(&format!("$ cat {name}\n{}", text.trim_end()));
    }

    /// Runs `dtq` and shows the command and what it says.
    ///
    /// # Errors
    /// When it fails.
    pub fn dtq(&mut self, arguments: &[&str]) -> Result<String, String> {
        let quoted = arguments.iter().map(|one| if one.contains(' ') { format!("'{one}'") } else { (*one).to_owned() });
        let command = format!("dtq {}", quoted.collect::<Vec<_>>().join(" "));
        self.say(&format!("$ {command}"));
        let output = collect::run(self.folder.path(), arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for text in [&out, &err] {
            if !text.trim().is_empty() {
                self.say(text.trim_end());
            }
        }
        if output.status.success() { Ok(out.into_owned()) } else { Err(format!("`{command}` failed: {err}")) }
    }

    /// Writes a file beside the configuration.
    ///
    /// # Errors
    /// When it cannot.
    pub fn write(&mut self, name: &str, text: &str) -> Result<(), String> {
        fs::write(self.folder.path().join(name), text).map_err(unwritable)
    }

    /// Moves the rules to where the process looks for them.
    ///
    /// # Errors
    /// When it cannot.
    pub fn move_rules(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        fs::rename(folder.join("shop.yaml"), folder.join("rules/shop.yaml")).map_err(unwritable)
    }

    /// Returns what arrived so far.
    ///
    /// # Errors
    /// When an application has ended.
    pub fn arrived(&mut self) -> Result<Vec<Telemetry>, String> {
        for one in &mut self.applications {
            if one.has_ended() {
                return Err(format!("an application has ended:\n{}", one.said()));
            }
        }
        Ok(self.backend.arrived())
    }

    /// Waits until both applications have sent something of each signal.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_for_traffic(&mut self) -> Result<(), String> {
        self.wait_for("both applications send", |all| {
            let arrived = super::Arrived::of(all);
            let metrics = ["shop.orders", "shop.recommendations"];
            arrived.services.len() == 2 && metrics.iter().all(|name| arrived.metrics.contains_key(*name))
        })
        .map(|_| ())
    }

    /// Waits until something has arrived; returns all that has.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for(&mut self, what: &str, is_there: impl Fn(&[Telemetry]) -> bool) -> Result<Vec<Telemetry>, String> {
        let end = Instant::now() + DEADLINE;
        loop {
            let arrived = self.arrived()?;
            if is_there(&arrived) {
                return Ok(arrived);
            }
            if Instant::now() > end {
                return Err(format!("it is not so that {what}: {}", self.collect.running.said()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Measures what goes in and out for some time.
    ///
    /// # Errors
    /// When an application has ended.
    pub fn measure(&mut self, time: Duration) -> Result<Traffic, String> {
        let read = |collect: &Collect| {
            ["dtq_received_bytes_total", "dtq_sent_bytes_total"].map(|name| collect.metric(name) as f64)
        };
        let (before, begun) = (read(&self.collect), Instant::now());
        std::thread::sleep(time);
        let (after, seconds) = (read(&self.collect), begun.elapsed().as_secs_f64());
        self.arrived()?;
        Ok(Traffic { received: (after[0] - before[0]) / seconds, sent: (after[1] - before[1]) / seconds })
    }

    /// Ends everything, in the order of the telemetry, and compares what was dropped with what was counted.
    ///
    /// # Errors
    /// When something ends with an error, or a count differs.
    pub fn end(mut self) -> Result<(), String> {
        for one in std::mem::take(&mut self.applications) {
            let (status, said) = one.end();
            self.say(&format!("an application ended: {status}"));
            if !status.success() {
                return Err(said);
            }
        }
        let dropped = self.dropped("no-banners")?;
        let Self { say, collect, backend, folder, .. } = self;
        let (status, said) = collect.running.end();
        let lines: Vec<_> = said.lines().collect();
        say(&lines[lines.len().saturating_sub(2)..].join("\n"));
        if !status.success() || !said.contains("0 requests were left behind") {
            return Err(said);
        }
        // The windows that were open are closed when the process ends, and their points sent.
        let counted = eventually(|| {
            let counted = super::Arrived::of(&backend.arrived()).metrics.get("shop.welcome.banners").copied();
            counted.filter(|counted| *counted >= dropped)
        });
        let counted = counted.unwrap_or_default();
        say(&format!("banners dropped: {dropped}, banners counted by the metric at the backend: {counted}"));
        drop(folder);
        if counted == dropped { Ok(()) } else { Err("a banner was dropped and not counted, or twice".to_owned()) }
    }

    /// Returns how many records a rule has dropped.
    fn dropped(&self, rule: &str) -> Result<f64, String> {
        let arguments = ["ctl", "--socket", "state/control.sock", "--output", "json", "rules"];
        let output = collect::run(self.folder.path(), &arguments);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let rules = answer["result"]["rules"].as_array().cloned().unwrap_or_default();
        let found = rules.iter().find(|one| one["name"] == rule).and_then(|one| one["account"]["dropped"].as_f64());
        found.ok_or_else(|| format!("no account of {rule}: {answer}"))
    }
}

/// Starts the Collector where it can be had, and a sink otherwise.
fn backend(folder: &TempDir, say: &mut dyn FnMut(&str) -> bool) -> Result<Backend, String> {
    let binary = match set_up(Part::Collector) {
        Ok(binary) => binary,
        Err(why) => {
            say(&format!("the backend is a sink that records, because the OpenTelemetry Collector is not here: {why}"));
            return Ok(Backend::Sink(Sink::with([])));
        }
    };
    let address = free_addresses(1)[0];
    let file = folder.path().join("arrived.json");
    let pipelines = ["logs", "metrics", "traces"]
        .map(|signal| format!("    {signal}: {{receivers: [otlp], exporters: [file]}}\n"))
        .concat();
    let config = format!(
        "receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '{address}'}}}}}}\nexporters:\n  file: {{path: {}, \
         flush_interval: 100ms}}\nservice:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}",
        file.display()
    );
    say(&format!("$ cat otelcol.yaml\n{}", config.trim_end()));
    let running = otelcol::start(&binary, folder.path(), &config);
    say("$ otelcol --config otelcol.yaml &");
    fs::write(folder.path().join("backend.url"), format!("http://{address}")).map_err(unwritable)?;
    Ok(Backend::Collector(running, file))
}

fn unwritable(error: std::io::Error) -> String {
    format!("a file cannot be written or read: {error}")
}
