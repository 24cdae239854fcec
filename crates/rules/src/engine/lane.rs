//! Records that rules keep, drop or edit by single keys, decided by conditions alone: by native code while requests pass.
//!
//! A record that some rule would do more to, or that cannot be decided so, leaves the lane before anything was done and
//! is judged as all others are. What rules write is noted and done at the end; a rule that reads what another has written
//! makes the record leave. What a rule is counted is the same on either way.

use crate::compile::rule::{Action, ColumnWrite, CompiledRule, Failure};
use crate::compile::set::BaseCells;
use crate::engine::act::Fate;
use crate::engine::agenda::Agenda;
use crate::engine::cells::RecordCells;
use crate::engine::compiled::LookedUp;
use crate::engine::frame::{Frame, Unit};
use crate::engine::judge::Active;
use crate::engine::key_edits::{KeyEdits, Spliced};
use crate::engine::request::Pass;
use crate::engine::state::State;
use crate::file::rule::Mode;
use crate::native::edits::{EditPlan, EditedKeys};
use crate::native::{NativeSet, is_repeatable};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_jit::{BufferTable, Condition, Filled, RecordScan, Verdict};
use dtq_record::slot::Slot;
use dtq_record::tables::Base;
use fixedbitset::FixedBitSet;
use smallvec::SmallVec;

/// Holds the rules that take part for the records of one scope, as far as their conditions alone decide.
pub(crate) struct Lane<'s> {
    /// None where the interpreter decides.
    pub(super) native: Option<&'s NativeSet>,
    /// What the rules over the table write into attributes.
    pub(super) edited_keys: Option<&'s EditedKeys>,
    /// The bits of keys that decide by themselves which rules a record is shown to.
    guarded_keys: u64,
    /// One for each rule that takes part, in order.
    pub(super) steps: Vec<Step<'s>>,
    /// Whether its records are read from requests and come to all steps, so that many may be decided at once.
    pub(super) is_batched: bool,
    /// The bits of a record's scan that guards look at, where they are looked for before the rest of it is read.
    guard_bits: Option<u64>,
}

/// Holds what of a rule decides whether a record stays in the lane.
pub(super) struct Step<'s> {
    pub(super) rule: usize,
    /// Conditions on the record.
    pub(super) condition: Decider<'s>,
    pub(super) edits: Edits<'s>,
    /// The bits of keys that it decides by.
    edited_keys_read: u64,
    pub(super) if_true: Turn,
    pub(super) if_false: Turn,
}

/// Says what a rule writes into records that match.
pub(super) enum Edits<'s> {
    /// These conditions say whether it would write anything, which is not done here.
    If(Vec<Decider<'s>>),
    /// Single keys.
    Keys(&'s EditPlan),
}

/// Decides a condition.
pub(super) enum Decider<'s> {
    /// Every record matches.
    Always,
    Native(Condition<'s>),
    /// The interpreter, all conditions that are left of a rule.
    Rest,
    /// The interpreter, one that decides between values.
    Choice(ExprId),
    /// Native code over slots that is found when it is asked: all conditions of a rule, or one that decides between values.
    Found(Option<ExprId>),
}

/// Holds a record in the lane, its slots filled.
#[derive(Clone, Copy)]
pub(crate) struct LaneRecord<'r> {
    pub(crate) slots: &'r [Slot],
    /// The bytes that their views are of, for native code.
    pub(crate) table: &'r BufferTable<'r>,
}

