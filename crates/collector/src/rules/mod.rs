//! Rule files to what becomes of live requests: one thread that judges, files that are watched, a socket that controls.
//!
//! State of rules belongs to one thread, in the order of arrival; all else talks to it by messages. What an operator
//! orders outlives the process and is written down. Read in order: [`settings`], `clock`, [`source`] (files to a rule
//! set), `native` (native code beside), [`worker`] (the thread), [`sample`] (what listeners see of live traffic),
//! `store` (what outlives the process), `audit`, `refusal`, `modes`, [`governor`] (which rules run), [`protocol`], `status`, `metrics` and `control` (the
//! socket), `view`, `tap`, `leaders`, `pattern`, `top` (looking at live traffic), [`start`] (all of it together). For
//! operators: `docs/collect-rules.md`.

pub mod settings;

pub(crate) mod clock;

pub mod source;

mod native;

pub mod worker;

pub mod sample;

mod store;

mod audit;

mod refusal;

mod modes;

pub mod governor;

pub mod protocol;

mod status;

mod metrics;

mod control;

mod view;

mod tap;

mod leaders;

mod pattern;

mod top;

pub mod start;

pub use settings::{Bounds, Settings};
pub use start::Rules;
