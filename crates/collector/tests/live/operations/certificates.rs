//! Certificates that are replaced while requests flow.

use crate::peers::{Sink, destination, settings, start};
use dtq_collector::collector::Settings;
use dtq_collector::send::settings::Protocol;
use dtq_collector::tls::{ClientTls, ServerTls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

const LONG: Duration = Duration::from_secs(20);

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
