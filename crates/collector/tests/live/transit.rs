//! Requests through a collector: every form in, every form out, and what senders are told when destinations fail.

mod peers;

use bytes::Bytes;
use dtq_collector::coding::Coding;
use dtq_collector::intake::Ack;
use dtq_collector::send::settings::{OnFull, Protocol};
use dtq_collector::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use peers::{Act, SIGNALS, Sender, Sink, bodies, destination, later, logs, metric, settings, start};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::Protobuf, Protocol::Json];
const CODINGS: [Coding; 3] = [Coding::Identity, Coding::Gzip, Coding::Zstd];

fn request(signal: Signal) -> Bytes {
    let encoded = match signal {
        Signal::Logs => return logs(&["one".to_owned(), "two".to_owned()]),
        Signal::Metrics => {
            let point = NumberDataPoint { value: Some(number_data_point::Value::AsDouble(1.5)), ..Default::default() };
            let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
            let metric = Metric { name: "queue.length".to_owned(), data, ..Default::default() };
            let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
            let resource = ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
            ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
        }
        Signal::Spans => {
            let span =
                Span { trace_id: vec![7; 16], span_id: vec![9; 8], name: "GET /".to_owned(), ..Default::default() };
            let scope = ScopeSpans { spans: vec![span], ..Default::default() };
            ExportTraceServiceRequest {
                resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..Default::default() }],
            }
            .encode_to_vec()
        }
    };
    encoded.into()
}

