//! `dtq kernel attach`: rules onto the sockets of other processes. Next: `relay.rs`.

use super::point::{self, Point};
use super::refusal;
use super::session::{Prepared, Session};
use crate::args::KernelAttachArguments;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_kernel::attach::filter::Present;
use dtq_kernel::attach::{find, guard};
use dtq_kernel::{Ends, Guard, Socket};
use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;

/// Runs `dtq kernel attach`.
pub fn execute(arguments: &KernelAttachArguments, console: &Console) -> Outcome {
    let name = arguments.socket.name().ok_or_else(not_named)?;
    let sockets = find(&name).map_err(|error| Failure::Kernel(error.to_string()))?;
    let front = front(&sockets)?;
    let prepared = Prepared::new(&arguments.run, front, console)?;
    let ends = Ends::hold().map_err(|error| refusal::of_system("waiting for signals", &error))?;
    let loaded = prepared.load()?;
    // The binary that runs, also where its file has been replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.args(["kernel", "guard"]);
    let guard = Guard::start(command).map_err(|error| refusal::of_attach(&error))?;
    let present = if arguments.replace { Present::Replace } else { Present::Refuse };
    let point = Point::attach(sockets, &loaded.program, present, &Arc::new(guard))?;
    Session::begin(&arguments.run, prepared, loaded, point, ends, console).run(console)
}

/// Runs `dtq kernel guard`, which only `dtq kernel attach` starts.
pub fn guard() -> Outcome {
    let channel = io::stdin().as_fd().try_clone_to_owned();
    let served = channel.and_then(guard::run);
    served.map_err(|error| Failure::Kernel(format!("guarding sockets: {error}")))
}

fn not_named() -> Failure {
    Failure::Usage("no socket is named: use --socket, --udp, or --pid with --fd".into())
}

/// Returns where payloads begin, which is the same of all sockets of a name.
fn front(sockets: &[Socket]) -> Result<dtq_ebpf::filter::Front, Failure> {
    let mut fronts = sockets.iter().map(|socket| point::front_of(socket.kind()));
    match fronts.next() {
        Some(first) if fronts.all(|front| front == first) => Ok(first),
        _ => Err(Failure::Kernel("sockets of several kinds have this name; name one by --pid and --fd".into())),
    }
}
