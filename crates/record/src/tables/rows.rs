//! Rows of a standard table to rows of an alias.

use super::expand::expand;
use super::mapping::Source;
use super::{Base, Part, Table};
use crate::convert::fit;
use crate::input::report::{Collector, Place, Tracker};
use crate::stream::{Catalog, Projection, Row, RowStream, StreamError, TableSchema};
use dtq_source::Code;
use dtq_value::Value;
use std::collections::VecDeque;

/// Returns the rows of an alias that rows of a standard table give, all columns filled.
///
/// For those who have rows already; queries over files read only the columns that they need.
pub fn of_standard(table: &'static Table, base: Base, rows: Vec<Row>) -> Vec<Row> {
    let collector = Collector::default();
    let all = Projection::all(table.columns.len());
    let mut reader = AliasRows::new(table, &NoTables, &all, Tracker::new(&collector, &table.name));
    let parts: Vec<&Part> = table.parts.iter().filter(|part| part.base == base).collect();
    let mut out = Vec::new();
    for row in rows {
        parts.iter().for_each(|part| reader.push_rows(part, row.clone(), &mut out));
    }
    out
}

/// Has no tables: rows are there already.
struct NoTables;

impl Catalog for NoTables {
    fn schema(&self, _: &str) -> Option<TableSchema> {
        None
    }

    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn scan(&self, table: &str, _: &Projection) -> Result<Box<dyn RowStream + '_>, StreamError> {
        Err(StreamError { code: Code::E3008, message: format!("there is no `{table}` to read") })
    }
}

/// Reads an alias.
pub(crate) struct AliasRows<'c> {
    table: &'static Table,
    catalog: &'c dyn Catalog,
    is_read: Vec<bool>,
    parts: VecDeque<&'static Part>,
    current: Option<(&'static Part, Box<dyn RowStream + 'c>)>,
    source: Vec<Row>,
    tracker: Tracker<'c>,
    row_count: u64,
}

impl<'c> AliasRows<'c> {
    /// Returns the rows of `table`, made of the standard tables of `catalog`.
    pub fn new(table: &'static Table, catalog: &'c dyn Catalog, projection: &Projection, tracker: Tracker<'c>) -> Self {
        Self {
            table,
            catalog,
            is_read: projection.is_read.clone(),
            parts: table.parts.iter().collect(),
            current: None,
            source: Vec::new(),
            tracker,
            row_count: 0,
        }
    }

    fn reads(&self, column: usize) -> bool {
        self.is_read.get(column).copied().unwrap_or(false)
    }

    /// Returns which columns of the standard table the part needs.
    fn needed(&self, part: &Part) -> Projection {
        let width = self.catalog.schema(part.base.name()).map_or(0, |schema| schema.columns.len());
        let mut is_read = vec![false; width];
        let mut mark = |column: usize| is_read.get_mut(column).map_or((), |is_read| *is_read = true);
        for test in [&part.test, &part.each_test].into_iter().flatten() {
            test.visit_columns(&mut mark);
        }
        if let Some(each) = &part.each {
            each.visit_columns(&mut mark);
        }
        for (column, mapping) in part.mappings.iter().enumerate() {
            if self.reads(column) {
                mapping.visit_columns(&mut mark);
            }
        }
        if part.is_expanded {
            super::expand::COLUMNS_READ.iter().for_each(|column| mark(*column));
        }
        Projection::columns(is_read)
    }

    fn push_rows(&mut self, part: &Part, source: Row, batch: &mut Vec<Row>) {
        if part.is_expanded {
            expand(&source, &mut |row| self.push_items(part, &row, batch));
        } else {
            self.push_items(part, &source, batch);
        }
    }

    fn push_items(&mut self, part: &Part, row: &Row, batch: &mut Vec<Row>) {
        let whole = Source { row, item: &Value::Null };
        if part.test.as_ref().is_some_and(|test| !test.holds(whole)) {
            return;
        }
        let Some(each) = &part.each else {
            let row = self.row(part, whole);
            batch.push(row);
            return;
        };
        if let Value::Array(items) = each.value(whole) {
            for item in items.iter() {
                let source = Source { row, item };
                if part.each_test.as_ref().is_none_or(|test| test.holds(source)) {
                    let row = self.row(part, source);
                    batch.push(row);
                }
            }
        }
    }

    fn row(&mut self, part: &Part, source: Source<'_>) -> Row {
        self.row_count += 1;
        let value = |(index, mapping): (usize, &super::Mapping)| {
            if !self.reads(index) {
                return Value::Null;
            }
            let column = &self.table.columns[index];
            fit(column.ty, mapping.value(source)).unwrap_or_else(|| {
                self.tracker.misfit(&column.name, column.ty, Place::Row(self.row_count));
                Value::missing(column.ty)
            })
        };
        part.mappings.iter().enumerate().map(value).collect()
    }
}

impl RowStream for AliasRows<'_> {
    fn read(&mut self, batch: &mut Vec<Row>) -> Result<bool, StreamError> {
        if self.current.is_none() {
            let Some(part) = self.parts.pop_front() else { return Ok(false) };
            let stream = self.catalog.scan(part.base.name(), &self.needed(part))?;
            self.current = Some((part, stream));
        }
        let mut source = std::mem::take(&mut self.source);
        if let Some((part, stream)) = &mut self.current {
            let part = *part;
            let result = stream.read(&mut source);
            for row in source.drain(..) {
                self.push_rows(part, row, batch);
            }
            if !result? {
                self.current = None;
            }
        }
        self.source = source;
        Ok(self.current.is_some() || !self.parts.is_empty())
    }
}
