//! Records that no rule does more to than keep or drop, decided by conditions alone: by native code while requests pass.
//!
//! A record that some rule would do more to, or that cannot be decided so, leaves the lane before anything was done and
//! is judged as all others are. Nothing here reads what an edit changed, since nothing is edited. What a rule is counted
//! is the same on either way.

use crate::compile::rule::{Action, ColumnWrite, CompiledRule};
use crate::compile::set::BaseCells;
use crate::engine::act::Fate;
use crate::engine::agenda::Agenda;
use crate::engine::cells::RecordCells;
use crate::engine::compiled::LookedUp;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use crate::engine::request::Pass;
use crate::file::rule::Mode;
use crate::native::{NativeSet, is_repeatable};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_jit::{BufferTable, Condition, Filled, Verdict};
use dtq_record::slot::{Buffers, Slot};
use fixedbitset::FixedBitSet;
use smallvec::SmallVec;

/// Holds the rules that take part for the records of one scope, as far as their conditions alone decide.
pub(crate) struct Lane<'s> {
    /// None where the interpreter decides.
    native: Option<&'s NativeSet>,
    /// One for each rule that takes part, in order.
    steps: Vec<Step<'s>>,
}

/// Holds what of a rule decides whether a record stays in the lane.
struct Step<'s> {
    rule: usize,
    /// Conditions on the record.
    condition: Decider<'s>,
    /// Conditions any of which makes an edit.
    edits_if: Vec<Decider<'s>>,
    if_true: Turn,
    if_false: Turn,
}

/// Decides a condition.
enum Decider<'s> {
    /// Every record matches.
    Always,
    Native(Condition<'s>),
    /// The interpreter, all conditions that are left of a rule.
    Rest,
    /// The interpreter, one that decides between values.
    Choice(ExprId),
}

/// Holds a record in the lane, its slots filled.
#[derive(Clone, Copy)]
pub(crate) struct LaneRecord<'r> {
    pub(crate) slots: &'r [Slot],
    pub(crate) buffers: &'r Buffers<'r>,
    /// The same buffers, for native code.
    pub(crate) table: &'r BufferTable<'r>,
    /// Its cells, for the interpreter.
    pub(crate) cells: Option<&'r RecordCells<'r>>,
}

/// Says what a rule does to a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It lets it go on.
    Pass,
    /// It lets it go on, and counts it as matched.
    Match,
    /// It counts it as matched and removes it.
    Drop,
    /// It removes it, since it does not match.
    Filter,
    /// More than that.
    Leave,
}

impl<'s> Lane<'s> {
    /// Returns the lane of rules that take part, or `None` when records have to be judged in full.
    pub(crate) fn new(frame: &Frame<'s>, base: &BaseCells, active: &[Active]) -> Option<Self> {
        frame.native?;
        Self::over_slots(frame, base, active)
    }

    /// Returns the lane of records whose slots somebody else fills, on the interpreter where there is no native code.
    pub(crate) fn over_slots(frame: &Frame<'s>, base: &BaseCells, active: &[Active]) -> Option<Self> {
        if base.time_slot.is_some() {
            return None;
        }
        let steps = active.iter().map(|one| step(frame.native, &frame.set.rules[one.rule], one));
        Some(Self { native: frame.native, steps: steps.collect::<Option<_>>()? })
    }
}

/// Returns the step of a rule, if it has one.
fn step<'s>(native: Option<&'s NativeSet>, rule: &'s CompiledRule, active: &Active) -> Option<Step<'s>> {
    // A record that leaves is judged once more, and has to be found as it was.
    let is_repeatable = match native {
        Some(native) => native.is_repeatable(active.rule),
        None => is_repeatable(&rule.flat.program),
    };
    if !is_repeatable {
        return None;
    }
    if active.is_never || !active.is_of_record || !rule.membership.is_empty() || rule.watches_time() {
        return None;
    }
    let condition = match (active.conditions.is_empty(), native) {
        (true, _) => Decider::Always,
        (false, Some(native)) => Decider::Native(native.conditions(active.rule)?),
        (false, None) => Decider::Rest,
    };
    let is_enforced = rule.mode == Mode::Enforce;
    let is_simple = is_enforced && rule.above.is_none() && !rule.has_pipeline && !rule.has_key;
    let mut edits_if = Vec::new();
    let if_true = match &rule.action {
        Action::Drop if is_simple => Turn::Drop,
        Action::Replace { writes } if is_simple => {
            edits_if = choices(native, rule, active.rule, writes)?;
            Turn::Match
        }
        _ => Turn::Leave,
    };
    // Every record would leave.
    if matches!(condition, Decider::Always) && if_true == Turn::Leave {
        return None;
    }
    let if_false = if is_enforced && matches!(rule.action, Action::Replace { .. }) { Turn::Filter } else { Turn::Pass };
    Some(Step { rule: active.rule, condition, edits_if, if_true, if_false })
}

/// Returns the conditions without one of which no written column becomes another; `None` where that cannot be said.
fn choices<'s>(
    native: Option<&'s NativeSet>,
    rule: &CompiledRule,
    position: usize,
    writes: &[ColumnWrite],
) -> Option<Vec<Decider<'s>>> {
    let program = &rule.flat.program;
    let mut conditions: Vec<ExprId> = Vec::new();
    for write in writes {
        let mut expr = rule.values[write.row_column?]?;
        while let ExprKind::Case { arms, otherwise } = &program.expr(expr).kind {
            conditions.extend(arms.iter().map(|(condition, _)| *condition));
            expr = *otherwise;
        }
        if !is_cell(program, expr, write.own_cell) {
            return None;
        }
    }
    conditions.dedup();
    let decider = |condition| match native {
        Some(native) => native.choice(position, condition).map(Decider::Native),
        None => Some(Decider::Choice(condition)),
    };
    conditions.into_iter().map(decider).collect()
}

