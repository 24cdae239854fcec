//! `dtq collect` as a process, with orders over its socket, and peers that mean no good.
//!
//! Everything is on loopback. What needs more than this machine allows says so loudly and does nothing.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of it is a test, and what it skips is for people")]

#[path = "../../common/mod.rs"]
mod common;

#[path = "../started.rs"]
mod started;

mod peers;

mod place;

mod orders;

mod swaps;

mod looking;

mod commands;

mod service;

mod http2;

mod hostile;

mod memory;

mod security;

mod datagrams;
