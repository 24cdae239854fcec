//! IR and record streams to tables: summarize, join, sort and the rest, streaming.
