//! Requests that leave as one or in parts: which do, and what each of their senders is told.

mod peers;

use bytes::Bytes;
use dtq_collector::coding::Coding;
use dtq_collector::collector::Collector;
use dtq_collector::pipeline::KeepAll;
use dtq_collector::send::merge::Merge;
use dtq_collector::send::settings::Protocol;
use dtq_collector::send::{self};
use dtq_collector::status::{Cause, PartialSuccess, Refusal};
use dtq_record::otlp::Signal;
use peers::{Act, Reply, Sender, Sink, Taken, bodies, destination, eventually, later, logs, metric, settings, start};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

/// One request is on its way at a time, so that what comes meanwhile waits.
fn one_at_a_time(sink: &Sink, protocol: Protocol) -> send::Settings {
    let mut to = destination("sink", sink.address, protocol);
    to.concurrency = 1;
    to.merge = Some(Merge { bytes_max: 1 << 20, delay: Duration::ZERO, kept: Some(Coding::Gzip) });
    to
}

async fn started(to: send::Settings) -> (Collector<KeepAll>, Sender) {
    start(settings(vec![to])).await
}

fn counted(collector: &Collector<KeepAll>, name: &str) -> u64 {
    metric(collector, &format!("{name}{{destination=\"sink\"}}"))
}

/// Waits until a count is what it is to become.
async fn until(collector: &Collector<KeepAll>, name: &str, count: u64) {
    eventually(&format!("{name} is {count}"), || counted(collector, name) == count).await;
}

fn send(sender: &Sender, body: &str) -> JoinHandle<Reply> {
    let (sender, bodies) = (sender.clone(), [body.to_owned()]);
    tokio::spawn(async move { sender.logs(&bodies).await })
}

/// Sends one request that hangs at the sink, and others that wait behind it; lets them go, and returns what became of them.
async fn behind_one(sink: &Sink, collector: &Collector<KeepAll>, sender: &Sender, count: u64) -> Vec<Reply> {
    let first = send(sender, "first");
    sink.attempts(1).await;
    let mut others = Vec::new();
    for number in 0..count {
        others.push(send(sender, &number.to_string()));
        // In order, so that it is known which is which.
        until(collector, "dtq_queue_requests", number + 2).await;
    }
    sink.go_on();
    assert!(first.await.expect("a sender does not panic").is_taken());
    let mut replies = Vec::new();
    for other in others {
        replies.push(other.await.expect("a sender does not panic"));
    }
    replies
}

