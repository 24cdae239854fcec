//! Datagrams of syslog, JSON and OTLP into a collector: from sockets, `logger` and rsyslog; with rules in the kernel; with
//! the rights of nobody.

use crate::common;
use crate::peers::{Sink, body_of, logs};
use crate::place::{Place, Running};
use crate::started::eventually;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const NO_DEBUG: &str = "  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";
/// The numbers of a user and a group that own nothing here.
const NOBODY: u32 = 65_534;

/// Makes a place that listens for datagrams of a format, on a unix socket and over UDP.
fn place(rules: &str, format: &str, more: &str) -> Place {
    let place = Place::with(rules, "");
    let path = place.path("collect.yaml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    let socket = place.argument("in.sock");
    let datagrams = format!(
        "datagrams:\n  - {{address: '{socket}', format: {format}, mode: 666, batch: {{age: 20ms}}{more}}}\n  \
         - {{address: '127.0.0.1:0', format: {format}, buffer: 8MiB, batch: {{age: 20ms}}{more}}}\n"
    );
    std::fs::write(path, configuration + &datagrams).unwrap();
    place
}

/// Returns the address of the UDP socket.
fn udp_of(running: &Running) -> String {
    let said = &running.process.said;
    let (_, rest) = said.split_once("listens on UDP ").unwrap_or_else(|| panic!("{said}"));
    rest.split(' ').next().unwrap().to_owned()
}

fn line(priority: u8, text: &str) -> String {
    format!("<{priority}>Nov 23 01:02:03 host app[7]: {text}")
}

fn send_unix(place: &Place, messages: impl IntoIterator<Item = Vec<u8>>) {
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(place.path("in.sock")).unwrap();
    messages.into_iter().for_each(|message| assert_eq!(sender.send(&message).unwrap(), message.len()));
}

fn send_udp(address: &str, messages: impl IntoIterator<Item = Vec<u8>>) {
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.connect(address).unwrap();
    messages.into_iter().for_each(|message| assert_eq!(sender.send(&message).unwrap(), message.len()));
}

/// Waits for so many records, and returns their texts, sorted.
fn sorted(sink: &Sink, count: usize) -> Vec<String> {
    assert!(eventually(|| sink.bodies().len() >= count), "{:?}", sink.bodies());
    let mut bodies = sink.bodies();
    bodies.sort();
    bodies
}

/// Says whether rules are in the kernel, and loudly if they are not.
fn is_in_kernel(running: &Running) -> bool {
    let is_there = !running.process.said.contains("all are judged here");
    if !is_there {
        eprintln!("SKIPPED: no program can be loaded here; run it as root: {}", running.process.said);
    }
    is_there
}

/// Says whether a command is there, and loudly if it is not.
fn has(command: &str, arguments: &[&str]) -> bool {
    let found = Command::new(command).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: `{command}` is missing");
    }
    is_there
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    let is_root = id.stdout.starts_with(b"0\n");
    if !is_root {
        eprintln!("SKIPPED: only root can become another user");
    }
    is_root
}

#[test]
fn lines_over_both_sockets_are_logs_and_what_cannot_be_read_is_counted() {
    let place = place(NO_DEBUG, "syslog", "");
    let running = place.start();
    send_unix(
        &place,
        [line(14, "one"), line(15, "debug"), "  \n".to_owned(), "no syslog".to_owned()].map(String::into_bytes),
    );
    send_udp(&udp_of(&running), [line(11, "two\n").into_bytes()]);
    assert_eq!(sorted(&place.sink, 3), ["no syslog", "one", "two"]);
    let records = place.sink.records();
    assert!(records.iter().all(|record| record.observed_time_unix_nano > 0));
    let two = records.iter().find(|record| body_of(record) == "two").unwrap();
    assert_eq!((two.severity_text.as_str(), two.severity_number), ("err", 17));
    let path = place.path("in.sock");
    let blank = format!("dtq_datagram_blank_total{{socket=\"{}\"}}", path.display());
    assert!(eventually(|| running.metric(&blank) == 1));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
    running.end();
    assert!(!path.exists());
}

