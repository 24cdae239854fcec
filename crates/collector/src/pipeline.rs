//! The seam between receiving, judging and sending: a request in, what leaves in its place out.
//!
//! Holds no rules itself: [`Judge`] is what the rules thread implements. Next: [`crate::receive`], [`crate::send`].

use bytes::Bytes;
use dtq_record::otlp::Signal;

/// Judges requests: one call for each request, in the order of arrival.
pub trait Judge: Send + Sync + 'static {
    /// Returns what becomes of a request.
    fn judge(&self, signal: Signal, request: Bytes) -> impl Future<Output = Judged> + Send;
}

/// Says what leaves in the place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The bytes that came.
    Unchanged,
    /// These bytes.
    Changed(Bytes),
    /// Nothing: every record was removed, held or sent elsewhere.
    Dropped,
}

/// Holds a request that leaves besides or instead of the one that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// What it carries.
    pub signal: Signal,
    /// An OTLP request.
    pub request: Bytes,
    /// The named destination; `None` for where requests go on.
    pub destination: Option<String>,
}

/// Holds all that follows from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What leaves in its place.
    pub output: Judgement,
    /// What rules made: it leaves on its own, nobody upstream waits for it.
    pub created: Vec<Created>,
    /// Records of the request itself that leave for a named destination: the request is acknowledged only with them.
    pub routed: Vec<Created>,
}

impl Judged {
    /// Returns what passes a request on as it came.
    pub fn unchanged() -> Self {
        Self { output: Judgement::Unchanged, created: Vec::new(), routed: Vec::new() }
    }
}

/// Passes every request on as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepAll;

impl Judge for KeepAll {
    async fn judge(&self, _signal: Signal, _request: Bytes) -> Judged {
        Judged::unchanged()
    }
}
