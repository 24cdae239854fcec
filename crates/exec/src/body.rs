//! Operators that run a whole pipeline again and again: `mv-apply` for each row, `partition` for each key.

use crate::budget::{Hold, values_bytes};
use crate::env::Env;
use crate::operator::{BoxedOperator, Demand, Operator, build};
use dtq_interp::RowIdentity;
use dtq_ir::ExprId;
use dtq_ir::rel::RelId;
use dtq_record::stream::Row;
use dtq_value::scalar::Fault;
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use std::rc::Rc;

/// Runs a body over each row alone; gives the row followed by each row of the body.
pub(crate) struct ApplyBody<'a> {
    input: BoxedOperator<'a>,
    body: RelId,
    batch: std::vec::IntoIter<Row>,
    current: Option<(Rc<Vec<Row>>, BoxedOperator<'a>)>,
    produced: u64,
}

impl<'a> ApplyBody<'a> {
    pub(crate) fn new(input: BoxedOperator<'a>, body: RelId) -> Self {
        Self { input, body, batch: Vec::new().into_iter(), current: None, produced: 0 }
    }
}

impl<'a> Operator<'a> for ApplyBody<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let mut output: Vec<Row> = Vec::new();
        while output.len() < env.batch_rows {
            if let Some((given, mut body)) = self.current.take() {
                if let Some(batch) = body.next(env)? {
                    output.extend(batch.into_iter().map(|row| given[0].iter().cloned().chain(row).collect()));
                    self.current = Some((given, body));
                }
            } else if let Some(row) = self.batch.next() {
                let given = Rc::new(vec![row]);
                let body = build(self.body, env, Some(&given), Demand::All)?;
                self.current = Some((given, body));
            } else if let Some(batch) = self.input.next(env)? {
                self.batch = batch.into_iter();
            } else {
                break;
            }
        }
        self.produced += output.len() as u64;
        env.check_produced("mv-apply", self.produced)?;
        Ok((!output.is_empty()).then_some(output))
    }
}

/// Runs a body over the rows of each key, keys in the order in which they were first seen.
pub(crate) struct Partition<'a> {
    input: BoxedOperator<'a>,
    key: ExprId,
    body: RelId,
    hold: Hold,
    parts: Option<indexmap::map::IntoIter<RowIdentity, Vec<Row>>>,
    current: Option<BoxedOperator<'a>>,
}

impl<'a> Partition<'a> {
    pub(crate) fn new(env: &Env<'_>, input: BoxedOperator<'a>, key: ExprId, body: RelId) -> Self {
        Self { input, key, body, hold: env.budget.hold("partition"), parts: None, current: None }
    }

    fn split(&mut self, env: &mut Env<'a>) -> Result<IndexMap<RowIdentity, Vec<Row>, FxBuildHasher>, Fault> {
        let mut parts: IndexMap<RowIdentity, Vec<Row>, FxBuildHasher> = IndexMap::default();
        while let Some(batch) = self.input.next(env)? {
            for row in batch {
                let key = vec![env.eval(self.key, &row)?];
                self.hold.add(values_bytes(&key))?;
                self.hold.add_row(&row)?;
                parts.entry(RowIdentity(key)).or_default().push(row);
            }
        }
        Ok(parts)
    }
}

impl<'a> Operator<'a> for Partition<'a> {
    fn next(&mut self, env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        if self.parts.is_none() {
            self.parts = Some(self.split(env)?.into_iter());
        }
        loop {
            if let Some(body) = &mut self.current {
                if let Some(batch) = body.next(env)? {
                    return Ok(Some(batch));
                }
                self.current = None;
            }
            let Some((_, rows)) = self.parts.as_mut().and_then(Iterator::next) else {
                return Ok(None);
            };
            self.current = Some(build(self.body, env, Some(&Rc::new(rows)), Demand::All)?);
        }
    }
}
