//! The arguments of `dtq ctl`, `dtq tap` and `dtq top`. Next: `commands/ctl.rs`.

use super::{ReportForm, parse_duration};
use clap::{ArgAction, Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Says which process is meant.
#[derive(Args, Clone, Debug)]
pub struct SocketArguments {
    /// Control socket of the process [default: $XDG_RUNTIME_DIR/dtq/control.sock, or /run/dtq/control.sock]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
}

/// The arguments of `ctl`.
#[derive(Args, Debug)]
pub struct CtlArguments {
    /// What to do
    #[command(subcommand)]
    pub action: CtlAction,
    /// Which process
    #[command(flatten)]
    pub socket: SocketArguments,
    /// Form of the answer
    #[arg(short, long, value_name = "FORM", default_value = "text", global = true)]
    pub output: ReportForm,
}

/// Names what `ctl` orders and asks.
#[derive(Debug, Subcommand)]
pub enum CtlAction {
    /// Show what runs, and since when
    Status,
    /// Show each rule with its mode and account
    Rules,
    /// Turn a rule off
    Off {
        /// The rule
        #[arg(value_name = "NAME")]
        rule: String,
    },
    /// Let a rule do what its file says; one that the file has off, act
    On {
        /// The rule
        #[arg(value_name = "NAME")]
        rule: String,
    },
    /// Run an earlier version of the rules until the files change
    Rollback {
        /// The version, instead of the one before
        #[arg(value_name = "VERSION")]
        version: Option<u64>,
    },
    /// Turn all rules but protective ones off at once
    Ripcord {
        /// Protective rules too; has to be given twice
        #[arg(long, action = ArgAction::Count)]
        also_protective: u8,
    },
    /// Run rules as before the ripcord
    Restore,
    /// Read the rule files now
    Reload,
}

/// The arguments of `tap`.
#[derive(Args, Debug)]
pub struct TapArguments {
    /// The query, over logs, spans or metrics; it looks at one record at a time
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Show records as they are before a rule
    #[arg(long, value_name = "RULE", conflicts_with = "after")]
    pub before: Option<String>,
    /// Show records as they are after a rule
    #[arg(long, value_name = "RULE")]
    pub after: Option<String>,
    /// Show what rules that redact have not seen yet; this is written into the audit
    #[arg(long)]
    pub unredacted: bool,
    /// Records a second
    #[arg(long, value_name = "N/s", default_value = "10/s", value_parser = parse_rate)]
    pub rate: u32,
    /// Which process
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// The arguments of `top`.
#[derive(Args, Debug)]
pub struct TopArguments {
    /// How long records are counted before they are shown
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub window: Duration,
    /// Show one window and end
    #[arg(long)]
    pub once: bool,
    /// How many events are shown
    #[arg(short = 'n', long, value_name = "COUNT", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Order by bytes instead of records
    #[arg(long)]
    pub bytes: bool,
    /// Count what rules that redact have not seen yet; this is written into the audit
    #[arg(long)]
    pub unredacted: bool,
    /// Form of the result: a table, or a JSON object a window
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub output: ReportForm,
    /// Which process
    #[command(flatten)]
    pub socket: SocketArguments,
}

/// Reads `10/s`, or `10` for the same.
fn parse_rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    number.parse().ok().filter(|rate| (1..=10_000).contains(rate)).ok_or_else(|| "write 1/s to 10000/s".to_owned())
}
