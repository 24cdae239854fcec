//! Requests that are small as they come and large when they are read: refused with the right status, within the bounds.

use crate::http2::message;
use crate::peers::{PROTOBUF, Reply, logs, post, send_logs, try_post};
use crate::place::Place;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Rules that look into records, so that what is in them is read.
const RULES: &str = "  - {name: hide, to: replace, on_error: drop, \
     kql: \"logs | extend Attributes = redact(Attributes, '[0-9]{12}', '***')\"}
  - {name: none, to: drop, kql: \"logs | where Body has 'none' and tostring(Attributes['a']['b']) == 'c'\"}\n";

/// A sixteenth of the defaults, so that little is needed to reach them; none fails for taking long where much is done.
const SMALL: &str = "limits: {request_size: 1MiB, inflated_size: 4MiB, in_flight_size: 16MiB, request_timeout: 80s}\n";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// Returns a field with a message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut size = content.len();
    while size >= 128 {
        out.push((size % 128) as u8 | 128);
        size /= 128;
    }
    out.push(size as u8);
    out.extend(content);
    out
}

/// Returns a request of logs with these records.
fn request(records: &[u8]) -> Vec<u8> {
    field(1, &field(2, records))
}

/// Returns an attribute whose value is nested so deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for at in 0..depth {
        // An array, or a list of keys and values, in turn.
        value = if at % 2 == 0 { field(5, &field(1, &value)) } else { field(6, &field(1, &field(2, &value))) };
    }
    field(6, &[field(1, b"a"), field(2, &value)].concat())
}

const GZIP: (&str, &str) = ("content-encoding", "gzip");
const ZSTD: (&str, &str) = ("content-encoding", "zstd");
const JSON: (&str, &str) = ("content-type", "application/json");
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// What is sent, and what is answered.
struct Bomb {
    name: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
}

fn bombs() -> Vec<Bomb> {
    let bomb = |name, headers: &[(&'static str, &'static str)], body, status| Bomb {
        name,
        headers: headers.to_vec(),
        body,
        status,
    };
    let mebibytes = |count: usize| vec![0; count << 20];
    // A frame of zstd (RFC 8878) of 4 GiB: blocks that repeat one byte.
    let zstd_bomb = {
        let mut out = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58];
        let block = |is_last: u32| (is_last | 1 << 1 | (128 << 10) << 3).to_le_bytes()[..3].to_vec();
        (0..32_768).for_each(|at| out.extend([block(u32::from(at == 32_767)), vec![b'a']].concat()));
        out
    };
    // One that asks for a window of 2 GiB.
    let zstd_window = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3, 1, 0, 0];
    vec![
        bomb("gzip of 64 MiB", &[PROTOBUF, GZIP], gzip(&mebibytes(64)), 413),
        bomb("gzip in many members", &[PROTOBUF, GZIP], gzip(&mebibytes(1)).repeat(64), 413),
        bomb("gzip in gzip", &[PROTOBUF, GZIP], gzip(&gzip(&mebibytes(64))), 400),
        bomb("zstd of 4 GiB", &[PROTOBUF, ZSTD], zstd_bomb, 413),
        bomb("zstd with a window of 2 GiB", &[PROTOBUF, ZSTD], zstd_window, 400),
        bomb("gzip of JSON", &[JSON, GZIP], gzip(&b"[".repeat(4 << 20)), 400),
        bomb(
            "gzip of empty resources in JSON",
            &[JSON, GZIP],
            gzip(&[b"{\"resourceLogs\":[{}", &b",{}".repeat(600_000)[..], b"]}"].concat()),
            200,
        ),
        bomb(
            "gzip of values in JSON",
            &[JSON, GZIP],
            gzip(&[b"{\"resourceLogs\":[{\"x\":[0", &b",0".repeat(1_000_000)[..], b"]}]}"].concat()),
            200,
        ),
        bomb(
            "two million empty records",
            &[PROTOBUF, GZIP],
            gzip(&request(&[field(2, b"")].concat().repeat(2_000_000))),
            413,
        ),
        bomb("half a million empty resources", &[PROTOBUF], field(1, b"").repeat(500_000), 200),
        bomb("half a million empty attributes", &[PROTOBUF], request(&field(2, &field(6, b"").repeat(500_000))), 200),
        bomb("an announced size", &[PROTOBUF], vec![0; 2 << 20], 413),
    ]
}

