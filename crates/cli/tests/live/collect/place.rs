//! A folder with a configuration and rules, and the processes that run there.

use crate::common::{self, Ran};
use crate::peers::{Reply, Sink, get, logs, send_logs};
use crate::started::{DEADLINE, Started, eventually};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Holds a folder with all that a collector needs, and sinks for its destinations.
pub struct Place {
    folder: TempDir,
    /// Where requests go on.
    pub sink: Sink,
    /// Where only what is routed there goes.
    pub archive: Sink,
}

impl Place {
    /// Makes a folder with these rules.
    pub fn new(rules: &str) -> Self {
        Self::with(rules, "")
    }

    /// Makes a folder with these rules, and more lines for the configuration.
    pub fn with(rules: &str, more: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), sink: Sink::start(), archive: Sink::start() };
        std::fs::create_dir(place.path("rules")).unwrap();
        place.write(rules);
        let destination =
            |sink: &Sink| format!("{{endpoint: 'http://{}', protocol: http/protobuf, compression: none", sink.address);
        let configuration = format!(
            "listen: [{{address: '127.0.0.1:0'}}]\nadmin: 127.0.0.1:0\ndestinations:\n  backend: {}}}\n  \
             archive: {}, only_routed: true}}\nrules: {{files: [rules], socket: '{}', state: '{}'}}\n{more}",
            destination(&place.sink),
            destination(&place.archive),
            place.path("control.sock").display(),
            place.path("state").display(),
        );
        std::fs::write(place.path("collect.yaml"), configuration).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a path as an argument.
    pub fn argument(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Replaces the rules as an editor does.
    pub fn write(&self, rules: &str) {
        std::fs::write(self.path("rules/new"), format!("apiVersion: dtq/v1\nrules:\n{rules}")).unwrap();
        std::fs::rename(self.path("rules/new"), self.path("rules/rules.yaml")).unwrap();
    }

    /// Starts `dtq collect` here.
    pub fn start(&self) -> Running {
        self.start_as(&[], &[])
    }

    /// Does the same with variables of the environment.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Running {
        self.start_as(&[], environment)
    }

    /// Does the same with more arguments.
    pub fn start_as(&self, more: &[&str], environment: &[(&str, &str)]) -> Running {
        let configuration = self.argument("collect.yaml");
        let mut command = common::command(&[&["collect", "--config", &configuration], more].concat());
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        Self::running(command)
    }

    /// Does the same behind a command that becomes the one behind it.
    pub fn start_behind(&self, wrapper: &[&str]) -> Running {
        let inner = common::command(&["collect", "--config", &self.argument("collect.yaml")]);
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args()).current_dir(common::root());
        command.stdin(Stdio::null());
        Self::running(command)
    }

    /// Starts a command that runs `dtq collect`.
    pub fn running(command: Command) -> Running {
        let started = Started::spawn_until(command, "shows its state on ");
        let address_behind = |mark: &str| -> SocketAddr {
            let (_, rest) = started.said.split_once(mark).unwrap();
            rest.split([' ', '/', '"']).next().unwrap().parse().unwrap()
        };
        let (address, admin) = (address_behind("listens on "), address_behind("shows its state on http://"));
        Running { process: started, address, admin }
    }

    /// Runs `dtq ctl`, `tap` or `top` for the process here.
    pub fn dtq(&self, arguments: &[&str]) -> Ran {
        common::dtq(&[arguments, &["--socket", &self.argument("control.sock")]].concat())
    }

    /// Gives an order, which has to be obeyed; returns what was said.
    pub fn order(&self, arguments: &[&str]) -> String {
        self.dtq(&[&["ctl"], arguments].concat()).code(0).stdout
    }

    pub fn status(&self) -> Value {
        let answer: Value = serde_json::from_str(&self.order(&["status", "--output", "json"])).unwrap();
        answer["result"].clone()
    }

    /// Returns the account of a rule.
    pub fn account(&self, rule: &str) -> Value {
        let answer: Value = serde_json::from_str(&self.order(&["rules", "--output", "json"])).unwrap();
        let rules = answer["result"]["rules"].as_array().unwrap();
        rules.iter().find(|one| one["name"] == rule).unwrap_or_else(|| panic!("no `{rule}`: {answer}")).clone()
    }

    /// Waits until the status is as wanted.
    pub fn until(&self, what: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            if what(&status) {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "{status}");
        }
    }

    /// Returns the lines of the audit.
    pub fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the audit has so many lines of what was ordered.
    pub fn until_audited(&self, op: &str, count: usize) {
        let is_there = || self.audit().iter().filter(|line| line["op"] == op).count() >= count;
        assert!(eventually(is_there), "{:?}", self.audit());
    }

    /// Sends logs through the process and returns the texts of those that came out for them.
    pub fn passes(&self, running: &Running, records: &[(i32, &str)]) -> Vec<String> {
        self.sink.clear();
        send_logs(running.address, &logs(records));
        self.sink.bodies()
    }
}

/// Holds a collector that runs.
pub struct Running {
    pub process: Started,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Running {
    /// Ends it as a service manager does; it has to end well.
    pub fn end(self) -> String {
        self.process.signal("TERM");
        let (code, said) = self.process.end();
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// Kills it.
    pub fn kill(self) {
        self.process.signal("KILL");
        assert_eq!(self.process.end().0, None);
    }

    pub fn get(&self, path: &str) -> Reply {
        get(self.admin, path)
    }

    /// Returns the value of a line of `/metrics`.
    pub fn metric(&self, line: &str) -> u64 {
        let metrics = String::from_utf8(self.get("/metrics").body).unwrap();
        let value = metrics.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no `{line}` in {metrics}")).parse().unwrap()
    }

    /// Returns the most memory that the process ever had, in bytes.
    pub fn peak_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}
