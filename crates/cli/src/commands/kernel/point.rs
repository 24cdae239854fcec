//! Where a program is: on sockets of other processes, on what a control group sends, or on the socket of a relay of our own.
//!
//! Next: `watch.rs`.

use super::account::{Amount, RelayAccount};
use super::refusal;
use crate::failure::{Failure, Outcome};
use dtq_ebpf::filter::Front;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::{
    AttachError, CgroupEgress, Count, Guard, Program, ProgramInfo, Relay, Socket, SocketFilter, SocketKind,
};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How many batches a relay hands on before others have their turn.
const BATCHES_MAX: usize = 64;
/// How long a relay waits for room at its target before others have their turn.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// Names where a program is.
pub enum Point {
    /// On sockets of other processes, which were asked for by a path or an address.
    Sockets(Option<String>, Vec<SocketFilter>),
    /// On what a control group sends to a port.
    Sender(Sender),
    /// On the socket of a relay.
    Relay(Box<Relay>),
}

/// Holds a program on what a control group sends.
pub struct Sender {
    /// The link, until it is detached.
    link: Option<CgroupEgress>,
    folder: PathBuf,
    port: u16,
}

/// Returns where payloads begin in what sockets of a kind receive.
pub fn front_of(kind: SocketKind) -> Front {
    match kind {
        SocketKind::UnixDatagram | SocketKind::UnixSeqpacket => Front::UnixDatagram,
        SocketKind::Udp4 | SocketKind::Udp6 => Front::UdpDatagram,
    }
}

impl Point {
    /// Attaches a program to sockets; a process of its own detaches it when this one is killed.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when one of them takes no program; those before have none then either.
    pub fn attach(
        (name, sockets): (Option<String>, Vec<Socket>),
        program: &Program,
        present: Present,
        guard: &Arc<Guard>,
    ) -> Result<Self, Failure> {
        let attach = |socket| SocketFilter::attach_guarded(socket, program, present, guard);
        let filters: Result<Vec<SocketFilter>, AttachError> = sockets.into_iter().map(attach).collect();
        Ok(Self::Sockets(name, filters.map_err(|error| refusal::of_attach(&error))?))
    }

    /// Attaches a program to what a control group sends.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when the folder is no control group, or the kernel refuses it.
    pub fn attach_sender(folder: PathBuf, port: u16, program: &Program) -> Result<Self, Failure> {
        let link = CgroupEgress::attach(&folder, program).map_err(|error| refusal::of_attach(&error))?;
        Ok(Self::Sender(Sender { link: Some(link), folder, port }))
    }

    /// Puts a program in the place of another, everywhere or nowhere; without another, in that of what keeps everything.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when the kernel refuses it.
    pub fn replace(&mut self, program: &Program, before: Option<&Program>) -> Outcome {
        let result = match self {
            Self::Relay(relay) => relay.replace(program),
            Self::Sender(sender) => sender.link.as_mut().map_or(Ok(()), |link| link.replace(program)),
            Self::Sockets(_, filters) => replace_all(filters, program, before),
        };
        result.map_err(|error| refusal::of_attach(&error))
    }

    /// Detaches the program.
    ///
    /// # Errors
    /// [`Failure::Kernel`] when the kernel refuses that; it drops nothing once this process has ended.
    pub fn detach(&mut self) -> Outcome {
        let result = match self {
            Self::Relay(relay) => relay.detach(),
            Self::Sender(sender) => sender.link.take().map_or(Ok(()), CgroupEgress::detach),
            Self::Sockets(_, filters) => {
                let results: Vec<_> = std::mem::take(filters).into_iter().map(SocketFilter::detach).collect();
                results.into_iter().collect()
            }
        };
        result.map_err(|error| Failure::Kernel(format!("detaching failed: {error}")))
    }

    /// Says whether a socket is still open.
    pub fn is_there(&self) -> bool {
        match self {
            Self::Relay(_) | Self::Sender(_) => true,
            Self::Sockets(_, filters) => filters.iter().any(|filter| !filter.socket().is_closed()),
        }
    }

    /// Returns the names of the sockets.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Relay(relay) => vec![format!("relay at {}", relay.address())],
            Self::Sender(sender) => {
                vec![format!("what the control group `{}` sends to port {}", sender.folder.display(), sender.port)]
            }
            Self::Sockets(asked, filters) => {
                let asked = asked.as_ref().map(|asked| format!("{asked}: ")).unwrap_or_default();
                filters.iter().map(|filter| format!("{asked}{}", name(filter.socket()))).collect()
            }
        }
    }

    /// Returns how often programs ran here while the kernel measured, and for how many nanoseconds, as far as that is counted
    /// here and not with the program.
    pub fn runs(&self) -> (u64, u64) {
        let infos: Vec<ProgramInfo> = match self {
            Self::Sender(_) => Vec::new(),
            Self::Relay(relay) => relay.info().into_iter().flatten().collect(),
            Self::Sockets(_, filters) => filters.iter().filter_map(|filter| filter.info().ok()).collect(),
        };
        infos.iter().fold((0, 0), |(runs, time_ns), info| (runs + info.run_count, time_ns + info.run_time_ns))
    }

    /// Returns what becomes readable when there is work.
    pub fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Relay(relay) if relay.waiting() == 0 => Some(relay.as_fd()),
            Self::Relay(_) | Self::Sender(_) | Self::Sockets(..) => None,
        }
    }

    /// Says whether there is work that nothing has to be waited for.
    pub fn has_work(&self) -> bool {
        matches!(self, Self::Relay(relay) if relay.waiting() > 0)
    }

    /// Does what there is to do.
    ///
    /// # Errors
    /// When the relay is of no more use.
    pub fn work(&mut self) -> Outcome {
        let Self::Relay(relay) = self else { return Ok(()) };
        for _ in 0..BATCHES_MAX {
            let wait = if relay.waiting() > 0 { ROOM_WAIT } else { Duration::ZERO };
            if relay.run_once(wait).map_err(refusal::of_relay)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Returns what a relay has handed on.
    pub fn relay_account(&self) -> Option<RelayAccount> {
        let Self::Relay(relay) = self else { return None };
        let counts = relay.counts();
        let amount = |count: Count| Amount { count: count.records, bytes: count.bytes };
        Some(RelayAccount {
            received: amount(counts.received),
            forwarded: amount(counts.forwarded),
            failed: amount(counts.failed),
            truncated: counts.truncated,
        })
    }
}

/// Puts a program in the place of another on all sockets that are still there; on none where one refuses it.
fn replace_all(filters: &mut [SocketFilter], program: &Program, before: Option<&Program>) -> Result<(), AttachError> {
    for index in 0..filters.len() {
        match filters[index].replace(program) {
            Ok(()) | Err(AttachError::Closed) => {}
            Err(error) => {
                for (filter, before) in filters[..index].iter_mut().zip(before.into_iter().cycle()) {
                    // What took one program of ours takes another.
                    let _ = filter.replace(before);
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Returns what people call a socket.
pub fn name(socket: &Socket) -> String {
    match socket.owner() {
        Some((owner, descriptor)) => format!("{} socket, descriptor {descriptor} of {owner}", socket.kind()),
        None => format!("{} socket", socket.kind()),
    }
}
