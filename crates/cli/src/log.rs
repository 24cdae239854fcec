//! What `dtq collect` says of itself to stderr, as text or as JSON, a line each.
//!
//! A thread of its own writes, so that whoever reads slowly or not at all holds up nothing; past a bound, lines are left
//! out, and how many is said with the next. Next: `commands/collect.rs`.

use crate::args::LogForm;
use crate::output::text;
use dtq_collector::events::{Event, Events, Severity};
use serde_json::json;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// How many lines may wait to be written.
const LINES_MAX: usize = 1024;

/// How long the end waits for lines to be written.
const END: Duration = Duration::from_secs(2);

/// Writes events until it is ended.
pub struct Log {
    written: Mutex<Option<Receiver<()>>>,
    lines: Arc<Mutex<Option<SyncSender<String>>>>,
}

impl Log {
    /// Returns events that go to stderr, and what ends them.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(form: LogForm) -> io::Result<(Events, Self)> {
        let (lines, waiting) = sync_channel::<String>(LINES_MAX);
        let (done, written) = sync_channel(1);
        std::thread::Builder::new().name("dtq-log".into()).spawn(move || {
            for line in waiting {
                // Nobody who reads stderr is no reason to stop.
                let _ = io::stderr().lock().write_all(line.as_bytes());
            }
            let _ = done.send(());
        })?;
        let has_levels = std::env::var_os("JOURNAL_STREAM").is_some();
        let lines = Arc::new(Mutex::new(Some(lines)));
        let (to, left_out) = (Arc::clone(&lines), AtomicU64::new(0));
        let events = Events::of(move |event| {
            let to = to.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(to) = to.as_ref() else { return };
            let unsaid = left_out.swap(0, Ordering::Relaxed);
            if to.try_send(line(event, form, has_levels, unsaid)).is_err() {
                left_out.fetch_add(unsaid + 1, Ordering::Relaxed);
            }
        });
        Ok((events, Self { written: Mutex::new(Some(written)), lines }))
    }

    /// Writes what waits, for a short time at most.
    pub fn end(&self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(written) = self.written.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _: Result<(), RecvTimeoutError> = written.recv_timeout(END);
        }
    }
}

fn line(event: &Event, form: LogForm, has_levels: bool, unsaid: u64) -> String {
    match form {
        LogForm::Text => as_text(event, has_levels, unsaid),
        LogForm::Json => as_json(event, unsaid),
    }
}

fn as_json(event: &Event, unsaid: u64) -> String {
    let since = event.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut line = json!({
        "time_unix_ms": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        "severity": event.severity.name(),
        "event": format!("dtq.{}", event.name),
        "message": event.text,
    });
    if let Some(subject) = &event.subject {
        line["subject"] = subject.as_str().into();
    }
    if unsaid > 0 {
        line["left_out"] = unsaid.into();
    }
    format!("{line}\n")
}

/// Returns lines for people; the journal is told how much each matters.
///
/// # Source
/// sd-daemon(3): `<3>` is an error, `<4>` a warning, `<6>` information.
fn as_text(event: &Event, has_levels: bool, unsaid: u64) -> String {
    let (level, word) = match event.severity {
        Severity::Info => ("<6>", ""),
        Severity::Warn => ("<4>", "warning: "),
        Severity::Error => ("<3>", "error: "),
    };
    let level = if has_levels { level } else { "" };
    let mut out = String::new();
    if unsaid > 0 {
        out += &format!("{level}(lines left out: {unsaid})\n");
    }
    for (index, line) in text::neutral_lines(&event.text).lines().enumerate() {
        let word = if index == 0 { word } else { "" };
        out += &format!("{level}{word}{line}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            position: 3,
            time: UNIX_EPOCH + Duration::from_millis(1500),
            severity: Severity::Warn,
            name: "queue.full".to_owned(),
            subject: Some("backend".to_owned()),
            text: "is full\n\u{1b}[2J".to_owned(),
        }
    }

    #[test]
    fn lines_move_no_terminal() {
        let text = as_text(&event(), true, 2);
        assert!(text.starts_with("<4>(lines left out: 2)\n<4>warning: is full\n<4>"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn lines_in_json_are_objects() {
        let line: serde_json::Value = serde_json::from_str(&as_json(&event(), 0)).unwrap();
        assert_eq!((line["event"].as_str(), line["subject"].as_str()), (Some("dtq.queue.full"), Some("backend")));
        assert_eq!((line["time_unix_ms"].as_u64(), line["severity"].as_str()), (Some(1500), Some("WARN")));
    }
}
