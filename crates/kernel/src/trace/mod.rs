//! Logs added to a running program that was not built for it: a function or a USDT probe to records of `logs`.
//!
//! The kernel reads arguments at a hit, decides a condition on them, and hands over what is wanted; the program that is
//! looked at is not stopped, not changed on disk, and as it was when the [`Trace`] is gone, also by `kill -9`. What it costs
//! and how it compares: `docs/kernel-trace.md`. Read in order: [`error`], [`registers`], [`image`], [`usdt`], [`cost`],
//! [`site`], [`process`] (names to places); [`arguments`], [`layout`], [`program`], `reading`, [`kql`] (places and a
//! condition to a program); [`record`], [`attach`], [`deliver`] (hits to logs).

pub mod error;

pub mod registers;

pub mod image;

pub mod usdt;

pub mod cost;

pub mod site;

pub mod process;

pub mod arguments;

pub mod layout;

pub mod program;

mod reading;

pub mod kql;

pub mod record;

pub mod attach;

pub mod deliver;

pub use arguments::{Argument, ArgumentType, Source};
pub use attach::{Counts, Plan, Target, Trace};
pub use deliver::Delivery;
pub use error::{Refusal, TraceError};
pub use kql::KqlCondition;
pub use program::{Column, Condition};
pub use record::Hit;
pub use site::{Site, SiteSpec};
