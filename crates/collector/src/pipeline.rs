//! The seam between receiving, judging and sending: a request in, what leaves in its place out.
//!
//! Holds no rules itself: [`Judge`] is what the rules thread implements. Next: [`crate::receive`], [`crate::send`].

use crate::coding::Coding;
use crate::telemetry::family::Family;
use bytes::Bytes;
use dtq_record::otlp::Signal;
use std::sync::Arc;
use std::time::Duration;

/// Judges requests: one call for each request, in the order of arrival.
pub trait Judge: Send + Sync + 'static {
    /// Returns what becomes of a request.
    fn judge(&self, signal: Signal, request: Bytes) -> impl Future<Output = Judged> + Send;

    /// Returns what rules still hold when no request comes any more.
    fn finish(&self) -> impl Future<Output = Vec<Created>> + Send {
        std::future::ready(Vec::new())
    }

    /// Returns what it counts; may take a while.
    fn families(&self) -> Vec<Family> {
        Vec::new()
    }

    /// Returns what an operator should look at, without waiting.
    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns how long it has not been seen alive, without waiting.
    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }

    /// Reads anew what it judges by; may take a while.
    fn reload(&self) {}

    /// Returns what it has to say on the status page.
    fn status(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// A judge that several share.
impl<J: Judge> Judge for Arc<J> {
    fn judge(&self, signal: Signal, request: Bytes) -> impl Future<Output = Judged> + Send {
        J::judge(self, signal, request)
    }

    fn finish(&self) -> impl Future<Output = Vec<Created>> + Send {
        J::finish(self)
    }

    fn families(&self) -> Vec<Family> {
        J::families(self)
    }

    fn troubles(&self) -> Vec<String> {
        J::troubles(self)
    }

    fn silent_for(&self) -> Duration {
        J::silent_for(self)
    }

    fn reload(&self) {
        J::reload(self);
    }

    fn status(&self) -> serde_json::Value {
        J::status(self)
    }
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

/// Holds a request as bytes, and as it came where that was compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// An OTLP request in protobuf.
    pub plain: Bytes,
    /// The same compressed, so that an unchanged request need not be compressed again.
    pub packed: Option<(Coding, Bytes)>,
}

impl Payload {
    /// Returns a request that nobody has compressed.
    pub fn plain(plain: Bytes) -> Self {
        Self { plain, packed: None }
    }

    /// Returns how many bytes of memory it holds.
    pub fn held_bytes(&self) -> usize {
        self.plain.len() + self.packed.as_ref().map_or(0, |(_, packed)| packed.len())
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
