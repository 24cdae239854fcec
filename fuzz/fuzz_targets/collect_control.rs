//! Any lines over the control socket of rules that run: each is answered with a line, and rules go on.
#![no_main]

use dtq_collector::rules::settings::EngineChoice;
use dtq_collector::rules::{Bounds, Rules, Settings};
use dtq_fuzz::Share;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

static SHARE: Share = Share::new();

const RULES: &str = "apiVersion: dtq/v1\nrules:\n  \
    - {name: a, to: replace, on_error: drop, kql: 'logs | extend Body = 1'}\n  \
    - {name: b, to: 'table:t', for: 1m, kql: 'logs | project k = SeverityText'}\n  \
    - {name: c, to: drop, tiers: [collector], kql: 'logs | where SeverityText in ((t | project k))'}\n";

static PLACE: LazyLock<(PathBuf, Rules)> = LazyLock::new(|| {
    let base = PathBuf::from("/dev/shm");
    let base = if base.is_dir() { base } else { std::env::temp_dir() };
    let folder = base.join(format!("dtq-fuzz-control-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("it can be made");
    std::fs::write(folder.join("rules.yaml"), RULES).expect("it can be written");
    let settings = Settings {
        files: vec![folder.join("rules.yaml")],
        socket: Some(folder.join("control.sock")),
        state: Some(folder.join("state")),
        engine: EngineChoice::Interp,
        bounds: Bounds { audit_bytes: 64 << 10, connections: 1_000, ..Bounds::default() },
    };
    let (rules, _) = Rules::start(settings).unwrap_or_else(|refusal| panic!("{refusal}"));
    (folder.join("control.sock"), rules)
});

const LINES: &[&str] = &[
    "{\"op\":\"status\"}",
    "{\"op\":\"rules\"}",
    "{\"op\":\"off\",\"rule\":\"a\"}",
    "{\"op\":\"off\",\"rule\":\"b\"}",
    "{\"op\":\"off\",\"rule\":\"../../c\"}",
    "{\"op\":\"on\",\"rule\":\"c\"}",
    "{\"op\":\"on\",\"rule\":\"a\"}",
    "{\"op\":\"rollback\",\"version\":1}",
    "{\"op\":\"rollback\"}",
    "{\"op\":\"ripcord\"}",
    "{\"op\":\"ripcord\",\"also_protective\":2}",
    "{\"op\":\"restore\"}",
    "{\"op\":\"reload\"}",
    "{\"op\":\"top\",\"window_ms\":100,\"once\":true}",
];

/// Returns a line: bytes as they are, a request, a request with a byte changed, or a tap with any query.
fn line(bytes: &[u8]) -> Vec<u8> {
    let [kind, rest @ ..] = bytes else { return Vec::new() };
    let mut line = LINES[usize::from(kind / 4) % LINES.len()].as_bytes().to_vec();
    match (kind % 4, rest) {
        (0, rest) => line = rest.to_vec(),
        (1, [at, byte, ..]) => {
            let at = usize::from(*at) % line.len();
            line[at] = *byte;
        }
        (2, rest) => {
            let query = dtq_fuzz::query::text(rest).replace("T0", "logs");
            line = serde_json::json!({"op": "tap", "query": query, "rate": 1}).to_string().into_bytes();
        }
        _ => {}
    }
    line.retain(|byte| *byte != b'\n');
    line
}

fuzz_target!(|bytes: &[u8]| {
    let (socket, rules) = &*PLACE;
    let stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be set");
    let mut answers = BufReader::new(&stream);
    for part in bytes.split(|byte| *byte == 0xFF).take(4) {
        let line = line(part);
        (&stream).write_all(&[&line[..], b"\n"].concat()).expect("it is read");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("it answers");
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        let is_obeyed = answer["ok"].as_bool().expect("an answer says whether it was obeyed");
        assert!(is_obeyed || !answer["message"].as_str().expect("it says why").is_empty());
        assert!(!answer.to_string().contains("a mistake in dtq"), "{answer}");
        SHARE.count(!answer["message"].as_str().is_some_and(|message| message.contains("this is no request")));
        let op = serde_json::from_slice::<Value>(&line).map(|line| line["op"].clone()).unwrap_or_default();
        if op == "tap" || op == "top" {
            return;
        }
    }
    assert_eq!(rules.shared().counts.failures.load(std::sync::atomic::Ordering::Relaxed), 0);
});
