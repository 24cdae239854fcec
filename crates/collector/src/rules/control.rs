//! The control socket: lines to orders and questions, for processes of the same user and of root.
//!
//! A thread of its own for each connection, so that an order is obeyed whatever the rest of the process does; few
//! connections, short lines, and none may be silent for long. Next: `view.rs`.

use crate::rules::audit::Who;
use crate::rules::governor::Governor;
use crate::rules::protocol::{Answer, Request};
use crate::rules::settings::Bounds;
use crate::rules::store::make_folder;
use crate::rules::view::yield_to_judging;
use crate::rules::{tap, top};
use serde::Serialize;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Listens on the socket until it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    /// What the socket is, so that only our own is removed.
    inode: (u64, u64),
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Makes the socket and listens.
    pub fn start(path: &Path, governor: &Arc<Governor>, bounds: &Bounds) -> io::Result<Self> {
        let listener = bind(path)?;
        let found = fs::metadata(path)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (ends, governor, bounds) = (Arc::clone(&is_over), Arc::clone(governor), bounds.clone());
        let thread = std::thread::Builder::new().name("dtq-control".into()).spawn(move || {
            let open = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                match stream {
                    Ok(stream) => accept(stream, &governor, &bounds, &open, &ends),
                    // Too many open files, for instance: others may close theirs meanwhile.
                    Err(_) => std::thread::sleep(bounds.poll),
                }
            }
        })?;
        Ok(Self { path: path.to_path_buf(), inode: (found.dev(), found.ino()), is_over, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread; where the socket is gone, it ends with the process.
        if UnixStream::connect(&self.path).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
        if fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the socket: under another name first, so that nobody finds it before its permissions are right.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    if UnixStream::connect(path).is_ok() {
        let message = "another process is controlled here; give this one a `socket` of its own";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    let mut beside = path.to_path_buf().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
    fs::rename(&beside, path)?;
    Ok(listener)
}

/// Serves a connection on a thread of its own, unless there are too many.
fn accept(
    stream: UnixStream,
    governor: &Arc<Governor>,
    bounds: &Bounds,
    open: &Arc<AtomicUsize>,
    ends: &Arc<AtomicBool>,
) {
    if open.fetch_add(1, Ordering::AcqRel) >= bounds.connections {
        open.fetch_sub(1, Ordering::AcqRel);
        let _ = say(&stream, &Answer::refused("too many connections; end one of them first", Vec::new()));
        return;
    }
    let (governor, bounds, ends) = (Arc::clone(governor), bounds.clone(), Arc::clone(ends));
    let counted = Counted(Arc::clone(open));
    // Without a thread the connection is closed, which its client says.
    let _ = std::thread::Builder::new().name("dtq-control-1".into()).spawn(move || {
        let _counted = counted;
        let _ = serve(&stream, &governor, &bounds, &ends);
    });
}

/// Counts an open connection down when it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(stream: &UnixStream, governor: &Arc<Governor>, bounds: &Bounds, ends: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(bounds.silence))?;
    stream.set_write_timeout(Some(bounds.silence))?;
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    let who = Who::Peer { uid: peer.uid.as_raw(), pid: peer.pid.as_raw_nonzero().get() };
    if !peer.uid.is_root() && peer.uid != rustix::process::geteuid() {
        return say(stream, &Answer::refused("only the user of this process and root may control it", Vec::new()));
    }
    let mut lines = BufReader::new(stream);
    while !ends.load(Ordering::Acquire) {
        let mut line = Vec::new();
        let size_max = bounds.line_bytes as u64;
        let read = (&mut lines).take(size_max).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && read as u64 == size_max {
            let message = format!("a request is a line of at most {size_max} bytes");
            return say(stream, &Answer::refused(message, Vec::new()));
        }
        let request = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                say(stream, &Answer::refused(format!("this is no request: {error}"), Vec::new()))?;
                continue;
            }
        };
        let served = panic::catch_unwind(AssertUnwindSafe(|| match &request {
            Request::Tap(wanted) => apart(|| tap::serve(stream, governor, who, wanted, ends)),
            Request::Top(wanted) => apart(|| top::serve(stream, governor, who, wanted, ends)),
            _ => say(stream, &obey(governor, who, &request)),
        }));
        let failed = "obeying it failed; this is a mistake in dtq";
        served.unwrap_or_else(|_| say(stream, &Answer::refused(failed, Vec::new())))?;
    }
    Ok(())
}

/// Does something on a thread that takes processor time last: without privileges a thread cannot go back to what it had,
/// and orders are not to wait.
fn apart(act: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    std::thread::scope(|scope| {
        let looking = std::thread::Builder::new().name("dtq-look".into()).spawn_scoped(scope, || {
            yield_to_judging();
            act()
        })?;
        looking.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn obey(governor: &Governor, who: Who, request: &Request) -> Answer {
    match request {
        Request::Status => Answer::with(governor.status()),
        Request::Rules => Answer::with(governor.rule_list()),
        Request::Off { rule } => governor.off(who, rule),
        Request::On { rule } => governor.on(who, rule),
        Request::Rollback { version } => governor.rollback(who, *version),
        Request::Ripcord { also_protective } => governor.ripcord(who, *also_protective),
        Request::Restore => governor.restore(who),
        Request::Reload => governor.reload(who),
        Request::Tap(_) | Request::Top(_) => unreachable!("those are served line by line"),
    }
}

/// Writes a line.
pub(crate) fn say(mut stream: &UnixStream, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line).map_err(io::Error::other)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)
}
