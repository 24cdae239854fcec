//! `dtq kernel`: rules to programs of the kernel, and those to sockets.
//!
//! Read in order: `kernel/subject.rs` (rule files, or a query, to a rule set), `kernel/report.rs` (what of it the kernel
//! decides, for people and machines), `kernel/advice.rs` (the same as diagnostics), `kernel/compile.rs`,
//! `kernel/explain.rs`; then what runs: `kernel/refusal.rs`, `kernel/account.rs`, `kernel/loaded.rs`, `kernel/point.rs`,
//! `kernel/watch.rs`, `kernel/control.rs`, `kernel/session.rs`, `kernel/attach.rs`, `kernel/relay.rs`, `kernel/status.rs`,
//! `kernel/probe.rs`; then logs of running programs: `kernel/trace.rs`.

pub mod subject;

mod report;

pub mod advice;

mod compile;

pub mod explain;

mod refusal;

mod account;

mod loaded;

mod point;

mod points;

mod watch;

mod control;

mod session;

mod attach;

mod relay;

mod status;

mod probe;

mod trace;

use crate::args::{KernelAction, KernelArguments};
use crate::console::Console;
use crate::failure::Outcome;

/// Runs `dtq kernel`.
pub fn execute(arguments: &KernelArguments, console: &mut Console) -> Outcome {
    match &arguments.action {
        KernelAction::Compile(arguments) => compile::execute(arguments, console),
        KernelAction::Attach(arguments) => attach::execute(arguments, console),
        KernelAction::Relay(arguments) => relay::execute(arguments, console),
        KernelAction::Status(arguments) => status::execute(arguments, console),
        KernelAction::Detach(arguments) => status::detach(arguments, console),
        KernelAction::Trace(arguments) => trace::execute(arguments, console),
        KernelAction::Probe(arguments) => probe::execute(arguments, console),
        KernelAction::Guard => attach::guard(),
    }
}
