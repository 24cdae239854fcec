//! Senders that are wrong, slow, too many or not allowed: each is told so, and the others are served.

mod peers;

use bytes::Bytes;
use dtq_collector::auth::Auth;
use dtq_collector::coding::Coding;
use dtq_collector::collector::{Collector, Settings};
use dtq_collector::events::Events;
use dtq_collector::pipeline::KeepAll;
use dtq_collector::receive::grpc_path;
use dtq_collector::send::settings::Protocol;
use dtq_collector::tls::{ClientTls, ServerTls};
use dtq_record::otlp::Signal;
use hyper::Method;
use peers::{DEADLINE, Sender, Sink, destination, eventually, framed, logs, metric, settings, start};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GRPC: (&str, &str) = ("content-type", "application/grpc");

async fn small(sink: &Sink) -> (Collector<KeepAll>, Sender) {
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.request_bytes_max = 10_000;
    settings.limits.inflated_bytes_max = 20_000;
    start(settings).await
}

/// A path, headers, a body, and what is answered.
type Case<'c, A> = (&'c str, &'c [(&'c str, &'c str)], Bytes, A);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_refused_as_the_specification_says() {
    let sink = Sink::start().await;
    let (collector, sender) = small(&sink).await;
    let good = logs(&["a".to_owned()]);
    let bomb = Coding::Gzip.deflate(&vec![0; 1 << 20].into());
    let large = Bytes::from(vec![0; 10_001]);
    let cases: [Case<'_, u16>; 9] = [
        ("/v1/nothing", &[PROTOBUF], good.clone(), 404),
        ("/v1/logs", &[], good.clone(), 415),
        ("/v1/logs", &[("content-type", "text/plain")], good.clone(), 415),
        ("/v1/logs", &[PROTOBUF, ("content-encoding", "br")], good.clone(), 415),
        ("/v1/logs", &[PROTOBUF], large.clone(), 413),
        ("/v1/logs", &[PROTOBUF, ("content-encoding", "gzip")], bomb.clone(), 413),
        ("/v1/logs", &[PROTOBUF, ("content-encoding", "zstd")], Bytes::from_static(b"no zstd"), 400),
        ("/v1/logs", &[PROTOBUF], Bytes::from_static(b"\x0a\xff\xff"), 400),
        ("/v1/logs", &[("content-type", "application/json")], Bytes::from_static(b"{\"resourceLogs\": 1"), 400),
    ];
    for (path, headers, body, status) in cases {
        let reply = sender.raw(false, path, headers, body).await;
        assert_eq!(reply.status, status, "{path} {headers:?}: {reply:?}");
        assert!(!reply.body.is_empty(), "says why");
    }
    let reply = sender.with_method(Method::GET, false, "/v1/logs", &[PROTOBUF], Bytes::new()).await.expect("an answer");
    assert_eq!((reply.status, &reply.headers["allow"]), (405, &"POST".parse().unwrap()));

    let path = grpc_path(Signal::Logs);
    let cases: [Case<'_, u32>; 8] = [
        ("/a.Service/Method", &[GRPC], framed(0, &good), 12),
        (path, &[GRPC, ("grpc-encoding", "br")], framed(1, &good), 12),
        (path, &[GRPC], framed(1, &good), 3),
        (path, &[GRPC], framed(2, &good), 3),
        (path, &[GRPC], good.clone(), 3),
        (path, &[GRPC], Bytes::new(), 3),
        (path, &[GRPC], framed(0, &large), 8),
        (path, &[GRPC, ("grpc-encoding", "gzip")], framed(1, &bomb), 8),
    ];
    for (path, headers, body, code) in cases {
        let reply = sender.raw(true, path, headers, body).await;
        assert_eq!((reply.status, reply.grpc), (200, Some(code)), "{path} {headers:?}: {reply:?}");
    }
    assert!(sender.logs(&["b".to_owned()]).await.is_taken());
    assert_eq!(sink.taken().len(), 1);
    assert_eq!(metric(&collector, "dtq_refused_requests_total{cause=\"too_large\"}"), 4);
    assert_eq!(metric(&collector, "dtq_requests_in_flight"), 0);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_disturbs_other_senders() {
    let sink = Sink::start().await;
    let (collector, sender) = small(&sink).await;
    let whole = logs(&(0..20).map(|number| format!("record {number}")).collect::<Vec<_>>());
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut accepted = 0;
    for round in 0..240 {
        let coding = [Coding::Identity, Coding::Gzip, Coding::Zstd][round % 3];
        let mut body = coding.deflate(&whole).to_vec();
        for _ in 0..=random(4) {
            let at = random(body.len());
            body[at] = random(256) as u8;
        }
        body.truncate(body.len() - random(3) * random(body.len()) / 4);
        let is_grpc = round % 2 == 0;
        let body = if is_grpc { framed(u8::from(coding != Coding::Identity), &body) } else { body.into() };
        let name = if is_grpc { "grpc-encoding" } else { "content-encoding" };
        let headers = [if is_grpc { GRPC } else { PROTOBUF }, (name, coding.name())];
        let reply =
            sender.raw(is_grpc, if is_grpc { grpc_path(Signal::Logs) } else { "/v1/logs" }, &headers, body).await;
        accepted += usize::from(reply.is_taken());
        let is_refused = matches!((reply.status, reply.grpc), (400 | 413, None) | (200, Some(3 | 8)));
        assert!(reply.is_taken() || is_refused, "{reply:?}");
    }
    // What framing lets through goes on: a record's inside is the destination's to judge.
    assert_eq!(sink.taken().len(), accepted);
    assert!(accepted > 0 && accepted < 240, "{accepted} of 240 were taken");
    assert!(sender.logs(&["b".to_owned()]).await.is_taken());
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_senders_are_cut_off() {
    let sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    // Long enough for whom nothing but the machine makes slow.
    settings.limits.header_timeout = Duration::from_secs(3);
    settings.limits.body_timeout = Duration::from_secs(3);
    let (collector, sender) = start(settings).await;
    let half_bodies =
        "POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 99\r\n\r\nab";
    // Nothing; half a header; the preface of HTTP/2 alone; half a body.
    let mut slow = Vec::new();
    for said in ["", "POST /v1/logs HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", half_bodies] {
        let mut stream = TcpStream::connect(sender.address).await.expect("connects");
        stream.write_all(said.as_bytes()).await.expect("is written");
        slow.push((said, stream));
        assert!(sender.logs(&["a".to_owned()]).await.is_taken());
    }
    for (said, mut stream) in slow {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        // That the connection is reset is as good as that it is closed.
        drop(read.unwrap_or_else(|_| panic!("still open after {said:?}")));
        if said == half_bodies {
            assert!(answer.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
        }
        assert!(sender.logs(&["b".to_owned()]).await.is_taken());
    }
    eventually("three are cut off", || metric(&collector, "dtq_connections_cut_total") >= 3).await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_keep_nobody_out() {
    let sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.connections_max = 8;
    let (collector, sender) = start(settings).await;
    let mut held = Vec::new();
    for number in 0..200 {
        held.push(TcpStream::connect(sender.address).await.expect("connects"));
        if number % 20 == 0 {
            let fresh = Sender::new(sender.address);
            assert!(fresh.logs(&[number.to_string()]).await.is_taken(), "after {number} connections");
        }
    }
    assert!(sender.logs(&["b".to_owned()]).await.is_taken());
    assert_eq!(sink.taken().len(), 11);
    eventually("few are open", || metric(&collector, "dtq_connections_open") <= 20).await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_places_for_requests_are_bounded() {
    let sink = Sink::with([peers::Act::Hang]).await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.requests_max = 1;
    let (collector, sender) = start(settings).await;
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.logs(&["a".to_owned()]).await }
    });
    sink.attempts(1).await;
    let reply = sender.logs(&["b".to_owned()]).await;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (429, &"1".parse().unwrap()));
    let reply = sender.send(Protocol::Grpc, Coding::Gzip, Signal::Logs, &logs(&["c".to_owned()]), &[]).await;
    assert_eq!(reply.grpc, Some(8));
    assert!(reply.headers.contains_key("grpc-status-details-bin"));
    sink.go_on();
    assert!(waiting.await.unwrap().is_taken());
    collector.stop().await;

    let mut settings = peers::settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.in_flight_bytes_max = 64 << 10;
    let (collector, sender) = start(settings).await;
    let packed = logs(&["x".repeat(1 << 20)]);
    let reply = sender.send(Protocol::Protobuf, Coding::Gzip, Signal::Logs, &packed, &[]).await;
    assert_eq!(reply.status, 429);
    assert!(sender.logs(&["d".to_owned()]).await.is_taken(), "what was taken is given back");
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_with_credentials_come_in() {
    let sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    let mut auth = Auth::default();
    auth.add_bearer("t0ken");
    settings.ports[0].auth = auth;
    let (collector, sender) = start(settings).await;
    let plain = logs(&["a".to_owned()]);
    for (header, is_allowed) in [("Bearer t0ken", true), ("Bearer wrong", false), ("", false)] {
        let headers = [("authorization", header)];
        let headers = if header.is_empty() { &headers[..0] } else { &headers };
        let reply = sender.send(Protocol::Grpc, Coding::Gzip, Signal::Logs, &plain, headers).await;
        assert_eq!(reply.grpc, Some(if is_allowed { 0 } else { 16 }), "{header}");
        let reply = sender.send(Protocol::Protobuf, Coding::Gzip, Signal::Logs, &plain, headers).await;
        assert_eq!(reply.status, if is_allowed { 200 } else { 401 }, "{header}");
    }
    assert_eq!(sink.taken().len(), 2);
    collector.stop().await;
}

/// Holds files with an authority, and a certificate of it for both sides.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("signs");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("is written");
        std::fs::write(folder.path().join("cert.pem"), certificate.pem()).expect("is written");
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("is written");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn server(&self, asks: bool) -> ServerTls {
        let client_ca = asks.then(|| self.path("ca.pem"));
        ServerTls { certificate: self.path("cert.pem"), key: self.path("key.pem"), client_ca }
    }

    fn client(&self, shows: bool) -> ClientTls {
        let identity = shows.then(|| (self.path("cert.pem"), self.path("key.pem")));
        ClientTls { ca: Some(self.path("ca.pem")), identity }
    }
}

