//! Commands that run until they are asked to end, with what they say on stderr.
#![allow(dead_code, reason = "each test uses its part")]

use crate::common;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long something may take that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// A command that runs, and is killed at the end.
pub struct Started {
    pub child: Child,
    lines: Receiver<String>,
    /// What it has said so far.
    pub said: String,
}

impl Started {
    /// Starts a command and waits until something is attached.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_until(arguments, "attached: ")
    }

    /// Starts a command and waits until it says a line that contains this.
    pub fn start_until(arguments: &[&str], text: &str) -> Self {
        let mut command = common::command(arguments);
        command.stdin(Stdio::null());
        Self::spawn_until(command, text)
    }

    /// Does the same with a command that is made already, and its input.
    pub fn spawn_until(mut command: Command, text: &str) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut started = Self { child, lines, said: String::new() };
        started.wait_for(text);
        started
    }

    /// Waits until it says a line that contains this.
    pub fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no `{text}`: {}", self.said));
            self.said += &format!("{line}\n");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Returns its number, as an argument.
    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end; returns its exit code and all that it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it can be waited for");
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.said += &format!("{line}\n");
        }
        assert!(!self.said.contains("panicked at"), "{}", self.said);
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so, at most as long as [`DEADLINE`]; says whether it is.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
