//! Query text and options to a compiled query that runs: the embedding API.
//!
//! [`compile`] takes the text and the tables that it may name, and gives a [`Query`] or all its mistakes at once. A
//! query can be explained (its [`dtq_ir::Program`]) and run any number of times. Nothing here starts a thread, opens a
//! file or reads a clock: the host passes tables, time, randomness and bounds.
//! [`Engine`] says whether expressions run as native code; the results are the same.
//!
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

pub mod profile;

pub use dtq_exec::{Listing, Native, NativeListing, NativeReport, Refusal, Run};
pub use dtq_opt::Report as PassReport;
pub use profile::Profile;
pub use query::{Engine, NoTables, Options, Query, compile};
