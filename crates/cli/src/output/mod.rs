//! Result tables to bytes on stdout, in the form that was asked for.
//!
//! Each form is a [`Sink`]: it is told of each table, its rows batch by batch, and the end. None holds more than a
//! bounded count of rows.
//! Read in order: `text.rs` (cells), `json.rs`, `kusto.rs`, `csv.rs`, `table.rs`, `otlp.rs`,
//! `telemetry.rs` (requests as they leave rules).

pub mod text;

pub mod json;

pub mod kusto;

pub mod csv;

pub mod table;

pub mod otlp;

pub mod telemetry;

pub mod layout;

use crate::console::Console;
use crate::failure::Failure;
use clap::ValueEnum;
use dtq_record::stream::{Column, Row};
use std::io::{self, Write};

/// Names a form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Columns that fit the terminal, for people; long cells end in an ellipsis
    Table,
    /// One JSON object a row, a row a line
    Ndjson,
    /// One JSON array of objects
    Json,
    /// Comma-separated values with a header (RFC 4180)
    Csv,
    /// The JSON of Kusto's REST API, version 1
    Kusto,
    /// OTLP as JSON, when the rows are those of logs, metrics or spans
    OtlpJson,
    /// OTLP as protobuf, when the rows are those of logs, metrics or spans
    Otlp,
}

/// Holds what is known of a table before its first row.
pub struct Header<'a> {
    /// Its name: `PrimaryResult`, or what the query says.
    pub name: &'a str,
    /// Its columns.
    pub columns: &'a [Column],
    /// Whether the query gives more than one table.
    pub is_one_of_several: bool,
}

/// Takes result tables one after the other and writes them.
pub trait Sink {
    /// Begins a table.
    fn begin(&mut self, out: &mut dyn Write, header: &Header<'_>) -> io::Result<()>;

    /// Adds rows to the table begun last.
    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()>;

    /// Ends the table begun last.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;

    /// Ends the output.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// Returns the sink of a form for a query with this many results.
///
/// # Errors
/// [`Failure::Usage`] when the form cannot hold them. OTLP, which needs to know the query, is [`otlp::sink`]'s.
pub fn sink(form: Form, table_count: usize, console: &Console) -> Result<Box<dyn Sink>, Failure> {
    if form == Form::Csv && table_count > 1 {
        let message =
            format!("CSV holds one table and the query gives {table_count}; use --output ndjson, json or kusto");
        return Err(Failure::Usage(message));
    }
    Ok(match form {
        Form::Table => Box::new(table::TableSink::new(console.width())),
        Form::Ndjson => Box::new(json::JsonSink::new(json::Layout::Lines)),
        Form::Json => Box::new(json::JsonSink::new(json::Layout::Array)),
        Form::Csv => Box::new(csv::CsvSink::new(console.is_out_terminal)),
        Form::Kusto => Box::new(kusto::KustoSink::new()),
        Form::OtlpJson | Form::Otlp => {
            let message = "--output otlp and otlp-json hold telemetry, and this is none; use --output ndjson or json";
            return Err(Failure::Usage(message.into()));
        }
    })
}
