//! OTLP requests from applications to OTLP requests for backends, with rules between.
//!
//! Requests stay bytes all the way: nothing here decodes telemetry. Read in order: [`limits`], [`account`] and [`events`]
//! (what bounds it, what it says), [`pipeline`] (the seam to the rules), [`status`] and [`coding`] (what both directions
//! speak), [`auth`] and [`tls`], [`receive`], [`intake`] (from receivers through the rules to queues), [`send`],
//! [`datagram`] (what comes without an answer), [`sockets`], [`privileges`], [`telemetry`] (what the process says of
//! itself), [`certificates`] (read again while it runs), [`collector`] (all of it, started and ended), [`admin`] (what is
//! shown of it), [`service`] (what a service manager is told), [`config`] (a file to settings),
//! [`rules`] (the thread that judges, its control, and what looks at live traffic).

pub mod limits;

pub mod account;

pub mod events;

pub mod pipeline;

pub mod status;

pub mod coding;

pub mod auth;

pub mod tls;

pub mod receive;

pub mod intake;

pub mod send;

pub mod datagram;

pub mod sockets;

pub mod privileges;

pub mod telemetry;

pub mod certificates;

pub mod collector;

pub mod admin;

pub mod service;

pub mod config;

pub mod rules;
