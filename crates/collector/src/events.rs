//! Changes of state to lines of a log, few enough to read however often they happen.
//!
//! Writes nothing itself: the host hands in where events go. The last ones are kept for the status page and for who
//! sends them on.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long an event of a kind stays silent after it was said.
const SILENCE: Duration = Duration::from_secs(10);

/// How many kinds are remembered; kinds are made of names in the configuration, so there are few.
const KINDS_MAX: usize = 1024;

/// How many events are kept.
const KEPT_MAX: usize = 256;

/// Bytes of the text of an event that are kept; diagnostics of rules are the longest.
const KEPT_BYTES_MAX: usize = 8 << 10;

/// Says how much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something changed as it was meant to.
    Info,
    /// Something does not work as it should, and goes on.
    Warn,
    /// Something does not work.
    Error,
}

impl Severity {
    /// Every severity, for accounts.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warn, Severity::Error];

    /// Returns its name, as OpenTelemetry has it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        }
    }

    /// Returns its number in OTLP.
    ///
    /// # Source
    /// OpenTelemetry, "Logs Data Model", `SeverityNumber`.
    pub fn number(self) -> u64 {
        match self {
            Severity::Info => 9,
            Severity::Warn => 13,
            Severity::Error => 17,
        }
    }
}

/// Holds what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which it is, from 0, of all that happened.
    pub position: u64,
    /// When.
    pub time: SystemTime,
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is: a word for machines.
    pub name: String,
    /// The destination, rule or port that it is about.
    pub subject: Option<String>,
    /// The same for people.
    pub text: String,
}

/// Says what happens, each kind at most every ten seconds.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    write: Box<dyn Fn(&Event) + Send + Sync>,
    said: Mutex<HashMap<String, (Instant, u64)>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    counts: [u64; Severity::ALL.len()],
    next_position: u64,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Returns events that go to `write`, a line each.
    pub fn new(write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self::of(move |event| write(&event.text))
    }

    /// Returns events that go to `write` with all that is known of them.
    pub fn of(write: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { write: Box::new(write), said: Mutex::default(), kept: Mutex::default() }))
    }

    /// Returns events that nobody reads.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Says something always: what happens a few times in the life of the process.
    pub fn say(&self, text: &str) {
        self.tell(Severity::Info, "note", None, text.to_owned());
    }

    /// Says something always, with its name for machines.
    pub fn tell(&self, severity: Severity, name: &str, subject: Option<&str>, text: String) {
        let mut event = Event {
            position: 0,
            time: SystemTime::now(),
            severity,
            name: name.to_owned(),
            subject: subject.map(str::to_owned),
            text,
        };
        {
            let mut kept = self.kept();
            event.position = kept.next_position;
            kept.next_position += 1;
            kept.counts[severity as usize] += 1;
            if kept.events.len() >= KEPT_MAX {
                kept.events.pop_front();
            }
            let mut short = event.clone();
            short.text.truncate(short.text.floor_char_boundary(KEPT_BYTES_MAX));
            kept.events.push_back(short);
        }
        (self.0.write)(&event);
    }

    /// Warns unless the same kind was said a short time before; how often it was not said is added then. What stands
    /// behind a colon in the kind is what it is about.
    pub fn warn(&self, kind: &str, text: impl FnOnce() -> String) {
        self.seldom(Severity::Warn, kind, text);
    }

    /// Says as [`Events::warn`] does that something is well.
    pub fn note(&self, kind: &str, text: impl FnOnce() -> String) {
        self.seldom(Severity::Info, kind, text);
    }

    fn seldom(&self, severity: Severity, kind: &str, text: impl FnOnce() -> String) {
        let now = Instant::now();
        let unsaid = {
            let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
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
        let (name, subject) = kind.split_once(':').map_or((kind, None), |(name, subject)| (name, Some(subject)));
        self.tell(severity, name, subject, format!("{text}{again}"));
    }

    /// Returns the last events from a position on, oldest first, and how many are not kept any more.
    pub fn since(&self, position: u64) -> (Vec<Event>, u64) {
        let kept = self.kept();
        let first = kept.events.front().map_or(kept.next_position, |event| event.position);
        let events = kept.events.iter().filter(|event| event.position >= position).cloned().collect();
        (events, first.saturating_sub(position))
    }

    /// Returns the last events, oldest first.
    pub fn last(&self, count: usize) -> Vec<Event> {
        let kept = self.kept();
        kept.events.iter().skip(kept.events.len().saturating_sub(count)).cloned().collect()
    }

    /// Returns how many events of a severity there were.
    pub fn count(&self, severity: Severity) -> u64 {
        self.kept().counts[severity as usize]
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once_and_the_last_are_kept() {
        let events = Events::silent();
        for _ in 0..3 {
            events.warn("failing:backend", || "no".to_owned());
        }
        events.say(&"x".repeat(KEPT_BYTES_MAX + 1));
        let last = events.last(9);
        assert_eq!(last.len(), 2);
        assert_eq!((last[0].name.as_str(), last[0].subject.as_deref()), ("failing", Some("backend")));
        assert_eq!((last[1].text.len(), events.count(Severity::Warn)), (KEPT_BYTES_MAX, 1));
        for _ in 0..KEPT_MAX {
            events.say("again");
        }
        let (rest, lost) = events.since(1);
        assert_eq!((rest.len(), lost), (KEPT_MAX, 1));
    }
}
