//! Names of what dtq runs among to where it is on this machine.
//!
//! Fetches nothing itself: the script `setup` of this crate does, and only when the demonstration or CI asks. A test takes
//! what is there and says loudly when it is not. Next: `process.rs`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names something that has to be fetched or built before dtq can run beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A Python with the official SDK and exporters.
    Python,
    /// The official SDK and exporters for Node.js.
    JavaScript,
    /// The OpenTelemetry Collector.
    Collector,
}

impl Part {
    /// Returns its name, as the script knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Collector => "collector",
        }
    }
}

/// Returns the folder of this crate.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns where a part is, fetched and built if it has to be.
///
/// # Errors
/// Why it cannot be had here.
pub fn set_up(part: Part) -> Result<PathBuf, String> {
    script(&[part.name()])
}

/// Returns where a part is; when it is not there, says on stderr that a test does nothing.
pub fn or_skip(test: &str, part: Part) -> Option<PathBuf> {
    match script(&["--have", part.name()]) {
        Ok(path) => Some(path),
        Err(why) => {
            // Nobody who reads stderr is no reason to fail.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {}", why.trim_end());
            None
        }
    }
}

fn script(arguments: &[&str]) -> Result<PathBuf, String> {
    let mut command = Command::new(folder().join("setup"));
    command.args(arguments).stdin(Stdio::null());
    let is_quiet = arguments.contains(&"--have");
    command.stderr(if is_quiet { Stdio::piped() } else { Stdio::inherit() });
    let output = command.output().map_err(|error| format!("crates/e2e/setup cannot run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() && !said.is_empty() {
        return Ok(said.into());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(if why.is_empty() { format!("{} cannot be set up here", arguments.join(" ")) } else { why })
}