#[test]
fn requests_and_objects_are_datagrams_too() {
    let place_of_otlp = place(NO_DEBUG, "otlp", "");
    let running = place_of_otlp.start();
    let requests = [logs(&[(9, "a"), (5, "debug")]), b"\xFF\xFF".to_vec(), logs(&[(17, "b")])];
    send_unix(&place_of_otlp, requests.clone());
    send_udp(&udp_of(&running), requests);
    assert_eq!(sorted(&place_of_otlp.sink, 4), ["a", "a", "b", "b"]);
    let path = place_of_otlp.argument("in.sock");
    assert_eq!(running.metric(&format!("dtq_datagram_malformed_total{{socket=\"{path}\"}}")), 1);
    running.end();

    let place = place(NO_DEBUG, "json", "");
    let running = place.start();
    let objects = [r#"{"level":"info","msg":"x"}"#, r#"{"level":"debug","msg":"y"}"#, "{", "{\"msg\":\"z\"}"];
    send_unix(&place, objects.map(|object| object.as_bytes().to_vec()));
    assert_eq!(sorted(&place.sink, 2), ["x", "z"]);
    running.end();
}

#[test]
fn what_waits_when_it_ends_is_sent_and_what_finds_no_room_is_lost_and_counted() {
    let place = place(NO_DEBUG, "syslog", "");
    let running = place.start();
    send_unix(&place, (0..300).map(|at| line(14, &format!("{at:03}")).into_bytes()));
    running.end();
    assert_eq!(place.sink.bodies().len(), 300);

    // A destination that is not there, with room for next to nothing.
    let path = place.path("collect.yaml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    let nowhere = configuration.replacen(&place.sink.address.to_string(), "127.0.0.1:9", 1);
    let nowhere = nowhere.replacen("compression: none}", "compression: none, queue: 2KiB}", 1) + "drain: 100ms\n";
    std::fs::write(&path, nowhere).unwrap();
    let running = place.start();
    let lost = format!("dtq_datagram_lost_records_total{{socket=\"{}\"}}", place.argument("in.sock"));
    let mut at = 0;
    let is_lost = || {
        at += 1;
        send_unix(&place, [line(14, &"x".repeat(1_000)).into_bytes()]);
        running.metric(&lost) > 0
    };
    assert!(eventually(is_lost));
    running.process.signal("TERM");
    running.process.end();
}

#[test]
fn rules_in_the_kernel_follow_those_of_the_collector() {
    let place = place(NO_DEBUG, "syslog", "");
    let running = place.start();
    if !is_in_kernel(&running) {
        return;
    }
    let socket = place.argument("in.sock");
    let metric = |name: &str| running.metric(&format!("dtq_datagram_{name}_total{{socket=\"{socket}\"}}"));
    let both = || (0..200).map(|at| line(if at % 2 == 0 { 15 } else { 14 }, &format!("{at:03}")).into_bytes());
    let udp = udp_of(&running);
    send_unix(&place, both());
    send_udp(&udp, both());
    assert_eq!(sorted(&place.sink, 200).len(), 200);
    assert_eq!((metric("kernel_dropped"), metric("datagrams"), metric("records")), (100, 100, 100));
    let udp_lost = format!("dtq_datagram_overflowed_total{{socket=\"udp:{udp}\"}}");
    assert_eq!(running.metric(&udp_lost), 0);
    // The account of the rule has what the kernel dropped, and that of all records as well.
    let account = place.account("no-debug")["account"].clone();
    assert_eq!((account["dropped"].as_u64(), account["seen"].as_u64()), (Some(200), Some(400)));
    let totals = place.status()["totals"].clone();
    assert_eq!((totals["records_in"].as_u64(), totals["dropped"].as_u64()), (Some(400), Some(200)));
    // Off, on, the ripcord, another rule, and back: the kernel obeys too.
    let passes = |what: &str, dropped_more: u64, count: usize| {
        let before = metric("kernel_dropped");
        place.sink.clear();
        send_unix(&place, both());
        assert_eq!(sorted(&place.sink, count).len(), count, "{what}");
        assert_eq!(metric("kernel_dropped") - before, dropped_more, "{what}");
    };
    place.order(&["off", "no-debug"]);
    passes("off", 0, 200);
    place.order(&["on", "no-debug"]);
    passes("on", 100, 100);
    place.order(&["ripcord"]);
    passes("ripcord", 0, 200);
    place.order(&["restore"]);
    passes("restored", 100, 100);
    let version = place.status()["version"].as_u64().unwrap();
    place.write("  - {name: few, to: drop, kql: logs | where Body endswith '1'}\n");
    place.until(|status| status["version"].as_u64() > Some(version));
    passes("other rules", 20, 180);
    place.order(&["rollback"]);
    passes("rolled back", 100, 100);
    let said = running.end();
    assert!(said.contains("in the kernel: 1 of 1 rules: `no-debug`"), "{said}");
    assert!(said.contains("no rule is in the kernel: there are none"), "{said}");
}

/// Gives a place to nobody, who then can write there.
fn give_to_nobody(place: &Place) {
    let folder = place.path("collect.yaml").parent().unwrap().to_owned();
    let own = |path: &Path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    own(&folder);
    for entry in std::fs::read_dir(&folder).unwrap() {
        own(&entry.unwrap().path());
    }
}

/// Returns what the system says of a process.
fn of_process(running: &Running, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.process.pid())).unwrap();
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    found.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn it_becomes_another_user_and_keeps_no_right_but_to_load_filters() {
    if !is_root() {
        return;
    }
    let place = place(NO_DEBUG, "syslog", "");
    give_to_nobody(&place);
    let path = place.path("collect.yaml");
    let configuration = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{configuration}user: {NOBODY}\ngroup: {NOBODY}\n")).unwrap();
    let running = place.start();
    let numbers = ["Uid", "Gid", "NoNewPrivs"].map(|name| of_process(&running, name));
    assert_eq!(numbers, [NOBODY.to_string(), NOBODY.to_string(), "1".to_owned()]);
    let rights =
        ["CapEff", "CapPrm", "CapInh"].map(|name| u64::from_str_radix(&of_process(&running, name), 16).unwrap());
    // CAP_BPF is 39.
    assert!(rights[..2].iter().all(|rights| rights & !(1 << 39) == 0) && rights[2] == 0, "{rights:x?}");
    if is_in_kernel(&running) {
        // All threads have them: also the one that swaps.
        let version = place.status()["version"].as_u64().unwrap();
        place.write("  - {name: no-info, to: drop, kql: logs | where SeverityNumber == 9}\n");
        place.until(|status| status["version"].as_u64() > Some(version));
        send_unix(&place, [line(14, "info"), line(15, "debug")].map(String::into_bytes));
        assert_eq!(sorted(&place.sink, 1), ["debug"]);
        let dropped = format!("dtq_datagram_kernel_dropped_total{{socket=\"{}\"}}", place.argument("in.sock"));
        assert_eq!(running.metric(&dropped), 1);
    }
    running.end();
    // Where no rule can go into the kernel, no right is left.
    std::fs::write(
        &path,
        std::fs::read_to_string(&path).unwrap().replace("format: syslog", "format: syslog, kernel: off"),
    )
    .unwrap();
    let running = place.start();
    assert_eq!(of_process(&running, "CapPrm").trim_start_matches('0'), "");
    running.end();
}

#[test]
fn without_rights_rules_are_judged_in_user_space_unless_the_kernel_is_required() {
    if !is_root() || !has("setpriv", &["--version"]) {
        return;
    }
    let poor = |place: &Place| {
        give_to_nobody(place);
        let mut command = Command::new("setpriv");
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--bounding-set=-all"]);
        command.args([env!("CARGO_BIN_EXE_dtq"), "collect", "--config", &place.argument("collect.yaml")]);
        command.current_dir(common::root()).stdin(Stdio::null());
        command
    };
    let here = place(NO_DEBUG, "syslog", "");
    let command = poor(&here);
    let running = Place::running(command);
    assert_eq!(running.process.said.matches("all are judged here").count(), 2, "{}", running.process.said);
    assert!(running.process.said.contains("CAP_BPF"), "{}", running.process.said);
    send_unix(&here, [line(14, "info"), line(15, "debug"), line(14, "more")].map(String::into_bytes));
    assert_eq!(sorted(&here.sink, 2), ["info", "more"]);
    here.order(&["off", "no-debug"]);
    let said = running.end();
    assert_eq!(said.matches("all are judged here").count(), 2, "{said}");

    let there = place(NO_DEBUG, "syslog", ", kernel: require");
    let refused = poor(&there).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("`kernel: require`, but"), "{said}");
}

