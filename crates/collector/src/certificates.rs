//! Files of certificates that change, to connections that are opened with what they hold now.
//!
//! Content is compared, not names or times, so that a file that is replaced, a link that is moved and a mounted Secret
//! are followed alike. What is wrong is refused and said; what was right goes on. Connections that are open stay open.

use crate::account::Count;
use crate::events::{Events, Severity};
use crate::tls::TlsError;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Holds something that has certificates.
pub struct Watched {
    name: String,
    paths: Vec<PathBuf>,
    seen: [u8; 32],
    reload: Reload,
    trouble: Option<String>,
}

impl Watched {
    /// Returns what has the certificates of these files at the moment.
    pub fn new(name: String, paths: Vec<PathBuf>, reload: Reload) -> Self {
        let seen = hash(&paths);
        Self { name, paths, seen, reload, trouble: None }
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
            let name = &one.name;
            match (one.reload)() {
                Ok(()) => {
                    one.trouble = None;
                    self.reloads.add(1);
                    let text = format!("{name}: new certificates are in use for new connections");
                    self.events.tell(Severity::Info, "tls.reloaded", Some(name), text);
                }
                Err(error) => {
                    let text = format!("{name}: new certificates cannot be used, those before go on: {error}");
                    one.trouble = Some(text.clone());
                    self.events.tell(Severity::Error, "tls.refused", Some(name), text);
                }
            }
        }
    }

    /// Returns what is wrong with files as they are now.
    pub fn troubles(&self) -> Vec<String> {
        self.watched().iter().filter_map(|one| one.trouble.clone()).collect()
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
