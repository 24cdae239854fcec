//! The pages for machines and for people.

use crate::peers::{Act, DEADLINE, Reply, Sender, Sink, destination, settings, start};
use bytes::Bytes;
use dtq_collector::collector::Collector;
use dtq_collector::events::Events;
use dtq_collector::pipeline::{Judge, Judged};
use dtq_collector::send::settings::Protocol;
use dtq_collector::service::Manager;
use dtq_record::otlp::Signal;
use hyper::Method;
use std::time::Duration;

/// Judges nothing, and was not seen alive for a while.
struct Silent(Duration);

impl Judge for Silent {
    async fn judge(&self, _signal: Signal, _request: Bytes) -> Judged {
        Judged::unchanged()
    }

    fn silent_for(&self) -> Duration {
        self.0
    }
}

async fn get<J: Judge>(collector: &Collector<J>, path: &str) -> (u16, String) {
    let sender = Sender::new(collector.admin_address().unwrap());
    let reply = sender.with_method(Method::GET, false, path, &[], Bytes::new()).await.unwrap();
    (reply.status, String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_seen_alive_is_to_be_started_again() {
    for (silent, status) in [(Duration::from_secs(29), 200), (Duration::from_secs(31), 503)] {
        let nobody = "127.0.0.1:1".parse().unwrap();
        let settings = settings(vec![destination("sink", nobody, Protocol::Grpc)]);
        let collector = Collector::start(settings, Silent(silent), None, Events::silent()).await.unwrap();
        assert_eq!(get(&collector, "/livez").await.0, status, "{silent:?}");
        assert_eq!(get(&collector, "/readyz").await.0, 200);
        collector.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_first_what_is_wrong() {
    let sink = Sink::start().await;
    let mut to = destination("sink", sink.address, Protocol::Grpc);
    to.queue_bytes_max = 2_000;
    let mut settings = settings(vec![to]);
    settings.limits.request_timeout = Duration::from_secs(5);
    let (collector, sender) = start(settings).await;
    assert!(sender.logs(&["a".to_owned()]).await.is_taken());
    let (_, page) = get(&collector, "/").await;
    assert!(page.contains("Nothing is wrong.") && page.contains("sink: ok, queue 0 %"), "{page}");
    assert!(page.contains(", last ") && page.contains(" s ago"), "{page}");
    let (address, _) = sink.kill().await;
    let reply: Reply = sender.logs(&["x".repeat(1_200)]).await;
    assert_eq!(reply.status, 503);
    let (status, ready) = get(&collector, "/readyz").await;
    assert_eq!(status, 200, "senders are to try again, not to go elsewhere");
    assert!(ready.contains("! destination `sink` fails for ") && ready.contains("refused"), "{ready}");
    let (_, page) = get(&collector, "/").await;
    assert!(page.contains("! destination `sink` fails for ") && page.contains("sink: FAILS"), "{page}");
    assert!(collector.admin().status_line().contains("destination `sink` fails"));
    let status = collector.admin().status();
    assert!(status["destinations"]["sink"]["last_error"].as_str().unwrap().contains("refused"), "{status}");
    assert!(status["events"][0].as_str().unwrap().contains(" WARN "), "{status}");
    // What answers again is not wrong any more.
    let _sink = Sink::at(address, std::sync::Arc::default()).await;
    assert!(sender.logs(&["b".to_owned()]).await.is_taken());
    assert_eq!(get(&collector, "/readyz").await, (200, "ok\n".to_owned()));
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_is_not_ready() {
    let sink = Sink::with([Act::Hang]).await;
    let (collector, sender) = start(settings(vec![destination("sink", sink.address, Protocol::Grpc)])).await;
    let admin = collector.admin_address().unwrap();
    let hangs = tokio::spawn(async move { sender.logs(&["a".to_owned()]).await.is_taken() });
    sink.attempts(1).await;
    let stops = tokio::spawn(collector.stop());
    let ready = async {
        let sender = Sender::new(admin);
        while sender.with_method(Method::GET, false, "/readyz", &[], Bytes::new()).await.unwrap().status != 503 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ready).await.expect("it says so");
    sink.go_on();
    assert!(hangs.await.unwrap());
    assert_eq!(stops.await.unwrap().left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watchdog_is_fed_only_while_the_judge_is_alive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let environment = |name: &str| match name {
        "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
        "WATCHDOG_USEC" => Some("30000000".into()),
        _ => None,
    };
    for (silent, is_fed) in [(Duration::from_secs(1), true), (Duration::from_secs(31), false)] {
        let nobody = "127.0.0.1:1".parse().unwrap();
        let settings = settings(vec![destination("sink", nobody, Protocol::Grpc)]);
        let collector = Collector::start(settings, Silent(silent), None, Events::silent()).await.unwrap();
        let manager = std::sync::Arc::new(Manager::new(&environment));
        // All that is said at first is said before the first wait.
        let alive = manager.keep_alive(std::sync::Arc::clone(collector.admin()));
        assert!(tokio::time::timeout(Duration::from_millis(50), alive).await.is_err());
        let mut told = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(size) = socket.recv(&mut buffer) {
            told.push(String::from_utf8(buffer[..size].to_vec()).unwrap());
        }
        assert!(told[0].starts_with("STATUS=takes requests"), "{told:?}");
        assert_eq!(told.contains(&"WATCHDOG=1".to_owned()), is_fed, "{silent:?}: {told:?}");
        collector.stop().await;
    }
}
