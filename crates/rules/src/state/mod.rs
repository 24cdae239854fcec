//! What rules remember between records, each part bounded, with an eviction rule and counters.
