//! The tables that a rule's query may name: those of telemetry, files of the rule set, and tables that rules fill.
//!
//! Gives columns, and rows only of tables in files; telemetry is never read through it. Next: `query.rs`.

use crate::compile::rule::LookedUp;
use dtq_record::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_record::tables::{self, Base, Table};
use dtq_source::Code;

/// Returns the table of telemetry with a name.
pub fn telemetry(name: &str) -> Option<&'static Table> {
    tables::standard(name).or_else(|| tables::alias(name))
}

/// Holds the tables that are known while rules are compiled.
#[derive(Default)]
pub struct RuleCatalog {
    /// Those that are not telemetry.
    pub looked_up: Vec<LookedUp>,
}

impl RuleCatalog {
    /// Returns the position of a table that is not telemetry.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.looked_up.iter().position(|table| table.name.as_bytes() == name.as_bytes())
    }
}

impl Catalog for RuleCatalog {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let columns = match self.position(table) {
            Some(position) => self.looked_up[position].columns.clone(),
            None => telemetry(table)?.columns.clone(),
        };
        Some(TableSchema { name: table.to_owned(), columns })
    }

    fn table_names(&self) -> Vec<String> {
        let standard = Base::ALL.iter().map(|base| base.name().to_owned());
        let aliases = tables::aliases().iter().map(|table| table.name.clone());
        standard.chain(aliases).chain(self.looked_up.iter().map(|table| table.name.to_string())).collect()
    }

    fn scan(&self, table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        match self.position(table) {
            Some(position) => Ok(Box::new(Rows(Some(&self.looked_up[position].rows)))),
            None => Err(StreamError {
                code: Code::E3008,
                message: format!("`{table}` is telemetry that passes by: a rule judges its records one by one"),
            }),
        }
    }
}

/// Gives rows that are in memory.
pub struct Rows<'r>(pub Option<&'r [Row]>);

impl RowStream for Rows<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend_from_slice(self.0.take().unwrap_or_default());
        Ok(false)
    }
}
