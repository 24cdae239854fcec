//! What went wrong, to a message and an exit code.

use crate::output::otlp::Unwritable;
use std::io;
use std::process::ExitCode;

/// Says why a command did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The command line cannot be understood or obeyed.
    Usage(String),
    /// The same; what is wrong has been said.
    UsageSaid,
    /// Input could not be read, or not whole; what was wrong has been said.
    Data,
    /// Input could not be read.
    Input(String),
    /// The query is wrong or failed; its diagnostics have been written.
    Query,
    /// The query's result has a row that the form of output cannot hold.
    Row(String),
    /// The kernel takes nothing of the rules, or refuses what was asked of it.
    Kernel(String),
    /// A test or a comparison failed; what differs has been written.
    Differs,
    /// The reader of stdout has gone: nothing is wrong, and nobody is left to tell.
    ReaderGone,
    /// Output could not be written.
    Output(io::Error),
}

/// What a command ends with.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// Returns the exit code: the contract's 1, 64, 65 and 78, and 74 of `sysexits.h` for output that cannot be written.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::ReaderGone => 0,
            Failure::Differs => 1,
            Failure::Usage(_) | Failure::UsageSaid => 64,
            Failure::Data | Failure::Input(_) => 65,
            Failure::Output(_) => 74,
            Failure::Query | Failure::Row(_) | Failure::Kernel(_) => 78,
        })
    }

    /// Returns what is still to be said.
    pub fn message(&self) -> Option<String> {
        match self {
            Failure::Usage(message) | Failure::Input(message) | Failure::Row(message) | Failure::Kernel(message) => {
                Some(message.clone())
            }
            Failure::Output(error) => Some(format!("writing the output failed: {error}")),
            Failure::UsageSaid | Failure::Data | Failure::Query | Failure::Differs | Failure::ReaderGone => None,
        }
    }
}

/// Every `io::Error` that is passed on with `?` comes from writing output; reading has its own errors.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Unwritable>()) {
            Some(unwritable) => Failure::Row(unwritable.to_string()),
            None if error.kind() == io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            None => Failure::Output(error),
        }
    }
}
