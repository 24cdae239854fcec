//! Rows pushed one at a time through the operators behind a relation, for those who judge records as they come.
//!
//! Only operators that look at one row at a time may stand there ([`is_rowwise`]): each row comes out before the next
//! goes in, so that results cannot depend on where a batch ends. Next: [`crate::run`].

use crate::env::Env;
use crate::operator::{BoxedOperator, Demand, Operator, build};
use crate::run::Options;
use dtq_interp::Subqueries;
use dtq_ir::Program;
use dtq_ir::needed::Need;
use dtq_ir::rel::{JoinKind, RelId, RelKind};
use dtq_record::stream::{Catalog, Row};
use dtq_value::scalar::Fault;
use std::cell::RefCell;
use std::rc::Rc;

/// The rows that wait to be pulled by the lowest operator.
pub(crate) type Queue = Rc<RefCell<Vec<Row>>>;

/// Pushes rows through a part of a program.
pub struct Feed<'a> {
    env: Env<'a>,
    operator: BoxedOperator<'a>,
    queue: Queue,
}

/// Returns which columns of a relation something behind it looks at.
pub fn needed_columns(program: &Program, rel: RelId) -> Vec<bool> {
    dtq_ir::needed::of(program)[rel.0 as usize].iter().map(Need::is_some).collect()
}

/// Returns which columns of a relation something behind it looks at when only some columns of the end are wanted.
pub fn needed_columns_for(program: &Program, rel: RelId, top: RelId, wanted: &[bool]) -> Vec<bool> {
    let wanted = wanted.iter().enumerate().filter(|(_, is_wanted)| **is_wanted).map(|(index, _)| index);
    dtq_ir::needed::of_some(program, top, wanted)[rel.0 as usize].iter().map(Need::is_some).collect()
}

/// Says whether an operator gives the rows that follow from a row without looking at others.
pub fn is_rowwise(kind: &RelKind) -> bool {
    match kind {
        RelKind::Filter { .. }
        | RelKind::Project { .. }
        | RelKind::MvExpand { .. }
        | RelKind::MvApply { .. }
        | RelKind::Parse(_)
        | RelKind::ParseKv(_)
        | RelKind::BagUnpack { .. }
        | RelKind::Materialize { .. } => true,
        RelKind::Join { kind, .. } => {
            matches!(kind, JoinKind::Inner | JoinKind::LeftOuter | JoinKind::LeftSemi | JoinKind::LeftAnti)
        }
        _ => false,
    }
}

impl<'a> Feed<'a> {
    /// Returns a feed of the operators behind `leaf` up to `top`; other tables that they read are those of `catalog`.
    ///
    /// All operators between are [`is_rowwise`], `leaf` on the left side of joins. What subqueries yielded is given.
    ///
    /// # Errors
    /// `E2901` when the program is nested too deeply, and what operators fail with when they begin.
    pub fn new(
        program: &'a Program,
        (leaf, top): (RelId, RelId),
        catalog: &'a dyn Catalog,
        subqueries: Subqueries,
        options: Options<'a>,
    ) -> Result<Self, Fault> {
        let queue = Queue::default();
        let mut env = Env::resume(program, catalog, subqueries, options)?;
        env.fed = Some((leaf, Rc::clone(&queue)));
        let operator = build(top, &mut env, None, Demand::All)?;
        Ok(Self { env, operator, queue })
    }

    /// Returns the rows that follow from one row of `leaf`.
    ///
    /// # Errors
    /// `E3xxx`: a bound was passed or a function failed. The feed is of no use afterwards.
    pub fn push(&mut self, row: Row) -> Result<Vec<Row>, Fault> {
        self.queue.borrow_mut().push(row);
        let mut hold = self.env.budget.hold("rows of one record");
        let mut rows: Vec<Row> = Vec::new();
        let mut result = Ok(());
        loop {
            match self.operator.next(&mut self.env) {
                Ok(Some(batch)) => {
                    result = batch.iter().try_for_each(|row| hold.add_row(row));
                    rows.extend(batch);
                    if result.is_err() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(fault) => {
                    result = Err(fault);
                    break;
                }
            }
        }
        self.queue.borrow_mut().clear();
        result.map(|()| rows)
    }

    /// Exchanges what subqueries yielded with what the caller has.
    pub fn swap_subqueries(&mut self, subqueries: &mut Subqueries) {
        std::mem::swap(&mut self.env.interpreter.subqueries, subqueries);
    }
}

/// The lowest operator of a feed.
pub(crate) struct Fed(pub(crate) Queue);

impl<'a> Operator<'a> for Fed {
    fn next(&mut self, _env: &mut Env<'a>) -> Result<Option<Vec<Row>>, Fault> {
        let rows = std::mem::take(&mut *self.0.borrow_mut());
        Ok((!rows.is_empty()).then_some(rows))
    }
}
