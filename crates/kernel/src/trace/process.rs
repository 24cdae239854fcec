//! A process to the files that its code came from.
//!
//! Next: `arguments.rs`.
//!
//! # Source
//! `proc_pid_maps(5)`.

use crate::trace::error::TraceError;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Lines of a list of what is mapped that are read, at most (`vm.max_map_count` is 65,530 by default).
const LINES_MAX: usize = 1 << 20;

/// Names a file that a process has code of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MappedFile {
    /// Where it was when it was mapped, as the process sees it.
    pub path: PathBuf,
    /// Its number in its file system.
    pub inode: u64,
    /// Whether it was removed or replaced since.
    pub is_deleted: bool,
}

/// Returns the files that a process has code of, each once.
///
/// # Errors
/// When there is no such process, or it is somebody else's.
pub fn files(pid: u32) -> Result<Vec<MappedFile>, TraceError> {
    let path = format!("/proc/{pid}/maps");
    let text = std::fs::read(&path).map_err(TraceError::io(format!("read {path}")))?;
    Ok(parse_maps(&text))
}

/// Returns the files with code in a list as `/proc/PID/maps` gives it.
pub fn parse_maps(text: &[u8]) -> Vec<MappedFile> {
    let mut files: Vec<MappedFile> = text.split(|byte| *byte == b'\n').take(LINES_MAX).filter_map(parse_line).collect();
    files.sort();
    files.dedup();
    files
}

/// Reads `start-end rwxp offset dev inode   path`.
fn parse_line(line: &[u8]) -> Option<MappedFile> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let (rights, inode) = (fields.nth(1)?, fields.nth(2)?);
    let path = fields.next()?.trim_ascii_start();
    let inode: u64 = std::str::from_utf8(inode).ok()?.parse().ok()?;
    if rights.get(2) != Some(&b'x') || !path.starts_with(b"/") || inode == 0 {
        return None;
    }
    let (path, is_deleted) = match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    Some(MappedFile { path: PathBuf::from(std::ffi::OsStr::from_bytes(&unescaped(path))), inode, is_deleted })
}

/// Puts newlines back where the kernel wrote `\012`.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        (rest, _) = match rest.strip_prefix(br"\012") {
            Some(tail) => (tail, plain.push(b'\n')),
            None => (tail, plain.push(*first)),
        };
    }
    plain
}

/// Returns a path at which the kernel finds a file of a process: its program for `None`, or a library by its path or by
/// the beginning of its name, such as `libc`.
///
/// # Errors
/// When there is none or more than one, and when the file was replaced since the process started: a probe on the new one
/// would never be hit.
pub fn find_file(pid: u32, wanted: Option<&str>) -> Result<PathBuf, TraceError> {
    let Some(wanted) = wanted else {
        let link = format!("/proc/{pid}/exe");
        let target = std::fs::read_link(&link).map_err(TraceError::io(format!("read {link}")))?;
        let inode = std::fs::metadata(&link).map_err(TraceError::io(format!("look at {link}")))?.ino();
        let path = target.as_os_str().as_bytes();
        let is_deleted = path.ends_with(b" (deleted)");
        return reachable(pid, &MappedFile { path: target.clone(), inode, is_deleted });
    };
    let files = files(pid)?;
    let found: Vec<&MappedFile> = files.iter().filter(|file| is_named(file, wanted)).collect();
    match found.as_slice() {
        [file] => reachable(pid, file),
        [] => {
            let names: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(TraceError::Site(format!("process {pid} has no code of a file `{wanted}`, but of {known}")))
        }
        several => {
            let names: Vec<String> = several.iter().map(|file| file.path.display().to_string()).collect();
            Err(TraceError::Site(format!(
                "`{wanted}` names {} files of process {pid}: {}",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

fn is_named(file: &MappedFile, wanted: &str) -> bool {
    let name = file.path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    let rest = name.strip_prefix(wanted.as_bytes());
    let is_begin = rest.is_some_and(|rest| rest.is_empty() || matches!(rest[0], b'.' | b'-'));
    file.path == Path::new(wanted) || (!wanted.is_empty() && is_begin)
}

/// Returns the path of a file of a process as this process sees it.
fn reachable(pid: u32, file: &MappedFile) -> Result<PathBuf, TraceError> {
    let replaced = || {
        let reason = "was removed or replaced since the process started; start the process again";
        TraceError::Site(format!("{} of process {pid} {reason}", file.path.display()))
    };
    if file.is_deleted {
        return Err(replaced());
    }
    // The process may have another root.
    let inside = PathBuf::from(format!("/proc/{pid}/root")).join(file.path.strip_prefix("/").unwrap_or(&file.path));
    for path in [&file.path, &inside] {
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.ino() == file.inode) {
            return Ok(path.clone());
        }
    }
    Err(replaced())
}
