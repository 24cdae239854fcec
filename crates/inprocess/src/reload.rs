//! Other rules in the place of those that run: by a call, or because the file has changed.
//!
//! A set is compiled on the thread that asks or notices; what is wrong with it leaves all as it was. Next: `otel.rs`.

use crate::counts::count;
use crate::host::Notice;
use crate::load::{Loaded, Refused, load};
use crate::places::{lock, try_lock};
use crate::rules::{ON, Rules, changed};
use dtq_rules::file::NoFiles;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many rules that do not run here are named.
const NAMES_SAID: usize = 10;

impl Rules {
    /// Takes the rules of a text in the place of those that run, with what they remember.
    ///
    /// # Errors
    /// When something is wrong with it; the rules before go on.
    pub fn reload_text(&self, name: &str, text: &str) -> Result<(), Refused> {
        let shared = &self.shared;
        self.guarded(|| load(name, text.as_bytes(), &NoFiles, &shared.bounds, &*shared.host).map(|set| self.take(set)))
    }

    /// Reads the rule file again, whether it has changed or not.
    ///
    /// # Errors
    /// When it cannot be read or something is wrong with it, and where the rules are not from a file; those before go on.
    pub fn reload(&self) -> Result<(), Refused> {
        let shared = &self.shared;
        self.guarded(|| {
            let mut watched = lock(&shared.places_now().watched);
            let Some(file) = watched.as_mut() else {
                return Err(Refused { report: "the rules are from no file: give their text".to_owned() });
            };
            let loaded = file.load(&shared.bounds, &*shared.host);
            drop(watched);
            loaded.map(|set| self.take(set))
        })
    }

    fn guarded(&self, load: impl FnOnce() -> Result<(), Refused>) -> Result<(), Refused> {
        let result = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| {
            count(&self.shared.counters().panics);
            Err(Refused { report: "loading the rules panicked: this is a mistake in dtq".to_owned() })
        });
        let counters = self.shared.counters();
        count(if result.is_ok() { &counters.loads } else { &counters.refusals });
        result
    }

    /// Puts a set in the place of the one that runs: each seat goes over when it is next used.
    fn take(&self, loaded: Loaded) {
        let shared = &self.shared;
        let loaded = Arc::new(loaded);
        #[cfg(feature = "tracing")]
        crate::layer::prepare(&loaded);
        let mut current = lock(&shared.places_now().loaded);
        *current = Some(Arc::clone(&loaded));
        shared.describe(&loaded);
        shared.running.store(ON, Ordering::Relaxed);
        shared.retries.store(0, Ordering::Relaxed);
        shared.panics_since_load.store(0, Ordering::Relaxed);
        shared.generation.fetch_add(1, Ordering::Release);
        drop(current);
        changed();
        self.say_of(&loaded);
    }

    /// Says what of a set will not run here.
    pub(crate) fn say_of(&self, loaded: &Loaded) {
        if loaded.left_out.is_empty() {
            return;
        }
        let names = loaded.left_out.iter().take(NAMES_SAID).map(String::as_str).collect::<Vec<_>>().join("`, `");
        let more = if loaded.left_out.len() > NAMES_SAID { " and others" } else { "" };
        let message = format!(
            "{} of the rules do not run in this process, as their `tiers` leave `in-process` out: `{names}`{more}",
            loaded.left_out.len()
        );
        self.say(&Notice { event_name: "dtq.inprocess.left_out", message });
    }

    /// Returns the names of the rules that do not run here, because their `tiers` leave `in-process` out.
    pub fn left_out(&self) -> Vec<String> {
        let loaded = lock(&self.shared.places_now().loaded).clone();
        loaded.map_or_else(Vec::new, |loaded| loaded.left_out.clone())
    }

    /// Returns the warnings about the rules as they were loaded, as a person reads them; empty when there are none.
    pub fn warnings(&self) -> String {
        let loaded = lock(&self.shared.places_now().loaded).clone();
        loaded.map_or_else(String::new, |loaded| loaded.warnings.clone())
    }

    /// Looks at the rule file when it is time, on the thread of whoever is first; nobody waits.
    pub(crate) fn check_file(&self, now_ticks: i64) {
        let shared = &*self.shared;
        let due = shared.next_check_ticks.load(Ordering::Relaxed);
        // Where the clock was set back, the time that was meant is further away than it ever was.
        if now_ticks < due && due.saturating_sub(now_ticks) <= shared.bounds.check_ticks || due == i64::MAX {
            return;
        }
        let next = now_ticks.saturating_add(shared.bounds.check_ticks);
        let is_first = shared.next_check_ticks.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        if is_first.is_err() {
            return;
        }
        let Some(mut watched) = try_lock(&shared.places.current().watched) else { return };
        let Some(file) = watched.as_mut().filter(|file| file.has_changed()) else { return };
        let loaded = file.load(&shared.bounds, &*shared.host);
        drop(watched);
        let result = self.guarded(|| loaded.map(|set| self.take(set)));
        if let Err(refused) = result {
            let message = format!("the changed rules are refused, those before go on: {refused}");
            self.say(&Notice { event_name: "dtq.inprocess.refused", message });
        }
    }
}
