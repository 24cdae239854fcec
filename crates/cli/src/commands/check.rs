//! `dtq check`: queries to their diagnostics, for people, for machines, for GitHub.

use crate::args::{CheckArguments, CheckForm};
use crate::commands::{batch, query};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use dtq_engine::compile;
use dtq_source::{Limits, SourceText, render};
use std::io::Write;

/// Runs `dtq check`.
pub fn execute(arguments: &CheckArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let options = query::options(&arguments.query, limits.clone())?;
    if let Some(path) = &arguments.batch {
        return batch::check(path, arguments, &options, console);
    }
    let (sources, files) = sources(arguments, &limits)?;
    let opened = inputs::open(files, &arguments.input, &options, WithoutInput::StandardTables, false)?;
    let mut is_refused = false;
    for source in &sources {
        let (compiled, diagnostics) = compile(source.text(), &opened, &options);
        is_refused |= compiled.is_none();
        match arguments.output {
            CheckForm::Text => console.diagnose(source, &diagnostics),
            CheckForm::Json => {
                for diagnostic in &diagnostics {
                    writeln!(console.out, "{}", render::json(source, diagnostic))?;
                }
            }
            CheckForm::Github => {
                for diagnostic in &diagnostics {
                    writeln!(console.out, "{}", render::github(source, diagnostic))?;
                }
            }
        }
        if compiled.is_none() {
            for hint in query::hints(source, &diagnostics, files) {
                console.say(&format!("note: {hint}"));
            }
        }
    }
    if is_refused { Err(Failure::Query) } else { Ok(()) }
}

/// Returns the queries to check and the words that are left: files whose tables they read.
fn sources<'w>(arguments: &'w CheckArguments, limits: &Limits) -> Result<(Vec<SourceText>, &'w [String]), Failure> {
    if arguments.files.is_empty() {
        let (source, files) = query::take(&arguments.words, None, limits)?;
        return Ok((vec![source], files));
    }
    let sources = arguments.files.iter().map(|path| query::from_file(path, limits)).collect::<Result<_, _>>()?;
    Ok((sources, &arguments.words))
}
