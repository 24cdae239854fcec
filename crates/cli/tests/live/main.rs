//! `dtq kernel` on real sockets: programs are loaded and attached, and nothing of them stays.
//!
//! Where this process may not load programs, each test says loudly that it did nothing.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod started;

mod attach;

mod relay;

mod trace;

use common::dtq;

/// Says whether programs can be loaded and attached here; if not, says loudly that the test does nothing.
fn may_attach(test: &str) -> bool {
    let probe = dtq(&["kernel", "probe", "--output", "json"]).code(0).stdout;
    let probe: serde_json::Value = serde_json::from_str(&probe).expect("a probe is JSON");
    let is_possible = probe["features"]["socket-filter"] == "yes";
    if !is_possible {
        eprintln!("SKIPPED: {test}: this process may not attach programs: {}", probe["features"]["socket-filter"]);
    }
    is_possible
}
