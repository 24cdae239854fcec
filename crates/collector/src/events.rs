//! Changes of state to lines of a log, few enough to read however often they happen.
//!
//! Writes nothing itself: the host hands in where lines go.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an event of a kind stays silent after it was said.
const SILENCE: Duration = Duration::from_secs(10);

/// How many kinds are remembered; kinds are made of names in the configuration, so there are few.
const KINDS_MAX: usize = 1024;

/// Says what happens, each kind at most every ten seconds.
pub struct Events {
    write: Box<dyn Fn(&str) + Send + Sync>,
    said: Mutex<HashMap<String, (Instant, u64)>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Returns events that go to `write`, a line each.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { write: Box::new(write), said: Mutex::default() }
    }

    /// Returns events that nobody reads.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Says something always: what happens a few times in the life of the process.
    pub fn say(&self, text: &str) {
        (self.write)(text);
    }

    /// Says something unless the same kind was said a short time before; how often it was not said is added then.
    pub fn warn(&self, kind: &str, text: impl FnOnce() -> String) {
        let now = Instant::now();
        let unsaid = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() >= KINDS_MAX {
                said.clear();
            }
            match said.get_mut(kind) {
                Some((at, unsaid)) if now.duration_since(*at) < SILENCE => {
                    *unsaid += 1;
                    return;
                }
                Some(entry) => std::mem::replace(entry, (now, 0)).1,
                None => said.insert(kind.to_owned(), (now, 0)).map_or(0, |(_, unsaid)| unsaid),
            }
        };
        let text = text();
        let again = if unsaid == 0 { String::new() } else { format!(" (and {unsaid} more such)") };
        (self.write)(&format!("{text}{again}"));
    }
}
