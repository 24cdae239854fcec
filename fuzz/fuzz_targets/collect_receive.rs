//! Any body with any headers through the whole of receiving, judging included: a right status, and nothing stays counted.
#![no_main]

use bytes::Bytes;
use dtq_collector::account::ReceiveAccount;
use dtq_collector::auth::Auth;
use dtq_collector::coding::Coding;
use dtq_collector::intake::{Ack, Intake};
use dtq_collector::limits::Limits;
use dtq_collector::pipeline::{Created, Judge, Judged, Judgement};
use dtq_collector::receive::{Receiver, grpc_path, http_path};
use dtq_fuzz::{Share, otlp};
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::RequestIndex;
use dtq_rules::compile::{Options, RuleSet, compile};
use dtq_rules::engine::{self, Output, Processor};
use dtq_rules::file::{self, NoFiles};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock, Mutex};

static SHARE: Share = Share::new();

/// When requests arrive: 2025-11-23.
const NOW: i64 = 639_000_000_000_000_000;

const RULES: &str = r#"apiVersion: dtq/v1
rules:
  - {name: hide, to: replace, on_error: drop, kql: "logs | extend Attributes = redact(Attributes, '[0-9]+', '*'), Body = strcat(Body, '!')"}
  - {name: few, to: drop, kql: 'spans | where SpanName has "a" or tostring(Attributes["b"]) == "c"'}
  - {name: away, to: 'route:away', kql: 'metrics | where MetricValue > 1'}
  - {name: note, to: logs, kql: 'logs | where SeverityNumber > 16 | project Body'}
"#;

static SET: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let (file, found) = file::read("rules.yaml", RULES.as_bytes(), &NoFiles, &file::Options::default());
    let compiled = compile(&[file], &Options { now_ticks: NOW, ..Options::default() });
    Arc::new(compiled.set.unwrap_or_else(|| panic!("{found:?} {:?}", compiled.diagnostics)))
});

/// Judges on the thread that asks; what it is asked has to be a request.
struct Direct(Mutex<Processor>);

impl Judge for Direct {
    async fn judge(&self, signal: Signal, request: Bytes) -> Judged {
        assert!(RequestIndex::default().read(signal, &request).is_ok(), "what was let in is a request");
        let outcome = self.0.lock().expect("one thread").apply(signal, &request, NOW, None);
        let created = outcome.emissions.into_iter().map(|emission| Created {
            signal: emission.signal,
            request: emission.request.into(),
            destination: emission.destination.map(|name| name.as_text().into_owned()),
        });
        let (routed, created) = created.partition(|one: &Created| one.destination.is_some());
        let output = match outcome.output {
            Output::Unchanged => Judgement::Unchanged,
            Output::Empty => Judgement::Dropped,
            Output::Bytes(bytes) => Judgement::Changed(bytes.into()),
        };
        Judged { output, created, routed }
    }
}

/// Takes choices off the front of the input.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() % all.len()]
    }
}

const TYPES: &[&str] = &[
    "application/x-protobuf",
    "application/grpc",
    "application/json",
    "application/grpc+proto; charset=x",
    "APPLICATION/JSON ;q=1",
    "text/plain",
    "",
];
const CODINGS: &[&str] = &["identity", "gzip", "zstd", "br", " gzip ", ""];
const SIGNALS: &[Signal] = &[Signal::Logs, Signal::Spans, Signal::Metrics];

/// Returns a request whose parts fit together as often as not.
fn request(bytes: &[u8]) -> Request<Full<Bytes>> {
    let mut choices = Choices(bytes);
    let (kind, coding, packs, frames) = (choices.of(TYPES), choices.of(CODINGS), choices.next(), choices.next());
    let is_built = choices.next() % 4 > 0;
    let (signal, plain) = if is_built { otlp::request(choices.0) } else { (choices.of(SIGNALS), choices.0.to_vec()) };
    let mut plain = Bytes::from(plain);
    let (is_grpc, is_json) = (kind.contains("grpc"), kind.to_ascii_lowercase().contains("json"));
    if is_json && is_built {
        let mut text = String::new();
        if dtq_record::otlp::to_json::append_json(&mut text, signal, &plain, 100).is_ok() {
            plain = text.into();
        }
    }
    let named = Coding::of_header(Some(coding.as_bytes())).unwrap_or(Coding::Identity);
    let mut body = if packs % 8 > 0 { named.deflate(&plain) } else { plain };
    if is_grpc && frames % 16 > 0 {
        let flag = if frames % 16 == 1 { frames as u8 } else { u8::from(named != Coding::Identity) };
        let length = (body.len() as u32).wrapping_add(u32::from(frames % 16 == 2));
        body = [&[flag], &length.to_be_bytes()[..], &body].concat().into();
    }
    let path = match frames / 16 {
        0 => "/",
        _ if is_grpc => grpc_path(signal),
        _ => http_path(signal),
    };
    let builder = Request::builder().method(if packs == 255 { "PUT" } else { "POST" }).uri(path);
    let builder = if kind.is_empty() { builder } else { builder.header("content-type", kind) };
    let name = if is_grpc { "grpc-encoding" } else { "content-encoding" };
    let builder = if coding.is_empty() { builder } else { builder.header(name, coding) };
    builder.body(Full::new(body)).expect("the parts are constants")
}

fuzz_target!(|bytes: &[u8]| {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it begins"));
    let account = Arc::new(ReceiveAccount::default());
    let options = engine::Options { start_ticks: NOW, random_seed: 1 };
    let judge = Direct(Mutex::new(Processor::new(Arc::clone(&SET), &options)));
    let intake = Arc::new(Intake::new(judge, Ack::Delivered, Vec::new(), Arc::clone(&account)));
    let limits = Limits {
        request_bytes_max: 4 << 10,
        inflated_bytes_max: 32 << 10,
        in_flight_bytes_max: 64 << 10,
        records_max: 1_000,
        ..Limits::default()
    };
    let receiver = Receiver::new(Arc::clone(&intake), Arc::clone(&account), limits, Vec::new());
    let request = request(bytes);
    let is_grpc =
        request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let (reply, body) = RUNTIME.block_on(async {
        let (head, body) = receiver.answer(&Auth::default(), request).await.into_parts();
        (head, body.collect().await.map_err(drop).expect("an answer has an end"))
    });
    let status = |headers: &hyper::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse::<u32>().ok();
    let code = status(&reply.headers).or_else(|| body.trailers().and_then(status));
    let is_taken = match (is_grpc, code) {
        (true, Some(code)) => {
            assert!(reply.status == 200 && matches!(code, 0 | 3 | 8 | 12 | 14), "{code}");
            code == 0
        }
        (true, None) => panic!("gRPC without a status"),
        (false, _) => {
            assert!(matches!(reply.status.as_u16(), 200 | 400 | 404 | 405 | 413 | 415 | 429), "{}", reply.status);
            reply.status == 200
        }
    };
    SHARE.count(is_taken);
    let received: u64 = SIGNALS.iter().map(|signal| account.of(*signal).requests.get()).sum();
    let refused: u64 = dtq_collector::status::Cause::ALL.iter().map(|cause| account.refused(*cause).get()).sum();
    assert_eq!((received, refused), (u64::from(is_taken), u64::from(!is_taken)));
    assert_eq!((account.in_flight.get(), account.abandoned.get()), (0, 0));
});
