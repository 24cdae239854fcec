//! Rows to JSON: an object a row, either a row a line (`ndjson`) or all in one array (`json`).
//!
//! With several tables, an `ndjson` object begins with `$table`, and `json` is an array of `{"name", "rows"}`.
//! Infinities and NaN, which JSON lacks, are strings. Next: `kusto.rs`, which writes values the same way.

use crate::output::{Header, Sink, text};
use dtq_record::stream::{Column, Row};
use dtq_value::{Type, Value};
use std::io::{self, Write};

/// Writes a value as JSON.
///
/// # Source
/// The forms are those of Kusto's REST API, as conformance `kusto_engine.jsonl` shows them.
pub fn write_value(out: &mut dyn Write, value: &Value, ty: Type) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        _ if ty == Type::Dynamic => out.write_all(text::neutral_json(&text::dynamic(value)).as_bytes()),
        Value::Bool(is_true) => write!(out, "{is_true}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Long(number) => write!(out, "{number}"),
        Value::Decimal(number) => write!(out, "{number}"),
        // The JSON writer of dynamics knows the reals: `10.0`, `1e22`, `"NaN"`.
        Value::Real(_) => out.write_all(text::dynamic(value).as_bytes()),
        other => write_string(out, &text::cell(other, ty).unwrap_or_default()),
    }
}

/// Writes a string as JSON, with everything that could act on a terminal as an escape.
pub fn write_string(out: &mut dyn Write, string: &str) -> io::Result<()> {
    let quoted = serde_json::to_string(string).map_err(io::Error::other)?;
    out.write_all(text::neutral_json(&quoted).as_bytes())
}

/// Says how the objects stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each on its own line.
    Lines,
    /// In one array.
    Array,
}

/// Writes rows as JSON objects.
pub struct JsonSink {
    layout: Layout,
    table: Option<String>,
    columns: Vec<Column>,
    table_count: usize,
    row_count: usize,
}

impl JsonSink {
    /// Returns a sink for this layout.
    pub fn new(layout: Layout) -> Self {
        Self { layout, table: None, columns: Vec::new(), table_count: 0, row_count: 0 }
    }

    fn object(&self, out: &mut dyn Write, row: &Row) -> io::Result<()> {
        out.write_all(b"{")?;
        let mut separator: &[u8] = b"";
        if let (Layout::Lines, Some(name)) = (self.layout, &self.table) {
            out.write_all(b"\"$table\":")?;
            write_string(out, name)?;
            separator = b",";
        }
        for (column, value) in self.columns.iter().zip(row) {
            out.write_all(separator)?;
            write_string(out, &column.name)?;
            out.write_all(b":")?;
            write_value(out, value, column.ty)?;
            separator = b",";
        }
        out.write_all(b"}")
    }
}

impl Sink for JsonSink {
    fn begin(&mut self, out: &mut dyn Write, header: &Header<'_>) -> io::Result<()> {
        self.table = header.is_one_of_several.then(|| header.name.to_owned());
        self.columns = header.columns.to_vec();
        self.row_count = 0;
        self.table_count += 1;
        if self.layout == Layout::Lines {
            return Ok(());
        }
        if self.table_count == 1 {
            out.write_all(b"[")?;
        }
        if let Some(name) = &self.table {
            out.write_all(if self.table_count == 1 { b"\n{\"name\":" } else { b",\n{\"name\":" })?;
            write_string(out, name)?;
            out.write_all(b",\"rows\":[")?;
        }
        Ok(())
    }

    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            if self.layout == Layout::Array {
                out.write_all(if self.row_count == 0 { b"\n" } else { b",\n" })?;
            }
            self.object(out, row)?;
            if self.layout == Layout::Lines {
                out.write_all(b"\n")?;
            }
            self.row_count += 1;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.layout == Layout::Array && self.table.is_some() {
            out.write_all(b"]}")?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match (self.layout, self.table_count) {
            (Layout::Lines, _) => Ok(()),
            (Layout::Array, 0) => out.write_all(b"[]\n"),
            (Layout::Array, _) => out.write_all(b"\n]\n"),
        }
    }
}
