//! Running attachments and those who ask for them: a unix socket for each, on which a line is asked and one answered.
//!
//! The sockets lie in a folder of their user, which nobody else may enter. Next: `session.rs`.

use super::account::Account;
use std::fs::DirBuilder;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one side may take for its line. A client that takes longer is not answered: the lease is longer.
const TURN_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an attachment may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How many are answered before others have their turn.
const CLIENTS_MAX: usize = 8;
/// Bytes of a question.
const QUESTION_SIZE_MAX: u64 = 64;
/// Bytes of an answer.
const ANSWER_SIZE_MAX: u64 = 16 << 20;

/// Returns the folders in which sockets may lie: that of the system first, then that of the user.
fn folders() -> Vec<PathBuf> {
    let of_user = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let system = std::iter::once(PathBuf::from("/run"));
    system.chain(of_user.map(PathBuf::from)).map(|folder| folder.join("dtq/kernel")).collect()
}

/// Listens for questions, and removes its socket when it is dropped.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// Those who asked for the end and wait for it.
    waiting: Vec<UnixStream>,
}

impl Control {
    /// Listens in the first folder that can be had.
    ///
    /// # Errors
    /// When there is none, with what is in the way of the last.
    pub fn open() -> io::Result<Self> {
        let mut last_error = io::Error::other("there is no folder for it");
        for folder in folders() {
            match listen(&folder) {
                Ok(control) => return Ok(control),
                Err(error) => last_error = io::Error::new(error.kind(), format!("`{}`: {error}", folder.display())),
            }
        }
        Err(last_error)
    }

    /// Answers those who ask; says whether one asks for the end.
    pub fn serve(&mut self, account: &mut dyn FnMut() -> Account) -> bool {
        for _ in 0..CLIENTS_MAX {
            let Ok((stream, _)) = self.listener.accept() else { break };
            match question(&stream).as_deref() {
                Ok("status") => {
                    // Who went meanwhile needs no answer.
                    let _ = answer(&stream, &account());
                }
                Ok("detach") => self.waiting.push(stream),
                Ok(_) | Err(_) => {}
            }
        }
        !self.waiting.is_empty()
    }

    /// Answers those who wait for the end.
    pub fn finish(&mut self, account: &Account) {
        for stream in self.waiting.drain(..) {
            let _ = answer(&stream, account);
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that stays is found stale by who looks next.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn listen(folder: &Path) -> io::Result<Control> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("{}.sock", std::process::id()));
    // The socket of a process that had this number before.
    if UnixStream::connect(&path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    Ok(Control { listener, path, waiting: Vec::new() })
}

fn question(stream: &UnixStream) -> io::Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TURN_TIMEOUT))?;
    stream.set_write_timeout(Some(TURN_TIMEOUT))?;
    read_line(stream, QUESTION_SIZE_MAX)
}

fn answer(mut stream: &UnixStream, account: &Account) -> io::Result<()> {
    let line = serde_json::to_string(account).map_err(io::Error::other)?;
    stream.write_all(format!("{line}\n").as_bytes())
}

fn read_line(stream: &UnixStream, size_max: u64) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(stream).take(size_max).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Returns the processes that have something attached, with their sockets; what processes left that are gone is removed.
pub fn running() -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = folders().iter().flat_map(|folder| sockets(folder)).collect();
    found.retain(|(_, path)| match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = std::fs::remove_file(path);
            false
        }
        _ => true,
    });
    found.sort();
    found
}

/// Returns the sockets of a folder, by the process that their name says.
fn sockets(folder: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let pid = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok();
    entries.filter_map(|entry| Some((pid(&entry.path())?, entry.path()))).collect()
}

/// Asks a process for its account, or to end and for its last one.
///
/// # Errors
/// When it does not answer.
pub fn ask(path: &Path, question: &str) -> io::Result<Account> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let line = read_line(&stream, ANSWER_SIZE_MAX)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended"));
    }
    serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
