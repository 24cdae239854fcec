//! A table to ask generated queries of: a column of every type; ordinary, extreme and missing values.

use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_value::{Str, Type, Value};

/// A table with a column of every type, and rows with ordinary, extreme and null values.
#[derive(Clone, Copy, Debug)]
pub struct Events;

impl Events {
    /// Returns its name and columns: `bool_column`, `int_column`...
    pub fn table() -> TableSchema {
        let columns = Type::ALL.iter().map(|ty| Column::new(format!("{}_column", ty.name()), *ty)).collect();
        TableSchema { name: "Events".to_owned(), columns }
    }

    fn rows() -> Vec<Row> {
        let dynamic = Value::array(vec![Value::Long(1), Value::string("two"), Value::Null]);
        let ordinary = vec![
            Value::Bool(true),
            Value::Int(-7),
            Value::Long(42),
            Value::Real(1.5),
            Value::Null,
            Value::string("Some error text 10.1.2.3"),
            Value::DateTime(638_396_640_000_000_000),
            Value::TimeSpan(36_000_000_000),
            Value::Guid([7; 16]),
            dynamic,
        ];
        let extreme = vec![
            Value::Bool(false),
            Value::Int(i32::MIN),
            Value::Long(i64::MIN),
            Value::Real(f64::NAN),
            Value::Null,
            Value::String(Str::from(&b"\xff\xfe not UTF-8"[..])),
            Value::DateTime(i64::MAX),
            Value::TimeSpan(i64::MIN),
            Value::Guid([0; 16]),
            Value::string("text in a dynamic"),
        ];
        let null = Type::ALL.iter().map(|ty| Value::missing(*ty)).collect();
        vec![ordinary, extreme, null]
    }
}

struct Once(Option<Vec<Row>>);

impl RowStream for Once {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.extend(self.0.take().into_iter().flatten());
        Ok(false)
    }
}

impl Catalog for Events {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        (table == "Events").then(Self::table)
    }

    fn table_names(&self) -> Vec<String> {
        vec!["Events".to_owned()]
    }

    fn scan(&self, _table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Ok(Box::new(Once(Some(Self::rows()))))
    }
}
