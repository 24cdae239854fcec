//! The tables that a rule's query may name: those of telemetry, files of the rule set, and tables that rules fill.
//!
//! Gives columns, and rows only of tables in files; telemetry is never read through it. Next: `query.rs`.

use crate::compile::rule::LookedUp;
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
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

/// Returns columns and rows of a table that stands in a file.
pub(super) fn read_table(
    path: &str,
    content: &std::sync::Arc<[u8]>,
    options: &super::Options,
) -> Result<(Vec<Column>, Vec<Row>), String> {
    const NAME: &str = "file";
    let input = dtq_record::Input::from_bytes(path, NAME, content.to_vec());
    let input_options = dtq_record::Options { now_ticks: options.now_ticks };
    let inputs =
        dtq_record::Inputs::probe(vec![input], &input_options, &options.limits).map_err(|error| error.message)?;
    let schema = inputs.schema(NAME).ok_or_else(|| format!("{path} is telemetry, not a table"))?;
    let mut rows = Vec::new();
    let mut stream = inputs.scan(NAME, &Projection::all(schema.columns.len())).map_err(|error| error.message)?;
    let mut has_more = true;
    while has_more {
        has_more = stream.read(&mut rows).map_err(|error| error.message)?;
    }
    let report = inputs.report();
    if let Some(skip) = report.skips.first() {
        return Err(format!("{path}: {}: {}", skip.place, skip.reason));
    }
    Ok((schema.columns, rows))
}