#[test]
fn a_service_manager_may_hand_the_sockets_over() {
    let place = place(NO_DEBUG, "syslog", ", kernel: off");
    // Both are bound by another process, as one that may use a port below 1,024 would.
    let path = place.path("in.sock");
    let unix = UnixDatagram::bind(&path).unwrap();
    let run = |listens_elsewhere: bool| {
        let mut command = Command::new("sh");
        let given: OwnedFd = unix.try_clone().unwrap().into();
        let configuration = std::fs::read_to_string(place.path("collect.yaml")).unwrap();
        if listens_elsewhere {
            let elsewhere = configuration.replacen(&place.argument("in.sock"), &place.argument("other.sock"), 1);
            std::fs::write(place.path("collect.yaml"), elsewhere).unwrap();
        }
        let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" collect --config \"$1\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_dtq"), &place.argument("collect.yaml")]);
        command.current_dir(common::root()).stdin(given);
        command
    };
    // What came before it started waits.
    send_unix(&place, [line(14, "early").into_bytes()]);
    let running = Place::running(run(false));
    send_unix(&place, [line(14, "late").into_bytes()]);
    assert_eq!(sorted(&place.sink, 2), ["early", "late"]);
    running.end();
    assert!(path.exists());
    let refused = run(true).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("nothing is configured that listens there"), "{said}");
}

