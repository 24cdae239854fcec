//! `dtq tables`: inputs to the list of tables and columns that a query over them can name.

use crate::args::{QueryArguments, TablesArguments};
use crate::commands::query;
use crate::console::Console;
use crate::deadline::Deadline;
use crate::failure::Outcome;
use crate::inputs::{self, WithoutInput};
use crate::output::{self, Form, Header};
use dtq_record::stream::{Catalog, Column, Row};
use dtq_source::Limits;
use dtq_value::{Type, Value};

/// Runs `dtq tables`.
pub fn execute(arguments: &TablesArguments, console: &mut Console) -> Outcome {
    let options = query::options(&QueryArguments::default(), Limits::default())?;
    let opened = inputs::open(
        &arguments.files,
        &arguments.input,
        &options,
        WithoutInput::StandardTables,
        Deadline::NEVER,
        false,
    )?;
    let catalog = &opened;
    let mut rows: Vec<Row> = Vec::new();
    for table in catalog.table_names() {
        let columns = catalog.schema(&table).map(|schema| schema.columns).unwrap_or_default();
        rows.extend(columns.iter().map(|column| {
            let cells = [table.as_str(), column.name.as_str(), column.ty.name()];
            cells.map(Value::string).to_vec()
        }));
    }
    let columns = ["TableName", "ColumnName", "ColumnType"].map(|name| Column::new(name, Type::String));
    let form = arguments.output.unwrap_or(if console.is_out_terminal { Form::Table } else { Form::Ndjson });
    let mut sink = output::sink(form, 1, console)?;
    let out = &mut console.out;
    sink.begin(out, &Header { name: "Tables", columns: &columns, is_one_of_several: false })?;
    sink.rows(out, &rows)?;
    sink.end(out)?;
    Ok(sink.finish(out)?)
}
