//! A configuration to a running `dtq collect`, as its users start it, and questions to it.
//!
//! Next: `otelcol.rs`.

use crate::process::{Running, dtq};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A `dtq collect` that runs.
#[derive(Debug)]
pub struct Collect {
    /// The process.
    pub running: Running,
    folder: PathBuf,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Collect {
    /// Starts `dtq collect` with a configuration without `admin`, in a folder of its own where `rules` is, if there are any.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(folder: &Path, config: &str) -> Self {
        let count = config.matches("- address:").count();
        let state = folder.join("state");
        let rules = if folder.join("rules").is_dir() {
            format!("rules: {{files: [rules], socket: {0}/control.sock, state: {0}}}\n", state.display())
        } else {
            String::new()
        };
        fs::create_dir_all(&state).expect("a test can write into its own folder");
        let file = folder.join("collect.yaml");
        fs::write(&file, format!("{config}admin: 127.0.0.1:0\n{rules}")).expect("a test can write into its own folder");
        let mut command = Command::new(dtq());
        command.args(["collect", "--config"]).arg(&file);
        let mut running = Running::start("dtq collect", &mut command);
        let admin = running.wait_for("shows its state on http://");
        let admin = admin.trim_end_matches('/').rsplit("http://").next().and_then(|text| text.parse().ok());
        let addresses: Vec<SocketAddr> = running
            .said()
            .lines()
            .filter_map(|line| line.split("listens on ").nth(1)?.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(addresses.len(), count, "{}", running.said());
        Self { running, folder: folder.to_owned(), addresses, admin: admin.expect("it says where it shows its state") }
    }

    /// Returns the port of one of its listeners.
    pub fn port(&self, index: usize) -> u16 {
        self.addresses[index].port()
    }

    /// Returns the socket of `dtq ctl`.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("state/control.sock")
    }

    /// Returns where it shows its state.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Returns what it counts, in the format of Prometheus.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn metrics(&self) -> String {
        get(self.admin, "/metrics")
    }

    /// Returns the sum of all lines of a metric.
    pub fn metric(&self, name: &str) -> u64 {
        let metrics = self.metrics();
        let lines = metrics
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' ')));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// Runs `dtq` in a folder; returns what it said.
///
/// # Panics
/// If it cannot start.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(dtq());
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().expect("dtq starts")
}

/// Returns the body of a page.
///
/// # Panics
/// If nobody answers.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the page is served");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout that is not 0");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it can be asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Sends a request over HTTP with protobuf, not compressed; returns the status.
///
/// # Panics
/// If nobody answers.
pub fn post(port: u16, telemetry: &crate::telemetry::Telemetry) -> u16 {
    let body = telemetry.to_protobuf();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(crate::process::DEADLINE)).expect("a timeout that is not 0");
    let (signal, size) = (telemetry.signal(), body.len());
    let head = format!(
        "POST /v1/{signal} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n\
         content-length: {size}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("it can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is answered");
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer of HTTP begins with a status")
}