fn is_cell(program: &Program, expr: ExprId, cell: Option<u32>) -> bool {
    matches!(program.expr(expr).kind, ExprKind::Column(column) if Some(column) == cell)
}

impl Frame<'_> {
    /// Runs a record through the lane; says whether it goes on, or `None` when it leaves.
    #[inline]
    pub(crate) fn run_in_lane(
        &mut self,
        lane: &Lane<'_>,
        agenda: &Agenda<'_>,
        pass: &mut Pass<'_>,
        unit: &Unit<'_>,
        buffers: &BufferTable<'_>,
    ) -> Option<bool> {
        let scan = lane.native?.scan(unit.base.cells.base(), unit.kind)?;
        match scan.fill(unit.buffers.record, pass.slots, pass.wanted & scan.layout().all()) {
            Filled::Done => {}
            Filled::Irregular => return None,
            Filled::Settled => return self.settle_in_lane(lane, pass, unit),
        }
        let record = LaneRecord { slots: pass.slots, buffers: &unit.buffers, table: buffers, cells: None };
        let mut matched: SmallVec<[usize; 8]> = SmallVec::new();
        let taken_by = self.decide_in_lane(lane, agenda, record, pass.marked, |rule| matched.push(rule))?;
        matched.iter().for_each(|rule| self.state.accounts[*rule].matched += 1);
        if let Some(rule) = taken_by {
            self.take(rule, Fate::Dropped, unit, pass.changes);
        }
        Some(taken_by.is_none())
    }

    /// Returns the rule that removes a record, if one does, or `None` when the record leaves the lane.
    ///
    /// `matched` is told of each rule that matches, and forgets what it was told where the record leaves.
    #[inline]
    pub(crate) fn decide_in_lane(
        &mut self,
        lane: &Lane<'_>,
        agenda: &Agenda<'_>,
        record: LaneRecord<'_>,
        marked: &mut FixedBitSet,
        mut matched: impl FnMut(usize),
    ) -> Option<Option<usize>> {
        let mut turns = agenda.lane_turns(record.slots, record.buffers, marked);
        while let Some((place, may_match)) = turns.next() {
            let step = &lane.steps[place];
            if !self.is_active[step.rule] {
                continue;
            }
            if self.clock.is_some() && !self.state.costs[step.rule].passes_unmeasured() {
                return None;
            }
            let turn = if may_match { self.turn(step, &agenda.active()[place], record)? } else { step.if_false };
            match turn {
                Turn::Pass => {}
                Turn::Match => matched(step.rule),
                Turn::Leave => return None,
                Turn::Drop => {
                    matched(step.rule);
                    return Some(Some(step.rule));
                }
                Turn::Filter => return Some(Some(step.rule)),
            }
        }
        Some(None)
    }

    /// Returns what is to be read of the records below a resource and scope, whose slots are filled.
    pub(crate) fn wanted(&mut self, lane: &Lane<'_>, cells: &RecordCells<'_>) -> u64 {
        let [step] = &lane.steps[..] else { return u64::MAX };
        let Some(reads) = lane.native.and_then(|native| native.reads(step.rule)) else { return u64::MAX };
        reads.bits(&mut |test| self.holds(step.rule, test, cells).ok())
    }

    /// Does what the only rule does with a record that does not match.
    #[inline]
    fn settle_in_lane(&mut self, lane: &Lane<'_>, pass: &mut Pass<'_>, unit: &Unit<'_>) -> Option<bool> {
        let [step] = &lane.steps[..] else { return None };
        if !self.is_active[step.rule] || (self.clock.is_some() && !self.state.costs[step.rule].passes_unmeasured()) {
            return None;
        }
        let is_removed = step.if_false == Turn::Filter;
        if is_removed {
            self.take(step.rule, Fate::Dropped, unit, pass.changes);
        }
        Some(!is_removed)
    }

    /// Returns what a rule does to a record; `None` when that has to be judged in full.
    #[inline]
    fn turn(&mut self, step: &Step<'_>, active: &Active, record: LaneRecord<'_>) -> Option<Turn> {
        if !self.decides(&step.condition, active, record)? {
            return Some(step.if_false);
        }
        for condition in &step.edits_if {
            if self.decides(condition, active, record)? {
                return Some(Turn::Leave);
            }
        }
        Some(step.if_true)
    }

    /// Says whether a condition is true of a record; `None` when that has to be judged in full.
    #[inline]
    fn decides(&mut self, decider: &Decider<'_>, active: &Active, record: LaneRecord<'_>) -> Option<bool> {
        match decider {
            Decider::Always => Some(true),
            Decider::Native(condition) => {
                let looked_up = LookedUp(&self.state.subqueries[active.rule]);
                let verdict = condition.decide(&mut self.state.native, &looked_up, record.slots, record.table);
                verdict.ok().map(|verdict| verdict == Verdict::True)
            }
            Decider::Rest => self.matches(active, record.cells?).ok(),
            Decider::Choice(condition) => self.chooses(active.rule, *condition, record.cells?).ok(),
        }
    }
}
