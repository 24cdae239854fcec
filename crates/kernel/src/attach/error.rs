//! What can be in the way of attaching a program, in words that say what to do. Next: `kind.rs`.

use super::process::Owner;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Says why a program is not attached.
#[derive(Debug)]
pub enum AttachError {
    /// The descriptor is no socket.
    NoSocket,
    /// It is a socket on which no filter decides over datagrams.
    Kind {
        /// What it is.
        found: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The socket takes several datagrams as one packet (`UDP_GRO`), of which a filter sees the first one only.
    Coalesced,
    /// Somebody else's filter is on the socket; it would be lost.
    HasFilter,
    /// The socket's owner has forbidden changes of its filter (`SO_LOCK_FILTER`).
    Locked,
    /// The program is too large for the memory that a socket may have for options.
    OptionMemory,
    /// The program is made for another place.
    ProgramKind {
        /// The place that was asked for.
        place: &'static str,
    },
    /// There is no such process.
    NoProcess {
        /// Its number.
        pid: u32,
    },
    /// The process has no such descriptor.
    NoDescriptor {
        /// The process.
        owner: Owner,
        /// The descriptor.
        descriptor: u32,
    },
    /// This process may not take descriptors of that one.
    NotAllowed {
        /// That process.
        owner: Owner,
        /// How far Yama restricts tracing, where it is there.
        ptrace_scope: Option<u32>,
    },
    /// No socket has this name.
    NotFound {
        /// The name, in words.
        name: String,
        /// What has it, where something has, or what may be the reason.
        hint: String,
    },
    /// There is such a socket, but no process that has it can be looked into.
    Hidden {
        /// The name, in words.
        name: String,
        /// The user whose it is, where that is known.
        uid: Option<u32>,
        /// How many processes may not be looked into.
        hidden_count: usize,
    },
    /// The socket has been closed.
    Closed,
    /// The folder is no control group of version 2.
    NoCgroup {
        /// The folder; empty when no such file system is mounted.
        path: PathBuf,
    },
    /// The process that was to watch the socket does not.
    Guard {
        /// What it did.
        reason: String,
    },
    /// The kernel says no.
    System {
        /// What was tried.
        tried: &'static str,
        /// What it says.
        error: io::Error,
    },
}

impl AttachError {
    /// Returns a function that says what was tried when the kernel said no.
    pub(crate) fn system<E: Into<io::Error>>(tried: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { tried, error: error.into() }
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket => write!(f, "the descriptor is no socket"),
            Self::Kind { found, advice } => write!(f, "this is {found}: {advice}"),
            Self::Coalesced => write!(
                f,
                "the socket takes several datagrams as one (UDP_GRO), and a filter would decide over all of them by the first: \
                 let its program turn that off, or filter in user space"
            ),
            Self::HasFilter => write!(
                f,
                "the socket has a filter already, which would be lost: let its owner remove it, or ask for it to be replaced"
            ),
            Self::Locked => {
                write!(f, "the owner has locked the socket's filter (SO_LOCK_FILTER): filter in user space")
            }
            Self::OptionMemory => write!(
                f,
                "the socket has no memory left for a program so large: raise net.core.optmem_max, or let this process load \
                 the program itself"
            ),
            Self::ProgramKind { place } => write!(f, "the program was not loaded for {place}"),
            Self::NoProcess { pid } => write!(f, "there is no process {pid}"),
            Self::NoDescriptor { owner, descriptor } => write!(f, "{owner} has no descriptor {descriptor}"),
            Self::NotAllowed { owner, ptrace_scope } => write_not_allowed(f, owner, *ptrace_scope),
            Self::NotFound { name, hint } => write!(f, "no socket is bound to {name}{hint}"),
            Self::Hidden { name, uid, hidden_count } => {
                write!(f, "a socket is bound to {name}")?;
                uid.iter().try_for_each(|uid| write!(f, " by user {uid}"))?;
                write!(
                    f,
                    ", but its process is among {hidden_count} that may not be looked into: CAP_SYS_PTRACE is missing, or \
                     it runs in another container"
                )
            }
            Self::Closed => write!(f, "the socket has been closed"),
            Self::NoCgroup { path } => write!(
                f,
                "`{}` is no control group of version 2: name a folder below the cgroup2 file system",
                path.display()
            ),
            Self::Guard { reason } => write!(f, "the process that is to detach the filter does not work: {reason}"),
            Self::System { tried, error } => write!(f, "{tried}: {error}"),
        }
    }
}

fn write_not_allowed(f: &mut fmt::Formatter<'_>, owner: &Owner, ptrace_scope: Option<u32>) -> fmt::Result {
    write!(f, "the socket belongs to {owner}, whose descriptors this process may not take: ")?;
    match ptrace_scope {
        Some(scope) if scope > 0 => {
            write!(
                f,
                "CAP_SYS_PTRACE is missing, which kernel.yama.ptrace_scope={scope} asks for also of the same user"
            )
        }
        _ => write!(f, "run as the same user, or with CAP_SYS_PTRACE"),
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { error, .. } => Some(error),
            _ => None,
        }
    }
}
