//! A program and the tables it names to the rows of its results, streaming.
//!
//! Every operator pulls batches of rows from its input. Those that work row by row hold nothing; those that must hold
//! rows (sort, summarize, join...) charge what they hold to one `budget` and fail with a diagnostic when it is spent.
//! Expressions are evaluated by `dtq-interp`, or by native code ([`native`]) where the host gives some. Results never
//! depend on where one batch ends and the next begins. Read in order: [`run`] (the entry), [`feed`], [`grouping`] and
//! [`scanning`] (the entries for rows that come one at a time), [`native`], `env`, `operator` (which node runs where), then
//! the operators.

pub mod run;

pub mod feed;

pub mod grouping;

pub mod scanning;

pub mod native;

mod env;

mod budget;

mod operator;

mod plan;

mod conditions;

mod leaves;

mod rows;

mod order;

mod sort;

mod group;

mod accumulate;

mod join;

mod expand;

mod body;

mod parse;

mod parse_kv;

mod window;

mod series;

mod top_nested;

mod scan_match;

mod scan_steps;

mod reshape;

pub use dtq_jit::{Listing, Refusal};
pub use feed::Feed;
pub use grouping::{Group, Grouping};
pub use native::{Native, NativeListing, NativeReport};
pub use run::{Options, Run};
pub use scanning::{ScanState, Scanning};
