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

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Large pieces of memory are asked for and given back with each request of a batch: an allocator that keeps some of them
/// saves the system from handing out and clearing the same pages again and again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
