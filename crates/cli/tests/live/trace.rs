//! `dtq kernel trace` on an interpreter that runs and was not built for it.

use crate::common::{dtq, folder};
use crate::started::Started;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The interpreter of Debian, which has names of functions and probes; others may be elsewhere.
const PYTHON: &str = "/usr/bin/python3";
/// Raises an error so many times as a line says: one in four is another.
const PROGRAM: &str = "
import sys
print('ready', flush=True)
for line in sys.stdin:
    for i in range(int(line)):
        try: [].pop() if i % 4 else {}.popitem()
        except (IndexError, KeyError): pass
    print('done', flush=True)
";

/// An interpreter that raises errors when it is told to.
struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// Starts it; `None`, said loudly, where there is none or it may not be traced.
    fn start(test: &str) -> Option<Self> {
        let probe = dtq(&["kernel", "probe", "--output", "json"]).code(0).stdout;
        let probe: Value = serde_json::from_str(&probe).expect("a probe is JSON");
        if probe["features"]["uprobes"] != "yes" || !Path::new(PYTHON).exists() {
            eprintln!("SKIPPED: {test}: no uprobes ({}), or no {PYTHON}", probe["features"]["uprobes"]);
            return None;
        }
        let mut command = Command::new(PYTHON);
        let mut child =
            command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut python = Self { child, input, output };
        python.hear("ready");
        Some(python)
    }

    fn hear(&mut self, expected: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected);
    }

    /// Has it raise so many errors.
    fn run(&mut self, count: u32) {
        writeln!(self.input, "{count}").unwrap();
        self.hear("done");
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A trace of errors, with files for its logs and its counts.
struct Traced {
    started: Started,
    logs: PathBuf,
    report: PathBuf,
}

impl Traced {
    fn start(name: &str, python: &Python, more: &[&str]) -> Self {
        let folder = folder(name);
        let (logs, report) = (folder.join("logs"), folder.join("report.json"));
        let (logs_word, report_word) = (logs.to_str().unwrap(), report.to_str().unwrap());
        let pid = python.pid();
        let arguments =
            ["kernel", "trace", "uprobe:PyErr_SetString", "--pid", &pid, "--args", "arg0: long, arg1: string"];
        let files = ["--out", logs_word, "--report", report_word];
        Self { started: Started::start(&[&arguments[..], &files, more].concat()), logs, report }
    }

    /// Waits for its end; returns what it counted at the site, and its logs.
    fn end(self) -> (Value, String) {
        let (code, said) = self.started.end();
        assert_eq!(code, Some(0), "{said}");
        let report: Value = serde_json::from_slice(&std::fs::read(&self.report).unwrap()).unwrap();
        (report["sites"][0].clone(), String::from_utf8_lossy(&std::fs::read(&self.logs).unwrap()).into_owned())
    }

    fn interrupt(self) -> (Value, String) {
        self.started.signal("INT");
        self.end()
    }
}

/// Checks counts of a site, by their names.
fn assert_counts(site: &Value, expected: &[(&str, u64)]) {
    for (name, count) in expected {
        assert_eq!(site[*name], *count, "{name}: {site}");
    }
}

fn rows(logs: &str) -> Vec<Value> {
    logs.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn errors_with_a_text_become_logs() {
    let Some(mut python) = Python::start("errors_with_a_text_become_logs") else { return };
    let traced = Traced::start("trace-errors", &python, &["--where", "arg1 has 'LIST' and Command != 'bash'"]);
    python.run(1_000);
    let (site, logs) = traced.interrupt();
    assert_counts(&site, &[("hits", 1_000), ("matched", 750), ("delivered", 750), ("lost", 0), ("left", 0)]);
    assert_counts(&site, &[("undecided", 0), ("refuted", 0), ("unreadable", 0), ("busy", 0)]);
    let rows = rows(&logs);
    assert_eq!(rows.len(), 750);
    for row in &rows {
        assert_eq!((&row["EventName"], &row["Body"]), (&"uprobe:PyErr_SetString".into(), &"PyErr_SetString".into()));
        assert_eq!(row["Attributes"]["arg1"], "pop from empty list");
        assert_eq!(row["Resource"]["process.pid"], python.child.id());
    }
    // Nobody looks any more, and the program goes on.
    python.run(10);
}

#[test]
fn what_the_kernel_leaves_is_decided_in_user_space() {
    let Some(mut python) = Python::start("what_the_kernel_leaves_is_decided_in_user_space") else { return };
    let condition = "arg1 startswith 'pop' and countof(arg1, 'e') == 1";
    let traced = Traced::start("trace-undecided", &python, &["--where", condition]);
    assert!(
        traced.started.said.contains("note: decided in user space: countof(arg1, \"e\") == 1: "),
        "{}",
        traced.started.said
    );
    python.run(400);
    let (site, logs) = traced.interrupt();
    assert_counts(&site, &[("hits", 400), ("matched", 400), ("undecided", 400), ("delivered_undecided", 0)]);
    assert_counts(&site, &[("delivered", 300), ("refuted", 100), ("lost", 0), ("left", 0)]);
    assert!(rows(&logs).iter().all(|row| row["Attributes"]["dtq.undecided"].is_null()), "{logs}");
}

#[test]
fn a_trace_ends_after_so_many_logs() {
    let Some(mut python) = Python::start("a_trace_ends_after_so_many_logs") else { return };
    let traced = Traced::start("trace-count", &python, &["--count", "3", "--output", "otlp"]);
    python.run(100);
    let logs = traced.logs.clone();
    let (site, _) = traced.end();
    assert_counts(&site, &[("delivered", 3), ("lost", 0)]);
    assert!(site["hits"].as_u64().unwrap() >= 3, "{site}");
    // What was written is what other commands read.
    let query = "logs | summarize n = count() by tostring(Attributes.arg1)";
    let ran = dtq(&["run", "--output", "ndjson", query, logs.to_str().unwrap()]).code(0);
    assert!(ran.stdout.contains("pop from empty list") && ran.stdout.contains("\"n\":2"), "{}", ran.stdout);
}

#[test]
fn no_more_logs_go_out_than_the_rate_says() {
    let Some(mut python) = Python::start("no_more_logs_go_out_than_the_rate_says") else { return };
    let traced = Traced::start("trace-rate", &python, &["--rate", "5/h", "--output", "table"]);
    python.run(200);
    let (site, logs) = traced.interrupt();
    let delivered = site["delivered"].as_u64().unwrap();
    // The hour may have turned in between.
    assert!(delivered == 5 || delivered == 10, "{site}");
    assert_eq!(site["over_rate"], 200 - delivered, "{site}");
    let lines: Vec<&str> = logs.lines().collect();
    assert_eq!(lines.len() as u64, delivered + 1, "{logs}");
    assert!(lines[1].ends_with(" arg1=\"popitem(): dictionary is empty\""), "{logs}");
}

#[test]
fn a_trace_ends_with_its_process() {
    let Some(mut python) = Python::start("a_trace_ends_with_its_process") else { return };
    let traced = Traced::start("trace-gone", &python, &[]);
    python.run(4);
    drop(python);
    let (site, logs) = traced.end();
    assert_counts(&site, &[("hits", 4), ("delivered", 4)]);
    assert_eq!(logs.lines().count(), 4);
}

#[test]
fn what_is_not_there_has_a_remedy() {
    let Some(python) = Python::start("what_is_not_there_has_a_remedy") else { return };
    let pid = python.pid();
    let trace =
        |more: &[&str]| dtq(&[&["kernel", "trace", "--pid", &pid, "--for", "1ms"], more].concat()).code(78).stderr;
    for (words, said) in [
        (&["uprobe:malloc"][..], "a library of the process has it: --file "),
        (&["uprobe:no_such"], "`dtq kernel trace --list --pid "),
        (&["uprobe:PyErr_SetString+1"], "--accept-inside"),
        (&["uprobe:malloc", "--file", "libnone"], "has no code of a file `libnone`"),
        (&["uretprobe:PyErr_SetString", "--args", "arg1: string"], "there is only `ret`"),
        (&["uprobe:PyErr_SetString", "--args", "arg6: long"], "on the stack"),
        (&["usdt:python:no"], "there is no probe `python:no`"),
    ] {
        let stderr = trace(words);
        assert!(stderr.contains(said), "{words:?}: {stderr}");
    }
    let listed = dtq(&["kernel", "trace", "--list", "--pid", &pid, "--output", "ndjson"]).code(0).stdout;
    let listed = rows(&listed);
    let slow = listed.iter().find(|row| row["NsPerHit"].as_u64().is_some_and(|ns| ns > 5_000)).expect("one is slow");
    let stderr = trace(&[slow["Site"].as_str().unwrap()]);
    assert!(stderr.contains("--accept-slow") && stderr.contains("--list"), "{stderr}");
}
