//! A rule set, its state and requests to what leaves: decisions, edits, new records, metrics, and an account of each rule.
//!
//! [`Processor`] is what hosts drive: a request in, what leaves out; a tick now and then. Each record goes through all
//! rules before the next one is looked at, so that results cannot depend on how records are batched. No clock, no I/O.
//! Read in order: [`processor`], [`outcome`], [`notice`], [`account`], `tables`, `overlay`, `cells`, `state`, `frame`,
//! `compiled`, `judge`, `scan`, `written`, `act`, `agenda`, `key_edits`, `lane`, `batch`, `kept`, [`over_slots`], `spend`, `request`,
//! `levels`, `resource`, `wrap`, `metrics`, [`counted`], `guard`, `swap`, [`observe`], [`trace`].

pub mod processor;

pub mod outcome;

pub mod notice;

pub mod account;

mod tables;

mod overlay;

mod cells;

mod state;

mod frame;

mod compiled;

mod judge;

mod scan;

mod written;

mod act;

mod agenda;

mod key_edits;

mod lane;

mod batch;

mod kept;

pub mod over_slots;

mod spend;

mod request;

mod levels;

mod resource;

mod wrap;

mod metrics;

pub mod counted;

mod guard;

mod swap;

pub mod observe;

pub mod trace;

pub use account::{Account, Totals};
pub use act::Fate;
pub use counted::{Counted, CountedRow};
pub use notice::{Excess, Notice, NoticeKind, notices_request};
pub use observe::{Observer, Passage};
pub use outcome::{Emission, Outcome, Output};
pub use over_slots::{SlotBuffers, SlotJudge, SlotVerdict};
pub use processor::{Options, Processor};

/// Bytes of what one rule remembers, where its `limits` say nothing.
pub const DEFAULT_STATE_BYTES: u64 = 64 << 20;
