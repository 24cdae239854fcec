//! Records of a scope decided many at once: what few conditions say of a record is a number, and what becomes of the record
//! is looked up by it.
//!
//! What a number means is found out once, by the steps of the lane that also take single records through. Deciding
//! changes nothing but slots, so that records are decided ahead of those before them; a record with more to it ends the
//! batch, is judged in full, and the next batch begins behind it. Next: `request.rs`.

use crate::engine::act::Fate;
use crate::engine::compiled::LookedUp;
use crate::engine::frame::{Frame, Unit};
use crate::engine::key_edits::KeyEdits;
use crate::engine::lane::{Asking, Decider, Deciding, Edits, Lane, Step, Turn};
use crate::engine::request::Pass;
use dtq_jit::{Ask, Batch, BufferTable, Condition, RecordScan};
use dtq_record::otlp::Signal;
use dtq_record::otlp::index::{Positions, RecordEntry};
use smallvec::SmallVec;
use std::ops::Range;

/// Conditions of a lane whose records are decided so; there are two to the power of that numbers.
const CONDITIONS_MAX: usize = 4;
/// Records of a scope for each number from on which finding out what numbers mean is worth it.
const RECORDS_MIN: usize = 4;
/// Records that are decided ahead.
const AHEAD_MAX: usize = 64;

/// Holds what becomes of records by what the conditions of a lane say of them.
pub(super) struct Outcomes<'s> {
    asked: SmallVec<[Asked<'s>; CONDITIONS_MAX]>,
    /// By the number that the conditions make.
    by_number: Vec<Outcome>,
    /// The numbers, as bits, of records that are judged in full.
    stops: u64,
    /// The numbers, as bits, of records that are removed.
    removals: u64,
    /// The numbers, as bits, of records that are edited.
    edited: u64,
    /// The most bytes that are put into a record.
    put_bytes: usize,
}

/// Holds a condition, whose bit is set where it is true.
struct Asked<'s> {
    /// The step that asks, and what of it.
    place: usize,
    asking: Asking,
    rule: usize,
    condition: Condition<'s>,
    /// It is asked only where these bits are so.
    when: Bits,
}

/// Holds bits that have to have certain values.
#[derive(Clone, Copy, Default)]
struct Bits {
    mask: u8,
    bits: u8,
}

impl Bits {
    /// Returns the same and another bit.
    fn and(self, at: usize, is_set: bool) -> Self {
        Self { mask: self.mask | 1 << at, bits: self.bits | u8::from(is_set) << at }
    }
}

/// Says what becomes of a record.
#[derive(Default)]
struct Outcome {
    /// The rules that it comes to, as many as are in front of the first that it does not come to.
    reached: usize,
    /// The rules that match it.
    matched: SmallVec<[usize; CONDITIONS_MAX]>,
    taken_by: Option<usize>,
    edits: KeyEdits,
}

impl<'s> Outcomes<'s> {
    /// Returns what the conditions of a lane decide; `None` where they are too many for so many records, or interpreted.
    fn new(lane: &Lane<'s>, record_count: usize) -> Option<Self> {
        let (asked, by_number) = (SmallVec::new(), Vec::new());
        let mut outcomes = Self { asked, by_number, stops: 0, removals: 0, edited: 0, put_bytes: 0 };
        let mut reached = Bits::default();
        for (place, step) in lane.steps.iter().enumerate() {
            reached = outcomes.add(lane, place, step, reached)?;
        }
        let number_count = 1_u8 << outcomes.asked.len();
        if record_count / RECORDS_MIN < usize::from(number_count) {
            return None;
        }
        for number in 0..number_count {
            let mut outcome = Outcome::default();
            let mut numbered = Numbered { asked: &outcomes.asked, number, reached: 0 };
            let turns = (0..lane.steps.len()).map(|place| (place, true));
            let matched = &mut outcome.matched;
            match lane.follow(turns, &mut numbered, &mut outcome.edits, |rule| matched.push(rule)) {
                Some(taken_by) => outcome.taken_by = taken_by,
                None => outcomes.stops |= 1 << number,
            }
            outcome.reached = numbered.reached;
            outcomes.removals |= u64::from(outcome.taken_by.is_some()) << number;
            outcomes.edited |= u64::from(!outcome.edits.is_empty()) << number;
            let put_bytes = lane.edited_keys.map_or(0, |keys| outcome.edits.put_bytes(keys));
            outcomes.put_bytes = outcomes.put_bytes.max(put_bytes);
            outcomes.by_number.push(outcome);
        }
        Some(outcomes)
    }

