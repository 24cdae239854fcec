//! `dtq kernel compile`: rule files to an ELF object, and what stays in user space to stderr. Next: `explain.rs`.

use super::{report, subject};
use crate::args::{KernelCompileArguments, ReportForm};
use crate::commands::query;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_kernel::share::{ShareOptions, share};
use dtq_source::Limits;
use std::io::{self, Write};

/// The name of the program in an object.
const PROGRAM: &str = "dtq_filter";

/// Runs `dtq kernel compile`.
pub fn execute(arguments: &KernelCompileArguments, console: &mut Console) -> Outcome {
    if arguments.out.is_none() && console.is_out_terminal {
        return Err(Failure::Usage("an object is not for a terminal; name a file with --out".into()));
    }
    let limits = Limits::default();
    let set = subject::of_rules(&arguments.rules, query::now_ticks(), &limits, console)?;
    // Nobody would renew the lease of a program that others load.
    let options = ShareOptions {
        format: arguments.payload.into(),
        front: arguments.front.into(),
        has_lease: false,
        reads_counts: false,
        minds_expiry: false,
    };
    let shared = share(&set, &options);
    match arguments.output {
        ReportForm::Text => console.say(report::text(&shared).trim_end()),
        ReportForm::Json => console.say(&report::json(&shared, &options).to_string()),
    }
    let Some(filter) = &shared.filter else {
        return Err(Failure::Kernel("nothing of the rules goes into the kernel".into()));
    };
    let object = dtq_ebpf::elf::object(PROGRAM, &filter.program, &filter.maps)
        .map_err(|error| Failure::Kernel(format!("the program makes no object: {error}")))?;
    match &arguments.out {
        None => console.out.write_all(&object)?,
        Some(path) => std::fs::write(path, &object)
            .map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))))?,
    }
    if arguments.output == ReportForm::Text {
        console.say(&format!("program `{PROGRAM}`: {}", report::filter_text(filter)));
    }
    Ok(())
}