#[test]
fn bombs_are_refused_and_memory_stays_within_its_bounds() {
    let place = Place::with(RULES, SMALL);
    let running = place.start();
    send_logs(running.address, &logs(&[(9, "a")]));
    let before = running.peak_bytes();
    let bombs = bombs();
    for bomb in &bombs {
        let reply = post(running.address, "/v1/logs", &bomb.headers, &bomb.body);
        let grown = running.peak_bytes().saturating_sub(before) >> 20;
        eprintln!("{}: {} after {} bytes; {grown} MiB", bomb.name, reply.status, bomb.body.len());
        assert_eq!(reply.status, bomb.status, "{}: {reply:?}", bomb.name);
        assert!(reply.status == 200 || !reply.body.is_empty(), "{} says why", bomb.name);
    }
    // All of them at once, several times over, while another sender is served.
    let address = running.address;
    std::thread::scope(|scope| {
        for at in 0..16 {
            let bombs = &bombs;
            scope.spawn(move || {
                for bomb in bombs.iter().cycle().skip(at).take(bombs.len()) {
                    let reply: Option<Reply> = try_post(address, "/v1/logs", &bomb.headers, &bomb.body);
                    // Where memory is used up by others, that is what is said.
                    let status = reply.map_or(bomb.status, |reply| reply.status);
                    assert!(status == bomb.status || status == 429 || status == 503, "{}: {status}", bomb.name);
                }
            });
        }
        for _ in 0..50 {
            let reply = try_post(address, "/v1/logs", &[PROTOBUF], &logs(&[(9, "other")]));
            assert!(reply.is_some_and(|reply| matches!(reply.status, 200 | 429 | 503)));
        }
    });
    let grown = running.peak_bytes().saturating_sub(before);
    eprintln!("all at once: {} MiB", grown >> 20);
    // What requests may hold, buffers that grow, what judging one of them takes, and what the allocator keeps; read one by
    // one and kept, the bombs of all senders would be over 4 GiB.
    assert!(grown < 256 << 20, "{grown} bytes");
    send_logs(running.address, &logs(&[(9, "after all")]));
    assert!(place.sink.bodies().contains(&"after all".to_owned()));
    assert!(running.metric("dtq_refused_requests_total{cause=\"too_large\"}") >= 5);
    assert!(running.metric("dtq_refused_requests_total{cause=\"malformed\"}") >= 3);
    assert_eq!(running.metric("dtq_requests_in_flight"), 0);
    assert_eq!(running.metric("dtq_rules_failures_total"), 0);
    running.end();
}

/// What it is, where it goes, as what, the body, and the statuses that are right.
type Case<'c> = (&'c str, &'c str, (&'c str, &'c str), Vec<u8>, &'c [u16]);

#[test]
fn what_decodes_and_is_nonsense_passes_or_is_refused_and_never_harms() {
    let place = Place::new(RULES);
    let running = place.start();
    let spans = crate::peers::spans(&["GET /"]);
    let deep = |depth| request(&field(2, &nested(depth)));
    let cases: Vec<Case<'_>> = vec![
        // Spans as logs: the same field numbers down to records; the insides are the destination's to judge.
        ("spans as logs", "/v1/logs", PROTOBUF, spans.clone(), &[200]),
        ("logs as metrics", "/v1/metrics", PROTOBUF, logs(&[(9, "a")]), &[200, 400]),
        (
            "another schema",
            "/v1/logs",
            PROTOBUF,
            [field(1, b"name"), vec![0x10, 42], field(3, b"x")].concat(),
            &[200, 400],
        ),
        ("a field of a wrong type", "/v1/logs", PROTOBUF, vec![0x08, 1], &[400]),
        ("groups", "/v1/logs", PROTOBUF, vec![0x0B; 1_000], &[400]),
        ("field 0", "/v1/logs", PROTOBUF, vec![0x02, 0], &[400]),
        ("an endless varint", "/v1/logs", PROTOBUF, vec![0xFF; 20], &[400]),
        ("nested 50 deep", "/v1/logs", PROTOBUF, deep(50), &[200]),
        ("nested 20,000 deep", "/v1/logs", PROTOBUF, deep(20_000), &[200, 400]),
        ("nothing", "/v1/logs", PROTOBUF, Vec::new(), &[200]),
        ("JSON as protobuf", "/v1/logs", PROTOBUF, b"{\"resourceLogs\":[]}".to_vec(), &[400]),
        ("protobuf as JSON", "/v1/logs", JSON, logs(&[(9, "a")]), &[400]),
        ("JSON nested deep", "/v1/logs", JSON, b"{\"a\":".repeat(100_000), &[400]),
        ("JSON of another signal", "/v1/logs", JSON, b"{\"resourceSpans\":[]}".to_vec(), &[200, 400]),
        ("JSON that is cut", "/v1/logs", JSON, b"{\"resourceLogs\":[{".to_vec(), &[400]),
        ("gRPC over HTTP/1.1", "/v1/logs", GRPC, message(&logs(&[(9, "a")])), &[200]),
    ];
    for (name, path, kind, body, statuses) in cases {
        let reply = post(running.address, path, &[kind], &body);
        assert!(statuses.contains(&reply.status), "{name}: {reply:?}");
        // The Export of gRPC is not at `/v1/logs`, and its clients read no status of HTTP.
        assert_eq!(reply.grpc, (kind == GRPC).then_some(12), "{name}");
        send_logs(running.address, &logs(&[(9, "from somebody else")]));
    }
    assert_eq!(running.metric("dtq_refused_requests_total{cause=\"unknown_path\"}"), 1);
    assert_eq!(running.metric("dtq_rules_failures_total"), 0);
    running.end();
}
