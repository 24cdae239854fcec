//! Peers that are slow, too many, or flood: each is cut off or refused, the others are served, and all of it is counted.

use crate::http2::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, export, fields, frame, message,
};
use crate::peers::{PROTOBUF, connect, logs, post, read_reply, try_post};
use crate::place::{Place, Running};
use crate::started::eventually;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const RULES: &str = "  - {name: none, to: drop, kql: logs | where Body == 'none'}\n";

/// Waits of a second, so that what is cut off is cut off soon.
const SHORT: &str = "limits: {header_timeout: 1s, body_timeout: 1s, idle_timeout: 2s}\n";

/// Checks that another sender is served. Where the times that senders have are short, a slow machine alone may cut off one
/// who has just connected, who then tries again, as senders do.
fn is_served(running: &Running) {
    let request = logs(&[(9, "from somebody else")]);
    let send = || try_post(running.address, "/v1/logs", &[PROTOBUF], &request).is_some_and(|reply| reply.status == 200);
    assert!(eventually(send), "others are not served");
}

/// Checks that nothing is left of those who are gone.
fn is_calm(running: &Running) {
    // The connection that asks is one of the admin's; none is open of the receiver.
    assert!(
        eventually(|| running.metric("dtq_connections_open") == 0 && running.metric("dtq_requests_in_flight") == 0)
    );
}

/// Reads to the end of a connection.
fn rest_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // Reset is as good as closed; a timeout is neither.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn senders_that_trickle_are_cut_off_however_often_they_send() {
    let place = Place::with(RULES, SHORT);
    let running = place.start();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\n";
    let begun = [
        // A header without an end, a body without an end, and one in pieces.
        (head.to_owned(), "x-more: 1\r\n"),
        (format!("{head}content-length: 1000000\r\n\r\n"), "a"),
        (format!("{head}transfer-encoding: chunked\r\n\r\n"), "1\r\na\r\n"),
    ];
    let trickling: Vec<_> = begun
        .into_iter()
        .map(|(head, piece)| {
            let mut stream = connect(running.address);
            std::thread::spawn(move || {
                stream.write_all(head.as_bytes()).unwrap();
                while stream.write_all(piece.as_bytes()).is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
                rest_of(stream)
            })
        })
        .collect();
    is_served(&running);
    for trickle in trickling {
        trickle.join().unwrap();
    }
    is_served(&running);
    is_calm(&running);
    assert!(running.metric("dtq_connections_cut_total") >= 1);
    assert_eq!(running.metric("dtq_refused_requests_total{cause=\"malformed\"}"), 2);
    running.end();
}

#[test]
fn who_never_reads_answers_is_cut_off() {
    let place = Place::with(RULES, SHORT);
    let running = place.start();
    // Requests one behind the other, until nothing more goes in.
    let mut deaf = connect(running.address);
    deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = b"POST /v1/nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".repeat(1_000);
    let mut written = 0;
    while written < 256 << 20 && deaf.write_all(&request).is_ok() {
        written += request.len();
    }
    assert!(written < 256 << 20, "everything is taken from one who reads nothing");
    is_served(&running);
    // Windows of no size: answers of gRPC wait for them.
    let mut closed = Connection::open(running.address, &[(4, 0)]);
    let request = message(&logs(&[(9, "zero window")]));
    for stream in 0..100 {
        let id = stream * 2 + 1;
        closed.send(&frame(HEADERS, END_HEADERS, id, &export()));
        closed.send(&frame(DATA, END_STREAM, id, &request));
    }
    assert!(eventually(|| place.sink.bodies().iter().filter(|body| *body == "zero window").count() == 100));
    is_served(&running);
    closed.end();
    drop(deaf);
    is_calm(&running);
    running.end();
}

/// Sends a flood until it is stopped or over, and returns the error code of the last word of the other side.
fn flood(running: &Running, count: u32, mut of: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let mut connection = Connection::open(running.address, &[]);
    // What it is answered with is not read until the flood is over.
    for number in 0..count {
        if !connection.send(&of(number)) {
            break;
        }
    }
    is_served(running);
    // Who goes on after a flood that was borne is closed for being idle.
    connection.end()
}

#[test]
fn floods_of_http2_end_their_own_connection() {
    const ENHANCE_YOUR_CALM: Option<u32> = Some(11);
    let place = Place::with(RULES, SHORT);
    let running = place.start();
    is_served(&running);
    let before = running.peak_bytes();
    // Rapid reset (CVE-2023-44487).
    let reset = |number: u32| {
        let id = number * 2 + 1;
        [frame(HEADERS, END_HEADERS, id, &export()), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
    };
    let ended = flood(&running, 20_000, reset);
    assert!(ended.is_none() || ended == ENHANCE_YOUR_CALM, "{ended:?}");
    // Headers that go on and on (CVE-2024-27316).
    let more = |number: u32| {
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        let content = if number == 0 { export() } else { fields(&[("x-more", &"y".repeat(8_000))]) };
        frame(kind, 0, 1, &content)
    };
    flood(&running, 20_000, more);
    // Frames that cost nothing to send, without anybody who reads what they are answered with.
    flood(&running, 200_000, |_| frame(PING, 0, 0, &[0; 8]));
    flood(&running, 200_000, |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xFF, 0xFF]));
    flood(&running, 200_000, |number| frame(PRIORITY, 0, number * 2 + 1, &[0, 0, 0, 0, 1]));
    let empty = |number: u32| match number {
        0 => frame(HEADERS, END_HEADERS, 1, &export()),
        _ => frame(DATA, 0, 1, b""),
    };
    flood(&running, 200_000, empty);
    // Windows that are opened too far, and streams that there are not.
    flood(&running, 10, |_| frame(WINDOW_UPDATE, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes()));
    flood(&running, 10, |_| frame(DATA, 0, 99, b"x"));
    flood(&running, 10, |_| vec![0xFF; 100]);
    let grown = running.peak_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes for floods");
    is_calm(&running);
    is_served(&running);
    running.end();
}

