//! `dtq kernel attach`: rules onto the sockets of other processes, or onto what they send. Next: `relay.rs`.

use super::point::{self, Point};
use super::refusal;
use super::session::{Prepared, Session};
use crate::args::KernelAttachArguments;
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use dtq_ebpf::filter::Front;
use dtq_kernel::attach::cgroup::cgroup_of;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::attach::{find, guard};
use dtq_kernel::{AttachError, Ends, Guard, Socket, SocketName};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// Runs `dtq kernel attach`.
pub fn execute(arguments: &KernelAttachArguments, console: &Console) -> Outcome {
    let place = place(arguments)?;
    let prepared = Prepared::new(&arguments.run, place.front()?, console)?;
    let ends = Ends::hold().map_err(|error| refusal::of_system("waiting for signals", &error))?;
    let loaded = prepared.load()?;
    let point = match place {
        Place::Sender(folder, port) => Point::attach_sender(folder, port, &loaded.program)?,
        Place::Sockets(name, sockets) => {
            // The binary that runs, also where its file has been replaced meanwhile.
            let mut command = Command::new("/proc/self/exe");
            command.args(["kernel", "guard"]);
            let guard = Guard::start(command).map_err(|error| refusal::of_attach(&error))?;
            let present = if arguments.replace { Present::Replace } else { Present::Refuse };
            Point::attach((name, sockets), &loaded.program, present, &Arc::new(guard))?
        }
    };
    Session::begin(&arguments.run, prepared, loaded, point, ends, console)?.run(console)
}

/// Runs `dtq kernel guard`, which only `dtq kernel attach` starts.
pub fn guard() -> Outcome {
    let channel = io::stdin().as_fd().try_clone_to_owned();
    let served = channel.and_then(guard::run);
    served.map_err(|error| Failure::Kernel(format!("guarding sockets: {error}")))
}

/// Names where a program goes.
enum Place {
    /// Sockets, and the path or address by which they were asked for.
    Sockets(Option<String>, Vec<Socket>),
    /// The folder of a control group, and the port that it sends to.
    Sender(PathBuf, u16),
}

impl Place {
    /// Returns where payloads begin, which is the same of all sockets of a name.
    fn front(&self) -> Result<Front, Failure> {
        let sockets = match self {
            Self::Sender(_, port) => return Ok(Front::EgressPacket { port: *port }),
            Self::Sockets(_, sockets) => sockets,
        };
        let mut fronts = sockets.iter().map(|socket| point::front_of(socket.kind()));
        match fronts.next() {
            Some(first) if fronts.all(|front| front == first) => Ok(first),
            _ => Err(Failure::Kernel("sockets of several kinds have this name; name one by --pid and --fd".into())),
        }
    }
}

fn place(arguments: &KernelAttachArguments) -> Result<Place, Failure> {
    let failed = |error: AttachError| Failure::Kernel(error.to_string());
    if let Some(name) = arguments.socket.name() {
        let asked = (!matches!(name, SocketName::Process { .. })).then(|| name.to_string());
        return Ok(Place::Sockets(asked, find(&name).map_err(failed)?));
    }
    let folder = match (&arguments.cgroup, arguments.cgroup_of) {
        (Some(folder), _) => Some(folder.clone()),
        (None, Some(pid)) => Some(cgroup_of(pid).map_err(failed)?),
        (None, None) => None,
    };
    match (folder, arguments.port) {
        (Some(folder), Some(port)) => Ok(Place::Sender(folder, port)),
        _ => {
            let message = "nothing is named: use --socket, --udp, --pid with --fd, or --cgroup with --port";
            Err(Failure::Usage(message.into()))
        }
    }
}