/// Returns a request in one form, so that what went through JSON compares.
fn decoded(signal: Signal, request: &[u8]) -> String {
    match signal {
        Signal::Logs => format!("{:?}", bodies(request)),
        Signal::Metrics => format!("{:?}", ExportMetricsServiceRequest::decode(request).expect("decodes")),
        Signal::Spans => format!("{:?}", ExportTraceServiceRequest::decode(request).expect("decodes")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_goes_to_every_form() {
    for (out, coding_out) in PROTOCOLS.into_iter().zip(CODINGS).chain([(Protocol::Grpc, Coding::Gzip)]) {
        let sink = Sink::start().await;
        let mut to = destination("sink", sink.address, out);
        to.coding = coding_out;
        let (collector, sender) = start(settings(vec![to])).await;
        let mut count = 0;
        for form in PROTOCOLS {
            for coding in CODINGS {
                for signal in SIGNALS {
                    let plain = request(signal);
                    let reply = sender.send(form, coding, signal, &plain, &[]).await;
                    assert!(reply.is_taken(), "{form:?} {coding:?} {signal:?}: {reply:?}");
                    count += 1;
                    let taken = sink.taken();
                    assert_eq!(taken.len(), count, "is there before it is acknowledged");
                    let last = taken.last().expect("one came");
                    assert_eq!((last.signal, last.is_grpc), (signal, out == Protocol::Grpc));
                    assert_eq!(last.coding.as_deref().unwrap_or("identity"), coding_out.name());
                    assert_eq!(decoded(signal, &last.request), decoded(signal, &plain), "{form:?} to {out:?}");
                    if form != Protocol::Json && out != Protocol::Json {
                        assert_eq!(last.request, plain, "the bytes that came");
                    }
                }
            }
        }
        assert_eq!(metric(&collector, "dtq_received_requests_total{signal=\"logs\"}"), 9);
        assert_eq!(metric(&collector, "dtq_received_records_total{signal=\"logs\"}"), 18);
        assert_eq!(metric(&collector, "dtq_sent_requests_total{destination=\"sink\"}"), 27);
        assert_eq!(collector.stop().await.left, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again_and_what_does_not_is_said() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf] {
        let busy = Refusal { retry_after: Some(Duration::from_millis(1)), ..Refusal::new(Cause::Busy, "busy") };
        let script = [later(Duration::ZERO), Act::Refuse(busy), later(Duration::ZERO)];
        let sink = Sink::with(script).await;
        let (collector, sender) = start(settings(vec![destination("sink", sink.address, protocol)])).await;
        assert!(sender.logs(&["a".to_owned()]).await.is_taken());
        assert_eq!(metric(&collector, "dtq_send_retries_total{destination=\"sink\"}"), 3);
        assert_eq!(sink.taken().len(), 1);
        assert_eq!(metric(&collector, "dtq_destination_failing{destination=\"sink\"}"), 0);
        collector.stop().await;
    }
    // RESOURCE_EXHAUSTED without RetryInfo does not pass (OTLP specification, "Failures").
    let finals = [(Cause::RefusedData, 400, 3), (Cause::RefusedHere, 500, 13), (Cause::TooLarge, 413, 8)];
    for (cause, http, grpc) in finals {
        for protocol in [Protocol::Grpc, Protocol::Protobuf] {
            let sink =
                Sink::with([Act::Refuse(Refusal::new(cause, "never")), Act::Refuse(Refusal::new(cause, "never"))])
                    .await;
            let (collector, sender) = start(settings(vec![destination("sink", sink.address, protocol)])).await;
            assert_eq!(sender.logs(&["a".to_owned()]).await.status, http, "{cause:?} {protocol:?}");
            let plain = logs(&["a".to_owned()]);
            let reply = sender.send(Protocol::Grpc, Coding::Gzip, Signal::Logs, &plain, &[]).await;
            assert_eq!(reply.grpc, Some(grpc), "{cause:?} {protocol:?}");
            assert_eq!(metric(&collector, "dtq_send_refused_requests_total{destination=\"sink\"}"), 2);
            assert_eq!(metric(&collector, "dtq_send_retries_total{destination=\"sink\"}"), 0);
            collector.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_wait_is_handed_on_to_the_sender() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf] {
        let sink = Sink::with([later(Duration::from_secs(3600)), later(Duration::from_secs(3600))]).await;
        let (collector, sender) = start(settings(vec![destination("sink", sink.address, protocol)])).await;
        let reply = sender.logs(&["a".to_owned()]).await;
        assert_eq!((reply.status, &reply.headers["retry-after"]), (503, &"3600".parse().unwrap()));
        let plain = logs(&["a".to_owned()]);
        let reply = sender.send(Protocol::Grpc, Coding::Gzip, Signal::Logs, &plain, &[]).await;
        assert_eq!(reply.grpc, Some(14));
        assert!(reply.headers.contains_key("grpc-status-details-bin"), "says when");
        // RetryInfo {retry_delay {seconds: 3600, nanos: 0}}, as Python's exporter reads it.
        assert_eq!(reply.headers["google.rpc.retryinfo-bin"], "CgUIkBwQAA");
        collector.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_waited_out_where_the_time_of_the_sender_allows() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf] {
        for (wait, is_waited_out) in [(Duration::from_secs(1), true), (Duration::from_secs(120), false)] {
            let sink = Sink::with([later(wait)]).await;
            let mut settings = settings(vec![destination("sink", sink.address, protocol)]);
            settings.limits.request_timeout = Duration::from_secs(60);
            let (collector, sender) = start(settings).await;
            let reply = sender.logs(&["a".to_owned()]).await;
            assert_eq!(reply.is_taken(), is_waited_out, "{protocol:?} {wait:?}: {reply:?}");
            let counted = |name: &str| metric(&collector, &format!("{name}{{destination=\"sink\"}}"));
            let counts = ["dtq_send_retries_total", "dtq_send_abandoned_requests_total"].map(counted);
            assert_eq!(counts, if is_waited_out { [1, 0] } else { [0, 1] });
            assert_eq!(counted("dtq_send_expired_requests_total"), 0, "nothing is lost");
            if !is_waited_out {
                // What the destination says, and not that time has passed: told before it has.
                let said = String::from_utf8_lossy(&reply.body).into_owned();
                assert!(said.contains("destination `sink`"), "{said}");
                assert_eq!(reply.headers["retry-after"], "120");
            }
            collector.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_success_is_counted_and_handed_on() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf] {
        let partial = PartialSuccess { rejected: 2, message: "too old".to_owned() };
        let sink = Sink::with([Act::Partial(partial.clone()), Act::Partial(partial.clone())]).await;
        let (collector, sender) = start(settings(vec![destination("sink", sink.address, protocol)])).await;
        let reply = sender.logs(&["a".to_owned()]).await;
        assert!(reply.is_taken());
        assert_eq!(PartialSuccess::read(&reply.body), partial);
        let plain = logs(&["a".to_owned()]);
        let reply = sender.send(Protocol::Json, Coding::Identity, Signal::Logs, &plain, &[]).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(text, r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#);
        assert_eq!(metric(&collector, "dtq_send_rejected_records_total{destination=\"sink\"}"), 4);
        assert_eq!(metric(&collector, "dtq_send_retries_total{destination=\"sink\"}"), 0);
        collector.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_waits_for_every_destination_and_received_for_none() {
    let (one, two) = (Sink::start().await, Sink::with([Act::Hang]).await);
    let (at_one, at_two) = (one.address, two.address);
    let to = || vec![destination("one", at_one, Protocol::Grpc), destination("two", at_two, Protocol::Protobuf)];
    let (collector, sender) = start(settings(to())).await;
    let waiting = tokio::spawn(async move { sender.logs(&["a".to_owned()]).await });
    two.attempts(1).await;
    one.attempts(1).await;
    assert!(!waiting.is_finished());
    two.go_on();
    assert!(waiting.await.unwrap().is_taken());
    assert_eq!((one.taken().len(), two.taken().len()), (1, 1));
    collector.stop().await;

    let (address, _) = two.kill().await;
    let mut delivered = settings(to());
    delivered.limits.request_timeout = Duration::from_millis(300);
    let (collector, sender) = start(delivered).await;
    let reply = sender.logs(&["b".to_owned()]).await;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (503, &"1".parse().unwrap()));
    collector.stop().await;

    let mut received = settings(to());
    received.ack = Ack::Received;
    let (collector, sender) = start(received).await;
    assert!(sender.logs(&["c".to_owned()]).await.is_taken(), "nobody listens, and nobody waits");
    let two = Sink::at(address, Arc::default()).await;
    two.attempts(1).await;
    assert_eq!(collector.stop().await.left, 0);
    assert_eq!(bodies(&two.taken()[0].request), ["c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_so_or_drops_the_oldest() {
    for on_full in [OnFull::Backpressure, OnFull::DropOldest] {
        let sink = Sink::with([Act::Hang]).await;
        let mut to = destination("sink", sink.address, Protocol::Grpc);
        (to.queue_bytes_max, to.on_full, to.concurrency) = (3 * 600, on_full, 1);
        let mut settings = settings(vec![to]);
        settings.ack = Ack::Received;
        let (collector, sender) = start(settings).await;
        assert!(sender.logs(&["0".to_owned()]).await.is_taken());
        sink.attempts(1).await;
        let mut statuses = Vec::new();
        for body in 1..5 {
            statuses.push(sender.logs(&[body.to_string()]).await.status);
        }
        sink.go_on();
        let wanted = if on_full == OnFull::Backpressure { [200, 200, 503, 503] } else { [200; 4] };
        assert_eq!(statuses, wanted);
        let (full, dropped) = if on_full == OnFull::Backpressure { (2, 0) } else { (0, 2) };
        assert_eq!(metric(&collector, "dtq_queue_full_requests_total{destination=\"sink\"}"), full);
        assert_eq!(metric(&collector, "dtq_queue_dropped_requests_total{destination=\"sink\"}"), dropped);
        assert_eq!(collector.stop().await.left, 0);
        let came: Vec<String> = sink.taken().iter().flat_map(|taken| bodies(&taken.request)).collect();
        assert_eq!(came, if on_full == OnFull::Backpressure { ["0", "1", "2"] } else { ["0", "3", "4"] });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_headers_go_on_with_their_own_request() {
    let sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.forwarded = vec!["x-scope-orgid".parse().unwrap()];
    let (collector, sender) = start(settings).await;
    let mut tasks = tokio::task::JoinSet::new();
    for tenant in 0..50 {
        let sender = sender.clone();
        tasks.spawn(async move {
            let tenant = tenant.to_string();
            let (plain, more) =
                (logs(std::slice::from_ref(&tenant)), [("x-scope-orgid", tenant.as_str()), ("x-other", "1")]);
            assert!(sender.send(Protocol::Grpc, Coding::Gzip, Signal::Logs, &plain, &more).await.is_taken());
        });
    }
    tasks.join_all().await;
    let taken = sink.taken();
    assert_eq!(taken.len(), 50);
    for one in taken {
        assert_eq!(bodies(&one.request), [one.headers["x-scope-orgid"].to_str().unwrap()]);
        assert!(!one.headers.contains_key("x-other"));
    }
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_while_the_sink_is_killed_again_and_again() {
    let mut sink = Sink::start().await;
    let mut settings = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    settings.limits.request_timeout = Duration::from_secs(5);
    let (collector, sender) = start(settings).await;
    let mut senders = tokio::task::JoinSet::new();
    for thread in 0..4 {
        let sender = sender.clone();
        senders.spawn(async move { send_all(&sender, thread).await });
    }
    for round in 1..=10 {
        sink.attempts(15).await;
        let (address, record) = sink.kill().await;
        sink = Sink::at(address, record).await;
        assert!(round < 10 || !sink.taken().is_empty());
    }
    senders.join_all().await;
    let mut came: Vec<String> = sink.taken().iter().flat_map(|taken| bodies(&taken.request)).collect();
    let with_duplicates = came.len();
    came.sort();
    came.dedup();
    assert_eq!(came.len(), 4 * 100, "of {with_duplicates} with duplicates");
    assert_eq!(collector.stop().await.left, 0);
}

async fn send_all(sender: &Sender, thread: usize) {
    for number in 0..100 {
        let body = format!("{thread}/{number}");
        while !sender.logs(std::slice::from_ref(&body)).await.is_taken() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_sends_what_waits_and_counts_what_it_cannot() {
    let sink = Sink::with([Act::Hang]).await;
    let mut to = destination("sink", sink.address, Protocol::Protobuf);
    to.concurrency = 1;
    let mut received = settings(vec![to.clone()]);
    received.ack = Ack::Received;
    let (collector, sender) = start(received.clone()).await;
    for body in 0..10 {
        assert!(sender.logs(&[body.to_string()]).await.is_taken());
    }
    sink.attempts(1).await;
    let ending = tokio::spawn(collector.stop());
    sink.go_on();
    assert_eq!(ending.await.unwrap().left, 0);
    assert_eq!(sink.taken().len(), 10);

    let sink = Sink::with([Act::Hang]).await;
    received.destinations[0] = destination("sink", sink.address, Protocol::Protobuf);
    received.destinations[0].concurrency = 1;
    received.drain = Duration::from_millis(200);
    let (collector, sender) = start(received).await;
    for body in 0..5 {
        assert!(sender.logs(&[body.to_string()]).await.is_taken());
    }
    assert_eq!(collector.stop().await.left, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_is_shown() {
    let sink = Sink::start().await;
    let (collector, sender) = start(settings(vec![destination("sink", sink.address, Protocol::Grpc)])).await;
    assert!(sender.logs(&["a".to_owned()]).await.is_taken());
    let viewer = Sender::new(collector.admin_address().expect("it has one"));
    let get = async |path: &str| {
        let reply = viewer.with_method(hyper::Method::GET, false, path, &[], Bytes::new()).await.expect("an answer");
        (reply.status, String::from_utf8(reply.body.to_vec()).unwrap())
    };
    assert_eq!(get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ok\n".to_owned()));
    assert!(get("/metrics").await.1.contains("dtq_sent_requests_total{destination=\"sink\"} 1\n"));
    let (_, page) = get("/").await;
    assert!(page.contains("dtq collect") && page.contains("state: runs"), "{page}");
    let status: serde_json::Value = serde_json::from_str(&get("/status.json").await.1).expect("JSON");
    assert_eq!(status["received"]["logs"]["received_records"], 1);
    assert_eq!(status["destinations"]["sink"]["sent_requests"], 1);
    assert_eq!(get("/nothing").await.0, 404);
    collector.stop().await;
}
