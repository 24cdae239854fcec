//! What becomes of a request.

use crate::engine::notice::Notice;
use dtq_record::otlp::Signal;
use dtq_value::Str;

/// Says what leaves in the place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The bytes that came.
    Unchanged,
    /// Nothing: every record was removed, held or sent elsewhere.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Holds a request that rules made: new records, released ones, metrics, or records for a named output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The named output; `None` for where requests go on.
    pub destination: Option<Str>,
    /// What it carries.
    pub signal: Signal,
    /// An OTLP request.
    pub request: Vec<u8>,
}

/// Holds all that follows from a request or a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What leaves in its place; of a tick nothing.
    pub output: Output,
    /// What leaves besides, in the order in which it was made.
    pub emissions: Vec<Emission>,
    /// What the host should tell its operator.
    pub notices: Vec<Notice>,
}

/// Collects emissions; those that go the same way and carry the same are one request.
#[derive(Debug, Default)]
pub(crate) struct Emissions(Vec<Emission>);

impl Emissions {
    /// Adds a request. Requests one behind the other are one request to protobuf, so they need no parsing.
    pub(crate) fn add(&mut self, destination: Option<Str>, signal: Signal, request: &[u8]) {
        if request.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|one| one.signal == signal && one.destination == destination) {
            Some(one) => one.request.extend_from_slice(request),
            None => self.0.push(Emission { destination, signal, request: request.to_vec() }),
        }
    }

    /// Returns how many bytes the requests have together.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|one| one.request.len()).sum()
    }

    pub(crate) fn into_vec(self) -> Vec<Emission> {
        self.0
    }
}
