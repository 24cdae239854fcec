//! Rows to comma-separated values with a header line.
//!
//! Null is an empty field and an empty string is `""`, as PostgreSQL's `COPY` has them, so that nothing is lost.

use crate::output::{Header, Sink, text};
use dtq_record::stream::{Column, Row};
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes one table as CSV.
pub struct CsvSink {
    /// Whether a terminal reads it: then what would act on it is escaped, while files get the text as it is.
    is_terminal: bool,
    columns: Vec<Column>,
}

impl CsvSink {
    /// Returns a sink.
    pub fn new(is_terminal: bool) -> Self {
        Self { is_terminal, columns: Vec::new() }
    }

    fn field(&self, out: &mut dyn Write, value: Option<&str>) -> io::Result<()> {
        let Some(raw) = value else {
            return Ok(());
        };
        let shown = if self.is_terminal { text::neutral(raw) } else { Cow::Borrowed(raw) };
        let needs_quotes = shown.is_empty() || shown.contains(['"', ',', '\n', '\r']);
        if needs_quotes { write!(out, "\"{}\"", shown.replace('"', "\"\"")) } else { out.write_all(shown.as_bytes()) }
    }
}

impl Sink for CsvSink {
    fn begin(&mut self, out: &mut dyn Write, header: &Header<'_>) -> io::Result<()> {
        self.columns = header.columns.to_vec();
        for (index, column) in header.columns.iter().enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            self.field(out, Some(&column.name))?;
        }
        out.write_all(b"\n")
    }

    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            for (index, (column, value)) in self.columns.iter().zip(row).enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                self.field(out, text::cell(value, column.ty).as_deref())?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
