//! Damaged input by every way in, without sockets where that is possible: the laws of the fuzz targets `collect_*`, on a
//! stable compiler and in a few seconds.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing is to fail there")]

use bytes::Bytes;
use dtq_collector::account::ReceiveAccount;
use dtq_collector::auth::Auth;
use dtq_collector::coding::Coding;
use dtq_collector::config;
use dtq_collector::events::Events;
use dtq_collector::intake::{Ack, Intake};
use dtq_collector::limits::Limits;
use dtq_collector::pipeline::Judge;
use dtq_collector::receive::{Receiver, grpc_path, http_path};
use dtq_collector::rules::governor::{Governor, Who};
use dtq_collector::rules::settings::EngineChoice;
use dtq_collector::rules::{Bounds, Rules, Settings};
use dtq_collector::status::Cause;
use dtq_record::otlp::Signal;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Numbers that are the same in every run (xorshift64, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Changes, removes, repeats or moves some of the bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, self.below(256) as u8),
                3 => {
                    let piece = bytes[at..bytes.len().min(at + 20)].to_vec();
                    let to = self.below(bytes.len());
                    drop(bytes.splice(to..to, piece));
                }
                _ if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                _ => {}
            }
        }
    }
}

const RULES: &str = "apiVersion: dtq/v1\nrules:\n\
    - {name: hide, to: replace, on_error: drop, kql: \"logs | extend Attributes = redact(Attributes, '[0-9]+', '*')\"}\n\
    - {name: few, to: drop, kql: \"logs | where Body has 'a' or tostring(Attributes['b']['c']) == 'd'\"}\n\
    - {name: note, to: logs, kql: 'logs | where SeverityNumber > 16 | project Body'}\n";

fn settings(folder: &Path) -> Settings {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    Settings {
        files: vec![folder.join("rules.yaml")],
        socket: Some(folder.join("control.sock")),
        state: Some(folder.join("state")),
        engine: EngineChoice::Interp,
        bounds: Bounds { audit_bytes: 16 << 10, ..Bounds::default() },
    }
}

fn request() -> Vec<u8> {
    let text = |text: &str| Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) });
    let attribute = |key: &str| KeyValue { key: key.to_owned(), value: text("4111"), ..KeyValue::default() };
    let record = |body: &str| LogRecord {
        body: text(body),
        severity_number: 17,
        attributes: vec![attribute("b"), attribute("card")],
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: vec![record("a"), record("b")], ..ScopeLogs::default() }];
    let logs = ResourceLogs { scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![logs.clone(), logs] }.encode_to_vec()
}

#[test]
fn damaged_requests_have_a_right_answer_and_leave_nothing_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, _owed) = Rules::start(settings(folder.path())).unwrap_or_else(|refusal| panic!("{refusal}"));
    let rules = Arc::new(rules);
    let account = Arc::new(ReceiveAccount::default());
    let intake = Arc::new(Intake::new(Arc::clone(&rules), Ack::Delivered, Vec::new(), Arc::clone(&account)));
    let limits = Limits { inflated_bytes_max: 4 << 10, records_max: 100, ..Limits::default() };
    let receiver = Receiver::new(intake, Arc::clone(&account), limits, Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (plain, mut random) = (request(), Random(0x9E37_79B9_7F4A_7C15));
    let mut json = String::new();
    dtq_record::otlp::to_json::append_json(&mut json, Signal::Logs, &plain, 100).unwrap();
    let (mut taken, rounds) = (0, 6_000);
    for _ in 0..rounds {
        let kind = *random.of(&["application/grpc", "application/x-protobuf", "application/json"]);
        let coding = *random.of(&[Coding::Identity, Coding::Gzip, Coding::Zstd]);
        let is_grpc = kind == "application/grpc";
        let mut body = if kind == "application/json" { json.clone().into_bytes() } else { plain.clone() };
        if random.below(2) == 0 {
            random.damage(&mut body);
        }
        let mut body = coding.deflate(&body.into()).to_vec();
        if is_grpc {
            let head = [&[u8::from(coding != Coding::Identity)], &(body.len() as u32).to_be_bytes()[..]].concat();
            body.splice(0..0, head);
        }
        if random.below(4) == 0 {
            random.damage(&mut body);
        }
        let path = if is_grpc { grpc_path(Signal::Logs) } else { http_path(Signal::Logs) };
        let name = if is_grpc { "grpc-encoding" } else { "content-encoding" };
        let head = Request::post(path).header("content-type", kind).header(name, coding.name());
        let request = head.body(Full::new(Bytes::from(body))).unwrap();
        let (reply, body) = runtime.block_on(async {
            let (head, body) = receiver.answer(&Auth::default(), request).await.into_parts();
            (head, body.collect().await.map_err(drop).unwrap())
        });
        let code = |headers: &hyper::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse::<u32>().ok();
        let code = code(&reply.headers).or_else(|| body.trailers().and_then(code));
        let is_right = match code {
            Some(code) => is_grpc && reply.status == 200 && matches!(code, 0 | 3 | 8),
            None => !is_grpc && matches!(reply.status.as_u16(), 200 | 400 | 413),
        };
        assert!(is_right, "{kind} {coding:?}: {} {code:?}", reply.status);
        taken += u64::from(reply.status == 200 && code.unwrap_or(0) == 0);
    }
    assert!(taken > rounds / 3 && taken < rounds, "{taken} of {rounds} were taken");
    let refused: u64 = Cause::ALL.iter().map(|cause| account.refused(*cause).get()).sum();
    assert_eq!((account.of(Signal::Logs).requests.get(), refused), (taken, rounds - taken));
    assert_eq!((account.in_flight.get(), account.abandoned.get()), (0, 0));
    let counts = &rules.shared().counts;
    assert_eq!((counts.judged.load(Ordering::Relaxed), counts.failures.load(Ordering::Relaxed)), (taken, 0));
    runtime.block_on(rules.finish());
}

