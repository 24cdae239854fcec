//! `scan`: the rows of each partition in order, matched against steps that remember what matched before.
//!
//! Holds all rows, since they have to be sorted first; rows that come in order need not be held. Next: [`crate::scanning`].

use crate::budget::Hold;
use crate::env::Env;
use crate::operator::{BoxedOperator, Operator};
use crate::order::{Direction, compare_keys};
use crate::scan_match::{Matcher, ScanState};
use crate::sort::Held;
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::ScanSteps;
use dtq_record::stream::{Column, Row};
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Runs the steps over the rows of each partition.
pub(crate) struct Scan<'a> {
    input: BoxedOperator<'a>,
    scan: &'a ScanSteps,
    matcher: Matcher<'a>,
    hold: Option<Hold>,
    output: Option<Held>,
}

impl<'a> Scan<'a> {
    /// Returns the operator.
    ///
    /// # Errors
    /// As [`Matcher::new`].
    pub(crate) fn new(
        env: &mut Env<'a>,
        input: BoxedOperator<'a>,
        scan: &'a ScanSteps,
        input_columns: &[Column],
    ) -> Result<Self, Fault> {
        let matcher = Matcher::new(env, scan, input_columns)?;
        Ok(Self { input, scan, matcher, hold: Some(env.budget.hold("scan")), output: None })
    }

    fn run(&mut self, env: &mut Env<'a>, hold: &mut Hold) -> Result<Vec<Row>, Fault> {
        let mut parts: IndexMap<RowIdentity, Vec<(Row, Row)>, FxBuildHasher> = IndexMap::default();
        let order: Vec<ExprId> = self.scan.order.iter().map(|key| key.expr).collect();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = RowIdentity(env.eval_all(&self.scan.partition, &row)?);
                let sort_key = env.eval_all(&order, &row)?;
                hold.add_row(&row)?;
                hold.add_row(&sort_key)?;
                parts.entry(key).or_default().push((sort_key, row));
            }
        }
        let directions = Direction::of(&self.scan.order);
        let mut output = Vec::new();
        let mut next_match_id = 0;
        for mut rows in parts.into_values() {
            rows.sort_by(|left, right| compare_keys(&directions, &left.0, &right.0));
            let mut state = ScanState::default();
            for (_, row) in rows {
                self.matcher.push(env, &mut state, &row, &mut next_match_id, &mut output)?;
            }
            output.extend(state.finish());
        }
        for row in &output {
            hold.add_row(row)?;
        }
        Ok(output)
    }
}

impl<'a> Operator<'a> for Scan<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if let Some(mut hold) = self.hold.take() {
            let rows = self.run(env, &mut hold)?;
            self.output = Some(Held::new(rows, hold));
        }
        Ok(self.output.as_mut().and_then(|output| output.next(env.batch_rows)))
    }
}
