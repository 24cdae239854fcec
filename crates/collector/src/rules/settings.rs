//! What an operator says about rules, with defaults; and every bound of what stands here, in one struct.
//!
//! Reads no file. Next: `clock.rs`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Holds where rules come from, and where they are controlled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rule files, or folders whose `.yaml` and `.yml` files are all read.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// The control socket; without one that of [`default_socket`].
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// The folder of what outlives the process; without one that of [`default_state`].
    #[serde(default)]
    pub state: Option<PathBuf>,
    /// What evaluates conditions.
    #[serde(default)]
    pub engine: EngineChoice,
    /// Bounds, which configuration files do not name.
    #[serde(skip)]
    pub bounds: Bounds,
}

/// Names what evaluates conditions; results are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// Native code once it is compiled, where the system allows it.
    #[default]
    Auto,
    /// The interpreter.
    Interp,
}

/// Holds how much anything here may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of requests that wait to be judged; who brings more waits.
    pub queue_bytes: usize,
    /// Bytes that rules may make of one request; past it, it passes all rules but protective ones.
    pub made_bytes: usize,
    /// Time of the thread that one request may take; past it, it passes all rules but protective ones.
    pub request_time: Duration,
    /// Bytes of what rules owe that may wait to be sent.
    pub owed_bytes: usize,
    /// How many versions of the rules are kept.
    pub versions: usize,
    /// How often rule files are looked at.
    pub poll: Duration,
    /// How long an order may wait for the thread that judges.
    pub order_time: Duration,
    /// How many look at live traffic at once.
    pub listeners: usize,
    /// Requests, and their bytes, that wait for one who looks.
    pub sample_requests: usize,
    /// Bytes of them.
    pub sample_bytes: usize,
    /// Bytes of a request, as it is at the point where one looks, that is looked at.
    pub sample_request_bytes: usize,
    /// Records of such a request.
    pub sample_records: usize,
    /// Connections to the control socket at once.
    pub connections: usize,
    /// Bytes of a line that comes over it.
    pub line_bytes: usize,
    /// How long a connection may be silent, or not read.
    pub silence: Duration,
    /// Bytes of the audit file, of which one older is kept.
    pub audit_bytes: u64,
    /// How many events `top` counts apart.
    pub top_entries: usize,
    /// Notices that are kept to be shown.
    pub notices: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            queue_bytes: 64 << 20,
            made_bytes: 256 << 20,
            request_time: Duration::from_secs(2),
            owed_bytes: 16 << 20,
            versions: 16,
            poll: Duration::from_secs(1),
            order_time: Duration::from_secs(5),
            listeners: 8,
            sample_requests: 1_024,
            sample_bytes: 16 << 20,
            sample_request_bytes: 4 << 20,
            sample_records: 50_000,
            connections: 32,
            line_bytes: 64 << 10,
            silence: Duration::from_secs(30),
            audit_bytes: 16 << 20,
            top_entries: 2_000,
            notices: 64,
        }
    }
}

/// Returns where the control socket is when nothing says so: below `$XDG_RUNTIME_DIR`, else below `/run/dtq`.
pub fn default_socket() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join("dtq").join("control.sock"),
        _ => PathBuf::from("/run/dtq/control.sock"),
    }
}

/// Returns where state is kept when nothing says so: `$STATE_DIRECTORY` of systemd, `$XDG_STATE_HOME`, `~/.local/state`,
/// or `/var/lib/dtq`.
pub fn default_state() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("STATE_DIRECTORY")
        .or_else(|| variable("XDG_STATE_HOME").map(|folder| folder.join("dtq")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state/dtq")))
        .unwrap_or_else(|| PathBuf::from("/var/lib/dtq"))
}
