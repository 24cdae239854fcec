//! What a destination is told to be.

use crate::coding::Coding;
use crate::send::merge::Merge;
use crate::tls::ClientTls;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;

/// Names how requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf.
    Protobuf,
    /// OTLP/HTTP with JSON.
    Json,
}

/// Says what happens to a request that a full queue has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The sender is told to try again.
    Backpressure,
    /// The oldest of the queue are dropped.
    DropOldest,
}

/// Says when an attempt is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long to wait after the first failure; twice as long after each further one.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// After how long a request is given up.
    pub elapsed_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(30),
            elapsed_max: Duration::from_secs(300),
        }
    }
}

/// Holds what is configured of a destination.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in rules, accounts and logs.
    pub name: String,
    /// Where it is: scheme, host, port, and for HTTP the path before `/v1/...`.
    pub endpoint: Uri,
    /// How requests are sent.
    pub protocol: Protocol,
    /// How they are compressed.
    pub coding: Coding,
    /// Headers of every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Certificates for `https`.
    pub tls: ClientTls,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Bytes that may wait or be on their way.
    pub queue_bytes_max: usize,
    /// What happens past that.
    pub on_full: OnFull,
    /// How many requests may be on their way at once.
    pub concurrency: usize,
    /// When an attempt is made again.
    pub retry: Retry,
    /// Which requests leave as one, if any do.
    pub merge: Option<Merge>,
    /// Whether it gets only what rules route to it.
    pub is_only_routed: bool,
}

impl Settings {
    /// Returns the settings of a destination of which nothing else is said.
    pub fn new(name: impl Into<String>, endpoint: Uri, protocol: Protocol) -> Self {
        Self {
            name: name.into(),
            endpoint,
            protocol,
            coding: Coding::Gzip,
            headers: Vec::new(),
            tls: ClientTls::default(),
            timeout: Duration::from_secs(10),
            queue_bytes_max: 64 << 20,
            on_full: OnFull::Backpressure,
            concurrency: 16,
            retry: Retry::default(),
            merge: None,
            is_only_routed: false,
        }
    }
}
