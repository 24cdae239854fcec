//! What a table is to those who read it: named, typed columns and a stream of rows.

use dtq_source::Code;
use dtq_value::{Type, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Holds the name and the type of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Its name, case-sensitive.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

impl Column {
    /// Returns a column.
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty }
    }
}

/// Holds one row: a value for each column of its schema, in order.
pub type Row = Vec<Value>;

/// Says which columns of a table are read; the others may be left null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// For each column of the table, whether it is read.
    pub is_read: Vec<bool>,
}

impl Projection {
    /// Returns the projection that reads all of `count` columns.
    pub fn all(count: usize) -> Self {
        Self { is_read: vec![true; count] }
    }
}

/// Holds why a stream ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// `E3xxx`.
    pub code: Code,
    /// What was tried and what happened, with file and offset where known.
    pub message: String,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for StreamError {}

/// Gives the rows of a table, batch by batch.
pub trait RowStream {
    /// Appends some rows to `batch` and says whether more may follow.
    ///
    /// # Errors
    /// When the input cannot be read any further; rows appended before stay valid.
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError>;
}

/// Holds a table's name and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// The name used in queries.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<Column>,
}

/// Gives access to the tables that a query can name.
pub trait Catalog {
    /// Returns the columns of a table, or `None` when there is none of this name.
    fn schema(&self, table: &str) -> Option<TableSchema>;

    /// Returns the names of all tables, for wildcards, `search` and did-you-mean.
    fn table_names(&self) -> Vec<String>;

    /// Begins to read a table. A table can be read several times in one query.
    ///
    /// # Errors
    /// When its input cannot be opened.
    fn scan(&self, table: &str, projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError>;
}
