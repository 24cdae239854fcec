//! What no rule, no tap, no request and no peer can do: the claims of `docs/collect-security.md`.

use crate::peers::{PROTOBUF, logs, post, send_logs};
use crate::place::Place;
use crate::started::eventually;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const RULES: &str = "  - {name: none, to: drop, kql: logs | where Body == 'none'}\n";

#[test]
fn no_rule_reads_a_file_elsewhere_or_opens_a_connection() {
    let place = Place::new(RULES);
    std::fs::write(place.path("secret.kql"), "logs").unwrap();
    std::fs::write(place.path("rules/beside.kql"), "logs | where Body == 'beside'").unwrap();
    let running = place.start();
    let secret = place.argument("secret.kql");
    let rule = |kql: &str| format!("  - name: x\n    to: drop\n    tiers: [collector]\n    kql: {kql}\n");
    let table = |file: &str| format!("{RULES}tables: {{t: {{file: '{file}'}}}}\n");
    for (rules, said) in [
        (rule("{file: ../secret.kql}"), "E5020"),
        (rule(&format!("{{file: '{secret}'}}")), "E5020"),
        (rule("{file: 'a/../../secret.kql'}"), "E5020"),
        (rule("{file: 'file:///etc/passwd'}"), "E5020"),
        (rule("{file: 'https://127.0.0.1:1/x.kql'}"), "E5020"),
        (table("../secret.kql"), "E5020"),
        (table("/etc/passwd"), "E5020"),
        (rule("\"logs | where Body in ((externaldata(a: string) ['https://127.0.0.1:1/x.csv']))\""), "error["),
        (rule("\"logs | where Body in ((externaldata(a: string) ['file:///etc/passwd'] | project a))\""), "error["),
        (rule("\"logs | where Body in ((external_table('t') | project a))\""), "error["),
        (rule("\"logs | where Body in ((cluster('127.0.0.1').database('d').t | project a))\""), "error["),
        (rule("\"logs | where Body in ((evaluate http_request('http://127.0.0.1:1') | project a))\""), "error["),
        (rule("\"logs | evaluate python(typeof(*), 'import os')\""), "error["),
    ] {
        place.write(&rules);
        let refused = place.dtq(&["ctl", "reload"]).code(78);
        assert!(refused.stderr.contains(said), "{rules}: {}", refused.stderr);
        assert!(!refused.stderr.contains("root:"), "{}", refused.stderr);
        assert_eq!(place.passes(&running, &[(9, "none"), (9, "b")]), ["b"]);
    }
    place.write(&rule("{file: beside.kql}"));
    place.order(&["reload"]);
    assert_eq!(place.passes(&running, &[(9, "beside"), (9, "b")]), ["b"]);
    running.end();
}

