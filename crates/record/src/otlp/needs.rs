//! What the rows of a projection need, to records that are passed over before any of their fields becomes a value.
//!
//! Looks at fields whose value stands in the record as it is: a number, a text. A condition on another field lets every
//! record through; whoever filters the rows evaluates it. Next: `otlp/reader.rs`, which asks.

use crate::stream::{NeededRange, NeededText, Projection};
use dtq_value::search::find_ignore_case;
use memchr::memmem::Finder;

/// Gives fields of a record as they stand there.
pub(crate) trait Peek {
    /// Returns the integer that the row has in a column; `None` where it is not told.
    fn integer(&self, column: usize) -> Option<i64>;

    /// Returns the text that the row has in a column, and `tostring` gives of it; `None` where it is not told.
    fn text(&self, column: usize) -> Option<&[u8]>;
}

/// Holds what a record needs.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    ranges: Vec<NeededRange>,
    /// Groups of texts, one of each of which a record needs.
    groups: Vec<Vec<Needle>>,
}

/// Holds a text and the column that it is looked for in.
#[derive(Debug)]
struct Needle {
    column: usize,
    /// Looks for the text as it is.
    finder: Finder<'static>,
    is_case_ignored: bool,
}

impl Needle {
    fn new(text: &NeededText) -> Self {
        let finder = Finder::new(text.text.as_bytes()).into_owned();
        Self { column: text.column, finder, is_case_ignored: text.is_case_ignored }
    }

    fn is_lacked_by(&self, record: &impl Peek) -> bool {
        let Some(text) = record.text(self.column) else { return false };
        match self.is_case_ignored {
            true => find_ignore_case(text, self.finder.needle(), 0).is_none(),
            false => self.finder.find(text).is_none(),
        }
    }
}

impl Needs {
    /// Returns what the rows of a projection need.
    pub fn new(projection: &Projection) -> Self {
        let groups = projection.texts.iter().map(|group| group.iter().map(Needle::new).collect()).collect();
        Self { ranges: projection.ranges.clone(), groups }
    }

    /// Says whether a record certainly lacks something, so that nothing looks at its row.
    pub fn are_lacked_by(&self, record: &impl Peek) -> bool {
        let is_out = |range: &NeededRange| {
            record.integer(range.column).is_some_and(|number| !(range.least..=range.greatest).contains(&number))
        };
        let lacks = |group: &Vec<Needle>| group.iter().all(|needle| needle.is_lacked_by(record));
        self.ranges.iter().any(is_out) || self.groups.iter().any(lacks)
    }
}
