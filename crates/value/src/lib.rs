//! Kusto's types and values, and the meaning of its scalar functions.
