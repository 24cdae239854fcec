//! Parsed arguments to the command that does the work, and its outcome to an exit code.

mod query;

mod run;

mod batch;

mod check;

mod rules;

mod apply;

mod new;

mod bench;

mod fmt;

mod explain;

mod kernel;

mod collect;

mod ctl;

mod tap;

mod top;

mod tables;

mod diff;

mod test;

mod junit;

mod help;

mod reference;

mod operators;

use crate::args::{Arguments, Command};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;

/// Runs the process: parses, acts, says what went wrong, and returns the exit code.
pub fn main() -> ExitCode {
    let mut console = Console::new();
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => execute(arguments.command, &mut console),
        Err(error) => not_parsed(&error, &mut console),
    };
    let outcome = outcome.and_then(|()| Ok(console.out.flush()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was written before the failure still counts; that it cannot be flushed adds nothing.
            let _ = console.out.flush();
            if let Some(message) = failure.message() {
                console.say(&format!("error: {message}"));
            }
            failure.exit_code()
        }
    }
}

fn execute(command: Command, console: &mut Console) -> Outcome {
    match command {
        Command::Run(arguments) => run::execute(&arguments, console),
        Command::Check(arguments) => check::execute(&arguments, console),
        Command::Apply(arguments) => apply::execute(&arguments, console),
        Command::New(arguments) => new::execute(&arguments, console),
        Command::Bench(arguments) => bench::execute(&arguments, console),
        Command::Fmt(arguments) => fmt::execute(&arguments, console),
        Command::Explain(arguments) => explain::execute(&arguments, console),
        Command::Kernel(arguments) => kernel::execute(&arguments, console),
        Command::Ctl(arguments) => ctl::execute(&arguments, console),
        Command::Tap(arguments) => tap::execute(&arguments, console),
        Command::Top(arguments) => top::execute(&arguments, console),
        Command::Collect(arguments) => collect::execute(&arguments, console),
        Command::Tables(arguments) => tables::execute(&arguments, console),
        Command::Diff(arguments) => diff::execute(&arguments, console),
        Command::Test(arguments) => test::execute(&arguments, console),
        Command::Help(arguments) => help::execute(&arguments, console),
        Command::Completions(arguments) => completions(arguments.shell, console),
        Command::Man => Ok(clap_mangen::Man::new(Arguments::command()).render(&mut console.out)?),
    }
}

fn completions(shell: clap_complete::Shell, console: &mut Console) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "dtq", &mut script);
    Ok(console.out.write_all(&script)?)
}

/// Turns what clap says into ours: help and version are output, everything else is wrong usage.
fn not_parsed(error: &clap::Error, console: &mut Console) -> Outcome {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Clap itself finds out whether stdout takes colours.
            error.print()?;
            return Ok(());
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let help = Arguments::command().render_help().to_string();
            return Err(Failure::Usage(format!("no command is given\n\n{}", help.trim_end())));
        }
        _ => {}
    }
    let rendered = error.render().to_string();
    console.say(rendered.trim_end());
    Err(Failure::UsageSaid)
}
