//! The tables that telemetry has under its own names and under those that operators already use.
//!
//! They are data: `tables/*.json`. A standard table (`logs`, `metrics`, `spans`, `resources`) lists the columns that
//! readers fill; an alias says how each of its columns follows from a standard table. Read in order: `mapping` (what a
//! column's mapping can say), `load` (files to tables), `expand` (points to several rows), `rows` (reading an alias), [`mod@derive`] (a
//! table seen from one record).

pub(crate) mod mapping;

mod load;

mod expand;

mod rows;

pub mod derive;

use crate::otlp::Signal;
use crate::stream::Column;
use mapping::{Mapping, Test};
pub(crate) use rows::AliasRows;
pub use rows::of_standard;
use std::sync::LazyLock;

/// Names a standard table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// `logs`
    Logs,
    /// `metrics`
    Metrics,
    /// `spans`
    Spans,
    /// `resources`
    Resources,
}

impl Base {
    /// Every standard table.
    pub const ALL: [Base; 4] = [Base::Logs, Base::Metrics, Base::Spans, Base::Resources];

    /// Returns its name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Base::Logs => "logs",
            Base::Metrics => "metrics",
            Base::Spans => "spans",
            Base::Resources => "resources",
        }
    }

    /// Returns the table with this name, or `None`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|base| base.name() == name)
    }

    /// Returns the signal whose records fill it; `None` for `resources`, which all do.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Base::Logs => Some(Signal::Logs),
            Base::Metrics => Some(Signal::Metrics),
            Base::Spans => Some(Signal::Spans),
            Base::Resources => None,
        }
    }

    pub(crate) fn is_filled_by(self, signal: Signal) -> bool {
        self.signal().is_none_or(|own| own == signal)
    }
}

/// Holds a standard table or an alias.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in queries.
    pub name: String,
    /// What it holds, in a sentence or two.
    pub documentation: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// For each column whether rules can write it: whether its mapping has an inverse.
    pub is_writable: Vec<bool>,
    /// What its rows are made of; empty for a standard table.
    pub(crate) parts: Vec<Part>,
}

impl Table {
    /// Returns the standard tables whose records become rows, in the order in which they are read.
    pub fn bases(&self) -> Vec<Base> {
        self.parts.iter().map(|part| part.base).collect()
    }
}

/// Holds how rows of a standard table become rows of an alias.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The standard table.
    pub base: Base,
    /// Which of its rows count.
    pub test: Option<Test>,
    /// The array of which each element gives a row of its own.
    pub each: Option<Mapping>,
    /// Which elements count.
    pub each_test: Option<Test>,
    /// Whether data points become several rows first.
    pub is_expanded: bool,
    /// For each column how it follows.
    pub mappings: Vec<Mapping>,
}

static TABLES: LazyLock<load::Tables> =
    LazyLock::new(|| load::tables().expect("the files are tested to be well-formed"));

/// Returns a standard table.
pub fn standard(name: &str) -> Option<&'static Table> {
    TABLES.standard.iter().find(|table| table.name == name)
}

/// Returns the aliases.
pub fn aliases() -> &'static [Table] {
    &TABLES.aliases
}

/// Returns an alias.
pub fn alias(name: &str) -> Option<&'static Table> {
    TABLES.aliases.iter().find(|table| table.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{logs, metrics, reader, spans};
    use dtq_value::Type;

    #[test]
    fn all_files_load_and_standard_tables_have_the_columns_that_readers_fill() {
        let tables = load::tables().unwrap();
        let count = |name: &str| tables.standard.iter().find(|table| table.name == name).unwrap().columns.len();
        assert_eq!(count("logs"), logs::column::COUNT);
        assert_eq!(count("metrics"), metrics::column::COUNT);
        assert_eq!(count("spans"), spans::column::COUNT);
        assert_eq!(count("resources"), reader::resource_column::COUNT);
        let names: Vec<&str> = tables.aliases.iter().map(|table| table.name.as_str()).collect();
        for name in [
            "OTELLogs",
            "OTELMetrics",
            "OTELTraces",
            "traces",
            "requests",
            "dependencies",
            "exceptions",
            "customMetrics",
            "AppTraces",
            "AppRequests",
            "AppDependencies",
            "AppExceptions",
            "AppMetrics",
            "source",
        ] {
            assert!(names.contains(&name), "{name}");
        }
    }

    #[test]
    fn columns_stand_where_the_readers_put_them() {
        let logs = standard("logs").unwrap();
        assert_eq!(logs.columns[logs::column::SEVERITY_NUMBER], Column::new("SeverityNumber", Type::Int));
        assert_eq!(logs.columns[logs::column::SCOPE], Column::new("Scope", Type::Dynamic));
        let spans = standard("spans").unwrap();
        assert_eq!(spans.columns[spans::column::DURATION], Column::new("Duration", Type::TimeSpan));
        assert_eq!(spans.columns[spans::column::LINKS], Column::new("Links", Type::Dynamic));
        let metrics = standard("metrics").unwrap();
        assert_eq!(metrics.columns[metrics::column::METRIC_VALUE], Column::new("MetricValue", Type::Real));
        assert_eq!(metrics.columns[metrics::column::IS_MONOTONIC], Column::new("IsMonotonic", Type::Bool));
    }

    #[test]
    fn a_column_whose_mapping_has_no_inverse_is_read_only() {
        let traces = alias("traces").unwrap();
        let is_writable = |name: &str| traces.is_writable[traces.columns.iter().position(|c| c.name == name).unwrap()];
        assert!(is_writable("customDimensions") && is_writable("message"));
        assert!(!is_writable("severityLevel") && !is_writable("cloud_RoleName") && !is_writable("timestamp"));
        assert!(alias("OTELMetrics").unwrap().is_writable.iter().all(|is_writable| !is_writable));
    }
}
