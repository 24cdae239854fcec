//! What the kernel refuses, to messages that say what is missing. Next: `account.rs`.

use crate::failure::Failure;
use dtq_kernel::probe::{Answer, Feature};
use dtq_kernel::trace::TraceError;
use dtq_kernel::{AttachError, LoadError, Probe, RelayError};
use std::io;

/// Returns the failure of a program that was not loaded.
pub fn of_load(error: &LoadError) -> Failure {
    let is_denied = matches!(error, LoadError::Kernel { error, .. } if is_denied(error));
    Failure::Kernel(format!("{error}{}", if is_denied { missing() } else { String::new() }))
}

/// Returns the failure of another call, with what was tried.
pub fn of_system(tried: &str, error: &io::Error) -> Failure {
    Failure::Kernel(format!("{tried}: {error}{}", if is_denied(error) { missing() } else { String::new() }))
}

/// Returns the failure of a program that was not attached.
pub fn of_attach(error: &AttachError) -> Failure {
    Failure::Kernel(format!("the program is not attached: {error}"))
}

/// Returns the failure of a relay. That nobody reads its output any more is none.
pub fn of_relay(error: RelayError) -> Failure {
    match error {
        RelayError::System { tried: "writing", error } => Failure::from(error),
        error => Failure::Kernel(error.to_string()),
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Returns the failure of a trace.
pub fn of_trace(error: &TraceError) -> Failure {
    let is_denied = match error {
        TraceError::Load(LoadError::Kernel { error, .. }) | TraceError::Io { error, .. } => is_denied(error),
        _ => false,
    };
    let missing =
        if is_denied { lacks(&[Feature::Maps, Feature::RingBuffer, Feature::Uprobes]) } else { String::new() };
    Failure::Kernel(format!("{error}{missing}"))
}

/// Returns what would help, as far as it can be found out.
fn missing() -> String {
    let features = [Feature::Maps, Feature::SocketFilter, Feature::CountedLoops, Feature::Search, Feature::TableSearch];
    lacks(&features) + "\neverything else of dtq works without; `dtq apply` drops the same records in user space"
}

/// Returns which of these features are missing, and what would help.
fn lacks(features: &[Feature]) -> String {
    let probe = Probe::run(None);
    let mut text = format!("\nthis process has the level {}", probe.level.words());
    for feature in features {
        if let Answer::No { reason, remedy } = probe.answer(*feature) {
            text += &format!("\n{}: {reason}; to have it: {remedy}", feature.words());
        }
    }
    text
}
