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
use crate::engine::key_edits::KeyEdits;
use crate::engine::lane::LaneRecord;
use crate::engine::overlay::Overlay;
use crate::engine::processor::Processor;
use dtq_jit::BufferTable;
use dtq_record::otlp::Signal;
use dtq_record::otlp::fill::{FieldPath, Level};
use dtq_record::slot::{Buffers, Slot};
use dtq_record::tables::Base;
use fixedbitset::FixedBitSet;
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
    frame: Frame<'p>,
    base: &'p BaseCells,
    /// What is left of the rules for the records of a resource and scope; none where rules need more than slots.
    around: Option<Agenda<'p>>,
    /// Whether resource and scope of the records have been entered.
    is_entered: bool,
    marked: FixedBitSet,
    matched: Vec<usize>,
    cache: Cache,
    overlay: Overlay,
}

impl fmt::Debug for SlotJudge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotJudge({:?}, {} rules)", self.base.cells.base(), self.base.rules.len())
    }
}

impl Processor {
    /// Returns what decides about decoded records of a signal that arrived at `arrival_ticks`.
    ///
    /// It uses native code where the processor does.
    pub fn slot_judge(&mut self, signal: Signal, arrival_ticks: i64) -> SlotJudge<'_> {
        let mut frame = Frame::new(&self.set, &self.tables, &mut self.state, arrival_ticks, None);
        frame.native = self.native.as_deref();
        SlotJudge {
            base: frame.set.base(RuleSet::base_of(signal)),
            frame,
            around: None,
            is_entered: false,
            marked: FixedBitSet::new(),
            matched: Vec::new(),
            cache: Cache::default(),
            overlay: Overlay::default(),
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
        let set = self.frame.set;
        self.check(slots);
        // What is left of rules that ask for neither is the same everywhere.
        if self.is_entered && self.base.has_conditions_on == [false; 2] {
            return;
        }
        self.is_entered = true;
        self.around = None;
        // A rule over resources may change what all others see.
        let is_of_resources = |rule: &usize| self.frame.is_active[*rule];
        if set.base(Base::Resources).rules.iter().any(is_of_resources) {
            return;
        }
        self.cache.reset(slots.len());
        let mut active = self.frame.candidates(self.base, 0, None);
        let cells = cells(self.base, (slots, buffers.buffers), (&self.overlay, &self.cache), set);
        let levels = [Level::Resource, Level::Scope].into_iter().zip(self.base.has_conditions_on);
        for (level, _) in levels.filter(|(_, has_conditions)| *has_conditions) {
            active = self.frame.narrow(Some(&cells), level, active);
        }
        if self.base.has_conditions_on == [false; 2] {
            active = self.frame.narrow(None, Level::Scope, active);
        }
        self.around = Agenda::over_slots(&self.frame, self.base, active);
    }

    /// Returns what becomes of a record whose slots are filled; those of resource and scope stand as when they were
    /// entered.
    ///
    /// # Panics
    /// If there are not as many slots as a record has.
    #[inline]
    pub fn judge(&mut self, slots: &[Slot], buffers: &SlotBuffers<'_>) -> SlotVerdict {
        self.matched.clear();
        self.check(slots);
        let Some(agenda) = &self.around else { return SlotVerdict::Undecided };
        let Some(lane) = agenda.lane() else { return SlotVerdict::Undecided };
        let SlotBuffers { buffers, table } = buffers;
        let mut record = LaneRecord { slots, buffers, table, cells: None };
        let own;
        if self.frame.native.is_none() {
            self.cache.reset(slots.len());
            own = cells(self.base, (slots, *buffers), (&self.overlay, &self.cache), self.frame.set);
            record.cells = Some(&own);
        }
        // Records that would be edited leave the lane.
        let mut edits = KeyEdits::default();
        let matched = &mut self.matched;
        match self.frame.decide_in_lane(lane, agenda, record, (&mut self.marked, &mut edits), |rule| matched.push(rule))
        {
            Some(None) => SlotVerdict::Pass,
            Some(Some(rule)) => SlotVerdict::Removed(rule),
            None => {
                self.matched.clear();
                SlotVerdict::Undecided
            }
        }
    }

    /// Returns the rules that match the record judged last, in effective order; none where it is undecided.
    ///
    /// The rules behind one that removes it were not asked.
    pub fn matched(&self) -> &[usize] {
        &self.matched
    }

    fn check(&self, slots: &[Slot]) {
        assert!(slots.len() >= self.base.plan.slot_count(), "a record has as many slots as rules read");
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
