//! The arguments of `dtq collect`. Next: `commands/collect.rs`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The arguments of `collect`.
#[derive(Args, Debug)]
pub struct CollectArguments {
    /// What to do instead of running
    #[command(subcommand)]
    pub action: Option<CollectAction>,
    /// The configuration, in YAML (docs/collect.schema.json)
    #[arg(short, long, value_name = "FILE.yaml", global = true)]
    pub config: Option<PathBuf>,
    /// How what happens is said on stderr
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub log_format: LogForm,
}

/// Names how what happens is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// Lines for people; in systemd's journal with their level
    Text,
    /// A JSON object a line
    Json,
}

/// Names what `collect` does besides running.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum CollectAction {
    /// Say what is wrong with a configuration and its rules, and run nothing
    Check,
}
