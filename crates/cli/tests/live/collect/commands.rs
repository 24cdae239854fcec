//! `dtq ctl`, `tap` and `top` as commands: what they print, in every form, and what they say when nobody answers.

use crate::common::{self, Ran};
use crate::peers::{logs, send_logs};
use crate::place::Place;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;

const RULES: &str =
    "  - {name: hide, to: replace, kql: \"logs | extend Body = iif(Body == 'secret', '***', tostring(Body))\"}
  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}\n";

#[test]
fn answers_are_text_for_people_and_json_for_programs() {
    let place = Place::new(RULES);
    let running = place.start();
    send_logs(running.address, &logs(&[(5, "debug"), (9, "secret")]));
    let text = place.order(&["status"]);
    let first = format!("dtq {}, process {}\n", env!("CARGO_PKG_VERSION"), running.process.pid());
    assert!(
        text.starts_with(&first) && text.contains("rules: version 1 since 20") && text.contains("judged 1"),
        "{text}"
    );
    let rules = place.order(&["rules"]);
    let rows: Vec<Vec<&str>> = rules.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().any(|row| row.starts_with(&["hide", "enforce", "redact", "2"])), "{rules}");
    assert!(rows.iter().any(|row| row.starts_with(&["no-debug", "enforce", "reduce", "2", "1", "1"])), "{rules}");
    let off: Value = serde_json::from_str(&place.order(&["off", "no-debug", "--output", "json"])).unwrap();
    assert_eq!(off, serde_json::json!({"ok": true, "message": "`no-debug` is off"}));
    let refused = place.dtq(&["ctl", "off", "no-debg", "--output", "json"]).code(78);
    let refused: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(refused, serde_json::json!({"ok": false, "message": "there is no rule `no-debg`; `no-debug` is one"}));
    let refused = place.dtq(&["ctl", "off", "no-debg"]).code(78);
    assert_eq!(
        (refused.stdout.as_str(), refused.stderr.as_str()),
        ("", "error: there is no rule `no-debg`; `no-debug` is one\n")
    );
    let rules = place.order(&["rules"]);
    assert!(rules.contains("an operator turned it off"), "{rules}");
    for (arguments, code, said) in [
        (vec!["ctl", "rollback"], 78, "there is no version before 1"),
        (vec!["ctl", "rollback", "9"], 78, "there is no version 9"),
        (vec!["ctl", "restore"], 0, "the ripcord is not pulled"),
        (vec!["ctl", "off", "no-debug"], 0, "`no-debug` is off already"),
        (vec!["ctl", "off", "../../etc/passwd"], 78, "there is no rule `../../etc/passwd`"),
        (vec!["ctl", "nothing"], 64, "unrecognized subcommand"),
        (vec!["tap", "logs | where Bodi == 1"], 78, "E2001"),
        (vec!["tap", "logs | summarize count()"], 78, "one record of one table at a time"),
        (vec!["tap", "logs", "--before", "hide"], 78, "--unredacted"),
        (vec!["tap", "logs", "--rate", "0/s"], 64, "1/s to 10000/s"),
        (vec!["tap", "nothing"], 78, "nothing"),
        (vec!["top", "--once", "--window", "100ms"], 0, "records, "),
    ] {
        let ran = place.dtq(&arguments).code(code);
        assert!([ran.stdout, ran.stderr.clone()].concat().contains(said), "{arguments:?}: {}", ran.stderr);
    }
    running.end();
}

#[test]
fn terminals_are_safe_from_telemetry() {
    let place = Place::new(RULES);
    let running = place.start();
    let tap = place.argument("out");
    let socket = place.argument("control.sock");
    let out = std::fs::File::create(&tap).unwrap();
    let arguments = ["tap", "logs | take 1 | project Body, x = strcat('\u{1b}[2J', Body)", "--socket", &socket];
    let mut child = common::command(&arguments).stdout(out).spawn().unwrap();
    place.until_audited("tap", 1);
    send_logs(running.address, &logs(&[(9, "\u{1b}]0;owned\u{7}")]));
    assert!(child.wait().unwrap().success());
    let shown = std::fs::read_to_string(&tap).unwrap();
    assert!(!shown.contains('\u{1b}') && shown.contains("owned"), "{shown:?}");
    running.end();
}

fn without_process(socket: &Path) -> Vec<Ran> {
    let socket = socket.to_str().unwrap();
    let all = [&["ctl", "status"][..], &["ctl", "status", "--output", "json"], &["tap", "logs"], &["top", "--once"]];
    all.map(|arguments| common::dtq(&[arguments, &["--socket", socket]].concat()).code(65)).into()
}

#[test]
fn who_reaches_nobody_is_told_which_socket_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.sock");
    // Nobody listens any more: a process that was killed leaves its socket.
    let left = folder.path().join("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (socket, why) in [(&missing, "No such file"), (&left, "Connection refused"), (&file, "Connection refused")] {
        for ran in without_process(socket) {
            let said = format!("cannot connect to `{}`: {why}", socket.display());
            assert!(ran.stdout.is_empty() && ran.stderr.contains(&said), "{}", ran.stderr);
            assert!(ran.stderr.contains("is `dtq collect` running, as this user?"), "{}", ran.stderr);
        }
    }
    // Somebody who speaks something else.
    let other = folder.path().join("other.sock");
    let listener = UnixListener::bind(&other).unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        listener.incoming().map_while(Result::ok).for_each(|mut stream| drop(stream.write_all(b"220 smtp\r\n")));
    });
    for ran in without_process(&other) {
        assert!(ran.stderr.contains("the connection to the process failed"), "{}", ran.stderr);
    }
}

#[test]
fn another_user_controls_nothing() {
    let place = Place::new(RULES);
    let running = place.start();
    place.order(&["off", "no-debug"]);
    // Even where the folder and the socket let him in, the kernel says who he is.
    for open in [false, true] {
        if open {
            for (name, mode) in [("", 0o755), ("control.sock", 0o666)] {
                std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        let mut command = common::command(&["ctl", "ripcord", "--socket", &place.argument("control.sock")]);
        command.uid(65_534).gid(65_534).current_dir("/");
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("SKIPPED: another_user_controls_nothing: cannot run the binary as another user: {error}");
                return;
            }
        };
        let ran = common::ran(output);
        let (code, said) = if open {
            (78, "only the user of this process and root may control it")
        } else {
            (65, "Permission denied")
        };
        let ran = ran.code(code);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert!(place.status()["ripcord"].is_null());
    assert_eq!(place.audit().iter().filter(|line| line["op"] == "ripcord").count(), 0);
    for (name, mode) in
        [("control.sock", 0o666), ("state", 0o700), ("state/state.json", 0o600), ("state/audit.jsonl", 0o600)]
    {
        let found = std::fs::metadata(place.path(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    running.end();
}
