//! `dtq collect` under a service manager: what it is told, what signals do, and what is lost without machine code.

use crate::common;
use crate::peers::{Sink, logs, post, send_logs};
use crate::place::Place;
use crate::started::{DEADLINE, eventually};
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Instant;

const NO_DEBUG: &str = "  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
const NO_TRACE: &str = "  - {name: no-trace, to: drop, kql: logs | where Body == 'trace'}\n";

const ALL: [(i32, &str); 3] = [(5, "debug"), (9, "info"), (9, "trace")];

/// A service manager: what it is told.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(place: &Place) -> Self {
        let path = place.argument("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path }
    }

    /// Returns what comes next, but signs of life.
    fn next(&self) -> String {
        loop {
            let told = self.any();
            if told != "WATCHDOG=1" && !told.starts_with("STATUS=") {
                return told;
            }
        }
    }

    fn any(&self) -> String {
        let mut buffer = [0; 4096];
        let size = self.socket.recv(&mut buffer).expect("something is told in time");
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    }

    fn until(&self, what: &str) {
        let end = Instant::now() + DEADLINE;
        while !self.any().starts_with(what) {
            assert!(Instant::now() < end, "no {what}");
        }
    }
}

#[test]
fn a_service_manager_is_told_what_the_process_does() {
    let place = Place::new(NO_DEBUG);
    let manager = Manager::new(&place);
    let running = place.start_with(&[("NOTIFY_SOCKET", &manager.path), ("WATCHDOG_USEC", "300000")]);
    assert_eq!(manager.next(), "READY=1");
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");
    running.process.signal("HUP");
    let reloading = manager.next();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(since.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.next(), "READY=1");
    assert!(place.audit().iter().any(|line| line["by"] == "signal" && line["op"] == "load"), "{:?}", place.audit());
    running.process.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1");
    let (code, said) = running.process.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("rules: version 1 runs") && said.contains("has ended; 0 requests"), "{said}");
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let place = Place::new(NO_DEBUG);
    let manager = Manager::new(&place);
    let environment = [("NOTIFY_SOCKET", manager.path.as_str()), ("WATCHDOG_USEC", "3000"), ("WATCHDOG_PID", "1")];
    let running = place.start_with(&environment);
    // Two tasks tell these, in any order.
    let (mut is_ready, mut is_well) = (false, false);
    while !(is_ready && is_well) {
        let told = manager.any();
        assert!(told == "READY=1" || told.starts_with("STATUS="), "{told}");
        is_ready |= told == "READY=1";
        is_well |= told.starts_with("STATUS=takes requests; nothing is wrong");
    }
    running.process.signal("TERM");
    loop {
        match manager.any().as_str() {
            "STOPPING=1" => break,
            told => assert!(told.starts_with("STATUS="), "{told}"),
        }
    }
    running.process.end();
}

#[test]
fn what_is_said_in_json_is_json() {
    let place = Place::new(NO_DEBUG);
    let running = place.start_as(&["--log-format", "json"], &[]);
    place.write("  - {name: wrong, to: nowhere}\n");
    place.until(|status| !status["refused"].is_null());
    running.process.signal("TERM");
    let (_, said) = running.process.end();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let refused = lines.iter().find(|line| line["event"] == "dtq.rules.load").unwrap_or_else(|| panic!("{said}"));
    assert_eq!(refused["severity"], "ERROR");
    assert!(refused["message"].as_str().unwrap().contains("error["), "{refused}");
    assert!(lines.iter().all(|line| line["time_unix_ms"].is_u64() && line["message"].is_string()), "{said}");
}