    /// Adds what a step asks where it is reached; returns where the next one is.
    fn add(&mut self, lane: &Lane<'s>, place: usize, step: &Step<'s>, reached: Bits) -> Option<Bits> {
        let mut matches = reached;
        let mut next = reached;
        match step.condition {
            Decider::Always => {}
            Decider::Native(condition) => {
                let at =
                    self.ask(Asked { place, asking: Asking::Condition, rule: step.rule, condition, when: reached })?;
                matches = reached.and(at, true);
                next = match (step.if_true, step.if_false) {
                    (_, Turn::Filter) => matches,
                    (Turn::Drop | Turn::Leave, _) => reached.and(at, false),
                    _ => reached,
                };
            }
            Decider::Rest | Decider::Choice(_) | Decider::Found(_) => return None,
        }
        match &step.edits {
            Edits::If(conditions) if conditions.is_empty() => {}
            Edits::If(_) => return None,
            Edits::Keys(plan) => {
                for choice in plan.choices() {
                    let condition = lane.native?.choice_at(step.rule, choice);
                    let asking = Asking::Choice(choice);
                    self.ask(Asked { place, asking, rule: step.rule, condition, when: matches })?;
                }
            }
        }
        Some(next)
    }

    /// Adds a condition and returns its position; `None` for one too many.
    fn ask(&mut self, asked: Asked<'s>) -> Option<usize> {
        self.asked.push(asked);
        (self.asked.len() <= CONDITIONS_MAX).then(|| self.asked.len() - 1)
    }
}

/// Answers what steps ask by the bits of a number.
struct Numbered<'n, 's> {
    asked: &'n [Asked<'s>],
    number: u8,
    /// How many rules have been asked.
    reached: usize,
}

impl Deciding for Numbered<'_, '_> {
    fn takes_part(&mut self, _rule: usize) -> Option<bool> {
        self.reached += 1;
        Some(true)
    }

    fn holds(&mut self, place: usize, step: &Step<'_>, asking: Asking) -> Option<bool> {
        if asking == Asking::Condition && matches!(step.condition, Decider::Always) {
            return Some(true);
        }
        let at = self.asked.iter().position(|asked| (asked.place, asked.asking) == (place, asking))?;
        Some(self.number >> at & 1 != 0)
    }
}

/// Holds what the batches of a scope go by.
pub(super) struct Batches<'l, 's> {
    lane: &'l Lane<'s>,
    outcomes: Outcomes<'s>,
    scan: &'s RecordScan,
    wanted: u64,
    /// How many records are decided ahead, at most.
    ahead: usize,
    /// How many records are judged in full before the next batch.
    in_full: usize,
    /// How many there were last, where batches end with their first record.
    in_full_last: usize,
}

impl Batches<'_, '_> {
    /// Adapts to a batch of `count` records of which the numbers of some were found, and some of these decided.
    fn adapt(&mut self, count: usize, found: usize, decided: usize) {
        // A record that turns out only then to be judged in full makes void what was found of those behind it.
        self.ahead = if decided < found { (self.ahead / 2).max(1) } else { (self.ahead * 2).min(AHEAD_MAX) };
        // Where each record is one that is judged in full, trying is in vain. The record that ended the batch is looked at
        // right away when nothing was decided, and later otherwise.
        let is_vain = decided == 0 && count > 0;
        self.in_full_last = if is_vain { (self.in_full_last * 2 + 1).min(AHEAD_MAX) } else { 0 };
        self.in_full = match decided {
            0 => self.in_full_last,
            _ => usize::from(decided < count),
        };
    }
}

