//! `dtq check`: queries to their diagnostics, for people, for machines, for GitHub. Rules: `rules.rs`.

use crate::args::{CheckArguments, CheckForm, CheckProfile};
use crate::commands::{batch, kernel, query, rules};
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::{Failure, Outcome};
use crate::inputs::{self, WithoutInput};
use dtq_engine::{Options, Profile, compile, profile};
use dtq_record::stream::Catalog;
use dtq_source::{Diagnostic, Limits, SourceText, diagnostic, render};
use std::io::Write;

/// Runs `dtq check`.
pub fn execute(arguments: &CheckArguments, console: &mut Console) -> Outcome {
    let limits = Limits::default();
    let options = query::options(&arguments.query, limits.clone())?;
    let is_kernel = arguments.profile == Some(CheckProfile::Kernel);
    if !arguments.payloads.is_empty() && !is_kernel {
        return Err(Failure::Usage("--payload goes with --profile kernel".into()));
    }
    if let Some(path) = &arguments.batch {
        return batch::check(path, arguments, &options, console);
    }
    if rules::are_meant(arguments) {
        return rules::check(arguments, &options, console);
    }
    let (sources, files) = sources(arguments, &limits)?;
    if is_kernel {
        return check_for_kernel(&sources, files, arguments, &options, console);
    }
    let opened = inputs::open(files, &arguments.input, &options, WithoutInput::StandardTables, Deadline::NEVER, false)?;
    let mut is_refused = false;
    for source in &sources {
        let diagnostics = diagnostics(source.text(), arguments.profile, &opened, &options);
        let is_wrong = diagnostic::has_errors(&diagnostics);
        is_refused |= is_wrong;
        write(&diagnostics, source, arguments.output, console)?;
        if is_wrong {
            for hint in query::hints(source, &diagnostics, files) {
                console.say(&format!("note: {hint}"));
            }
        }
    }
    if is_refused { Err(Failure::Query) } else { Ok(()) }
}

/// Checks each query as a rule that drops, and says what the kernel does of it.
fn check_for_kernel(
    sources: &[SourceText],
    files: &[String],
    arguments: &CheckArguments,
    options: &Options<'_>,
    console: &mut Console,
) -> Outcome {
    if let Some(file) = files.first() {
        return Err(Failure::Usage(format!("`{file}` is one argument too many: --profile kernel reads no input")));
    }
    let mut is_refused = false;
    for source in sources {
        let mut loaded = kernel::subject::of_query(source, options.now_ticks, &options.limits);
        kernel::advice::add(&mut loaded, &arguments.payloads, options.now_ticks, &options.limits);
        let found: Vec<Diagnostic> = loaded.diagnostics.into_iter().map(|located| located.diagnostic).collect();
        is_refused |= diagnostic::has_errors(&found);
        write(&found, source, arguments.output, console)?;
    }
    if is_refused { Err(Failure::Query) } else { Ok(()) }
}

/// Writes diagnostics of one source in their form.
pub fn write(found: &[Diagnostic], source: &SourceText, form: CheckForm, console: &mut Console) -> Outcome {
    match form {
        CheckForm::Text => console.diagnose(source, found),
        CheckForm::Json => {
            for diagnostic in found {
                writeln!(console.out, "{}", render::json(source, diagnostic))?;
            }
        }
        CheckForm::Github => {
            for diagnostic in found {
                writeln!(console.out, "{}", render::github(source, diagnostic))?;
            }
        }
    }
    Ok(())
}

fn diagnostics(
    text: &str,
    place: Option<CheckProfile>,
    catalog: &dyn Catalog,
    options: &Options<'_>,
) -> Vec<Diagnostic> {
    match place {
        None => compile(text, catalog, options).1,
        Some(CheckProfile::AzureDcr) => profile::check(text, Profile::AzureDcr, catalog, options),
        Some(CheckProfile::Kernel) => unreachable!("queries for the kernel are checked as rules"),
    }
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
