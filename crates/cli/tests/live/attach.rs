//! `dtq kernel attach` on sockets of this process, `status` and `detach`.

use crate::common::{dtq, file, folder};
use crate::may_attach;
use crate::started::{Started, eventually};
use serde_json::Value;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A message of user.debug, and one of user.info.
const DEBUG: &[u8] = b"<15>Jan  2 03:04:05 host app: something small";
const INFO: &[u8] = b"<14>Jan  2 03:04:05 host app: something";

const NO_DEBUG: &str = "apiVersion: dtq/v1
rules:
  - name: no-debug
    to: drop
    kql: logs | where SeverityNumber between (1 .. 8)
";

/// A unix socket of this process, who sends to it, and rules in a file.
struct Place {
    socket: UnixDatagram,
    sender: UnixDatagram,
    path: String,
    rules: String,
    folder: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = folder(name);
        let path = folder.join("s").to_str().unwrap().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&path).unwrap();
        let rules = file(&folder, "rules.yaml", NO_DEBUG.as_bytes());
        Self { socket, sender, path, rules, folder }
    }

    fn attach(&self, more: &[&str]) -> Started {
        let arguments = ["kernel", "attach", "--payload", "syslog", "--rules", &self.rules, "--socket", &self.path];
        Started::start(&[&arguments[..], more].concat())
    }

    /// Sends a datagram, and says whether it arrives.
    fn passes(&self, datagram: &[u8]) -> bool {
        self.sender.send(datagram).unwrap();
        let mut buffer = [0; 256];
        self.socket.recv(&mut buffer).is_ok_and(|size| &buffer[..size] == datagram)
    }
}