/// Says how far a batch came.
pub(super) struct Decided {
    /// How many records were decided.
    pub(super) count: usize,
    /// How many of them go on.
    pub(super) left: u64,
}

impl<'s> Frame<'s> {
    /// Returns what batches of a scope go by; `None` where each record is decided by itself.
    ///
    /// What the lane reads of records is known by then.
    pub(super) fn batches<'l>(
        &self,
        lane: &'l Lane<'s>,
        unit: &Unit<'_>,
        (records, wanted): (Positions, u64),
    ) -> Option<Batches<'l, 's>> {
        if !lane.is_batched || unit.signal == Signal::Metrics || self.edits.is_some() {
            return None;
        }
        let scan = lane.native?.scan(unit.base.cells.base(), None)?;
        let outcomes = Outcomes::new(lane, records.range().len())?;
        Some(Batches { lane, outcomes, scan, wanted, ahead: AHEAD_MAX, in_full: 0, in_full_last: 0 })
    }

    /// Decides records from the first of a range on, the first of which was spent on.
    pub(super) fn run_batch(
        &mut self,
        batches: &mut Batches<'_, '_>,
        pass: &mut Pass<'_>,
        unit: &Unit<'_>,
        positions: Range<usize>,
    ) -> Decided {
        let first = positions.start;
        let is_active = batches.lane.steps.iter().all(|step| self.is_active[step.rule]);
        if batches.in_full > 0 || !is_active {
            batches.in_full = batches.in_full.saturating_sub(1);
            return Decided { count: 0, left: 0 };
        }
        let count = positions.len().min(batches.ahead).min(self.unmeasured_count(batches.lane));
        let count = self.free_count(pass.changes, batches.outcomes.put_bytes, count);
        let mut numbers = [0; AHEAD_MAX];
        let numbers = &mut numbers[..count];
        let decided_count = self.decide_ahead(batches, pass, unit, (first, numbers));
        let decided = self.settle_batch(batches, pass, (unit, first), &numbers[..decided_count]);
        batches.adapt(count, decided_count, decided.count);
        self.spend_free(decided.count);
        decided
    }

    /// Finds the numbers of records from a position on; returns of how many.
    fn decide_ahead(
        &mut self,
        batches: &Batches<'_, '_>,
        pass: &mut Pass<'_>,
        unit: &Unit<'_>,
        (first, numbers): (usize, &mut [u8]),
    ) -> usize {
        let asked = &batches.outcomes.asked;
        let looked_up: SmallVec<[LookedUp<'_>; CONDITIONS_MAX]> =
            asked.iter().map(|asked| LookedUp(&self.state.subqueries[asked.rule])).collect();
        let asks = asked.iter().zip(&looked_up).map(|(asked, looked_up)| {
            let Bits { mask, bits } = asked.when;
            Ask { condition: asked.condition, subqueries: looked_up, mask, bits }
        });
        let asks: SmallVec<[Ask<'_>; CONDITIONS_MAX]> = asks.collect();
        let batch = Batch { scan: batches.scan, wanted: batches.wanted, asks: &asks, stops: batches.outcomes.stops };
        let mut buffers = BufferTable::new(&unit.buffers);
        let records = (pass.request, &pass.index.records()[first..]);
        batch.decide(&mut self.state.native, (pass.slots, &mut buffers), records, numbers)
    }

    /// Returns how many records come before one that is to be measured for one of the rules.
    fn unmeasured_count(&self, lane: &Lane<'_>) -> usize {
        if self.clock.is_none() {
            return usize::MAX;
        }
        let counts = lane.steps.iter().map(|step| self.state.costs[step.rule].unmeasured_count());
        counts.min().map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Does what the numbers of records say, up to a record that has to be judged in full.
    fn settle_batch(
        &mut self,
        Batches { lane, outcomes, .. }: &Batches<'_, '_>,
        pass: &mut Pass<'_>,
        (unit, first): (&Unit<'_>, usize),
        numbers: &[u8],
    ) -> Decided {
        let count = match outcomes.edited != 0 {
            true => self.splice_batch((*lane, outcomes), pass, first, numbers),
            false => numbers.len(),
        };
        let numbers = &numbers[..count];
        pass.changes.drop_records(first, numbers.iter().map(|number| outcomes.removals >> number & 1 != 0));
        let records = &pass.index.records()[first..];
        let mut left = 0;
        for (number, outcome) in (0..).zip(&outcomes.by_number) {
            let count = count_of(number, numbers);
            if count > 0 {
                let bytes = if outcome.taken_by.is_some() { bytes_of(number, numbers, records) } else { 0 };
                self.count_outcome(lane, outcome, unit, (count, bytes));
                left += if outcome.taken_by.is_none() { count } else { 0 };
            }
        }
        Decided { count, left }
    }

    /// Edits the records that their numbers say are edited, up to one that has to be judged in full; returns how many
    /// records come before it.
    fn splice_batch(
        &mut self,
        (lane, outcomes): (&Lane<'_>, &Outcomes<'_>),
        pass: &mut Pass<'_>,
        first: usize,
        numbers: &[u8],
    ) -> usize {
        const { assert!(AHEAD_MAX <= u64::BITS as usize) };
        // Found without a branch for each: which records are edited no processor guesses.
        let is_edited = numbers.iter().map(|number| outcomes.edited >> number & 1);
        let mut edited = is_edited.enumerate().fold(0, |bits, (at, is_edited)| bits | is_edited << at);
        while edited != 0 {
            let at = edited.trailing_zeros() as usize;
            edited &= edited - 1;
            let outcome = &outcomes.by_number[usize::from(numbers[at])];
            let record = pass.index.records()[first + at].place.content(pass.request);
            let Some(keys) = self.splice(lane, &outcome.edits, record, pass.spliced) else { return at };
            // Whether its rules fail is found out also of one that is removed.
            if outcome.taken_by.is_none() {
                self.write_spliced(keys, pass, first + at);
            }
        }
        numbers.len()
    }

    /// Counts what became of so many records, with so many bytes where they were removed.
    fn count_outcome(&mut self, lane: &Lane<'_>, outcome: &Outcome, unit: &Unit<'_>, (records, bytes): (u64, u64)) {
        outcome.matched.iter().for_each(|rule| self.state.accounts[*rule].matched += records);
        if let Some(rule) = outcome.taken_by {
            self.count_taken(rule, Fate::Dropped, unit.base.cells.base(), (records, bytes));
        }
        if self.clock.is_some() {
            let reached = &lane.steps[..outcome.reached];
            reached.iter().for_each(|step| self.state.costs[step.rule].pass_unmeasured(records));
        }
    }
}

/// Returns how many records of a batch have a number.
fn count_of(number: u8, numbers: &[u8]) -> u64 {
    // Counts of a byte are what vector code adds up; a batch has fewer records than overflow one.
    const { assert!(AHEAD_MAX <= u8::MAX as usize) };
    u64::from(numbers.iter().fold(0_u8, |count, own| count.wrapping_add(u8::from(*own == number))))
}

/// Returns how many bytes the records with a number have.
fn bytes_of(number: u8, numbers: &[u8], records: &[RecordEntry]) -> u64 {
    let sizes = numbers.iter().zip(records).map(|(own, RecordEntry { place, .. })| {
        let size = place.end - place.start;
        u64::from(if *own == number { size } else { 0 })
    });
    sizes.sum()
}
