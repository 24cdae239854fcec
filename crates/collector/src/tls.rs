//! Certificates and keys in PEM to what rustls needs on either side.
//!
//! Uses ring alone, TLS 1.2 and 1.3, and never leaves out a check of a certificate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

/// Holds where the certificates of a listener are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Its certificate, with those between it and the authority.
    pub certificate: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// The authority of the certificates that clients must show; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// Holds where the certificates for a destination are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The authority of its certificate; `None` is those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Says which file cannot be used and why.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// Holds from when to when certificates can be used, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When the last of them begins.
    pub not_before_s: u64,
    /// When the first of them ends.
    pub not_after_s: u64,
}

impl Validity {
    /// Returns that of the certificates in a file, which are shown together.
    ///
    /// # Errors
    /// When there are none, or one is none.
    pub fn of_file(path: &Path) -> Result<Self, TlsError> {
        let mut whole = Self { not_before_s: 0, not_after_s: u64::MAX };
        for certificate in certificates(path)? {
            let read = CertificateInner::<Raw>::from_der(&certificate)
                .map_err(|error| TlsError(format!("`{}` has a certificate without a time: {error}", path.display())))?;
            let validity = read.tbs_certificate().validity();
            whole.not_before_s = whole.not_before_s.max(validity.not_before.to_unix_duration().as_secs());
            whole.not_after_s = whole.not_after_s.min(validity.not_after.to_unix_duration().as_secs());
        }
        Ok(whole)
    }

    /// Returns how long they can still be used where that is short: less than a week, and than a fifth of their time, so
    /// that those that are made anew every day do not count.
    pub fn short_rest(&self, now: SystemTime) -> Option<Duration> {
        let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (rest_s, all_s) =
            (self.not_after_s.saturating_sub(now_s), self.not_after_s.saturating_sub(self.not_before_s));
        (rest_s < REST_SHORT_S && rest_s.saturating_mul(5) < all_s.max(1)).then(|| Duration::from_secs(rest_s))
    }
}

/// What is left of a certificate's time when that is worth a word: a week.
const REST_SHORT_S: u64 = 7 * 86_400;

impl ServerTls {
    /// Returns the files that it reads.
    pub fn paths(&self) -> Vec<PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_ca).cloned().collect()
    }

    /// Returns what accepts connections.
    ///
    /// # Errors
    /// When a file cannot be read, has nothing in it that is needed, or the key is not that of the certificate.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider())
                    .build()
                    .map_err(|error| TlsError(format!("`{}` has no usable authority: {error}", path.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = (certificates(&self.certificate)?, key(&self.key)?);
        let mut config = builder.with_single_cert(chain, key).map_err(|error| self.mismatch(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn mismatch(&self, error: &dyn fmt::Display) -> TlsError {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        TlsError(format!("certificate `{certificate}` and key `{key}` cannot be used together: {error}"))
    }
}

impl ClientTls {
    /// Returns the files that it reads, without those of the system.
    pub fn paths(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.ca.iter().chain(identity).cloned().collect()
    }

    /// Returns what opens connections.
    ///
    /// # Errors
    /// As [`ServerTls::load`]; also when the system has no authorities and none is named.
    pub fn load(&self) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?;
        let roots = match &self.ca {
            Some(path) => roots(path)?,
            None => system_roots()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError(format!("the authorities for TLS cannot be used: {error}")))?;
        let builder = builder.with_webpki_verifier(verifier);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain_path, key_path)) => builder
                .with_client_auth_cert(certificates(chain_path)?, key(key_path)?)
                .map_err(|error| TlsError(format!("certificate `{}` cannot be shown: {error}", chain_path.display()))),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(TlsError(format!("`{}` has no certificate in PEM", path.display()))),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError(format!("cannot read certificates from `{}`: {error}", path.display()))),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| TlsError(format!("cannot read a private key in PEM from `{}`: {error}", path.display())))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| {
            TlsError(format!("`{}` has a certificate that is no authority: {error}", path.display()))
        })?;
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(TlsError("the system has no authorities for TLS; name a file with `tls: {ca: ...}`".to_owned()));
    }
    Ok(store)
}

/// Returns what a connector asks for that opens no TLS: it trusts nobody.
pub fn no_tls() -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider());
    let versions = builder.with_safe_default_protocol_versions().expect("ring has the suites of TLS 1.2 and 1.3");
    versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}