/// Says what a rule does to a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It lets it go on.
    Pass,
    /// It counts it as matched, writes what it writes and lets it go on.
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
    pub(crate) fn new(frame: &Frame<'s>, base: &BaseCells, active: &[Active], is_guarded: bool) -> Option<Self> {
        let native = frame.native?;
        let edited_keys = native.edited_keys(base.cells.base());
        let guarded_keys = edited_keys.filter(|_| is_guarded).map_or(0, |keys| keys.guarded);
        let lane = Self::of_steps(frame, base, active, true)?;
        let guard_bits = lane.guard_bits(frame, base).filter(|_| is_guarded);
        Some(Self { edited_keys, guarded_keys, is_batched: !is_guarded, guard_bits, ..lane })
    }

    fn of_steps(frame: &Frame<'s>, base: &BaseCells, active: &[Active], is_written: bool) -> Option<Self> {
        if base.time_slot.is_some() {
            return None;
        }
        let steps = active.iter().map(|one| step(frame.native, &frame.set.rules[one.rule], one, is_written));
        let steps = steps.collect::<Option<_>>()?;
        Some(Self { native: frame.native, ..Lane::plain(steps) })
    }

    fn plain(steps: Vec<Step<'s>>) -> Self {
        Self { native: None, edited_keys: None, guarded_keys: 0, steps, is_batched: false, guard_bits: None }
    }

    /// Returns what guards look at of a record, unless that is all that rules read, or what cannot be read has to be found.
    fn guard_bits(&self, frame: &Frame<'_>, base: &BaseCells) -> Option<u64> {
        // What points of metrics are read by depends on their kind.
        let table = Some(base.cells.base()).filter(|table| *table != Base::Metrics)?;
        let layout = self.native?.scan(table, None)?.layout();
        let is_protective = |step: &Step<'_>| frame.set.rules[step.rule].on_error != Failure::Pass;
        let bits = base.guards.slots().fold(0, |bits, slot| bits | layout.bits(slot as usize));
        (bits != layout.all() && !self.steps.iter().any(is_protective)).then_some(bits)
    }

    /// Takes a record through the steps that are its turns, as far as `deciding` says what they ask; returns the rule that
    /// removes it, if one does, or `None` when the record leaves the lane.
    ///
    /// `matched` is told of each rule that matches, also of a record that leaves; `edits` is given what they write.
    #[inline]
    pub(super) fn follow(
        &self,
        turns: impl Iterator<Item = (usize, bool)>,
        deciding: &mut impl Deciding,
        edits: &mut KeyEdits,
        mut matched: impl FnMut(usize),
    ) -> Option<Option<usize>> {
        for (place, may_match) in turns {
            let step = &self.steps[place];
            if !deciding.takes_part(step.rule)? {
                continue;
            }
            if edits.touch(step.edited_keys_read) {
                return None;
            }
            let turn = if may_match { turn(place, step, deciding, edits)? } else { step.if_false };
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
}

impl Lane<'static> {
    /// Returns the lane of records whose slots somebody else fills, on the interpreter where there is no native code.
    pub(crate) fn over_slots(frame: &Frame<'_>, base: &BaseCells, active: &[Active]) -> Option<Self> {
        let lane = Lane::of_steps(frame, base, active, false)?;
        Some(Self::plain(lane.steps.into_iter().map(Step::unbound).collect::<Option<_>>()?))
    }
}

impl Step<'_> {
    /// Returns the same without native code that is found already; `None` where it writes.
    fn unbound(self) -> Option<Step<'static>> {
        let Edits::If(conditions) = self.edits else { return None };
        let conditions = conditions.into_iter().map(Decider::unbound).collect::<Option<_>>()?;
        Some(Step { condition: self.condition.unbound()?, edits: Edits::If(conditions), ..self })
    }
}

impl Decider<'_> {
    fn unbound(self) -> Option<Decider<'static>> {
        Some(match self {
            Self::Always => Decider::Always,
            Self::Rest => Decider::Rest,
            Self::Choice(expr) => Decider::Choice(expr),
            Self::Found(expr) => Decider::Found(expr),
            Self::Native(_) => return None,
        })
    }
}

/// Returns what a rule does to a record, and adds what it writes; `None` when that has to be judged in full.
#[inline]
fn turn(place: usize, step: &Step<'_>, deciding: &mut impl Deciding, edits: &mut KeyEdits) -> Option<Turn> {
    if !deciding.holds(place, step, Asking::Condition)? {
        return Some(step.if_false);
    }
    match &step.edits {
        Edits::If(conditions) => {
            for at in 0..conditions.len() {
                if deciding.holds(place, step, Asking::Write(at))? {
                    return Some(Turn::Leave);
                }
            }
        }
        Edits::Keys(plan) => {
            edits.follow(step.rule, plan, |choice| deciding.holds(place, step, Asking::Choice(choice)))?;
        }
    }
    Some(step.if_true)
}

