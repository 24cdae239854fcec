//! The rules that take part for a scope, in order, and which of them a record has to be shown to.
//!
//! Where guards are worth their search, a rule whose guard is not found is passed over, or told that the record does
//! not match where it acts on such records too. An edit that touches what a guard looks at brings its rule back.

use crate::compile::RuleSet;
use crate::compile::set::BaseCells;
use crate::engine::frame::Frame;
use crate::engine::judge::Active;
use crate::engine::lane::Lane;
use crate::engine::overlay::Overlay;
use crate::engine::request::Work;
use crate::engine::resource::ResourceFate;
use dtq_record::otlp::fill::Level;
use dtq_record::slot::{Buffers, Slot};
use fixedbitset::FixedBitSet;

/// Rules from which on looking for all guards at once costs less than asking each rule.
const GUARDED_MIN: usize = 4;
/// Stands for a rule that takes no part.
const ABSENT: u32 = u32::MAX;

/// Holds the rules that take part for the records of one scope.
pub(crate) struct Agenda<'s> {
    active: Vec<Active>,
    /// What guards need, where they are used.
    guarded: Option<Guarded>,
    /// Where native code decides most records.
    lane: Option<Lane<'s>>,
}

/// Holds rules over the table by their position among all of them.
struct Guarded {
    /// Position in `active`.
    places: Vec<u32>,
    /// Those that are shown each record, whether or not they may match.
    shown: FixedBitSet,
    /// Those whose guard does not count here, if there are some.
    unguarded: Option<FixedBitSet>,
    present: FixedBitSet,
}

impl<'s> Agenda<'s> {
    /// Returns the agenda of rules that take part.
    ///
    /// Guards and the lane are used where nothing but edits changes what rules see, and nobody observes.
    pub(crate) fn new(frame: &Frame<'s>, base: &BaseCells, active: Vec<Active>, fate: &ResourceFate) -> Self {
        let is_plain = fate.is_plain() && frame.observer.is_none();
        let is_guarded = is_plain && !base.guards.is_empty() && active.len() >= GUARDED_MIN;
        let guarded = is_guarded.then(|| Guarded::new(frame.set, base, &active));
        let lane = if is_plain { Lane::new(frame, base, &active, is_guarded) } else { None };
        Self { active, guarded, lane }
    }

    /// Returns the rules that take part.
    pub(crate) fn active(&self) -> &[Active] {
        &self.active
    }

    /// Returns the lane of records that native code decides.
    pub(crate) fn lane(&self) -> Option<&Lane<'s>> {
        self.lane.as_ref()
    }

    /// Marks the rules that a record may match which nothing edits, by the slots that guards look at.
    #[inline]
    pub(crate) fn mark(&self, base: &BaseCells, slots: &[Slot], buffers: &Buffers<'_>, marked: &mut FixedBitSet) {
        if let Some(guarded) = &self.guarded {
            base.guards.mark(slots, buffers, marked);
            guarded.mark_unguarded(marked);
        }
    }

    /// Returns the turns of a record whose rules are marked.
    #[inline]
    pub(crate) fn lane_turns<'t>(&'t self, marked: &'t FixedBitSet) -> LaneTurns<'t> {
        LaneTurns { count: self.active.len(), guarded: self.guarded.as_ref(), marked, next: 0 }
    }

    /// Returns the turns of a record; `marked` is room for them.
    pub(crate) fn turns<'t>(
        &'t self,
        base: &'t BaseCells,
        is_readable: bool,
        slots: &[Slot],
        buffers: &Buffers<'_>,
        marked: &'t mut FixedBitSet,
    ) -> Turns<'t> {
        let guarded = self.guarded.as_ref().filter(|_| is_readable);
        if let Some(guarded) = guarded {
            base.guards.mark(slots, buffers, marked);
            guarded.mark_unguarded(marked);
        }
        Turns { agenda: self, base, guarded, marked, next: 0, editor_count: 0 }
    }
}

impl Agenda<'static> {
    /// Returns the agenda of rules over slots that somebody else fills, or `None` where slots alone are not enough.
    ///
    /// It borrows nothing, so that it can be kept for other records.
    pub(crate) fn over_slots(frame: &Frame<'_>, base: &BaseCells, active: Vec<Active>) -> Option<Self> {
        let lane = Some(Lane::over_slots(frame, base, &active)?);
        let is_guarded = !base.guards.is_empty() && active.len() >= GUARDED_MIN;
        let guarded = is_guarded.then(|| Guarded::new(frame.set, base, &active));
        Some(Self { active, guarded, lane })
    }
}

