//! Query text and options to a compiled query that runs: the embedding API.
//!
//! [`compile`] takes text and the tables it may name; the [`Query`] it gives can be explained and run. No thread is
//! started, no file opened, no clock read: the host passes tables, time and bounds.
