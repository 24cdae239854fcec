//! The least that a program does with the rules: bytes of a rule file and of a request in, what leaves out.
//!
//! `.ci/size` measures how large it is, with native code and without.
#![allow(clippy::print_stderr, reason = "a program of its own")]

use dtq_record::otlp::Signal;
use dtq_rules::Budget;
use dtq_rules::compile::{Options, compile_within};
use dtq_rules::engine::{Output, Processor};
use dtq_rules::file::{self, NoFiles};
use dtq_rules::native::NativeSet;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes that all rules may remember together, and that they may make of a request; a host with a clock caps time too.
const STATE_BYTES_MAX: usize = 64 << 20;
const MADE_BYTES_MAX: usize = 64 << 20;

const RULES: &str = "apiVersion: dtq/v1
rules:
  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
";

/// Reads an `ExportLogsServiceRequest` from stdin and writes what the rules leave of it to stdout.
fn main() -> ExitCode {
    let (rules, mut found) = file::read("rules.yaml", RULES.as_bytes(), &NoFiles, &file::Options::default());
    let compiled = compile_within(&[rules], &Options::default(), &Budget::of_bytes(STATE_BYTES_MAX));
    found.extend(compiled.diagnostics.into_iter().map(|located| located.diagnostic));
    let Some(set) = compiled.set.map(Arc::new) else {
        found.iter().for_each(|diagnostic| eprintln!("{}: {}", diagnostic.code, diagnostic.message));
        return ExitCode::from(78);
    };
    let mut processor = Processor::new(Arc::clone(&set), &Default::default());
    match NativeSet::compile(&set) {
        Ok(native) => drop(processor.use_native(Arc::new(native))),
        Err(refusal) => eprintln!("interpreted: {refusal}"),
    }
    let mut request = Vec::new();
    if let Err(error) = stdin().read_to_end(&mut request) {
        eprintln!("stdin: {error}");
        return ExitCode::from(65);
    }
    let outcome = processor.apply_within(Signal::Logs, &request, 0, &Budget::of_bytes(MADE_BYTES_MAX));
    outcome.notices.iter().for_each(|notice| eprintln!("{}", notice.message));
    let bytes = match &outcome.output {
        Output::Unchanged => &request[..],
        Output::Empty => &[],
        Output::Bytes(bytes) => bytes,
    };
    match stdout().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stdout: {error}");
            ExitCode::from(65)
        }
    }
}
