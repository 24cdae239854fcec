//! The `dtq` binary: arguments to commands, results to stdout, all else to stderr, exit codes as the contract says.
//!
//! Only here, below nothing else, are files opened, the clock and the environment read.
//! Read in order: `args.rs`, `commands/mod.rs`, `inputs.rs`, `deadline.rs`, `workers.rs`, `observe.rs`, `rule_set.rs`,
//! `output/mod.rs`, `report.rs`, `log.rs`.

mod args;

mod commands;

mod inputs;

mod deadline;

mod spool;

mod workers;

mod observe;

mod rule_set;

mod native;

mod output;

mod report;

mod console;

mod failure;

mod log;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
