//! What an operator ordered, and the versions of the rules, to files that outlive the process.
//!
//! `state.json` is replaced as a whole; each version is a file that is written once. One process at a time has the
//! folder. Next: `audit.rs`.

use crate::rules::protocol::VersionEntry;
use crate::rules::source::Content;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Holds what an operator ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Rules that are off.
    #[serde(default)]
    pub off: BTreeSet<String>,
    /// Rules that act although their file says `off`.
    #[serde(default)]
    pub on: BTreeSet<String>,
    /// The ripcord, while it is pulled.
    #[serde(default)]
    pub ripcord: Option<Ripcord>,
    /// The version that runs in the place of what the files say.
    #[serde(default)]
    pub pinned: Option<Pinned>,
}

/// Says that rules are off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ripcord {
    /// Since when.
    pub since: String,
    /// Whether protective rules are off too.
    pub also_protective: bool,
}

/// Says that an earlier version runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    /// Which.
    pub version: u64,
    /// The hash of what the files said then: others end it.
    pub against: String,
}

/// Holds a version of the rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its number.
    pub version: u64,
    /// When it was first read.
    pub time: String,
    /// What its files held.
    pub content: Content,
}

/// Reads and writes the folder.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Locked while the process has the folder.
    lock: File,
}

impl Store {
    /// Takes the folder for this process, and makes it where there is none.
    pub fn open(folder: &Path) -> io::Result<Self> {
        make_folder(&folder.join("versions"))?;
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false)).open(folder.join("lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another process uses it; give this one a `state` of its own"))?;
        Ok(Self { folder: folder.to_path_buf(), lock })
    }

    /// Gives the folder up for another process.
    pub fn release(&self) {
        // Where that fails, the folder is given up when the process ends.
        let _ = rustix::fs::flock(&self.lock, rustix::fs::FlockOperation::Unlock);
    }

    /// Returns the path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns what was ordered. A state that cannot be read is put aside, and what is wrong comes beside nothing.
    pub fn state(&self) -> (State, Option<String>) {
        let path = self.path("state.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (State::default(), None),
            Err(error) => return (State::default(), Some(format!("cannot read `{}`: {error}", path.display()))),
        };
        match serde_json::from_slice(&bytes) {
            Ok(state) => (state, None),
            Err(error) => {
                let aside = self.path("state.json.bad");
                let _ = fs::rename(&path, &aside);
                let place = aside.display();
                let lost = "what operators ordered before is lost: rules run as their files say";
                (State::default(), Some(format!("the state cannot be read ({error}) and is now `{place}`; {lost}")))
            }
        }
    }

    /// Keeps what is ordered.
    pub fn save(&self, state: &State) -> io::Result<()> {
        self.replace("state.json", &serde_json::to_vec_pretty(state).map_err(io::Error::other)?, true)
    }

    /// Keeps a version, and lets go of the oldest ones but `spared`.
    pub fn keep(&self, kept: &Kept, count_max: usize, spared: Option<u64>) -> io::Result<()> {
        self.replace(&version_name(kept.version), &serde_json::to_vec(kept).map_err(io::Error::other)?, false)?;
        let mut all: Vec<u64> = self.numbers()?;
        all.retain(|version| Some(*version) != spared && *version != kept.version);
        let others_max = count_max.saturating_sub(1 + usize::from(spared.is_some()));
        for version in all.iter().rev().skip(others_max) {
            let _ = fs::remove_file(self.path(&version_name(*version)));
        }
        Ok(())
    }

    /// Returns the numbers of the versions, ascending.
    pub fn numbers(&self) -> io::Result<Vec<u64>> {
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let entries = fs::read_dir(self.path("versions"))?;
        let mut numbers: Vec<u64> = entries.filter_map(|entry| number(entry.ok()?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Returns the versions, ascending.
    pub fn versions(&self) -> Vec<VersionEntry> {
        let numbers = self.numbers().unwrap_or_default();
        let entry = |version: &u64| {
            let kept = self.version(*version).ok()?;
            Some(VersionEntry { version: kept.version, time: kept.time })
        };
        numbers.iter().filter_map(entry).collect()
    }

    /// Returns a version.
    pub fn version(&self, version: u64) -> io::Result<Kept> {
        let bytes = fs::read(self.path(&version_name(version)))?;
        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }

    /// Writes a file beside, and puts it in the place of the old one; where it must outlive a loss of power, it is synced. A
    /// version that does not is one version less to go back to.
    fn replace(&self, name: &str, bytes: &[u8], is_synced: bool) -> io::Result<()> {
        let beside = self.path(&format!("{name}.new"));
        let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&beside)?;
        file.write_all(bytes)?;
        if is_synced {
            file.sync_all()?;
        }
        fs::rename(&beside, self.path(name))
    }
}

fn version_name(version: u64) -> String {
    format!("versions/{version}.json")
}

/// Makes a folder that only its owner looks into, and those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Says that only the owner reads and writes a file.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
