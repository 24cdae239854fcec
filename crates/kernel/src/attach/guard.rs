//! A process of its own that detaches the filters on other processes' sockets when the one that attached them has ended.
//!
//! What is on another process's socket stays there when the process that attached it is killed, though it drops nothing
//! any more. The guard holds one end of a connection whose other end closes with that process, however it ends. It is
//! started as a command, since a host with threads may not fork and go on; the command is one that calls [`run`], such as
//! the host's own binary. Next: `cgroup.rs`. Tests: `tests/live/guard.rs`.

use super::process::open_process;
use super::{AttachError, Socket, filter};
use crate::sys::{process, wait};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the guard may take for an answer: to start, and to look for a socket.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the guard waits for its owner before it looks again.
const TURN: Duration = Duration::from_secs(3600);
/// How many sockets a guard watches at most.
const WATCHED_MAX: usize = 4096;
/// Bytes of a line at most.
const LINE_SIZE_MAX: u64 = 512;

/// Holds the process that detaches filters when this one ends.
#[derive(Debug)]
pub struct Guard {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    child: Child,
    channel: Option<BufReader<UnixStream>>,
}

impl Guard {
    /// Starts a guard: `command` is a program that calls [`run`] with its standard input.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    pub fn start(mut command: Command) -> Result<Self, AttachError> {
        let (own, other) = UnixStream::pair().map_err(AttachError::system("making a connection"))?;
        own.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(AttachError::system("limiting a wait"))?;
        own.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(AttachError::system("limiting a wait"))?;
        // In a group of its own, so that what a terminal ends does not end it before its owner.
        command.stdin(OwnedFd::from(other)).stdout(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(AttachError::system("starting the guard"))?;
        // The other end closes here with the command that holds it.
        drop(command);
        let guard = Self { inner: Mutex::new(Inner { child, channel: Some(BufReader::new(own)) }) };
        guard.ask(&format!("owner {}", std::process::id()))?;
        Ok(guard)
    }

    /// Has the filter of a socket detached when this process ends; to be called before it is attached.
    ///
    /// # Errors
    /// When the guard has ended or may not reach the socket.
    pub fn watch(&self, socket: &Socket) -> Result<(), AttachError> {
        let (pid, descriptor) = socket.place();
        self.ask(&format!("watch {} {pid} {descriptor}", socket.cookie()))
    }

    /// Leaves the filter of the socket with this cookie alone from now on; to be called after it was detached.
    ///
    /// # Errors
    /// When the guard has ended.
    pub fn forget(&self, cookie: u64) -> Result<(), AttachError> {
        self.ask(&format!("forget {cookie}"))
    }

    /// Says whether the guard is there.
    pub fn is_alive(&self) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(inner.child.try_wait(), Ok(None))
    }

    /// Returns the number of its process.
    pub fn pid(&self) -> u32 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).child.id()
    }

    /// Sends a line and waits for `ok`.
    fn ask(&self, line: &str) -> Result<(), AttachError> {
        let failed = |reason: String| AttachError::Guard { reason };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = inner.channel.as_mut().ok_or_else(|| failed("it gave no answer before".into()))?;
        let answer = exchange(channel, line);
        if answer.is_err() {
            // An answer that comes late would count for the next question.
            inner.channel = None;
        }
        match answer.as_deref() {
            Ok("ok") => Ok(()),
            Ok("") => Err(failed("it has ended".into())),
            Ok(refusal) => Err(failed(refusal.to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The guard detaches what it still watches, ends, and with that closes its end, which is readable then.
        if let Some(channel) = inner.channel.take() {
            let stream = channel.into_inner();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let has_ended = wait::readable(&stream, ANSWER_TIMEOUT).unwrap_or(false);
            if !has_ended {
                let _ = inner.child.kill();
            }
        }
        let _ = inner.child.wait();
    }
}

/// Sends a line. No signal ends this process where the other side has ended.
fn send_line(stream: &UnixStream, line: &str) -> io::Result<()> {
    let line = format!("{line}\n");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        match send(stream, rest, SendFlags::NOSIGNAL) {
            Ok(size) => rest = &rest[size..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends a line and returns the one that comes back; empty when the other side has ended.
fn exchange(channel: &mut BufReader<UnixStream>, line: &str) -> io::Result<String> {
    send_line(channel.get_ref(), line)?;
    let mut answer = String::new();
    channel.take(LINE_SIZE_MAX).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Is the guard: watches sockets as it is told on `channel`, and detaches their filters when that closes or its owner ends.
///
/// Signals that ask for the end are ignored, since its owner gets them too and is waited for.
///
/// # Errors
/// What the kernel says of `channel`; the filters are detached then too.
pub fn run(channel: OwnedFd) -> io::Result<()> {
    process::ignore_ends()?;
    let mut channel = BufReader::new(UnixStream::from(channel));
    let (mut owner, mut watched) = (None, Vec::new());
    let result = serve(&mut channel, &mut owner, &mut watched);
    for socket in &watched {
        // One that cannot be detached does not keep the others.
        let _ = filter::remove(socket);
    }
    result
}

/// Answers until the owner ends.
fn serve(
    channel: &mut BufReader<UnixStream>,
    owner: &mut Option<OwnedFd>,
    watched: &mut Vec<Socket>,
) -> io::Result<()> {
    loop {
        let waiting: Vec<BorrowedFd<'_>> =
            std::iter::once(channel.get_ref().as_fd()).chain(owner.as_ref().map(AsFd::as_fd)).collect();
        let ready = wait::any_readable(&waiting, TURN)?;
        if ready.get(1) == Some(&true) {
            return Ok(());
        }
        if !ready[0] {
            continue;
        }
        // All lines that came with the first one, since the rest of them wakes nobody.
        loop {
            let mut line = String::new();
            channel.take(LINE_SIZE_MAX).read_line(&mut line)?;
            if !line.ends_with('\n') {
                return Ok(());
            }
            let answer = match obey(line.trim_end(), owner, watched) {
                Ok(()) => "ok".to_owned(),
                Err(reason) => reason.replace('\n', " "),
            };
            send_line(channel.get_ref(), &answer)?;
            if channel.buffer().is_empty() {
                break;
            }
        }
    }
}

/// Does what a line says.
fn obey(line: &str, owner: &mut Option<OwnedFd>, watched: &mut Vec<Socket>) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| {
        let word = words.get(at).ok_or("a word is missing")?;
        word.parse::<u64>().map_err(|error| format!("`{word}`: {error}"))
    };
    let short = |at: usize| u32::try_from(number(at)?).map_err(|error| error.to_string());
    match words[0] {
        "owner" => *owner = Some(open_process(short(1)?).map_err(|error| error.to_string())?),
        "watch" if watched.len() >= WATCHED_MAX => return Err(format!("{WATCHED_MAX} sockets are watched already")),
        "watch" => {
            let socket = Socket::of_process(short(2)?, short(3)?).map_err(|error| error.to_string())?;
            if socket.cookie() != number(1)? {
                return Err("another socket has this descriptor".into());
            }
            watched.push(socket);
        }
        "forget" => {
            let cookie = number(1)?;
            watched.retain(|socket| socket.cookie() != cookie);
        }
        other => return Err(format!("`{other}` is no command")),
    }
    Ok(())
}

impl Socket {
    /// Returns a process that has it, and its descriptor there.
    fn place(&self) -> (u32, u32) {
        match self.own_descriptor() {
            Some(descriptor) => (std::process::id(), descriptor.as_raw_fd() as u32),
            None => self.owner().map_or((0, 0), |(owner, descriptor)| (owner.pid, descriptor)),
        }
    }
}
