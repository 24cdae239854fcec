//! Rows pushed one at a time through `scan`, over states of partitions that someone else keeps.
//!
//! For rules, which see records as they come and remember sequences from batch to batch. A state knows nothing of its
//! program; the program is needed again only to push rows. Never sorts: rows are taken in the order in which they come,
//! also where the query says `order by`. Next: [`crate::feed`].

use crate::env::Env;
use crate::run::Options;
use crate::scan_match::Matcher;
pub use crate::scan_match::ScanState;
use dtq_interp::Subqueries;
use dtq_ir::rel::{RelId, RelKind};
use dtq_ir::{ExprId, Program};
use dtq_record::stream::{Catalog, Row};
use dtq_value::Value;
use dtq_value::scalar::Fault;

/// Computes partitions of rows and pushes rows into their states, for one `scan` of a program.
pub struct Scanning<'a> {
    env: Env<'a>,
    partition: &'a [ExprId],
    matcher: Matcher<'a>,
}

impl<'a> Scanning<'a> {
    /// Returns the scanning of a relation; what subqueries yielded is given.
    ///
    /// # Errors
    /// `E2900` for a step marked `optional`, `E2901` when the program is nested too deeply.
    ///
    /// # Panics
    /// When the relation is no `scan`.
    pub fn new(
        program: &'a Program,
        rel: RelId,
        catalog: &'a dyn Catalog,
        subqueries: Subqueries,
        options: Options<'a>,
    ) -> Result<Self, Fault> {
        let RelKind::ScanSteps(scan) = &program.rel(rel).kind else {
            panic!("only a scan has steps");
        };
        let mut env = Env::resume(program, catalog, subqueries, options)?;
        let matcher = Matcher::new(&mut env, scan, &program.rel(scan.input).columns)?;
        Ok(Self { env, partition: &scan.partition, matcher })
    }

    /// Returns the values that name the partition of a row of the relation's input: none when there is but one.
    ///
    /// # Errors
    /// When a function fails.
    pub fn partition_of(&mut self, row: &[Value]) -> Result<Vec<Value>, Fault> {
        self.env.eval_all(self.partition, row)
    }

    /// Pushes a row into the state of its partition, which is empty for the first row, and returns the rows that go out now.
    ///
    /// A sequence that begins takes its match id from `next_match_id`; ids are unique among the partitions, and over
    /// time, that share it. What else goes out when no more rows come: [`ScanState::finish`].
    ///
    /// # Errors
    /// When a function fails. The state stays good: later steps than the one that failed may have taken the row, but
    /// what they would have given out is lost.
    ///
    /// # Panics
    /// When the state has another number of steps. One that has other columns would be matched to nonsense: whoever
    /// keeps states has to see that they stay with their `scan`.
    pub fn push(&mut self, state: &mut ScanState, row: &[Value], next_match_id: &mut i64) -> Result<Vec<Row>, Fault> {
        let mut output = Vec::new();
        self.matcher.push(&mut self.env, state, row, next_match_id, &mut output)?;
        Ok(output)
    }

    /// Exchanges what subqueries yielded with what the caller has.
    pub fn swap_subqueries(&mut self, subqueries: &mut Subqueries) {
        std::mem::swap(&mut self.env.interpreter.subqueries, subqueries);
    }

    /// Gives back what subqueries yielded.
    pub fn into_subqueries(self) -> Subqueries {
        self.env.interpreter.subqueries
    }
}
