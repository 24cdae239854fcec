//! Nothing to certificates that last for a test: an authority, a server on loopback, a client.
//!
//! Next: `telemetry.rs`.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// Holds the files of the certificates; all are PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// A server's certificate, for `localhost` and `127.0.0.1`, and its key.
    pub server: (PathBuf, PathBuf),
    /// A client's certificate and its key.
    pub client: (PathBuf, PathBuf),
}

impl Certificates {
    /// Makes all of them new, in a folder.
    ///
    /// # Panics
    /// If they cannot be made or written.
    pub fn make(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are no wrong names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "dtq end-to-end tests");
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority signs itself");
        let ca = write(folder, "ca.pem", &issuer.pem());
        let identity = |name: &str, usage: ExtendedKeyUsagePurpose| {
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let mut params = CertificateParams::new(names).expect("these are names");
            params.extended_key_usages = vec![usage];
            params.use_authority_key_identifier_extension = true;
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let key = KeyPair::generate().expect("a key can be made");
            let certificate = params.signed_by(&key, &issuer).expect("the authority signs");
            let files = (format!("{name}.pem"), format!("{name}.key"));
            (write(folder, &files.0, &certificate.pem()), write(folder, &files.1, &key.serialize_pem()))
        };
        Self {
            ca,
            server: identity("server", ExtendedKeyUsagePurpose::ServerAuth),
            client: identity("client", ExtendedKeyUsagePurpose::ClientAuth),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a test can write into its own folder");
    path
}
