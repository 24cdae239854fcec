//! Rows to the JSON of Kusto's REST API, version 1: `{"Tables":[{"TableName", "Columns", "Rows"}]}` on one line.
//!
//! Next: `commands/batch.rs`, which puts an `id` in front.

use crate::output::json::{write_string, write_value};
use crate::output::{Header, Sink};
use dtq_record::stream::{Column, Row};
use std::io::{self, Write};

/// Writes tables as `"Tables":[...]`, inside an object that may begin with members of the caller's.
pub struct KustoSink {
    prefix: String,
    columns: Vec<Column>,
    table_count: usize,
    row_count: usize,
}

impl KustoSink {
    /// Returns a sink that writes `{"Tables":...}`.
    pub fn new() -> Self {
        Self::with_prefix(String::new())
    }

    /// Returns a sink that writes `prefix` after the opening brace: members, each with its comma.
    pub fn with_prefix(prefix: String) -> Self {
        Self { prefix, columns: Vec::new(), table_count: 0, row_count: 0 }
    }
}

impl Sink for KustoSink {
    fn begin(&mut self, out: &mut dyn Write, header: &Header<'_>) -> io::Result<()> {
        if self.table_count == 0 {
            write!(out, "{{{}\"Tables\":[", self.prefix)?;
        } else {
            out.write_all(b",")?;
        }
        self.table_count += 1;
        self.row_count = 0;
        self.columns = header.columns.to_vec();
        out.write_all(b"{\"TableName\":")?;
        write_string(out, header.name)?;
        out.write_all(b",\"Columns\":[")?;
        for (index, column) in header.columns.iter().enumerate() {
            out.write_all(if index == 0 { b"{\"ColumnName\":" } else { b",{\"ColumnName\":" })?;
            write_string(out, &column.name)?;
            write!(out, ",\"ColumnType\":\"{}\"}}", column.ty.name())?;
        }
        out.write_all(b"],\"Rows\":[")
    }

    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            out.write_all(if self.row_count == 0 { b"[" } else { b",[" })?;
            for (index, (column, value)) in self.columns.iter().zip(row).enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                write_value(out, value, column.ty)?;
            }
            out.write_all(b"]")?;
            self.row_count += 1;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"]}")
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.table_count == 0 {
            write!(out, "{{{}\"Tables\":[", self.prefix)?;
        }
        out.write_all(b"]}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_value::{Decimal, Type};

    fn written(columns: &[Column], rows: &[Row]) -> String {
        let mut out = Vec::new();
        let mut sink = KustoSink::new();
        let header = Header { name: "PrimaryResult", columns, is_one_of_several: false };
        sink.begin(&mut out, &header).unwrap();
        sink.rows(&mut out, rows).unwrap();
        sink.end(&mut out).unwrap();
        sink.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_shape_is_the_contract() {
        // DESIGN, "Command line".
        let text = written(&[Column::new("x", Type::Long)], &[vec![dtq_value::Value::Long(1)]]);
        let shape = r#"{"Tables":[{"TableName":"PrimaryResult","Columns":[{"ColumnName":"x","ColumnType":"long"}],"Rows":[[1]]}]}"#;
        assert_eq!(text, format!("{shape}\n"));
    }

    #[test]
    fn every_type_has_its_form() {
        use dtq_value::Value;
        let columns: Vec<Column> = Type::ALL.iter().map(|ty| Column::new(ty.name(), *ty)).collect();
        let row = vec![
            Value::Bool(true),
            Value::Int(-1),
            Value::Long(i64::MAX),
            Value::Real(10.0),
            Value::Decimal(Decimal::new(350, 2)),
            Value::string("a\"\u{9b}\n"),
            Value::DateTime(621_355_968_000_000_000),
            Value::TimeSpan(864_000_000_000),
            Value::Guid([0x11; 16]),
            Value::string("text"),
        ];
        let text = written(&columns, &[row, vec![Value::Null; 10], vec![Value::Real(f64::NAN); 4]]);
        let rows = text.split("\"Rows\":").nth(1).unwrap();
        let expected = "[[true,-1,9223372036854775807,10.0,3.50,\"a\\\"\\u009b\\n\",\"1970-01-01T00:00:00Z\",\
                        \"1.00:00:00\",\"11111111-1111-1111-1111-111111111111\",\"text\"],\
                        [null,null,null,null,null,null,null,null,null,null],\
                        [\"NaN\",\"NaN\",\"NaN\",\"NaN\"]]}]}\n";
        assert_eq!(rows, expected);
    }
}
