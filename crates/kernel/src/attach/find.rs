//! Names of sockets to the sockets: a process and its descriptor, the path of a unix socket, or the address of a UDP one.
//!
//! What is found is in this process's network namespace: a socket in a container is found by process and descriptor.
//! Next: `switch.rs`. Tests: `tests/live/attach.rs`.
//!
//! # Source
//! `proc_pid_net(5)`; `net/unix/af_unix.c`, `unix_seq_show`; `net/ipv4/udp.c`, `udp4_format_sock`.

use super::process::{self, Owner};
use super::{AttachError, Socket};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketName {
    /// By a process and its descriptor.
    Process {
        /// The process.
        pid: u32,
        /// The descriptor.
        descriptor: u32,
    },
    /// The unix socket that is bound to a path; one that begins with `@` is none of a file.
    Path(PathBuf),
    /// The UDP socket that gets what is sent to an address.
    Udp(SocketAddr),
}

impl fmt::Display for SocketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, descriptor } => write!(f, "descriptor {descriptor} of process {pid}"),
            Self::Path(path) => write!(f, "`{}`", path.display()),
            Self::Udp(address) => write!(f, "UDP {address}"),
        }
    }
}

/// Returns the sockets of a name: more than one where several share a UDP address, or a path names connections.
///
/// A socket that only this process has counts as another's too; [`Socket::own`] is for one's own.
///
/// # Errors
/// When there is none, when one of them cannot be reached, or when no filter on any decides over datagrams.
pub fn find(name: &SocketName) -> Result<Vec<Socket>, AttachError> {
    let bound = match name {
        SocketName::Process { pid, descriptor } => return Ok(vec![Socket::of_process(*pid, *descriptor)?]),
        SocketName::Path(path) => unix_sockets(path)?,
        SocketName::Udp(address) => udp_sockets(*address)?,
    };
    if bound.is_empty() {
        return Err(AttachError::NotFound { name: name.to_string(), hint: hint(name) });
    }
    let (mut sockets, mut unfit) = (Vec::new(), None);
    for (inode, uid) in bound {
        match reach(name, inode, uid) {
            Ok(socket) => sockets.push(socket),
            // Such as a listening socket beside its connections.
            Err(error @ AttachError::Kind { .. }) => unfit = Some(error),
            // Datagrams would come past a filter that is on some of them.
            Err(error) => return Err(error),
        }
    }
    match unfit {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

/// Returns a socket by the first process that has it and lets it be taken.
fn reach(name: &SocketName, inode: u64, uid: Option<u32>) -> Result<Socket, AttachError> {
    let holders = process::holders(inode)?;
    let mut last_error = None;
    for (pid, descriptor) in holders.open {
        match Socket::of_process(pid, descriptor) {
            Ok(socket) if socket.inode() == inode => return Ok(socket),
            Ok(_) => {}
            Err(error) => last_error = Some(error),
        }
    }
    let hidden = AttachError::Hidden { name: name.to_string(), uid, hidden_count: holders.hidden_count };
    Err(last_error.unwrap_or(hidden))
}

/// Returns what may be the reason that there is no socket of a name.
fn hint(name: &SocketName) -> String {
    match name {
        SocketName::Path(path) if path.exists() => {
            ": the file is there, but nobody in this network namespace listens on it".to_owned()
        }
        SocketName::Process { .. } | SocketName::Path(_) | SocketName::Udp(_) => {
            " in this network namespace; one in a container is named by process and descriptor".to_owned()
        }
    }
}

/// Returns the inodes of the unix sockets that are bound to a path, and no users.
fn unix_sockets(path: &Path) -> Result<Vec<(u64, Option<u32>)>, AttachError> {
    let text = std::fs::read("/proc/net/unix").map_err(AttachError::system("reading /proc/net/unix"))?;
    // Such as `/dev/log`, which is a link to where systemd's journal listens.
    let target = std::fs::canonicalize(path).ok();
    let wanted = [Some(path), target.as_deref()];
    let names: Vec<&[u8]> = wanted.into_iter().flatten().map(|path| path.as_os_str().as_bytes()).collect();
    let lines = text.split(|byte| *byte == b'\n').skip(1);
    Ok(lines.filter_map(unix_line).filter(|(_, name)| names.contains(name)).map(|(inode, _)| (inode, None)).collect())
}

/// Returns the inode and the path of a line: `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_line(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = line;
    let mut inode = 0;
    for column in 0..7 {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let end = rest[start..].iter().position(|byte| *byte == b' ').map_or(rest.len(), |size| start + size);
        if column == 6 {
            inode = std::str::from_utf8(&rest[start..end]).ok()?.parse().ok()?;
        }
        rest = &rest[end..];
    }
    // One space, and then the path, which may begin with a space itself.
    Some((inode, rest.strip_prefix(b" ")?))
}

/// Returns the inodes and users of the UDP sockets that get what is sent to an address.
fn udp_sockets(address: SocketAddr) -> Result<Vec<(u64, Option<u32>)>, AttachError> {
    // By this address, by all of its family, and by all of IPv6, which may take IPv4 too.
    let (mut exact, mut family, mut other) = (Vec::new(), Vec::new(), Vec::new());
    let ip = address.ip().to_canonical();
    for file in ["/proc/net/udp", "/proc/net/udp6"] {
        let text = match std::fs::read_to_string(file) {
            // Where IPv6 is switched off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.map_err(AttachError::system("reading /proc/net/udp"))?,
        };
        for (local, uid, inode) in text.lines().skip(1).filter_map(udp_line) {
            if local.port() != address.port() {
                continue;
            }
            let place = match local.ip() {
                local if local.to_canonical() == ip => &mut exact,
                local if local.is_unspecified() && local.is_ipv4() == ip.is_ipv4() => &mut family,
                local if local.is_unspecified() && local.is_ipv6() => &mut other,
                _ => continue,
            };
            place.push((inode, Some(uid)));
        }
    }
    // As the kernel chooses: who names the address more closely gets what is sent to it.
    Ok([exact, family, other].into_iter().find(|found| !found.is_empty()).unwrap_or_default())
}

/// Returns the address, the user and the inode of a line.
fn udp_line(line: &str) -> Option<(SocketAddr, u32, u64)> {
    let mut columns = line.split_whitespace().skip(1);
    let local = udp_address(columns.next()?)?;
    // The other side, state, queues, timer, and a number of tries.
    let mut columns = columns.skip(5);
    let uid = columns.next()?.parse().ok()?;
    let inode = columns.nth(1)?.parse().ok()?;
    Some((local, uid, inode))
}

/// Returns an address from hexadecimal digits: numbers of 32 bits, each written as this machine reads its bytes.
fn udp_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, place) in bytes.chunks_mut(4).enumerate() {
                place.copy_from_slice(&word(8 * index)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// Returns who has a socket open, as far as this process may see.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn owners(socket: &Socket) -> Result<Vec<Owner>, AttachError> {
    let mut pids: Vec<u32> = process::holders(socket.inode())?.open.into_iter().map(|(pid, _)| pid).collect();
    pids.dedup();
    Ok(pids.into_iter().map(Owner::of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_proc_are_read() {
        let line = b"0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b";
        assert_eq!(unix_line(line), Some((12345, &b"/run/a b"[..])));
        assert_eq!(unix_line(b"0000000000000000: 00000002 00000000 00000000 0002 01    17"), None);
        assert_eq!(unix_line(b""), None);
        let line =
            " 1234: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 777 2 0 0";
        assert_eq!(udp_line(line), Some((SocketAddr::from(([127, 0, 0, 1], 514)), 1000, 777)));
        let address = "00000000000000000000000001000000:1F90";
        assert_eq!(udp_address(address), Some(SocketAddr::from((Ipv6Addr::LOCALHOST, 8080))));
        assert_eq!((udp_address("0100007F"), udp_address("01:1"), udp_line("sl")), (None, None, None));
    }
}