/// Names what a step asks of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Its conditions.
    Condition,
    /// One of the conditions without which it writes nothing, by position.
    Write(usize),
    /// One of the conditions that decide what it writes, by their position among those of the rule.
    Choice(usize),
}

/// Answers what steps ask of a record.
pub(super) trait Deciding {
    /// Says whether a rule takes part; `None` when the record leaves.
    fn takes_part(&mut self, rule: usize) -> Option<bool>;

    /// Says whether a condition of the step at a place is true; `None` when that has to be found out in full.
    fn holds(&mut self, place: usize, step: &Step<'_>, asking: Asking) -> Option<bool>;
}

/// Answers by the conditions themselves.
struct Evaluating<'e, 's> {
    frame: &'e mut Frame<'s>,
    lane: &'e Lane<'e>,
    active: &'e [Active],
    record: LaneRecord<'e>,
}

impl Deciding for Evaluating<'_, '_> {
    #[inline]
    fn takes_part(&mut self, rule: usize) -> Option<bool> {
        let is_active = self.frame.is_active[rule];
        let is_measured = is_active && self.frame.clock.is_some();
        (!is_measured || self.frame.state.costs[rule].passes_unmeasured()).then_some(is_active)
    }

    #[inline]
    fn holds(&mut self, place: usize, step: &Step<'_>, asking: Asking) -> Option<bool> {
        let active = &self.active[place];
        match (asking, &step.edits) {
            (Asking::Condition, _) => self.frame.decides(&step.condition, active, self.record),
            (Asking::Write(at), Edits::If(conditions)) => self.frame.decides(&conditions[at], active, self.record),
            (Asking::Write(_), Edits::Keys(_)) => None,
            (Asking::Choice(choice), _) => {
                let condition = self.lane.native?.choice_at(step.rule, choice);
                self.frame.decides_natively(&condition, step.rule, self.record)
            }
        }
    }
}

/// Returns the step of a rule, if it has one.
fn step<'s>(
    native: Option<&'s NativeSet>,
    rule: &'s CompiledRule,
    active: &Active,
    is_written: bool,
) -> Option<Step<'s>> {
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
        (false, Some(native)) if is_written => Decider::Native(native.conditions(active.rule)?),
        (false, Some(native)) => native.conditions(active.rule).map(|_| Decider::Found(None))?,
        (false, None) => Decider::Rest,
    };
    let is_enforced = rule.mode == Mode::Enforce;
    let is_simple = is_enforced && rule.above.is_none() && !rule.has_pipeline && !rule.has_key;
    let mut edits = Edits::If(Vec::new());
    let if_true = match &rule.action {
        Action::Drop if is_simple => Turn::Drop,
        Action::Replace { writes } if is_simple => {
            edits = match native.filter(|_| is_written) {
                Some(native) => Edits::Keys(native.edits(active.rule).filter(|plan| !plan.is_unknown())?),
                None => Edits::If(choices(native, rule, active.rule, writes)?),
            };
            Turn::Match
        }
        _ => Turn::Leave,
    };
    // Every record would leave.
    if matches!(condition, Decider::Always) && if_true == Turn::Leave {
        return None;
    }
    let if_false = if is_enforced && matches!(rule.action, Action::Replace { .. }) { Turn::Filter } else { Turn::Pass };
    let edited_keys_read = native.filter(|_| is_written).map_or(0, |native| native.edited_keys_read(active.rule));
    Some(Step { rule: active.rule, condition, edits, edited_keys_read, if_true, if_false })
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
        Some(native) => native.choice(position, condition).map(|_| Decider::Found(Some(condition))),
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
        (scan, buffers): (&RecordScan, &BufferTable<'_>),
    ) -> Option<bool> {
        if let Some(bits) = lane.guard_bits {
            if scan.fill(unit.buffers.record, pass.slots, bits) != Filled::Done {
                return None;
            }
            agenda.mark(unit.base, pass.slots, &unit.buffers, pass.marked);
            if agenda.lane_turns(pass.marked).next().is_none() {
                return Some(true);
            }
        }
        match scan.fill(unit.buffers.record, pass.slots, pass.wanted) {
            Filled::Done => {}
            Filled::Irregular => return None,
            Filled::Settled => return self.settle_in_lane(lane, pass, unit),
        }
        if lane.guard_bits.is_none() {
            agenda.mark(unit.base, pass.slots, &unit.buffers, pass.marked);
        }
        let record = LaneRecord { slots: pass.slots, table: buffers };
        let mut matched: SmallVec<[usize; 8]> = SmallVec::new();
        let mut edits = KeyEdits::default();
        let taken_by =
            self.decide_in_lane(lane, agenda, record, (&*pass.marked, &mut edits), |rule| matched.push(rule))?;
        // Also of one that is dropped: whether its rules fail is found out on the way.
        let keys =
            if edits.is_empty() { None } else { Some(self.splice(lane, &edits, unit.buffers.record, pass.spliced)?) };
        matched.iter().for_each(|rule| self.state.accounts[*rule].matched += 1);
        match (taken_by, keys) {
            (Some(rule), _) => self.take(rule, Fate::Dropped, unit, pass.changes),
            (None, Some(keys)) => self.write_spliced(keys, pass, unit.position),
            (None, None) => {}
        }
        Some(taken_by.is_none())
    }

    /// Counts who edits a record, and notes what becomes of it.
    pub(super) fn write_spliced(&mut self, keys: &EditedKeys, pass: &mut Pass<'_>, position: usize) {
        pass.spliced.editors.iter().for_each(|rule| self.state.accounts[*rule].edited += 1);
        let cuts = pass.spliced.cuts(keys);
        if cuts.len() > 0 {
            pass.changes.splice_record(position, cuts);
        }
    }

    /// Returns the rule that removes a record whose rules are marked, if one does, or `None` when the record leaves the lane.
    ///
    /// `matched` is told of each rule that matches, and forgets what it was told where the record leaves; `edits` is given
    /// what they write.
    #[inline]
    pub(crate) fn decide_in_lane(
        &mut self,
        lane: &Lane<'_>,
        agenda: &Agenda<'_>,
        record: LaneRecord<'_>,
        (marked, edits): (&FixedBitSet, &mut KeyEdits),
        matched: impl FnMut(usize),
    ) -> Option<Option<usize>> {
        let turns = agenda.lane_turns(marked);
        let mut evaluating = Evaluating { frame: self, lane, active: agenda.active(), record };
        lane.follow(turns, &mut evaluating, edits, matched)
    }

    /// Finds what becomes of a record, and returns the keys that it is edited by; `None` when that has to be found out by
    /// judging it in full.
    pub(super) fn splice<'s>(
        &self,
        lane: &Lane<'s>,
        edits: &KeyEdits,
        record: &[u8],
        spliced: &mut Spliced,
    ) -> Option<&'s EditedKeys> {
        let is_guarded = edits.touch(lane.guarded_keys);
        let is_logged = self.edits.is_some();
        let keys = lane.edited_keys.filter(|_| !is_guarded && !is_logged)?;
        edits.splice(keys, record, spliced).map(|()| keys)
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

    /// Says whether a condition is true of a record; `None` when that has to be judged in full.
    #[inline]
    fn decides(&mut self, decider: &Decider<'_>, active: &Active, record: LaneRecord<'_>) -> Option<bool> {
        match decider {
            Decider::Always => Some(true),
            Decider::Native(condition) => self.decides_natively(condition, active.rule, record),
            // Records of requests are in the lane with native code alone.
            Decider::Rest | Decider::Choice(_) | Decider::Found(_) => None,
        }
    }

    #[inline]
    fn decides_natively(&mut self, condition: &Condition<'_>, rule: usize, record: LaneRecord<'_>) -> Option<bool> {
        decides_natively(self.state, condition, rule, record)
    }
}

/// Says whether native code finds a condition of a rule true; `None` when that has to be judged in full.
#[inline]
pub(super) fn decides_natively(
    state: &mut State,
    condition: &Condition<'_>,
    rule: usize,
    record: LaneRecord<'_>,
) -> Option<bool> {
    let looked_up = LookedUp(&state.subqueries[rule]);
    let verdict = condition.decide(&mut state.native, &looked_up, record.slots, record.table);
    verdict.ok().filter(|verdict| *verdict != Verdict::Left).map(|verdict| verdict == Verdict::True)
}
