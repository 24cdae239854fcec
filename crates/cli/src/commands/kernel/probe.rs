//! `dtq kernel probe`: what this process may do in the kernel, and what would help.

use crate::args::{KernelProbeArguments, ReportForm};
use crate::console::Console;
use crate::failure::Outcome;
use dtq_kernel::Probe;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Runs `dtq kernel probe`.
pub fn execute(arguments: &KernelProbeArguments, console: &mut Console) -> Outcome {
    let probe = Probe::run(None);
    match arguments.output {
        ReportForm::Text => write!(console.out, "{probe}")?,
        ReportForm::Json => writeln!(console.out, "{}", as_json(&probe))?,
    }
    Ok(())
}

/// Returns a probe as JSON, with features by name.
fn as_json(probe: &Probe) -> Value {
    let features: Map<String, Value> = probe
        .answers
        .iter()
        .filter_map(|(feature, answer)| Some((json!(feature).as_str()?.to_owned(), json!(answer))))
        .collect();
    json!({ "level": probe.level, "features": features, "settings": probe.settings })
}
