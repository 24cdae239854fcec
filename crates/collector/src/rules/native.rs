//! Rule sets to native code, on a thread beside the one that judges.
//!
//! Only the newest set is compiled; code of one that was replaced meanwhile is not taken by its processor. Next:
//! `worker.rs`.

use dtq_rules::compile::RuleSet;
use dtq_rules::native::NativeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// What is to be compiled next.
#[derive(Default)]
struct Wanted {
    set: Option<Arc<RuleSet>>,
    is_over: bool,
}

/// Compiles rule sets, one after the other.
pub(crate) struct NativeThread {
    wanted: Arc<(Mutex<Wanted>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl NativeThread {
    /// Starts the thread, which gives code to `deliver`, and to `refuse` why there is none.
    pub fn start(
        deliver: impl Fn(Arc<NativeSet>) + Send + 'static,
        refuse: impl Fn(String) + Send + 'static,
    ) -> std::io::Result<Self> {
        let wanted = Arc::new((Mutex::new(Wanted::default()), Condvar::new()));
        let shared = Arc::clone(&wanted);
        let thread = std::thread::Builder::new().name("dtq-native".into()).spawn(move || {
            let mut before: Option<Arc<NativeSet>> = None;
            while let Some(set) = next(&shared) {
                let made = panic::catch_unwind(AssertUnwindSafe(|| compile(&set, before.as_deref(), &deliver)));
                match made {
                    Ok(Ok(native)) => before = Some(native),
                    Ok(Err(refusal)) => refuse(refusal),
                    Err(_) => refuse("compiling native code failed; this is a mistake in dtq".to_owned()),
                }
            }
        })?;
        Ok(Self { wanted, thread: Some(thread) })
    }

    /// Asks for the code of a set instead of what was asked for before.
    pub fn compile(&self, set: Arc<RuleSet>) {
        self.wanted.0.lock().unwrap_or_else(PoisonError::into_inner).set = Some(set);
        self.wanted.1.notify_one();
    }
}

impl Drop for NativeThread {
    fn drop(&mut self) {
        self.wanted.0.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.wanted.1.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn next(shared: &(Mutex<Wanted>, Condvar)) -> Option<Arc<RuleSet>> {
    let mut wanted = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if wanted.is_over {
            return None;
        }
        if let Some(set) = wanted.set.take() {
            return Some(set);
        }
        wanted = shared.1.wait(wanted).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Delivers code that is there soon, then better code of the same set.
fn compile(
    set: &Arc<RuleSet>,
    before: Option<&NativeSet>,
    deliver: &dyn Fn(Arc<NativeSet>),
) -> Result<Arc<NativeSet>, String> {
    let begun = Arc::new(NativeSet::begin(set, before).map_err(|refusal| refusal.to_string())?);
    deliver(Arc::clone(&begun));
    let complete = Arc::new(begun.complete().map_err(|refusal| refusal.to_string())?);
    deliver(Arc::clone(&complete));
    Ok(complete)
}
