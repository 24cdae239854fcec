//! A configuration to a running OpenTelemetry Collector, and what its file exporter wrote.
//!
//! Next: `demo.rs`.

use crate::process::{Running, eventually};
use crate::telemetry::{Telemetry, counts};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Starts a Collector and waits until it is ready.
///
/// # Panics
/// If it does not get ready.
pub fn start(binary: &Path, folder: &Path, config: &str) -> Running {
    let file = folder.join("otelcol.yaml");
    fs::write(&file, config).expect("a test can write into its own folder");
    let mut running = Running::start("otelcol", Command::new(binary).arg("--config").arg(&file));
    running.wait_for("Everything is ready");
    running
}

/// Returns what a file exporter has written so far.
///
/// # Panics
/// If it wrote what cannot be read.
pub fn recorded(file: &Path) -> Vec<Telemetry> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be half written.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = complete.lines().filter(|line| !line.is_empty());
    lines.map(|line| Telemetry::from_json_line(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

/// Waits until a file exporter has written so many records, of all signals together; returns what it has.
pub fn recorded_in_time(file: &Path, count: usize) -> Vec<Telemetry> {
    let enough = eventually(|| {
        let recorded = recorded(file);
        (counts(&recorded).values().sum::<usize>() >= count).then_some(recorded)
    });
    enough.unwrap_or_else(|| recorded(file))
}
