//! Commands to processes that run beside, with what they say, and that end when nobody needs them any more.
//!
//! Next: `certificates.rs`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long something may take that is waited for; machines that test may be slow.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A process that runs beside.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts a command; what it says on stdout and stderr is kept.
    ///
    /// # Panics
    /// If it cannot start.
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot start: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let readers = vec![keep(out, &said), keep(err, &said)];
        Self { name: name.to_owned(), child, said, readers }
    }

    /// Returns all that it has said.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has said a line that contains `text`; returns the line.
    ///
    /// # Panics
    /// If it ends before, or does not say it in time.
    pub fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let has_ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if let Some(line) = self.said().lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(!has_ended && Instant::now() < end, "{} did not say `{text}`:\n{}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Says whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Asks it to end with SIGTERM, and returns how it did and all that it said.
    pub fn end(mut self) -> (ExitStatus, String) {
        self.ask_to_end();
        self.wait()
    }

    /// Waits for its end; returns how it did and all that it said.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn ended(mut self) -> (ExitStatus, String) {
        self.wait()
    }

    fn ask_to_end(&self) {
        // It may have ended already.
        let _ = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
    }

    fn wait(&mut self) -> (ExitStatus, String) {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None => assert!(Instant::now() < end, "{} does not end:\n{}", self.name, self.said()),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            // A reader has nothing to say when it fails.
            let _ = reader.join();
        }
        (status, self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(from: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&String::from_utf8_lossy(&line));
            said.push('\n');
        }
    })
}

/// Waits until something is there, at most as long as [`DEADLINE`].
pub fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns addresses on loopback that are free now, for programs that want to be told theirs.
///
/// # Panics
/// If there are none.
pub fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    // All are held until all are known, so that they differ.
    let held: Vec<_> = (0..count).map(|_| TcpListener::bind(any).expect("loopback has a free port")).collect();
    held.iter().map(|one| one.local_addr().expect("a bound socket has an address")).collect()
}

/// Returns the `dtq` of this build: beside this program, made new if the code has changed.
///
/// # Panics
/// If it cannot be built.
pub fn dtq() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    if let Some(path) = std::env::var_os("DTQ") {
        return path.into();
    }
    let this = std::env::current_exe().expect("a program knows where it is");
    let mut folder = this.parent().expect("a program is in a folder");
    if folder.ends_with("deps") {
        folder = folder.parent().expect("`deps` is in the folder of a profile");
    }
    let built = folder.join("dtq");
    // `cargo test --workspace` has built it a moment ago, with features that a build of it alone would not have: that
    // would compile everything once more.
    let sources = crate::setup::folder().parent().expect("this crate is beside the others");
    if modified(&built).is_some_and(|at| newest(sources).is_some_and(|newest| newest < at)) {
        return built;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "dtq-cli"]).current_dir(crate::setup::folder());
    command.env("CARGO_TARGET_DIR", folder.parent().expect("a profile is in the target folder"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.stdin(Stdio::null()).status().expect("cargo runs");
    assert!(status.success(), "dtq does not build");
    built
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Returns when a file in a folder was changed last, whatever it is.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let times = entries.filter_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => newest(&entry.path()),
        _ => modified(&entry.path()),
    });
    times.max()
}
