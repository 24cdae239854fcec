//! Certificates that are replaced while requests flow.

use crate::peers::{DEADLINE, Sink, destination, metric, settings, start};
use dtq_collector::collector::Settings;
use dtq_collector::send::settings::Protocol;
use dtq_collector::tls::{ClientTls, ServerTls, Validity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Writes an authority, and a certificate of it, as `name-ca.pem`, `name-cert.pem` and `name-key.pem`.
fn issue(folder: &Path, name: &str) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |kind: &str, text: String| std::fs::write(folder.join(format!("{name}-{kind}.pem")), text).unwrap();
    write("ca", issuer.pem());
    write("cert", certificate.pem());
    write("key", key.serialize_pem());
}

/// Writes a certificate of an authority of its own, valid between two days.
fn issue_for(folder: &Path, name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(to.0, to.1, to.2);
    let certificate = params.self_signed(&key).unwrap();
    for kind in ["ca", "cert"] {
        std::fs::write(folder.join(format!("{name}-{kind}.pem")), certificate.pem()).unwrap();
    }
    std::fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem()).unwrap();
}

fn copy(folder: &Path, from: &str, to: &str) {
    for kind in ["ca", "cert", "key"] {
        std::fs::copy(folder.join(format!("{from}-{kind}.pem")), folder.join(format!("{to}-{kind}.pem"))).unwrap();
    }
}

/// Returns the settings of a collector that sends to one with TLS, and trusts an authority.
fn to(address: SocketAddr, ca: PathBuf, timeout: Duration) -> Settings {
    let mut next = destination("next", address, Protocol::Grpc);
    next.endpoint = format!("https://localhost:{}", address.port()).parse().unwrap();
    next.tls = ClientTls { ca: Some(ca), identity: None };
    let mut settings = settings(vec![next]);
    settings.limits.request_timeout = timeout;
    settings
}

const LONG: Duration = DEADLINE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_have_new_certificates_and_old_ones_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    ["one", "two"].into_iter().for_each(|name| issue(folder.path(), name));
    copy(folder.path(), "one", "now");
    let sink = Sink::start().await;
    let mut last = settings(vec![destination("sink", sink.address, Protocol::Grpc)]);
    last.ports[0].tls =
        Some(ServerTls { certificate: path("now-cert.pem"), key: path("now-key.pem"), client_ca: None });
    let (last, _) = start(last).await;
    let address = last.addresses()[0];
    let (old, old_sender) = start(to(address, path("one-ca.pem"), LONG)).await;
    let (follows, follows_sender) = start(to(address, path("now-ca.pem"), LONG)).await;
    assert!(old_sender.logs(&["a".to_owned()]).await.is_taken());
    assert!(follows_sender.logs(&["b".to_owned()]).await.is_taken());
    // Nothing has changed, so nothing is read.
    last.reload().await;
    assert_eq!(last.admin().certificate_reloads(), 0);
    copy(folder.path(), "two", "now");
    last.reload().await;
    follows.reload().await;
    assert_eq!((last.admin().certificate_reloads(), follows.admin().certificate_reloads()), (1, 1));
    // The connection that is open goes on; a new one of who trusts the old authority alone does not come about.
    assert!(old_sender.logs(&["c".to_owned()]).await.is_taken());
    assert!(follows_sender.logs(&["d".to_owned()]).await.is_taken());
    let (stranger, stranger_sender) = start(to(address, path("one-ca.pem"), Duration::from_millis(400))).await;
    assert!(!stranger_sender.logs(&["e".to_owned()]).await.is_taken());
    // What is wrong is refused and said, and what was right goes on.
    std::fs::write(path("now-key.pem"), "no key").unwrap();
    last.reload().await;
    assert!(last.admin().troubles()[0].contains("new certificates cannot be used"), "{:?}", last.admin().troubles());
    let (new, new_sender) = start(to(address, path("two-ca.pem"), LONG)).await;
    assert!(new_sender.logs(&["f".to_owned()]).await.is_taken());
    copy(folder.path(), "two", "now");
    last.reload().await;
    assert!(last.admin().troubles().is_empty());
    for collector in [old, follows, stranger, new, last] {
        collector.stop().await;
    }
    assert_eq!(sink.taken().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_certificates_end_is_shown_and_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    issue_for(folder.path(), "past", (2001, 1, 1), (2002, 1, 1));
    issue_for(folder.path(), "long", (2001, 1, 1), (2049, 12, 31));
    // Past 2049 the time is written in another way (RFC 5280, 4.1.2.5).
    issue_for(folder.path(), "longer", (2001, 1, 1), (2100, 1, 1));
    copy(folder.path(), "past", "now");
    copy(folder.path(), "long", "shown");
    let mut settings = to("127.0.0.1:1".parse().unwrap(), path("long-ca.pem"), LONG);
    settings.destinations[0].tls.identity = Some((path("shown-cert.pem"), path("shown-key.pem")));
    let server = ServerTls { certificate: path("now-cert.pem"), key: path("now-key.pem"), client_ca: None };
    settings.ports[0].tls = Some(server);
    let (collector, _) = start(settings).await;
    let server = "{role=\"server\",name=\"127.0.0.1:0\"}";
    let at =
        |time: &str, labels: &str| metric(&collector, &format!("dtq_certificate_{time}_timestamp_seconds{labels}"));
    assert_eq!((at("not_before", server), at("not_after", server)), (978_307_200, 1_009_843_200));
    assert_eq!(at("not_after", "{role=\"client\",name=\"next\"}"), 2_524_521_600);
    assert_eq!(collector.admin().troubles(), ["port 127.0.0.1:0: its certificate has ended"]);
    assert_eq!(metric(&collector, "dtq_certificates_refused"), 0);
    copy(folder.path(), "longer", "now");
    collector.reload().await;
    assert_eq!(at("not_after", server), 4_102_444_800);
    assert_eq!(collector.admin().troubles(), Vec::<String>::new());
    // What is refused is not in use: its time is not shown.
    std::fs::write(path("now-cert.pem"), std::fs::read(path("long-cert.pem")).unwrap()).unwrap();
    collector.reload().await;
    assert_eq!(metric(&collector, "dtq_certificates_refused"), 1);
    assert_eq!(at("not_after", server), 4_102_444_800);
    collector.stop().await;
}

#[test]
fn what_is_left_is_worth_a_word_in_the_last_week_and_the_last_fifth() {
    let (day, now) = (86_400, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * 86_400));
    let rest = |from_day: u64, to_day: u64| {
        Validity { not_before_s: from_day * day, not_after_s: to_day * day }.short_rest(now)
    };
    assert_eq!(rest(900, 1_008), None, "more than a week");
    assert_eq!(rest(900, 1_006), Some(Duration::from_secs(6 * day)));
    assert_eq!(rest(999, 1_001), None, "one that lives for two days");
    assert_eq!(rest(990, 1_002), Some(Duration::from_secs(2 * day)));
    assert_eq!(rest(900, 999), Some(Duration::ZERO), "has ended");
}
