//! Datagrams of syslog, JSON and OTLP, over UDP and unix sockets, to requests of `logs` on their way through the rules.
//!
//! What a datagram is, its socket says. Nobody is told what became of one: where there is no room it is lost and counted.
//! Where this process may, the part of the rules that the kernel can decide stands on the sockets, and what it drops is
//! never received. Read in order: this file (what is configured), [`account`], [`door`] (a socket), `gather` (datagrams to a
//! request), `serve` (one socket's task), [`filter`] (what stands in the kernel). For operators:
//! `docs/collect-datagrams.md`.

pub mod account;

pub mod door;

mod gather;

pub(crate) mod serve;

pub mod filter;

use dtq_ebpf::payload;
use dtq_kernel::Address;
use std::time::Duration;

pub use account::SocketAccount;
pub use door::Door;
pub use filter::Filters;

/// Names what a datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A message of syslog, RFC 5424 or RFC 3164.
    Syslog,
    /// An object of JSON.
    Json,
    /// An OTLP request of logs in protobuf.
    Otlp,
}

impl Format {
    /// Returns its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Json => "json",
            Self::Otlp => "otlp",
        }
    }

    /// Returns what the kernel calls it.
    pub(crate) fn payload(self) -> payload::Format {
        match self {
            Self::Syslog => payload::Format::Syslog,
            Self::Json => payload::Format::Json,
            Self::Otlp => payload::Format::Otlp,
        }
    }
}

/// Says whether rules go into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InKernel {
    /// Where this process may.
    Auto,
    /// Never.
    Off,
    /// A process that may not does not start.
    Require,
}

/// Holds what is configured of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// What datagrams hold.
    pub format: Format,
    /// Whether rules go into the kernel.
    pub in_kernel: InKernel,
    /// Who may send to a unix socket: the permissions of its file.
    pub mode: Option<u32>,
    /// The user whose its file becomes.
    pub user: Option<u32>,
    /// The group whose its file becomes.
    pub group: Option<u32>,
    /// Bytes that wait in the kernel.
    pub queue_bytes: Option<usize>,
    /// Bytes of a datagram; what is longer is cut.
    pub datagram_bytes_max: usize,
    /// When a batch is handed on.
    pub batch: Batch,
}

/// Says when a batch of records is handed on: by the first of these that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Records.
    pub records_max: usize,
    /// Bytes.
    pub bytes_max: usize,
    /// Time since its first datagram.
    pub age_max: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self { records_max: 8_192, bytes_max: 1 << 20, age_max: Duration::from_millis(200) }
    }
}

impl Settings {
    /// Returns a socket as it is where nothing else is said.
    pub fn new(address: Address, format: Format) -> Self {
        Self {
            address,
            format,
            in_kernel: InKernel::Auto,
            mode: None,
            user: None,
            group: None,
            queue_bytes: None,
            datagram_bytes_max: 64 << 10,
            batch: Batch::default(),
        }
    }
}
