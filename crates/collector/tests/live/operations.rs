//! What an operator sees and does: the own telemetry, certificates that change, pages, and the files in `docs/deploy`.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing is to fail there")]

mod peers;

#[path = "operations/deploy.rs"]
mod deploy;

#[path = "operations/shown.rs"]
mod shown;

#[path = "operations/certificates.rs"]
mod certificates;

#[path = "operations/pushed.rs"]
mod pushed;