/// Makes a folder what a mounted ConfigMap is: `rules.yaml -> ..data/rules.yaml`, `..data -> ..<version>`.
fn mount(place: &Place, version: &str, rules: &str) {
    let data = place.path("rules").join(format!("..{version}"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("rules.yaml"), format!("apiVersion: dtq/v1\nrules:\n{rules}")).unwrap();
    // As the kubelet does: a new link beside, which takes the place of the old one at once.
    symlink(format!("..{version}"), place.path("rules/..data_tmp")).unwrap();
    std::fs::rename(place.path("rules/..data_tmp"), place.path("rules/..data")).unwrap();
}

#[test]
fn a_config_map_that_changes_is_followed() {
    let place = Place::new(NO_DEBUG);
    std::fs::remove_file(place.path("rules/rules.yaml")).unwrap();
    mount(&place, "2026_11_01", NO_DEBUG);
    symlink("..data/rules.yaml", place.path("rules/rules.yaml")).unwrap();
    let running = place.start();
    assert_eq!(place.passes(&running, &ALL), ["info", "trace"]);
    mount(&place, "2026_11_02", &[NO_DEBUG, NO_TRACE].concat());
    std::fs::remove_dir_all(place.path("rules/..2026_11_01")).unwrap();
    place.until(|status| status["version"] == 2);
    assert_eq!(place.passes(&running, &ALL), ["info"]);
    // One that is wrong is refused, and the page says so first.
    mount(&place, "2026_11_03", "  - {name: x, to: nowhere}\n");
    place.until(|status| !status["refused"].is_null());
    let page = String::from_utf8(running.get("/").body).unwrap();
    assert!(page.contains("! the rule files are wrong; version 2 goes on"), "{page}");
    assert_eq!(running.metric("dtq_rules_refused"), 1);
    assert_eq!(place.passes(&running, &ALL), ["info"]);
    running.end();
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::with(NO_DEBUG, "ack: received\ndrain: 1h\n");
    let path = place.path("collect.yaml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    // Nobody listens there.
    std::fs::write(&path, configuration.replace(&place.sink.address.to_string(), "127.0.0.1:1")).unwrap();
    let mut running = place.start();
    send_logs(running.address, &logs(&ALL));
    running.process.signal("TERM");
    running.process.wait_for("ends: takes nothing new");
    running.process.signal("TERM");
    let (code, said) = running.process.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("has ended at once"), "{said}");
}

/// Runs a command with memory that is written never becoming executable: as `PR_SET_MDWE` and as systemd's
/// `MemoryDenyWriteExecute=` have it, which refuses `mprotect` to `PROT_EXEC` by a filter of system calls.
///
/// # Source
/// prctl(2), `PR_SET_MDWE` (65); systemd, src/shared/seccomp-util.c, `seccomp_memory_deny_write_execute`; seccomp(2);
/// linux/audit.h, `AUDIT_ARCH_X86_64`. System call 10 of x86-64 is `mprotect`; its third argument stands at byte 32.
const DENY: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def prctl(*arguments):
    if libc.prctl(*[ctypes.c_ulong(one) for one in arguments]) != 0:
        print('prctl', arguments[0], os.strerror(ctypes.get_errno()), file=sys.stderr)
        sys.exit(99)
if sys.argv[1] == 'mdwe':
    prctl(65, 1, 0, 0, 0)
else:
    code = [(0x20, 0, 0, 4), (0x15, 0, 5, 0xC000003E), (0x20, 0, 0, 0), (0x15, 0, 3, 10), (0x20, 0, 0, 32),
            (0x45, 0, 1, 4), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    program = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *one) for one in code))
    class Filter(ctypes.Structure):
        _fields_ = [('count', ctypes.c_ushort), ('code', ctypes.c_void_p)]
    prctl(38, 1, 0, 0, 0)
    given = Filter(len(code), ctypes.addressof(program))
    prctl(22, 2, ctypes.addressof(given), 0, 0)
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn without_executable_memory_rules_are_interpreted_and_that_is_said() {
    let is_there = |way: &str| {
        let tried = Command::new("python3").args(["-c", DENY, way, "/bin/true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    for way in ["mdwe", "seccomp"] {
        if !is_there(way) || (way == "seccomp" && !cfg!(target_arch = "x86_64")) {
            eprintln!("SKIPPED: {way}: there is no python3, or the kernel does not know it");
            continue;
        }
        let place = Place::new(NO_DEBUG);
        let running = place.start_behind(&["python3", "-c", DENY, way]);
        let is_said = || !place.status()["interpreted_because"].is_null();
        assert!(eventually(is_said), "{}", place.status());
        assert_eq!(place.passes(&running, &ALL), ["info", "trace"]);
        assert_eq!((place.status()["engine"].as_str(), running.metric("dtq_rules_native")), (Some("interp"), 0));
        let page = String::from_utf8(running.get("/").body).unwrap();
        assert!(page.contains("! rules are interpreted, which costs more: "), "{page}");
        let said = running.end();
        assert!(said.contains("warning: rules are interpreted, which costs more: "), "{way}: {said}");
    }
    // Without either, they are compiled.
    let place = Place::new(NO_DEBUG);
    let running = place.start();
    if cfg!(target_arch = "x86_64") {
        assert!(eventually(|| place.status()["engine"] == "jit"), "{}", place.status());
    }
    running.end();
}

/// Returns the request that the quick start sends.
fn request_of_quick_start() -> String {
    let page = std::fs::read_to_string(common::root().join("docs/collect.md")).unwrap();
    let (_, rest) = page.split_once("application/json' -d '\n").expect("the quick start sends a request");
    rest.split('\'').next().unwrap().to_owned()
}

#[test]
fn the_quick_start_does_what_its_page_says() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Sink::start());
    let run = folder.path().to_str().unwrap();
    let mut command = common::command(&["collect", "--config", "docs/deploy/quickstart/collect.yaml"]);
    command.envs([("DTQ_PORT", "0"), ("DTQ_ADMIN_PORT", "0"), ("DTQ_RUN", run)]);
    command.env("DTQ_BACKEND", format!("http://{}", sink.address));
    let running = Place::running(command);
    let request = request_of_quick_start();
    let reply = post(running.address, "/v1/logs", &[("content-type", "application/json")], request.as_bytes());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(sink.bodies(), ["cannot pay"]);
    let socket = format!("{run}/control.sock");
    let rules = common::dtq(&["ctl", "rules", "--socket", &socket]).code(0).stdout;
    assert!(rules.contains("no-debug"), "{rules}");
    let page = String::from_utf8(running.get("/").body).unwrap();
    assert!(page.contains("Nothing is wrong."), "{page}");
    running.end();
}
