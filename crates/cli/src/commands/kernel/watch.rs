//! Rule files to whether they have changed since they were read. Next: `control.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells versions of a file apart: device, inode, size, and when it was written, in seconds and nanoseconds.
type Version = (u64, u64, u64, i64, i64);

/// Knows the versions of files.
pub struct Watch {
    versions: Vec<(PathBuf, Option<Version>)>,
}

impl Watch {
    /// Returns what knows the versions of now.
    pub fn new(mut paths: Vec<PathBuf>) -> Self {
        paths.sort();
        paths.dedup();
        Self {
            versions: paths
                .into_iter()
                .map(|path| (version(&path), path))
                .map(|(version, path)| (path, version))
                .collect(),
        }
    }

    /// Says whether a file is another than it was, and knows its new version from then on.
    pub fn has_changed(&mut self) -> bool {
        let mut has_changed = false;
        for (path, known) in &mut self.versions {
            let version = version(path);
            has_changed |= version != *known;
            *known = version;
        }
        has_changed
    }
}

/// Returns the version of a file, of which links are followed: the files of a ConfigMap are swapped by one.
fn version(path: &Path) -> Option<Version> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}
