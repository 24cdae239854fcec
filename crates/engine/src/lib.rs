//! Query text and options to a compiled query that runs: the embedding API.
