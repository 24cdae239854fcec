//! `dtq fmt`: queries to the same queries, formatted.

use crate::args::FmtArguments;
use crate::commands::query;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_source::{Limits, SourceText};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Runs `dtq fmt`.
pub fn execute(arguments: &FmtArguments, console: &mut Console) -> Outcome {
    let stdin = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &stdin[..] } else { &arguments.files };
    if arguments.write && files.iter().any(|file| file == Path::new("-")) {
        return Err(Failure::Usage("--write needs files: stdin cannot be written back".into()));
    }
    let mut worst = Ok(());
    for file in files {
        worst = match one(file, arguments, console) {
            Ok(()) => worst,
            Err(failure @ (Failure::Query | Failure::Differs)) => worse(worst, failure),
            Err(failure) => return Err(failure),
        };
    }
    worst
}

/// Returns the failure that says more: a query that is wrong is worse than one that is not formatted.
fn worse(before: Outcome, failure: Failure) -> Outcome {
    if matches!(before, Err(Failure::Query)) { before } else { Err(failure) }
}

fn one(file: &Path, arguments: &FmtArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let source = query::from_file(file, &limits)?;
    let formatted = formatted(&source, &limits, console)?;
    let is_formatted = formatted == source.text();
    if arguments.check {
        if !is_formatted {
            writeln!(console.out, "{}", source.name())?;
            return Err(Failure::Differs);
        }
        return Ok(());
    }
    if !arguments.write {
        return Ok(console.out.write_all(formatted.as_bytes())?);
    }
    if !is_formatted {
        replace(file, &formatted)?;
    }
    Ok(())
}

/// Returns the formatted text; a query with syntax errors is refused, since it could lose what was not understood.
fn formatted(source: &SourceText, limits: &Limits, console: &Console) -> Result<String, Failure> {
    dtq_syntax::format(source.text(), limits).map_err(|diagnostics| {
        console.diagnose(source, &diagnostics);
        Failure::Query
    })
}

/// Writes a file beside the old one and then puts it in its place, so that no half-written query is ever there.
fn replace(file: &Path, text: &str) -> Outcome {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".dtq-fmt");
    let beside = file.with_file_name(name);
    let replaced = (|| {
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, fs::metadata(file)?.permissions())?;
        fs::rename(&beside, file)
    })();
    replaced.map_err(|error| Failure::Output(io::Error::new(error.kind(), format!("{}: {error}", file.display()))))
}
