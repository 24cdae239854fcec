//! What a scalar expression sees: the columns of the row it is evaluated over, and where it stands.

use crate::aggregate::Aggregation;
use crate::window::Windows;
use dtq_record::stream::Column;
use std::rc::Rc;

/// The prefix of columns that can be named but are not part of `*`: those of the row that `mv-apply` works on.
pub(crate) const OUTER: char = '\u{1}';

/// Holds the row that expressions are evaluated over.
#[derive(Debug)]
pub(crate) struct RowScope {
    /// Distinguishes rows: an expression with columns is only good for the row it was lowered for.
    pub id: u32,
    /// What can be named.
    pub columns: Rc<[Column]>,
    /// Set in the outer part of an expression of `summarize`.
    pub aggregation: Option<Aggregation>,
    /// Where calls like `prev()` are collected; `None` where they are not allowed.
    pub windows: Option<Windows>,
    /// Named rows besides: `$left` and `$right`, or the steps of `scan`; with the position of their first column.
    pub sides: Vec<(String, Rc<[Column]>, u32)>,
}

impl RowScope {
    /// Returns the position of a column, outer ones last.
    pub fn find(&self, name: &str) -> Option<u32> {
        find_column(&self.columns, name)
    }
}

/// Returns the position of a column by name, the last one where `parse` has added a second of that name; a column of the
/// outer row only when no other has the name.
pub(crate) fn find_column(columns: &[Column], name: &str) -> Option<u32> {
    let found = columns.iter().rposition(|column| column.name == name);
    let outer = || columns.iter().position(|column| column.name.strip_prefix(OUTER).is_some_and(|rest| rest == name));
    found.or_else(outer).map(|index| index as u32)
}

/// Says whether a column is one of the outer row.
pub(crate) fn is_outer(column: &Column) -> bool {
    column.name.starts_with(OUTER)
}