#[test]
fn headers_have_a_bound_in_both_versions() {
    let place = Place::new(RULES);
    let running = place.start();
    let mut connection = Connection::open(running.address, &[]);
    let long = "y".repeat(10_000);
    let list = [export(), fields(&[("x-a", &long), ("x-b", &long), ("x-c", &long), ("x-d", &long)])].concat();
    let (first, rest) = list.split_at(16_000);
    let (second, third) = rest.split_at(16_000);
    connection.send(&frame(HEADERS, END_STREAM, 1, first));
    connection.send(&frame(CONTINUATION, 0, 1, second));
    connection.send(&frame(CONTINUATION, END_HEADERS, 1, third));
    // With a status, or with a reset: the stream does not stay open.
    assert!(connection.wait_for(|kind, id| (kind == HEADERS || kind == RST_STREAM) && id == 1).is_some());
    let reply = post(running.address, "/v1/logs", &[PROTOBUF, ("x-a", &"y".repeat(100_000))], b"");
    assert_eq!(reply.status, 431, "{reply:?}");
    let many: Vec<(String, String)> = (0..200).map(|at| (format!("x-{at}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(post(running.address, "/v1/logs", &many, b"").status, 431);
    is_served(&running);
    running.end();
}

#[test]
fn what_is_no_http_is_answered_or_closed() {
    let place = Place::with(RULES, SHORT);
    let running = place.start();
    for said in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello, TLS"[..],
        b"\0\0\0\0\0\0\0\0",
        b"GET\r\n\r\n",
        b"POST /v1/logs HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/logs HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /v1/logs HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/logs HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-type: application/x-protobuf\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"POST /v1/logs HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"<34>1 2024-01-01T00:00:00Z host app - - - syslog\n",
    ] {
        let mut stream = connect(running.address);
        stream.write_all(said).unwrap();
        let answer = rest_of(stream);
        let is_refusal = answer.starts_with("HTTP/1.1 4") || !answer.starts_with("HTTP/1.1");
        assert!(is_refusal, "{:?}: {answer:?}", String::from_utf8_lossy(said));
        is_served(&running);
    }
    assert!(place.sink.bodies().len() >= 10);
    is_calm(&running);
    running.end();
}

#[test]
fn ten_thousand_connections_keep_nobody_out() {
    const COUNT: usize = 10_000;
    let wanted = COUNT as u64 + 1_000;
    let now = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if now.maximum.is_some_and(|maximum| maximum < wanted) {
        eprintln!("SKIPPED: ten_thousand_connections_keep_nobody_out: a process here may open {now:?} files");
        return;
    }
    let raised = rustix::process::Rlimit { current: now.maximum.map(|maximum| maximum.min(wanted * 2)), ..now };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let more = "limits: {connections: 10500, header_timeout: 10m, idle_timeout: 10m}\n";
    let place = Place::with(RULES, more);
    let running = place.start();
    is_served(&running);
    let before = running.peak_bytes();
    let mut idle = Vec::with_capacity(COUNT);
    for number in 0..COUNT {
        let mut stream = TcpStream::connect(running.address).unwrap();
        // A third says nothing, a third half a header, and a third has been served and stays.
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"POST /v1/logs HTTP/1.1\r\nhost: ").unwrap(),
            _ => {
                stream.write_all(b"POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").unwrap();
                assert_eq!(read_reply(&stream).map(|reply| reply.status), Some(404));
            }
        }
        idle.push(stream);
        if number % 1_000 == 0 {
            is_served(&running);
        }
    }
    // The last of them may not have been accepted yet.
    assert!(eventually(|| running.metric("dtq_connections_open") >= COUNT as u64));
    (0..20).for_each(|_| is_served(&running));
    let each = running.peak_bytes().saturating_sub(before) / COUNT;
    assert!(each < 48 << 10, "{each} bytes for each connection");
    eprintln!("{COUNT} connections: {each} bytes each");
    drop(idle);
    is_calm(&running);
    is_served(&running);
    running.end();
}

#[test]
fn more_connections_than_are_allowed_close_those_that_brought_nothing() {
    let place = Place::with(RULES, "limits: {connections: 50, header_timeout: 10m}\n");
    let running = place.start();
    let idle: Vec<TcpStream> = (0..1_000).map(|_| TcpStream::connect(running.address).unwrap()).collect();
    (0..20).for_each(|_| is_served(&running));
    assert!(eventually(|| running.metric("dtq_connections_open") <= 60));
    assert!(eventually(|| running.metric("dtq_connections_cut_total") >= 900));
    drop(idle);
    is_calm(&running);
    running.end();
}
