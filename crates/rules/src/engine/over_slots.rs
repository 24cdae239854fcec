//! Rules over records that somebody else has decoded into slots: what becomes of each, without any bytes of it.
//!
//! The same guards and conditions in the same order as for requests: see `agenda` and `lane`. What is decided here is
//! keeping and removing; a record that some rule would do more to, or that cannot be judged by its slots alone, is left
//! to [`Processor::apply`]. Nothing is counted, remembered or changed. Next: `request`.

use crate::compile::RuleSet;
use crate::compile::set::BaseCells;
use crate::engine::agenda::Agenda;
use crate::engine::cells::{Cache, RecordCells};
use crate::engine::frame::Frame;
use crate::engine::judge::Active;
use crate::engine::kept::{Found, Kept};
use crate::engine::key_edits::KeyEdits;
use crate::engine::lane::{Asking, Decider, Deciding, Edits, LaneRecord, Step, decides_natively};
use crate::engine::overlay::Overlay;
use crate::engine::processor::Processor;
use crate::engine::state::State;
use crate::engine::tables::Tables;
use crate::native::NativeSet;
use dtq_interp::Evaluator;
use dtq_ir::ExprId;
use dtq_jit::BufferTable;
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, Level};
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use std::fmt;

/// Says what rules make of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotVerdict {
    /// It goes on as it is.
    Pass,
    /// The rule at this position in effective order removes it.
    Removed(usize),
    /// Some rule would edit it, count it in a metric, hold it or send it elsewhere, or cannot judge it: what becomes of it
    /// is for [`Processor::apply`] to say.
    Undecided,
}

/// Holds the bytes that the views of slots are of; made once for all records that share them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotBuffers<'b> {
    buffers: Buffers<'b>,
    table: BufferTable<'b>,
}

impl<'b> SlotBuffers<'b> {
    /// Returns these buffers.
    pub fn new(buffers: Buffers<'b>) -> Self {
        Self { buffers, table: BufferTable::new(&buffers) }
    }
}

/// Decides what becomes of records in slots.
///
/// # Example
/// ```
/// use dtq_record::otlp::Signal;
/// use dtq_record::slot::{Buffer, Buffers, Slot, Tag};
/// use dtq_rules::compile::{Options, compile};
/// use dtq_rules::engine::{Processor, SlotBuffers, SlotVerdict};
/// use dtq_rules::file::{self, NoFiles};
/// use std::sync::Arc;
///
/// let text = br#"
/// apiVersion: dtq/v1
/// rules:
///   - name: no-debug
///     to: drop
///     kql: logs | where SeverityNumber between (1 .. 8)
/// "#;
/// let (rules, _) = file::read("rules.yaml", text, &NoFiles, &file::Options::default());
/// let set = Arc::new(compile(&[rules], &Options::default()).set.expect("the rule is right"));
/// let mut processor = Processor::new(set, &Default::default());
///
/// let mut judge = processor.slot_judge(Signal::Logs, 0);
/// assert_eq!(judge.paths().len(), 1, "only the severity is read");
/// let buffers = SlotBuffers::new(Buffers::default());
/// let mut slots = vec![Slot::MISSING; judge.slot_count()];
/// judge.enter(&slots, &buffers);
/// for (severity, verdict) in [(5, SlotVerdict::Removed(0)), (17, SlotVerdict::Pass)] {
///     slots[0] = Slot::int(severity);
///     assert_eq!(judge.judge(&slots, &buffers), verdict);
/// }
/// ```
pub struct SlotJudge<'p> {
    set: &'p RuleSet,
    base: &'p BaseCells,
    tables: &'p Tables,
    native: Option<&'p NativeSet>,
    state: &'p mut State,
    arrival_ticks: i64,
    kept: &'p mut Kept,
    /// The place of what is left of the rules for the records at hand, once their resource and scope have been entered.
    at: Option<usize>,
}

impl fmt::Debug for SlotJudge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotJudge({:?}, {} rules)", self.base.cells.base(), self.base.rules.len())
    }
}

