//! `dtq kernel`: rules to programs of the kernel, and those to sockets.
//!
//! Read in order: `kernel/subject.rs` (rule files, or a query, to a rule set), `kernel/report.rs` (what of it the kernel
//! decides, for people and machines), `kernel/advice.rs` (the same as diagnostics), `kernel/compile.rs`,
//! `kernel/explain.rs`.

pub mod subject;

mod report;

pub mod advice;

mod compile;

pub mod explain;

use crate::args::{KernelAction, KernelArguments};
use crate::console::Console;
use crate::failure::Outcome;

/// Runs `dtq kernel`.
pub fn execute(arguments: &KernelArguments, console: &mut Console) -> Outcome {
    match &arguments.action {
        KernelAction::Compile(arguments) => compile::execute(arguments, console),
    }
}