#[test]
fn damaged_configurations_are_refused_with_reasons_at_places_that_exist() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/collect.example.yaml");
    let example = std::fs::read(path).unwrap();
    let (mut random, mut right) = (Random(1), 0);
    for _ in 0..1_500 {
        let mut text = example.clone();
        random.damage(&mut text);
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let read = config::read(&text, &|_| None);
        right += usize::from(read.config.is_some());
        assert!(read.config.is_some() == read.errors.is_empty(), "{:?}", read.errors);
        for fault in read.errors.iter().chain(&read.warnings) {
            assert!(!fault.message.is_empty() && fault.line <= lines + 1, "{fault} of {lines} lines");
        }
    }
    assert!(right > 200 && right < 1_500, "{right} of 1,500 are right");
    // Small texts that would be large: names for parts, and names for those.
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "));
    }
    for text in [bomb, "[".repeat(100_000), "{a: ".repeat(100_000), "? ".repeat(100_000), "- ".repeat(100_000)] {
        assert!(config::read(text.as_bytes(), &|_| None).config.is_none());
    }
}

#[test]
fn damaged_lines_over_the_control_socket_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, _owed) = Rules::start(settings(folder.path())).unwrap_or_else(|refusal| panic!("{refusal}"));
    let lines = [
        r#"{"op":"status"}"#,
        r#"{"op":"rules"}"#,
        r#"{"op":"off","rule":"few"}"#,
        r#"{"op":"on","rule":"few"}"#,
        r#"{"op":"rollback","version":1}"#,
        r#"{"op":"ripcord","also_protective":2}"#,
        r#"{"op":"restore"}"#,
        r#"{"op":"reload"}"#,
        r#"{"op":"tap","query":"logs | where Body == 1","rate":1,"unredacted":true}"#,
    ];
    let (mut random, mut obeyed) = (Random(2), 0);
    for _ in 0..300 {
        let stream = UnixStream::connect(folder.path().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        let mut answers = BufReader::new(&stream);
        for _ in 0..4 {
            let mut line = random.of(&lines).as_bytes().to_vec();
            if random.below(2) == 0 {
                random.damage(&mut line);
            }
            line.retain(|byte| *byte != b'\n');
            (&stream).write_all(&[&line[..], b"\n"].concat()).unwrap();
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let is_obeyed = answer["ok"].as_bool().unwrap();
            obeyed += usize::from(is_obeyed);
            assert!(is_obeyed || !answer["message"].as_str().unwrap().is_empty());
            assert!(!answer.to_string().contains("a mistake in dtq"), "{answer}");
            if line.windows(5).any(|part| part == b"\"tap\"") {
                break;
            }
        }
    }
    assert!(obeyed > 200, "{obeyed}");
    assert_eq!(rules.governor().status().problems, Vec::<String>::new());
}

#[test]
fn a_process_begins_with_whatever_the_one_before_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let state = folder.path().join("state");
    let open = || {
        let (governor, _, thread) =
            Governor::open(settings.clone(), None, Events::silent()).unwrap_or_else(|refusal| panic!("{refusal}"));
        (governor, thread)
    };
    let (governor, thread) = open();
    assert!(governor.off(Who::Start, "few").ok);
    assert!(governor.rollback(Who::Start, Some(1)).ok);
    drop(governor);
    thread.join().unwrap();
    let names = ["state.json", "versions/1.json", "audit.jsonl"];
    let whole: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(state.join(name)).unwrap()).collect();
    let (mut random, mut known) = (Random(3), 0);
    for _ in 0..150 {
        for (name, whole) in names.iter().zip(&whole) {
            let mut bytes = whole.clone();
            random.damage(&mut bytes);
            std::fs::write(state.join(name), bytes).unwrap();
        }
        let (governor, thread) = open();
        let status = governor.status();
        known += usize::from(status.problems.is_empty());
        for version in [0, 1, 2] {
            let answer = governor.rollback(Who::Start, Some(version));
            assert!(answer.ok || !answer.message.is_empty());
        }
        assert!(governor.reload(Who::Start).ok);
        assert!(governor.off(Who::Start, "few").ok);
        drop(governor);
        thread.join().unwrap();
    }
    assert!(known > 20 && known < 150, "{known}");
}
