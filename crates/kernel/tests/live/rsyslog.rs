//! rsyslogd, as it is installed: a filter on the socket that it reads, and one on a socket that it forwards to.
//!
//! `DTQ_CASES=1000000` sends a million messages each way. Without rsyslogd the tests say loudly that they did nothing.

use crate::real::{Filtered, relay};
use crate::{may_load, number};
use dtq_ebpf::filter::Front;
use dtq_ebpf::payload::Format;
use dtq_kernel::attach::filter::Present;
use dtq_kernel::attach::find;
use dtq_kernel::{Address, SocketFilter, SocketName};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take that is waited for.
const DEADLINE: Duration = Duration::from_secs(60);
/// Of so many messages one is no noise.
const NOISE: u64 = 10;

/// rsyslogd that runs, until it is dropped.
struct Rsyslog {
    child: Child,
    folder: TempDir,
}

impl Rsyslog {
    /// Starts one that reads a socket like `/dev/log` and does this with what tests send; `FOLDER` is where it may write.
    fn start(test: &str, action: &str) -> Option<Self> {
        let probe = Command::new("rsyslogd").arg("-v").stdout(Stdio::null()).status();
        if !probe.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: {test}: rsyslogd is missing");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        let configuration = format!(
            "global(workDirectory=\"{place}\")\nmodule(load=\"imuxsock\" SysSock.Name=\"{place}/log\" \
             SysSock.RateLimit.Interval=\"0\" SysSock.UsePIDFromSystem=\"off\")\nmodule(load=\"omuxsock\")\n\
             template(name=\"text\" type=\"string\" string=\"%msg%\\n\")\n{}\n",
            action.replace("FOLDER", place),
        );
        std::fs::write(folder.path().join("rsyslog.conf"), configuration).unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(path("rsyslog.conf")).arg("-i").arg(path("rsyslog.pid"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let started = Self { child, folder };
        let begin = Instant::now();
        while UnixDatagram::unbound().unwrap().connect(started.path("log")).is_err() {
            assert!(begin.elapsed() < DEADLINE, "rsyslogd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(started)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends so many messages as `syslog(3)` does, one in ten of them no noise.
    fn send(&self, count: u64) -> JoinHandle<()> {
        let path = self.path("log");
        std::thread::spawn(move || {
            let sender = UnixDatagram::unbound().unwrap();
            sender.connect(path).unwrap();
            for at in 0..count {
                let priority = if at % NOISE == 0 { 11 } else { 15 };
                sender.send(format!("<{priority}>Nov 23 01:02:03 app[7]: message {at}").as_bytes()).unwrap();
            }
        })
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn noise(front: Front) -> Filtered {
    Filtered::new("SeverityNumber between (1 .. 8)", Format::Syslog, front)
}

/// Returns the texts of messages that are no noise.
fn kept(count: u64) -> Vec<String> {
    (0..count).step_by(NOISE as usize).map(|at| format!("message {at}")).collect()
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn rsyslogd_reads_only_what_the_filter_on_its_socket_keeps() {
    let test = "rsyslogd_reads_only_what_the_filter_on_its_socket_keeps";
    if !may_load(test) {
        return;
    }
    let action = ":msg, contains, \"message \" action(type=\"omfile\" file=\"FOLDER/out\" template=\"text\")";
    let Some(rsyslog) = Rsyslog::start(test, action) else { return };
    let filter = noise(Front::UnixDatagram);
    let sockets = find(&SocketName::Path(rsyslog.path("log"))).unwrap();
    let attached: Vec<SocketFilter> = sockets
        .into_iter()
        .map(|socket| SocketFilter::attach(socket, &filter.program, Present::Refuse).unwrap())
        .collect();
    assert_eq!(attached.len(), 1);
    let count = number("DTQ_CASES", 20_000);
    rsyslog.send(count).join().unwrap();
    let (expected, out, begin) = (kept(count), rsyslog.path("out"), Instant::now());
    while lines_of(&out).len() < expected.len() {
        assert!(begin.elapsed() < DEADLINE, "{} of {}", lines_of(&out).len(), expected.len());
        std::thread::sleep(Duration::from_millis(20));
    }
    let (mut came, mut wanted) = (lines_of(&out), expected.clone());
    came.sort();
    wanted.sort();
    assert_eq!(came, wanted);
    assert_eq!(filter.decided(), (count - expected.len() as u64, expected.len() as u64));
}

#[test]
fn what_rsyslogd_forwards_is_filtered_where_it_arrives() {
    let test = "what_rsyslogd_forwards_is_filtered_where_it_arrives";
    if !may_load(test) {
        return;
    }
    let count = number("DTQ_CASES", 20_000);
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("in"));
    let filters = [noise(Front::UnixDatagram)];
    let mut running = None;
    if Command::new("rsyslogd").arg("-v").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: {test}: rsyslogd is missing");
        return;
    }
    let came = relay(&address, &filters, count, &AtomicU64::new(0), |_| {
        let socket = folder.path().join("in");
        let action = format!(
            "$OMUxSockSocket {}\n:msg, contains, \"message \" :omuxsock:;RSYSLOG_TraditionalForwardFormat",
            socket.display()
        );
        let rsyslog = Rsyslog::start(test, &action).unwrap();
        let sender = rsyslog.send(count);
        running = Some((rsyslog, sender));
    });
    let (rsyslog, sender) = running.unwrap();
    sender.join().unwrap();
    drop(rsyslog);
    let text = |bytes: &Vec<u8>| {
        let line = String::from_utf8_lossy(bytes).trim().to_owned();
        line.rsplit_once(": ").map(|(_, text)| text.to_owned()).unwrap_or(line)
    };
    // Each once; rsyslogd may have several workers, and their messages overtake each other.
    let mut came: Vec<String> = came.iter().map(text).collect();
    let mut expected = kept(count);
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}
