//! Rows pushed one at a time into groups that someone else keeps: `summarize` without its end.
//!
//! For windows, which close at a time of their own. A group knows nothing of its program; the program is needed again
//! only to add rows. Next: [`crate::scanning`].

use crate::accumulate::{Accumulator, AggregateSpec};
use crate::env::Env;
use crate::run::Options;
use dtq_interp::Subqueries;
use dtq_ir::rel::{RelId, RelKind};
use dtq_ir::{ExprId, Program};
use dtq_record::stream::{Catalog, Row};
use dtq_value::Value;
use dtq_value::scalar::Fault;

/// What an accumulator takes before it has seen a value, with its place in the group.
pub(crate) const ACCUMULATOR_BYTES: usize = 96;

/// Holds the aggregates of one group.
pub struct Group(Vec<Box<dyn Accumulator>>);

impl Group {
    /// Takes in what the same aggregates gave over rows that are not to be had, one value each; says whether all of them can:
    /// `count`, `sum` of integers, `min` and `max`.
    pub fn absorb(&mut self, results: &[Value]) -> bool {
        self.0.len() == results.len()
            && self.0.iter_mut().zip(results).all(|(accumulator, result)| accumulator.absorb(result))
    }

    /// Appends the results to a row that begins with the group's keys.
    pub fn finish(mut self, row: &mut Row) {
        for accumulator in &mut self.0 {
            accumulator.finish(row);
        }
    }
}

/// Computes keys of rows and adds rows to groups, for one `summarize` of a program.
pub struct Grouping<'a> {
    env: Env<'a>,
    keys: &'a [ExprId],
    specs: Vec<AggregateSpec<'a>>,
}

impl<'a> Grouping<'a> {
    /// Returns the grouping of a relation; what subqueries yielded is given.
    ///
    /// # Errors
    /// `E2900` for an aggregate that is not supported, `E2901` when the program is nested too deeply.
    ///
    /// # Panics
    /// When the relation is no `summarize`.
    pub fn new(
        program: &'a Program,
        rel: RelId,
        catalog: &'a dyn Catalog,
        subqueries: Subqueries,
        options: Options<'a>,
    ) -> Result<Self, Fault> {
        let RelKind::Aggregate { keys, aggregates, .. } = &program.rel(rel).kind else {
            panic!("only a summarize groups");
        };
        let mut env = Env::resume(program, catalog, subqueries, options)?;
        let specs = aggregates.iter().map(|call| AggregateSpec::new(&mut env, call)).collect::<Result<_, _>>()?;
        Ok(Self { env, keys, specs })
    }

    /// Returns the keys of a row of the relation's input.
    ///
    /// # Errors
    /// When a function fails.
    pub fn keys_of(&mut self, row: &[Value]) -> Result<Vec<Value>, Fault> {
        self.env.eval_all(self.keys, row)
    }

    /// Returns an empty group.
    pub fn start(&self) -> Group {
        Group(self.specs.iter().map(AggregateSpec::accumulator).collect())
    }

    /// Returns about how many bytes an empty group takes.
    pub fn group_bytes(&self) -> usize {
        self.specs.len() * ACCUMULATOR_BYTES
    }

    /// Adds a row to a group; returns about how many bytes more it holds.
    ///
    /// # Errors
    /// When a function fails; the row may have been added to some of the aggregates then.
    pub fn add(&mut self, group: &mut Group, row: &Row) -> Result<usize, Fault> {
        let mut grown_bytes = 0;
        for (spec, accumulator) in self.specs.iter().zip(&mut group.0) {
            grown_bytes += spec.add(&mut self.env, row, accumulator.as_mut())?;
        }
        Ok(grown_bytes)
    }

    /// Gives back what subqueries yielded.
    pub fn into_subqueries(self) -> Subqueries {
        self.env.interpreter.subqueries
    }
}
