//! What the caller decides: bounds, passes left out, what is known of tables, what was measured.

use crate::order::Feedback;
use dtq_source::Limits;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Holds what the caller decides about optimizing.
#[derive(Clone, Default)]
pub struct Options {
    /// The bounds under which the program will run.
    pub limits: Limits,
    /// Names of passes that are left out: see [`crate::PASSES`].
    pub disabled: BTreeSet<String>,
    /// Which columns of tables are known to have a value in every row.
    pub never_null: Option<Arc<NeverNull>>,
    /// Whether reading a column can fail, as where a record is decoded when it is asked for. Then no condition that reads
    /// one moves or goes, and only what is asked of the same columns in the same order changes its form.
    pub columns_may_fail: bool,
    /// Measured shares of rows for which conditions hold.
    pub feedback: Feedback,
}

/// Says whether a column, named by table and column, has a value in every row.
pub type NeverNull = dyn Fn(&str, &str) -> bool + Send + Sync;

impl Options {
    /// Says whether a column of a table has a value in every row.
    pub(crate) fn is_never_null(&self, table: &str, column: &str) -> bool {
        self.never_null.as_ref().is_some_and(|known| known(table, column))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("disabled", &self.disabled).finish_non_exhaustive()
    }
}