impl Processor {
    /// Returns what decides about decoded records of a signal that arrived at `arrival_ticks`.
    ///
    /// It uses native code where the processor does. What it finds out of resources and scopes is kept for the next one,
    /// so that a judge for a single record costs little more than its rules do.
    pub fn slot_judge(&mut self, signal: Signal, arrival_ticks: i64) -> SlotJudge<'_> {
        let kept = &mut self.kept[signal as usize];
        kept.renew(&self.set, &self.state.is_disabled, arrival_ticks);
        self.state.native.scalar.now_ticks = arrival_ticks;
        SlotJudge {
            base: self.set.base(RuleSet::base_of(signal)),
            set: &self.set,
            tables: &self.tables,
            native: self.native.as_deref(),
            state: &mut self.state,
            arrival_ticks,
            kept,
            at: None,
        }
    }
}

impl SlotJudge<'_> {
    /// Returns the fields that rules read, in the order of the slots that they are put into.
    pub fn paths(&self) -> &[FieldPath] {
        self.base.cells.paths()
    }

    /// Returns how many slots a record has: those of the paths, and behind them what only the own fillers use.
    pub fn slot_count(&self) -> usize {
        self.base.plan.slot_count()
    }

    /// Decides what rules say of the resource and scope of the records that follow; the slots of both are filled.
    ///
    /// # Panics
    /// If there are not as many slots as a record has.
    pub fn enter(&mut self, slots: &[Slot], buffers: &SlotBuffers<'_>) {
        self.check(slots);
        // What is left of rules that ask for neither is the same everywhere.
        if self.at.is_some() && self.base.has_conditions_on == [false; 2] {
            return;
        }
        self.at = match self.kept.find(self.base, slots, &buffers.buffers) {
            Found::At(at) => Some(at),
            found => {
                let agenda = self.agenda(slots, buffers);
                Some(self.kept.put(found, agenda))
            }
        };
    }

    /// Decides what is left of rules for the records of a resource and scope; `None` where they need more than slots.
    fn agenda(&mut self, slots: &[Slot], buffers: &SlotBuffers<'_>) -> Option<Agenda<'static>> {
        // A rule over resources may change what all others see.
        if self.set.base(Base::Resources).rules.iter().any(|rule| self.kept.is_active[*rule]) {
            return None;
        }
        let mut frame = Frame::new(self.set, self.tables, self.state, self.arrival_ticks, None);
        frame.native = self.native;
        let (cache, overlay) = (&mut self.kept.cache, Overlay::default());
        cache.reset(slots.len());
        let mut active = frame.candidates(self.base, 0, None);
        let cells = cells(self.base, (slots, buffers.buffers), (&overlay, cache), self.set);
        let levels = [Level::Resource, Level::Scope].into_iter().zip(self.base.has_conditions_on);
        for (level, _) in levels.filter(|(_, has_conditions)| *has_conditions) {
            active = frame.narrow(Some(&cells), level, active);
        }
        if self.base.has_conditions_on == [false; 2] {
            active = frame.narrow(None, Level::Scope, active);
        }
        Agenda::over_slots(&frame, self.base, active)
    }

    /// Returns what becomes of a record whose slots are filled; those of resource and scope stand as when they were
    /// entered.
    ///
    /// # Panics
    /// If there are not as many slots as a record has.
    #[inline]
    pub fn judge(&mut self, slots: &[Slot], buffers: &SlotBuffers<'_>) -> SlotVerdict {
        self.check(slots);
        let Kept { is_active, places, marked, matched, cache, .. } = &mut *self.kept;
        matched.clear();
        let Some(agenda) = self.at.and_then(|at| places[at].agenda.as_ref()) else { return SlotVerdict::Undecided };
        let Some(lane) = agenda.lane() else { return SlotVerdict::Undecided };
        let SlotBuffers { buffers, table } = buffers;
        let (own, overlay);
        let cells = match self.native {
            Some(_) => None,
            None => {
                cache.reset(slots.len());
                overlay = Overlay::default();
                own = cells(self.base, (slots, *buffers), (&overlay, cache), self.set);
                Some(&own)
            }
        };
        agenda.mark(self.base, slots, buffers, marked);
        let record = LaneRecord { slots, table };
        let (set, native, state) = (self.set, self.native, &mut *self.state);
        let mut asked = Asked { set, native, state, is_active, active: agenda.active(), record, cells };
        // Records that would be edited leave the lane.
        let mut edits = KeyEdits::default();
        match lane.follow(agenda.lane_turns(marked), &mut asked, &mut edits, |rule| matched.push(rule)) {
            Some(None) => SlotVerdict::Pass,
            Some(Some(rule)) => SlotVerdict::Removed(rule),
            None => {
                matched.clear();
                SlotVerdict::Undecided
            }
        }
    }

    /// Returns the rules that match the record judged last, in effective order; none where it is undecided.
    ///
    /// The rules behind one that removes it were not asked.
    pub fn matched(&self) -> &[usize] {
        &self.kept.matched
    }

    fn check(&self, slots: &[Slot]) {
        assert!(slots.len() >= self.base.plan.slot_count(), "a record has as many slots as rules read");
    }
}

