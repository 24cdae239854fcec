//! Tables that rules look up, as queries see them: shared by all rules while records are judged, changed between them.

use crate::compile::catalog::Rows;
use crate::state::table::KeyedTable;
use dtq_record::stream::{Catalog, Column, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::Code;
use dtq_value::Str;
use std::cell::RefCell;

/// Holds one table.
pub(crate) struct LiveTable {
    pub(crate) name: Str,
    pub(crate) columns: Vec<Column>,
    pub(crate) content: Content,
}

/// Says where the rows of a table are.
pub(crate) enum Content {
    /// They never change.
    Fixed(Vec<Row>),
    /// A rule fills them, and they expire.
    Keyed(Box<RefCell<KeyedTable>>),
}

/// Holds all tables of a rule set.
#[derive(Default)]
pub(crate) struct Tables(pub(crate) Vec<LiveTable>);

impl Tables {
    /// Returns a number that changes whenever rows of one of these tables do.
    pub(crate) fn version(&self, tables: &[usize]) -> u64 {
        let version = |table: &usize| match &self.0[*table].content {
            Content::Fixed(_) => 0,
            Content::Keyed(table) => table.borrow().counts().version,
        };
        // Versions only grow, so that their sum changes when one of them does.
        tables.iter().map(version).fold(0, u64::wrapping_add)
    }

    /// Returns how many bytes the rows of a table that a rule fills take; 0 where there is no such table.
    pub(crate) fn bytes(&self, table: usize) -> u64 {
        match self.0.get(table).map(|table| &table.content) {
            Some(Content::Keyed(table)) => table.borrow().counts().bytes as u64,
            Some(Content::Fixed(_)) | None => 0,
        }
    }

    /// Returns all rows of a table, in the order in which they came.
    pub(crate) fn rows(&self, table: usize) -> Vec<Row> {
        match &self.0[table].content {
            Content::Fixed(rows) => rows.clone(),
            Content::Keyed(table) => table.borrow().iter(i64::MIN).map(|(_, row)| row.clone()).collect(),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|table| table.name.as_bytes() == name.as_bytes())
    }
}

impl Catalog for Tables {
    fn schema(&self, table: &str) -> Option<TableSchema> {
        let table = &self.0[self.find(table)?];
        Some(TableSchema { name: table.name.to_string(), columns: table.columns.clone() })
    }

    fn table_names(&self) -> Vec<String> {
        self.0.iter().map(|table| table.name.to_string()).collect()
    }

    fn scan(&self, table: &str, _projection: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        match self.find(table).map(|position| (&self.0[position].content, position)) {
            Some((Content::Fixed(rows), _)) => Ok(Box::new(Rows(Some(rows)))),
            Some((Content::Keyed(_), position)) => Ok(Box::new(Copied(self.rows(position)))),
            None => Err(StreamError { code: Code::E3008, message: format!("there is no table `{table}` to look up") }),
        }
    }
}

/// Gives rows that were copied when a table was opened.
struct Copied(Vec<Row>);

impl RowStream for Copied {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        batch.append(&mut self.0);
        Ok(false)
    }
}
