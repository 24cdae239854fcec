//! `dtq kernel status` and `dtq kernel detach`: processes that have something attached, asked for their accounts.

use super::account::Account;
use super::{control, point};
use crate::args::{KernelDetachArguments, KernelStatusArguments, ReportForm};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::output::text;
use dtq_kernel::attach::{filter, find};
use dtq_kernel::{AttachError, SocketName};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Runs `dtq kernel status`.
pub fn execute(arguments: &KernelStatusArguments, console: &mut Console) -> Outcome {
    let processes = chosen(&arguments.pids)?;
    if processes.is_empty() && arguments.output == ReportForm::Text {
        console.say("note: nothing of this user is attached");
    }
    show((&processes, !arguments.pids.is_empty()), "status", arguments.output, console)
}

/// Runs `dtq kernel detach`.
pub fn detach(arguments: &KernelDetachArguments, console: &mut Console) -> Outcome {
    if let Some(name) = arguments.socket.name() {
        return remove(&name, console);
    }
    if arguments.pids.is_empty() && !arguments.all {
        let message = "name processes, as `dtq kernel status` lists them, or a socket, or use --all";
        return Err(Failure::Usage(message.into()));
    }
    let processes = chosen(&arguments.pids)?;
    show((&processes, !arguments.pids.is_empty()), "detach", arguments.output, console)
}

/// Removes the filters of sockets, whoever attached them.
fn remove(name: &SocketName, console: &Console) -> Outcome {
    let failed = |error: AttachError| Failure::Kernel(error.to_string());
    for socket in find(name).map_err(failed)? {
        let found =
            if filter::remove(&socket).map_err(failed)? { "a filter was removed from" } else { "no filter is on" };
        console.say(&format!("note: {found} the {}", point::name(&socket)));
    }
    Ok(())
}

/// Returns the processes with these numbers, or all.
fn chosen(pids: &[u32]) -> Result<Vec<(u32, PathBuf)>, Failure> {
    let running = control::running();
    if let Some(pid) = pids.iter().find(|pid| !running.iter().any(|(running, _)| running == *pid)) {
        return Err(Failure::Usage(format!("process {pid} has nothing attached, or belongs to another user")));
    }
    Ok(running.into_iter().filter(|(pid, _)| pids.is_empty() || pids.contains(pid)).collect())
}

/// Asks processes, and writes their answers; one that has ended meanwhile is missed only where it was named.
fn show(
    (processes, are_named): (&[(u32, PathBuf)], bool),
    question: &str,
    form: ReportForm,
    console: &mut Console,
) -> Outcome {
    let mut silent = Vec::new();
    for (pid, path) in processes {
        match control::ask(path, question) {
            Ok(account) => write(&account, form, console)?,
            Err(error) if !are_named && has_ended(&error) => {}
            Err(error) => silent.push(format!("process {pid} does not answer: {error}")),
        }
    }
    if silent.is_empty() { Ok(()) } else { Err(Failure::Kernel(silent.join("\n"))) }
}

fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound | UnexpectedEof)
}

fn write(account: &Account, form: ReportForm, console: &mut Console) -> Outcome {
    if form == ReportForm::Json {
        let line = serde_json::to_string(account).map_err(|error| Failure::Output(io::Error::other(error)))?;
        return Ok(writeln!(console.out, "{line}")?);
    }
    let Account { pid, sockets, payload, program, attached_ms, .. } = account;
    let seconds = Duration::from_millis(*attached_ms).as_secs();
    let head = format!("process {pid}: program {program} for {payload}, since {seconds} s, on {}", sockets.join("; "));
    let shown = format!("{head}\n{}\n", account.text(console.width())?.trim_end());
    // Names of rules come from files, and those of programs from their processes.
    Ok(console.out.write_all(text::neutral_lines(&shown).as_bytes())?)
}
