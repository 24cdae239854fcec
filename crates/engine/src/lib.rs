//! Query text and options to a compiled query that runs: the embedding API.
//!
//! [`compile`] takes the text and the tables that it may name, and gives a [`Query`] or all its mistakes at once. A
//! query can be explained (its [`dtq_ir::Program`]) and run any number of times, from any threads at once. Nothing here
//! starts a thread, opens a file, reads a clock or keeps anything global: the host passes tables, time, randomness and
//! bounds. [`Engine`] says whether expressions run as native code; the results are the same. A [`Budget`] caps what a
//! compilation or a run may take. Rules over telemetry are the crate `dtq-rules`. Read in order: [`query`], `run`,
//! [`profile`].
//!
//! A process may fork: native code that was compiled before runs in parent and child, and nothing is locked.
//!
//! # Features
//! Both are on unless left out. `exec` runs queries; without it they are compiled, checked and explained, and operators
//! whose columns depend on rows (`pivot`, `bag_unpack` without a schema) are refused. `jit` is native code; without it
//! every expression is interpreted, and [`Query::native`] says so.
//!
//! # Example
//! ```
//! use dtq_engine::{NoTables, Options, compile};
//!
//! let (query, diagnostics) = compile("print x = 1 + 1", &NoTables, &Options::default());
//! assert!(diagnostics.is_empty());
//! let query = query.expect("there are no errors");
//! let mut run = query.run(&NoTables, &Options::default())?;
//! let rows = run.rest(0)?;
//! assert_eq!(rows, [[dtq_value::Value::Long(2)]]);
//! # Ok::<(), dtq_value::scalar::Fault>(())
//! ```

pub mod query;

#[cfg(feature = "exec")]
mod run;

pub mod profile;

#[cfg(feature = "exec")]
pub use dtq_exec::{Listing, Native, NativeListing, NativeReport, Refusal, Run};
pub use dtq_opt::Report as PassReport;
pub use dtq_source::Budget;
pub use profile::Profile;
pub use query::{Engine, NoTables, Options, Query, compile};

/// What threads share and send: asked when the crate is compiled.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Query>();
    is_shared::<Engine>();
    is_shared::<PassReport>();
    #[cfg(feature = "exec")]
    is_shared::<Native>();
};