impl Guarded {
    fn new(set: &RuleSet, base: &BaseCells, active: &[Active]) -> Self {
        let count = base.rules.len();
        let none = || FixedBitSet::with_capacity(count);
        let mut guarded = Self { places: vec![ABSENT; count], shown: none(), unguarded: None, present: none() };
        let mut local = 0;
        for (place, one) in active.iter().enumerate() {
            while base.rules[local] != one.rule {
                local += 1;
            }
            let rule = &set.rules[one.rule];
            guarded.places[local] = u32::try_from(place).expect("there are fewer rules");
            guarded.present.insert(local);
            if rule.acts_on_others() {
                guarded.shown.insert(local);
            }
            // A condition on the resource or scope that could not be decided fails for each record.
            let is_undecided = |at: &u16| rule.conditions[usize::from(*at)].level != Level::Record;
            if one.conditions.iter().any(is_undecided) {
                guarded.unguarded.get_or_insert_with(none).insert(local);
            }
        }
        guarded
    }

    #[inline]
    fn mark_unguarded(&self, marked: &mut FixedBitSet) {
        if let Some(unguarded) = &self.unguarded {
            marked.union_with(unguarded);
        }
    }
}

/// Gives the rules that a record comes to, in order, each with whether it may match.
pub(crate) struct Turns<'t> {
    agenda: &'t Agenda<'t>,
    base: &'t BaseCells,
    guarded: Option<&'t Guarded>,
    marked: &'t mut FixedBitSet,
    /// Position of the next rule: in `active`, or with guards among all rules over the table.
    next: usize,
    editor_count: usize,
}

impl<'t> Turns<'t> {
    /// Returns the next rule, given what those before have made of the record.
    #[inline]
    pub(crate) fn next(&mut self, work: &Work<'_>) -> Option<(&'t Active, bool)> {
        let Some(guarded) = self.guarded else {
            let one = self.agenda.active.get(self.next)?;
            self.next += 1;
            return Some((one, true));
        };
        if work.editors.len() != self.editor_count {
            self.editor_count = work.editors.len();
            let base = self.base;
            base.guards.mark_edited(|slot| is_edited(base, work.overlay, slot), self.marked);
        }
        let local = next_turn(guarded, self.marked, self.next)?;
        self.next = local + 1;
        let one = &self.agenda.active[guarded.places[local] as usize];
        Some((one, self.marked.contains(local)))
    }
}

/// Gives the positions among the rules that take part, in order, each with whether it may match.
pub(crate) struct LaneTurns<'t> {
    count: usize,
    guarded: Option<&'t Guarded>,
    marked: &'t FixedBitSet,
    next: usize,
}

impl Iterator for LaneTurns<'_> {
    type Item = (usize, bool);

    #[inline]
    fn next(&mut self) -> Option<(usize, bool)> {
        let Some(guarded) = self.guarded else {
            let place = self.next;
            self.next += 1;
            return (place < self.count).then_some((place, true));
        };
        let local = next_turn(guarded, self.marked, self.next)?;
        self.next = local + 1;
        Some((guarded.places[local] as usize, self.marked.contains(local)))
    }
}

/// Returns the first rule from a position on that takes part and is marked or shown all records.
fn next_turn(guarded: &Guarded, marked: &FixedBitSet, from: usize) -> Option<usize> {
    let bits = usize::BITS as usize;
    let (shown, present) = (guarded.shown.as_slice(), guarded.present.as_slice());
    let mut mask = usize::MAX << (from % bits);
    for block in from / bits..present.len() {
        let found = (marked.as_slice()[block] | shown[block]) & present[block] & mask;
        if found != 0 {
            return Some(block * bits + found.trailing_zeros() as usize);
        }
        mask = usize::MAX;
    }
    None
}

/// Says whether an edit of the record may have changed what a slot reads as.
fn is_edited(base: &BaseCells, overlay: &Overlay, slot: u32) -> bool {
    let path = &base.cells.paths()[slot as usize];
    overlay.is_touched(path.column, path.key.as_ref())
}
