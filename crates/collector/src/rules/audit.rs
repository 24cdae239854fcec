//! What was ordered, by whom and with what result, to a file that is only ever appended to.
//!
//! Past a size the file is put aside under a second name, whose old content goes. Next: `governor.rs`.

use crate::rules::clock;
use crate::rules::store::private;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Says who ordered something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A process that is connected to the control socket, as the kernel knows it.
    Peer {
        /// Its user.
        uid: u32,
        /// Its process.
        pid: i32,
    },
    /// Rule files that changed.
    Files,
    /// The start of the process.
    Start,
    /// A signal (SIGHUP).
    Signal,
}

/// Writes the file.
#[derive(Debug)]
pub(crate) struct Audit {
    path: PathBuf,
    bytes_max: u64,
    file: Mutex<Option<File>>,
}

impl Audit {
    /// Opens the file.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        Ok(Self { path: path.to_path_buf(), bytes_max, file: Mutex::new(Some(open(path)?)) })
    }

    /// Appends a line: what was ordered, with its details, and what came of it.
    pub fn write(&self, who: Who, op: &str, details: Value, result: Result<&str, &str>) -> io::Result<()> {
        let mut line = json!({ "time": clock::shown(clock::now_ticks()), "op": op });
        let object = line.as_object_mut().expect("it was made as one");
        match who {
            Who::Peer { uid, pid } => {
                object.insert("by".into(), "control".into());
                object.insert("uid".into(), uid.into());
                object.insert("pid".into(), pid.into());
            }
            Who::Files => drop(object.insert("by".into(), "files".into())),
            Who::Start => drop(object.insert("by".into(), "start".into())),
            Who::Signal => drop(object.insert("by".into(), "signal".into())),
        }
        if let Value::Object(details) = details {
            object.extend(details);
        }
        object.insert("result".into(), if result.is_ok() { "ok" } else { "refused" }.into());
        object.insert("message".into(), result.unwrap_or_else(|message| message).into());
        let mut bytes = serde_json::to_vec(&line).map_err(io::Error::other)?;
        bytes.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&mut file, &bytes)
    }

    fn append(&self, file: &mut Option<File>, bytes: &[u8]) -> io::Result<()> {
        let is_full = |file: &File| file.metadata().is_ok_and(|found| found.len() >= self.bytes_max);
        if file.as_ref().is_some_and(is_full) {
            *file = None;
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            fs::rename(&self.path, aside)?;
        }
        if file.is_none() {
            *file = Some(open(&self.path)?);
        }
        // One write, so that a line is whole whatever else happens.
        file.as_mut().expect("it was just opened").write_all(bytes)
    }
}

fn open(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().append(true).create(true)).open(path)
}
