//! Where datagrams are received and sent to: a unix path or a UDP address, as a socket that is bound or connected.
//!
//! Next: `target.rs`.

use super::RelayError;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, socket_with};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Names where datagrams are received or sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The file of a unix socket; a name that begins with `@` is none of a file.
    Unix(PathBuf),
    /// A UDP address.
    Udp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "`{}`", path.display()),
            Self::Udp(address) => write!(f, "UDP {address}"),
        }
    }
}

impl Address {
    /// Returns a new datagram socket without an address, for one like this.
    pub(crate) fn socket(&self) -> io::Result<OwnedFd> {
        let family = match self {
            Self::Unix(_) => AddressFamily::UNIX,
            Self::Udp(SocketAddr::V4(_)) => AddressFamily::INET,
            Self::Udp(SocketAddr::V6(_)) => AddressFamily::INET6,
        };
        Ok(socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
    }

    /// Gives this address to a socket; returns the address as the kernel has it, and what removes its file.
    pub(crate) fn bind(&self, socket: &OwnedFd, mode: Option<u32>) -> Result<(Self, Option<SocketFile>), RelayError> {
        match self {
            Self::Udp(address) => {
                bind(socket, address).map_err(|error| self.refusal(error))?;
                let bound = getsockname(socket).ok().and_then(|bound| SocketAddr::try_from(bound).ok());
                Ok((Self::Udp(bound.unwrap_or(*address)), None))
            }
            Self::Unix(path) => {
                let name = unix_name(path).map_err(|error| self.refusal(error))?;
                match bind(socket, &name) {
                    Err(Errno::ADDRINUSE) if !is_abstract(path) => {
                        self.remove_stale(path)?;
                        bind(socket, &name).map_err(|error| self.refusal(error))?;
                    }
                    bound => bound.map_err(|error| self.refusal(error))?,
                }
                let file = if is_abstract(path) { None } else { Some(SocketFile::of(path, mode)?) };
                Ok((self.clone(), file))
            }
        }
    }

    /// Connects a socket to this address.
    pub(super) fn connect(&self, socket: &OwnedFd) -> io::Result<()> {
        match self {
            Self::Udp(address) => Ok(connect(socket, address)?),
            Self::Unix(path) => Ok(connect(socket, &unix_name(path)?)?),
        }
    }

    /// Removes the file of a socket on which nobody listens.
    fn remove_stale(&self, path: &Path) -> Result<(), RelayError> {
        let failed = |tried| move |error| RelayError::System { tried, error };
        let status = std::fs::symlink_metadata(path).map_err(failed("looking at the file of the socket"))?;
        if !status.file_type().is_socket() {
            return Err(RelayError::NoSocketFile { path: path.to_owned() });
        }
        let probe = self.socket().map_err(failed("making a socket"))?;
        match self.connect(&probe).map_err(|error| error.raw_os_error()) {
            Err(Some(libc::ECONNREFUSED)) => {
                std::fs::remove_file(path).map_err(failed("removing the file of an old socket"))
            }
            // Also where it is one of streams, or not ours to send to: somebody has it.
            _ => Err(RelayError::InUse { address: self.clone() }),
        }
    }

    fn refusal(&self, error: Errno) -> RelayError {
        match error {
            Errno::ADDRINUSE => RelayError::InUse { address: self.clone() },
            error => {
                let tried = match error {
                    Errno::NOENT => "binding the address (its folder has to be made first)",
                    Errno::ACCESS | Errno::PERM => {
                        "binding the address (a path needs write access to its folder, a port below 1024 \
                         CAP_NET_BIND_SERVICE)"
                    }
                    _ => "binding the address",
                };
                RelayError::System { tried, error: error.into() }
            }
        }
    }
}

fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().starts_with(b"@")
}

fn unix_name(path: &Path) -> Result<SocketAddrUnix, Errno> {
    match path.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name),
        _ => SocketAddrUnix::new(path),
    }
}

/// Removes the file of a socket when it is dropped, where it still is that one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    /// Returns what removes the file at a path, and gives it its permissions.
    fn of(path: &Path, mode: Option<u32>) -> Result<Self, RelayError> {
        let failed = |tried| move |error| RelayError::System { tried, error };
        let status = std::fs::symlink_metadata(path).map_err(failed("looking at the file of the socket"))?;
        let file = Self { path: path.to_owned(), identity: (status.dev(), status.ino()) };
        if let Some(mode) = mode {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).map_err(failed("setting the permissions of the socket"))?;
        }
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_it =
            std::fs::symlink_metadata(&self.path).is_ok_and(|status| (status.dev(), status.ino()) == self.identity);
        if is_it {
            // Nobody is left to tell, and the next relay replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
