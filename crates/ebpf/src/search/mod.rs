//! Texts of a record tested for constants: the code for it, and its tables.
//!
//! Every test is that of `dtq_value::search` and of Kusto's string operators, byte for byte, or goes on at `unknown`.
//! Next: `payload`.
