//! What can go wrong between a name and a running probe, in words that say what to do.

use crate::object::LoadError;
use crate::ring::RingError;
use crate::trace::image::ImageError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Says why there is no trace.
#[derive(Debug)]
pub enum TraceError {
    /// Something could not be read, opened or made.
    Io {
        /// What was tried, such as "read /proc/1/maps".
        tried: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file is none that sites are found in.
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ImageError,
    },
    /// What was written is not understood.
    Text {
        /// What was written.
        text: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
    /// There is no such site, or more than one.
    Site(String),
    /// An argument is not to be had there.
    Argument {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It could be done, and is not unless asked for again.
    Refusal(Refusal),
    /// The condition is not decided in the kernel.
    Condition(String),
    /// The program was not loaded.
    Load(LoadError),
    /// What arrives is not what programs write.
    Ring(RingError),
}

/// Says why something is not done although it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What would happen.
    pub reason: String,
    /// What to do instead, or how to ask for it all the same.
    pub remedy: String,
}

impl TraceError {
    /// Returns an error of the system with what was tried.
    pub(crate) fn io(tried: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let tried = tried.into();
        move |error| TraceError::Io { tried, error }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceError::Io { tried, error } => write!(f, "cannot {tried}: {error}"),
            TraceError::Image { path, error } => write!(f, "cannot find functions in {}: {error}", path.display()),
            TraceError::Text { text, reason } => write!(f, "`{text}` {reason}"),
            TraceError::Site(reason) => f.write_str(reason),
            TraceError::Argument { name, reason } => write!(f, "`{name}` cannot be read there: {reason}"),
            TraceError::Refusal(Refusal { reason, remedy }) => write!(f, "{reason}; {remedy}"),
            TraceError::Condition(reason) => write!(f, "the condition is not decided in the kernel: {reason}"),
            TraceError::Load(error) => error.fmt(f),
            TraceError::Ring(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TraceError::Io { error, .. } => Some(error),
            TraceError::Image { error, .. } => Some(error),
            TraceError::Load(error) => Some(error),
            TraceError::Ring(error) => Some(error),
            _ => None,
        }
    }
}
