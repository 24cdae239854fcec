//! The own metrics and logs in OTLP.

use crate::peers::{Act, Sink, destination, eventually, settings, start};
use dtq_collector::send::settings::Protocol;
use dtq_collector::status::{Cause, Refusal};
use dtq_collector::telemetry::Settings;
use dtq_record::otlp::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use std::collections::BTreeSet;
use std::time::Duration;

fn telemetry(interval: Duration) -> Settings {
    let resource = vec![("service.name".to_owned(), "gate".to_owned())];
    Settings { to: "sink".to_owned(), interval, has_metrics: true, has_logs: true, resource }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_counted_is_sent_and_what_happens_too() {
    let sink = Sink::start().await;
    let (mut collector, sender) = start(settings(vec![destination("sink", sink.address, Protocol::Grpc)])).await;
    let other = Settings { to: "nowhere".to_owned(), ..telemetry(Duration::from_secs(60)) };
    assert_eq!(collector.push(other), Err("nowhere".to_owned()));
    // Long before the first is due: what is sent is what the end sends.
    collector.push(telemetry(Duration::from_secs(3600))).unwrap();
    assert!(sender.logs(&["a".to_owned()]).await.is_taken());
    collector.admin().events().say("something happened");
    let families = collector.admin().families();
    assert_eq!(collector.stop().await.left, 0);
    let taken = sink.taken();
    let of = |signal| taken.iter().filter(move |one| one.signal == signal).last().unwrap().request.clone();
    let metrics = ExportMetricsServiceRequest::decode(of(Signal::Metrics)).unwrap();
    let resource = metrics.resource_metrics[0].resource.clone().unwrap();
    let names: Vec<_> = resource.attributes.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(names, ["service.version", "service.instance.id", "host.name", "process.pid", "service.name"]);
    let sent: BTreeSet<_> =
        metrics.resource_metrics[0].scope_metrics[0].metrics.iter().map(|one| one.name.clone()).collect();
    let counted: BTreeSet<_> =
        families.iter().filter(|one| !one.series.is_empty()).map(|one| one.otlp_name()).collect();
    assert_eq!(sent, counted);
    let logs = ExportLogsServiceRequest::decode(of(Signal::Logs)).unwrap();
    let records = &logs.resource_logs[0].scope_logs[0].log_records;
    assert!(records.iter().any(|record| format!("{:?}", record.body).contains("something happened")), "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_destination_that_fails_does_not_feed_on_itself() {
    let nobody = "127.0.0.1:1".parse().unwrap();
    let (mut collector, _sender) = start(settings(vec![destination("sink", nobody, Protocol::Grpc)])).await;
    collector.push(telemetry(Duration::from_millis(20))).unwrap();
    let destination = &collector.admin().destinations()[0];
    eventually("it is tried", || destination.account.failed_attempts.get() > 0).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(3);
    let mut most = 0;
    while tokio::time::Instant::now() < end {
        most = most.max(destination.account.queued.get());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // One request of metrics and one of logs, and one that is just being given up.
    assert!((1..=3).contains(&most), "{most}");
    assert!(collector.admin().events().last(256).len() < 8, "{:?}", collector.admin().events().last(256));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_refuses_is_left_alone() {
    let never = || Act::Refuse(Refusal::new(Cause::RefusedHere, "no metrics here"));
    let sink = Sink::with([never(), never(), never(), never()]).await;
    let (mut collector, _sender) = start(settings(vec![destination("sink", sink.address, Protocol::Grpc)])).await;
    let only_metrics = Settings { has_logs: false, ..telemetry(Duration::from_secs(1)) };
    collector.push(only_metrics).unwrap();
    sink.attempts(1).await;
    let is_said = || collector.admin().events().last(9).iter().any(|event| event.text.contains("for 10 minutes"));
    eventually("it is said", is_said).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(*sink.record.attempts.lock().unwrap(), 1);
}