#[test]
fn what_is_no_file_among_rule_files_holds_nothing_up() {
    let place = Place::new(RULES);
    let running = place.start();
    let made = Command::new("mkfifo").arg(place.path("rules/pipe.yaml")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every system");
    std::os::unix::fs::symlink("/dev/zero", place.path("rules/zero.yaml")).unwrap();
    let status = place.until(|status| !status["refused"].is_null());
    let said = status["refused"].to_string();
    assert!(said.matches("it is no regular file").count() == 2, "{said}");
    assert_eq!(place.passes(&running, &[(9, "none"), (9, "b")]), ["b"]);
    for name in ["rules/pipe.yaml", "rules/zero.yaml"] {
        std::fs::remove_file(place.path(name)).unwrap();
    }
    place.until(|status| status["refused"].is_null());
    running.end();
}

#[test]
fn a_tap_reads_live_records_only_and_within_bounds() {
    let place = Place::new(RULES);
    let running = place.start();
    for query in [
        "externaldata(a: string) ['file:///etc/passwd']",
        "logs | where Body in ((externaldata(a: string) ['https://127.0.0.1:1/x.csv'] | project a))",
        "logs | union (externaldata(a: string) ['file:///etc/passwd'])",
        "logs | join kind=inner (logs) on TraceId",
        "logs | summarize count() by tostring(Body)",
        "range x from 1 to 1000000000 step 1",
        "logs | evaluate python(typeof(*), 'import os')",
        "resources",
    ] {
        let refused = place.dtq(&["tap", query]).code(78);
        assert!(
            !refused.stderr.contains("root:") && !refused.stderr.contains("listens"),
            "{query}: {}",
            refused.stderr
        );
    }
    send_logs(running.address, &logs(&[(9, "warm")]));
    let before = running.peak_bytes();
    // Queries that would make much of little: rows, text, and time.
    let large = "ab".repeat(50_000);
    for query in [
        "logs | mv-expand x = range(1, 1000000000, 1) | take 3",
        "logs | extend x = strrep(tostring(Body), 1000000000) | project x",
        "logs | extend x = repeat(tostring(Body), 1000000) | extend y = strcat_array(x, '') | project y",
        "logs | extend x = extract('(a+)+$', 1, tostring(Body)) | project x",
        "logs | where Body matches regex '((((a|b)*)*)*)*c' | project Body",
    ] {
        let socket = place.argument("control.sock");
        let arguments = ["tap", "--rate", "10000/s", query, "--socket", &socket];
        let mut command = crate::common::command(&arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut tap = command.spawn().unwrap();
        (0..20).for_each(|_| send_logs(running.address, &logs(&[(9, &large), (9, "b")])));
        tap.kill().unwrap();
        tap.wait().unwrap();
    }
    let grown = running.peak_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes");
    assert!(eventually(|| place.dtq(&["top", "--once", "--window", "100ms"]).code == 0));
    assert_eq!(running.metric("dtq_rules_failures_total"), 0);
    running.end();
}

#[test]
fn the_audit_and_the_log_have_a_line_for_each_event_whoever_writes_them() {
    // A destination that would write lines of its own into the log, and colour the terminal.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                    let message = b"\x12\x16\x1b[2J\r\nforged: all is well";
                    let message = [&message[..2], &message[2..24]].concat();
                    let head = "HTTP/1.1 400 Bad\r\ncontent-type: application/x-protobuf\r\ncontent-length: ";
                    let _ = stream.write_all(format!("{head}{}\r\n\r\n", message.len()).as_bytes());
                    let _ = stream.write_all(&message);
                }
            });
        }
    });
    let place = Place::new(RULES);
    let text = std::fs::read_to_string(place.path("collect.yaml")).unwrap();
    let text = text.replace(&place.sink.address.to_string(), &address.to_string());
    std::fs::write(place.path("collect.yaml"), text).unwrap();
    let running = place.start();
    let reply = post(running.address, "/v1/logs", &[PROTOBUF], &logs(&[(9, "a")]));
    assert_eq!(reply.status, 400, "{reply:?}");
    let forged = "x\n{\"time\":\"2024-01-01\",\"op\":\"restore\",\"result\":\"ok\"}\n";
    place.dtq(&["ctl", "off", forged]).code(78);
    place.dtq(&["tap", &format!("logs | where Body == '{forged}'")]).code(78);
    let audit = place.audit();
    assert_eq!(audit.iter().map(|line| line["op"].as_str().unwrap()).collect::<Vec<_>>(), ["start", "off", "tap"]);
    assert_eq!(audit[1]["rule"], forged);
    let said = running.end();
    assert!(said.contains("forged") && !said.contains('\u{1b}'), "{said:?}");
    assert!(!said.lines().any(|line| line.starts_with("forged")), "{said}");
}

#[test]
fn names_that_peers_and_operators_say_are_no_paths() {
    let place = Place::new(RULES);
    let running = place.start();
    for name in ["../../escaped", "/etc/escaped", "..", "a/b", "\u{0}"] {
        if !name.contains('\u{0}') {
            place.dtq(&["ctl", "off", name]).code(78);
        }
        // A rule cannot even have such a name.
        place.write(&format!("  - {{name: '{name}', to: drop, kql: logs}}\n"));
        place.dtq(&["ctl", "reload"]).code(78);
        place.write(&format!("  - {{name: a, to: 'route:{name}', kql: logs}}\n"));
        place.dtq(&["ctl", "reload"]).code(78);
    }
    for path in ["/../../etc/passwd", "/%2e%2e/etc/passwd", "//etc/passwd", "/v1/logs/../../etc/passwd", "/metrics/.."]
    {
        assert_eq!(running.get(path).status, 404, "{path}");
        assert_eq!(post(running.address, path, &[PROTOBUF], b"").status, 404, "{path}");
    }
    let mut names = Vec::new();
    let mut folders = vec![place.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            names.push(path.strip_prefix(place.path("")).unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    let expected = [
        "collect.yaml",
        "control.sock",
        "rules",
        "rules/rules.yaml",
        "state",
        "state/audit.jsonl",
        "state/lock",
        "state/versions",
        "state/versions/1.json",
    ];
    assert_eq!(names, expected);
    assert!(!Path::new("/etc/escaped").exists());
    running.end();
}
