//! Programs to processes that can be killed and started again on the same port.
//!
//! A process that is forgotten is killed: nothing stays behind a run that fails. Next: [`crate::rig`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a process may take until it answers, and until it has ended when told to.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the variables begin with that cargo sets for one package (The Cargo Book, "Environment Variables").
const OF_PACKAGE: &[&str] =
    &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "OUT_DIR"];

/// Holds where the programs of a run are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `dtq`.
    pub dtq: PathBuf,
    /// `dtq-load`.
    pub load: PathBuf,
}

impl Programs {
    /// Returns `dtq-load` as it is, and the `dtq` given here or by `DTQ`, or else, under cargo, one that is built now
    /// in the same profile.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(load: PathBuf, dtq: Option<PathBuf>) -> Result<Self, String> {
        if let Some(dtq) = dtq.or_else(|| std::env::var_os("DTQ").map(PathBuf::from)) {
            return Ok(Self { dtq, load });
        }
        if let Some(cargo) = std::env::var_os("CARGO") {
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--package", "dtq-cli", "--bin", "dtq"]);
            // What cargo says of this package is not of that: build scripts would run again, now and at the next build.
            let of_this = |name: &str| OF_PACKAGE.iter().any(|prefix| name.starts_with(prefix));
            for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this)) {
                build.env_remove(name);
            }
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            let status = build.status().map_err(|error| format!("cannot run cargo: {error}"))?;
            if !status.success() {
                return Err(format!("`dtq` cannot be built: {status}"));
            }
        }
        let dtq = load.with_file_name("dtq");
        match dtq.exists() {
            true => Ok(Self { dtq, load }),
            false => Err(format!("there is no `{}`; build it, or name one by --dtq", dtq.display())),
        }
    }
}

/// Holds a process, and how to start it again.
#[derive(Debug)]
pub struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    port: SocketAddr,
    log: PathBuf,
    child: Child,
    /// How often it was killed.
    pub kills: u64,
}

impl Process {
    /// Starts a process and returns when it answers on its port. What it says is appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started, or ends, or does not answer in time; the end of its log says why.
    pub fn start(program: &Path, arguments: &[String], port: SocketAddr, log: &Path) -> Result<Self, String> {
        let child = spawn(program, arguments, log)?;
        let (program, arguments) = (program.to_owned(), arguments.to_vec());
        let mut process = Self { program, arguments, port, log: log.to_owned(), child, kills: 0 };
        process.wait_until_up()?;
        Ok(process)
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        // One that has ended already is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.kills += 1;
    }

    /// Starts it again after [`Process::kill`].
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn restart(&mut self) -> Result<(), String> {
        self.child = spawn(&self.program, &self.arguments, &self.log)?;
        self.wait_until_up()
    }

    /// Tells it to end by SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it does not end in time or not well.
    pub fn stop(&mut self) -> Result<(), String> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)
            .map_err(|error| self.failed(&format!("cannot be told to end: {error}")))?;
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(&format!("ended: {status}"))),
                Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(self.failed("does not end")),
                Err(error) => return Err(self.failed(&format!("cannot be waited for: {error}"))),
            }
        }
    }

    /// Returns what it said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns its memory in KiB that is resident, or `None` when it has ended.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Returns the CPU time that it has used, in seconds of hundredths.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The name of the program, in brackets, may hold blanks; utime and stime are 12 and 13 behind it (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
        ticks.sum::<f64>() / 100.0
    }

    /// Returns how many files and sockets it has open.
    pub fn open_files(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, |entries| entries.count() as u64)
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while TcpStream::connect(self.port).is_err() {
            match self.child.try_wait() {
                Ok(Some(status)) => return Err(self.failed(&format!("ended at its start: {status}"))),
                _ if begun.elapsed() > PATIENCE => return Err(self.failed("does not answer on its port")),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        Ok(())
    }

    fn failed(&self, what: &str) -> String {
        let said = self.said();
        let last: Vec<&str> = said.lines().rev().take(10).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("`{}` {what}; it said last:\n{}", self.program.display(), last.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is to be done about one that cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, arguments: &[String], log: &Path) -> Result<Child, String> {
    let open = || -> io::Result<File> { OpenOptions::new().create(true).append(true).open(log) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let child = open().and_then(|out| {
        let error = out.try_clone()?;
        command.stdout(out).stderr(error).spawn()
    });
    child.map_err(|error| format!("cannot start `{}`: {error}", program.display()))
}

/// Returns an address of the loopback that nobody listens on.
///
/// Below the ports that systems give to those who connect: while a process is down, a sender that tries to reach it must
/// not get its port, or even itself, at the other end.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..2000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + ((std::process::id() as u16).wrapping_mul(37).wrapping_add(step)) % 18_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no port of the loopback is free".to_owned())
}

/// Returns the body that a GET of a path brings.
///
/// # Errors
/// When nobody answers.
pub fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let fetch = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = fetch().map_err(|error| format!("cannot get http://{address}{path}: {error}"))?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| format!("http://{address}{path} answers without a body"))
}
