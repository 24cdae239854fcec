//! What a table is to those who read it: named, typed columns and a stream of rows.

use dtq_source::Code;
use dtq_value::{Str, Type, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

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

/// Says what of a table is looked at; a stream may leave out the rest, and need not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// For each column of the table, whether it is read; the others may be left null.
    pub is_read: Vec<bool>,
    /// For each column, what is read inside of it; the columns behind the last are read whole.
    pub insides: Vec<Inside>,
    /// Texts that a row has to have, or nothing looks at it: one of each group.
    pub texts: Vec<Vec<NeededText>>,
    /// Bounds that integers of a row have to keep, or nothing looks at it.
    pub ranges: Vec<NeededRange>,
}

impl Projection {
    /// Returns the projection that reads all of `count` columns.
    pub fn all(count: usize) -> Self {
        Self::columns(vec![true; count])
    }

    /// Returns the projection that reads some columns as they are.
    pub fn columns(is_read: Vec<bool>) -> Self {
        Self { is_read, ..Self::default() }
    }

    /// Returns what is read inside of a column.
    pub fn inside(&self, column: usize) -> &Inside {
        self.insides.get(column).unwrap_or(&Inside::Whole)
    }
}

/// Says what is read inside of a dynamic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Inside {
    /// Everything.
    #[default]
    Whole,
    /// Of a bag these keys and what is read inside of their values; what is no bag is read whole.
    Keys(Arc<[(Str, Inside)]>),
}

impl Inside {
    /// Returns a copy that shares nothing with this one, so that counting who holds it disturbs no other thread.
    pub(crate) fn detached(&self) -> Self {
        match self {
            Inside::Whole => Inside::Whole,
            Inside::Keys(keys) => {
                let detached = |(key, inside): &(Str, Inside)| (Str::from(key.as_bytes()), inside.detached());
                Inside::Keys(keys.iter().map(detached).collect())
            }
        }
    }

    /// Returns what is read of the value of a key, or `None` when nothing is.
    pub fn of_key(&self, key: &[u8]) -> Option<&Inside> {
        match self {
            Inside::Whole => Some(self),
            Inside::Keys(keys) => keys.iter().find(|(known, _)| known.as_bytes() == key).map(|(_, inside)| inside),
        }
    }
}

/// Names a column of integers and between which of them, both included, its value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededRange {
    /// Position of the column.
    pub column: usize,
    /// The least.
    pub least: i64,
    /// The greatest.
    pub greatest: i64,
}

/// Names a text and the column in whose text it has to be: in that of a string, or in what `tostring` gives of a dynamic
/// or of something inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededText {
    /// Position of the column.
    pub column: usize,
    /// The text.
    pub text: Str,
    /// Whether it may differ in ASCII case.
    pub is_case_ignored: bool,
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

    /// Allows the stream to leave out what its projection does not ask for inside of columns, and, with `may_pass_over`,
    /// records that lack a needed text or are out of a needed range. Until then every record comes, its dynamic columns whole.
    fn narrow(&mut self, _may_pass_over: bool) {}

    /// Returns how many records were passed over since this was last asked.
    fn take_passed_over(&mut self) -> u64 {
        0
    }
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