/// Returns the settings of a collector that sends to another one over TLS.
fn over_tls(to: std::net::SocketAddr, protocol: Protocol, tls: ClientTls, is_allowed: bool) -> Settings {
    let mut destination = destination("next", to, protocol);
    destination.endpoint = format!("https://localhost:{}", to.port()).parse().expect("a URL");
    destination.tls = tls;
    let mut settings = settings(vec![destination]);
    if !is_allowed {
        // It is tried for as long as a sender waits.
        settings.limits.request_timeout = Duration::from_millis(400);
    }
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_certificates_of_clients_hold_in_both_directions() {
    let (ours, other) = (Authority::new(), Authority::new());
    for asks in [false, true] {
        let sink = Sink::start().await;
        let mut last = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
        last.ports[0].tls = Some(ours.server(asks));
        let (last, plain_sender) = start(last).await;
        assert!(plain_sender.try_send(Protocol::Protobuf, Coding::Gzip, Signal::Logs, &logs(&[]), &[]).await.is_err());
        // Who is shown no certificate where one is asked for, or one of a stranger, is not let in; nor is a stranger asked.
        let cases = [(ours.client(true), true), (ours.client(false), !asks), (other.client(true), false)];
        for protocol in [Protocol::Grpc, Protocol::Protobuf] {
            for (tls, is_allowed) in cases.clone() {
                let (first, sender) = start(over_tls(last.addresses()[0], protocol, tls, is_allowed)).await;
                let reply = sender.logs(&["a".to_owned()]).await;
                assert_eq!(reply.is_taken(), is_allowed, "{asks} {protocol:?}: {reply:?}");
                first.stop().await;
            }
        }
        assert_eq!(sink.taken().len(), if asks { 2 } else { 4 });
        last.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_is_closed_and_others_come_in() {
    let ours = Authority::new();
    let sink = Sink::start().await;
    let mut last = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    last.ports[0].tls = Some(ours.server(true));
    last.limits.header_timeout = Duration::from_secs(3);
    let (last, _) = start(last).await;
    let address = last.addresses()[0];
    let record_of = |size: u16, content: &[u8]| [&[22, 3, 1], &size.to_be_bytes()[..], content].concat();
    let garbage = [
        Vec::new(),
        b"POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0xFF; 100_000],
        // Records that are announced and do not come, are larger than may be, or are empty without end.
        record_of(512, &[1, 0, 1, 252, 3, 3]),
        record_of(u16::MAX, &[1; 1_000]),
        record_of(0, &[]).repeat(1_000),
        record_of(40, &[1; 40]),
    ];
    let count = garbage.len() as u64;
    let mut speaking = tokio::task::JoinSet::new();
    for said in garbage {
        speaking.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            // One who is closed while speaking has been answered.
            let _ = stream.write_all(&said).await;
            let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut Vec::new())).await;
            drop(read.unwrap_or_else(|_| panic!("still open after {} bytes", said.len())));
        });
    }
    speaking.join_all().await;
    // A connection is closed before it is counted so.
    eventually("all are cut off", || metric(&last, "dtq_connections_cut_total") == count).await;
    eventually("none is open", || metric(&last, "dtq_connections_open") == 0).await;
    let (first, sender) = start(over_tls(address, Protocol::Grpc, ours.client(true), true)).await;
    assert!(sender.logs(&["a".to_owned()]).await.is_taken());
    first.stop().await;
    last.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_a_bound_of_records() {
    let sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.records_max = 3;
    let (collector, sender) = start(settings).await;
    let of = |count: usize| logs(&vec![String::new(); count]);
    let reply = sender.raw(false, "/v1/logs", &[PROTOBUF], of(4)).await;
    assert_eq!((reply.status, reply.headers.contains_key("retry-after")), (413, false), "{reply:?}");
    let reply = sender.raw(true, grpc_path(Signal::Logs), &[GRPC], framed(0, &of(4))).await;
    assert_eq!(reply.grpc, Some(8));
    assert!(sender.raw(false, "/v1/logs", &[PROTOBUF], of(3)).await.is_taken());
    assert_eq!(metric(&collector, "dtq_refused_requests_total{cause=\"too_large\"}"), 2);
    collector.stop().await;
}

#[tokio::test]
async fn what_cannot_begin_says_which_file_or_port() {
    let mut settings = settings(vec![destination("sink", "127.0.0.1:1".parse().unwrap(), Protocol::Grpc)]);
    settings.ports[0].tls =
        Some(ServerTls { certificate: "/nowhere/cert.pem".into(), key: "/nowhere/key.pem".into(), client_ca: None });
    let error = Collector::start(settings.clone(), KeepAll, None, Events::silent()).await.err().expect("cannot begin");
    assert!(error.to_string().contains("/nowhere/cert.pem"), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    settings.ports[0].tls = None;
    settings.ports[0].address = taken.local_addr().unwrap();
    let error = Collector::start(settings, KeepAll, None, Events::silent()).await.err().expect("cannot begin");
    assert!(error.to_string().contains("cannot listen on 127.0.0.1:"), "{error}");
}
