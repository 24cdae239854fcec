//! Where a frame uses native code: filling a record's slots, and deciding conditions.
//!
//! Native code reads slots, so it is asked only while no edit has changed what they stand for; then, and where there is
//! no code, the interpreter decides.

use crate::engine::cells::RecordCells;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use dtq_interp::Subqueries;
use dtq_ir::{ExprId, RelId};
use dtq_jit::{BufferTable, Condition, Verdict};
use dtq_record::WireError;
use dtq_record::slot::Slot;
use dtq_value::Value;
use dtq_value::scalar::Fault;

/// Gives native code what the conditions of a rule look up.
pub(crate) struct LookedUp<'s>(pub(crate) &'s Subqueries);

impl dtq_jit::Subqueries for LookedUp<'_> {
    fn scalar(&self, rel: RelId) -> Result<Value, Fault> {
        self.0.scalar(rel)
    }

    fn is_member(&self, rel: RelId, value: &Value, is_negated: bool, is_case_ignored: bool) -> Result<Value, Fault> {
        Ok(self.0.members(rel, is_case_ignored)?.contains(value, is_negated))
    }
}

impl Frame<'_> {
    /// Fills the slots of a record.
    #[inline]
    pub(crate) fn fill(&mut self, unit: &Unit<'_>, slots: &mut [Slot]) -> Result<(), WireError> {
        if let Some(native) = self.native
            && native.fill(unit.base.cells.base(), unit.kind, unit.buffers.record, slots).is_some()
        {
            return Ok(());
        }
        match unit.kind {
            Some(kind) => unit.base.plan.fill_point(kind, unit.buffers.record, slots),
            None => unit.base.plan.fill_record(unit.buffers.record, slots),
        }
    }

    /// Says whether all conditions of a rule that are left are true of a record.
    #[inline]
    pub(crate) fn matches(&mut self, active: &Active, cells: &RecordCells<'_>) -> Result<bool, Fault> {
        if active.is_of_record
            && cells.overlay.is_empty()
            && let Some(condition) = self.native.and_then(|native| native.conditions(active.rule))
            && let Some(is_match) = self.decide_natively(active.rule, condition, cells)?
        {
            return Ok(is_match);
        }
        let rule = &self.set.rules[active.rule];
        for condition in &active.conditions {
            let expr = rule.conditions[usize::from(*condition)].expr;
            if !self.holds(active.rule, expr, cells)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says whether a condition that decides between values is true of a record.
    pub(crate) fn chooses(&mut self, rule: usize, expr: ExprId, cells: &RecordCells<'_>) -> Result<bool, Fault> {
        if cells.overlay.is_empty()
            && let Some(condition) = self.native.and_then(|native| native.choice(rule, expr))
            && let Some(is_chosen) = self.decide_natively(rule, condition, cells)?
        {
            return Ok(is_chosen);
        }
        self.holds(rule, expr, cells)
    }

    /// Says whether a condition is true of a record; `None` where it leaves that to the interpreter.
    fn decide_natively(
        &mut self,
        rule: usize,
        condition: Condition<'_>,
        cells: &RecordCells<'_>,
    ) -> Result<Option<bool>, Fault> {
        let looked_up = LookedUp(&self.state.subqueries[rule]);
        let buffers = BufferTable::new(&cells.buffers);
        let verdict = condition.decide(&mut self.state.native, &looked_up, cells.slots, &buffers)?;
        Ok((verdict != Verdict::Left).then_some(verdict == Verdict::True))
    }
}