fn all_bodies(taken: &[Taken]) -> Vec<Vec<String>> {
    taken.iter().filter(|one| one.signal == Signal::Logs).map(|one| bodies(&one.request)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_leaves_as_one_by_signal() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf, Protocol::Json] {
        let sink = Sink::with([Act::Hang]).await;
        let (collector, sender) = started(one_at_a_time(&sink, protocol)).await;
        let first = send(&sender, "first");
        sink.attempts(1).await;
        let mut senders = JoinSet::new();
        for number in 0..40 {
            let sender = sender.clone();
            let signal = if number % 4 == 3 { Signal::Spans } else { Signal::Logs };
            senders.spawn(async move {
                let plain = if signal == Signal::Spans { Bytes::new() } else { logs(&[number.to_string()]) };
                sender.send(Protocol::Grpc, Coding::Identity, signal, &plain, &[]).await
            });
        }
        until(&collector, "dtq_queue_requests", 41).await;
        assert_eq!(sink.taken().len(), 0, "nobody is told before it is there");
        sink.go_on();
        assert!(first.await.unwrap().is_taken());
        assert!(senders.join_all().await.iter().all(Reply::is_taken));
        let taken = sink.taken();
        assert_eq!(taken.len(), 3, "one that hung, one of each signal");
        let mut numbers: Vec<usize> = all_bodies(&taken)[1].iter().map(|body| body.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..40).filter(|number| number % 4 != 3).collect::<Vec<_>>());
        assert_eq!(counted(&collector, "dtq_sent_requests_total"), 41);
        assert_eq!(counted(&collector, "dtq_send_merged_requests_total"), 40);
        assert_eq!(collector.stop().await.left, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_alike_or_leaves_as_it_came_leaves_alone() {
    let sink = Sink::with([Act::Hang]).await;
    let mut to = one_at_a_time(&sink, Protocol::Grpc);
    to.merge = to.merge.map(|merge| Merge { bytes_max: 1_000, ..merge });
    let mut settings = settings(vec![to]);
    settings.forwarded = vec!["x-scope-orgid".parse().unwrap()];
    let (collector, sender) = start(settings).await;
    let first = send(&sender, "first");
    sink.attempts(1).await;
    let large = "x".repeat(600);
    let cases = [
        (Coding::Gzip, "", "gzip a"),
        (Coding::Gzip, "", "gzip b"),
        (Coding::Zstd, "", "zstd a"),
        (Coding::Zstd, "", "zstd b"),
        (Coding::Identity, "one", "one"),
        (Coding::Identity, "two", "two"),
        (Coding::Identity, "one", "one again"),
        (Coding::Identity, "", &large),
        (Coding::Identity, "", &large),
    ];
    let mut senders = JoinSet::new();
    for (number, (coding, tenant, body)) in cases.into_iter().enumerate() {
        let (sender, plain) = (sender.clone(), logs(&[body.to_owned()]));
        senders.spawn(async move {
            let more = [("x-scope-orgid", tenant)];
            let more = if tenant.is_empty() { &[][..] } else { &more[..] };
            sender.send(Protocol::Protobuf, coding, Signal::Logs, &plain, more).await
        });
        until(&collector, "dtq_queue_requests", number as u64 + 2).await;
    }
    sink.go_on();
    assert!(first.await.unwrap().is_taken());
    assert!(senders.join_all().await.iter().all(Reply::is_taken));
    let taken = sink.taken();
    let came: Vec<String> = all_bodies(&taken).iter().map(|bodies| bodies.join("+")).collect();
    // Zstd is not what the destination is sent, so those are written anew, and together with what else fits.
    let wanted = ["first", "gzip a", "gzip b", "zstd a+zstd b+LARGE", "one+one again", "two", "LARGE"];
    assert_eq!(came, wanted.map(|one| one.replace("LARGE", &large)));
    let of_one = taken.iter().find(|one| bodies(&one.request)[0] == "one").unwrap();
    assert_eq!(of_one.headers["x-scope-orgid"], "one");
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rejected_of_the_one_is_shared_by_the_senders() {
    let partial = PartialSuccess { rejected: 3, message: "too old".to_owned() };
    let sink = Sink::with([Act::Hang, Act::Partial(partial)]).await;
    let (collector, sender) = started(one_at_a_time(&sink, Protocol::Grpc)).await;
    let replies = behind_one(&sink, &collector, &sender, 4).await;
    let told: Vec<PartialSuccess> = replies.iter().map(|reply| PartialSuccess::read(&reply.body)).collect();
    assert!(replies.iter().all(Reply::is_taken));
    assert_eq!(told.iter().map(|one| one.rejected).collect::<Vec<_>>(), [0, 1, 1, 1]);
    assert!(told[0].is_full());
    assert!(told[1].message.starts_with("too old (of 4 requests sent as one 3 records"), "{told:?}");
    assert_eq!(counted(&collector, "dtq_send_rejected_records_total"), 3);
    assert_eq!(counted(&collector, "dtq_send_partial_requests_total"), 1);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_is_not_the_fault_of_the_others() {
    let wrong = || Act::Refuse(Refusal::new(Cause::RefusedData, "no time"));
    // All five, the first three, the other two, and each of these.
    let sink = Sink::with([Act::Hang, wrong(), yes(), wrong(), yes(), wrong()]).await;
    let (collector, sender) = started(one_at_a_time(&sink, Protocol::Grpc)).await;
    let replies = behind_one(&sink, &collector, &sender, 5).await;
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 400]);
    assert_eq!(all_bodies(&sink.taken())[1..], [vec!["0", "1", "2"], vec!["3"]]);
    assert_eq!(counted(&collector, "dtq_send_refused_requests_total"), 1);
    assert_eq!(counted(&collector, "dtq_queue_requests"), 0);
    collector.stop().await;

    // What is not about the data is the same for all, and asked once.
    let never = Act::Refuse(Refusal::new(Cause::RefusedHere, "no such tenant"));
    let sink = Sink::with([Act::Hang, never]).await;
    let (collector, sender) = started(one_at_a_time(&sink, Protocol::Grpc)).await;
    let replies = behind_one(&sink, &collector, &sender, 5).await;
    assert!(replies.iter().all(|reply| reply.status == 500), "{replies:?}");
    assert_eq!(*sink.record.attempts.lock().unwrap(), 2);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sender_is_told_to_come_again() {
    let sink = Sink::with([Act::Hang, later(Duration::from_secs(3600))]).await;
    let (collector, sender) = started(one_at_a_time(&sink, Protocol::Grpc)).await;
    let replies = behind_one(&sink, &collector, &sender, 3).await;
    for reply in replies {
        assert_eq!((reply.status, &reply.headers["retry-after"]), (503, &"3600".parse().unwrap()));
    }
    assert_eq!(counted(&collector, "dtq_send_abandoned_requests_total"), 3);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_gone_is_left_out_of_the_next_attempt() {
    let (address, record) = Sink::start().await.kill().await;
    let mut to = destination("sink", address, Protocol::Grpc);
    to.concurrency = 1;
    // Nobody waits that long: what does not fit to what waits ends the wait.
    to.merge = Some(Merge { bytes_max: 1 << 20, delay: Duration::from_secs(80), kept: None });
    let (collector, sender) = started(to).await;
    let (goes, stays) = (send(&sender, "goes"), send(&sender, "stays"));
    until(&collector, "dtq_queue_requests", 2).await;
    let other = sender.clone();
    let spans = async move { other.send(Protocol::Grpc, Coding::Identity, Signal::Spans, &Bytes::new(), &[]).await };
    let spans = tokio::spawn(spans);
    eventually("nobody listens", || counted(&collector, "dtq_send_failed_attempts_total") > 0).await;
    goes.abort();
    until(&collector, "dtq_send_abandoned_requests_total", 1).await;
    let sink = Sink::at(address, record).await;
    assert!(stays.await.unwrap().is_taken());
    assert_eq!(all_bodies(&sink.taken()), [vec!["stays"]]);
    // The last waits for others until the end, which lets it go.
    let ends = tokio::spawn(collector.stop());
    assert!(spans.await.unwrap().is_taken());
    assert_eq!(ends.await.unwrap().left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_alone_leaves_when_its_delay_is_over() {
    let sink = Sink::start().await;
    let mut to = one_at_a_time(&sink, Protocol::Grpc);
    to.merge = to.merge.map(|merge| Merge { delay: Duration::from_millis(20), ..merge });
    to.concurrency = 4;
    let (collector, sender) = started(to).await;
    for number in 0..5 {
        assert!(sender.logs(&[number.to_string()]).await.is_taken());
    }
    assert_eq!(counted(&collector, "dtq_send_merged_requests_total"), 0);
    collector.stop().await;
}

/// Returns the bodies of records of 10 KB each, with a number in front.
fn large(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number} {}", "x".repeat(10_000))).collect()
}

fn numbers(taken: &[Taken]) -> Vec<Vec<String>> {
    let number = |body: String| body.split(' ').next().unwrap_or_default().to_owned();
    all_bodies(taken).into_iter().map(|bodies| bodies.into_iter().map(number).collect()).collect()
}

fn too_large() -> Act {
    Act::Refuse(Refusal::new(Cause::TooLarge, "larger than 25 KB"))
}

fn yes() -> Act {
    Act::Partial(PartialSuccess::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_sent_in_parts() {
    for protocol in [Protocol::Grpc, Protocol::Protobuf] {
        let partial = Act::Partial(PartialSuccess { rejected: 1, message: "too old".to_owned() });
        // All five, the first three, two of these; what waits in between is waited for.
        let sink = Sink::with([too_large(), too_large(), yes(), partial, later(Duration::ZERO)]).await;
        let (collector, sender) = started(destination("sink", sink.address, protocol)).await;
        let reply = sender.logs(&large(5)).await;
        assert!(reply.is_taken(), "{reply:?}");
        let told = PartialSuccess { rejected: 1, message: "too old".to_owned() };
        assert_eq!(PartialSuccess::read(&reply.body), told);
        assert_eq!(numbers(&sink.taken()), [vec!["0", "1"], vec!["2"], vec!["3", "4"]]);
        let counts = ["dtq_sent_requests_total", "dtq_send_split_requests_total", "dtq_send_rejected_records_total"];
        assert_eq!(counts.map(|name| counted(&collector, name)), [1, 1, 1]);
        assert_eq!(counted(&collector, "dtq_send_refused_requests_total"), 0);
        assert_eq!(collector.stop().await.left, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_too_large_alone_is_rejected_and_counted() {
    let mut bodies = large(3);
    bodies[1] = format!("1 {}", "x".repeat(40_000));
    // All; the first two; the first of them; the second, which cannot be cut; the third.
    let sink = Sink::with([too_large(), too_large(), yes(), too_large(), yes()]).await;
    let (collector, sender) = started(destination("sink", sink.address, Protocol::Protobuf)).await;
    let reply = sender.logs(&bodies).await;
    let told = PartialSuccess::read(&reply.body);
    assert!(reply.is_taken() && told.rejected == 1 && told.message.contains("1 records"), "{reply:?}");
    assert_eq!(numbers(&sink.taken()), [vec!["0"], vec!["2"]]);
    assert_eq!(counted(&collector, "dtq_send_rejected_records_total"), 1);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_finds_everything_too_large_is_asked_a_few_times() {
    let sink = Sink::with((0..100).map(|_| too_large())).await;
    let (collector, sender) = started(destination("sink", sink.address, Protocol::Grpc)).await;
    assert_eq!(sender.logs(&large(64)).await.status, 413);
    // 64 records, 33, 17, 9, 5, 3, 2, 1, which is less than is cut.
    assert_eq!(*sink.record.attempts.lock().unwrap(), 8);
    assert_eq!(counted(&collector, "dtq_send_refused_requests_total"), 1);
    // Small ones are not cut.
    assert_eq!(sender.logs(&large(1)).await.status, 413);
    assert_eq!(*sink.record.attempts.lock().unwrap(), 9);
    collector.stop().await;
    // What is refused for another reason is not tried part by part.
    let never = Act::Refuse(Refusal::new(Cause::RefusedHere, "no such tenant"));
    let sink = Sink::with([too_large(), yes(), never]).await;
    let (collector, sender) = started(destination("sink", sink.address, Protocol::Grpc)).await;
    let reply = sender.logs(&large(8)).await;
    assert_eq!(PartialSuccess::read(&reply.body).rejected, 4, "{reply:?}");
    assert_eq!(*sink.record.attempts.lock().unwrap(), 3);
    collector.stop().await;
}
