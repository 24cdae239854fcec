//! Files of certificates that change, to connections that are opened with what they hold now.
//!
//! Content is compared, not names or times, so that a file that is replaced, a link that is moved and a mounted Secret
//! are followed alike. What is wrong is refused and said; what was right goes on. Connections that are open stay open.

use crate::account::Count;
use crate::events::{Events, Severity};
use crate::telemetry::family::{Family, Kind};
use crate::tls::{TlsError, Validity};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Bytes of a file that are compared; certificates of all authorities of a system have some 200 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads certificates again.
pub type Reload = Box<dyn Fn() -> Result<(), TlsError> + Send + Sync>;

/// Holds all that has certificates.
pub struct Certificates {
    watched: Mutex<Vec<Watched>>,
    events: Arc<Events>,
    /// How often others took the place of those before.
    pub reloads: Count,
}

/// Says whose certificates they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A port, by its address.
    Port(String),
    /// A destination, by its name.
    Destination(String),
}

impl Owner {
    /// Returns the labels of its certificate: which side of a connection it is for, and the name.
    fn labels(&self) -> Vec<(&'static str, String)> {
        let (role, name) = match self {
            Owner::Port(address) => ("server", address),
            Owner::Destination(name) => ("client", name),
        };
        vec![("role", role.to_owned()), ("name", name.clone())]
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Port(address) => write!(f, "port {address}"),
            Owner::Destination(name) => write!(f, "destination `{name}`"),
        }
    }
}

/// Holds something that has certificates.
pub struct Watched {
    owner: Owner,
    paths: Vec<PathBuf>,
    shown: Option<PathBuf>,
    validity: Option<Result<Validity, TlsError>>,
    seen: [u8; 32],
    reload: Reload,
    trouble: Option<String>,
}

impl Watched {
    /// Returns what has the certificates of these files at the moment, and shows those of `shown` to others.
    pub fn new(owner: Owner, paths: Vec<PathBuf>, shown: Option<PathBuf>, reload: Reload) -> Self {
        let seen = hash(&paths);
        let validity = shown.as_deref().map(Validity::of_file);
        Self { owner, paths, shown, validity, seen, reload, trouble: None }
    }

    /// Returns what an operator should look at.
    fn troubles(&self, now: SystemTime) -> Vec<String> {
        let validity = self.validity.as_ref().map(|read| read.as_ref().map(|validity| validity.short_rest(now)));
        let about_time = match validity {
            None | Some(Ok(None)) => None,
            Some(Err(error)) => Some(format!("{}: when its certificate ends is not known: {error}", self.owner)),
            Some(Ok(Some(rest))) if rest.is_zero() => Some(format!("{}: its certificate has ended", self.owner)),
            Some(Ok(Some(rest))) => {
                let hours = rest.as_secs() / 3600;
                Some(format!("{}: its certificate ends in {} days and {} h", self.owner, hours / 24, hours % 24))
            }
        };
        self.trouble.iter().cloned().chain(about_time).collect()
    }
}

impl Certificates {
    /// Returns what looks at files when it is told to.
    pub fn new(watched: Vec<Watched>, events: Arc<Events>) -> Self {
        Self { watched: Mutex::new(watched), events, reloads: Count::default() }
    }

    /// Says whether there are any files to look at.
    pub fn is_empty(&self) -> bool {
        self.watched().is_empty()
    }

    /// Reads again what has changed.
    pub fn look(&self) {
        for one in self.watched().iter_mut() {
            let now = hash(&one.paths);
            if now == one.seen {
                continue;
            }
            // What is wrong now is not tried again before it changes, as it does when it is half written.
            one.seen = now;
            let name = one.owner.to_string();
            match (one.reload)() {
                Ok(()) => {
                    one.trouble = None;
                    one.validity = one.shown.as_deref().map(Validity::of_file);
                    self.reloads.add(1);
                    let text = format!("{name}: new certificates are in use for new connections");
                    self.events.tell(Severity::Info, "tls.reloaded", Some(&name), text);
                }
                Err(error) => {
                    let text = format!("{name}: new certificates cannot be used, those before go on: {error}");
                    one.trouble = Some(text.clone());
                    self.events.tell(Severity::Error, "tls.refused", Some(&name), text);
                }
            }
        }
    }

    /// Returns what is wrong with files as they are now, and which certificates end soon.
    pub fn troubles(&self) -> Vec<String> {
        let now = SystemTime::now();
        self.watched().iter().flat_map(|one| one.troubles(now)).collect()
    }

    /// Returns what is counted, and the times of the certificates that are shown to others.
    pub fn families(&self) -> Vec<Family> {
        let watched = self.watched();
        let refused = watched.iter().filter(|one| one.trouble.is_some()).count() as u64;
        let times = |name: &str, help, of: fn(&Validity) -> u64| {
            watched.iter().fold(Family::new(name, Kind::Gauge, help), |family, one| match &one.validity {
                Some(Ok(validity)) => family.with(one.owner.labels(), of(validity)),
                _ => family,
            })
        };
        let reloads = "Times new certificates were taken.";
        let of_refused = "Ports and destinations whose new certificates cannot be used.";
        vec![
            Family::single("dtq_certificates_reloads_total", Kind::Counter, reloads, self.reloads.get()),
            Family::single("dtq_certificates_refused", Kind::Gauge, of_refused, refused),
            times("dtq_certificate_not_before_timestamp_seconds", "When the certificate in use begins.", |validity| {
                validity.not_before_s
            }),
            times(
                "dtq_certificate_not_after_timestamp_seconds",
                "When the certificate in use ends, or the first of those between it and the authority.",
                |validity| validity.not_after_s,
            ),
        ]
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what tells the content of files from any other; a file that cannot be read is content of its own.
fn hash(paths: &[PathBuf]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for path in paths {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(size) => hasher.update((size as u64).to_le_bytes()),
            Err(error) => hasher.update(error.to_string()),
        }
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}