fn status(pid: &str) -> Value {
    let ran = dtq(&["kernel", "status", "--output", "json", pid]).code(0);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn what_is_attached_drops_counts_and_goes() {
    if !may_attach("what_is_attached_drops_counts_and_goes") {
        return;
    }
    let place = Place::new("k-attach");
    let attached = place.attach(&[]);
    for _ in 0..100 {
        assert!(!place.passes(DEBUG));
    }
    for _ in 0..10 {
        assert!(place.passes(INFO));
    }
    assert!(place.passes(b"no syslog"));
    let account = status(&attached.pid());
    let bytes = 100 * DEBUG.len();
    assert_eq!(account["rules"][0]["rule"], "no-debug");
    assert_eq!(account["rules"][0]["dropped"], serde_json::json!({"count": 100, "bytes": bytes}));
    assert_eq!(account["dropped"]["count"], 100);
    let kept = account["kept"]["count"].as_u64().unwrap();
    let undecided: u64 =
        account["undecided"].as_object().unwrap().values().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(kept + undecided, 11, "{account}");
    assert!(account["ns_per_datagram"].as_f64().is_none_or(|ns| ns > 0.0), "{account}");
    let shown = dtq(&["kernel", "status", &attached.pid()]).code(0).stdout;
    assert!(shown.contains("no-debug  whole") && shown.contains(&place.path), "{shown}");
    // A filter that is there is no one else's to replace.
    let arguments = ["kernel", "attach", "--payload", "syslog", "--rules", &place.rules, "--socket", &place.path];
    let second = dtq(&arguments).code(78);
    assert!(second.stderr.contains("has a filter already"), "{}", second.stderr);
    assert!(!place.passes(DEBUG));
    let last = dtq(&["kernel", "detach", &attached.pid()]).code(0).stdout;
    assert!(last.contains("no-debug  whole"), "{last}");
    assert!(place.passes(DEBUG), "it was detached before `detach` answered");
    let (code, said) = attached.end();
    assert!(code == Some(0) && said.contains("101 dropped"), "{said}");
}

#[test]
fn rules_that_change_are_taken_and_wrong_ones_not() {
    if !may_attach("rules_that_change_are_taken_and_wrong_ones_not") {
        return;
    }
    let place = Place::new("k-swap");
    let mut attached = place.attach(&[]);
    assert!(!place.passes(DEBUG));
    let rewrite = |text: &str| {
        // As an editor does: another file in the place of the one that was there.
        let next = file(&place.folder, "next.yaml", text.as_bytes());
        std::fs::rename(next, &place.rules).unwrap();
    };
    rewrite(&NO_DEBUG.replace("between (1 .. 8)", "== 9").replace("no-debug", "no-info"));
    attached.wait_for("replaced: the rules of now are in the kernel");
    assert!(place.passes(DEBUG) && !place.passes(INFO));
    rewrite("rules: [");
    attached.wait_for("those of before go on");
    assert!(place.passes(DEBUG) && !place.passes(INFO));
    rewrite(&NO_DEBUG.replace("to: drop", "to: drop\n    tiers: [collector]"));
    attached.wait_for("everything is kept");
    assert!(place.passes(DEBUG) && place.passes(INFO));
    rewrite(NO_DEBUG);
    attached.wait_for("replaced: the rules of now are in the kernel");
    assert!(!place.passes(DEBUG) && place.passes(INFO));
    let account = status(&attached.pid());
    assert_eq!((&account["swaps"], &account["refused_swaps"]), (&3.into(), &1.into()));
    let dropped = |name: &str| {
        let rules = account["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["rule"] == name).unwrap();
        (rule["goes"].clone(), rule["dropped"]["count"].clone())
    };
    assert_eq!(dropped("no-debug"), ("whole".into(), 2.into()));
    assert_eq!(dropped("no-info"), ("removed".into(), 2.into()));
    attached.signal("TERM");
    let (code, said) = attached.end();
    assert!(code == Some(0) && said.contains("rules: replaced 3 times, 1 wrong sets refused"), "{said}");
    assert!(place.passes(DEBUG));
}

#[test]
fn a_killed_process_leaves_nothing() {
    if !may_attach("a_killed_process_leaves_nothing") {
        return;
    }
    let place = Place::new("k-kill");
    let mut attached = place.attach(&[]);
    let pid = attached.pid();
    assert!(!place.passes(DEBUG));
    attached.child.kill().unwrap();
    attached.child.wait().unwrap();
    assert!(eventually(|| place.passes(DEBUG)), "the filter stays");
    let listed = dtq(&["kernel", "status", "--output", "json"]).code(0).stdout;
    assert!(!listed.contains(&format!("\"pid\":{pid},")), "{listed}");
    // The guard has removed what kept everything, so that nobody has to replace it.
    let removed = || dtq(&["kernel", "detach", "--socket", &place.path]).code(0).stderr.contains("no filter is on");
    assert!(eventually(removed));
}

#[test]
fn the_end_of_the_socket_is_the_end() {
    if !may_attach("the_end_of_the_socket_is_the_end") {
        return;
    }
    let Place { socket, sender, path, rules, folder } = Place::new("k-closed");
    let attached = Started::start(&["kernel", "attach", "--payload", "syslog", "--rules", &rules, "--socket", &path]);
    sender.send(DEBUG).unwrap();
    drop(socket);
    let (code, said) = attached.end();
    assert!(code == Some(0) && said.contains("the sockets are closed") && said.contains("1 dropped"), "{said}");
    assert!(folder.join("s").exists(), "the file is its owner's");
}

#[test]
fn a_udp_socket_is_found_by_address_and_by_descriptor() {
    if !may_attach("a_udp_socket_is_found_by_address_and_by_descriptor") {
        return;
    }
    let folder = folder("k-udp");
    let rules = file(
        &folder,
        "rules.yaml",
        b"apiVersion: dtq/v1
rules:
  - name: no-ping
    to: drop
    kql: logs | where Attributes[\"path\"] == \"/ping\"
",
    );
    let (socket, sender) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(crate::started::DEADLINE)).unwrap();
    let (pid, descriptor) = (std::process::id().to_string(), socket.as_raw_fd().to_string());
    let report = folder.join("account.json");
    for named in [&["--udp", &address.to_string()][..], &["--pid", &pid, "--fd", &descriptor]] {
        let arguments =
            ["kernel", "attach", "--payload", "json", "--rules", &rules, "--report", report.to_str().unwrap()];
        let attached = Started::start(&[&arguments[..], named].concat());
        for text in ["{\"path\":\"/ping\"}", "{\"path\":\"/pong\"}", "{\"path\":\"/ping\",\"n\":1}", "{\"n\":2}"] {
            sender.send_to(text.as_bytes(), address).unwrap();
        }
        let mut buffer = [0; 64];
        let mut receive = || socket.recv(&mut buffer).map(|size| String::from_utf8_lossy(&buffer[..size]).into_owned());
        assert_eq!(receive().unwrap(), "{\"path\":\"/pong\"}");
        assert_eq!(receive().unwrap(), "{\"n\":2}");
        attached.signal("INT");
        let (code, said) = attached.end();
        assert_eq!(code, Some(0), "{said}");
        let account: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!((&account["dropped"]["count"], &account["kept"]["count"]), (&2.into(), &2.into()), "{account}");
    }
}

#[test]
fn what_is_attached_for_a_time_ends_with_it() {
    if !may_attach("what_is_attached_for_a_time_ends_with_it") {
        return;
    }
    let place = Place::new("k-for");
    let (code, said) = place.attach(&["--for", "300ms"]).end();
    assert!(code == Some(0) && said.contains("datagrams: 0 seen"), "{said}");
    assert!(place.passes(DEBUG));
}

#[test]
fn what_a_control_group_sends_is_filtered() {
    if !may_attach("what_a_control_group_sends_is_filtered") {
        return;
    }
    let probe: Value = serde_json::from_str(&dtq(&["kernel", "probe", "--output", "json"]).stdout).unwrap();
    if probe["features"]["cgroup-egress"] != "yes" || !Path::new("/sys/fs/cgroup/cgroup.procs").exists() {
        eprintln!("SKIPPED: what_a_control_group_sends_is_filtered: {}", probe["features"]["cgroup-egress"]);
        return;
    }
    let folder = folder("k-cgroup");
    let rules = file(&folder, "rules.yaml", NO_DEBUG.as_bytes());
    let (socket, sender) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(crate::started::DEADLINE)).unwrap();
    let (pid, port) = (std::process::id().to_string(), address.port().to_string());
    let arguments =
        ["kernel", "attach", "--payload", "syslog", "--rules", &rules, "--cgroup-of", &pid, "--port", &port];
    let attached = Started::start(&arguments);
    for datagram in [DEBUG, INFO] {
        sender.send_to(datagram, address).unwrap();
    }
    let mut buffer = [0; 128];
    let size = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..size], INFO);
    let last = dtq(&["kernel", "detach", "--output", "json", &attached.pid()]).code(0).stdout;
    let account: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&account["dropped"]["count"], &account["kept"]["count"]), (&1.into(), &1.into()), "{account}");
    assert_eq!(attached.end().0, Some(0));
}

#[test]
fn without_rights_the_message_says_what_is_missing() {
    let folder = folder("k-rights");
    let rules = file(&folder, "rules.yaml", NO_DEBUG.as_bytes());
    let listen = folder.join("s");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_dtq"), "kernel", "relay"]);
    command.args(["--payload", "syslog", "--rules", &rules, "--forward", "-", "--listen"]).arg(&listen);
    let output = match command.output() {
        Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("setpriv:") => output,
        other => return eprintln!("SKIPPED: without_rights_the_message_says_what_is_missing: {other:?}"),
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(78) && said.contains("CAP_BPF"), "{said}");
    assert!(said.contains("everything else of dtq works without") && !listen.exists(), "{said}");
}
