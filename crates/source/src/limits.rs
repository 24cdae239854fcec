//! The bounds on everything, in one struct.

/// Holds every bound that a query, a rule or telemetry can run into.
///
/// Passing one is a diagnostic (`E1001`, `E2901`, `E3001`...), never a panic, a hang or an exhausted host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size in bytes of a query's text.
    pub query_bytes_max: usize,
    /// Nesting depth of expressions, pipelines and JSON literals in a query.
    pub nesting_max: usize,
    /// Count of errors reported for one query; further ones are only counted.
    pub diagnostics_max: usize,
    /// Count of IR nodes of one program, counted as a tree (a shared node counts each time it is reached).
    pub ir_nodes_max: usize,
    /// Size in bytes of one compiled regular expression.
    pub regex_bytes_max: usize,
    /// Count of compiled regular expressions kept for patterns that are computed at run time.
    pub regex_cache_max: usize,
    /// Size in bytes of one string or dynamic value built by a function.
    pub value_bytes_max: usize,
    /// Nesting depth of a dynamic value.
    pub value_nesting_max: usize,
    /// Size in bytes of one record of input (a line, a length-delimited message).
    pub record_bytes_max: usize,
    /// Size in bytes that one OTLP request or JSON document may have.
    pub document_bytes_max: usize,
    /// Count of bytes that decompression may yield for each byte read, once past 16 MiB.
    pub inflation_ratio_max: usize,
    /// Size in bytes of all rows that operators hold at once (sort, summarize, join, results).
    pub held_bytes_max: usize,
    /// Count of rows that `range`, `mv-expand` and joins may produce in one operator.
    pub produced_rows_max: u64,
    /// Size in bytes of one rule file.
    pub rule_file_bytes_max: usize,
    /// Count of values in one rule file, those of aliases counted each time.
    pub rule_file_nodes_max: usize,
    /// Count of records sampled to find the columns and types of a file without a schema.
    pub sampled_records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_bytes_max: 1 << 20,
            nesting_max: 200,
            diagnostics_max: 100,
            ir_nodes_max: 200_000,
            regex_bytes_max: 4 << 20,
            regex_cache_max: 64,
            value_bytes_max: 16 << 20,
            value_nesting_max: 100,
            record_bytes_max: 16 << 20,
            document_bytes_max: 64 << 20,
            inflation_ratio_max: 1_000,
            held_bytes_max: 512 << 20,
            produced_rows_max: 100_000_000,
            rule_file_bytes_max: 4 << 20,
            rule_file_nodes_max: 1_000_000,
            sampled_records_max: 1_000,
        }
    }
}
