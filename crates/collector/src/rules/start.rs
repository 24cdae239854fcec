//! Settings to rules that run: the thread that judges, the watching of files, the control socket.
//!
//! What the rest of the collector uses of this folder is [`Rules`].

use crate::datagram::Filters;
use crate::events::Events;
use crate::pipeline::{Created, Judge, Judged};
use crate::rules::control::Control;
use crate::rules::governor::{Governor, Refusal, Who};
use crate::rules::settings::{Settings, default_socket};
use crate::rules::worker::{Owed, Report, Shared, Worker};
use crate::telemetry::family::Family;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rules that run, until they are shut down or dropped.
///
/// # Example
/// ```no_run
/// use dtq_collector::rules::{Rules, Settings};
///
/// let settings = Settings { files: vec!["/etc/dtq/rules".into()], ..Settings::default() };
/// let (rules, owed) = Rules::start(settings).expect("the rules are right");
/// // Requests go to `rules` as the judge; what `owed` gives is sent like what rules create.
/// let last = rules.shutdown().expect("nothing holds it up");
/// # drop((owed, last));
/// ```
pub struct Rules {
    worker: Worker,
    // In this order: nobody orders any more, nobody looks at files any more, then the rules end.
    control: Mutex<Option<Control>>,
    watch: Mutex<Option<Watch>>,
    governor: Arc<Governor>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Rules {
    /// Starts the rules; what they owe without a request comes from the second.
    ///
    /// # Errors
    /// When the rule files are wrong and no earlier version is kept; when the system refuses the folder of the state, the
    /// socket or a thread.
    pub fn start(settings: Settings) -> Result<(Self, Owed), Refusal> {
        Self::start_with(settings, None, Events::silent())
    }

    /// Does the same with a part of the rules in the kernel, and says by `events` what changes.
    ///
    /// # Errors
    /// As [`Rules::start`], and when the kernel refuses what it is required to take.
    pub fn start_with(
        settings: Settings,
        filters: Option<Arc<Filters>>,
        events: Events,
    ) -> Result<(Self, Owed), Refusal> {
        let socket = settings.socket.clone().unwrap_or_else(default_socket);
        let bounds = settings.bounds.clone();
        let (governor, owed, thread) = Governor::open(settings, filters, events)?;
        let governor = Arc::new(governor);
        let control = Control::start(&socket, &governor, &bounds).map_err(|error| {
            Refusal::System(format!("cannot listen for control on `{}`: {error}", socket.display()))
        })?;
        let watch = Watch::start(Arc::clone(&governor))
            .map_err(|error| Refusal::System(format!("cannot watch rule files: {error}")))?;
        let rules = Self {
            worker: governor.worker.clone(),
            control: Mutex::new(Some(control)),
            watch: Mutex::new(Some(watch)),
            governor,
            thread: Mutex::new(Some(thread)),
        };
        Ok((rules, owed))
    }

    /// Says whether rule files are right, without running anything; returns what looks wrong all the same.
    ///
    /// # Errors
    /// All that is wrong with them, as text for people.
    pub fn check(settings: &Settings) -> Result<Vec<String>, Vec<String>> {
        let limits = dtq_source::Limits::default();
        let now = crate::rules::clock::now_ticks();
        let loaded = crate::rules::source::Content::read(&settings.files, &limits).load(false, &limits, now);
        loaded.warnings(&limits, now)
    }

    /// Returns who decides which rules run.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    /// Returns what rules did, as of a second ago at most, without waiting: for metrics.
    pub fn report(&self) -> Arc<Report> {
        self.worker.shared().last_report()
    }

    /// Returns counts of what happened besides rules, and the last notices.
    pub fn shared(&self) -> &Arc<Shared> {
        self.worker.shared()
    }

    /// Returns how many bytes of requests wait to be judged.
    pub fn waiting_bytes(&self) -> usize {
        self.worker.waiting_bytes()
    }

    /// Ends the rules once no more requests come, and returns all that they still owe.
    ///
    /// Waits for a few seconds at most; `None` when the thread did not end in them, or has ended before.
    pub fn shutdown(&self) -> Option<Vec<Created>> {
        drop(take(&self.control));
        drop(take(&self.watch));
        self.governor.end();
        let owed = self.worker.stop()?;
        if let Some(thread) = take(&self.thread) {
            let _ = thread.join();
        }
        Some(owed)
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Judge for Rules {
    async fn judge(&self, signal: Signal, request: Bytes) -> Judged {
        self.worker.judge(signal, request).await
    }

    async fn finish(&self) -> Vec<Created> {
        let worker = self.worker.clone();
        let stopped = tokio::task::spawn_blocking(move || worker.stop()).await;
        stopped.ok().flatten().unwrap_or_default()
    }

    fn families(&self) -> Vec<Family> {
        crate::rules::metrics::families(&self.governor)
    }

    fn troubles(&self) -> Vec<String> {
        crate::rules::status::troubles(&self.governor)
    }

    fn reload(&self) {
        // What came of it is said by the events.
        let _ = self.governor.reload(Who::Signal);
    }

    fn silent_for(&self) -> Duration {
        self.worker.shared().silent_for()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::to_value(self.governor.status()).unwrap_or_default()
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Looks at rule files now and then, on a thread of its own.
struct Watch {
    is_over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn start(governor: Arc<Governor>) -> std::io::Result<Self> {
        let is_over = Arc::new((Mutex::new(false), Condvar::new()));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("dtq-watch".into()).spawn(move || {
            let poll = governor.settings.bounds.poll;
            loop {
                let over = ends.0.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = ends.1.wait_timeout_while(over, poll, |over| !*over);
                if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                    return;
                }
                if panic::catch_unwind(AssertUnwindSafe(|| governor.look())).is_err() {
                    governor.note_failure();
                }
            }
        })?;
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.is_over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.is_over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns the path of the control socket that settings mean.
pub fn socket_of(settings: &Settings) -> std::path::PathBuf {
    settings.socket.as_deref().map_or_else(default_socket, Path::to_path_buf)
}