/// Answers what steps ask of a record in slots, by native code where there is some and else by the interpreter.
struct Asked<'a> {
    set: &'a RuleSet,
    native: Option<&'a NativeSet>,
    state: &'a mut State,
    is_active: &'a [bool],
    active: &'a [Active],
    record: LaneRecord<'a>,
    /// For the interpreter.
    cells: Option<&'a RecordCells<'a>>,
}

impl Deciding for Asked<'_> {
    #[inline]
    fn takes_part(&mut self, rule: usize) -> Option<bool> {
        Some(self.is_active[rule])
    }

    #[inline]
    fn holds(&mut self, place: usize, step: &Step<'_>, asking: Asking) -> Option<bool> {
        let active = &self.active[place];
        match (asking, &step.edits) {
            (Asking::Condition, _) => self.decides(&step.condition, active),
            (Asking::Write(at), Edits::If(conditions)) => self.decides(&conditions[at], active),
            _ => None,
        }
    }
}

impl Asked<'_> {
    /// Says whether a condition is true; `None` where that has to be found out in full.
    #[inline]
    fn decides(&mut self, decider: &Decider<'_>, active: &Active) -> Option<bool> {
        match (decider, self.native) {
            (Decider::Always, _) => Some(true),
            (Decider::Found(None), Some(native)) => {
                decides_natively(self.state, &native.conditions(active.rule)?, active.rule, self.record)
            }
            (Decider::Found(Some(condition)), Some(native)) => {
                decides_natively(self.state, &native.choice(active.rule, *condition)?, active.rule, self.record)
            }
            (Decider::Rest, _) => {
                let conditions = &self.set.rules[active.rule].conditions;
                for condition in &active.conditions {
                    if !self.interprets(active.rule, conditions[usize::from(*condition)].expr)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Decider::Choice(condition), _) => self.interprets(active.rule, *condition),
            (Decider::Native(_) | Decider::Found(_), _) => None,
        }
    }

    fn interprets(&mut self, rule: usize, expr: ExprId) -> Option<bool> {
        let evaluator = Evaluator::new(&self.set.rules[rule].flat.program, &self.state.subqueries[rule]);
        evaluator.holds(expr, self.cells?, &mut self.state.native.scalar).ok()
    }
}

/// Returns the cells of a record that no rule has edited.
fn cells<'r>(
    base: &'r BaseCells,
    (slots, buffers): (&'r [Slot], Buffers<'r>),
    (overlay, cache): (&'r Overlay, &'r Cache),
    set: &RuleSet,
) -> RecordCells<'r> {
    RecordCells { base, slots, buffers, overlay, cache, nesting_max: set.limits.value_nesting_max }
}
