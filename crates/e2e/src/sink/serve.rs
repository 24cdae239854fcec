//! A socket to connections, with TLS where it is wanted.
//!
//! Never says why a connection failed: the other side sees it.

use crate::certificates::Certificates;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

/// Serves a socket for as long as it is polled.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            match tls {
                None => talk(stream, router).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream, router).await;
                    }
                }
            }
        });
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let builder = Builder::new(TokioExecutor::new());
    // How a client ends is no matter.
    let _ = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

/// Returns what takes connections with TLS.
///
/// # Panics
/// If the certificates cannot be read or do not fit.
pub fn acceptor(certificates: &Certificates, is_mutual: bool) -> TlsAcceptor {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    let builder = if is_mutual {
        let mut roots = RootCertStore::empty();
        read(&certificates.ca).into_iter().for_each(|one| roots.add(one).expect("an authority of ours"));
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.expect("there is an authority"))
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = &certificates.server;
    let key = PrivateKeyDer::from_pem_file(key).expect("the key was written in PEM");
    let mut config = builder.with_single_cert(read(certificate), key).expect("the key fits");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn read(path: &Path) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_file_iter(path).expect("the certificate was written");
    all.map(|one| one.expect("it was written in PEM")).collect()
}
