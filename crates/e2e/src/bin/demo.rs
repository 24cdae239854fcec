//! The demonstration, as a program: `cargo run -q -p dtq-e2e --bin demo`.

use dtq_e2e::demo;
use std::io::{Write, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    match demo::run(&mut |text| writeln!(stdout(), "{text}").is_ok()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // The exit code says it too.
            let _ = writeln!(std::io::stderr(), "the demonstration failed: {why}");
            ExitCode::FAILURE
        }
    }
}
