//! Arguments to what they say.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Puts load on `dtq collect`, and shows that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "dtq-load", version)]
pub struct Arguments {
    /// What is done.
    #[command(subcommand)]
    pub action: Action,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Sends records with ids, and retries as an exporter does.
    Send(SendArguments),
    /// Takes OTLP on a port and notes ids.
    Sink(SinkArguments),
    /// Says which records of a run are missing from the state of a sink.
    Verify(VerifyArguments),
    /// Sends a million records while collector and destination are killed again and again: nothing may be lost.
    Kills(KillsArguments),
    /// Replaces rules a thousand times under load: nothing lost, nothing judged by half a set.
    Swaps(SwapsArguments),
    /// Full load with swaps and faults for a long time: nothing lost, memory does not grow.
    Soak(SoakArguments),
}

/// How records are sent.
#[derive(Args, Debug)]
pub struct SendArguments {
    /// Where to: scheme, host and port.
    #[arg(long, default_value = "http://127.0.0.1:4317")]
    pub to: String,
    /// grpc, http or json; several, with commas, take turns by connection.
    #[arg(long, default_value = "grpc", value_delimiter = ',')]
    pub protocol: Vec<String>,
    /// none, gzip or zstd; several take turns by connection.
    #[arg(long, default_value = "none", value_delimiter = ',')]
    pub compression: Vec<String>,
    /// logs, metrics, spans; several take turns by request.
    #[arg(long, default_value = "logs", value_delimiter = ',')]
    pub signals: Vec<String>,
    /// Records of a request, rounded up to tens; several take turns.
    #[arg(long, default_value = "100", value_delimiter = ',')]
    pub batch: Vec<usize>,
    /// Bytes of the text of a record: half, once and twice this.
    #[arg(long, default_value_t = 100)]
    pub text: usize,
    /// Files with one OTLP request in protobuf each, sent as they are; --signals says of what, and ids are not put in.
    #[arg(long)]
    pub file: Vec<PathBuf>,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Requests under way at once on each connection.
    #[arg(long, default_value_t = 4)]
    pub in_flight: usize,
    /// Ends after so many records.
    #[arg(long)]
    pub records: Option<u64>,
    /// Ends after so many seconds; without this and --records, after 10.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Records a second; without it as many as are answered.
    #[arg(long)]
    pub rate: Option<f64>,
    /// The first stream of this sender.
    #[arg(long, default_value_t = 1)]
    pub stream: u16,
    /// Sends the same bytes again and again: costs least, and nothing can be verified.
    #[arg(long)]
    pub same: bool,
    /// Seconds after which a request is given up.
    #[arg(long, default_value_t = 300.0)]
    pub give_up: f64,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Writes the summary here as JSON, for `verify`.
    #[arg(long)]
    pub summary: Option<PathBuf>,
}

/// What a sink is to be.
#[derive(Args, Debug)]
pub struct SinkArguments {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:4319")]
    pub address: SocketAddr,
    /// The folder for what was seen; without it, it is forgotten at the end.
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// Counts requests and bytes only, and inflates nothing.
    #[arg(long)]
    pub blind: bool,
    /// Compares the marks that rules of `swaps` leave.
    #[arg(long)]
    pub pairs: bool,
    /// Sums the metric that rules of `kills` make.
    #[arg(long)]
    pub points: bool,
    /// The share of requests that is refused as unavailable.
    #[arg(long, default_value_t = 0.0)]
    pub fail: f64,
    /// The share of requests of which half the records are rejected.
    #[arg(long, default_value_t = 0.0)]
    pub partial: f64,
    /// The share of requests that is taken and not answered.
    #[arg(long, default_value_t = 0.0)]
    pub cut: f64,
    /// The share of requests that is answered late.
    #[arg(long, default_value_t = 0.0)]
    pub slow: f64,
    /// How many milliseconds late.
    #[arg(long, default_value_t = 200)]
    pub delay_ms: u64,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

/// What is compared.
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// The summary that `send` wrote.
    #[arg(long)]
    pub summary: PathBuf,
    /// The folder of the sink.
    #[arg(long)]
    pub state: PathBuf,
    /// Records whose number ends in 7 must not have arrived.
    #[arg(long)]
    pub without_noise: bool,
}

/// What is killed.
#[derive(Args, Debug)]
pub struct KillsArguments {
    /// The binary `dtq`; without it that of DTQ, or the one beside this, built before under cargo.
    #[arg(long)]
    pub dtq: Option<PathBuf>,
    /// Records.
    #[arg(long, default_value_t = 1_000_000)]
    pub records: u64,
    /// How often each of the two processes is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: u64,
    /// Records of a request.
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
}

/// What is replaced.
#[derive(Args, Debug)]
pub struct SwapsArguments {
    /// The binary `dtq`; without it that of DTQ, or the one beside this, built before under cargo.
    #[arg(long)]
    pub dtq: Option<PathBuf>,
    /// How often rules are replaced.
    #[arg(long, default_value_t = 1000)]
    pub swaps: u64,
    /// How often quiet times and times with swaps take turns.
    #[arg(long, default_value_t = 10)]
    pub rounds: u64,
    /// Records a second.
    #[arg(long, default_value_t = 20_000.0)]
    pub rate: f64,
    /// Records of a request.
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
}

/// How long.
#[derive(Args, Debug)]
pub struct SoakArguments {
    /// The binary `dtq`; without it that of DTQ, or the one beside this, built before under cargo.
    #[arg(long)]
    pub dtq: Option<PathBuf>,
    /// Minutes.
    #[arg(long, default_value_t = 30.0)]
    pub minutes: f64,
    /// Milliseconds between two swaps.
    #[arg(long, default_value_t = 2000)]
    pub swap_every_ms: u64,
    /// Records a second; without it as many as are answered.
    #[arg(long)]
    pub rate: Option<f64>,
    /// Writes the report here as JSON.
    #[arg(long)]
    pub report: Option<PathBuf>,
}
