//! `dtq tap` and `dtq top` on the traffic of a process: what they show, and that traffic does not notice.

use crate::common;
use crate::peers::{PROTOBUF, logs, logs_of, post, record, send_logs, spans};
use crate::place::{Place, Running};
use crate::started::{DEADLINE, eventually};
use prost::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};

const RULES: &str =
    "  - {name: hide, to: replace, kql: \"logs | extend Body = iif(Body == 'secret', '***', tostring(Body))\"}
  - {name: no-debug, to: drop, kql: logs | where SeverityNumber between (1 .. 8)}
  - {name: no-trace, to: drop, kql: logs | where Body == 'trace'}\n";

/// A command that looks, and is killed at the end.
struct Looking {
    child: Child,
    lines: Receiver<Value>,
}

impl Looking {
    /// Starts a command, and returns when the process knows it.
    fn start(place: &Place, op: &str, arguments: &[&str]) -> Self {
        let mut child = Self::spawn(place, op, arguments);
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| serde_json::from_str(&line).unwrap()).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Does the same; nobody reads what it writes.
    fn spawn(place: &Place, op: &str, arguments: &[&str]) -> Child {
        let before = place.audit().iter().filter(|line| line["op"] == op).count();
        let socket = place.argument("control.sock");
        let mut command = common::command(&[&[op], arguments, &["--socket", &socket]].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        place.until_audited(op, before + 1);
        child
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(DEADLINE).expect("a line comes")
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tap_reads_the_names_that_operators_use() {
    let place = Place::new(RULES);
    let running = place.start();
    let all = logs(&[(5, "debug"), (9, "info"), (17, "secret")]);
    let send = || {
        send_logs(running.address, &all);
        assert_eq!(post(running.address, "/v1/traces", &[PROTOBUF], &spans(&["GET /a", "GET /b"])).status, 200);
    };
    for (query, expected) in [
        ("logs | project Body", r#"[{"Body":"debug"},{"Body":"info"},{"Body":"***"}]"#),
        (
            "traces | project message, severityLevel",
            r#"[{"message":"debug","severityLevel":0},{"message":"info","severityLevel":1},{"message":"***","severityLevel":3}]"#,
        ),
        ("AppTraces | where SeverityLevel > 1 | project Message", r#"[{"Message":"***"}]"#),
        ("OTELLogs | where Body == 'info' | project Body, SeverityNumber", r#"[{"Body":"info","SeverityNumber":9}]"#),
        ("spans | project SpanName", r#"[{"SpanName":"GET /a"},{"SpanName":"GET /b"}]"#),
        ("requests | project name", r#"[{"name":"GET /a"},{"name":"GET /b"}]"#),
        (
            "OTELTraces | project SpanName, SpanKind",
            r#"[{"SpanName":"GET /a","SpanKind":"SPAN_KIND_SERVER"},{"SpanName":"GET /b","SpanKind":"SPAN_KIND_SERVER"}]"#,
        ),
    ] {
        let tap = Looking::start(&place, "tap", &["--rate", "1000/s", query]);
        send();
        let expected: Value = serde_json::from_str(expected).unwrap();
        let rows: Vec<Value> = expected.as_array().unwrap().iter().map(|_| tap.next()).collect();
        assert_eq!(Value::from(rows), expected, "{query}");
    }
    running.end();
}

#[test]
fn a_tap_looks_before_and_after_a_rule_and_ends_with_its_query() {
    let place = Place::new(RULES);
    let running = place.start();
    let all = logs(&[(5, "debug"), (9, "trace"), (17, "secret")]);
    let query = "traces | project message";
    for (arguments, expected) in [
        (vec![query], vec!["debug", "trace", "***"]),
        (vec!["--before", "no-trace", query], vec!["trace", "***"]),
        (vec!["--after", "no-trace", query], vec!["***"]),
        (vec!["--unredacted", query], vec!["debug", "trace", "secret"]),
        (vec!["--unredacted", "--before", "hide", query], vec!["debug", "trace", "secret"]),
    ] {
        let tap = Looking::start(&place, "tap", &[&["--rate", "1000"], arguments.as_slice()].concat());
        send_logs(running.address, &all);
        let rows: Vec<Value> = expected.iter().map(|_| tap.next()["message"].clone()).collect();
        assert_eq!(rows, expected, "{arguments:?}");
    }
    let mut tap = Looking::start(&place, "tap", &["logs | where SeverityNumber >= 17 | take 2 | project Body"]);
    send_logs(running.address, &all);
    send_logs(running.address, &all);
    assert_eq!((tap.next()["Body"].clone(), tap.next()["Body"].clone()), ("***".into(), "***".into()));
    assert!(tap.child.wait().unwrap().success());
    running.end();
}

/// Returns what was received and what was sent on, as the process counts it.
fn accounts(running: &Running) -> [u64; 4] {
    [
        running.metric("dtq_received_records_total{signal=\"logs\"}"),
        running.metric("dtq_rules_judged_requests_total"),
        running.metric("dtq_sent_requests_total{destination=\"backend\"}"),
        running.metric("dtq_refused_requests_total{cause=\"busy\"}"),
    ]
}

#[test]
fn taps_that_nobody_reads_and_that_are_killed_cost_no_record() {
    let place = Place::new(RULES);
    let running = place.start();
    let large = "x".repeat(4_000);
    let request = logs(&vec![(9, large.as_str()); 20]);
    let mut silent: Vec<Child> = (0..4).map(|_| Looking::spawn(&place, "tap", &["--rate", "10000", "logs"])).collect();
    for round in 0..400 {
        // Readers go away in the middle of it, one after the other.
        if round % 100 == 99 {
            let mut child = silent.pop().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
        }
        send_logs(running.address, &request);
    }
    assert_eq!(accounts(&running), [8_000, 400, 400, 0]);
    assert_eq!(place.sink.records().len(), 8_000);
    // Their places are free again.
    let mut taps = Vec::new();
    let is_one_more = || {
        let tap = Looking::start(&place, "tap", &["logs | take 1"]);
        let is_taken = place.audit().iter().rfind(|line| line["op"] == "tap").unwrap()["result"] == "ok";
        taps.extend(Some(tap).filter(|_| is_taken));
        taps.len() == 8
    };
    // That a reader has gone is noticed within a second or two.
    assert!(eventually(is_one_more));
    let refused = place.dtq(&["tap", "logs"]).code(78);
    assert!(refused.stderr.contains("8 look at live traffic already"), "{}", refused.stderr);
    drop(taps);
    let is_free = || place.dtq(&["top", "--once", "--window", "100ms"]).code == 0;
    assert!(eventually(is_free));
    running.end();
}

/// Adds the windows of a top until so many records came; gives records and bytes of each event.
fn sums(top: &Looking, records: u64) -> BTreeMap<(String, String, String), (u64, u64)> {
    let (mut sums, mut seen) = (BTreeMap::new(), 0);
    while seen < records {
        let window = top.next();
        assert_eq!((&window["requests_left_out"], &window["too_large"]), (&0.into(), &0.into()));
        seen += window["records"].as_u64().unwrap();
        for event in window["events"].as_array().unwrap() {
            let part = |key: &str| event[key].as_str().unwrap().to_owned();
            let sum: &mut (u64, u64) = sums.entry((part("event"), part("severity"), part("service"))).or_default();
            sum.0 += event["records"].as_u64().unwrap();
            sum.1 += event["bytes"].as_u64().unwrap();
            assert_eq!(event["missed_at_most"], 0);
        }
    }
    assert_eq!(seen, records);
    sums
}

#[test]
fn top_counts_what_there_was_to_the_record_and_the_byte() {
    let place = Place::new("  - {name: none, to: drop, kql: logs | where Body == 'none'}\n");
    let running = place.start();
    let by_records = Looking::start(&place, "top", &["--window", "200ms", "--output", "json"]);
    let by_bytes = Looking::start(&place, "top", &["--bytes", "--window", "200ms", "-n", "1", "--output", "json"]);
    let mut expected = BTreeMap::<(String, String, String), (u64, u64)>::new();
    let mut total = 0;
    let mut send = |service: &str, event: &str, severity: (i32, &str), bodies: Vec<String>| {
        let records: Vec<_> = bodies.iter().map(|body| record(severity.0, body)).collect();
        let sum = expected.entry((event.to_owned(), severity.1.to_owned(), service.to_owned())).or_default();
        for record in &records {
            let size = record.encoded_len() as u64;
            // Tag and length stand in front of a record; they are its bytes, too.
            *sum = (sum.0 + 1, sum.1 + size + 1 + u64::from(size >= 128) + 1);
        }
        total += records.len() as u64;
        send_logs(running.address, &logs_of(service, records));
    };
    for round in 0..20 {
        send(
            "cart",
            "user * logged in",
            (9, "INFO"),
            (0..30).map(|at| format!("user {round}{at} logged in")).collect(),
        );
        send("mail", "user * logged in", (9, "INFO"), (0..7).map(|at| format!("user {at} logged in")).collect());
        let line = "long ".repeat(60);
        send("cart", &format!("{}...", &"long ".repeat(60)[..120]), (17, "ERROR"), vec![line; 2]);
    }
    assert_eq!(sums(&by_records, total), expected);
    // By bytes the few long ones are first in every window that has them.
    let mut seen = 0;
    while seen < total {
        let window = by_bytes.next();
        seen += window["records"].as_u64().unwrap();
        let events = window["events"].as_array().unwrap();
        assert!(events.len() <= 1);
    }
    let three = logs_of("cart", vec![record(9, "short"), record(9, "short"), record(9, &"long ".repeat(60))]);
    let mut window = Value::Null;
    // Where this waits for a processor, the window may be over before anything came.
    let is_within = || {
        let once = Looking::start(&place, "top", &["--once", "--window", "2s", "--bytes", "--output", "json"]);
        send_logs(running.address, &three);
        window = once.next();
        window["records"] == 3
    };
    assert!(eventually(is_within));
    let events = window["events"].clone();
    let order: Vec<(u64, bool)> = (events.as_array().unwrap().iter())
        .map(|event| (event["records"].as_u64().unwrap(), event["event"] == "short"))
        .collect();
    assert_eq!(order, [(1, false), (2, true)]);
    running.end();
}