#[test]
fn logger_writes_to_both_sockets() {
    if !has("logger", &["--version"]) {
        return;
    }
    let place = place(NO_DEBUG, "syslog", "");
    let running = place.start();
    let udp = udp_of(&running);
    let port = udp.rsplit(':').next().unwrap().to_owned();
    let run = |arguments: &[&str]| assert!(Command::new("logger").args(arguments).status().unwrap().success());
    run(&["--socket", &place.argument("in.sock"), "-t", "unix", "-p", "user.info", "by unix"]);
    run(&["--socket", &place.argument("in.sock"), "-t", "unix", "-p", "user.debug", "noise"]);
    for format in ["--rfc3164", "--rfc5424"] {
        run(&["-n", "127.0.0.1", "-P", &port, "-d", format, "-t", "udp", "-p", "user.warning", &format[2..]]);
        run(&["-n", "127.0.0.1", "-P", &port, "-d", format, "-t", "udp", "-p", "user.debug", "noise"]);
    }
    assert_eq!(sorted(&place.sink, 3), ["by unix", "rfc3164", "rfc5424"]);
    let account = || place.account("no-debug")["account"]["dropped"].as_u64();
    assert!(eventually(|| account() == Some(3)), "{:?}", account());
    running.end();
}

/// rsyslogd that runs, until it is dropped.
struct Rsyslog {
    child: Child,
    socket: PathBuf,
}

impl Rsyslog {
    /// Starts one that reads a unix socket and does this with what comes.
    fn start(place: &Place, action: &str) -> Self {
        let socket = place.path("rsyslog.sock");
        let configuration = format!(
            "global(workDirectory=\"{folder}\")\nmodule(load=\"imuxsock\" SysSock.Name=\"{socket}\" \
             SysSock.RateLimit.Interval=\"0\" SysSock.UsePIDFromSystem=\"off\")\n{action}\n",
            folder = place.path("rules").parent().unwrap().display(),
            socket = socket.display(),
        );
        std::fs::write(place.path("rsyslog.conf"), configuration).unwrap();
        let arguments = ["-n", "-f", &place.argument("rsyslog.conf"), "-i", &place.argument("rsyslog.pid")];
        let child = Command::new("rsyslogd").args(arguments).stdin(Stdio::null()).spawn().unwrap();
        let started = Self { child, socket };
        assert!(eventually(|| UnixDatagram::unbound().unwrap().connect(&started.socket).is_ok()), "rsyslogd listens");
        started
    }

    fn send(&self, lines: impl IntoIterator<Item = String>) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&self.socket).unwrap();
        // As `syslog(3)` writes: without a host.
        for line in lines {
            sender.send(line.replacen(" host ", " ", 1).as_bytes()).unwrap();
        }
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rsyslog_forwards_every_message_over_both_sockets() {
    if !has("rsyslogd", &["-v"]) {
        return;
    }
    let place = place(NO_DEBUG, "syslog", "");
    let running = place.start();
    let udp = udp_of(&running);
    let port = udp.rsplit(':').next().unwrap();
    // omfwd writes RFC 3164 with a host; omuxsock to a socket like /dev/log.
    let action = format!(
        "$ModLoad omuxsock\n$OMUxSockSocket {}\n*.* action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{port}\" \
         protocol=\"udp\" template=\"RSYSLOG_TraditionalForwardFormat\")\n*.* :omuxsock:",
        place.argument("in.sock"),
    );
    let rsyslog = Rsyslog::start(&place, &action);
    const COUNT: usize = 1_000;
    rsyslog.send((0..COUNT).map(|at| line(if at % 4 == 0 { 14 } else { 15 }, &format!("message {at:04}"))));
    let kept: Vec<String> = (0..COUNT).step_by(4).map(|at| format!("message {at:04}")).collect();
    let came = |sink: &Sink| -> Vec<String> {
        // rsyslogd says when it starts, for instance.
        let mut bodies = sink.bodies();
        bodies.retain(|body| body.starts_with("message "));
        bodies.sort();
        bodies
    };
    assert!(eventually(|| came(&place.sink).len() >= 2 * kept.len()), "{}", came(&place.sink).len());
    let twice: Vec<String> = kept.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
    assert_eq!(came(&place.sink), twice);
    let dropped = || place.account("no-debug")["account"]["dropped"].as_u64().unwrap();
    let expected = (COUNT - kept.len()) as u64 * 2;
    assert!(eventually(|| dropped() >= expected), "{}", dropped());
    assert_eq!(dropped(), expected);
    if is_in_kernel(&running) {
        let in_kernel =
            |socket: &str| running.metric(&format!("dtq_datagram_kernel_dropped_total{{socket=\"{socket}\"}}"));
        let half = expected / 2;
        assert_eq!((in_kernel(&place.argument("in.sock")), in_kernel(&format!("udp:{udp}"))), (half, half));
    }
    running.end();
}
