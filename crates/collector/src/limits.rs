//! Every bound of the receiving and sending side in one struct, so that what the process can come to hold is plain to see.
//!
//! Queues are bounded for each destination ([`crate::send::Settings`]); rules by `dtq_source::Limits`.

use std::time::Duration;

/// Holds what receivers allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size in bytes of a request as it comes, perhaps compressed.
    pub request_bytes_max: usize,
    /// Size in bytes of a request when it is not or no longer compressed.
    pub inflated_bytes_max: usize,
    /// How many records a request may have: an empty one is two bytes as it comes, and much more while it is judged.
    pub records_max: usize,
    /// Bytes of all requests that are being received, judged or waiting for their destinations.
    pub in_flight_bytes_max: usize,
    /// How many requests may be in work at once.
    pub requests_max: usize,
    /// How many connections may be open at once.
    pub connections_max: usize,
    /// How many requests may be in work on one HTTP/2 connection.
    pub streams_max: u32,
    /// Size in bytes of the header of a request.
    pub header_bytes_max: u32,
    /// How long a TLS handshake may take, and a new connection until its first request.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// How long a request may take from its header to its answer.
    pub request_timeout: Duration,
    /// How long a connection may be without a request.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    /// The timeout of requests is below the 10 s after which exporters of OpenTelemetry give up without trying again.
    fn default() -> Self {
        Self {
            request_bytes_max: 16 << 20,
            inflated_bytes_max: 64 << 20,
            records_max: 1 << 20,
            in_flight_bytes_max: 256 << 20,
            requests_max: 4096,
            connections_max: 4096,
            streams_max: 200,
            header_bytes_max: 32 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(8),
            idle_timeout: Duration::from_secs(120),
        }
    }
}
